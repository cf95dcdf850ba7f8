// What a CTA of the streaming kernel works through, and the ring that its weights and activations
// come in. Producers and consumers walk the same list, each on its own.
#pragma once

#include "machete/kernel/params.h"
#include "machete/kernel/ptx.cuh"
#include "machete/kernel/streaming.h"

namespace machete {

// The slices [begin, end) of one pass of a cluster, for the tokens from first_token on.
struct StreamingPass {
  int begin;
  int end;
  int first_token;
};

// A cluster's slices for each tile of tokens, a CTA's part of K.
class StreamingWalk {
 public:
  __device__ __forceinline__ StreamingWalk(const StreamingParams& params, int cluster_size)
      : tiles_(params.tiles) {
    rank = blockIdx.x % cluster_size;
    const int cluster = blockIdx.x / cluster_size;
    begin_ = cluster * tiles_.cluster_slices + min(cluster, tiles_.extra);
    end_ = begin_ + tiles_.cluster_slices + (cluster < tiles_.extra);
    k_begin = rank == 0 ? 0 : tiles_.first_blocks;
    k_blocks = rank == 0 ? tiles_.first_blocks : params.k_blocks - tiles_.first_blocks;
  }

  // Calls function(index, pass) for each pass in turn.
  template <int kTileM, class Function>
  __device__ __forceinline__ void for_each_pass(Function function) const {
    int index = 0;
    for (int tile = 0; tile < tiles_.tiles_m; ++tile) {
      for (int part = 0; part < tiles_.passes; ++part, ++index) {
        const int begin = begin_ + part * tiles_.pass_slices;
        function(index, StreamingPass{begin, min(begin + tiles_.pass_slices, end_), tile * kTileM});
      }
    }
  }

  int rank;      // of the CTA in its cluster
  int k_begin;   // in blocks
  int k_blocks;  // of each pass

 private:
  const StreamingTiles& tiles_;
  int begin_;
  int end_;
};

// Where a consumer stands in the ring. A stage is a K block of a pass; the warps along K take them
// in turn.
class StreamingRing {
 public:
  __device__ __forceinline__ StreamingRing(const StreamingTiles& tiles, uint32_t barriers,
                                           int warp_k, int lane)
      : tiles_(tiles), full_(barriers), lane_(lane), step_(warp_k), stage_(warp_k) {}

  // Steps are counted over all passes.
  __device__ __forceinline__ bool is_before(int end) const { return step_ < end; }
  __device__ __forceinline__ int stage() const { return stage_; }

  __device__ __forceinline__ void wait_full() const {
    ptx::mbarrier_wait(full_ + stage_ * 8, parity_);
  }

  // By a warp whose lanes have all read the stage.
  __device__ __forceinline__ void release(int stage) const {
    if (lane_ == 0) ptx::mbarrier_arrive(full_ + (tiles_.stages + stage) * 8);
  }

  __device__ __forceinline__ void advance() {
    step_ += tiles_.warps_k;
    stage_ += tiles_.warps_k;
    if (stage_ >= tiles_.stages) {
      stage_ -= tiles_.stages;
      parity_ ^= 1;
    }
  }

 private:
  const StreamingTiles& tiles_;
  const uint32_t full_;  // the barriers of full stages, before those of empty ones
  const int lane_;
  int step_;
  int stage_;
  uint32_t parity_ = 0;
};

// Where a stage has what a warp multiplies: shared-memory addresses.
struct StreamingBlock {
  uint32_t slices;  // the warp's
  uint32_t activations;
};

// Sums lie in fragments of 16 features x 8 tokens, four to a lane: calls function(sum, i, j) with
// the j-th of the i-th fragment.
template <class Sum, int kFragments, class Function>
MACHETE_DEVICE void for_each_sum(Sum (&sums)[kFragments][4], Function function) {
#pragma unroll
  for (int i = 0; i < kFragments; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) function(sums[i][j], i, j);
  }
}

}  // namespace machete
