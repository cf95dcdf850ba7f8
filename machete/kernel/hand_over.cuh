// Stream-K: the sums of a tile's segments, from the CTAs that computed them, its helpers, to the
// one that finishes the tile. They wait in global memory, from where that CTA copies them into its
// pipeline's memory while its consumers still multiply (kSumsThroughPipeline), or where these read
// them. They are added up from the nearest helper to the furthest, so results are reproducible. A
// share has the end of one tile at most, and the beginning of one: what is here happens once a
// launch.
#pragma once

#include "machete/kernel/params.h"
#include "machete/kernel/partials.cuh"
#include "machete/kernel/pipeline.cuh"
#include "machete/kernel/ptx.cuh"
#include "machete/kernel/reduction.cuh"

namespace machete {

template <class Shape>
class HandOver {
 public:
  __device__ __forceinline__ HandOver(const GemmParams& params, uint32_t shared)
      : params_(params), shared_(shared), ring_{shared + Shape::kSumsBarriersOffset} {}

  __device__ __forceinline__ void init() const {
    ptx::mbarrier_init(lent(), 1);
    ptx::mbarrier_init(returned(), 1);
    ring_.init();
  }

  // ---- in a helper

  // A writer leaves its sums of a segment that does not end its tile.
  __device__ __forceinline__ void leave(Accumulators<Shape>& accumulators, int warpgroup,
                                        int thread) const {
    uint8_t* mine = partials(0) + first_vector(warpgroup, thread);
    for_each_vector<Shape>(accumulators, 0, [&](float* v, int i) {
      __stcg(reinterpret_cast<float4*>(mine + vector_offset(i)),
             make_float4(v[0], v[1], v[2], v[3]));
    });
    if constexpr (Shape::kSumsThroughPipeline) {
      ptx::named_barrier_arrive(kBarrierHandOver, kAnnounceThreads);
    } else {
      ptx::named_barrier(kBarrierWarpgroup + warpgroup, 128);
      if (thread == 0) ptx::store_release(flag(0), 1);
    }
  }

  // Through the pipeline, a warp beside the producer tells the CTA that finishes the tile: until
  // the sums have arrived where other SMs see them, the writers go on.
  __device__ __forceinline__ void announce(int lane) const {
    ptx::named_barrier(kBarrierHandOver, kAnnounceThreads);
    if (lane == 0) ptx::store_release(flag(0), 1);
  }

  // ---- in the CTA that finishes the tile; its helpers are numbered from 1

  // The producer lends the stages that follow the tile's last, and waits to have them back.
  __device__ __forceinline__ void lend() const {
    ptx::mbarrier_arrive(lent());
    ptx::mbarrier_wait(returned(), 0);
  }

  // The warp beside the producer copies the sums into them; `next` is the first.
  __device__ __forceinline__ void load(int helpers, int lane, const Pipeline<Shape>& pipeline,
                                       const typename Pipeline<Shape>::Position& next) const {
    for (int h = 1 + lane; h <= helpers; h += 32) await(h);
    __syncwarp();
    ptx::continue_with_one_lane();
    ptx::fence_proxy_async_global();
    ptx::mbarrier_wait(lent(), 0);
    typename Pipeline<Shape>::Position stage = next;
    typename SumsRing::Position at;
#pragma unroll 1
    for (int step = 0; step < helpers * Shape::kSumsSteps; ++step) {
      if (step < Shape::kSumsSlots) {
        pipeline.wait_empty(stage);
        stage.advance();
      } else {
        ring_.wait_empty(at);
      }
      const uint32_t full = ring_.full(at.stage);
      ptx::mbarrier_arrive_expect_tx(full, Shape::kSumsBytes);
      const uint8_t* sums = partials(1 + step / Shape::kSumsSteps);
      ptx::bulk_load(slot(next.stage + at.stage),
                     sums + step % Shape::kSumsSteps * Shape::kSumsBytes, Shape::kSumsBytes, full,
                     kEvictFirst);
      at.advance();
    }
#pragma unroll 1
    for (int s = 0; s < Shape::kSumsSlots; ++s) {
      ring_.wait_empty(at);
      at.advance();
    }
    ptx::mbarrier_arrive(returned());
  }

  // A writer adds its part; `next` is the number of the stage that follows the tile's last.
  __device__ __forceinline__ void collect(Accumulators<Shape>& accumulators, int helpers, int next,
                                          int warpgroup, int thread) const {
    if constexpr (Shape::kSumsThroughPipeline) {
      collect_copies(accumulators, helpers, next, first_vector(warpgroup, thread), thread % 32);
    } else {
      for (int h = 1 + thread; h <= helpers; h += 128) await(h);
      ptx::named_barrier(kBarrierWarpgroup + warpgroup, 128);
#pragma unroll 4
      for (int h = 1; h <= helpers; ++h) {
        const uint8_t* mine = partials(h) + first_vector(warpgroup, thread);
        for_each_vector<Shape>(accumulators, 0, [&](float* v, int i) {
          const float4 other = __ldcg(reinterpret_cast<const float4*>(mine + vector_offset(i)));
          v[0] += other.x;
          v[1] += other.y;
          v[2] += other.z;
          v[3] += other.w;
        });
      }
    }
  }

 private:
  using SumsRing = Ring<Shape::kSumsSlots, 4 * Shape::kWriters, Shape::kClusterN>;
  static constexpr int kAnnounceThreads = Shape::kWriters * 128 + 32;

  __device__ __forceinline__ void collect_copies(Accumulators<Shape>& accumulators, int helpers,
                                                 int next, int first_vector, int lane) const {
    typename SumsRing::Position at;
    for (int h = 1; h <= helpers; ++h) {
      for_each_vector<Shape>(accumulators, 0, [&](float* v, int i) {
        const int of_step = i % Shape::kSumsVectors;
        if (of_step == 0) ring_.wait_full(at);
        const uint32_t mine = slot(next + at.stage) + first_vector;
        ptx::add_shared_v4(v, mine + of_step * kVectorBytes);
        if (of_step == Shape::kSumsVectors - 1) {
          __syncwarp();
          ring_.release(at.stage, lane);
          at.advance();
        }
      });
    }
  }

  // Until a helper has announced its sums. Its flag goes back to zero for the next launch.
  __device__ __forceinline__ void await(int helper) const {
    while (ptx::load_acquire(flag(helper)) == 0) {
    }
    *flag(helper) = 0;
  }

  // Of a helper, or of this CTA, number 0.
  __device__ __forceinline__ int cta(int helper) const {
    return blockIdx.x - helper * Shape::kClusterN;
  }
  __device__ __forceinline__ uint32_t* flag(int helper) const {
    return params_.flags + cta(helper);
  }
  __device__ __forceinline__ uint8_t* partials(int helper) const {
    return params_.partials + static_cast<int64_t>(cta(helper)) * Shape::kPartialBytes;
  }

  // Bytes to a thread's first vector among a CTA's sums, and from there to its `i`th: every step
  // has vectors of every writer.
  static __device__ __forceinline__ int first_vector(int warpgroup, int thread) {
    return (warpgroup * Shape::kSumsVectors * 128 + thread) * 16;
  }
  static constexpr int vector_offset(int i) {
    return i / Shape::kSumsVectors * Shape::kSumsBytes + i % Shape::kSumsVectors * kVectorBytes;
  }

  // The address of a stage, which may be counted past the last one.
  __device__ __forceinline__ uint32_t slot(int stage) const {
    if (stage >= Shape::kStages) stage -= Shape::kStages;
    return shared_ + Shape::kActivationsOffset + stage * Shape::kActivationBytes;
  }

  __device__ __forceinline__ uint32_t lent() const {
    return ring_.barriers + SumsRing::kBarrierBytes;
  }
  __device__ __forceinline__ uint32_t returned() const { return lent() + 8; }

  const GemmParams& params_;
  const uint32_t shared_;
  const SumsRing ring_;
};

}  // namespace machete
