// plan.cu - the host's side of an optimizer on a CUDA device: builds the tables once, then launches. A step is one
// small copy and two launches: the sums and scalars, and k_apply; or k_fused, and k_finalize. One launch of k_apply or
// k_fused for each run of groups with the same rule, form and type.
#include "cuda/plan.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "cuda/all_rules.cuh"
#include "cuda/description.h"
#include "cuda/inputs.h"
#include "cuda/kernels.h"
#include "cuda/runtime.h"
#include "cuda/tickets.h"

namespace {

using namespace gatun;

// Steps that may be on their way at once, each with its values in pinned
// memory: the host waits only for the step that is this many before.
constexpr int64_t kSlots = 16;

// Offsets within one allocation, each aligned to 256 bytes.
struct Layout {
  size_t size = 0;
  template <class T>
  size_t add(int64_t count) {
    const size_t offset = size;
    size = (offset + size_t(count) * sizeof(T) + 255) / 256 * 256;
    return offset;
  }
};

// Chunks of tensors that follow each other and take the same kernel.
struct Run {
  Kernel kernel;
  int64_t first_chunk, end_chunk;
  Kernel fused = nullptr;  // where some tensor has sums; else null
  TicketRange tickets{};
};
void add_run(std::vector<Run>& runs, Kernel kernel, int64_t begin, int64_t end) {
  if (!runs.empty() && runs.back().kernel == kernel && runs.back().end_chunk == begin)
    runs.back().end_chunk = end;
  else
    runs.push_back({kernel, begin, end});
}

}  // namespace

struct GatunCudaPlan {
  explicit GatunCudaPlan(GatunCudaContext* context) : context(context) {}

  GatunCudaContext* const context;
  Tables tables{};
  unsigned char* device = nullptr;  // all tables
  unsigned char* pinned = nullptr;  // kSlots times values, gradients and inputs, then a report
  cudaEvent_t events[kSlots]{};     // a slot's copies have been made
  int64_t uploads = 0;
  size_t slot_bytes = 0, value_bytes = 0;
  int64_t resident_blocks = 1;

  std::vector<Run> updates, sums, sums_again;  // sums_again: of transformed gradients
  Tickets tickets;
  bool may_fuse = false;              // do tensors with sums not wait for each other, but for a check?
  bool unfused = false;               // are there tensors that k_fused does not come by?
  bool never_fuses = false;           // are there tensors with sums and no kernel that does it?
  std::vector<int64_t> first_tensor;  // of each group
  std::vector<GradientEntry> gradients;
  int64_t stale_begin = 0,
          stale_end = 0;  // gradients whose addresses the device does not know yet
  Inputs inputs;
  std::vector<int32_t> powered_of;         // of each tensor, as in TensorEntry
  bool transforms = false, plain = false;  // as in Description
  int64_t powers = 0;                      // as in Description

  void find_kernels(Description& description, const gatun_group* descriptions);
  void hand_out_tickets(Description& description, const GatunCudaDesign& design);
  int32_t build(Description& description);
  int32_t upload(const gatun_step_arguments& arguments);
  int32_t launch(Kernel kernel, int64_t first_chunk, int64_t end_chunk, int64_t items, int64_t per_block);
  int32_t launch_sums(const std::vector<Run>& runs);
  int32_t launch_powers();
  int32_t finalize(int32_t stages);
  int32_t run_fused(int64_t flags);
  int32_t run(int64_t flags, int32_t phases);
  int32_t destroy();
};

void GatunCudaPlan::find_kernels(Description& description, const gatun_group* descriptions) {
  for (size_t g = 0; g < description.groups.size(); ++g) {
    first_tensor.push_back(description.groups[g].first_tensor);
    const int64_t begin = description.first_chunk[g], end = description.first_chunk[g + 1];
    if (begin == end) continue;
    const RuleKernels kernels = kernels_of(descriptions[g]);
    add_run(updates, kernels.apply, begin, end);
    if (description.groups[g].sums != 0 || kernels.sums != nullptr) {
      updates.back().fused = kernels.fused;
      (kernels.fused != nullptr ? may_fuse : never_fuses) = true;
    }
    if (kernels.sums != nullptr) add_run(description.groups[g].sums != 0 ? sums_again : sums, kernels.sums, begin, end);
  }
}

// The condition of cpu/interleave.cpp: with a clip or sums over several tensors nothing may be written before
// everything has been read, and a rule with sums of transformed gradients would come by twice. The finite check, which
// forbids it as well, is a step's own.
void GatunCudaPlan::hand_out_tickets(Description& d, const GatunCudaDesign& design) {
  may_fuse = may_fuse && !never_fuses && design.fuses != 0 && d.clips == 0 && d.pooling == 0 && d.powered.empty() &&
             sums_again.empty();
  if (!may_fuse) return;
  for (Run& run : updates) {
    if (run.fused == nullptr) continue;
    run.tickets = tickets.add(d, run.first_chunk, run.end_chunk, design.window);
    for (size_t g = 0; g < d.groups.size(); ++g)
      if (d.first_chunk[g] >= run.first_chunk && d.first_chunk[g] < run.end_chunk &&
          d.first_chunk[g] < d.first_chunk[g + 1])
        d.groups[g].fused = 1;
  }
  for (const TensorEntry& t : d.tensors) unfused |= t.geometry.chunks == 0 || d.groups[size_t(t.group)].fused == 0;
}

int32_t GatunCudaPlan::build(Description& d) {
  const auto tensor_count = int64_t(d.tensors.size()), group_count = int64_t(d.groups.size());
  const auto chunks = int64_t(d.tensor_of_chunk.size());
  Layout layout;
  const size_t at_tensors = layout.add<TensorEntry>(tensor_count), at_groups = layout.add<GroupEntry>(group_count);
  const size_t at_chunks = layout.add<int32_t>(chunks), at_gradients = layout.add<GradientEntry>(tensor_count);
  const size_t at_values = layout.add<double>(1 + group_count), at_steps = layout.add<TensorStep>(tensor_count);
  const size_t at_coefficients = layout.add<unsigned char>(tensor_count * kCoefficientsBytes);
  const size_t at_partials = layout.add<Partial>(chunks), at_arrived = layout.add<uint32_t>(tensor_count);
  const size_t at_blocks_done = layout.add<uint32_t>(1), at_report = layout.add<gatun_step_report>(1);
  const bool rule_sums = !sums.empty() || !sums_again.empty();
  const size_t at_rule_partials = layout.add<double>(rule_sums ? chunks * kMaxSums : 0);
  const size_t at_rule_sums = layout.add<double>(tensor_count * kMaxSums);
  const size_t at_pooled = layout.add<double>(kRules * kMaxSums);
  const size_t at_tickets = layout.add<int32_t>(int64_t(tickets.tickets.size()));
  const size_t at_units = layout.add<Unit>(int64_t(tickets.units.size()));
  const auto windows = int64_t(tickets.units_of_window.size());
  const int64_t counters = may_fuse ? windows + int64_t(updates.size()) : 0;
  const size_t at_windows = layout.add<uint32_t>(windows), at_counters = layout.add<uint32_t>(counters);
  const size_t at_zero = layout.add<double>(2), at_means = layout.add<unsigned char>(d.means_bytes);
  const size_t at_rows = layout.add<unsigned char>(d.row_bytes);
  const auto powered_count = int64_t(d.powered.size());
  const size_t at_powered = layout.add<PoweredEntry>(powered_count);
  const size_t at_inputs = layout.add<InputEntry>(powered_count + 1);
  const size_t at_powers = layout.add<double>(2 * d.powers);
  const size_t at_factors = layout.add<unsigned char>(d.factor_bytes);
  inputs.entries.resize(size_t(powered_count) + 1);
  for (const TensorEntry& t : d.tensors) powered_of.push_back(t.powered);
  value_bytes = size_t(1 + group_count) * sizeof(double);
  slot_bytes = value_bytes + size_t(tensor_count) * sizeof(GradientEntry) + size_t(inputs.bytes());

  void* memory = nullptr;
  int32_t error = checked([&] { return cudaMalloc(&memory, layout.size); });
  if (error != 0) return error;
  device = static_cast<unsigned char*>(memory);
  error = checked(
      [&] { return cudaHostAlloc(&memory, kSlots * slot_bytes + sizeof(gatun_step_report), cudaHostAllocPortable); });
  if (error != 0) return error;
  pinned = static_cast<unsigned char*>(memory);
  for (cudaEvent_t& event : events) {
    error = checked([&] { return cudaEventCreateWithFlags(&event, cudaEventDisableTiming); });
    if (error != 0) return error;
  }
  int multiprocessors = 1;
  error = checked(
      [&] { return cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, context->ordinal); });
  if (error != 0) return error;
  resident_blocks = 4 * int64_t(multiprocessors);

  for (TensorEntry& t : d.tensors) {
    if (t.centered != 0) t.means = device + at_means + reinterpret_cast<uintptr_t>(t.means);
    if (t.sums_rows != 0)
      t.row_sums = reinterpret_cast<double*>(device + at_rows + reinterpret_cast<uintptr_t>(t.row_sums));
    if (d.groups[size_t(t.group)].rows != 0) t.drop = device + at_rows + reinterpret_cast<uintptr_t>(t.drop);
  }
  for (PoweredEntry& p : d.powered) {
    p.means = reinterpret_cast<double*>(device + at_powers + reinterpret_cast<uintptr_t>(p.means));
    p.inverses = p.means + d.powers;
    if (p.factor_count > 0) p.factors = device + at_factors + reinterpret_cast<uintptr_t>(p.factors);
  }
  error = checked([&] { return cudaMemsetAsync(device, 0, layout.size, context->stream); });
  const auto copy = [&](size_t at, const auto& from) {
    if (error != 0 || from.empty()) return;
    error = checked([&] {
      return cudaMemcpyAsync(device + at, from.data(), from.size() * sizeof from[0], cudaMemcpyHostToDevice,
                             context->stream);
    });
  };
  copy(at_tensors, d.tensors);
  copy(at_groups, d.groups);
  copy(at_chunks, d.tensor_of_chunk);
  copy(at_gradients, d.gradients);
  copy(at_powered, d.powered);
  copy(at_tickets, tickets.tickets);
  copy(at_units, tickets.units);
  copy(at_windows, tickets.units_of_window);
  if (error == 0) error = checked([&] { return cudaStreamSynchronize(context->stream); });
  if (error != 0) return error;

  tables.tensors = reinterpret_cast<const TensorEntry*>(device + at_tensors);
  tables.groups = reinterpret_cast<const GroupEntry*>(device + at_groups);
  tables.gradients = reinterpret_cast<const GradientEntry*>(device + at_gradients);
  tables.tensor_of_chunk = reinterpret_cast<const int32_t*>(device + at_chunks);
  tables.values = reinterpret_cast<const double*>(device + at_values);
  tables.steps = reinterpret_cast<TensorStep*>(device + at_steps);
  tables.coefficients = device + at_coefficients;
  tables.partials = reinterpret_cast<Partial*>(device + at_partials);
  tables.rule_partials = reinterpret_cast<double*>(device + at_rule_partials);
  tables.rule_sums = reinterpret_cast<double*>(device + at_rule_sums);
  tables.pooled = reinterpret_cast<double*>(device + at_pooled);
  tables.pooling = d.pooling;
  tables.tickets = reinterpret_cast<const int32_t*>(device + at_tickets);
  tables.units = reinterpret_cast<const Unit*>(device + at_units);
  tables.units_of_window = reinterpret_cast<const uint32_t*>(device + at_windows);
  tables.counters = tables.units_done = reinterpret_cast<uint32_t*>(device + at_counters);
  tables.counter_count = counters;
  tables.arrived = reinterpret_cast<uint32_t*>(device + at_arrived);
  tables.blocks_done = reinterpret_cast<uint32_t*>(device + at_blocks_done);
  tables.report = reinterpret_cast<gatun_step_report*>(device + at_report);
  tables.powered = reinterpret_cast<const PoweredEntry*>(device + at_powered);
  tables.inputs = reinterpret_cast<const InputEntry*>(device + at_inputs);
  tables.powered_count = powered_count;
  powers = d.powers;
  tables.zero = reinterpret_cast<const double*>(device + at_zero);
  tables.tensor_count = tensor_count, tables.group_count = group_count;
  tables.end_chunk = chunks;
  tables.clips = d.clips;
  transforms = d.transforms, plain = d.plain;
  gradients = std::move(d.gradients);
  return 0;
}

int32_t GatunCudaPlan::destroy() {
  int32_t error = checked_end([&] { return cudaStreamSynchronize(context->stream); });
  const auto end = [&](auto&& call) {
    const int32_t ended = checked_end(call);
    if (error == 0) error = ended;
  };
  for (cudaEvent_t event : events)
    if (event != nullptr) end([&] { return cudaEventDestroy(event); });
  if (pinned != nullptr) end([&] { return cudaFreeHost(pinned); });
  if (device != nullptr) end([&] { return cudaFree(device); });
  inputs.release(end);
  return error;
}

// The step's values, and the gradients' addresses that have changed, from
// pinned memory of their own: the copies are made some time after this returns.
int32_t GatunCudaPlan::upload(const gatun_step_arguments& arguments) {
  const int64_t slot = uploads % kSlots;
  if (uploads >= kSlots) {
    const int32_t error = checked([&] { return cudaEventSynchronize(events[slot]); });
    if (error != 0) return error;
  }
  ++uploads;
  unsigned char* const from = pinned + size_t(slot) * slot_bytes;
  auto* const values = reinterpret_cast<double*>(from);
  values[0] = arguments.gradient_scale;
  std::copy_n(arguments.lr, tables.group_count, values + 1);
  int32_t error = checked([&] {
    return cudaMemcpyAsync(const_cast<double*>(tables.values), from, value_bytes, cudaMemcpyHostToDevice,
                           context->stream);
  });
  if (error != 0) return error;
  if (stale_begin < stale_end) {
    auto* const changed = reinterpret_cast<GradientEntry*>(from + value_bytes);
    std::copy(gradients.begin() + stale_begin, gradients.begin() + stale_end, changed);
    error = checked([&] {
      return cudaMemcpyAsync(const_cast<GradientEntry*>(tables.gradients) + stale_begin, changed,
                             size_t(stale_end - stale_begin) * sizeof *changed, cudaMemcpyHostToDevice,
                             context->stream);
    });
    if (error != 0) return error;
    stale_begin = stale_end = 0;
  }
  if (inputs.stale) {
    void* const entries = from + value_bytes + gradients.size() * sizeof(GradientEntry);
    std::memcpy(entries, inputs.entries.data(), size_t(inputs.bytes()));
    error = checked([&] {
      return cudaMemcpyAsync(const_cast<InputEntry*>(tables.inputs), entries, size_t(inputs.bytes()),
                             cudaMemcpyHostToDevice, context->stream);
    });
    if (error != 0) return error;
    inputs.stale = false;
  }
  return checked([&] { return cudaEventRecord(events[slot], context->stream); });
}

int32_t GatunCudaPlan::launch(Kernel kernel, int64_t first_chunk, int64_t end_chunk, int64_t items, int64_t per_block) {
  tables.first_chunk = first_chunk, tables.end_chunk = end_chunk;
  const int64_t blocks = std::clamp<int64_t>((items + per_block - 1) / per_block, 1, resident_blocks);
  const dim3 grid(static_cast<unsigned>(blocks));
  void* arguments[] = {&tables};
  return checked([&] {
    return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, dim3(kThreads), arguments, 0, context->stream);
  });
}

int32_t GatunCudaPlan::launch_sums(const std::vector<Run>& runs) {
  int32_t error = 0;
  for (const Run& run : runs)
    if (error == 0) error = launch(run.kernel, run.first_chunk, run.end_chunk, run.end_chunk - run.first_chunk, kTeams);
  return error;
}

// Also without an input: a step that is captured may be given some when it is replayed.
int32_t GatunCudaPlan::launch_powers() {
  const int32_t error = launch(&k_power, 0, 0, inputs.parts(), kTeams);
  return error != 0 ? error : launch(&k_means, 0, 0, powers, kThreads / kWarp);
}

int32_t GatunCudaPlan::finalize(int32_t stages) {
  tables.stages = stages;
  const bool one_block = tables.summed != 0 || tables.powered_count > 0 || stages == kConcludes;
  return launch(&k_finalize, 0, 0, one_block ? 1 : tables.tensor_count, kThreads);
}

// Tensors without sums as ever, the others in one launch for each of their kernels; then what is to be known of all.
int32_t GatunCudaPlan::run_fused(int64_t flags) {
  tables.flags = flags;
  tables.again = tables.summed = 0;
  tables.fused = 1;
  int32_t error = unfused ? finalize(kAdvances) : 0;
  uint32_t* next_ticket = tables.units_done + tickets.units_of_window.size();
  for (const Run& run : updates) {
    if (error != 0) return error;
    tables.next_ticket = next_ticket++;
    tables.first_ticket = run.tickets.first_ticket, tables.end_ticket = run.tickets.end_ticket;
    const bool fused = run.fused != nullptr;
    const int64_t items = fused ? tables.end_ticket - tables.first_ticket : run.end_chunk - run.first_chunk;
    error = launch(fused ? run.fused : run.kernel, run.first_chunk, run.end_chunk, items, 1);
  }
  tables.summed = 1;  // which the launch for the others must not have been told
  return error != 0 ? error : finalize(kConcludes);
}

int32_t GatunCudaPlan::run(int64_t flags, int32_t phases) {
  if (may_fuse && phases == GATUN_PHASE_ALL && (flags & GATUN_CHECK_FINITE) == 0) return run_fused(flags);
  tables.fused = 0;
  const bool reduces = (phases & GATUN_PHASE_REDUCE) != 0, finalizes = (phases & GATUN_PHASE_FINALIZE) != 0;
  const int64_t chunks = updates.empty() ? 0 : updates.back().end_chunk;
  const bool gradients = transforms || ((flags & GATUN_CHECK_FINITE) != 0 && plain);
  tables.flags = flags;
  tables.again = 0;
  tables.summed = gradients || !sums.empty();
  // While some rule waits for transformed gradients, nothing goes on beyond the transformation.
  const int32_t stages = sums_again.empty() ? kJudges | kAdvances : int32_t(kJudges);
  int32_t error = 0;
  if (reduces) {
    if (tables.powered_count > 0) error = launch_powers();
    if (error == 0) error = launch_sums(sums);
    tables.stages = finalizes ? stages : 0;
    if (error == 0 && gradients) error = launch(&k_reduce, 0, chunks, chunks, kTeams);
  }
  if (error == 0 && finalizes && !(reduces && gradients)) error = finalize(stages);
  if (error == 0 && finalizes && !sums_again.empty()) {
    tables.again = 1;
    error = launch_sums(sums_again);
    if (error == 0) error = finalize(kAdvances);
  }
  for (const Run& run : updates) {
    if (error != 0 || (phases & GATUN_PHASE_APPLY) == 0) break;
    error = launch(run.kernel, run.first_chunk, run.end_chunk, run.end_chunk - run.first_chunk, 1);
  }
  return error;
}

namespace gatun {

int32_t plan_create(GatunCudaContext* context, const gatun_group* groups, int64_t count, const GatunCudaDesign* design,
                    GatunCudaPlan** plan) {
  *plan = nullptr;
  const OnDevice device(context->ordinal);
  if (device.error != 0) return device.error;
  auto* const created = new (std::nothrow) GatunCudaPlan(context);
  if (created == nullptr) return cudaErrorMemoryAllocation;
  int32_t error = cudaErrorMemoryAllocation;
  try {
    Description description(groups, count);
    created->find_kernels(description, groups);
    created->hand_out_tickets(description, *design);
    error = created->build(description);
  } catch (const std::bad_alloc&) {
  }
  if (error != 0) {
    (void)created->destroy();
    delete created;
    return error;
  }
  *plan = created;
  return 0;
}

int32_t plan_destroy(GatunCudaPlan* plan) {
  if (plan == nullptr) return 0;
  int32_t error;
  {
    const OnDevice device(plan->context->ordinal);
    error = plan->destroy();
    if (error == 0) error = device.error;
  }
  delete plan;
  return error;
}

void plan_gradient(GatunCudaPlan* plan, int64_t group, int64_t tensor, void* gradient, int32_t dtype) {
  const int64_t i = plan->first_tensor[size_t(group)] + tensor;
  GradientEntry& bound = plan->gradients[size_t(i)];
  if (bound.address == gradient && (gradient == nullptr || bound.dtype == dtype)) return;
  bound = {gradient, dtype, 0};
  const bool none = plan->stale_begin == plan->stale_end;
  plan->stale_begin = none ? i : std::min(plan->stale_begin, i);
  plan->stale_end = none ? i + 1 : std::max(plan->stale_end, i + 1);
}

int32_t plan_input(GatunCudaPlan* plan, int64_t group, int64_t tensor, const gatun_input* input) {
  const int64_t powered = plan->powered_of[size_t(plan->first_tensor[size_t(group)] + tensor)];
  if (powered < 0) return 0;
  const OnDevice device(plan->context->ordinal);
  return device.error != 0 ? device.error : plan->inputs.bind(powered, input);
}

int32_t plan_values(GatunCudaPlan* plan, const gatun_step_arguments* arguments) {
  const OnDevice device(plan->context->ordinal);
  return device.error != 0 ? device.error : plan->upload(*arguments);
}

int32_t plan_run(GatunCudaPlan* plan, const gatun_step_arguments* arguments, int32_t phases) {
  const OnDevice device(plan->context->ordinal);
  if (device.error != 0) return device.error;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  int32_t error = checked([&] { return cudaStreamIsCapturing(plan->context->stream, &capture); });
  if (error != 0) return error;
  if (capture == cudaStreamCaptureStatusNone) {
    if ((phases & (GATUN_PHASE_REDUCE | GATUN_PHASE_FINALIZE)) != 0) error = plan->upload(*arguments);
  } else if (plan->stale_begin < plan->stale_end || plan->inputs.stale) {
    error = cudaErrorStreamCaptureUnsupported;  // a replay would bring these
                                                // addresses back, long after
                                                // they changed
  }
  if (error != 0) return error;

  return plan->run(arguments->flags, phases);
}

int32_t plan_report(GatunCudaPlan* plan, gatun_step_report* report) {
  const OnDevice device(plan->context->ordinal);
  if (device.error != 0) return device.error;
  unsigned char* const pinned = plan->pinned + size_t(kSlots) * plan->slot_bytes;
  cudaStream_t const stream = plan->context->stream;
  int32_t error = checked(
      [&] { return cudaMemcpyAsync(pinned, plan->tables.report, sizeof *report, cudaMemcpyDeviceToHost, stream); });
  if (error == 0) error = checked([&] { return cudaStreamSynchronize(stream); });
  if (error == 0) std::memcpy(report, pinned, sizeof *report);
  return error;
}

int32_t plan_squares(GatunCudaPlan* plan, double* squares) {
  const OnDevice device(plan->context->ordinal);
  if (device.error != 0) return device.error;
  const auto count = size_t(plan->tables.tensor_count);
  const std::unique_ptr<TensorStep[]> steps(new (std::nothrow) TensorStep[count]);
  if (steps == nullptr) return cudaErrorMemoryAllocation;
  int32_t error = checked([&] {
    return cudaMemcpyAsync(steps.get(), plan->tables.steps, count * sizeof(TensorStep), cudaMemcpyDeviceToHost,
                           plan->context->stream);
  });
  if (error == 0) error = checked([&] { return cudaStreamSynchronize(plan->context->stream); });
  for (size_t i = 0; i < count && error == 0; ++i) squares[i] = steps[i].squares;
  return error;
}

}  // namespace gatun
