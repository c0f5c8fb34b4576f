// tickets.h - in which order the blocks of k_fused do their work; see cuda/fused.cuh.
#pragma once
#include <vector>

#include "cuda/description.h"

namespace gatun {

// What one launch goes through.
struct TicketRange {
  int64_t first_ticket, end_ticket;
};

struct Tickets {
  std::vector<int32_t> tickets;  // u: the sums of unit u, ~u: its update
  std::vector<Unit> units;
  std::vector<uint32_t> units_of_window;

  // Those of whole tensors, in windows of at least so many elements.
  TicketRange add(const Description& description, int64_t first_chunk, int64_t end_chunk, int64_t window_elements);
};

}  // namespace gatun
