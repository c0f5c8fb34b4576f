// partial.h - the sums of one chunk, as they lie in memory between reduce and finalize, and a part of an input.
#pragma once
#include <cstdint>

namespace gatun {

// Whole rows: m2 and squares, added over the rows in order. Part of a row: mean and m2. A vector: squares.
struct Partial {
  double mean, m2, squares;
};

// A part of one channel of a layer's input: planes of `length` elements, `stride` apart. Element i of every plane goes
// to lane i mod kLanes, and the lanes are added as a tree once for all of them.
struct PowerPart {
  int64_t begin, planes, stride, length;
};

}  // namespace gatun
