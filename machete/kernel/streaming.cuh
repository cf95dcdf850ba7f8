// The streaming kernel, for few tokens: nothing but the weights' way from memory counts. CTAs share
// the features evenly in units of 16, so that every SM streams the same number of bytes whatever N
// is. Or pairs do, whose CTAs split K, and exchange what they compute through distributed shared
// memory. So no workspace, flag or second kernel is needed, and results are reproducible. It
// multiplies by mma.sync or by wgmma: of either instruction a warp has 16 features, one slice.
#pragma once

#include "machete/kernel/params.h"
#include "machete/kernel/streaming.h"

// For the host the kernel's signature is enough.
#ifdef __CUDA_ARCH__
#include <cutlass/arch/reg_reconfig.h>

#include "machete/kernel/streaming_consumer.cuh"
#include "machete/kernel/streaming_producer.cuh"
#include "machete/kernel/streaming_walk.cuh"
#endif

namespace machete {

// For tiles of one of the schedule's widths, by its index. A kernel for pairs of CTAs and one for
// CTAs by themselves: where both were one, small layers took 0.5 to 3 % longer. The parameters
// before the maps: 0.15 us faster, without programmatic dependent launch.
template <class Types, class Schedule, template <class, class, size_t> class Multiplier,
          size_t kWidth, int kCluster>
__global__ void __launch_bounds__((max_streaming_threads(Schedule::kKernelSchedule)), 1)
    streaming(const __grid_constant__ StreamingParams params,
              const __grid_constant__ ActivationMaps activations) {
#ifdef __CUDA_ARCH__
  constexpr int kTileM = Schedule::kWidths[kWidth];
  constexpr bool kByWarpgroups = streaming_warps(Schedule::kKernelSchedule).team > 1;
  // What five warpgroups are launched with, 96 each, dealt out anew.
  constexpr int kConsumerRegisters = 112;
  constexpr int kProducerRegisters = 32;
  extern __shared__ __align__(1024) uint8_t shared_memory[];
  const uint32_t shared = ptx::shared_address(shared_memory);
  const StreamingTiles& tiles = params.tiles;
  const StreamingMemory memory = streaming_memory(Schedule::kKernelSchedule, kTileM,
                                                  info(Types::kA).bits, params.slice_bytes, tiles);
  const StreamingWalk walk(params, kCluster);
  // The same in all lanes. Told so, the compiler computes what follows in uniform registers, where
  // wgmma wants its descriptors; with mma.sync and one token that takes 1 to 3 % longer.
  const int any_warp = threadIdx.x / 32;
  const int warp = kByWarpgroups ? __shfl_sync(0xffffffff, any_warp, 0) : any_warp;
  const int lane = threadIdx.x % 32;

  if (threadIdx.x == 0) {
    const uint32_t barriers = shared + memory.barriers;
    for (int stage = 0; stage < tiles.stages; ++stage) {
      ptx::mbarrier_init(barriers + stage * 8, 2);
      ptx::mbarrier_init(barriers + (tiles.stages + stage) * 8, tiles.warps_n);
    }
    for (int i = 0; i < 2; ++i) ptx::mbarrier_init(barriers + (2 * tiles.stages + i) * 8, 1);
    ptx::fence_mbarrier_init();
  }
  const int producer = warp - tiles.warps_n * tiles.warps_k;
  if (producer == 1 && lane == 0) {
    ptx::prefetch_tensor_map(params.m <= kTileM - 8 ? &activations.rest : &activations.whole);
  }
  // After this the ring's barriers exist. Every warp comes here once, by its role: producers when
  // they know what to copy, which takes them as long.
  const auto begin = [&] {
    __syncthreads();
    if (!tiles.holds_next) ptx::launch_dependent_grids();
    if constexpr (kCluster > 1) ptx::cluster_arrive_relaxed();
  };
  // Producers first: behind the consumers' code they make e4m3 spill with 16 tokens.
  if (producer >= 0) {
    if constexpr (kByWarpgroups) cutlass::arch::warpgroup_reg_dealloc<kProducerRegisters>();
    StreamingProducer<kTileM, 1024 / info(Types::kA).bits> produce(params, walk, memory, shared,
                                                                   lane);
    if (producer == 0) {
      produce.load_weights(begin);
      if (tiles.holds_next) ptx::launch_dependent_grids();
    } else if (producer == 1) {
      produce.load_activations(activations, [&] {
        begin();
        ptx::grid_dependency_wait();
      });
    } else {
      begin();
    }
    if constexpr (kCluster > 1) ptx::cluster_wait();
    return;
  }
  begin();
  if constexpr (kByWarpgroups) cutlass::arch::warpgroup_reg_alloc<kConsumerRegisters>();
  if constexpr (kCluster > 1) {
    ptx::cluster_wait();  // the barriers that the other CTA's consumers wait at exist
  }
  StreamingConsumer<Types, Multiplier<Types, Schedule, kWidth>, kCluster>(params, walk, memory,
                                                                          shared, warp, lane)
      .run();
#endif
}

}  // namespace machete
