// How the streaming kernels cut a product and their shared memory: what host and device must agree
// on.
#pragma once

#include "machete/kernel/layout.h"
#include "machete/kernel/schedule.h"

namespace machete {

constexpr int kMaxStreamingBytes = 227 * 1024;  // of shared memory: all that a CTA can have
constexpr int kFragmentBytes = 32 * 16;         // four sums a lane: 16 features x 8 tokens
constexpr int kMaxWarpsK = 4;                   // that add up their sums: so many, two or one

// The warps of a CTA, and how they take from the ring.
struct StreamingWarps {
  int slices;     // of 16 features, that a consumer multiplies
  int team;       // consumers that multiply together
  int consumers;  // at most: so many have registers
  int enough;     // consumers that keep an SM busy: more along K only cost time to add up
  int producers;  // one for weights, one for activations; more make them a warpgroup
  int turns;  // stages of a consumer, if they fit: wgmma holds two while others are on their way
};

MACHETE_HOST_DEVICE constexpr StreamingWarps streaming_warps(KernelSchedule schedule) {
  return schedule == KernelSchedule::kStreamingWgmma ? StreamingWarps{1, 4, 16, 8, 4, 5}
                                                     : StreamingWarps{2, 1, 12, 12, 2, 2};
}

constexpr int max_streaming_threads(KernelSchedule schedule) {
  const StreamingWarps warps = streaming_warps(schedule);
  return (warps.consumers + warps.producers) * 32;
}

// The features are shared out evenly, in slices, among clusters of two CTAs, of which each takes
// one half of K, or of a single CTA. A cluster works through its slices in passes of equal width.
struct StreamingTiles {
  int cluster;         // CTAs of a cluster
  int clusters;        // in the grid
  int cluster_slices;  // of a cluster; the first `extra` have one more
  int extra;
  int first_blocks;  // along K, of a cluster's first CTA; a second has the rest
  int tiles_m;       // passes over all slices, each for other tokens
  int passes;        // for a cluster and a tile of tokens
  int pass_slices;   // of a pass; the last may have less
  int warps_n;       // consumer warps along the features of a pass
  int warps_k;       // consumer warps that take K blocks of the same features in turn
  int stages;        // a multiple of warps_k: a stage always belongs to the same consumers
  // Programmatic dependent launch: the next kernel of the stream begins once all weights of this
  // one have been requested, not with it.
  bool holds_next;
};

// Offsets into shared memory, in bytes.
struct StreamingMemory {
  int activation_bytes;  // of a stage: rows of 128 bytes along K in the 128-byte swizzle
  int weight_bytes;      // of a stage
  int weights;           // after the activations, which begin at 0
  int partials;          // of the warps along K
  int exchange;        // what a cluster's other CTA sends, for even and odd passes, if there is one
  int exchange_bytes;  // of a pass
  int barriers;
  int total;
};

MACHETE_HOST_DEVICE constexpr StreamingMemory streaming_memory(KernelSchedule schedule, int tile_m,
                                                               int a_bits, int slice_bytes,
                                                               const StreamingTiles& tiles) {
  const int slices = streaming_warps(schedule).slices;
  const int fragments = slices * (tile_m / 8);  // that a warp accumulates
  StreamingMemory memory = {};
  memory.activation_bytes = tile_m * kBlockK * a_bits / 8;
  memory.weight_bytes = tiles.warps_n * slices * slice_bytes;
  memory.weights = tiles.stages * memory.activation_bytes;
  memory.partials = memory.weights + tiles.stages * memory.weight_bytes;
  memory.exchange = memory.partials + tiles.warps_n * tiles.warps_k * fragments * kFragmentBytes;
  memory.exchange_bytes = tiles.warps_n * fragments / 2 * kFragmentBytes;
  memory.barriers = memory.exchange + (tiles.cluster > 1 ? 2 * memory.exchange_bytes : 0);
  memory.total = memory.barriers + (2 * tiles.stages + 2) * 8;
  return memory;
}

}  // namespace machete
