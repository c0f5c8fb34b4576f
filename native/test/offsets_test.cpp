// offsets_test - chunks, offsets, tickets and draws of tensors beyond 2^31 elements, whose memory nobody has to have.
#include <cstdint>
#include <vector>

#include "check.h"
#include "cuda/apply.cuh"
#include "cuda/tickets.h"

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

// All sums of a window have their tickets before any of its updates, and every chunk has one of each.
void tickets_cover(const Description& description, const Large& large) {
  const auto chunks = int64_t(description.tensor_of_chunk.size());
  Tickets tickets;
  const TicketRange range = tickets.add(description, 0, chunks, 1 << 20);
  std::vector<uint32_t> summed(tickets.units_of_window.size());
  int64_t sums = 0, updates = 0, early = 0, end = 0;
  for (int64_t k = range.first_ticket; k < range.end_ticket; ++k) {
    const int32_t item = tickets.tickets[size_t(k)];
    const Unit& unit = tickets.units[size_t(item >= 0 ? item : ~item)];
    if (item >= 0) {
      early += unit.first_chunk != end || unit.chunks < 1 || unit.chunks > kTeams;
      end = unit.first_chunk + unit.chunks;
      sums += unit.chunks;
      ++summed[size_t(unit.window)];
    } else {
      updates += unit.chunks;
      early += summed[size_t(unit.window)] != tickets.units_of_window[size_t(unit.window)];
    }
  }
  CHECK(sums == chunks && updates == chunks && early == 0,
        "%lld elements: %lld of %lld chunks are summed, %lld updated, %lld tickets out of order",
        (long long)large.length, (long long)sums, (long long)chunks, (long long)updates, (long long)early);
}

// Weights around element 2^32, where another key begins, are rounded as one by one.
void draws_cross_keys(int32_t dtype, bool aligned) {
  constexpr int kCount = 2040;
  const int64_t begin = (int64_t{1} << 32) - 1000 + !aligned;
  alignas(16) static float masters[kCount];
  alignas(16) static uint16_t halves[kCount];
  for (int i = 0; i < kCount; ++i) masters[i] = 1 + float(i) / 10007;
  const Rounding rounding{5, 7, 11, dtype, GATUN_STOCHASTIC};
  simt::launch(1, kThreads, {3, 1}, [&] { round_masters(rounding, masters, halves, begin, kCount, aligned); });
  int wrong = 0;
  for (int i = 0; i < kCount; ++i) {
    const int64_t element = begin + i;
    const uint32_t draw = RoundingKey::of(5, 7, 11, element >> 32).draw(uint32_t(element));
    wrong += halves[i] != (dtype == GATUN_BF16 ? random_bf16(masters[i], draw) : random_f16(masters[i], draw));
  }
  CHECK(wrong == 0, "%d of %d weights around element 2^32 are not rounded by their own draws", wrong, kCount);
}

// The last of so many elements of a type is where it is.
void places(int32_t dtype, int64_t bytes) {
  const Elements<float> elements{reinterpret_cast<unsigned char*>(uintptr_t{1} << 40), dtype};
  const int64_t last = 2'999'999'999;
  CHECK((elements + last).address - elements.address == bytes * last, "element %lld is %lld bytes on", (long long)last,
        (long long)((elements + last).address - elements.address));
}

}  // namespace

int main() {
  for (const int32_t dtype : {GATUN_BF16, GATUN_F16})
    for (const bool aligned : {true, false}) draws_cross_keys(dtype, aligned);
  places(GATUN_F32, 4);
  places(GATUN_BF16, 2);
  constexpr int64_t kLength = 3'000'000'000;
  for (const Large& large : {Large{kLength, kLength, false}, Large{kLength, 1, true}, Large{kLength, 3, true},
                             Large{kLength, 1'000'000, true}, Large{kLength, kLength / 3, true}}) {
    gatun_tensor tensor{};  // addresses are only handed on
    tensor.weight = reinterpret_cast<void*>(uintptr_t{1} << 40);
    tensor.master = reinterpret_cast<void*>(uintptr_t{1} << 41);
    tensor.gradient = reinterpret_cast<void*>(uintptr_t{1} << 42);
    tensor.gradient_dtype = GATUN_BF16;
    tensor.length = large.length, tensor.rows = large.rows;
    tensor.flags = large.matrix ? GATUN_TENSOR_MATRIX : 0;
    const std::vector<gatun_tensor> tensors = {tensor, tensor};
    std::vector<int64_t> counters(3);
    const gatun_sgd arguments{};
    gatun_group group{};
    group.tensors = tensors.data(), group.count = 2, group.counters = counters.data(), group.arguments = &arguments;
    group.transforms[0] = {1e-8, GATUN_STANDARDIZE, 1, 1, 0};
    group.transform_count = 1, group.rule = GATUN_RULE_SGD, group.dtype = GATUN_F32;
    group.weight_dtype = GATUN_BF16;
    const Description description(&group, 1);
    const TensorEntry& second = description.tensors[1];
    CHECK(second.first_chunk == description.tensors[0].geometry.chunks, "the second tensor begins at chunk %lld",
          (long long)second.first_chunk);
    CHECK(int64_t(description.tensor_of_chunk.size()) == 2 * second.geometry.chunks, "%zu chunks",
          description.tensor_of_chunk.size());
    if (large.matrix)
      CHECK(description.means_bytes >= 16 * large.rows && description.means_bytes < 16 * large.rows + 32,
            "%lld bytes of means for %lld rows", (long long)description.means_bytes, (long long)large.rows);
    CHECK(second.half == tensor.weight && second.weight == tensor.master && second.aligned == 1 &&
              description.gradients[1].dtype == GATUN_BF16,
          "a BF16 tensor's weight, master or gradient are not where they are");
    chunks_cover(second.geometry, large);
    tickets_cover(description, large);
  }
  return result("offsets");
}
