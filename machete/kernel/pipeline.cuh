// The ring of stages between the producer and the consumers.
#pragma once

#include "machete/kernel/ptx.cuh"

namespace machete {

// Where a warp stands in the ring. The parity of a stage's barrier flips each time round.
template <int kStages>
struct RingPosition {
  int stage = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

// Two mbarriers a stage: `full` completes when the copies announced for it
// have arrived, `empty` when every consumer warp (of every CTA that shares the activations) has
// read it. One arrival a warp, right after the warp's own wait for its MMAs, frees stages earlier
// than one a warpgroup.
template <class Shape>
struct Pipeline {
  using Position = RingPosition<Shape::kStages>;

  uint32_t barriers;  // shared-memory address

  __device__ __forceinline__ uint32_t full(int stage) const { return barriers + stage * 8; }
  __device__ __forceinline__ uint32_t empty(int stage) const {
    return barriers + (Shape::kStages + stage) * 8;
  }

  __device__ __forceinline__ void init() const {
    for (int stage = 0; stage < Shape::kStages; ++stage) {
      ptx::mbarrier_init(full(stage), 1);
      ptx::mbarrier_init(empty(stage), 4 * Shape::kConsumers * Shape::kClusterN);
    }
    ptx::fence_mbarrier_init();
  }

  // Producer. A fresh barrier counts as having completed the phase before the first.
  __device__ __forceinline__ void wait_empty(const Position& at) const {
    ptx::mbarrier_wait(empty(at.stage), at.parity ^ 1);
  }

  // Consumer.
  __device__ __forceinline__ void wait_full(const Position& at) const {
    ptx::mbarrier_wait(full(at.stage), at.parity);
  }

  // No lane gets here before all lanes of its warp have read the stage: in between are wgmma, which
  // wait for all lanes (.sync) and for what each has read. compute-sanitizer does not know that.
  __device__ __forceinline__ void release(int stage, int lane) const {
    if constexpr (Shape::kClusterN == 1) {
      if (lane == 0) ptx::mbarrier_arrive(empty(stage));
    } else {
      if (lane < Shape::kClusterN) ptx::mbarrier_arrive_cluster(empty(stage), lane);
    }
  }
};

}  // namespace machete
