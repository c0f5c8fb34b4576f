// lists.h - the shapes of networks' parameters that steps are compared and timed on. The same as those of `./gatun
// bench` (TensorList.java) under the same names.
#pragma once
#include <string>
#include <vector>

#include "problem.h"

namespace bench {

struct List {
  std::string name;
  std::vector<test::Shape> shapes;
  int64_t elements() const;
};

// resnet50, gpt2, tiny, awkward (every border there is), one matrix (50m, 100k), 8x16.8m or equal vectors (5000x1000).
// Ends the program for another name.
List list(const std::string& name);

}  // namespace bench
