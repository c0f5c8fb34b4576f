// offsets_test - chunks and offsets of tensors beyond 2^31 elements, whose memory nobody has to have.
#include <cstdint>
#include <vector>

#include "check.h"
#include "cuda/description.h"

using namespace gatun;
using namespace test;

namespace {

struct Large {
  int64_t length, rows;
  bool matrix;
};

// Every element is in one chunk, chunks follow each other, and no chunk is longer than it may be.
void chunks_cover(const Geometry& geometry, const Large& large) {
  int64_t end = 0, wrong = 0;
  for (int64_t c = 0; c < geometry.chunks; ++c) {
    const ChunkRange range = geometry.chunk(c);
    wrong += range.begin != end || range.length < 1 || range.length > kChunk;
    end = range.begin + range.length;
  }
  CHECK(wrong == 0 && end == large.length, "%lld elements in %lld rows: %lld chunks are wrong, the last ends at %lld",
        (long long)large.length, (long long)large.rows, (long long)wrong, (long long)end);
}

}  // namespace

int main() {
  constexpr int64_t kLength = 3'000'000'000;
  for (const Large& large : {Large{kLength, kLength, false}, Large{kLength, 1, true}, Large{kLength, 3, true},
                             Large{kLength, 1'000'000, true}, Large{kLength, kLength / 3, true}}) {
    gatun_tensor tensor{};  // addresses are only handed on
    tensor.weight = reinterpret_cast<void*>(uintptr_t{1} << 40);
    tensor.length = large.length, tensor.rows = large.rows;
    tensor.flags = large.matrix ? GATUN_TENSOR_MATRIX : 0;
    const std::vector<gatun_tensor> tensors = {tensor, tensor};
    std::vector<int64_t> counters(3);
    const gatun_sgd arguments{};
    gatun_group group{};
    group.tensors = tensors.data(), group.count = 2, group.counters = counters.data(), group.arguments = &arguments;
    group.transforms[0] = {1e-8, GATUN_STANDARDIZE, 1, 1, 0};
    group.transform_count = 1, group.rule = GATUN_RULE_SGD, group.dtype = GATUN_F32;
    const Description description(&group, 1);
    const TensorEntry& second = description.tensors[1];
    CHECK(second.first_chunk == description.tensors[0].geometry.chunks, "the second tensor begins at chunk %lld",
          (long long)second.first_chunk);
    CHECK(int64_t(description.tensor_of_chunk.size()) == 2 * second.geometry.chunks, "%zu chunks",
          description.tensor_of_chunk.size());
    if (large.matrix)
      CHECK(description.means_bytes >= 16 * large.rows && description.means_bytes < 16 * large.rows + 32,
            "%lld bytes of means for %lld rows", (long long)description.means_bytes, (long long)large.rows);
    chunks_cover(second.geometry, large);
  }
  return result("offsets");
}
