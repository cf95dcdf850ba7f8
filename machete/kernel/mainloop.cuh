// The loop over K: producer threads that copy stages in, consumer warpgroups that dequantise and
// multiply them. D^T[N, M] = W[N, K] A^T[K, M]: only wgmma's A operand can come from registers, so
// the weights are that operand, and the activations are read from shared memory.
#pragma once

#include <cute/arch/mma_sm90_gmma.hpp>
#include <utility>

#include "machete/kernel/dequantise.cuh"
#include "machete/kernel/params.h"
#include "machete/kernel/pipeline.cuh"
#include "machete/kernel/tile_scheduler.cuh"

namespace machete {

// The warps of the producer warpgroup that copy stages in, one thread each: a copy takes its thread
// more than a hundred cycles to issue, and a stage of a small tile is consumed in 700.
constexpr int kWeightWarps = 1;
constexpr int kActivationWarps = 2;
constexpr int kProducerWarps = kWeightWarps + kActivationWarps;

template <class Shape>
class WeightProducer {
 public:
  __device__ __forceinline__ WeightProducer(const GemmParams& params, uint32_t shared,
                                            Pipeline<Shape> pipeline, int rank_n)
      : params_(params),
        weights_(shared + Shape::kWeightsOffset),
        pipeline_(pipeline),
        rank_n_(rank_n) {}

  // Copies the K steps of one segment. Past the edges of the matrix the last block is read once
  // more: the output's tensor map drops features that are not there, and activations past K arrive
  // as zeros.
  __device__ __forceinline__ void load(const Segment& segment) {
    const int block_bytes = kSlices * params_.slice_bytes;
    const int first_block = (segment.n * Shape::kClusterN + rank_n_) * Shape::kTileBlocks;
#pragma unroll 1  // unrolled, it needs more registers than a producer has
    for (int step = segment.k_begin; step < segment.k_end; ++step) {
      pipeline_.wait_empty(at_);
      const uint32_t full = pipeline_.full(at_.stage);
      ptx::mbarrier_arrive_expect_tx(
          full, Shape::kTileBlocks * Shape::kStageBlocksK * block_bytes);
      uint32_t destination = weights_ + at_.stage * Shape::kWeightBytes;
#pragma unroll
      for (int kb = 0; kb < Shape::kStageBlocksK; ++kb) {
        const int k_block = min(step * Shape::kStageBlocksK + kb, params_.k_blocks - 1);
#pragma unroll 1
        for (int nb = 0; nb < Shape::kTileBlocks; nb += Shape::kCopyBlocks) {
          const int n_block = min(first_block + nb, params_.n_blocks - Shape::kCopyBlocks);
          const uint8_t* source =
              params_.blocks +
              int64_t{block_index(n_block, k_block, params_.k_blocks)} * block_bytes;
          ptx::bulk_load(destination, source, Shape::kCopyBlocks * block_bytes, full,
                         params_.weight_policy);
          destination += Shape::kCopyBlocks * block_bytes;
        }
      }
      at_.advance();
    }
  }

 private:
  const GemmParams& params_;
  const uint32_t weights_;
  const Pipeline<Shape> pipeline_;
  const int rank_n_;
  typename Pipeline<Shape>::Position at_;
};

// Loads every kActivationWarps-th box of a stage: 64 input features of the tile's tokens, zeros
// outside of the matrix. Side by side CTAs of a cluster each load a part of the tokens for both.
template <class Shape>
class ActivationProducer {
 public:
  __device__ __forceinline__ ActivationProducer(const GemmParams& params,
                                                const CUtensorMap& activations, uint32_t shared,
                                                Pipeline<Shape> pipeline, int rank_n, int warp)
      : params_(params),
        map_(activations),
        first_box_(warp),
        pipeline_(pipeline),
        first_token_(rank_n * kPartM),
        activations_(shared + Shape::kActivationsOffset + warp * Shape::kActivationBoxBytes +
                     rank_n * kPartM * 128) {}

  __device__ __forceinline__ void load(const Segment& segment) {
    const int token = segment.m * Shape::kTileM + first_token_;
#pragma unroll 1  // unrolled, it needs more registers than a producer has
    for (int step = segment.k_begin; step < segment.k_end; ++step) {
      pipeline_.wait_empty(at_);
      const uint32_t full = pipeline_.full(at_.stage);
      ptx::mbarrier_arrive_expect_tx(full, kBoxes * Shape::kActivationBoxBytes);
#pragma unroll
      for (int box = 0; box < kBoxes * kActivationWarps; box += kActivationWarps) {
        const uint32_t destination = activations_ + at_.stage * Shape::kActivationBytes +
                                     box * Shape::kActivationBoxBytes;
        const int k = step * Shape::kStageK + (first_box_ + box) * 64;
        if constexpr (Shape::kClusterN == 1) {
          ptx::tensor_load(destination, &map_, k, token, full, params_.activation_policy);
        } else {
          ptx::tensor_load_multicast(destination, &map_, k, token, full,
                                     (1 << Shape::kClusterN) - 1, params_.activation_policy);
        }
      }
      at_.advance();
    }
  }

 private:
  static constexpr int kPartM = Shape::kTileM / Shape::kClusterN;
  static constexpr int kBoxes = Shape::kStageK / 64 / kActivationWarps;

  const GemmParams& params_;
  const CUtensorMap& map_;
  const int first_box_;
  const Pipeline<Shape> pipeline_;
  const int first_token_;
  const uint32_t activations_;
  typename Pipeline<Shape>::Position at_;
};

// The shared-memory matrix descriptor of a box of activations (PTX ISA,
// "Matrix-descriptor-format"): K-major, 128-byte swizzle, 1024 bytes from one group of 8 tokens to
// the next. A k16 step within the box starts 32 bytes further.
MACHETE_DEVICE uint64_t activation_descriptor(uint32_t address) {
  return static_cast<uint64_t>((address & 0x3ffff) >> 4) | uint64_t{1} << 16 |
         uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
}

// Multiplies the K steps of one segment into the accumulators of a warpgroup.
template <class Types, class Schedule, class Shape>
class Consumer {
 public:
  static constexpr int kBlocks = Shape::kConsumerBlocks;
  using Accumulators = float[kBlocks][Shape::kAccumulators];

  __device__ __forceinline__ Consumer(const GemmParams& params, uint32_t shared,
                                      Pipeline<Shape> pipeline, int warpgroup, int warp, int lane)
      : pipeline_(pipeline), lane_(lane), block_bytes_(kSlices * params.slice_bytes) {
    const int first_block = Shape::kSlicedK ? 0 : warpgroup * kBlocks;
    const int k_block = Shape::kSlicedK ? warpgroup : 0;
    codes_ = shared + Shape::kWeightsOffset +
             (k_block * Shape::kTileBlocks + first_block) * block_bytes_ +
             warp * params.slice_bytes + lane * 16;
    scales_ = codes_ - lane * 16 + kCodesBytes + lane / 4 * 4;
    activations_ =
        shared + Shape::kActivationsOffset + k_block * (kBlockK / 64) * Shape::kActivationBoxBytes;
  }

  // A unit is 64 features x 64 input features: 16 fragment registers, four wgmma. While the tensor
  // cores work on one unit the next is dequantised into the other set of registers; an even number
  // of units a stage keeps that choice static, else ptxas serialises the MMAs. kTwoGroups: a block
  // has two groups along K; asking in the loop instead cost up to 4 %.
  template <bool kTwoGroups>
  __device__ __forceinline__ void multiply(const Segment& segment, Accumulators& accumulators) {
    constexpr int kUnits = 2 * kBlocks;
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
#pragma unroll
      for (int i = 0; i < Shape::kAccumulators; ++i) accumulators[b][i] = 0.f;
    }
    uint32_t fragments[2][16];
    int held = -1;  // the stage that the MMAs in flight still read
    for (int step = segment.k_begin; step < segment.k_end; ++step) {
      pipeline_.wait_full(at_);
      const uint32_t stage_weights = at_.stage * Shape::kWeightBytes;
      Dequantiser<Types::kA, Types::kB> dequantise[kBlocks];
      load_scales(dequantise, stage_weights, 0);
      uint4 codes[kUnits];
#pragma unroll
      for (int u = 0; u < kUnits; ++u) {
        codes[u] =
            ptx::load_shared_v4(codes_ + stage_weights + (u % kBlocks) * block_bytes_ +
                                (u / kBlocks) * (kCodesBytes / 2));
      }
      const uint64_t activations =
          activation_descriptor(activations_ + at_.stage * Shape::kActivationBytes);
#pragma unroll
      for (int u = 0; u < kUnits; ++u) {
        const int b = u % kBlocks;
        const int half = u / kBlocks;
        uint32_t (&fragment)[16] = fragments[u & 1];
        if (kTwoGroups && u == kBlocks) {
          load_scales(dequantise, stage_weights, scale_bytes_per_slice(1));
        }
        dequantise[b](codes[u].x, fragment);
        dequantise[b](codes[u].y, fragment + 4);
        dequantise[b](codes[u].z, fragment + 8);
        dequantise[b](codes[u].w, fragment + 12);
#pragma unroll
        for (int i = 0; i < 16; ++i) cute::warpgroup_fence_operand(fragment[i]);
        cute::warpgroup_arrive();
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          wgmma(fragment + 4 * j, activations + (half * Shape::kActivationBoxBytes + j * 32) / 16,
                accumulators[b], std::make_index_sequence<Shape::kAccumulators>());
        }
        cute::warpgroup_commit_batch();
        // The unit before this one is done: its registers and, if it was the last of its stage,
        // the stage are free.
        cute::warpgroup_wait<1>();
        if (u == 0 && held >= 0) pipeline_.release(held, lane_);
      }
      held = at_.stage;
      at_.advance();
    }
    cute::warpgroup_wait<0>();
    pipeline_.release(held, lane_);
  }

 private:
  static constexpr int kCodesBytes = code_bytes_per_slice(info(Types::kB).bits);

  __device__ __forceinline__ void load_scales(
      Dequantiser<Types::kA, Types::kB> (&dequantise)[kBlocks], uint32_t stage_weights,
      int offset) const {
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
      dequantise[b].set_scales(
          ptx::load_shared(scales_ + stage_weights + b * block_bytes_ + offset));
    }
  }

  template <size_t... kIndex>
  static __device__ __forceinline__ void wgmma(const uint32_t* a, uint64_t b,
                                               float (&d)[sizeof...(kIndex)],
                                               std::index_sequence<kIndex...>) {
    Schedule::Mma::fma(a[0], a[1], a[2], a[3], b, d[kIndex]...);
  }

  const Pipeline<Shape> pipeline_;
  const int lane_;
  const int block_bytes_;
  uint32_t codes_;  // shared-memory addresses in stage 0
  uint32_t scales_;
  uint32_t activations_;
  typename Pipeline<Shape>::Position at_;
};

}  // namespace machete
