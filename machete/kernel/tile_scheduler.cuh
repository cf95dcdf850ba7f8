// Which part of which tile a cluster works on, in which order. Producer and consumers walk the same
// list, each on its own.
#pragma once

#include "machete/kernel/params.h"
#include "machete/kernel/ptx.cuh"
#include "machete/kernel/schedule.h"

namespace machete {

// K steps [k_begin, k_end) of a tile.
struct Segment {
  int m;  // tile coordinates
  int n;
  int tile;
  int k_begin;
  int k_end;
};

// Stream-K: the sharers divide the K steps of the shared tiles evenly, so that a last, partial wave
// of tiles keeps every SM busy. A share is the end of one tile, perhaps a whole one, and the
// beginning of the next. The cluster with a tile's last segment finishes the tile; the others hand
// it their partial sums (hand_over.cuh).
//
// A cluster takes its share from the back. Its beginning of a tile, which another waits for, is
// thus handed over before it waits itself, and it waits for lower clusters only. These were
// launched earlier, so the grid may exceed what the device holds at a time (MPS, green contexts)
// without a deadlock. Whole tiles come after the shared ones and hide the cost of handing over.
template <TileScheduler kScheduler, int kClusterK>
class SegmentWalk {
 public:
  __device__ __forceinline__ SegmentWalk(const TileParams& params, int cluster, int rank_k)
      : params_(params), cluster_(cluster), rank_k_(rank_k), tile_(cluster) {
    if constexpr (kScheduler == TileScheduler::kStreamK) {
      if (cluster < params.sharers) {
        begin_ = share_begin(cluster);
        end_ = share_begin(cluster + 1);
      }
      tile_ += params.shared_tiles;
    }
  }

  __device__ __forceinline__ bool next(Segment& segment) {
    if constexpr (kScheduler == TileScheduler::kStreamK) {
      if (begin_ < end_) {
        segment.tile = (end_ - 1) / params_.k_steps;
        const int tile_begin = segment.tile * params_.k_steps;
        segment.k_end = end_ - tile_begin;
        segment.k_begin = begin_ > tile_begin ? begin_ - tile_begin : 0;
        end_ = tile_begin + segment.k_begin;
        locate(segment);
        return true;
      }
    }
    if (tile_ >= params_.tiles_m * params_.tiles_n) return false;
    segment.tile = tile_;
    segment.k_begin = params_.k_steps * rank_k_ / kClusterK;
    segment.k_end = params_.k_steps * (rank_k_ + 1) / kClusterK;
    tile_ += params_.clusters;
    locate(segment);
    return true;
  }

  // Whether a higher cluster finishes the tile. Only a cluster's first segment may be such a one.
  __device__ __forceinline__ bool hands_over(const Segment& segment) const {
    return segment.k_end < params_.k_steps;
  }

  // Whether this cluster finishes a tile that lower ones have begun.
  __device__ __forceinline__ bool collects(const Segment& segment) const {
    return segment.k_begin > 0 && segment.k_end == params_.k_steps;
  }

  // How many those are.
  __device__ __forceinline__ int helpers(const Segment& segment) const {
    int count = 1;
    while (share_begin(cluster_ - count) > segment.tile * params_.k_steps) ++count;
    return count;
  }

 private:
  // Unsigned, as the division of signed 64-bit integers takes registers that producers lack.
  __device__ __forceinline__ int share_begin(uint32_t cluster) const {
    const uint32_t steps = params_.shared_tiles * params_.k_steps;
    return static_cast<int>(uint64_t{steps} * cluster / static_cast<uint32_t>(params_.sharers));
  }

  // Tiles are walked in bands of raster_m along M, so that CTAs at work at the same time share
  // weights and activations in L2.
  __device__ __forceinline__ void locate(Segment& segment) const {
    const int band_tiles = params_.raster_m * params_.tiles_n;
    const int band = segment.tile / band_tiles;
    const int within = segment.tile - band * band_tiles;
    const int first_m = band * params_.raster_m;
    const int height = min(params_.raster_m, params_.tiles_m - first_m);
    segment.n = within / height;
    segment.m = first_m + within - segment.n * height;
  }

  const TileParams& params_;
  const int cluster_;
  const int rank_k_;
  int tile_;       // the next whole tile
  int begin_ = 0;  // what is left of this cluster's share, in K steps over the shared tiles
  int end_ = 0;
};

}  // namespace machete
