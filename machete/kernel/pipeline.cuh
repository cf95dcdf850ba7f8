// Rings of stages between the producer and the consumers.
#pragma once

#include "machete/kernel/ptx.cuh"

namespace machete {

// Two mbarriers a stage: `full` completes when the copies announced for it have arrived, `empty`
// when kArrivals warps (of every CTA of the cluster along N) have read it.
template <int kStages, int kArrivals, int kClusterN>
struct Ring {
  // Where a warp stands in the ring. The parity of a stage's barrier flips each time round.
  struct Position {
    int stage = 0;
    uint32_t parity = 0;

    __device__ __forceinline__ void advance() {
      if (++stage == kStages) {
        stage = 0;
        parity ^= 1;
      }
    }

    __device__ __forceinline__ void advance(int stages) {
      stage += stages;
      parity ^= stage / kStages & 1;
      stage %= kStages;
    }
  };

  static constexpr int kBarrierBytes = kStages * 2 * 8;

  uint32_t barriers;  // shared-memory address

  __device__ __forceinline__ uint32_t full(int stage) const { return barriers + stage * 8; }
  __device__ __forceinline__ uint32_t empty(int stage) const {
    return barriers + (kStages + stage) * 8;
  }

  __device__ __forceinline__ void init() const {
    for (int stage = 0; stage < kStages; ++stage) {
      ptx::mbarrier_init(full(stage), 1);
      ptx::mbarrier_init(empty(stage), kArrivals * kClusterN);
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

  // By a warp whose lanes have all read the stage.
  __device__ __forceinline__ void release(int stage, int lane) const {
    if constexpr (kClusterN == 1) {
      if (lane == 0) ptx::mbarrier_arrive(empty(stage));
    } else {
      if (lane < kClusterN) ptx::mbarrier_arrive_cluster(empty(stage), lane);
    }
  }
};

// Of weights and activations. One arrival a warp, right after the warp's own wait for its MMAs,
// frees stages earlier than one a warpgroup. No lane gets to its release before all lanes of its
// warp have read the stage: in between are wgmma, which wait for all lanes (.sync) and for what
// each has read. compute-sanitizer does not know that.
template <class Shape>
using Pipeline = Ring<Shape::kStages, 4 * Shape::kConsumers, Shape::kClusterN>;

// Where the producer or a consumer stands in it, and among the stages of weights, which have no
// barriers of their own: a step's arrive with its first stage and are read until its last is.
template <class Shape>
class PipelinePosition : public Pipeline<Shape>::Position {
 public:
  __device__ __forceinline__ int weight_stage() const {
    return Shape::kStepStages == 1 ? this->stage : weight_stage_;
  }

  // After the last of a step's stages.
  __device__ __forceinline__ void end_step() {
    if (Shape::kStepStages > 1 && ++weight_stage_ == Shape::kWeightStages) weight_stage_ = 0;
  }

 private:
  int weight_stage_ = 0;
};

}  // namespace machete
