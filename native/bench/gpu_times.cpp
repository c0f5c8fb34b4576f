// gpu_times BACKEND - what a step costs on this GPU: by CUDA events around steps in a row, by replays of a captured
// step, by a replay after other data has gone through the cache, and on the host. Every optimizer takes turns with
// AdamW and with a copy from device to device, which is what its share is a share of.
#include "optimizers.h"
#include "program.h"
#include "records.h"
#include "training.h"

using namespace bench;

namespace {

constexpr int kRounds = kEmulated ? 3 : 15, kWarmUp = kEmulated ? 0 : 3;
constexpr int kBurst = 8;  // steps that the host may ask for without waiting: half of the 16 that it has slots for
constexpr int64_t kCopyBytes = kEmulated ? 4096 : int64_t(700) << 20;   // each way; AdamW on 50 M moves as much in all
constexpr int64_t kFlushBytes = kEmulated ? 4096 : int64_t(256) << 20;  // several times any L2 cache

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n == 0 ? 0 : n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// Microseconds of the device's time. The emulator has no clock of its own: there it is the host's.
class Stopwatch {
 public:
  explicit Stopwatch(const Stream& stream) : stream_(stream) {
#if !defined(GATUN_EMULATED)
    REQUIRE_CUDA(cudaEventCreate(&begin_));
    REQUIRE_CUDA(cudaEventCreate(&end_));
#endif
  }
  ~Stopwatch() {
#if !defined(GATUN_EMULATED)
    REQUIRE_CUDA(cudaEventDestroy(begin_));
    REQUIRE_CUDA(cudaEventDestroy(end_));
#endif
  }
  Stopwatch(const Stopwatch&) = delete;
  template <class Before, class Work>
  double time(Before&& before, int repeats, Work&& work) {
    before();  // not timed, but on its way when the work is asked for: the device does not wait for the host
#if defined(GATUN_EMULATED)
    REQUIRE_CUDA(cudaStreamSynchronize(stream_.get()));
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) work();
    REQUIRE_CUDA(cudaStreamSynchronize(stream_.get()));
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count() / repeats;
#else
    REQUIRE_CUDA(cudaEventRecord(begin_, stream_.get()));
    for (int i = 0; i < repeats; ++i) work();
    REQUIRE_CUDA(cudaEventRecord(end_, stream_.get()));
    REQUIRE_CUDA(cudaEventSynchronize(end_));
    float milliseconds = 0;
    REQUIRE_CUDA(cudaEventElapsedTime(&milliseconds, begin_, end_));
    return 1000.0 * milliseconds / repeats;
#endif
  }

 private:
  const Stream& stream_;
#if !defined(GATUN_EMULATED)
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
#endif
};

// What a list's optimizers share, and the loop that they are measured against.
struct Bench {
  Bench(const Device& cuda, const Stream& stream, const Placement& placement)
      : cuda(cuda),
        stream(stream),
        placement(placement),
        watch(stream),
        weights(cuda, placement.bytes),
        gradients(cuda, placement.bytes),
        from(cuda, kCopyBytes),
        to(cuda, kCopyBytes),
        scratch(cuda, kFlushBytes) {
    fill(cuda, weights, placement.dtype, 1, 0.1);
    fill(cuda, gradients, placement.dtype, 2, 1e-2);
    fill(cuda, from, GATUN_F32, 3, 1);  // random: zeros can be faster
  }
  double copy() {
    return watch.time([] {}, 3, [&] { cuda.copy(to.data(), from.data(), kCopyBytes); });
  }
  void flush() { REQUIRE_CUDA(cudaMemsetAsync(scratch.data(), 0, size_t(kFlushBytes), stream.get())); }

  const Device& cuda;
  const Stream& stream;
  const Placement& placement;
  Stopwatch watch;
  const Array weights, gradients, from, to, scratch;
};

// The times of one optimizer, a number for each round.
class Contender {
 public:
  Contender(Bench& bench, const test::Spec& spec, int64_t flags)
      : bench_(bench), flags_(flags), training_(bench.cuda, bench.placement, spec, bench.weights, bench.gradients) {
    if (!why_not().empty()) return;
    training_.step(flags_);
    bench_.cuda.synchronize();
    graph_.reset(new Graph(bench.stream, [&] { training_.step(flags_); }));
    const double once = bench_.watch.time([] {}, 3, [&] { graph_->replay(bench_.stream); });
    repeats_ = kEmulated ? 1 : int(std::clamp(2000 / std::max(once, 1.0), 3.0, 100.0));  // about 2 ms
  }
  const std::string& why_not() const { return training_.why_not(); }
  void round() {
    steps.push_back(bench_.watch.time([] {}, repeats_, [&] { training_.step(flags_); }));
    graph.push_back(bench_.watch.time([] {}, repeats_, [&] { graph_->replay(bench_.stream); }));
    cold.push_back(bench_.watch.time([&] { bench_.flush(); }, 1, [&] { graph_->replay(bench_.stream); }));
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kBurst; ++i) training_.step(flags_);
    const auto end = std::chrono::steady_clock::now();
    host.push_back(std::chrono::duration<double, std::micro>(end - begin).count() / kBurst);
    bench_.cuda.synchronize();
  }
  bool refused() { return training_.report().skipped != 0; }

  std::vector<double> steps, graph, cold, host;

 private:
  Bench& bench_;
  const int64_t flags_;
  Training training_;
  std::unique_ptr<Graph> graph_;
  int repeats_ = 1;
};

bool finite(const Bench& bench) {
  std::vector<float> some(size_t(std::min<int64_t>(bench.placement.list.elements(), 1 << 20)));
  bench.cuda.copy(some.data(), bench.weights.data(), int64_t(some.size() * 4));
  bench.cuda.synchronize();
  return std::all_of(some.begin(), some.end(), [](float w) { return w - w == 0; });
}

Record result(const Bench& bench, const test::Spec& spec, const std::string& design, int64_t flags) {
  return Record("times", "step")
      .add("optimizer", spec.name)
      .add("list", bench.placement.list.name)
      .add("dtype", "f32")
      .add("design", design)
      .add("check_finite", flags != 0);
}

void measure(Bench& bench, const test::Spec& reference, const test::Spec& spec, const std::string& design,
             int64_t flags, Records& records) {
  choose_design(design);
  Contender adamw(bench, reference, 0), contender(bench, spec, flags);
  if (!adamw.why_not().empty() || !contender.why_not().empty()) {
    records.write(result(bench, spec, design, flags).add("why", adamw.why_not() + contender.why_not()));
    return;
  }
  std::vector<double> copies, ratios, shares;
  const double copy_bytes = 2.0 * double(kCopyBytes);
  const auto elements = bench.placement.list.elements();
  const double bytes = double(bytes_per_parameter(spec, GATUN_F32)) * double(elements);
  for (int round = -kWarmUp; round < kRounds; ++round) {
    const double copy = bench.copy();
    adamw.round();
    contender.round();
    if (round < 0) {
      for (Contender* c : {&adamw, &contender}) c->steps.clear(), c->graph.clear(), c->cold.clear(), c->host.clear();
      continue;
    }
    copies.push_back(copy);
    ratios.push_back(contender.graph.back() / adamw.graph.back());
    shares.push_back(bytes / contender.graph.back() / (copy_bytes / copy));
  }
  if (contender.refused() || !finite(bench)) {
    std::fprintf(stderr, "%s on %s: a step was refused or a weight is no number: its time means nothing\n",
                 spec.name.c_str(), bench.placement.list.name.c_str());
    std::exit(1);
  }
  records.write(result(bench, spec, design, flags)
                    .add("parameters", elements)
                    .add("tensors", int64_t(bench.placement.list.shapes.size()))
                    .add("bytes_per_parameter", bytes_per_parameter(spec, GATUN_F32))
                    .add("event_us", median(contender.steps))
                    .add("graph_us", median(contender.graph))
                    .add("cold_us", median(contender.cold))
                    .add("host_us", median(contender.host))
                    .add("adamw_graph_us", median(adamw.graph))
                    .add("gb_per_s", bytes / median(contender.graph) / 1e3)
                    .add("copy_gb_per_s", copy_bytes / median(copies) / 1e3)
                    .add("share_of_copy", median(shares))
                    .add("ratio_to_adamw", median(ratios))
                    .add("rounds", int64_t(kRounds)));
}

}  // namespace

int main(int argc, char** argv) {
  const Options given = options(argc, argv, "50m,8x16.8m,resnet50,10000x64,gpt2,5000x1000");
  const Stream stream;
  const Device cuda = Device::cuda(stream.get());
  Records records(given.records, cuda.get());
  const std::vector<test::Spec> specs = optimizers("");
  // What the targets are about comes first, on every list; what is missing when time is up is the rest.
  for (const bool first : {true, false}) {
    for (const std::string& name : given.lists) {
      const Placement placement(list(name), GATUN_F32);
      Bench bench(cuda, stream, placement);
      for (size_t s = 0; s < specs.size(); ++s) {
        if ((s < 3) != first || specs[s].name.find(given.optimizers) == std::string::npos) continue;
        for (const std::string& design : given.designs) {
          for (const int64_t flags : {int64_t(0), int64_t(GATUN_CHECK_FINITE)}) {
            if (flags != 0 && s > 1) continue;  // what the check costs a rule that does not sum, and one that does
            if (given.time_is_up()) {
              std::printf("time is up: what is missing was not timed\n");
              return 124;
            }
            measure(bench, specs[0], specs[s], design, flags, records);
          }
        }
      }
    }
  }
  return 0;
}
