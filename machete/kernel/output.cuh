// From sums to outputs, for the epilogues of all kernels: a feature's factor, a token's scale,
// bias, rounding.
#pragma once

#include "machete/kernel/pair.cuh"
#include "machete/kernel/params.h"
#include "machete/kernel/ptx.cuh"

namespace machete {

// The scales of two tokens next to each other; one past the last token has none.
template <class Types>
struct TokenScales {
  __device__ __forceinline__ TokenScales(float first, float second)
      : first(first), second(second) {}
  __device__ __forceinline__ TokenScales(const ProductParams& params, int token) {
    if constexpr (Types::kTokenScale != DataType::kVoid) {
      if (params.token_scales != nullptr) {
        if (token < params.m) first = params.token_scales[token];
        if (token + 1 < params.m) second = params.token_scales[token + 1];
      }
    }
  }

  float first = 1.f;
  float second = 1.f;
};

// The scales of a tile's tokens. They come from memory all at once, to each lane those of one token
// in 32: where the epilogue loaded what it needs for each store, 256 tokens took 2 us longer.
template <class Types, int kTokens>
class TileTokenScales {
 public:
  __device__ __forceinline__ TileTokenScales(const ProductParams& params, int first_token, int lane)
      : lane_(lane) {
    if constexpr (Types::kTokenScale != DataType::kVoid) {
      given_ = params.token_scales != nullptr;
#pragma unroll
      for (int i = 0; i < kLoads; ++i) {
        const int token = first_token + i * 32 + lane;
        scales_[i] = given_ && token < params.m ? params.token_scales[token] : 1.f;
      }
    }
  }

  // Of the tile's tokens `token` + lane % 4 * 2 and the next; all lanes ask for the same.
  __device__ __forceinline__ TokenScales<Types> at(int token) const {
    if (!given_ && !kExpected) return {1.f, 1.f};
    const float scales = scales_[token / 32];
    const int lane = token % 32 + lane_ % 4 * 2;
    return {__shfl_sync(0xffffffff, scales, lane), __shfl_sync(0xffffffff, scales, lane + 1)};
  }

 private:
  static constexpr int kLoads = (kTokens + 31) / 32;
  // Activations of 8 bits hardly come without: to ask costs more than to exchange ones.
  static constexpr bool kExpected =
      Types::kTokenScale != DataType::kVoid && info(Types::kA).bits == 8;

  const int lane_;
  bool given_ = false;
  float scales_[kLoads];
};

// A feature's outputs.
template <class Types>
class OutputFeature {
 public:
  OutputFeature() = default;

  // `row` is the feature's RowEntry, as two words. NaN where the buffer was packed for something
  // else.
  __device__ __forceinline__ OutputFeature(const ProductParams& params, uint2 row, int n)
      : factor_(ptx::as_float(row.y == params.layout_tag ? row.x : 0x7fffffff)) {
    if (params.bias != nullptr && n < params.n) {
      if constexpr (Types::kOut == DataType::kF32) {
        bias_ = static_cast<const float*>(params.bias)[n];
      } else {
        bias_ = Pair<Types::kOut>::to_float(static_cast<const uint16_t*>(params.bias)[n]);
      }
    }
  }

  // The outputs of two tokens, rounded once.
  __device__ __forceinline__ uint32_t operator()(float x, float y,
                                                 const TokenScales<Types>& scales) const {
    return Pair<Types::kOut>::from_floats(fmaf(x * factor_, scales.first, bias_),
                                          fmaf(y * factor_, scales.second, bias_));
  }

  // The same for outputs in fp32, which go straight to memory: the lanes that hold eight features
  // of a token fill a sector.
  __device__ __forceinline__ void store(const ProductParams& params, int n, int token, float x,
                                        float y, const TokenScales<Types>& scales) const {
    static_assert(Types::kOut == DataType::kF32);
    if (n >= params.n) return;
    float* out = static_cast<float*>(params.out) + int64_t{token} * params.ldo + n;
    if (token < params.m) out[0] = fmaf(x * factor_, scales.first, bias_);
    if (token + 1 < params.m) out[params.ldo] = fmaf(y * factor_, scales.second, bias_);
  }

 private:
  float factor_ = 0.f;
  float bias_ = 0.f;
};

}  // namespace machete
