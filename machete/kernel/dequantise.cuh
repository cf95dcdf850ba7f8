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
template <DataType kA, DataType kB>
class Dequantiser;

// 4-bit codes with an offset, nine instructions for eight weights where the usual way (OR a magic
// exponent, subtract, multiply) takes fifteen: 5-13 % of a prototype's whole time, at large M too,
// since instructions there cost power and so clock.
//
// A code alone in the low bits of a 16-bit float is the subnormal code * 2^-q, so
// fma(bits, scale * 2^q, -bias * scale) is (code - bias) * scale, rounded once. The tensor cores'
// 16-bit FMA keeps subnormals; never compile with -ftz=true. Rows r have their codes at code_shift,
// rows r + 8 four bits further up, hence with a scale of 2^4 less; both come so from the packing.
template <DataType kA>
class Dequantiser<kA, DataType::kU4B8> {
 public:
  // `scales` holds the scales of row r (low half) and row r + 8 (high half).
  __device__ __forceinline__ void set_scales(uint32_t scales) {
    scale_[0] = ptx::byte_permute(scales, 0x1010);
    scale_[1] = ptx::byte_permute(scales, 0x3232);
    // The bits of -bias * 2^-q times scale * 2^q: exact.
    offset_[0] = Pair<kA>::multiply(scale_[0], kMinusBias);
    offset_[1] = Pair<kA>::multiply(scale_[1], kMinusBiasUpper);
  }

  // Eight codes to the four A registers of one k16 step.
  __device__ __forceinline__ void operator()(uint32_t codes, uint32_t* fragment) const {
    const uint32_t upper = __funnelshift_r(codes, codes, 8);
    fragment[0] = Pair<kA>::fma(codes & kMask, scale_[0], offset_[0]);
    fragment[1] = Pair<kA>::fma(codes & kMaskUpper, scale_[1], offset_[1]);
    fragment[2] = Pair<kA>::fma(upper & kMask, scale_[0], offset_[0]);
    fragment[3] = Pair<kA>::fma(upper & kMaskUpper, scale_[1], offset_[1]);
  }

 private:
  static constexpr int kShift = encoding(kA).code_shift;
  static constexpr int kBias = info(DataType::kU4B8).bias;
  static constexpr uint32_t kMask = 0x000f000fu << kShift;
  static constexpr uint32_t kMaskUpper = kMask << 4;
  static constexpr uint32_t kMinusBias = 0x80008000u | (kBias * 0x00010001u) << kShift;
  static constexpr uint32_t kMinusBiasUpper = 0x80008000u | (kBias * 0x00010001u) << (kShift + 4);

  uint32_t scale_[2];
  uint32_t offset_[2];
};

// The factor of a RowEntry, loaded as two words; NaN where the buffer was packed for something else.
MACHETE_DEVICE float checked_factor(uint2 row, uint32_t layout_tag) {
  return __uint_as_float(row.y == layout_tag ? row.x : 0x7fffffff);
}

}  // namespace machete
