#include "cuda/tickets.h"

#include <algorithm>

#include "cuda/sums.cuh"

namespace gatun {

TicketRange Tickets::add(const Description& description, int64_t first_chunk, int64_t end_chunk,
                         int64_t window_elements) {
  TicketRange range{int64_t(tickets.size()), 0};
  auto earlier_begin = int32_t(units.size()), earlier_end = earlier_begin;
  const auto update = [&] {  // backwards: what was summed last is the likeliest to be in L2
    for (int32_t u = earlier_end - 1; u >= earlier_begin; --u) tickets.push_back(~u);
  };
  for (int64_t begin = first_chunk, end = begin; begin < end_chunk; begin = end) {
    for (int64_t elements = 0; end < end_chunk && elements < window_elements;) {
      const TensorEntry& t = description.tensors[size_t(description.tensor_of_chunk[size_t(end)])];
      end = t.first_chunk + t.geometry.chunks;
      elements += t.geometry.length;
    }
    const auto now_begin = int32_t(units.size());
    for (int64_t chunk = begin; chunk < end; chunk += kTeams) {
      tickets.push_back(int32_t(units.size()));
      units.push_back({chunk, int32_t(std::min<int64_t>(kTeams, end - chunk)), int32_t(units_of_window.size())});
    }
    units_of_window.push_back(uint32_t(units.size()) - uint32_t(now_begin));
    update();
    earlier_begin = now_begin, earlier_end = int32_t(units.size());
  }
  update();
  range.end_ticket = int64_t(tickets.size());
  return range;
}

}  // namespace gatun
