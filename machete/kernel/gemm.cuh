// The warp-specialised kernel: one persistent CTA an SM, a producer thread that keeps the copy
// engine busy, and consumer warpgroups that dequantise, multiply and store.
#pragma once

#include "machete/kernel/params.h"
#include "machete/kernel/shape.cuh"

// For the host the kernel's signature is enough, and to parse CUTLASS's header of all wgmma
// instructions costs each of nvcc's passes a second.
#ifdef __CUDA_ARCH__
#include <cutlass/arch/reg_reconfig.h>

#include "machete/kernel/epilogue.cuh"
#include "machete/kernel/mainloop.cuh"
#include "machete/kernel/pipeline.cuh"
#include "machete/kernel/reduction.cuh"
#include "machete/kernel/tile_scheduler.cuh"
#endif

namespace machete {

template <class Types, class Schedule>
__global__ void __launch_bounds__((KernelShape<Types, Schedule>::kThreads), 1)
    gemm(const __grid_constant__ ActivationMaps activations,
         const __grid_constant__ CUtensorMap output, const __grid_constant__ GemmParams params) {
#ifdef __CUDA_ARCH__
  using Shape = KernelShape<Types, Schedule>;
  using Walk = SegmentWalk<Schedule::kTileScheduler, Shape::kClusterK>;
  constexpr int kCluster = Shape::kClusterN * Shape::kClusterK;

  extern __shared__ __align__(1024) uint8_t shared_memory[];
  const uint32_t shared = ptx::shared_address(shared_memory);
  const Pipeline<Shape> pipeline{shared + Shape::kBarriersOffset};
  // The same in all lanes: told so, the compiler computes what follows from it once a warp.
  const int warpgroup = __shfl_sync(0xffffffff, threadIdx.x / 128, 0);
  const int thread = threadIdx.x % 128;
  const int rank = blockIdx.x % kCluster;
  const int rank_n = Shape::kClusterN > 1 ? rank : 0;
  const int rank_k = Shape::kClusterK > 1 ? rank : 0;

  if (threadIdx.x == 0) pipeline.init();
  if (threadIdx.x == 32) {
    ptx::prefetch_tensor_map(params.m <= Shape::kTileM / Shape::kClusterN - 8 ? &activations.rest
                                                                              : &activations.whole);
    if constexpr (Types::kOut != DataType::kF32) ptx::prefetch_tensor_map(&output);
  }
  __syncthreads();
  if constexpr (Shape::kClusterN > 1) ptx::cluster_barrier();  // the barriers of both CTAs exist
  ptx::launch_dependent_grids();

  if (warpgroup == Shape::kConsumers) {
    cutlass::arch::warpgroup_reg_dealloc<Shape::kProducerRegisters>();
    if (thread == 0) {
      Walk walk(params.tiles, blockIdx.x / kCluster, rank_k);
      Segment segment;
      Producer<Shape> producer(params, activations, shared, pipeline, rank_n);
      bool more = walk.next(segment);
      if (more) producer.load_ahead(segment);
      ptx::grid_dependency_wait();
      for (; more; more = walk.next(segment)) producer.load(segment);
    }
  } else {
    cutlass::arch::warpgroup_reg_alloc<Shape::kConsumerRegisters>();
    ptx::grid_dependency_wait();
    Consumer<Types, Schedule, Shape> consumer(params, shared, pipeline, warpgroup, thread / 32,
                                              thread % 32);
    const Reduction<Shape> reduction(params, shared, warpgroup, thread);
    Epilogue<Types, Shape> epilogue(params, output, shared, warpgroup, thread);
    Walk walk(params.tiles, blockIdx.x / kCluster, rank_k);
    Segment segment;
    while (walk.next(segment)) {
      const int first_block = (segment.n * Shape::kClusterN + rank_n) * Shape::kTileBlocks +
                              (Shape::kSlicedK ? 0 : warpgroup * Shape::kConsumerBlocks);
      epilogue.prefetch(first_block);
      typename Epilogue<Types, Shape>::Accumulators accumulators;
      consumer.multiply(segment, accumulators);

      bool whole = true;  // this warpgroup holds the sum over all of K
      if constexpr (Shape::kSlicedK) whole = reduction.within_cta(accumulators);
      if constexpr (Shape::kClusterK > 1) {
        whole = whole && reduction.within_cluster(accumulators, rank_k);
      } else if constexpr (Schedule::kTileScheduler == TileScheduler::kStreamK) {
        if (whole && segment.k_end < params.tiles.k_steps) {
          reduction.hand_over(accumulators);
          whole = false;
        } else if (whole && segment.k_begin > 0) {
          reduction.collect(accumulators, walk.helpers(segment));
        }
      }
      if (whole) epilogue.store(accumulators, first_block, segment.m * Shape::kTileM);
    }
    epilogue.finish();
  }
  // A CTA must not exit while its partner may still arrive at its barriers or multicast into it.
  if constexpr (Shape::kClusterN > 1) ptx::cluster_barrier();
#endif
}

}  // namespace machete
