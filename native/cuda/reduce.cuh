// reduce.cuh - the sums of gradients.
//
// A team sums a chunk; the block that sums a tensor's last chunk merges the tensor. Who comes last is told by integer
// counters and decides only who adds, never in which order.
#pragma once
#include "cuda/finalize.cuh"

namespace gatun {

// source: the gradient's elements, as for over_members.
template <class T, class Source>
GATUN_DEVICE Partial chunk_sums(const Team& team, const TensorEntry& t, Source gradient, const ChunkRange& range) {
  const Source g = gradient + range.begin;
  const int n = int(range.length);
  if (!t.centered) return {0, 0, team_squares(team, g, n)};
  const bool cut = t.geometry.cuts_rows();
  const int row_length = cut ? n : int(t.geometry.row_length);
  const int64_t first_row = range.begin / row_length;
  auto* mean = static_cast<Pack<T, 2>*>(t.means) + first_row;
  Partial sums{0, 0, 0};
  for (int begin = 0; begin < n; begin += row_length, ++mean) {
    const Moments row = team_moments(team, g + begin, row_length);
    if (cut) return {row.mean, row.m2, 0};
    if (team.leads()) split_mean(row.mean, mean->v[0], mean->v[1]);
    sums.m2 = sums.m2 + row.m2;
    sums.squares = sums.squares + row.squares();
  }
  return sums;
}

// Returns the tensor if its other chunks have to be waited for, else -1.
template <class T>
GATUN_DEVICE int32_t reduce_chunk(const Tables& tables, const Team& team, int64_t chunk) {
  const int32_t tensor = tables.tensor_of_chunk[chunk];
  if (!is_summed(tables, tensor)) return -1;
  const TensorEntry& t = tables.tensors[tensor];
  const Partial sums = visit_elements(Elements<T>::of(tables.gradients[tensor]), [&](auto gradient) {
    return chunk_sums<T>(team, t, gradient, t.geometry.chunk(chunk - t.first_chunk));
  });
  const bool alone = t.geometry.chunks == 1;  // a row that is cut has several chunks
  if (team.leads()) {
    if (alone) {
      tables.steps[tensor].squares = sums.squares;
      tables.steps[tensor].m2 = t.centered ? sums.m2 : sums.squares;
    } else {
      tables.partials[chunk] = sums;
    }
  }
  return alone ? -1 : tensor;
}

// The partials of a row that was cut, in order, become the first of them; only here the row gets its mean.
template <class T>
GATUN_DEVICE void merge_row(Partial* partial, int64_t row_length, Pack<T, 2>& mean) {
  Moments moments{double(kChunk), load_fresh(&partial->mean), load_fresh(&partial->m2)};
  const Partial* next = partial;
  for (int64_t rest = row_length - kChunk; rest > 0; rest -= kChunk) {
    ++next;
    moments.merge({double(rest < kChunk ? rest : kChunk), load_fresh(&next->mean), load_fresh(&next->m2)});
  }
  split_mean(moments.mean, mean.v[0], mean.v[1]);
  *partial = {moments.mean, moments.m2, moments.squares()};
}

template <class T>
GATUN_DEVICE void merge_rows(const TensorEntry& t, Partial* partials) {
  const int64_t rows = t.geometry.length / t.geometry.row_length;
  for (int64_t row = thread_index(); row < rows; row += kThreads)
    merge_row(partials + row * t.geometry.chunks_per_row, t.geometry.row_length,
              static_cast<Pack<T, 2>*>(t.means)[row]);
}

// By the whole block: a tensor's chunks become its sums; merge_cut_rows is merge_rows of its type.
template <class MergeRows>
GATUN_DEVICE void merge_tensor(const Tables& tables, SumsShared& shared, int32_t tensor, MergeRows merge_cut_rows) {
  const TensorEntry& t = tables.tensors[tensor];
  Partial* const partials = tables.partials + t.first_chunk;
  int64_t n = t.geometry.chunks, stride = 1;
  if (t.centered && t.geometry.cuts_rows()) {
    stride = t.geometry.chunks_per_row;
    n = t.geometry.length / t.geometry.row_length;
    merge_cut_rows(t, partials);
    GATUN_BARRIER();
  }
  const Pair sums = lane_sums(shared, n, [&](int64_t i) -> Pair {
    return {load_fresh(&partials[i * stride].squares), load_fresh(&partials[i * stride].m2)};
  });
  if (thread_index() == 0) {
    tables.steps[tensor].squares = sums.a;
    tables.steps[tensor].m2 = t.centered ? sums.b : sums.a;
    tables.arrived[tensor] = 0;
  }
}

// After every team has put its tensor into shared: the tensors that this block completed.
GATUN_DEVICE void count_arrivals(const Tables& tables, SumsShared& shared) {
  const int team = thread_index();
  if (team >= kTeams) return;
  const int32_t tensor = shared.tensor[team];
  int32_t complete = -1;
  if (tensor >= 0 && (team == 0 || shared.tensor[team - 1] != tensor)) {  // once for a run of chunks
    int run = 1;
    while (team + run < kTeams && shared.tensor[team + run] == tensor) ++run;
    const uint32_t before = count_up(&tables.arrived[tensor], uint32_t(run));
    if (int64_t(before) + run == tables.tensors[tensor].geometry.chunks) complete = tensor;
    fence();
  }
  shared.complete[team] = complete;
}

// A chunk for each team, from number `base` on, and which tensors are complete with them.
template <class Sum>
GATUN_DEVICE void sum_chunks(const Tables& tables, SumsShared& shared, int64_t base, int64_t end, Sum sum) {
  const Team team = Team::mine();
  const int64_t chunk = base + team.index;
  const int32_t tensor = chunk < end ? sum(team, chunk) : -1;
  if (team.leads()) shared.tensor[team.index] = tensor;
  fence();
  GATUN_BARRIER();
  count_arrivals(tables, shared);
  GATUN_BARRIER();
}

// This block's share of the launch's chunks: sum(team, chunk) returns a tensor to wait for or -1, merge(tensor) is
// called by the whole block for every tensor that it completed.
template <class Sum, class Merge>
GATUN_DEVICE void sum_all_chunks(const Tables& tables, SumsShared& shared, Sum sum, Merge merge) {
  for (int64_t base = tables.first_chunk + block_index() * kTeams; base < tables.end_chunk;
       base += block_count() * kTeams) {
    sum_chunks(tables, shared, afresh(base), tables.end_chunk, sum);
    for (int k = 0; k < kTeams; ++k)
      if (shared.complete[k] >= 0) merge(shared.complete[k]);
  }
}

}  // namespace gatun
