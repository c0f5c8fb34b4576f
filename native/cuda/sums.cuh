// sums.cuh - additions in the order of rules/geometry.h, by eight threads (a team) or by a block.
#pragma once
#include "cuda/elements.cuh"
#include "rules/moments.h"

namespace gatun {

// A team has a chunk to itself: thread t of it has lanes 4t to 4t + 3, so that its loads are 16 bytes wide and a team's
// 128 (as doubles twice that).
constexpr int kTeam = 8;
constexpr int kTeams = kThreads / kTeam;
constexpr int kTeamLanes = int(kLanes) / kTeam;
constexpr int kTile = 1024;  // values that a block stages at once for a sum over many

struct Pair {
  double a, b;
};

// One for each block of the kernels that sum.
struct SumsShared {
  double tile[2][kTile];
  double total[2];
  int32_t tensor[kTeams];    // whose chunk each team has just summed; -1: nothing to wait for
  int32_t complete[kTeams];  // the tensors whose last chunk that was, else -1
  int32_t single[kTeams];    // k_fused: the tensors that wait for no other chunk, else -1
  int64_t ticket;
  int32_t last;  // is this the last block?
  int32_t offender, unsummed;
};

struct Team {
  int index;       // within the block
  int member;      // 0 to 7
  uint32_t lanes;  // of the warp: teams of one warp go their own ways

  static GATUN_DEVICE Team mine() {
    const int thread = thread_index();
    return {thread / kTeam, thread % kTeam, 0xffu << (thread % kWarp / kTeam * kTeam)};
  }
  GATUN_DEVICE bool leads() const { return member == 0; }
};

// The tree over 32 lanes; every member gets the sum. With a xor both partners add the same two numbers, and an addition
// does not care which comes first.
GATUN_DEVICE double team_tree(const Team& team, const double (&lanes)[kTeamLanes]) {
  double x[kTeamLanes];
#pragma unroll
  for (int e = 0; e < kTeamLanes; ++e) x[e] = lanes[e];
#pragma unroll
  for (int distance = kTeam / 2; distance > 0; distance /= 2)
#pragma unroll
    for (int e = 0; e < kTeamLanes; ++e) x[e] = x[e] + GATUN_SHUFFLE_XOR(team.lanes, x[e], distance);
  return (x[0] + x[2]) + (x[1] + x[3]);
}

// The elements of one member's lanes that follow each other.
template <class T>
GATUN_DEVICE Pack<T, kTeamLanes> load_lanes(const T* p) {
  Pack<T, kTeamLanes> x;
#pragma unroll
  for (int e = 0; e < kTeamLanes; e += kVector<T>) {
    const auto pack = load_kept(p + e);
#pragma unroll
    for (int k = 0; k < kVector<T>; ++k) x.v[e + k] = pack.v[k];
  }
  return x;
}
GATUN_DEVICE Pack<float, kTeamLanes> load_lanes(const Halves& p) {
  static_assert(kVector<uint16_t> == kTeamLanes);
  return widened(p.dtype, load_kept(p.at));
}

template <class Source>
constexpr int kElementBytes = sizeof(Source{}[0]);
template <>
inline constexpr int kElementBytes<Halves> = sizeof(uint16_t);

// Calls body(lane of the thread, element) for the elements of this member, in order. g: a pointer, or Halves.
template <class Source, class Body>
GATUN_DEVICE void over_members(const Team& team, Source g, int n, Body body) {
  int i = team.member * kTeamLanes;
  if (in_vectors(g)) {
#pragma unroll(64 / (kTeamLanes * kElementBytes <Source>))  // 64 bytes of a thread on their way
    for (; i + kTeamLanes <= n; i += int(kLanes)) {
      const auto x = load_lanes(g + i);
#pragma unroll
      for (int e = 0; e < kTeamLanes; ++e) body(e, double(x.v[e]));
    }
  }
#pragma unroll 2
  for (; i < n; i += int(kLanes)) {
#pragma unroll
    for (int e = 0; e < kTeamLanes; ++e)
      if (i + e < n) body(e, double(g[i + e]));
  }
}

template <class Source>
GATUN_DEVICE double team_squares(const Team& team, Source g, int n) {
  double q[kTeamLanes] = {};
  over_members(team, g, n, [&](int e, double x) { accumulate_square(x, q[e]); });
  return team_tree(team, q);
}

template <class Source>
GATUN_DEVICE Moments team_moments(const Team& team, Source g, int n) {
  const double shift = double(g[0]);
  double s[kTeamLanes] = {}, q[kTeamLanes] = {};
  over_members(team, g, n, [&](int e, double x) { accumulate_centered(x, shift, s[e], q[e]); });
  return Moments::of(double(n), shift, team_tree(team, s), team_tree(team, q));
}

// LaneSum over value(0) ... value(n - 1), two sums at once, by the whole block; value is called once for each number,
// by thread i mod 256. The values are staged: whoever had to fetch its own 32nd value each time would wait for memory
// as often.
template <class Value>
GATUN_DEVICE Pair lane_sums(SumsShared& shared, int64_t n, Value value) {
  const int thread = thread_index(), which = thread / kWarp, lane = thread % kWarp;
  double sum = 0;
  for (int64_t base = 0; base < n; base += kTile) {
    const int count = n - base < kTile ? int(n - base) : kTile;
    for (int k = thread; k < kTile; k += kThreads) {
      const Pair x = k < count ? value(base + k) : Pair{0, 0};
      shared.tile[0][k] = x.a;
      shared.tile[1][k] = x.b;
    }
    GATUN_BARRIER();
    if (which < 2)
      for (int k = lane; k < count; k += kWarp) sum = sum + shared.tile[which][k];
    GATUN_BARRIER();
  }
  if (which < 2) {
#pragma unroll
    for (int distance = kWarp / 2; distance > 0; distance /= 2)
      sum = sum + GATUN_SHUFFLE_XOR(0xffffffffu, sum, distance);
    if (lane == 0) shared.total[which] = sum;
  }
  GATUN_BARRIER();
  return {shared.total[0], shared.total[1]};
}

}  // namespace gatun
