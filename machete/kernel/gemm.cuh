// The warp-specialised kernel: one persistent CTA an SM, a producer thread that keeps the copy
// engine busy, and consumer warpgroups that dequantise, multiply and store.
#pragma once

#include "machete/kernel/params.h"
#include "machete/kernel/shape.cuh"
#include "machete/kernel/shift.cuh"

// For the host the kernel's signature is enough, and to parse CUTLASS's header of all wgmma
// instructions costs each of nvcc's passes a second.
#ifdef __CUDA_ARCH__
#include <cutlass/arch/reg_reconfig.h>

#include "machete/kernel/epilogue.cuh"
#include "machete/kernel/hand_over.cuh"
#include "machete/kernel/mainloop.cuh"
#include "machete/kernel/pipeline.cuh"
#include "machete/kernel/reduction.cuh"
#include "machete/kernel/tile_scheduler.h"
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
  if (Shape::kSumsThroughPipeline && threadIdx.x == 64) HandOver<Shape>(params, shared).init();
  const Reduction<Shape> reduction(shared, warpgroup, thread);
  if (Shape::kClusterK > 1 && threadIdx.x == 64) reduction.init();
  if (threadIdx.x == 32) {
    ptx::prefetch_tensor_map(params.m <= Shape::tile_m(params.tiles) / Shape::kClusterN - 8
                                 ? &activations.rest
                                 : &activations.whole);
    if constexpr (Types::kOut != DataType::kF32) ptx::prefetch_tensor_map(&output);
  }
  if constexpr (kCluster > 1) ptx::cluster_arrive_relaxed();
  // Every role needs its first segment: to find it takes as long as to set up the barriers.
  Walk walk(params.tiles, params.arithmetic, blockIdx.x / kCluster, rank_k);
  Segment segment;
  bool more = walk.next(segment);
  if constexpr (Shape::kClusterN > 1) {
    ptx::cluster_wait();  // the barriers of both CTAs exist
  } else {
    __syncthreads();  // where CTAs split K, Reduction waits for those of the others
  }
  ptx::launch_dependent_grids();

  if (warpgroup == Shape::kConsumers) {
    cutlass::arch::warpgroup_reg_dealloc<Shape::kProducerRegisters>();
    const int warp = __shfl_sync(0xffffffff, thread / 32, 0);
    // First, and without a copy inside of its loop: else ptxas 13.0 keeps the producer's loop out
    // of uniform registers, which makes narrow tiles up to 20 % slower.
    if (Shape::kSumsThroughPipeline && warp == 1) {
      ptx::grid_dependency_wait();  // all launches have the same flags
      const HandOver<Shape> hand_over(params, shared);
      typename Pipeline<Shape>::Position next;
      bool collects = false;
      while (more && !collects) {
        next.advance((segment.k_end - segment.k_begin) * Shape::kStepStages);
        if (walk.hands_over(segment)) hand_over.announce(thread % 32);
        collects = walk.collects(segment);
        if (!collects) more = walk.next(segment);
      }
      if (collects) hand_over.load(walk.helpers(segment), thread % 32, pipeline, next);
    } else if (warp == 0) {
      ptx::continue_with_one_lane();
      Producer<Shape> producer(params, activations, shared, pipeline, rank_n);
      if (more) producer.load_ahead(segment);
      ptx::grid_dependency_wait();
      for (; more; more = walk.next(segment)) {
        producer.load(segment);
        if (Shape::kSumsThroughPipeline && walk.collects(segment)) {
          HandOver<Shape>(params, shared).lend();
        }
      }
      // A CTA must not exit while its partner may still arrive at its barriers or multicast into
      // it.
      if constexpr (Shape::kClusterN > 1) producer.wait_until_read();
    }
  } else {
    cutlass::arch::warpgroup_reg_alloc<Shape::kConsumerRegisters>();
    ptx::grid_dependency_wait();
    Consumer<Types, Schedule, Shape> consumer(params, shared, pipeline, warpgroup, thread / 32,
                                              thread % 32);
    HandOver<Shape> hand_over(params, shared);
    Epilogue<Types, Shape> epilogue(params, output, shared, warpgroup, thread);
    for (; more; more = walk.next(segment)) {
      const int first_block = (segment.n * Shape::kClusterN + rank_n) * Shape::kTileBlocks +
                              (Shape::kSlicedK ? 0 : warpgroup * Shape::kConsumerBlocks);
      epilogue.prefetch(first_block);
      Accumulators<Shape> accumulators;
      const int first_token = segment.m * Shape::tile_m(params.tiles);
      const int tokens = min(params.m - first_token, Shape::tile_m(params.tiles));
      consumer.multiply(segment, tokens, accumulators);

      if constexpr (Shape::kSlicedK) {
        if (!reduction.within_cta(accumulators)) continue;
      }
      if constexpr (Shape::kClusterK > 1) {
        reduction.within_cluster(accumulators, rank_k);
      } else if constexpr (Shape::kStreamK) {
        if (walk.hands_over(segment)) {
          hand_over.leave(accumulators, warpgroup, thread);
          continue;
        }
        if (walk.collects(segment)) {
          hand_over.collect(accumulators, walk.helpers(segment), consumer.stage(), warpgroup,
                            thread);
        }
      }
      epilogue.store(accumulators, first_block, first_token, tokens, rank_k);
    }
    epilogue.finish();
  }
#endif
}

}  // namespace machete
