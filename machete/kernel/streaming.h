// How the streaming kernel cuts a product and its shared memory: what host and device must agree
// on.
#pragma once

#include "machete/kernel/layout.h"

namespace machete {

constexpr int kWarpSlices = 2;          // slices of 16 features that a consumer warp multiplies
constexpr int kMaxStreamingWarps = 12;  // consumers
constexpr int kStreamingProducers = 2;  // warps: for weights, for activations
constexpr int kMaxStreamingThreads = (kMaxStreamingWarps + kStreamingProducers) * 32;
constexpr int kMaxStreamingBytes = 227 * 1024;  // of shared memory: all that a CTA can have
constexpr int kFragmentBytes = 32 * 16;  // four accumulators of each lane: 16 features x 8 tokens

// The features are shared out evenly, in slices, among pairs of CTAs (clusters of two), of which
// each CTA takes one half of K. A pair works through its slices in passes of equal width.
struct StreamingTiles {
  int pairs;        // clusters in the grid
  int pair_slices;  // of a pair; the first `extra` pairs have one more
  int extra;
  int tiles_m;      // passes over all slices, each for other tokens
  int passes;       // for a pair and a tile of tokens
  int pass_slices;  // of a pass; the last may have less
  int warps_n;      // consumer warps along the features of a pass
  int warps_k;      // consumer warps that take K blocks of the same features in turn
  int stages;       // a multiple of warps_k: a stage always belongs to the same consumers
};

// Offsets into shared memory, in bytes.
struct StreamingMemory {
  int activation_bytes;  // of a stage: rows of 64 input features in the 128-byte swizzle, twice
  int weight_bytes;      // of a stage
  int weights;           // after the activations, which begin at 0
  int partials;          // of the warps along K
  int exchange;          // what the other CTA sends, for even and odd passes
  int exchange_bytes;    // of a pass
  int barriers;
  int total;
};

MACHETE_HOST_DEVICE constexpr StreamingMemory streaming_memory(int tile_m, int a_bits,
                                                               int slice_bytes, int warps_n,
                                                               int warps_k, int stages) {
  const int fragments = kWarpSlices * (tile_m / 8);  // that a warp accumulates
  StreamingMemory memory = {};
  memory.activation_bytes = tile_m * kBlockK * a_bits / 8;
  memory.weight_bytes = warps_n * kWarpSlices * slice_bytes;
  memory.weights = stages * memory.activation_bytes;
  memory.partials = memory.weights + stages * memory.weight_bytes;
  memory.exchange = memory.partials + warps_n * warps_k * fragments * kFragmentBytes;
  memory.exchange_bytes = warps_n * fragments / 2 * kFragmentBytes;
  memory.barriers = memory.exchange + 2 * memory.exchange_bytes;
  memory.total = memory.barriers + (2 * stages + 2) * 8;
  return memory;
}

}  // namespace machete
