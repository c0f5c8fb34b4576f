// row_sums.cuh - what becomes of the sums of rows, for rules that drop a part of each row's weights of its own: the
// tensor's sums, the largest measure, and the factors. By the block that completes the tensor.
#pragma once
#include "cuda/sums.cuh"
#include "cuda/tables.h"

namespace gatun {

// The sums of a tensor, added over n of `from`, which are `stride` apart.
template <int sums>
GATUN_DEVICE void add_sums(const Tables& tables, SumsShared& shared, int32_t tensor, const double* from, int64_t n,
                           int64_t stride) {
  double* const to = tables.rule_sums + int64_t(tensor) * kMaxSums;
#pragma unroll 1
  for (int k = 0; k < sums; k += 2) {
    const Pair pair = lane_sums(shared, n, [&](int64_t i) -> Pair {
      const double* const of = from + i * stride + k;
      return {load_fresh(of), k + 1 < sums ? load_fresh(of + 1) : 0};
    });
    if (thread_index() != 0) continue;
    to[k] = pair.a;
    if (k + 1 < sums) to[k + 1] = pair.b;
  }
}

// The largest over a block's threads, NaN if any is; which thread comes first makes no difference.
GATUN_DEVICE double block_largest(SumsShared& shared, double x) {
  const int thread = thread_index();
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) x = max_(x, GATUN_SHUFFLE_XOR(0xffffffffu, x, distance));
  if (thread % kWarp == 0) shared.tile[0][thread / kWarp] = x;
  GATUN_BARRIER();
  for (int warp = 0; warp < kThreads / kWarp; ++warp) x = max_(x, shared.tile[0][warp]);
  GATUN_BARRIER();
  return x;
}

// The parts of a row that was cut, in order, become the first of them.
template <int sums>
GATUN_DEVICE void merge_parts(double* parts, int64_t count) {
#pragma unroll 1
  for (int k = 0; k < sums; ++k) {
    double sum = load_fresh(parts + k);
    for (int64_t i = 1; i < count; ++i) sum = sum + load_fresh(parts + i * kMaxSums + k);
    parts[k] = sum;
  }
}

template <class R, int kSums, class T>
GATUN_DEVICE void merge_row_sums(const Tables& tables, SumsShared& shared, int32_t tensor) {
  const TensorEntry& t = tables.tensors[tensor];
  const Geometry& geometry = t.geometry;
  const int64_t rows = geometry.rows(), stride = geometry.chunks_per_row * kMaxSums;
  double* const of = t.row_sums;
  if (geometry.cuts_rows()) {
    for (int64_t row = thread_index(); row < rows; row += kThreads)
      merge_parts<kSums>(of + row * stride, geometry.chunks_per_row);
    GATUN_BARRIER();
  }
  add_sums<kSums>(tables, shared, tensor, of, rows, stride);

  const auto& arguments = *reinterpret_cast<const typename R::Arguments*>(tables.groups[t.group].arguments);
  double sums[kMaxSums] = {};
  const auto fetch = [&](const double* from) {
#pragma unroll
    for (int k = 0; k < kSums; ++k) sums[k] = load_fresh(from + k);
  };
  double largest = 0;
  for (int64_t row = thread_index(); row < rows; row += kThreads) {
    fetch(of + row * stride);
    largest = max_(largest, R::measure(arguments, sums));
  }
  largest = block_largest(shared, largest);  // with a barrier behind which the tensor's sums are there, too
  fetch(tables.rule_sums + int64_t(tensor) * kMaxSums);
  const auto dropping = R::dropping(arguments, {*t.steps + 1, tables.values[1 + t.group], t.decay != 0, sums, nullptr,
                                                double(geometry.length), double(geometry.row_length), largest});
  for (int64_t row = thread_index(); row < rows; row += kThreads) {
    fetch(of + row * stride);
    static_cast<T*>(t.drop)[row] = T(R::drop(dropping, sums));
  }
}

}  // namespace gatun
