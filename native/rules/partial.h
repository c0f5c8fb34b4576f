// partial.h - the sums of one chunk, as they lie in memory between reduce and finalize.
#pragma once

namespace gatun {

// Whole rows: m2 and squares, added over the rows in order. Part of a row: mean and m2. A vector: squares.
struct Partial {
  double mean, m2, squares;
};

}  // namespace gatun
