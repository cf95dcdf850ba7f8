// Codes to 16-bit floats, in registers, straight into wgmma's A fragments.
#pragma once

#include "machete/kernel/layout.h"
#include "machete/kernel/ptx.cuh"

namespace machete {

// Arithmetic on two 16-bit floats in one register. In PTX, because the C++ headers of these types
// cost a second of compilation.
template <DataType kType>
struct Pair;

template <>
struct Pair<DataType::kBF16> {
  MACHETE_DEVICE uint32_t fma(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t d;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
  }
  MACHETE_DEVICE uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t d;
    asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
  }
  MACHETE_DEVICE uint32_t from_floats(float low, float high) {
    uint32_t d;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
  }
};

template <>
struct Pair<DataType::kF16> {
  MACHETE_DEVICE uint32_t fma(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t d;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
  }
  MACHETE_DEVICE uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t d;
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
  }
  MACHETE_DEVICE uint32_t from_floats(float low, float high) {
    uint32_t d;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
  }
};

// Weights of the two rows of a fragment, for one group of input features.
//
// A code alone in the low bits of a 16-bit float is worth code * 2^-q (Encoding), so
// fma(bits, scale * 2^q, -bias * scale) is (code - bias) * scale, rounded once. Scales come from
// the packing as scale * 2^q. The tensor cores' 16-bit FMA keeps subnormals; never compile with
// -ftz=true.
//
// For eight weights that makes four FMA and, to leave pairs of codes alone, five instructions for
// 4-bit codes and four for 8-bit ones. The usual way with 4-bit codes (OR a magic exponent,
// subtract, multiply) takes fifteen in all: a difference of 5-13 % of a prototype's whole time, at
// large M too, since instructions there cost power and so clock.
template <DataType kA, DataType kB>
class Dequantiser {
 public:
  static constexpr int kWords = info(kB).bits / 4;  // of codes for a k16 step

  // `scales` holds the scales of row r (low half) and row r + 8 (high half).
  __device__ __forceinline__ void set_scales(uint32_t scales) {
    scale_[0] = ptx::byte_permute(scales, 0x1010);
    scale_[1] = ptx::byte_permute(scales, 0x3232);
    // The bits of -bias * 2^-q times scale * 2^q: a power of two, so exact, unless all weights of
    // the group are subnormals anyway.
    offset_[0] = Pair<kA>::multiply(scale_[0], kMinusBias);
    offset_[1] = Pair<kA>::multiply(scale_[1], kMinusBiasUpper);
  }

  // kWords words with eight codes to the four A registers of a k16 step.
  __device__ __forceinline__ void operator()(const uint32_t* codes, uint32_t* fragment) const {
    uint32_t alone[4];
    if constexpr (kWords == 1) {
      const uint32_t rotated = __funnelshift_r(codes[0], codes[0], 8);
      alone[0] = codes[0] & kMask;
      alone[1] = codes[0] & kMaskUpper;
      alone[2] = rotated & kMask;
      alone[3] = rotated & kMaskUpper;
    } else {
#pragma unroll
      for (int p = 0; p < 4; ++p) {
        alone[p] = ptx::byte_permute(codes[p / 2], p % 2 == 0 ? 0x4140 : 0x4342);
      }
    }
#pragma unroll
    for (int p = 0; p < 4; ++p) {
      fragment[p] = Pair<kA>::fma(alone[p], scale_[p % 2], offset_[p % 2]);
    }
  }

 private:
  static_assert(kB == DataType::kU4B8 || kB == DataType::kU8B128);

  static constexpr int kShift = encoding(kA, kB).code_shift;
  static constexpr int kShiftUpper = kShift + encoding(kA, kB).upper_shift;
  static constexpr uint32_t kCode = 0x00010001u;  // code 1 in both halves
  static constexpr uint32_t kSigns = 0x80008000u;
  static constexpr uint32_t kMask = kCode * 0xf << kShift;
  static constexpr uint32_t kMaskUpper = kCode * 0xf << kShiftUpper;
  static constexpr uint32_t kMinusBias = kSigns | kCode * info(kB).bias << kShift;
  static constexpr uint32_t kMinusBiasUpper = kSigns | kCode * info(kB).bias << kShiftUpper;

  uint32_t scale_[2];
  uint32_t offset_[2];
};

// The factor of a RowEntry, loaded as two words; NaN where the buffer was packed for something
// else.
MACHETE_DEVICE float checked_factor(uint2 row, uint32_t layout_tag) {
  return __uint_as_float(row.y == layout_tag ? row.x : 0x7fffffff);
}

}  // namespace machete
