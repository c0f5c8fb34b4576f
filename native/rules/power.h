// power.h - how the input of a layer is cut to sum its power. As in geometry.h, shapes alone decide.
#pragma once
#include "geometry.h"
#include "partial.h"

GATUN_RULES_BEGIN

// samples x channels x area elements, a plane being one sample's area of one channel. A part has as many planes as fit
// kChunk elements; larger planes are cut. A single channel's samples lie one behind the other and are one plane. Parts
// are numbered in the order of memory, all channels' first parts first; those of a channel are added by LaneSum.
struct PowerGeometry {
  int64_t samples, channels, area, run, cuts, parts;  // planes of a part, parts of a plane, parts of a channel

  static GATUN_HD PowerGeometry of(int64_t samples, int64_t channels, int64_t area) {
    if (channels == 1) area = samples * area, samples = 1;
    if (area > kChunk) {
      const int64_t cuts = (area + kChunk - 1) / kChunk;
      return {samples, channels, area, 1, cuts, samples * cuts};
    }
    const int64_t run = area > 1 ? kChunk / area : kChunk;
    return {samples, channels, area, run, 1, (samples + run - 1) / run};
  }

  GATUN_HD int64_t count() const { return parts * channels; }

  GATUN_HD PowerPart part(int64_t p) const {
    const int64_t channel = p % channels, of_channel = p / channels;
    if (cuts > 1) {
      const int64_t offset = of_channel % cuts * kChunk, rest = area - offset;
      return {(of_channel / cuts * channels + channel) * area + offset, 1, 0, rest < kChunk ? rest : kChunk};
    }
    const int64_t sample = of_channel * run, rest = samples - sample;
    return {(sample * channels + channel) * area, rest < run ? rest : run, channels * area, area};
  }
};

// One element (or one vector of elements) into its lane.
template <bool absolute, class V>
GATUN_HD void accumulate_power(V x, V& q) {
  if constexpr (absolute)
    q = q + (x < 0 ? -x : x);
  else
    q = fma_(x, x, q);
}

GATUN_RULES_END
