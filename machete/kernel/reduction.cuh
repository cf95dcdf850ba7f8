// Adding up what several warpgroups, or the CTAs of a cluster, computed of one tile along K. The
// order of additions is fixed, so results are reproducible.
#pragma once

#include "machete/kernel/partials.cuh"
#include "machete/kernel/ptx.cuh"

namespace machete {

// Named barriers; 0 is __syncthreads.
constexpr int kBarrierWarpgroup = 1;  // + warpgroup, 128 threads
constexpr int kBarrierSlicedK = 4;    // both consumers
constexpr int kBarrierHandOver = 5;   // the writers, and the warp that announces their sums

template <class Shape>
class Reduction {
 public:
  __device__ __forceinline__ Reduction(uint32_t shared, int warpgroup, int thread)
      : shared_(shared), warpgroup_(warpgroup), thread_(thread) {}

  // Of split K, by one thread.
  __device__ __forceinline__ void init() const {
    ptx::mbarrier_init(idle(), (Shape::kClusterK - 1) * 4 * Shape::kWriters);
    ptx::mbarrier_init(arrived(), 1);
    ptx::fence_mbarrier_init();
  }

  // Sliced K: the second warpgroup hands its half to the first. True where the sum is.
  __device__ __forceinline__ bool within_cta(Accumulators<Shape>& accumulators) const {
    const uint32_t mine = shared_ + Shape::kReductionOffset + thread_ * 16;
    if (warpgroup_ == 1) {
      for_each_vector_of_tile(
          accumulators, [&](float* v, int i) { ptx::store_shared_v4(mine + i * kVectorBytes, v); });
      ptx::named_barrier(kBarrierSlicedK, 256);
      ptx::named_barrier(kBarrierSlicedK, 256);  // until it has been read
      return false;
    }
    ptx::named_barrier(kBarrierSlicedK, 256);
    for_each_vector_of_tile(
        accumulators, [&](float* v, int i) { ptx::add_shared_v4(v, mine + i * kVectorBytes); });
    ptx::named_barrier(kBarrierSlicedK, 256);
    return true;
  }

  // Split K: each CTA of a cluster adds up its part of the tile's tokens. The others write theirs
  // into its pipeline, once all of its writers have told them that it is idle, as consumers tell a
  // producer; it stays so, since a cluster has one tile only. Sliced K's second warpgroup has then
  // read all that it needs, too.
  __device__ __forceinline__ void within_cluster(Accumulators<Shape>& accumulators,
                                                 int rank) const {
    const uint32_t first = shared_ + warpgroup_ * Shape::kWriterPartialBytes + thread_ * 16;
    ptx::cluster_wait();  // the others' barriers exist
    // Before this warp tells the others that its pipeline is idle, and so before any of their sums.
    if (warpgroup_ == 0 && thread_ == 0) {
      ptx::mbarrier_arrive_expect_tx(arrived(), (Shape::kClusterK - 1) * Shape::kPartialBytes);
    }
    __syncwarp();
    const int other = thread_ % 32;
    if (other < Shape::kClusterK && other != rank) ptx::mbarrier_arrive_cluster(idle(), other);
    ptx::mbarrier_wait(idle(), 0);
#pragma unroll
    for (int part = 0; part < Shape::kClusterK; ++part) {
      if (part == rank) continue;
      const int slot = (rank - part + Shape::kClusterK) % Shape::kClusterK - 1;
      const uint32_t sums = ptx::map_to_cta(first + slot * Shape::kPartialBytes, part);
      const uint32_t barrier = ptx::map_to_cta(arrived(), part);
      for_each_vector<Shape>(accumulators, part, [&](float* v, int i) {
        ptx::store_async_v4(sums + i * kVectorBytes, v, barrier);
      });
    }
    ptx::mbarrier_wait_cluster(arrived(), 0);
#pragma unroll
    for (int part = 0; part < Shape::kClusterK; ++part) {
      if (part != rank) continue;
#pragma unroll
      for (int slot = 0; slot < Shape::kClusterK - 1; ++slot) {
        const uint32_t sums = first + slot * Shape::kPartialBytes;
        for_each_vector<Shape>(accumulators, part, [&](float* v, int i) {
          ptx::add_shared_v4(v, sums + i * kVectorBytes);
        });
      }
    }
  }

 private:
  // The other CTAs' pipelines are idle; their sums have arrived.
  __device__ __forceinline__ uint32_t idle() const { return shared_ + Shape::kSumsBarriersOffset; }
  __device__ __forceinline__ uint32_t arrived() const { return idle() + 8; }

  template <class Function>
  static __device__ __forceinline__ void for_each_vector_of_tile(Accumulators<Shape>& accumulators,
                                                                 Function function) {
#pragma unroll
    for (int part = 0; part < Shape::kClusterK; ++part) {
      for_each_vector<Shape>(accumulators, part, [&](float* v, int i) {
        function(v, part * Shape::kPartialVectors + i);
      });
    }
  }

  const uint32_t shared_;
  const int warpgroup_;
  const int thread_;
};

}  // namespace machete
