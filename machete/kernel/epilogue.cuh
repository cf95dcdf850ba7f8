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

  // Of the tile's tokens, as many as there are, one part: all, unless the CTAs of a cluster split
  // K.
  __device__ __forceinline__ void store(const Accumulators& accumulators, int first_block,
                                        int first_token, int tokens, int part) {
    const Scales scales(params_, first_token, lane_);
    Features features[kBlocks];
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
      const int n = first_feature(first_block + b);
      features[b] = {{params_, rows_[b][0], n}, {params_, rows_[b][1], n + 8}};
    }
#pragma unroll
    for (int token = 0; token < Shape::kTileM; token += Shape::kStoreM) {
      if (token / Shape::kPartM != part) continue;
      if (token >= tokens) break;
#pragma unroll
      for (int b = 0; b < kBlocks; ++b) {
        const float* sums = &accumulators[b][token / 2];
        if constexpr (Types::kOut == DataType::kF32) {
          write(sums, features[b], scales, token, tokens, first_block + b, first_token);
        } else {
          const int store = token % Shape::kPartM / Shape::kStoreM * kBlocks + b;
          const uint32_t buffer = await_buffer(store);
          stage(sums, features[b], scales, token, buffer);
          if (thread_ == 0) {
            const int n = (first_block + b) * kBlockN;
            const int m = first_token + token;
            ptx::tensor_store(&output_, buffer, n, m);
            constexpr int kHalf = Shape::kStoreM / 2;
            if (store_tokens(Shape::tile_m(params_.tiles), Shape::kStoreM) == kHalf &&
                token + kHalf < tokens) {
              ptx::tensor_store(&output_, buffer + Shape::kStoreBytes / 2, n, m + kHalf);
            }
            ptx::bulk_commit_group();
          }
        }
      }
    }
  }

  // Before the CTA exits: its shared memory must outlive the stores that read it.
  __device__ __forceinline__ void finish() const {
    if (thread_ == 0) ptx::bulk_wait_group_read<0>();
  }

 private:
  // Of rows lane / 4 of a slice, and 8 further.
  struct Features {
    OutputFeature<Types> lower;
    OutputFeature<Types> upper;
  };
  using Scales = TileTokenScales<Types, Shape::kTileM>;

  __device__ __forceinline__ int first_feature(int block) const {
    return block * kBlockN + warp_ * kSliceN + lane_ / 4;
  }

  // The staging buffer of one of the tile's stores, once no earlier store reads it. The barrier
  // comes before the first use of each too: without it the compiler mixes stores, and spills with
  // wide tiles.
  __device__ __forceinline__ uint32_t await_buffer(int store) const {
    constexpr int kBuffers = Shape::kStoreBuffers;
    if (thread_ == 0) {
      if (store == 0) {
        ptx::bulk_wait_group_read<0>();  // the last tile's
      } else {
        ptx::bulk_wait_group_read<kBuffers - 1>();
      }
    }
    ptx::named_barrier(kBarrierWarpgroup + warpgroup_, 128);
    return staging_ + store % kBuffers * Shape::kStoreBytes;
  }

  // The sums of kStoreM tokens, from `token` of the tile on. D^T has features along the
  // accumulator's rows, so stmatrix transposes on the way; rows of 64 features for each token, in
  // the 128-byte swizzle, which makes it free of bank conflicts.
  __device__ __forceinline__ void stage(const float* sums, const Features& features,
                                        const Scales& scales, int token, uint32_t buffer) const {
#pragma unroll
    for (int m = 0; m < Shape::kStoreM; m += 16) {
      const int row = m + lane_ / 16 * 8 + lane_ % 8;
      const int column = warp_ * 2 + lane_ / 8 % 2;  // in units of 16 bytes
      const float* d = sums + m / 2;
      const TokenScales<Types> near = scales.at(token + m);
      const TokenScales<Types> further = scales.at(token + m + 8);
      const uint32_t packed[4] = {
          features.lower(d[0], d[1], near), features.upper(d[2], d[3], near),
          features.lower(d[4], d[5], further), features.upper(d[6], d[7], further)};
      ptx::stmatrix_x4_trans(buffer + row * 128 + ((column ^ (row & 7)) << 4), packed);
    }
    ptx::fence_proxy_async();
    ptx::named_barrier(kBarrierWarpgroup + warpgroup_, 128);
  }

  // The same, in fp32 and straight to memory.
  __device__ __forceinline__ void write(const float* sums, const Features& features,
                                        const Scales& scales, int token, int tokens, int block,
                                        int first_token) const {
    const int n = first_feature(block);
#pragma unroll
    for (int m = 0; m < Shape::kStoreM; m += 8) {
      if (token + m >= tokens) break;
      const float* d = sums + m / 2;
      const TokenScales<Types> pair = scales.at(token + m);
      const int first = first_token + token + m + lane_ % 4 * 2;
      features.lower.store(params_, n, first, d[0], d[1], pair);
      features.upper.store(params_, n + 8, first, d[2], d[3], pair);
    }
  }

  const GemmParams& params_;
  const CUtensorMap& output_;
  const uint32_t staging_;
  const int warpgroup_;
  const int thread_;
  const int warp_;
  const int lane_;
  uint2 rows_[kBlocks][2];
};

}  // namespace machete
