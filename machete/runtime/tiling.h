// How a product is cut into tiles and dealt out to the device: host arithmetic, no CUDA calls.
#pragma once

#include <cstddef>
#include <cstdint>

#include "machete/kernel/kernel_entry.h"
#include "machete/kernel/params.h"

namespace machete {

// What launch() takes: the CTAs of so many clusters fit an int, and so does a tile a wave further.
constexpr int64_t kMaxTiles = int64_t{1} << 28;

// The index in KernelEntry::widths of the narrowest with which as few tiles as can be hold m
// tokens.
int width_index(const KernelEntry& kernel, int64_t m);

// That width: the tokens of a product's tiles.
int tile_width(const KernelEntry& kernel, int64_t m);

// Tiles that a product is cut into.
int64_t count_tiles(const KernelEntry& kernel, int64_t m, int64_t n);

// Tiles of `kernel` for m tokens, n features and k input features on a device that holds
// `resident_clusters` of its clusters at a time. Chooses how many clusters share the last wave.
TileParams plan_tiles(const KernelEntry& kernel, int64_t m, int64_t n, int64_t k,
                      int resident_clusters);

// The same for a streaming kernel, with the packed layout's blocks along K and bytes of a slice.
// Its CTAs may also run without clusters, as many as `resident_clusters` have.
StreamingTiles plan_streaming_tiles(const KernelEntry& kernel, int64_t m, int64_t n, int k_blocks,
                                    int slice_bytes, int resident_clusters);

// The workspace of stream-K: flags, then partial sums.
constexpr size_t kFlagsBytes = 4096;
size_t workspace_bytes(const KernelEntry& kernel, const TileParams& tiles);

}  // namespace machete
