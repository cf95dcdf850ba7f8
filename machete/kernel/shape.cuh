// What a type pair and a schedule make of a CTA: its warpgroups, registers and shared memory.
// machete/generator/resources.py computes the same sizes to refuse what does not fit; every
// generated shard asserts that the two agree.
#pragma once

#include <iterator>

#include "machete/kernel/layout.h"
#include "machete/kernel/params.h"
#include "machete/kernel/schedule.h"

namespace machete {

// The largest divisor of `n` that is not larger than `most`.
constexpr int largest_divisor(int n, int most) {
  int divisor = most < n ? most : n;
  while (n % divisor != 0) --divisor;
  return divisor;
}

// Whether tiles of up to `most` tokens, of which each of `ctas` loads a part, may have so many.
template <size_t kCount>
constexpr bool are_widths(const int (&widths)[kCount], int most, int ctas) {
  int last = 0;
  for (int width : widths) {
    if (width <= last || width % 16 != 0 || width % (8 * ctas) != 0) return false;
    last = width;
  }
  return last == most;
}

template <class Types, class Schedule>
struct KernelShape {
  static constexpr bool kSlicedK = Schedule::kKernelSchedule == KernelSchedule::kSlicedK;
  static constexpr bool kStreamK = Schedule::kTileScheduler == TileScheduler::kStreamK;
  static constexpr int kTileM = Schedule::kTileM;
  static constexpr bool kManyTokens = kTileM > 192;
  static constexpr bool kOneWidth = std::size(Schedule::kWidths) == 1;
  static constexpr int kTileBlocks = Schedule::kTileN / kBlockN;
  static constexpr int kClusterN = Schedule::kClusterN;
  static constexpr int kClusterK = Schedule::kClusterK;
  static constexpr int kStages = Schedule::kStages;

  // Tokens of the tiles of a launch.
  static __device__ __forceinline__ int tile_m(const TileParams& tiles) {
    return kOneWidth ? kTileM : tiles.tile_m;
  }

  // ---- warpgroups: the consumers, then one producer
  static constexpr int kConsumers = Schedule::kTileN == 192 ? 3 : 2;
  static constexpr int kThreads = 128 * (kConsumers + 1);
  // Blocks of 64 features that a consumer multiplies; sliced K: both multiply the same one.
  static constexpr int kConsumerBlocks = kSlicedK ? 1 : kTileBlocks / kConsumers;
  static constexpr int kAccumulators = kTileM / 2;  // fp32 registers a thread and block
  // Consumers that hold finished tiles.
  static constexpr int kWriters = kSlicedK ? 1 : kConsumers;
  // The sums of one group, if groups are scaled apart, of one part of the tile's tokens after the
  // other: the widest tile has no registers for those of all tokens. Those of integers take long to
  // convert, so that two sets of half the size, of which the tensor cores fill one meanwhile, are
  // faster.
  static constexpr GroupFormat kFormat =
      group_format(Types::kA, Types::kGroupScale, Types::kGroupZeropoint);
  static constexpr bool kPromotes = promotes(Types::kA, Types::kGroupScale);
  static constexpr int kSumSets = kPromotes && kManyTokens && Types::kA == DataType::kS8 ? 2 : 1;
  static constexpr int kParts = kPromotes && kManyTokens ? 2 * kSumSets : 1;
  static constexpr int kPartSums = kPromotes ? kAccumulators / kParts : 0;
  // 65536 registers over the CTA's threads; found by spilling less than the neighbouring splits.
  static constexpr bool kWide = kConsumerBlocks * kAccumulators + kSumSets * kPartSums > 128 ||
                                (kManyTokens && info(Types::kA).bits == 16);
  static constexpr int kProducerRegisters = kWide ? 24 : 40;
  static constexpr int kConsumerRegisters = kConsumers == 3 ? 152 : kWide ? 240 : 232;

  // ---- a step of the loop over K: whole blocks of weights
  // A consumer multiplies units of 128 bytes of activations along K, two of them a step; or one, if
  // steps would be too large to have three.
  static constexpr int kBoxK = 128 / (info(Types::kA).bits / 8);
  static constexpr int kConsumerBoxes = kBoxK == kBlockK && kManyTokens ? 1 : 2;
  static constexpr int kConsumerK = kConsumerBoxes * kBoxK;
  static constexpr int kStepK = kConsumerK * (kSlicedK ? 2 : 1);
  static constexpr int kStepBlocksK = kStepK / kBlockK;
  // Stages of the pipeline that its activations take: where one block along K has two boxes, of
  // many tokens, these come apart.
  static constexpr int kStepStages = kBoxK < kBlockK && kManyTokens && !kSlicedK ? 2 : 1;
  static constexpr int kStageBoxes = kStepK / kBoxK / kStepStages;

  // ---- a stage: activations
  // Rows of 128 bytes in the 128-byte swizzle.
  static constexpr int kActivationBoxBytes = kTileM * 128;
  static constexpr int kActivationBytes = kActivationBoxBytes * kStageBoxes;
  // Weights have as many stages; or, with two of activations a step, one for each two and one more.
  // Then the stage that a step begins with is free only after all those of a step that had the same
  // place for weights: 2 s - kStages is at least the last one's number, 2 (s - kWeightStages) + 1.
  static constexpr int kWeightStages = kStepStages == 1 ? kStages : kStages / 2 + 1;
  static constexpr int kSliceCodeBytes = code_bytes_per_slice(info(Types::kB).bits);
  static constexpr int kMaxSliceBytes =
      kSliceCodeBytes + group_parts(kFormat, max_groups_per_block(info(Types::kA).bits)) *
                            part_bytes_per_slice(kFormat);
  static constexpr int kMaxBlockBytes = kSlices * kMaxSliceBytes;
  // Blocks that lie next to each other in memory are copied together.
  static constexpr int kCopyBlocks = kTileBlocks == 3             ? 1
                                     : kTileBlocks < kPanelBlocks ? kTileBlocks
                                                                  : kPanelBlocks;
  static constexpr int kWeightBytes = kTileBlocks * kStepBlocksK * kMaxBlockBytes;
  static constexpr int kCodeBytes = kTileBlocks * kStepBlocksK * kSlices * kSliceCodeBytes;

  // ---- epilogue: tokens of the tile that a CTA finishes, of these what one store writes, and the
  // staging buffers of each writer
  static constexpr int kPartM = kTileM / kClusterK;
  static constexpr int kStoreM = kPartM % 32 == 0 ? 32 : 16;
  static constexpr int kStoreBytes = kStoreM * kBlockN * 2;
  static constexpr int kStoreBuffers = Schedule::kStoreBuffers;

  // ---- partial sums, in the order of the accumulator registers
  static constexpr int kPartialVectors =  // float4 a thread
      kConsumerBlocks * kAccumulators / 4 / kClusterK;
  static constexpr int kWriterPartialBytes = kPartialVectors * 128 * 16;
  static constexpr int kPartialBytes = kWriters * kWriterPartialBytes;
  // Stream-K: those of other CTAs come through the pipeline's memory, in steps that fit a stage's
  // activations. Sliced K's, of one block, are so few that the writers read them sooner themselves.
  static constexpr bool kSumsThroughPipeline = kStreamK && !kSlicedK;
  static constexpr int kSumsVectors =
      largest_divisor(kPartialVectors, kActivationBytes / (kWriters * 128 * 16));
  static constexpr int kSumsSteps = kPartialVectors / kSumsVectors;
  static constexpr int kSumsBytes = kPartialBytes / kSumsSteps;
  static constexpr int kMaxSumsSlots = 7;  // that there are barriers for
  static constexpr int kFreeSlots = kStages < kMaxSumsSlots ? kStages : kMaxSumsSlots;
  static constexpr int kSumsSlots = kSumsSteps < kFreeSlots ? kSumsSteps : kFreeSlots;

  // ---- shared memory
  static constexpr int kActivationsOffset = 0;  // 1024-byte aligned, as the swizzle wants
  static constexpr int kStoreOffset = kActivationsOffset + kStages * kActivationBytes;
  static constexpr int kWeightsOffset = kStoreOffset + kWriters * kStoreBuffers * kStoreBytes;
  static constexpr int kReductionOffset = kWeightsOffset + kWeightStages * kWeightBytes;
  static constexpr int kBarriersOffset =
      kReductionOffset + (kSlicedK ? kClusterK * kWriterPartialBytes : 0);
  static constexpr int kSumsBarriersOffset = kBarriersOffset + kStages * 2 * 8;
  static constexpr int kSumsBarriers = kSumsThroughPipeline ? (kMaxSumsSlots + 1) * 2
                                       : kClusterK > 1      ? 2
                                                            : 0;
  static constexpr int kSharedBytes = kSumsBarriersOffset + kSumsBarriers * 8;

  static_assert(kSharedBytes <= 227 * 1024, "more shared memory than a CTA of sm_90 can have");
  static_assert(kPartM % 16 == 0 && kTileM <= 256);
  static_assert(are_widths(Schedule::kWidths, kTileM, kClusterN));
  static_assert(kOneWidth || (kClusterK == 1 && !kPromotes));
  static_assert(kStoreBuffers >= 1 && kStoreBuffers <= kPartM / kStoreM * kConsumerBlocks);
  static_assert(kSlicedK ? kTileBlocks == 1 : kTileBlocks % kConsumers == 0);
  static_assert(kConsumerBlocks * kAccumulators <= (kConsumers == 3 ? 64 : 128) &&
                    kConsumerBlocks * kAccumulators + kSumSets * kPartSums <=
                        (kConsumers == 3 ? 64 : 192),
                "the accumulators leave too few registers");
  // While one stage is multiplied and one held back, a third must be on its way.
  static_assert(kStages >= 3);
  static_assert(kClusterN == 1 || kClusterK == 1);
  static_assert(kClusterN <= 2);
  static_assert(kClusterK == 1 || Schedule::kTileScheduler == TileScheduler::kPersistent);
  static_assert((kClusterK - 1) * kPartialBytes <= kStages * kActivationBytes,
                "the partial sums of a cluster do not fit into the pipeline's memory");
};

}  // namespace machete
