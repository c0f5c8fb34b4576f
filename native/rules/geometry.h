// geometry.h - how a tensor is cut into chunks. Part of the definition of every sum, so it depends on shapes only:
// never on threads, blocks or instruction sets.
#pragma once
#include "numeric.h"

GATUN_RULES_BEGIN

// Sums are taken over chunks of at most kChunk elements with kLanes double accumulators: element i of a row in a chunk
// goes to lane i mod kLanes, and lanes are added as a tree, upper half to lower half. 32 lanes are four AVX-512
// registers, enough to hide an addition's latency, and eight CUDA threads with 16-byte loads; 2,048 elements keep the
// tree and the bookkeeping below 3 % of a chunk's work.
constexpr int64_t kLanes = 32;
constexpr int64_t kChunk = 2048;

struct ChunkRange {
  int64_t begin, length;  // elements
};

// A tensor of `length` elements in rows of `row_length`. Whole rows share a chunk when they fit, longer rows are cut.
struct Geometry {
  int64_t length, row_length, rows_per_chunk, chunks_per_row, chunks;

  static GATUN_HD Geometry of(int64_t length, int64_t row_length) {
    if (length == 0) return {0, 0, 1, 1, 0};
    const int64_t rows = length / row_length;
    if (row_length > kChunk) {
      const int64_t cuts = (row_length + kChunk - 1) / kChunk;
      return {length, row_length, 1, cuts, rows * cuts};
    }
    const int64_t per_chunk = kChunk / row_length;
    return {length, row_length, per_chunk, 1, (rows + per_chunk - 1) / per_chunk};
  }

  GATUN_HD bool cuts_rows() const { return chunks_per_row > 1; }
  GATUN_HD int64_t rows() const { return length > 0 ? length / row_length : 0; }

  GATUN_HD ChunkRange chunk(int64_t c) const {
    if (cuts_rows()) {
      const int64_t offset = c % chunks_per_row * kChunk, rest = row_length - offset;
      return {c / chunks_per_row * row_length + offset, rest < kChunk ? rest : kChunk};
    }
    const int64_t size = rows_per_chunk * row_length, begin = c * size, rest = length - begin;
    return {begin, rest < size ? rest : size};
  }
};

GATUN_RULES_END
