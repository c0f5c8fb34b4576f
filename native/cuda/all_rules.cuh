// all_rules.cuh - the kernels that are the same for every rule: k_power and k_means, the power of layers' inputs,
// k_reduce, the sums of gradients, and k_finalize, the scalars of a step. They know every rule and are compiled once,
// apart from the rules' own kernels.
#pragma once
#include "cuda/reduce.cuh"

namespace gatun {

// A team sums a part. Parts are numbered through all inputs.
GATUN_KERNEL_OF(3) k_power(const Tables tables) {
  const Team team = Team::mine();
  const int64_t parts = tables.inputs[tables.powered_count].first_part;
  for (int64_t i = block_index() * kTeams + team.index; i < parts; i += block_count() * kTeams) {
    int64_t powered = 0;  // the last input whose parts do not begin behind this one
    for (int64_t end = tables.powered_count; end - powered > 1;) {
      const int64_t middle = powered + (end - powered) / 2;
      (tables.inputs[middle].first_part <= i ? powered : end) = middle;
    }
    if (!is_fed(tables, powered)) continue;
    const InputEntry& input = tables.inputs[powered];
    const PowerPart part = input.geometry.part(i - input.first_part);
    const bool absolute = tables.powered[powered].absolute != 0;
    const double sum = input.dtype == GATUN_F64 ? team_power<double>(team, input.address, part, absolute)
                                                : team_power<float>(team, input.address, part, absolute);
    if (team.leads()) input.parts[i - input.first_part] = sum;
  }
}

// A warp adds the parts of a channel, as LaneSum.
GATUN_KERNEL_OF(3) k_means(const Tables tables) {
  const int lane = thread_index() % kWarp;
  const int64_t warp = (block_index() * kThreads + thread_index()) / kWarp, warps = block_count() * (kThreads / kWarp);
  for (int64_t powered = 0; powered < tables.powered_count; ++powered) {
    if (!is_fed(tables, powered)) continue;
    const PoweredEntry& p = tables.powered[powered];
    const InputEntry& input = tables.inputs[powered];
    for (int64_t c = warp; c < p.powers; c += warps) {
      double mean = 0;
      if (input.power != 0) {
        mean = static_cast<const double*>(input.address)[c];
      } else {
        for (int64_t i = lane; i < input.geometry.parts; i += kWarp) mean = mean + input.parts[i * p.powers + c];
#pragma unroll
        for (int distance = kWarp / 2; distance > 0; distance /= 2)
          mean = mean + GATUN_SHUFFLE_XOR(0xffffffffu, mean, distance);
        mean = mean / double(input.samples);
      }
      if (lane == 0) p.means[c] = mean;
    }
  }
}

// Its last block finalizes, if the launch is to.
GATUN_KERNEL_OF(3) k_reduce(const Tables tables) {
  GATUN_SHARED(SumsShared, shared);
  sum_all_chunks(
      tables, shared,
      [&](const Team& team, int64_t chunk) -> int32_t {
        const GroupEntry& group = tables.groups[tables.tensors[tables.tensor_of_chunk[chunk]].group];
        if (group.rule_sums > 0 && group.sums == 0) return -1;  // its squares come with its rule's sums
        return group.dtype == GATUN_F64 ? reduce_chunk<double>(tables, team, chunk)
                                        : reduce_chunk<float>(tables, team, chunk);
      },
      [&](int32_t tensor) {
        merge_tensor(tables, shared, tensor, [&](const TensorEntry& t, Partial* partials) {
          if (tables.groups[t.group].dtype == GATUN_F64)
            merge_rows<double>(t, partials);
          else
            merge_rows<float>(t, partials);
        });
      });
  if (tables.stages != 0 && last_block(tables, shared)) decide(tables, shared);
}

// After k_fused, by one block: the report, whose norm is over all tensors, and the counters.
GATUN_DEVICE void conclude(const Tables& tables, SumsShared& shared) {
  for (int64_t i = thread_index(); i < tables.counter_count; i += kThreads) tables.counters[i] = 0;
  judge(tables, shared);
  advance_groups(tables);
}

// Finalize in a launch of its own: by one block after a launch of sums that did not go on with it; by many where a step
// needs no sums and the plan has no inputs, when no tensor waits for another; beside k_fused for the tensors that it
// does not come by.
GATUN_KERNEL_OF(3) k_finalize(const Tables tables) {
  GATUN_SHARED(SumsShared, shared);
  if (tables.stages == kConcludes) {
    conclude(tables, shared);
    return;
  }
  if (tables.summed || tables.powered_count > 0) {
    decide(tables, shared);
    return;
  }
  const int64_t thread = block_index() * kThreads + thread_index();
  for (int64_t i = thread; i < tables.tensor_count; i += block_count() * kThreads) {
    const TensorEntry& t = tables.tensors[i];
    if (tables.fused && tables.groups[t.group].fused && t.geometry.chunks > 0) continue;
    tables.steps[i].scale = tables.values[0];
    tables.steps[i].centered = 0;
    advance(tables, i);
  }
  if (thread == 0) *tables.report = {bits_<double>(uint64_t(0x7ff8000000000000u)), 0, -1, -1, 0};
  if (last_block(tables, shared) && !tables.fused) advance_groups(tables);
}

}  // namespace gatun
