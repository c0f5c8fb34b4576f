// large_test - a tensor of more than 2^31 elements: its last ones are updated, summed and checked as those of a short
// one. It takes 8 GB of addresses for each buffer and hardly any memory: all but a few places are the same 16 MB of
// zeros.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>

#include "check.h"

namespace {

constexpr int64_t kLength = (int64_t(1) << 31) + 3;
constexpr int64_t kPiece = int64_t(16) << 20;
// Elements around which a 32-bit count of bytes or elements, signed or not, would have come round; the last ones.
constexpr int64_t kPlaces[] = {0,           1,           (1LL << 29) - 1, 1LL << 29,   (1LL << 30) - 1, 1LL << 30,
                               kLength - 5, kLength - 4, kLength - 3,     kLength - 2, kLength - 1};
constexpr int kCount = sizeof kPlaces / sizeof kPlaces[0];

// A buffer of zeros whose places are its own.
class Large {
 public:
  Large() : bytes_((kLength * 4 / kPiece + 1) * kPiece) {
    void* const space = mmap(nullptr, size_t(bytes_), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(space != MAP_FAILED, "no %lld bytes of addresses", (long long)bytes_);
    data_ = static_cast<float*>(space);
    const int file = memfd_create("zeros", 0);
    CHECK(file >= 0 && ftruncate(file, kPiece) == 0, "no memory file");
    for (int64_t at = 0; at < bytes_; at += kPiece) map(at, MAP_SHARED, file);
    close(file);
    for (const int64_t place : kPlaces) map(place * 4 / kPiece * kPiece, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  }
  ~Large() { munmap(data_, size_t(bytes_)); }
  Large(const Large&) = delete;
  Large& operator=(const Large&) = delete;

  float* data() { return data_; }
  void set(const float* values) {
    for (int i = 0; i < kCount; ++i) data_[kPlaces[i]] = values[i];
  }

 private:
  void map(int64_t at, int flags, int file) {
    void* const where = reinterpret_cast<char*>(data_) + at;
    CHECK(mmap(where, size_t(kPiece), PROT_READ | PROT_WRITE, flags | MAP_FIXED, file, 0) == where, "no memory");
  }

  int64_t bytes_;
  float* data_;
};

struct Buffers {
  Large weight, gradient, momentum;
};

// A step of the long tensor and of a short one that has the same values side by side.
void step(Buffers& large, const gatun_sgd& sgd, int32_t threads, double clip, bool with_nan) {
  float weight[kCount], gradient[kCount], momentum[kCount] = {};
  for (int i = 0; i < kCount; ++i) weight[i] = 1 + 0.1f * float(i), gradient[i] = 0.3f * float(i - 4);
  if (with_nan) gradient[kCount - 1] = NAN;
  large.weight.set(weight), large.gradient.set(gradient), large.momentum.set(momentum);
  float before[kCount];
  for (int i = 0; i < kCount; ++i) before[i] = weight[i];

  gatun_tensor tensors[2] = {};
  tensors[0].weight = large.weight.data(), tensors[0].gradient = large.gradient.data();
  tensors[0].state[0] = large.momentum.data(), tensors[0].length = kLength, tensors[0].rows = kLength;
  tensors[1].weight = weight, tensors[1].gradient = gradient, tensors[1].state[0] = momentum;
  tensors[1].length = tensors[1].rows = kCount, tensors[1].number = 1;
  int64_t counters[3] = {};
  gatun_group group{};
  group.tensors = tensors, group.count = 2, group.counters = counters, group.arguments = &sgd;
  group.rule = GATUN_RULE_SGD, group.dtype = group.weight_dtype = GATUN_F32;
  if (clip > 0) group.transform_count = 1, group.transforms[0] = {clip, GATUN_CLIP, 0, 0, 0};

  gatun_context_options options{};
  options.threads = threads;
  gatun_context* context = nullptr;
  gatun_plan* plan = nullptr;
  CHECK_OK(gatun_context_create(&options, &context));
  CHECK_OK(gatun_plan_create(context, &group, 1, &plan));
  const double lr = 0.5;
  const gatun_step_arguments arguments{&lr, 1, GATUN_CHECK_FINITE};
  CHECK_OK(gatun_step(plan, &arguments));
  gatun_step_report report{};
  CHECK_OK(gatun_report(plan, &report));

  CHECK(report.skipped == int64_t(with_nan) && report.skipped_tensor == (with_nan ? 0 : -1),
        "skipped %lld, tensor %lld", (long long)report.skipped, (long long)report.skipped_tensor);
  for (int i = 0; i < kCount; ++i) {
    const float w = large.weight.data()[kPlaces[i]];
    CHECK(w == weight[i], "element %lld is %g, and %g in the short tensor", (long long)kPlaces[i], w, weight[i]);
    CHECK((w == before[i]) == (with_nan || gradient[i] == 0), "element %lld: %g was %g", (long long)kPlaces[i], w,
          before[i]);
  }
  if (!with_nan) {
    double squares = 0;
    for (const float g : gradient) squares += 2 * double(g) * g;
    CHECK(std::abs(report.gradient_norm - std::sqrt(squares)) <= 1e-12 * std::sqrt(squares), "norm %.17g, not %.17g",
          report.gradient_norm, std::sqrt(squares));
  }
  CHECK_OK(gatun_plan_destroy(plan));
  CHECK_OK(gatun_context_destroy(context));
}

}  // namespace

int main() {
  if (sysconf(_SC_PAGESIZE) * sysconf(_SC_PHYS_PAGES) < (1LL << 31)) return 77;
  Buffers large;
  step(large, gatun_sgd{}, 1, 0, false);
  gatun_sgd momentum{};
  momentum.momentum = 0.9;
  step(large, momentum, 3, 1, false);
  step(large, momentum, 2, 1, true);
  return test::result("large");
}
