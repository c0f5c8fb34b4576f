#include "core/cuda_door.h"

#include <dlfcn.h>

#include <mutex>
#include <string>

#include "core/error.h"

namespace gatun {
namespace {

// One backend per process: contexts and memory of two copies of the CUDA runtime could not be told apart.
struct Door {
  std::mutex mutex;
  std::string path;
  std::string reason = "no CUDA backend has been opened: pass the path of libgatun_cuda.so to gatun_cuda_open first";
  const GatunCudaBackend* backend = nullptr;
};

Door& door() {
  static Door* const door = new Door;  // never destroyed: a context may still be closed while the process exits
  return *door;
}

const char* dl_reason() {
  const char* text = dlerror();
  return text != nullptr ? text : "no reason given by the dynamic linker";
}

const GatunCudaBackend* open_backend(const std::string& path, std::string& reason) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    reason = std::string("cannot open the CUDA backend: ") + dl_reason();
    return nullptr;
  }
  const auto function = reinterpret_cast<GatunCudaBackendFunction>(dlsym(library, GATUN_CUDA_BACKEND_SYMBOL));
  const std::string missing = function == nullptr ? dl_reason() : "";
  const GatunCudaBackend* const backend = function == nullptr ? nullptr : function(GATUN_CUDA_BACKEND_ABI);
  if (backend != nullptr && backend->abi == GATUN_CUDA_BACKEND_ABI) return backend;
  reason = path + " is not a backend of ABI " + std::to_string(GATUN_CUDA_BACKEND_ABI) +
           (function == nullptr ? " (" + missing + ")" : std::string()) +
           ": use the libgatun_cuda.so that was built together with this libgatun.so";
  dlclose(library);
  return nullptr;
}

}  // namespace

void cuda_open(const char* path) {
  if (path == nullptr) fail(GATUN_INVALID_ARGUMENT, "path is null: pass the absolute path of libgatun_cuda.so");
  if (path[0] != '/')
    fail(GATUN_INVALID_ARGUMENT, "path \"%s\" is not absolute: pass the whole path of libgatun_cuda.so", path);
  Door& d = door();
  const std::lock_guard<std::mutex> lock(d.mutex);
  if (d.path != path) {
    if (d.backend != nullptr) {
      fail(GATUN_INVALID_ARGUMENT, "the CUDA backend is already open from %s: %s cannot be opened beside it",
           d.path.c_str(), path);
    }
    d.path = path;
    d.backend = open_backend(d.path, d.reason);
  }
  if (d.backend == nullptr) throw Error(GATUN_UNAVAILABLE, 0, d.reason);
}

const GatunCudaBackend* cuda_backend() {
  Door& d = door();
  const std::lock_guard<std::mutex> lock(d.mutex);
  if (d.backend == nullptr) throw Error(GATUN_UNAVAILABLE, 0, d.reason);
  return d.backend;
}

void cuda_check(int32_t error, const char* what) {
  if (error == 0) return;
  const GatunCudaBackend* const backend = cuda_backend();
  std::string message = std::string(what) + ": " + backend->error_name(error) + " (" + std::to_string(error) +
                        "): " + backend->error_string(error);
  if (const char* remedy = backend->error_remedy(error)) message += std::string(". ") + remedy;
  throw Error(backend->error_status(error), error, std::move(message));
}

}  // namespace gatun
