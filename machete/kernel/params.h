// What a kernel is launched with, beside the tensor maps of activations and output.
#pragma once

#include <cuda.h>
#include <vector_types.h>

#include <cstdint>

#include "machete/kernel/divisor.h"
#include "machete/kernel/layout.h"
#include "machete/kernel/streaming.h"

namespace machete {

// L2 eviction policies: what createpolicy yields for whole accesses (CUTLASS: TMA::CacheHintSm90).
constexpr uint64_t kEvictNormal = 0x1000000000000000;
constexpr uint64_t kEvictFirst = 0x12F0000000000000;
constexpr uint64_t kEvictLast = 0x14F0000000000000;

// How the tiles of a product are dealt out; a "cluster" is one CTA where the schedule has none.
struct TileParams {
  int tile_m;  // tokens of a tile: one of the schedule's widths
  int tiles_m;
  int tiles_n;       // in units of a cluster's features
  int k_steps;       // of the loop over K, for a whole tile
  int clusters;      // in the grid
  int shared_tiles;  // tiles 0 .. shared_tiles - 1 are shared along K (stream-K)
  int sharers;       // clusters 0 .. sharers - 1 share them
  int extra_steps;   // a shared tile's last, which shares do not count
  int raster_m;      // tiles along M that are walked before the next along N
};

// What follows from TileParams, for the device, which divides slowly.
struct TileArithmetic {
  explicit constexpr TileArithmetic(const TileParams& tiles)
      : share_steps(tiles.k_steps - tiles.extra_steps),
        band_tiles(tiles.raster_m * tiles.tiles_n),
        raster_m(tiles.raster_m),
        last_raster_m((tiles.tiles_m - 1) % tiles.raster_m + 1) {
    if (tiles.sharers > 0) {
      share = ceil_div(int64_t{tiles.shared_tiles} * share_steps.value << 32, tiles.sharers);
    }
  }

  Divisor share_steps;  // of a shared tile: those that shares count
  Divisor band_tiles;
  Divisor raster_m;
  Divisor last_raster_m;  // of the last band
  uint64_t share = 0;     // steps of a share, times 2^32, rounded up
};

// Tokens that one tensor store writes, of tiles of `tile_m` tokens: they must not share one.
MACHETE_HOST_DEVICE constexpr int store_tokens(int tile_m, int most) {
  return tile_m % most == 0 ? most : most / 2;
}

// What every kernel wants to know of the product, the packed weights and the caches.
struct ProductParams {
  int m;      // tokens
  int n;      // output features
  void* out;  // [m, n], ldo elements a row
  int64_t ldo;
  const uint8_t* blocks;
  const RowEntry* rows;
  int n_blocks;
  int k_blocks;
  int slice_bytes;
  int groups_per_block;
  uint32_t layout_tag;
  const float* token_scales;  // [m] or null
  const void* bias;           // [n], of the output's type, or null
  uint64_t weight_policy;
  uint64_t activation_policy;
};

// Boxes of 64 input features, of all tokens that a CTA loads of a tile, or of those that the last
// tile has left. Of one that no tile needs the map is not set.
struct ActivationMaps {
  CUtensorMap whole;
  CUtensorMap rest;
};

struct GemmParams : ProductParams {
  TileParams tiles;
  TileArithmetic arithmetic;
  int steps_ahead;    // whose weights are requested while the kernel before still runs
  uint8_t* partials;  // stream-K: kPartialBytes for each CTA
  uint32_t* flags;    // stream-K: one for each CTA; zero between launches
};

struct StreamingParams : ProductParams {
  StreamingTiles tiles;
};

}  // namespace machete
