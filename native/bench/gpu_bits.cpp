// gpu_bits BACKEND - the bits of large steps, CUDA against CPU: networks' lists for every rule, and one tensor of more
// elements than 32 bits count. cuda_bits_test.cpp has the awkward sizes. --only lists or --only huge does half of it.
#include "optimizers.h"
#include "program.h"
#include "records.h"
#include "training.h"

using namespace bench;

namespace {

int failures = 0;

void tell(Records& records, const std::string& optimizer, const std::string& list, const char* dtype,
          const std::string& design, const std::string& different) {
  failures += !different.empty();
  records.write(Record("bits", "comparison")
                    .add("optimizer", optimizer)
                    .add("list", list)
                    .add("dtype", dtype)
                    .add("design", design)
                    .add("equal", different.empty())
                    .add("difference", different));
}

const char* word(int32_t dtype) {
  constexpr const char* kWords[] = {"f32", "f64", "bf16", "f16"};
  return kWords[dtype];
}

// Both devices' memory for a list, with the same numbers.
struct Twins {
  Twins(const Device& cpu, const Device& cuda, const Placement& placement)
      : cpu(cpu),
        cuda(cuda),
        placement(placement),
        cpu_weights(cpu, placement.bytes),
        cpu_gradients(cpu, placement.bytes),
        cuda_weights(cuda, placement.bytes),
        cuda_gradients(cuda, placement.bytes) {
    fill(cpu, cpu_gradients, placement.dtype, 2, 1e-2);
    fill(cuda, cuda_gradients, placement.dtype, 2, 1e-2);
  }

  // What is different after two steps; empty for nothing.
  std::string compare(const test::Spec& spec, std::string& why_not) {
    fill(cpu, cpu_weights, placement.dtype, 1, 1);
    cuda.copy(cuda_weights.data(), cpu_weights.data(), placement.bytes);
    cuda.synchronize();
    Training expected(cpu, placement, spec, cpu_weights, cpu_gradients);
    Training actual(cuda, placement, spec, cuda_weights, cuda_gradients);
    why_not = expected.why_not() + actual.why_not();
    if (!why_not.empty()) return "";
    for (int step = 0; step < 2; ++step) {
      const int64_t flags = step == 0 ? 0 : GATUN_CHECK_FINITE;
      expected.step(flags, spec.lr / (1 + step), 0.5 + step);
      actual.step(flags, spec.lr / (1 + step), 0.5 + step);
    }
    const gatun_step_report a = expected.report(), b = actual.report();
    if (a.skipped != 0 || b.skipped != 0) return "a step was refused";
    if (std::memcmp(&a.gradient_norm, &b.gradient_norm, 8) != 0)
      return "gradient norm " + std::to_string(b.gradient_norm) + ", on the CPU " + std::to_string(a.gradient_norm);
    std::string different = where("weights", cpu_weights, cuda_weights, placement);
    for (size_t s = 0; s < expected.state().size() && different.empty(); ++s)
      different = where("state " + std::to_string(s), expected.state()[s], actual.state()[s], placement.wide);
    return different.empty() ? where("counters", expected.counters(), actual.counters(), placement.wide) : different;
  }

  std::string where(const std::string& what, const Array& a, const Array& b, const Places& places) const {
    const int64_t at = first_difference(cpu, a.data(), cuda, b.data(), a.bytes());
    if (at < 0) return "";
    size_t t = places.offsets.size() - 1;
    while (places.offsets[t] > at) --t;
    return what + " differ at byte " + std::to_string(at) + " (tensor " + std::to_string(t) +
           ", if one to a tensor's element)";
  }

  const Device &cpu, &cuda;
  const Placement placement;
  const Array cpu_weights, cpu_gradients, cuda_weights, cuda_gradients;
};

void lists(const Options& options, Records& records, const Device& cuda) {
  const Device cpu = Device::cpu();
  for (const std::string& name : options.lists) {
    for (const int32_t dtype : {GATUN_F32, GATUN_F64, GATUN_BF16, GATUN_F16}) {
      if (name == "gpt2" && dtype != GATUN_F32) continue;  // another type or design shows what ResNet-50 does
      Twins twins(cpu, cuda, Placement(list(name), dtype));
      for (const std::string& design : options.designs) {
        if (name == "gpt2" && design != options.designs.back()) continue;
        for (const test::Spec& spec : optimizers(options.optimizers)) {
          if (options.time_is_up()) return;
          choose_design(design);
          std::string why_not;
          const std::string different = twins.compare(spec, why_not);
          if (why_not.empty())
            tell(records, spec.name, name, word(dtype), design, different);
          else
            records.write(Record("bits", "left out")
                              .add("optimizer", spec.name)
                              .add("list", name)
                              .add("dtype", word(dtype))
                              .add("why", why_not));
        }
      }
    }
  }
}

// One tensor whose indices need 64 bits. The rule works element by element, so the CPU follows it piece by piece, and
// the host needs memory for a piece only.
void huge(const Options& options, Records& records, const Device& cuda) {
  const int64_t n = kEmulated ? 200'003 : 3'000'000'000, piece = kEmulated ? 65'536 : int64_t(64) << 20;
  const std::string name = "1x" + std::to_string(n);
  const test::Spec spec = test::sgd("sgd(momentum=0.9)", 1e-2, 0.9, 0, false, 0.01);
  const Placement whole({name, {test::vector_of(n)}}, GATUN_F32);
  const auto left_out = [&](const std::string& why) {
    records.write(
        Record("bits", "left out").add("optimizer", spec.name).add("list", name).add("dtype", "f32").add("why", why));
  };
  const Array weights(cuda, whole.bytes, false, true), gradients(cuda, whole.bytes, false, true);
  if (!weights || !gradients) return left_out("3 arrays of 12 GB do not fit this device's memory");
  Training training(cuda, whole, spec, weights, gradients);
  if (!training.why_not().empty()) return left_out(training.why_not());
  fill(cuda, weights, GATUN_F32, 1, 1);
  fill(cuda, gradients, GATUN_F32, 2, 1e-2);
  for (int step = 0; step < 2; ++step) training.step(GATUN_CHECK_FINITE);
  // refused for the very last element: nothing may change
  const float nan = __builtin_nanf("");
  cuda.copy(gradients.data() + (n - 1) * 4, &nan, 4);
  training.step(GATUN_CHECK_FINITE);
  const bool refused = training.report().skipped == 1;

  std::string different = refused ? "" : "a NaN in the last element was not noticed";
  const Device cpu = Device::cpu();
  int64_t compared = 0;
  while (compared < n && different.empty() && !options.time_is_up()) {
    const int64_t count = std::min(piece, n - compared);
    const Placement part({name, {test::vector_of(count)}}, GATUN_F32);
    const Array w(cpu, part.bytes), g(cpu, part.bytes);
    fill(w.data(), GATUN_F32, 1, 1, compared, count);
    fill(g.data(), GATUN_F32, 2, 1e-2, compared, count);
    Training expected(cpu, part, spec, w, g);
    for (int step = 0; step < 2; ++step) expected.step();
    const auto find = [&](const char* what, const Array& a, const Array& b) {
      const int64_t at = first_difference(cpu, a.data(), cuda, b.data() + 4 * compared, 4 * count);
      if (at >= 0 && different.empty()) different = std::string(what) + " " + std::to_string(compared + at / 4);
    };
    find("weight", w, weights);
    find("momentum", expected.state()[0], training.state()[0]);
    compared += count;
  }
  if (different.empty() && compared < n) return left_out("time was up after " + std::to_string(compared) + " elements");
  tell(records, spec.name, name, "f32", "default", different);
}

}  // namespace

int main(int argc, char** argv) {
  const Options given = options(argc, argv, "resnet50,gpt2");
  const Stream stream;
  const Device cuda = Device::cuda(stream.get());
  Records records(given.records, cuda.get());
  if (given.only != "lists") huge(given, records, cuda);
  if (given.only != "huge") lists(given, records, cuda);
  if (given.time_is_up()) std::printf("time is up: what is missing was not compared\n");
  if (failures > 0) std::fprintf(stderr, "gpu_bits: %d comparisons FAILED\n", failures);
  return failures > 0 ? 1 : given.time_is_up() ? 124 : 0;
}
