// How weights become what the tensor cores multiply: where the bits of a code lie in the packed
// words, and how its group scale is stored. Packing and kernels both read it here.
//
// A code is first brought, alone, into its half of a 32-bit register, by masks and rotations only.
// There its bits are those of a 16-bit float that is worth the weight times 2^-q:
//
//     integers   in the low bits of a float, where numbers are spaced evenly: code * 2^-q
//     e4m3       sign, exponent and mantissa where the float has its sign, its lowest exponent bits
//     e2m1       and its highest mantissa bits; subnormals of the small type are subnormals then
//
// One multiplication by scale * 2^q, or one FMA where a bias or a zero point is subtracted, makes
// that the weight.
//
// With activations of 8 bits, 4-bit codes become quarters of a register that are worth the weight
// times 2^-q, without its scales:
//
//     s8     the code in two's complement, in the upper four bits: weight * 2^4
//     e4m3   sign and magnitude, in the lowest bits, where numbers are spaced evenly: weight *
//     2^-9.
//            Magnitudes of negative codes are stored less one, and so fit into three bits.
//
// Group scales of the activations' own 8 bits are multiplied into the weights nevertheless:
//
//     s8     the code in the lower four bits of a quarter; all four times the scale are one integer
//            multiplication
//     e4m3   the code in the middle of the mantissa of an f16 from 1024 to 2048, whose exponent is
//            put there on the way; weight * scale is exact in f16 and then rounded to e4m3
#pragma once

#include <cstdint>

#include "machete/types.h"

#ifdef __CUDACC__
#define MACHETE_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define MACHETE_HOST_DEVICE inline
#endif

namespace machete {

// A floating-point type of 16 bits.
struct Float16 {
  int smallest_exponent;  // the smallest subnormal is 2^-smallest_exponent
  int mantissa_bits;
  int exponent_bias;
};

constexpr Float16 float16(DataType type) {
  return type == DataType::kF16 ? Float16{24, 10, 15} : Float16{133, 7, 127};
}

// A part of a register: rotate_left(word, rotation) & mask, the mask being that of each half.
struct BitField {
  uint16_t mask;
  int rotation;
};

// With activations of 16 bits, group scales of a floating-point type of 8 are stored in 8 bits too,
// without a sign, and become bits of a 16-bit float by a shift and an addition.
struct SmallScale {
  int mantissa_bits;
  int exponent_offset;  // added to the exponent's bits
};

// Whether group scales are multiplied into the weights, not applied to sums.
constexpr bool scales_weights(DataType a, DataType group_scale) {
  return info(a).bits == 16 || group_scale == a;
}

struct Encoding {
  // Of scales of 16 bits and of dequantised weights; if these have 8 bits, of what is rounded to
  // them.
  Float16 type;
  bool scales_weights;
  int lone_bits;           // that a code is alone in: a half or a quarter of a register
  uint32_t lone_exponent;  // the bits that are put above a code
  // The two parts at most of each register, out of the word that it is in; which of a word's
  // registers these are. Even registers are rows r of a slice, odd ones rows r + 8. A register of
  // four weights that take a half each first has two: 0 and 2, or 1 and 3.
  BitField fields[4][2];
  int code_shift;   // integers: where the lowest bit of a code lies, in rows r,
  int upper_shift;  // and how much further up in rows r + 8
  int exponent;     // q, in rows r; in rows r + 8 smaller by upper_shift
  // The scales of a feature are divided by a power of two, so that the largest is below
  // 2^largest_scale_exponent: scale * 2^q and the weights are then finite.
  int largest_scale_exponent;
  SmallScale small_scale;

  MACHETE_HOST_DEVICE constexpr int code_exponent(bool upper_row) const {
    return exponent - (upper_row ? upper_shift : 0);
  }
};

// Integers of 4 bits, two in each byte of a word.
constexpr void place_halves_of_bytes(Encoding& e) {
  for (int p = 0; p < 4; ++p) {
    const int shift = e.code_shift + (p % 2) * e.upper_shift;
    e.fields[p][0] = {static_cast<uint16_t>(0xf << shift), p < 2 ? 0 : 24};
  }
}

// The fields of e4m3 and e2m1 were found by search: no others take fewer instructions.
constexpr Encoding encoding(DataType a, DataType b, DataType group_scale) {
  Encoding e = {};
  e.scales_weights = scales_weights(a, group_scale);
  e.lone_bits = info(a).bits;
  if (!e.scales_weights) {
    e.type = float16(group_scale);
    e.exponent = a == DataType::kS8 ? -4 : 9;
    for (int p = 0; p < 4; ++p) {
      e.fields[p][0] = {static_cast<uint16_t>(a == DataType::kS8 ? 0xf0f0 : 0x8787), p % 2 * 4};
    }
    return e;
  }
  if (a == DataType::kS8) {
    for (int p = 0; p < 4; ++p) e.fields[p][0] = {0x0f0f, p % 2 * 28};
    return e;
  }
  if (a == DataType::kE4M3) {
    e.type = float16(DataType::kF16);
    e.lone_bits = 16;
    e.lone_exponent = 0x6400;  // 2^10
    // The constant that is subtracted, (1024 + 8 * 2^shift) * scale, has then at most nine
    // significant bits: it is exact.
    e.code_shift = 2;
    e.upper_shift = 4;
    e.exponent = -e.code_shift;
    e.largest_scale_exponent = 5;  // 8 * 30 is below 448
    place_halves_of_bytes(e);
    return e;
  }
  const bool is_f16 = a == DataType::kF16;
  e.type = float16(a);
  const bool is_e4m3_scale = group_scale == DataType::kE4M3;
  switch (b) {
    case DataType::kE4M3: {
      e.exponent = e.type.exponent_bias - 7;
      // f16: 448 * 2^7 is just finite.
      e.largest_scale_exponent = is_f16 ? 7 : 0;
      const BitField f16[2][2] = {{{0xbf80, 0}}, {{0x8000, 1}, {0x3f80, 7}}};
      const BitField bf16[2][2] = {{{0x87f0, 0}}, {{0x8080, 4}, {0x0770, 8}}};
      for (int p = 0; p < 4; ++p) {
        for (int i = 0; i < 2; ++i) e.fields[p][i] = is_f16 ? f16[p % 2][i] : bf16[p % 2][i];
      }
      break;
    }
    case DataType::kE2M1: {
      e.exponent = e.type.exponent_bias - 1;
      // The stored scales end where the float's exponents do: 2^15 in f16, 2^126 in bf16.
      e.largest_scale_exponent = is_f16 ? 2 : 0;
      const BitField f16[4][2] = {
          {{0x8c00, 0}, {0x0200, 2}}, {{0x8400, 2}, {0x0a00, 13}}, {{0x8e00, 6}}, {{0x8e00, 9}}};
      const BitField bf16[4][2] = {
          {{0x8180, 0}, {0x0040, 8}}, {{0x81c0, 2}}, {{0x81c0, 6}}, {{0x81c0, 12}}};
      for (int p = 0; p < 4; ++p) {
        for (int i = 0; i < 2; ++i) e.fields[p][i] = is_f16 ? f16[p][i] : bf16[p][i];
      }
      // e4m3 scales span 18 powers of two, five bits of exponent 32: the largest of a feature has
      // the largest exponent. Powers of two need all the bits that the float's exponent has.
      e.small_scale.mantissa_bits = is_e4m3_scale ? 3 : 0;
      e.small_scale.exponent_offset = is_e4m3_scale && !is_f16 ? 221 : 0;
      break;
    }
    default: {
      if (info(b).bits == 8) {
        // In bf16, which has 7 bits below the exponent, a code reaches the exponent's lowest bit,
        // and the numbers with that bit follow the subnormals at the same distance.
        // f16 ends at 2^16, and q is 24.
        e.largest_scale_exponent = is_f16 ? -8 : -7;
        for (int p = 0; p < 4; ++p) e.fields[p][0] = {0x00ff, p % 2 == 0 ? 0 : 24};
      } else {
        // f16 keeps 10 bits below its exponent; codes two bits further up leave its scales two more
        // binades above underflow.
        e.code_shift = is_f16 ? 2 : 0;
        e.upper_shift = 4;
        e.largest_scale_exponent = -7;
        place_halves_of_bytes(e);
      }
      e.exponent = e.type.smallest_exponent - e.code_shift;
    }
  }
  return e;
}

// The bits of a code that is alone in its half, or its quarter, of a register.
MACHETE_HOST_DEVICE constexpr uint32_t lone_code(const Encoding& e, DataType a, DataType b,
                                                 uint32_t code, bool upper_row) {
  if (e.lone_bits == 8) {
    if (e.scales_weights) return code;
    if (a == DataType::kS8) return (code ^ 8) << 4;
    return code >= 8 ? code - 8 : 0x80 | (7 - code);
  }
  switch (b) {
    case DataType::kE4M3:
      return (code & 0x80) << 8 | (code & 0x7f) << (e.type.mantissa_bits - 3);
    case DataType::kE2M1:
      return (code & 8) << 12 | (code & 7) << (e.type.mantissa_bits - 1);
    default:
      return code << (e.code_shift + (upper_row ? e.upper_shift : 0));
  }
}

MACHETE_HOST_DEVICE constexpr uint32_t rotate_left(uint32_t word, int bits) {
  return bits == 0 ? word : (word << bits) | (word >> (32 - bits));
}

// Where a register's bits come to lie in its word.
MACHETE_HOST_DEVICE constexpr uint32_t scatter(const BitField (&fields)[2], uint32_t bits) {
  uint32_t word = 0;
  for (const BitField& field : fields) {
    word |= rotate_left(bits & (field.mask * 0x00010001u), (32 - field.rotation) % 32);
  }
  return word;
}

}  // namespace machete
