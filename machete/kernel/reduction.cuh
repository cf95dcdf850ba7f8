// Adding up what several warpgroups or CTAs computed of one tile along K. Partial sums travel in
// the order of the accumulator registers, as float4, so that no layout is needed and every access
// is coalesced; the order of additions is fixed, so results are reproducible.
#pragma once

#include "machete/kernel/params.h"
#include "machete/kernel/ptx.cuh"
#include "machete/kernel/tile_scheduler.cuh"

namespace machete {

// Named barriers; 0 is __syncthreads.
constexpr int kBarrierWarpgroup = 1;  // + warpgroup, 128 threads
constexpr int kBarrierSlicedK = 4;    // both consumers

template <class Shape>
class Reduction {
 public:
  using Accumulators = float[Shape::kConsumerBlocks][Shape::kAccumulators];

  __device__ __forceinline__ Reduction(const GemmParams& params, uint32_t shared, int warpgroup,
                                       int thread)
      : params_(params), shared_(shared), warpgroup_(warpgroup), thread_(thread) {}

  // Sliced K: the second warpgroup hands its half to the first. True where the sum is.
  __device__ __forceinline__ bool within_cta(Accumulators& accumulators) const {
    const uint32_t mine = shared_ + Shape::kReductionOffset + thread_ * 16;
    if (warpgroup_ == 1) {
      for_each_vector(accumulators,
                      [&](float* v, int i) { ptx::store_shared_v4(mine + i * kVectorBytes, v); });
      ptx::named_barrier(kBarrierSlicedK, 256);
      ptx::named_barrier(kBarrierSlicedK, 256);  // until it has been read
      return false;
    }
    ptx::named_barrier(kBarrierSlicedK, 256);
    for_each_vector(accumulators, [&](float* v, int i) {
      ptx::add_v4(v, ptx::load_shared_v4(mine + i * kVectorBytes));
    });
    ptx::named_barrier(kBarrierSlicedK, 256);
    return true;
  }

  // Split K: the CTAs of a cluster write into the first one's pipeline, which is idle by then,
  // since a cluster has one tile only. The barriers wait for threads that have not exited: the
  // producers and sliced K's second warpgroups are done. True in the CTA that has the sum.
  __device__ __forceinline__ bool within_cluster(Accumulators& accumulators, int rank) const {
    const uint32_t first = shared_ + warpgroup_ * Shape::kWriterPartialBytes + thread_ * 16;
    ptx::cluster_barrier();  // until every pipeline is idle
    if (rank > 0) {
      const uint32_t slot = ptx::map_to_cta(first + (rank - 1) * Shape::kPartialBytes, 0);
      for_each_vector(accumulators,
                      [&](float* v, int i) { ptx::store_cluster_v4(slot + i * kVectorBytes, v); });
    }
    ptx::cluster_barrier();
    if (rank > 0) return false;
    for (int r = 0; r < Shape::kClusterK - 1; ++r) {
      for_each_vector(accumulators, [&](float* v, int i) {
        ptx::add_v4(v, ptx::load_shared_v4(first + r * Shape::kPartialBytes + i * kVectorBytes));
      });
    }
    return true;
  }

  // Stream-K: leaves the sums of a segment that does not end its tile for the one that does.
  __device__ __forceinline__ void hand_over(Accumulators& accumulators) const {
    float4* slot = partials(blockIdx.x);
    for_each_vector(accumulators, [&](float* v, int i) {
      __stcg(slot + i * 128, make_float4(v[0], v[1], v[2], v[3]));
    });
    ptx::named_barrier(kBarrierWarpgroup + warpgroup_, 128);
    if (thread_ == 0) ptx::store_release(flag(blockIdx.x), 1);
  }

  // Adds what the `helpers` clusters before this one have left. Flags are polled by as many threads
  // at once, and put back to zero for the next launch.
  __device__ __forceinline__ void collect(Accumulators& accumulators, int helpers) const {
    for (int h = thread_; h < helpers; h += 128) {
      uint32_t* handed_over = flag(blockIdx.x - (h + 1) * Shape::kClusterN);
      while (ptx::load_acquire(handed_over) == 0) {
      }
      *handed_over = 0;
    }
    ptx::named_barrier(kBarrierWarpgroup + warpgroup_, 128);
    // Unrolled where the loads of several helpers fit into registers.
#pragma unroll(Shape::kPartialVectors <= 8 ? 4 : 1)
    for (int h = 0; h < helpers; ++h) {
      const float4* slot = partials(blockIdx.x - (h + 1) * Shape::kClusterN);
      for_each_vector(accumulators, [&](float* v, int i) {
        const float4 other = __ldcg(slot + i * 128);
        v[0] += other.x;
        v[1] += other.y;
        v[2] += other.z;
        v[3] += other.w;
      });
    }
  }

 private:
  static constexpr int kVectorBytes = 128 * 16;  // of one float4 of each thread of a warpgroup

  template <class Function>
  static __device__ __forceinline__ void for_each_vector(Accumulators& accumulators,
                                                         Function function) {
#pragma unroll
    for (int i = 0; i < Shape::kPartialVectors; ++i) {
      constexpr int kPerBlock = Shape::kAccumulators / 4;
      function(&accumulators[i / kPerBlock][i % kPerBlock * 4], i);
    }
  }

  __device__ __forceinline__ int slot_of(int cta) const {
    return cta * Shape::kWriters + warpgroup_;
  }
  __device__ __forceinline__ float4* partials(int cta) const {
    return params_.partials + static_cast<int64_t>(slot_of(cta)) * Shape::kPartialVectors * 128 +
           thread_;
  }
  __device__ __forceinline__ uint32_t* flag(int cta) const { return params_.flags + slot_of(cta); }

  const GemmParams& params_;
  const uint32_t shared_;
  const int warpgroup_;
  const int thread_;
};

}  // namespace machete
