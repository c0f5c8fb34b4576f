// gpu_capture BACKEND - a step captured once in the caller's stream and replayed with learning rates, scales and
// gradients that the capture has not seen: after every replay the CPU's bits. --only first captures the very first step
// of the process, when no kernel has been loaded yet; --only device does nothing but open the device.
#include "optimizers.h"
#include "program.h"
#include "records.h"
#include "training.h"

using namespace bench;

namespace {

constexpr int kReplays = 7, kRefused = 5;

// What differs, or why a replay was wrong; empty for nothing.
std::string replays(const Device& cpu, const Device& cuda, const Stream& stream, const Placement& placement,
                    const test::Spec& spec, int64_t flags, bool first, std::string& why_not) {
  const Array cpu_weights(cpu, placement.bytes), cpu_gradients(cpu, placement.bytes);
  const Array cuda_weights(cuda, placement.bytes), cuda_gradients(cuda, placement.bytes);
  const auto both = [&](const Array& a, const Array& b, uint64_t seed, double size) {
    fill(cpu, a, placement.dtype, seed, size);
    fill(cuda, b, placement.dtype, seed, size);
  };
  both(cpu_weights, cuda_weights, 1, 1);
  both(cpu_gradients, cuda_gradients, 2, 1e-2);
  Training expected(cpu, placement, spec, cpu_weights, cpu_gradients);
  Training actual(cuda, placement, spec, cuda_weights, cuda_gradients);
  why_not = expected.why_not() + actual.why_not();
  if (!why_not.empty()) return "";
  if (!first) {  // a step that is not captured, before those that are
    expected.step(flags);
    actual.step(flags);
  }
  const Graph graph(stream, [&] { actual.step(flags, 123, 0); });  // values that no replay may use
  for (int replay = 1; replay <= kReplays; ++replay) {
    const bool refused = replay == kRefused && (flags & GATUN_CHECK_FINITE) != 0;
    both(cpu_gradients, cuda_gradients, uint64_t(2 + replay), 1e-2);
    if (refused) {
      const uint64_t nan = ~uint64_t{0};
      for (const auto& [device, gradients] : {std::pair{&cpu, &cpu_gradients}, std::pair{&cuda, &cuda_gradients}})
        device->copy(gradients->data(), &nan, placement.element);
    }
    const double lr = spec.lr * replay, scale = 1.0 / replay;
    expected.step(flags, lr, scale);
    actual.values(flags, lr, scale);
    graph.replay(stream);
    const std::string which = "replay " + std::to_string(replay) + ": ";
    if ((actual.report().skipped == 1) != refused) return which + (refused ? "not refused" : "refused");
    const auto differ = [&](const Array& a, const Array& b) {
      return first_difference(cpu, a.data(), cuda, b.data(), a.bytes()) >= 0;
    };
    if (differ(cpu_weights, cuda_weights)) return which + "weights differ";
    for (size_t s = 0; s < expected.state().size(); ++s)
      if (differ(expected.state()[s], actual.state()[s])) return which + "state " + std::to_string(s) + " differs";
    if (differ(expected.counters(), actual.counters())) return which + "counters differ";
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  const Options given = options(argc, argv, "tiny,resnet50");
  const bool first = given.only == "first";
  const Device cpu = Device::cpu();
  const Stream stream;
  const Device cuda = Device::cuda(stream.get());
  if (given.only == "device") return 0;
  Records records(given.records, cuda.get());
  int failures = 0;
  for (const std::string& name : given.lists) {
    const Placement placement(list(name), GATUN_F32);
    for (const std::string& design : given.designs) {
      for (const test::Spec& spec : optimizers(given.optimizers)) {
        for (const int64_t flags : {int64_t(GATUN_CHECK_FINITE), int64_t(0)}) {
          if (given.time_is_up()) {
            std::printf("time is up: what is missing was not compared\n");
            return failures > 0 ? 1 : 124;
          }
          choose_design(design);
          std::string why_not;
          const std::string wrong = replays(cpu, cuda, stream, placement, spec, flags, first, why_not);
          failures += !wrong.empty();
          records.write(Record("capture", why_not.empty() ? "comparison" : "left out")
                            .add("optimizer", spec.name)
                            .add("list", name)
                            .add("design", design)
                            .add("first_step", first)
                            .add("check_finite", flags != 0)
                            .add("equal", wrong.empty() && why_not.empty())
                            .add("difference", wrong)
                            .add("why", why_not));
          if (first) return failures > 0;
        }
      }
    }
  }
  if (failures > 0) std::fprintf(stderr, "gpu_capture: %d comparisons FAILED\n", failures);
  return failures > 0;
}
