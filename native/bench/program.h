// program.h - what the GPU programs have in common: their options, a stream of their own, and what they say without a
// GPU.
#pragma once
#if defined(GATUN_EMULATED)
#include "emulator/cuda_runtime_api.h"
#else
#include <cuda_runtime_api.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "gatun.h"

namespace bench {

#if defined(GATUN_EMULATED)
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

// PROGRAM BACKEND [--records FILE] [--seconds S] [--lists A,B] [--optimizers WORDS] [--designs A,B] [--only WORD]
struct Options {
  const char* backend = nullptr;  // the CUDA library
  const char* records = nullptr;
  double seconds = 1e9;
  std::vector<std::string> lists, designs;
  std::string optimizers, only;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();

  bool time_is_up() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds;
  }
};

inline std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Ends the program with status 2 for a wrong option, and with 77 and the reason where there is no device.
inline Options options(int argc, char** argv, const char* lists) {
  Options options;
  options.lists = split(lists);
  options.designs = {"default"};
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (name.rfind("--", 0) != 0) {
      options.backend = argv[i];
      continue;
    }
    if (value == nullptr) std::fprintf(stderr, "%s needs a value\n", argv[i]), std::exit(2);
    ++i;
    if (name == "--records")
      options.records = value;
    else if (name == "--seconds")
      options.seconds = std::atof(value);
    else if (name == "--lists")
      options.lists = split(value);
    else if (name == "--designs")
      options.designs = split(value);
    else if (name == "--optimizers")
      options.optimizers = value;
    else if (name == "--only")
      options.only = value;
    else
      std::fprintf(stderr, "unknown option %s\n", name.c_str()), std::exit(2);
  }
  if (options.backend == nullptr)
    std::fprintf(stderr, "%s: pass the path of libgatun_cuda.so\n", argv[0]), std::exit(2);
  int32_t devices = 0;
  if (gatun_cuda_open(options.backend) != GATUN_OK || gatun_cuda_device_count(&devices) != GATUN_OK || devices == 0) {
    std::printf("no CUDA device: %s\n",
                devices == 0 && gatun_last_error()[0] != 0 ? gatun_last_error() : "the driver shows none");
    std::exit(77);
  }
  return options;
}

// The launch design that plans made from now on have; "default" leaves it to the library.
inline void choose_design(const std::string& design) {
  if (design == "default")
    unsetenv("GATUN_CUDA_DESIGN");
  else
    setenv("GATUN_CUDA_DESIGN", design.c_str(), 1);
}

inline void require_cuda(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fflush(stdout);
  std::fprintf(stderr, "%s: %s (%d): %s\n", what, cudaGetErrorName(error), int(error), cudaGetErrorString(error));
  std::exit(1);
}
#define REQUIRE_CUDA(call) ::bench::require_cuda((call), #call)

// A stream that is not Gatun's, as a framework would have one.
class Stream {
 public:
  Stream() { REQUIRE_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { REQUIRE_CUDA(cudaStreamDestroy(stream_)); }
  Stream(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// Whatever is asked of a stream while it is captured, to be asked again at once.
class Graph {
 public:
  template <class Work>
  Graph(const Stream& stream, Work&& work) {
    REQUIRE_CUDA(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
    work();
    REQUIRE_CUDA(cudaStreamEndCapture(stream.get(), &graph_));
    REQUIRE_CUDA(cudaGraphInstantiate(&executable_, graph_, 0));
  }
  ~Graph() {
    REQUIRE_CUDA(cudaGraphExecDestroy(executable_));
    REQUIRE_CUDA(cudaGraphDestroy(graph_));
  }
  Graph(const Graph&) = delete;
  void replay(const Stream& stream) const { REQUIRE_CUDA(cudaGraphLaunch(executable_, stream.get())); }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace bench
