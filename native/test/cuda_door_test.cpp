// cuda_door_test CUDA_BACKEND|none ANOTHER_LIBRARY - opening the CUDA backend, and its reasons where there is no
// driver.
#include <cstring>

#include "check.h"
#include "core/backend.h"

using namespace test;

namespace {

const std::string kOtherAbiText = "is not a backend of ABI " + std::to_string(GATUN_CUDA_BACKEND_ABI);
const char* const kOtherAbi = kOtherAbiText.c_str();

bool says(const char* words) { return std::strstr(gatun_last_error(), words) != nullptr; }

void expect(gatun_status status, gatun_status wanted, const char* words) {
  CHECK(status == wanted, "status %d, not %d: %s", int(status), int(wanted), gatun_last_error());
  CHECK(says(words), "the message does not say \"%s\": %s", words, gatun_last_error());
}

// A machine with a driver and a GPU: memory and copies really work.
void with_gpu() {
  gatun_context_options options{};
  options.backend = GATUN_CUDA;
  gatun_context* context = nullptr;
  CHECK_OK(gatun_context_create(&options, &context));
  if (context == nullptr) return;
  gatun_device_info info{};
  CHECK_OK(gatun_context_info(context, &info));
  CHECK(info.memory_bytes > 0 && info.threads > 0 && info.isa >= 50 && info.name[0] != 0,
        "%lld bytes, %d multiprocessors, %d, %s", (long long)info.memory_bytes, info.threads, info.isa, info.name);
  constexpr int64_t n = 100003;
  char* pinned = nullptr;
  void *device = nullptr, *empty = nullptr;
  CHECK_OK(gatun_memory_allocate(context, n, 1, reinterpret_cast<void**>(&pinned)));
  CHECK_OK(gatun_memory_allocate(context, n, 0, &device));
  CHECK_OK(gatun_memory_allocate(context, 0, 0, &empty));
  CHECK(reinterpret_cast<uintptr_t>(device) % 256 == 0 && empty != nullptr, "device memory at %p and %p", device,
        empty);
  std::string text(n, 'x'), back(n, 'y');
  CHECK_OK(gatun_memory_copy(context, &back[0], device, n));
  CHECK_OK(gatun_context_synchronize(context));
  CHECK(back == std::string(n, '\0'), "fresh device memory is not zero");
  CHECK_OK(gatun_memory_copy(context, device, text.data(), n));
  CHECK_OK(gatun_memory_copy(context, pinned, device, n));
  CHECK_OK(gatun_context_synchronize(context));
  CHECK(std::memcmp(pinned, text.data(), n) == 0, "a copy there and back changed bytes");
  void* huge = &huge;
  expect(gatun_memory_allocate(context, int64_t(1) << 60, 0, &huge), GATUN_OUT_OF_MEMORY, "cudaErrorMemoryAllocation");
  CHECK_OK(gatun_memory_free(context, device, 0));
  CHECK_OK(gatun_memory_free(context, empty, 0));
  CHECK_OK(gatun_memory_free(context, pinned, 1));
  CHECK_OK(gatun_context_destroy(context));
  options.ordinal = 4096;
  expect(gatun_context_create(&options, &context), GATUN_UNAVAILABLE, "cudaErrorInvalidDevice");
}

void backend(const char* path) {
  CHECK_OK(gatun_cuda_open(path));
  CHECK_OK(gatun_cuda_open(path));  // again is free
  expect(gatun_cuda_open("/nowhere/libgatun_cuda.so"), GATUN_INVALID_ARGUMENT, "already open");
  int32_t driver = -1, runtime = -1, count = -1;
  CHECK_OK(gatun_cuda_versions(&driver, &runtime));
  CHECK(driver >= 0 && runtime >= 12000, "driver %d, runtime %d", driver, runtime);
  if (gatun_cuda_device_count(&count) == GATUN_OK && count > 0) {
    std::printf("a GPU is here: testing memory on it\n");
    with_gpu();
    return;
  }
  CHECK(count == 0, "%d devices together with a failure", count);
  if (driver == 0) {
    for (int again = 0; again < 2; ++again) {
      expect(gatun_cuda_device_count(&count), GATUN_UNAVAILABLE,
             "cudaErrorInsufficientDriver (35): CUDA driver version is insufficient");
      expect(gatun_cuda_device_count(&count), GATUN_UNAVAILABLE, "no NVIDIA driver here");
      CHECK(gatun_last_code() == 35, "code %d", gatun_last_code());
    }
    gatun_context_options options{};
    options.backend = GATUN_CUDA;
    gatun_context* context = nullptr;
    expect(gatun_context_create(&options, &context), GATUN_UNAVAILABLE, "no NVIDIA driver here");
    CHECK(context == nullptr, "a refused context is not null");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  int32_t count = -1;
  expect(gatun_cuda_device_count(&count), GATUN_UNAVAILABLE, "no CUDA backend has been opened");
  for (int again = 0; again < 2; ++again)
    expect(gatun_cuda_open("/nowhere/libgatun_cuda.so"), GATUN_UNAVAILABLE,
           "/nowhere/libgatun_cuda.so: cannot open shared object file");
  expect(gatun_cuda_device_count(&count), GATUN_UNAVAILABLE, "/nowhere/libgatun_cuda.so");
  expect(gatun_cuda_open(argv[2]), GATUN_UNAVAILABLE, kOtherAbi);
  expect(gatun_cuda_open("relative.so"), GATUN_INVALID_ARGUMENT, "relative.so");
  gatun_context_options options{};
  options.backend = GATUN_CUDA;
  gatun_context* context = nullptr;
  expect(gatun_context_create(&options, &context), GATUN_UNAVAILABLE, kOtherAbi);
  if (std::strcmp(argv[1], "none") != 0) backend(argv[1]);
  return result("cuda_door");
}
