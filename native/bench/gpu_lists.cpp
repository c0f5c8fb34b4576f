// gpu_lists NAME - a list's tensors, one a line: rows, elements, 1 for a matrix. For programs in other languages.
#include <cstdio>

#include "lists.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (const test::Shape& shape : bench::list(argv[1]).shapes)
    std::printf("%lld %lld %d\n", (long long)shape.rows, (long long)shape.length, int(shape.matrix));
}
