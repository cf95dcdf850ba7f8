// From accumulators to the output: the features' factors, rounding, transposition, store.
#pragma once

#include "machete/kernel/output.cuh"
#include "machete/kernel/pair.cuh"
#include "machete/kernel/params.h"
#include "machete/kernel/partials.cuh"
#include "machete/kernel/ptx.cuh"
#include "machete/kernel/reduction.cuh"

namespace machete {

template <class Types, class Shape>
class Epilogue {
 public:
  static constexpr int kBlocks = Shape::kConsumerBlocks;
  using Accumulators = machete::Accumulators<Shape>;

  __device__ __forceinline__ Epilogue(const GemmParams& params, const CUtensorMap& output,
                                      uint32_t shared, int warpgroup, int thread)
      : params_(params),
        output_(output),
        staging_(shared + Shape::kStoreOffset +
                 warpgroup * Shape::kStoreBuffers * Shape::kStoreBytes),
        warpgroup_(warpgroup),
        thread_(thread),
        warp_(thread / 32),
        lane_(thread % 32) {}

  // Starts fetching the RowEntry of this thread's features (lane / 4 of each slice and 8 further),
  // which store() needs after the loop over K. `first_block` is the writer's.
  __device__ __forceinline__ void prefetch(int first_block) {
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
      const int n_block = min(first_block + b, params_.n_blocks - 1);
      const RowEntry* row = params_.rows + n_block * kBlockN + warp_ * kSliceN + lane_ / 4;
      rows_[b][0] = ptx::load_global_v2(row);
      rows_[b][1] = ptx::load_global_v2(row + 8);
    }
  }

  // Of the tile's tokens one part: all, unless the CTAs of a cluster split K.
  __device__ __forceinline__ void store(const Accumulators& accumulators, int first_block,
                                        int first_token, int part) {
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
      const int n = (first_block + b) * kBlockN + warp_ * kSliceN + lane_ / 4;
      const OutputFeature<Types> lower(params_, rows_[b][0], n);
      const OutputFeature<Types> upper(params_, rows_[b][1], n + 8);
      if constexpr (Types::kOut == DataType::kF32) {
#pragma unroll
        for (int m = 0; m < Shape::kTileM; m += 8) {
          if (m / Shape::kPartM != part) continue;
          const int token = first_token + m + lane_ % 4 * 2;
          const TokenScales<Types> scales(params_, token);
          const float* d = &accumulators[b][m / 2];
          lower.store(params_, n, token, d[0], d[1], scales);
          upper.store(params_, n + 8, token, d[2], d[3], scales);
        }
      } else {
        stage(accumulators[b], lower, upper, first_block + b, first_token, part);
      }
    }
  }

  // Before the CTA exits: its shared memory must outlive the stores that read it.
  __device__ __forceinline__ void finish() const {
    if (thread_ == 0) ptx::bulk_wait_all();
  }

 private:
  // Through shared memory: D^T has features along the accumulator's rows, so stmatrix transposes on
  // the way; rows of 64 features for each token, in the 128-byte swizzle, which makes it free of
  // bank conflicts. The tensor store drops what lies outside of the output.
  __device__ __forceinline__ void stage(const float (&accumulators)[Shape::kAccumulators],
                                        const OutputFeature<Types>& lower,
                                        const OutputFeature<Types>& upper, int block,
                                        int first_token, int part) {
#pragma unroll
    for (int token = 0; token < Shape::kTileM; token += Shape::kStoreM) {
      if (token / Shape::kPartM != part) continue;
      if (first_token + token >= params_.m) break;
      const uint32_t buffer = staging_ + buffer_ * Shape::kStoreBytes;
      buffer_ = (buffer_ + 1) % Shape::kStoreBuffers;
      if (thread_ == 0) ptx::bulk_wait_group_read<Shape::kStoreBuffers - 1>();
      ptx::named_barrier(kBarrierWarpgroup + warpgroup_, 128);
#pragma unroll
      for (int m = 0; m < Shape::kStoreM; m += 16) {
        const int row = m + lane_ / 16 * 8 + lane_ % 8;
        const int column = warp_ * 2 + lane_ / 8 % 2;  // in units of 16 bytes
        const float* d = &accumulators[(token + m) / 2];
        const int first = first_token + token + m + lane_ % 4 * 2;
        const TokenScales<Types> scales(params_, first);
        const TokenScales<Types> further(params_, first + 8);
        const uint32_t packed[4] = {lower(d[0], d[1], scales), upper(d[2], d[3], scales),
                                    lower(d[4], d[5], further), upper(d[6], d[7], further)};
        ptx::stmatrix_x4_trans(buffer + row * 128 + ((column ^ (row & 7)) << 4), packed);
      }
      ptx::fence_proxy_async();
      ptx::named_barrier(kBarrierWarpgroup + warpgroup_, 128);
      if (thread_ == 0) {
        ptx::tensor_store(&output_, buffer, block * kBlockN, first_token + token);
        ptx::bulk_commit_group();
      }
    }
  }

  const GemmParams& params_;
  const CUtensorMap& output_;
  const uint32_t staging_;
  const int warpgroup_;
  const int thread_;
  const int warp_;
  const int lane_;
  int buffer_ = 0;
  uint2 rows_[kBlocks][2];
};

}  // namespace machete
