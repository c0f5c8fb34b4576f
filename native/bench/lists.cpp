#include "lists.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "specs.h"

namespace bench {

namespace {

using Shapes = std::vector<test::Shape>;
using test::matrix_of;
using test::vector_of;

// A convolution without bias and its batch norm's gain and bias.
void convolution(Shapes& shapes, int64_t out, int64_t in, int64_t kernel) {
  shapes.push_back(matrix_of(out, in * kernel * kernel));
  shapes.push_back(vector_of(out));
  shapes.push_back(vector_of(out));
}

// He et al., arXiv 1512.03385, table 1, as torchvision lays it out: 161 tensors, 25,557,032 parameters.
Shapes resnet50() {
  Shapes shapes;
  convolution(shapes, 64, 3, 7);
  int64_t in = 64, width = 64;
  for (const int blocks : {3, 4, 6, 3}) {
    for (int block = 0; block < blocks; ++block) {
      convolution(shapes, width, in, 1);
      convolution(shapes, width, width, 3);
      convolution(shapes, 4 * width, width, 1);
      if (block == 0) convolution(shapes, 4 * width, in, 1);  // the shortcut, where the number of channels changes
      in = 4 * width;
    }
    width *= 2;
  }
  shapes.push_back(matrix_of(1000, in));
  shapes.push_back(vector_of(1000));
  return shapes;
}

// Radford et al. 2019, the smallest model, head tied to the embedding: 148 tensors, 124,439,808 parameters.
Shapes gpt2() {
  constexpr int64_t width = 768;
  Shapes shapes = {matrix_of(50257, width), matrix_of(1024, width)};
  const auto dense = [&](int64_t in, int64_t out) {
    shapes.push_back(matrix_of(in, out));
    shapes.push_back(vector_of(out));
  };
  const auto norm = [&] { shapes.insert(shapes.end(), 2, vector_of(width)); };
  for (int layer = 0; layer < 12; ++layer) {
    norm();
    dense(width, 3 * width);
    dense(width, width);
    norm();
    dense(width, 4 * width);
    dense(4 * width, width);
  }
  norm();
  return shapes;
}

// As square as whole numbers allow: a layer, not a column, so that SING has rows to centre.
test::Shape square(int64_t elements) {
  auto rows = int64_t(std::sqrt(double(elements)));
  while (elements % rows != 0) --rows;
  return matrix_of(rows, elements / rows);
}

// 50m, 16.8m, 100k or 1000; 0 if it is none of these.
int64_t number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double scale = unit == "m" ? 1e6 : unit == "k" ? 1e3 : unit.empty() ? 1 : 0;
  return value > 0 && value < 1e12 ? std::llround(value * scale) : 0;
}

}  // namespace

int64_t List::elements() const {
  int64_t sum = 0;
  for (const test::Shape& shape : shapes) sum += shape.length;
  return sum;
}

List list(const std::string& name) {
  if (name == "resnet50") return {name, resnet50()};
  if (name == "gpt2") return {name, gpt2()};
  if (name == "tiny")
    return {name,
            {matrix_of(64, 27), vector_of(64), vector_of(1), matrix_of(33, 65), matrix_of(4, 1), vector_of(1000)}};
  if (name == "awkward") return {name, test::all_shapes()};
  const size_t times = name.find('x');
  if (times == std::string::npos) {
    if (const int64_t elements = number(name); elements > 0) return {name, {square(elements)}};
  } else {
    const int64_t tensors = number(name.substr(0, times)), elements = number(name.substr(times + 1));
    // large ones are layers with rows, small ones vectors
    const test::Shape shape = elements >= 1'000'000 ? square(elements) : vector_of(elements);
    if (tensors > 0 && elements > 0) return {name, Shapes(size_t(tensors), shape)};
  }
  std::fprintf(stderr, "'%s' is not a list; pass resnet50, gpt2, tiny, 50m, 8x16.8m or 5000x1000\n", name.c_str());
  std::exit(2);
}

}  // namespace bench
