// Codes to weights, in registers, straight into wgmma's A fragments.
#pragma once

#include "machete/kernel/layout.h"
#include "machete/kernel/pair.cuh"
#include "machete/kernel/ptx.cuh"
#include "machete/kernel/shift.cuh"

namespace machete {

// A power of two as both halves of a register.
template <DataType kType, int kExponent>
constexpr uint32_t kPairOfPower =
    0x00010001u * ((kExponent + float16(kType).exponent_bias) << float16(kType).mantissa_bits);

// Weights of the two rows of a fragment, for one group of input features.
//
// Codes alone in their halves of a register are worth weight * 2^-q (encoding.h), and scales come
// from the packing multiplied by 2^q. So the weights are
//
//     constant bias   fma(bits, scale, -bias * scale), rounded once
//     zero points     fma(bits - zero, scale, -fraction * scale): the difference with the integer
//                     part is exact; the rest, if any, is less than a code
//     floats          bits * scale, rounded once; for e2m1 exact
//
// The tensor cores' 16-bit FMA keeps subnormals; never compile with -ftz=true.
//
// For eight weights of 4 bits and a constant bias that makes four FMA and, to leave pairs of codes
// alone, five instructions; the usual way (OR a magic exponent, subtract, multiply) takes fifteen
// in all: a difference of 5-13 % of a prototype's whole time, at large M too, since instructions
// there cost power and so clock. Zero points take four more, e4m3 fourteen, e2m1 thirteen or
// fourteen in all.
//
// With activations of 8 bits the weights are left without their scales: groups, if there are any,
// are scaled in fp32 as their sums are added up. Eight weights take three instructions for s8,
// seven for e4m3. Group scales of the activations' own type are multiplied in:
//
//     s8      code * scale + (128 - 8 * scale) in all four quarters at once, each from 0 to 255, so
//             that nothing is carried; then 128 less, by flipping the highest bit. Exact; seven
//     e4m3    the FMA of a constant bias, in f16 and exact, then rounded to e4m3; thirteen
//
// Shift is one of shift.cuh's.
template <class Types, class Shift>
class Dequantiser {
 public:
  // Of codes for a step of the MMA.
  static constexpr int kWords = step_words(info(Types::kA).bits, info(Types::kB).bits);
  static constexpr GroupFormat kFormat =
      group_format(Types::kA, Types::kGroupScale, Types::kGroupZeropoint);

  // Whether a K block may have several groups: of 16-bit scales, if the layer decides so.
  static constexpr bool kSplitsBlocks = kFormat.part_bytes > 0 && kFormat.half_groups == 0 &&
                                        max_groups_per_block(info(Types::kA).bits) > 1;

  // Then scale() is for the caller to apply.
  static constexpr bool kPromotes = promotes(Types::kA, Types::kGroupScale);

  // A lane's part of the groups, from shared memory.
  __device__ __forceinline__ void load(uint32_t address) {
    if constexpr (kFormat.part_bytes > 0) load_part(address);
  }

  // The scale of row lane / 4 (0) or of the row 8 further (1).
  __device__ __forceinline__ float scale(int upper) const { return __uint_as_float(scale_[upper]); }

  // Before each of the four steps of 64 input features.
  __device__ __forceinline__ void select(int step) {
    if constexpr (kFormat.half_groups > 0) {
      if (step % (4 / kFormat.half_groups) != 0) return;
      const int group = step / (4 / kFormat.half_groups);
      constexpr int kShift = kEncoding.type.mantissa_bits - kEncoding.small_scale.mantissa_bits;
      constexpr uint32_t kOffset =
          kOnes * (kEncoding.small_scale.exponent_offset << kEncoding.type.mantissa_bits);
#pragma unroll
      for (int upper = 0; upper < 2; ++upper) {
        const uint32_t selector = 0x4040 + 0x0101 * (group % 2 * 2 + upper);
        const uint32_t twice = ptx::byte_permute(part_[group / 2], selector);
        scale_[upper] = Shift::template left<kShift>(twice) + kOffset;
      }
    }
  }

  // kWords words of codes to the four A registers of a step.
  __device__ __forceinline__ void operator()(const uint32_t* codes, uint32_t* fragment) const {
    constexpr int kSecond = kWords == 1 ? 0 : 1;
    fragment[0] = weights<0>(codes[0]);
    fragment[1] = weights<1>(codes[0]);
    fragment[2] = weights<2>(codes[kSecond]);
    fragment[3] = weights<3>(codes[kSecond]);
  }

 private:
  // What weights are computed in.
  using A = Pair<Types::kA == DataType::kE4M3 ? DataType::kF16 : Types::kA>;
  static constexpr Encoding kEncoding = encoding(Types::kA, Types::kB, Types::kGroupScale);
  static constexpr int kBias = info(Types::kB).bias;
  static constexpr uint32_t kOnes = 0x00010001u;
  static constexpr uint32_t kSigns = 0x80008000u;
  static constexpr uint32_t kLoneExponent = kOnes * kEncoding.lone_exponent;

  template <int kUpper>
  static constexpr int kShift = kEncoding.code_shift + kUpper * kEncoding.upper_shift;

  __device__ __forceinline__ void load_part(uint32_t address) {
    uint32_t words[kFormat.part_bytes / 4];
    if constexpr (kFormat.part_bytes == 8) {
      const uint2 both = ptx::load_shared_v2(address);
      words[0] = both.x;
      words[1] = both.y;
    } else {
      words[0] = ptx::load_shared(address);
    }
    if constexpr (kPromotes) {
      scale_[0] = __float_as_uint(Pair<Types::kGroupScale>::to_float(words[0] & 0xffff));
      scale_[1] = __float_as_uint(Pair<Types::kGroupScale>::to_float(words[0] >> 16));
    } else if constexpr (kFormat.half_groups > 0) {
      for (int i = 0; i < kFormat.part_bytes / 4; ++i) part_[i] = words[i];
    } else if constexpr (Types::kA == DataType::kS8) {
      const int both = static_cast<int>(words[0]);
      scale_[0] = both << 16 >> 16;
      scale_[1] = both >> 16;
      offset_[0] = 0x80808080 - scale_[0] * 0x08080808;
      offset_[1] = 0x80808080 - scale_[1] * 0x08080808;
    } else {
      scale_[0] = ptx::byte_permute(words[0], 0x1010);
      scale_[1] = ptx::byte_permute(words[0], 0x3232);
      if constexpr (kFormat.has_zeros) {
        set_zero<0>(words[1]);
        set_zero<1>(words[1]);
      } else if constexpr (kBias != 0) {
        // The bits of -bias * 2^-q times scale * 2^q: a power of two, so exact, unless all weights
        // of the group are subnormals anyway. With an exponent above the codes: encoding.h.
        offset_[0] = A::multiply(scale_[0], kSigns | kLoneExponent | kOnes * kBias << kShift<0>);
        offset_[1] = A::multiply(scale_[1], kSigns | kLoneExponent | kOnes * kBias << kShift<1>);
      }
    }
  }

  // The word, rotated; of the bits outside of the mask any.
  template <uint16_t kMask, int kRotation>
  static __device__ __forceinline__ uint32_t rotated(uint32_t word) {
    constexpr uint32_t kBits = kOnes * kMask;
    if constexpr (kRotation > 0 && kBits >> kRotation << kRotation == kBits) {
      return Shift::template left<kRotation>(word);
    } else {
      return __funnelshift_l(word, word, kRotation);
    }
  }

  // The codes that field kRegister of the encoding takes out of a word.
  template <int kRegister>
  static __device__ __forceinline__ uint32_t lone_codes(uint32_t word) {
    constexpr BitField kFirst = kEncoding.fields[kRegister][0];
    constexpr BitField kSecond = kEncoding.fields[kRegister][1];
    if constexpr (kFirst.mask == 0x00ff) {
      return ptx::byte_permute(word, kFirst.rotation == 0 ? 0x4240 : 0x4341);
    } else {
      const uint32_t first = rotated<kFirst.mask, kFirst.rotation>(word);
      if constexpr (kLoneExponent != 0) {
        return ptx::mask_and_set<kOnes * kFirst.mask, kLoneExponent>(first);
      } else {
        const uint32_t second = rotated<kSecond.mask, kSecond.rotation>(word);
        return (first & kOnes * kFirst.mask) | (second & kOnes * kSecond.mask);
      }
    }
  }

  // The weights of a register.
  template <int kRegister>
  __device__ __forceinline__ uint32_t weights(uint32_t word) const {
    constexpr int kRow = kRegister % 2;
    constexpr bool kToE4M3 = Types::kA == DataType::kE4M3;
    constexpr bool kToS8 = Types::kA == DataType::kS8;
    const uint32_t alone = lone_codes<kRegister>(word);
    if constexpr (kToE4M3 && kEncoding.scales_weights) {
      return A::to_e4m3(A::fma(lone_codes<kRow>(word), scale_[kRow], offset_[kRow]),
                        A::fma(lone_codes<kRow + 2>(word), scale_[kRow], offset_[kRow]));
    } else if constexpr (kToE4M3) {
      return alone + ((alone & 0x80808080) >> 7);  // shift and addition are one instruction
    } else if constexpr (kToS8 && kEncoding.scales_weights) {
      return (alone * scale_[kRow] + offset_[kRow]) ^ 0x80808080;
    } else if constexpr (kToS8) {
      return alone;
    } else if constexpr (kFormat.has_zeros) {
      return A::fma(A::subtract(alone, zero_[kRow]), scale_[kRow], offset_[kRow]);
    } else if constexpr (kBias != 0) {
      return A::fma(alone, scale_[kRow], offset_[kRow]);
    } else {
      return A::multiply(alone, scale_[kRow]);
    }
  }

  // A zero point's integer part goes where codes are. Its 256ths, alone in a float of rows r, are
  // worth fraction * 2^(8 - q).
  template <int kUpper>
  __device__ __forceinline__ void set_zero(uint32_t zeros) {
    constexpr uint32_t kUnit = kSigns | kPairOfPower<Types::kA, kShift<kUpper> - 8>;
    zero_[kUpper] = ptx::byte_permute(zeros, kUpper == 0 ? 0x4141 : 0x4343) << kShift<kUpper>;
    const uint32_t fraction = ptx::byte_permute(zeros, kUpper == 0 ? 0x4040 : 0x4242);
    offset_[kUpper] = A::multiply(fraction, A::multiply(scale_[kUpper], kUnit));
  }

  uint32_t scale_[2];
  uint32_t offset_[2];
  uint32_t zero_[2];
  uint32_t part_[2];
};

}  // namespace machete
