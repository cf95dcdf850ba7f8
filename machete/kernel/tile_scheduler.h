// Which part of which tile a cluster works on, in which order. Producer and consumers walk the same
// list, each on its own.
#pragma once

#include "machete/kernel/params.h"
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

// Stream-K: the sharers divide the K steps of the shared tiles, so that a last, partial wave of
// tiles keeps every SM busy. A share is the end of one tile, perhaps a whole one, and the beginning
// of the next. The cluster with a tile's last segment finishes the tile; the others hand it their
// partial sums (hand_over.cuh).
//
// A cluster takes its share from the back. Its beginning of a tile, which another waits for, is
// thus handed over before it waits itself, and it waits for lower clusters only. These were
// launched earlier, so the grid may exceed what the device holds at a time (MPS, green contexts)
// without a deadlock. Whole tiles come after the shared ones and hide the cost of handing over.
//
// Shares are even, but do not count a tile's last extra_steps: who finishes a tile takes these
// while the sums of who only helps are on their way.
template <TileScheduler kScheduler, int kClusterK>
class SegmentWalk {
 public:
  MACHETE_HOST_DEVICE SegmentWalk(const TileParams& tiles, const TileArithmetic& arithmetic,
                                  int cluster, int rank_k)
      : tiles_(tiles), arithmetic_(arithmetic), cluster_(cluster), rank_k_(rank_k), tile_(cluster) {
    if constexpr (kScheduler == TileScheduler::kStreamK) {
      if (cluster < tiles.sharers) {
        const int counted = arithmetic.share_steps.value;
        const int begin = share_begin(cluster);
        const int end = share_begin(cluster + 1);
        first_ = arithmetic.share_steps.quotient(begin);
        k_begin_ = begin - first_ * counted;
        last_ = arithmetic.share_steps.quotient(end - 1);
        k_end_ = end - last_ * counted;
        if (k_end_ == counted) k_end_ = tiles.k_steps;  // and those that shares do not count
      }
      tile_ += tiles.shared_tiles;
    }
  }

  MACHETE_HOST_DEVICE bool next(Segment& segment) {
    if (kScheduler == TileScheduler::kStreamK && last_ >= first_) {
      segment.tile = last_;
      segment.k_begin = last_ == first_ ? k_begin_ : 0;
      segment.k_end = k_end_;
      --last_;
      k_end_ = tiles_.k_steps;
    } else {
      if (tile_ >= tiles_.tiles_m * tiles_.tiles_n) return false;
      segment.tile = tile_;
      segment.k_begin = tiles_.k_steps * rank_k_ / kClusterK;
      segment.k_end = tiles_.k_steps * (rank_k_ + 1) / kClusterK;
      tile_ += tiles_.clusters;
    }
    // Tiles are walked in bands of raster_m along M, so that CTAs at work at the same time share
    // weights and activations in L2.
    const int band = arithmetic_.band_tiles.quotient(segment.tile);
    const int within = segment.tile - band * arithmetic_.band_tiles.value;
    const int first_m = band * tiles_.raster_m;
    const Divisor& height = first_m + tiles_.raster_m > tiles_.tiles_m ? arithmetic_.last_raster_m
                                                                       : arithmetic_.raster_m;
    segment.n = height.quotient(within);
    segment.m = first_m + within - segment.n * height.value;
    return true;
  }

  // Whether a higher cluster finishes the tile. Only a cluster's first segment may be such a one.
  MACHETE_HOST_DEVICE bool hands_over(const Segment& segment) const {
    return segment.k_end < tiles_.k_steps;
  }

  // Whether this cluster finishes a tile that lower ones have begun.
  MACHETE_HOST_DEVICE bool collects(const Segment& segment) const {
    return segment.k_begin > 0 && segment.k_end == tiles_.k_steps;
  }

  // How many those are.
  MACHETE_HOST_DEVICE int helpers(const Segment& segment) const {
    int count = 1;
    while (share_begin(cluster_ - count) > segment.tile * arithmetic_.share_steps.value) ++count;
    return count;
  }

 private:
  // The counted steps of all shares before a cluster's: its part of them, rounded down, exactly so
  // for fewer than 2^16 sharers.
  MACHETE_HOST_DEVICE int share_begin(uint32_t cluster) const {
    return static_cast<int>(arithmetic_.share * cluster >> 32);
  }

  const TileParams& tiles_;
  const TileArithmetic& arithmetic_;
  const int cluster_;
  const int rank_k_;
  int tile_;  // the next whole tile
  // What is left of this cluster's share: from step k_begin_ of tile first_ to k_end_ of last_.
  int first_ = 0;
  int last_ = -1;
  int k_begin_ = 0;
  int k_end_ = 0;
};

}  // namespace machete
