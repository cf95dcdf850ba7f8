// The loop over K: a producer thread that copies stages in, consumer warpgroups that dequantise and
// multiply them. D^T[N, M] = W[N, K] A^T[K, M]: only wgmma's A operand can come from registers, so
// the weights are that operand, and the activations are read from shared memory.
#pragma once

#include <iterator>
#include <tuple>
#include <type_traits>

#include "machete/kernel/dequantise.cuh"
#include "machete/kernel/params.h"
#include "machete/kernel/partials.cuh"
#include "machete/kernel/pipeline.cuh"
#include "machete/kernel/tile_scheduler.h"
#include "machete/kernel/wgmma.cuh"

namespace machete {

// Copies the K steps of one segment into the ring. One thread does it all: more of them were slower
// (docs/experiments.md).
template <class Shape>
class Producer {
 public:
  __device__ __forceinline__ Producer(const GemmParams& params, const ActivationMaps& activations,
                                      uint32_t shared, Pipeline<Shape> pipeline, int rank_n)
      : params_(params),
        activations_(activations),
        shared_(shared),
        pipeline_(pipeline),
        rank_n_(rank_n) {}

  // Programmatic dependent launch: the weights of the first steps, which do not depend on the
  // kernel before this one in the stream.
  __device__ __forceinline__ void load_ahead(const Segment& segment) {
    const int stage_bytes = activation_bytes(segment);
    ahead_ = min(segment.k_end - segment.k_begin, params_.steps_ahead);
#pragma unroll 1
    for (int step = segment.k_begin; step < segment.k_begin + ahead_; ++step) {
      load_weights(segment, step, stage_bytes);
      at_.advance(Shape::kStepStages);
      at_.end_step();
    }
    at_ = {};
  }

  __device__ __forceinline__ void load(const Segment& segment) {
    const int first_token = segment.m * Shape::tile_m(params_.tiles);
    const int my_tokens = part_tokens(first_token, rank_n_);
    const int stage_bytes = activation_bytes(segment);
#pragma unroll 1  // unrolled, it needs more registers than the producer has
    for (int step = segment.k_begin; step < segment.k_end; ++step) {
#pragma unroll
      for (int stage = 0; stage < Shape::kStepStages; ++stage) {
        pipeline_.wait_empty(at_);
        if (stage > 0) {
          ptx::mbarrier_arrive_expect_tx(pipeline_.full(at_.stage), stage_bytes);
        } else if (--ahead_ < 0) {
          load_weights(segment, step, stage_bytes);
        }
        if (my_tokens > 0) {
          const int k = step * Shape::kStepK + stage * kStageBoxes * Shape::kBoxK;
          load_activations(k, first_token, my_tokens, pipeline_.full(at_.stage));
        }
        at_.advance();
      }
      at_.end_step();
    }
    ahead_ = 0;
  }

  // All stages, by the consumers of every CTA that it copies for.
  __device__ __forceinline__ void wait_until_read() {
#pragma unroll 1
    for (int stage = 0; stage < Shape::kStages; ++stage) {
      pipeline_.wait_empty(at_);
      at_.advance();
    }
  }

 private:
  static constexpr int kStageBoxes = Shape::kStageBoxes;

  // Tokens that a CTA loads.
  __device__ __forceinline__ int part_m() const {
    return Shape::tile_m(params_.tiles) / Shape::kClusterN;
  }

  __device__ __forceinline__ int block_bytes() const { return kSlices * params_.slice_bytes; }

  // Of a stage.
  __device__ __forceinline__ int activation_bytes(const Segment& segment) const {
    int tokens = 0;  // of the tile
#pragma unroll
    for (int rank = 0; rank < Shape::kClusterN; ++rank) {
      tokens += part_tokens(segment.m * Shape::tile_m(params_.tiles), rank);
    }
    return tokens * 128 * kStageBoxes;
  }

  // Past the edges of the matrix the last blocks are read once more: the output's tensor map drops
  // features that are not there, and activations past K arrive as zeros.
  __device__ __forceinline__ void load_weights(const Segment& segment, int step,
                                               int activation_bytes) const {
    const uint32_t full = pipeline_.full(at_.stage);
    const int weight_bytes = Shape::kTileBlocks * Shape::kStepBlocksK * block_bytes();
    ptx::mbarrier_arrive_expect_tx(full, activation_bytes + weight_bytes);
    const int first_block = (segment.n * Shape::kClusterN + rank_n_) * Shape::kTileBlocks;
    uint32_t destination =
        shared_ + Shape::kWeightsOffset + at_.weight_stage() * Shape::kWeightBytes;
#pragma unroll
    for (int kb = 0; kb < Shape::kStepBlocksK; ++kb) {
      const int k_block = min(step * Shape::kStepBlocksK + kb, params_.k_blocks - 1);
#pragma unroll 1
      for (int nb = 0; nb < Shape::kTileBlocks; nb += Shape::kCopyBlocks) {
        const int n_block = min(first_block + nb, params_.n_blocks - Shape::kCopyBlocks);
        const int64_t block = block_index(n_block, k_block, params_.k_blocks);
        ptx::bulk_load(destination, params_.blocks + block * block_bytes(),
                       Shape::kCopyBlocks * block_bytes(), full, params_.weight_policy);
        destination += Shape::kCopyBlocks * block_bytes();
      }
    }
  }

  // Tokens that exist of those that a CTA loads, rounded up to the 8 of the swizzle's pattern. The
  // copy engine could fill a tile with zeros past the last token, but takes longer for them than
  // for data; what lies there instead only reaches results that nobody stores.
  __device__ __forceinline__ int part_tokens(int first_token, int rank) const {
    const int tokens = min(params_.m - first_token - rank * part_m(), part_m());
    return max((tokens + 7) / 8 * 8, 0);
  }

  // A box is kBoxK input features of `tokens` tokens. Side by side CTAs of a cluster each load a
  // part of the tile's tokens for both.
  __device__ __forceinline__ void load_activations(int first_k, int first_token, int tokens,
                                                   uint32_t full) const {
    const CUtensorMap* map = tokens == part_m() ? &activations_.whole : &activations_.rest;
    const int token = first_token + rank_n_ * part_m();
    uint32_t destination = shared_ + Shape::kActivationsOffset +
                           at_.stage * Shape::kActivationBytes + rank_n_ * part_m() * 128;
#pragma unroll
    for (int box = 0; box < kStageBoxes; ++box) {
      const int k = first_k + box * Shape::kBoxK;
      if constexpr (Shape::kClusterN == 1) {
        ptx::tensor_load(destination, map, k, token, full, params_.activation_policy);
      } else {
        ptx::tensor_load_multicast(destination, map, k, token, full, (1 << Shape::kClusterN) - 1,
                                   params_.activation_policy);
      }
      destination += Shape::kActivationBoxBytes;
    }
  }

  const GemmParams& params_;
  const ActivationMaps& activations_;
  const uint32_t shared_;
  const Pipeline<Shape> pipeline_;
  const int rank_n_;
  PipelinePosition<Shape> at_;
  int ahead_ = 0;  // steps whose weights are on their way already
};

// Multiplies the K steps of one segment into the accumulators of a warpgroup.
template <class Types, class Schedule, class Shape>
class Consumer {
 public:
  static constexpr int kBlocks = Shape::kConsumerBlocks;
  using Accumulators = machete::Accumulators<Shape>;

  __device__ __forceinline__ Consumer(const GemmParams& params, uint32_t shared,
                                      Pipeline<Shape> pipeline, int warpgroup, int warp, int lane)
      : pipeline_(pipeline),
        lane_(lane),
        block_bytes_(kSlices * params.slice_bytes),
        groups_per_block_(params.groups_per_block) {
    const int first_block = Shape::kSlicedK ? 0 : warpgroup * kBlocks;
    const int part_k = Shape::kSlicedK ? warpgroup : 0;
    codes_ =
        shared + Shape::kWeightsOffset +
        (part_k * (Shape::kConsumerK / kBlockK) * Shape::kTileBlocks + first_block) * block_bytes_ +
        warp * params.slice_bytes + lane * 16;
    groups_ = codes_ - lane * 16 + Shape::kSliceCodeBytes + lane / 4 * kFormat.part_bytes;
    activations_ = shared + Shape::kActivationsOffset +
                   part_k * Shape::kConsumerBoxes * Shape::kActivationBoxBytes;
  }

  // The number of the stage that comes next.
  __device__ __forceinline__ int stage() const { return at_.stage; }

  // For a tile of so many tokens. Past them, or those of its width, sums mean nothing.
  __device__ __forceinline__ void multiply(const Segment& segment, int tokens,
                                           Accumulators& accumulators) {
    multiply_width<std::size(Schedule::kWidths) - 1>(segment, tokens, accumulators);
  }

 private:
  using Dequantise = Dequantiser<Types, MultiplyingShift>;
  static constexpr GroupFormat kFormat = Dequantise::kFormat;
  static constexpr int kWords = Dequantise::kWords;
  static constexpr int kUnits = Shape::kConsumerBoxes * kBlocks;  // of a step
  static constexpr int kStageUnits = kUnits / Shape::kStepStages;
  // Units whose codes are loaded at the beginning of a step: all, unless that takes more registers
  // than the widest tiles have. The others' follow into the registers of those already dequantised.
  static constexpr int kUnitsAhead = kUnits * kWords <= 4 ? kUnits : kUnits / 2;
  static constexpr int kVectorBytes = 32 * 16;  // a 128-bit load of a warp

  // By the narrowest loop that has room for them; the widest comes first, where the code before it
  // ends, since a jump waits for memory.
  template <size_t kIndex>
  __device__ __forceinline__ void multiply_width(const Segment& segment, int tokens,
                                                 Accumulators& accumulators) {
    using Mma = std::tuple_element_t<kIndex, typename Schedule::Mmas>;
    constexpr int kTokens = Schedule::kWidths[kIndex];
    if constexpr (kIndex > 0) {
      constexpr int kNarrower = Schedule::kWidths[kIndex - 1];
      if (__builtin_expect(tokens <= kNarrower, false)) {
        multiply_width<kIndex - 1>(segment, tokens, accumulators);
        return;
      }
    }
    if constexpr (Shape::kPromotes) {
      multiply_groups<Mma>(segment, accumulators);
    } else if constexpr (Types::kA == DataType::kS8) {
      uint32_t sums[kBlocks][Shape::kAccumulators];
      multiply_units<Mma, kTokens / 2>(segment, sums);
      for_each(accumulators, [&](float& sum, int b, int i) {
        sum = static_cast<float>(static_cast<int>(sums[b][i]));
      });
    } else {
      multiply_units<Mma, kTokens / 2>(segment, accumulators);
    }
  }

  // A unit is 64 features x 128 bytes of activations along K: 16 fragment registers, four wgmma.
  // While the tensor cores work on one unit the next is dequantised into the other set of
  // registers; an even number of units a step keeps that choice static, else ptxas serialises the
  // MMAs. With one unit a step there is one set, and the tensor cores work for the other warpgroup
  // meanwhile.
  template <class Mma, int kSums, class Sum>
  __device__ __forceinline__ void multiply_units(const Segment& segment,
                                                 Sum (&sums)[kBlocks][Shape::kAccumulators]) {
    constexpr int kSets = kUnits == 1 ? 1 : 2;
    for_each(sums, [](Sum& sum, int, int) { sum = 0; });
    UnitFragment fragments[kSets];
    int held = -1;  // the stage that the MMAs in flight still read
    for (int step = segment.k_begin; step < segment.k_end; ++step) {
      pipeline_.wait_full(at_);
      Dequantise dequantise[kBlocks];
#pragma unroll
      for (int b = 0; b < kBlocks; ++b) dequantise[b].load(groups(b, 0));
      uint32_t codes[kUnits][4 * kWords];
#pragma unroll
      for (int u = 0; u < kUnitsAhead; ++u) load_codes(codes[u], u);
      uint32_t activations = stage_activations();
#pragma unroll
      for (int u = 0; u < kUnits; ++u) {
        const int b = u % kBlocks;
        const int half = u / kBlocks;
        if (u == kBlocks) load_second_half(dequantise);
        if (u > 0 && u % kStageUnits == 0) {
          held = at_.stage;
          at_.advance();
          pipeline_.wait_full(at_);
          activations = stage_activations();
        }
        UnitFragment& fragment = fragments[u % kSets];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (Dequantise::kSplitsBlocks && j == 2 && groups_per_block_ > 2) {
            dequantise[b].load(groups(b, 2 * half + 1));
          }
          dequantise[b].select(j);
          dequantise[b](codes[u] + kWords * j, fragment + 4 * j);
        }
        multiply_unit<Mma, kSums>(
            fragment, activations + u % kStageUnits / kBlocks * (Shape::kActivationBoxBytes / 16),
            sums[b], cute::SM90::GMMA::ScaleOut::One);
        if (u + kUnitsAhead < kUnits) load_codes(codes[u + kUnitsAhead], u + kUnitsAhead);
        // The unit before this one is done, or this one if there is one set: its registers and, if
        // it was the last of its stage, the stage are free.
        cute::warpgroup_wait<kSets - 1>();
        if (kSets == 1) {
          pipeline_.release(at_.stage, lane_);
        } else if (u % kStageUnits == 0 && held >= 0) {
          pipeline_.release(held, lane_);
        }
      }
      if (kSets == 2) held = at_.stage;
      at_.advance();
      at_.end_step();
    }
    cute::warpgroup_wait<0>();
    // A cluster that splits K may leave a CTA without a step.
    if (held >= 0) pipeline_.release(held, lane_);
  }

  // Activations of 8 bits with group scales: a unit has one for each feature, by which its sums are
  // multiplied, in fp32, as they are added to those before. While one warpgroup dequantises or adds
  // up, the tensor cores work for the other.
  template <class Mma>
  __device__ __forceinline__ void multiply_groups(const Segment& segment,
                                                  Accumulators& accumulators) {
    for_each(accumulators, [](float& sum, int, int) { sum = 0; });
    using Sum = std::conditional_t<Types::kA == DataType::kS8, uint32_t, float>;
    constexpr int kSets = Shape::kSumSets;
    constexpr int kSums = Shape::kPartSums;
    Sum sums[kSets][kSums];
    for (int step = segment.k_begin; step < segment.k_end; ++step) {
      pipeline_.wait_full(at_);
      const uint32_t activations = stage_activations();
#pragma unroll
      for (int u = 0; u < kUnits; ++u) {
        UnitFragment fragment;
        Dequantise dequantise;
        dequantise_unit(dequantise, u, fragment);
#pragma unroll
        for (int part = 0; part < Shape::kParts + kSets - 1; ++part) {
          if (part < Shape::kParts) {
            const int box = u / kBlocks * Shape::kParts + part;  // or a part of one
            multiply_unit<Mma, kSums>(
                fragment, activations + box * (Shape::kActivationBoxBytes / Shape::kParts / 16),
                sums[part % kSets], cute::SM90::GMMA::ScaleOut::Zero);
          }
          // With two sets the part before this one, while this one is multiplied.
          const int done = part - (kSets - 1);
          if (done < 0) continue;
          if (part < Shape::kParts) {
            cute::warpgroup_wait<kSets - 1>();
          } else {
            cute::warpgroup_wait<0>();
          }
          Sum(&finished)[kSums] = sums[done % kSets];
#pragma unroll
          for (int i = 0; i < kSums; ++i) cute::warpgroup_fence_operand(finished[i]);
          if (u + 1 == kUnits && done + 1 == Shape::kParts) pipeline_.release(at_.stage, lane_);
#pragma unroll
          for (int i = 0; i < kSums; ++i) {
            float& sum = accumulators[u % kBlocks][done * kSums + i];
            sum = fmaf(dequantise.scale(i / 2 % 2), to_float(finished[i]), sum);
          }
        }
      }
      at_.advance();
    }
  }

  // A whole unit of the present stage, with its scales.
  __device__ __forceinline__ void dequantise_unit(Dequantise& dequantise, int unit,
                                                  UnitFragment& fragment) const {
    dequantise.load(groups(unit % kBlocks, 0) + unit / kBlocks * half_bytes());
    uint32_t codes[4 * kWords];
    load_codes(codes, unit);
#pragma unroll
    for (int j = 0; j < 4; ++j) dequantise(codes + kWords * j, fragment + 4 * j);
  }

  // The low word of the descriptor of a stage's activations. MMAs take descriptors from uniform
  // registers, and copy one there for each unless the compiler knows it to be the same in all
  // lanes. With 16-bit activations it finds that out by itself where weights are integers, or where
  // CTAs share the activations; a shuffle would only cost instructions there.
  __device__ __forceinline__ uint32_t stage_activations() const {
    constexpr bool kIntegers = Types::kB != DataType::kE4M3 && Types::kB != DataType::kE2M1;
    const uint32_t low = descriptor_low(activations_ + at_.stage * Shape::kActivationBytes);
    if constexpr (Shape::kBoxK < kBlockK && (kIntegers || Shape::kClusterN > 1)) {
      return low;
    } else {
      return __shfl_sync(0xffffffff, low, 0);
    }
  }

  // The shared-memory address of a part of the groups of block `b`.
  __device__ __forceinline__ uint32_t groups(int b, int part) const {
    return groups_ + at_.weight_stage() * Shape::kWeightBytes + b * block_bytes_ +
           part * part_bytes_per_slice(kFormat);
  }

  // The groups of the second units of all blocks along N, where they are others: those of the
  // second 64 input features, or of the next block along K.
  __device__ __forceinline__ void load_second_half(Dequantise (&dequantise)[kBlocks]) const {
    if (Dequantise::kSplitsBlocks && groups_per_block_ == 1) return;
    const int part = kFormat.half_groups > 0     ? 1
                     : Dequantise::kSplitsBlocks ? groups_per_block_ / 2
                                                 : 0;
    const uint32_t further = Shape::kBoxK < kBlockK ? 0 : half_bytes();
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) dequantise[b].load(groups(b, part) + further);
  }

  // From the codes of a step's first units to those of the second: in the same block, or in the
  // next one along K.
  __device__ __forceinline__ int half_bytes() const {
    return Shape::kBoxK < kBlockK ? Shape::kSliceCodeBytes / 2 : Shape::kTileBlocks * block_bytes_;
  }

  __device__ __forceinline__ void load_codes(uint32_t (&codes)[4 * kWords], int unit) const {
    const uint32_t first = codes_ + at_.weight_stage() * Shape::kWeightBytes +
                           (unit % kBlocks) * block_bytes_ + (unit / kBlocks) * half_bytes();
#pragma unroll
    for (int v = 0; v < kWords; ++v) {
      ptx::load_shared_v4(first + v * kVectorBytes, codes + 4 * v);
    }
  }

  template <class Sum, class Function>
  static __device__ __forceinline__ void for_each(Sum (&sums)[kBlocks][Shape::kAccumulators],
                                                  Function function) {
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
#pragma unroll
      for (int i = 0; i < Shape::kAccumulators; ++i) function(sums[b][i], b, i);
    }
  }

  const Pipeline<Shape> pipeline_;
  const int lane_;
  const int block_bytes_;
  const int groups_per_block_;  // along K
  uint32_t codes_;              // shared-memory addresses in stage 0
  uint32_t groups_;
  uint32_t activations_;
  PipelinePosition<Shape> at_;
};

}  // namespace machete
