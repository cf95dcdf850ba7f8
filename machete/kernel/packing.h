// Computes any word of a prepacked buffer from the weights and scales it is made of. The packing
// kernels and the packing on the host both call these functions, which is why their bytes agree;
// they are integer arithmetic throughout, but for the products of a feature's other scales, so no
// rounding mode or compiler can part them.
#pragma once

#include "machete/kernel/layout.h"
#include "machete/machete.h"

namespace machete {

// What prepack_B was given, as machete.h says it.
struct PackingSource {
  const uint8_t* codes;
  const void* scales;
  const uint16_t* zeropoints;
  const float* channel_scales;
  float tensor_scale;
  TypeSet types;
  Encoding encoded;
  GroupFormat format;
  int a_bits;
  int code_bits;
  uint32_t padding_code;  // the code of weight zero, where there are no zero points
  int64_t n;
  int64_t k;
  int64_t group_size;
};

inline PackingSource packing_source(const ProblemDesc& desc, const Weights& weights) {
  const TypeSet& types = desc.types;
  return {static_cast<const uint8_t*>(weights.codes),
          weights.group_scales,
          static_cast<const uint16_t*>(weights.group_zeropoints),
          weights.channel_scales,
          weights.tensor_scale,
          types,
          encoding(types.a, types.b, types.b_group_scale),
          group_format(types.a, types.b_group_scale, types.b_group_zeropoint),
          info(types.a).bits,
          info(types.b).bits,
          static_cast<uint32_t>(info(types.b).bias),
          desc.n,
          desc.k,
          desc.group_size};
}

constexpr int kNoExponent = -1000;  // of zero, infinity and NaN

// A finite number of a small type, but for its sign: 1.fraction * 2^exponent, or zero.
struct SmallFloat {
  int exponent;
  uint32_t fraction;  // eighths
  bool negative;
  bool is_nan;
};

MACHETE_HOST_DEVICE SmallFloat small_float(DataType type, uint8_t bits) {
  if (type == DataType::kUE8M0) return {bits - 127, 0, false, bits == 0xff};
  // e4m3
  const int field = bits >> 3 & 0xf;
  uint32_t fraction = bits & 7;
  SmallFloat x = {field - 7, fraction, (bits & 0x80) != 0, (bits & 0x7f) == 0x7f};
  if (field > 0) return x;
  if (fraction == 0) {
    x.exponent = kNoExponent;
    return x;
  }
  x.exponent = -6;
  for (; fraction < 8; fraction <<= 1) --x.exponent;
  x.fraction = fraction & 7;
  return x;
}

// floor(log2 |x|) of a 16-bit float's bits.
MACHETE_HOST_DEVICE int exponent_of(uint16_t bits, const Float16& type) {
  const int field = (bits & 0x7fff) >> type.mantissa_bits;
  uint32_t mantissa = bits & ((1u << type.mantissa_bits) - 1);
  const int all_ones = 0x7fff >> type.mantissa_bits;
  if (field == all_ones || (field == 0 && mantissa == 0)) return kNoExponent;
  if (field > 0) return field - type.exponent_bias;
  int exponent = -type.smallest_exponent;
  while (mantissa >>= 1) ++exponent;
  return exponent;
}

// x * 2^power in the same type: exact unless the result is subnormal (then truncated); infinity
// where it is too large.
MACHETE_HOST_DEVICE uint16_t times_power_of_two(uint16_t bits, int power, const Float16& type) {
  const uint16_t sign = bits & 0x8000;
  const int all_ones = 0x7fff >> type.mantissa_bits;
  const uint32_t hidden = 1u << type.mantissa_bits;
  const int field = (bits & 0x7fff) >> type.mantissa_bits;
  uint32_t mantissa = bits & (hidden - 1);
  if (field == all_ones || (field == 0 && mantissa == 0)) return bits;
  int exponent = field;  // biased; value = mantissa * 2^(exponent - bias - mantissa_bits)
  if (field == 0) {
    exponent = 1;
    while (mantissa < hidden) {
      mantissa <<= 1;
      --exponent;
    }
  } else {
    mantissa |= hidden;
  }
  exponent += power;
  if (exponent >= all_ones) return sign | static_cast<uint16_t>(all_ones << type.mantissa_bits);
  if (exponent >= 1) {
    return sign | static_cast<uint16_t>(exponent << type.mantissa_bits) |
           static_cast<uint16_t>(mantissa & (hidden - 1));
  }
  const int shift = 1 - exponent;
  return sign | static_cast<uint16_t>(shift > type.mantissa_bits ? 0 : mantissa >> shift);
}

// A group scale of 8 bits.
MACHETE_HOST_DEVICE uint8_t scale_byte_at(const PackingSource& source, int64_t group, int64_t n) {
  return static_cast<const uint8_t*>(source.scales)[group * source.n + n];
}
MACHETE_HOST_DEVICE SmallFloat small_scale_at(const PackingSource& source, int64_t group,
                                              int64_t n) {
  return small_float(source.types.b_group_scale, scale_byte_at(source, group, n));
}

// A number of e4m3 as a 16-bit float. Of NaN any: has_nan() sees to it.
MACHETE_HOST_DEVICE uint16_t widened(const SmallFloat& x, const Float16& type) {
  if (x.exponent == kNoExponent) return 0;
  return static_cast<uint16_t>(x.negative << 15 |
                               (x.exponent + type.exponent_bias) << type.mantissa_bits |
                               x.fraction << (type.mantissa_bits - 3));
}

// The bits of a group scale as 16-bit float; 1 where there are none.
MACHETE_HOST_DEVICE uint16_t scale_at(const PackingSource& source, int64_t group, int64_t n) {
  const Float16& type = source.encoded.type;
  if (source.scales == nullptr) {
    return static_cast<uint16_t>(type.exponent_bias << type.mantissa_bits);
  }
  if (source.types.b_group_scale == DataType::kE4M3) {
    return widened(small_scale_at(source, group, n), type);
  }
  return static_cast<const uint16_t*>(source.scales)[group * source.n + n];
}

// A group scale of s8.
MACHETE_HOST_DEVICE int integer_scale_at(const PackingSource& source, int64_t group, int64_t n) {
  return static_cast<int8_t>(scale_byte_at(source, group, n));
}

// Whether (code - 8) * scale has 8 bits for all codes of 4 bits.
MACHETE_HOST_DEVICE bool is_integer_scale(int scale) { return scale >= -15 && scale <= 16; }

constexpr uint32_t kBadZero = 0xffffffff;

// A zero point in 256ths, to the nearest; kBadZero where it is not among the codes.
MACHETE_HOST_DEVICE uint32_t zero_at(const PackingSource& source, int64_t group, int64_t n) {
  const Float16& type = source.encoded.type;
  const uint16_t bits = source.zeropoints[group * source.n + n];
  const int field = (bits & 0x7fff) >> type.mantissa_bits;
  uint32_t mantissa = bits & ((1u << type.mantissa_bits) - 1);
  if (field == 0) return mantissa == 0 || (bits & 0x8000) == 0 ? 0 : kBadZero;
  const int shift = field - type.exponent_bias - type.mantissa_bits + 8;
  if ((bits & 0x8000) != 0 || shift > 8) return kBadZero;  // 2^8 and more, infinity, NaN
  mantissa |= 1u << type.mantissa_bits;
  uint32_t zero = 0;
  if (shift >= 0) {
    zero = mantissa << shift;
  } else if (shift >= -16) {
    zero = (mantissa + (1u << (-shift - 1))) >> -shift;
  }
  return zero >> (source.code_bits + 8) == 0 ? zero : kBadZero;
}

// e such that the scales of feature n, divided by 2^e, stay below the encoding's limit.
MACHETE_HOST_DEVICE int row_exponent(const PackingSource& source, int64_t n) {
  int largest = kNoExponent;
  if (n < source.n && source.encoded.scales_weights && source.types.a != DataType::kS8) {
    for (int64_t group = 0; group * source.group_size < source.k; ++group) {
      const int exponent = source.format.half_groups > 0
                               ? small_scale_at(source, group, n).exponent
                               : exponent_of(scale_at(source, group, n), source.encoded.type);
      largest = exponent > largest ? exponent : largest;
    }
  }
  if (largest == kNoExponent) return 0;
  const int e = largest + 1 - source.encoded.largest_scale_exponent;
  return e > 127 ? 127 : e < -126 ? -126 : e;  // 2^e must be a finite, normal float
}

MACHETE_HOST_DEVICE float float_of_bits(uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(bits);
#else
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
#endif
}

// With the power of two alone: block_word() reads it back.
MACHETE_HOST_DEVICE RowEntry row_entry(const PackingSource& source, const PackedLayout& layout,
                                       int64_t n) {
  return {float_of_bits(static_cast<uint32_t>(row_exponent(source, n) + 127) << 23),
          layout_tag(source.types, source.n, source.k, layout.groups_per_block)};
}

// The exponent that row_entry() stored.
MACHETE_HOST_DEVICE int exponent_of_entry(const RowEntry& entry) {
#ifdef __CUDA_ARCH__
  const uint32_t bits = __float_as_uint(entry.factor);
#else
  uint32_t bits;
  __builtin_memcpy(&bits, &entry.factor, sizeof(bits));
#endif
  return static_cast<int>(bits >> 23) - 127;
}

// Whether feature n has a weight that is no number, so that its outputs are none either, whatever
// the activations: a NaN among its codes or 8-bit scales, a scale of s8 that its weights are too
// large with, or a zero point outside of the codes.
MACHETE_HOST_DEVICE bool has_nan(const PackingSource& source, int64_t n) {
  if (source.types.b == DataType::kE4M3) {
    for (int64_t k = 0; k < source.k; ++k) {
      if ((source.codes[n * source.k + k] & 0x7f) == 0x7f) return true;
    }
  }
  const DataType scale = source.types.b_group_scale;
  const bool is_small = scale == DataType::kE4M3 || scale == DataType::kUE8M0;
  for (int64_t group = 0; group * source.group_size < source.k; ++group) {
    if (is_small && small_scale_at(source, group, n).is_nan) return true;
    if (scale == DataType::kS8 && !is_integer_scale(integer_scale_at(source, group, n)))
      return true;
    if (source.format.has_zeros && zero_at(source, group, n) == kBadZero) return true;
  }
  return false;
}

// The entry as the kernels want it, once all blocks are packed.
MACHETE_HOST_DEVICE void finish_row(const PackingSource& source, int64_t n, RowEntry* entry) {
  if (n >= source.n) return;
  // Weights without scales are multiplied without the power of two that they are short of, too.
  if (!source.encoded.scales_weights) {
    entry->factor *= float_of_bits(static_cast<uint32_t>(source.encoded.exponent + 127) << 23);
  }
  if (source.channel_scales != nullptr) entry->factor *= source.channel_scales[n];
  entry->factor *= source.tensor_scale;
  // One NaN for all: which one a product gives is up to the processor.
  if (entry->factor != entry->factor || has_nan(source, n)) {
    entry->factor = float_of_bits(0x7fffffff);
  }
}

// A group scale of 8 bits as the kernels store it; 0 for one that is zero or too small beside the
// feature's largest, whose codes are packed as zeros.
MACHETE_HOST_DEVICE uint32_t small_scale_bits(const PackingSource& source, const SmallFloat& scale,
                                              const RowEntry& row) {
  const Encoding& encoded = source.encoded;
  const int field = scale.exponent - exponent_of_entry(row) + encoded.exponent +
                    encoded.type.exponent_bias - encoded.small_scale.exponent_offset;
  if (scale.exponent == kNoExponent || scale.is_nan || field < 1) return 0;
  const int mantissa_bits = encoded.small_scale.mantissa_bits;
  return static_cast<uint32_t>(field) << mantissa_bits | scale.fraction >> (3 - mantissa_bits);
}

// A code; outside the matrix the code of weight zero.
MACHETE_HOST_DEVICE uint32_t code_at(const PackingSource& source, const RowEntry* rows, int64_t n,
                                     int64_t k) {
  if (n >= source.n || k >= source.k) return source.padding_code;
  const int64_t bit = (n * source.k + k) * source.code_bits;
  const uint32_t code = source.codes[bit / 8] >> bit % 8 & ((1u << source.code_bits) - 1);
  if (source.format.half_groups == 0) return code;
  const SmallFloat scale = small_scale_at(source, k / source.group_size, n);
  if (small_scale_bits(source, scale, rows[n]) == 0) return 0;
  return scale.negative ? code ^ 1u << (source.code_bits - 1) : code;
}

// Word `word` of a slice's codes.
MACHETE_HOST_DEVICE uint32_t codes_word(const PackingSource& source, const RowEntry* rows,
                                        int64_t n_block, int64_t k_block, int slice, int word) {
  const Encoding& encoded = source.encoded;
  const int registers = 4 / step_words(source.a_bits, source.code_bits);
  const int lone_codes = 32 / encoded.lone_bits;
  uint32_t packed = 0;
  for (int p = 0; p < registers; ++p) {
    const CodePosition at = code_position(source.a_bits, source.code_bits, slice, word, p);
    const int64_t n = n_block * kBlockN + at.row;
    const int64_t k = k_block * kBlockK + at.k;
    for (int first = 0; first < register_codes(source.a_bits); first += lone_codes) {
      uint32_t bits = 0;
      for (int i = 0; i < lone_codes; ++i) {
        bits |= lone_code(encoded, source.types.a, source.types.b,
                          code_at(source, rows, n, k + first + i), p % 2 != 0)
                << (encoded.lone_bits * i);
      }
      packed |= scatter(encoded.fields[p + first], bits);
    }
  }
  return packed;
}

// Word `word` of a slice's groups: what two features have for one group, or for two if the scales
// have 8 bits. `rows` are the buffer's.
MACHETE_HOST_DEVICE uint32_t groups_word(const PackingSource& source, const PackedLayout& layout,
                                         const RowEntry* rows, int64_t n_block, int64_t k_block,
                                         int slice, int word) {
  const GroupFormat& format = source.format;
  const int part_words = format.part_bytes / 4;
  const int part = word / (8 * part_words);
  const int r = word / part_words % 8;
  const int within = word % part_words;
  const int word_groups = format.half_groups > 0 ? 2 : 1;
  uint32_t packed = 0;
  for (int i = 0; i < word_groups; ++i) {
    const int block_group =
        format.half_groups > 0 ? part * format.half_groups + within * 2 + i : part;
    const int64_t k = k_block * kBlockK + block_group * (kBlockK / layout.groups_per_block);
    if (k >= source.k) continue;
    const int64_t group = k / source.group_size;
    for (int high = 0; high < 2; ++high) {
      const int64_t n = n_block * kBlockN + slice * kSliceN + r + high * 8;
      if (n >= source.n) continue;
      uint32_t bits;
      if (format.half_groups > 0) {
        bits = small_scale_bits(source, small_scale_at(source, group, n), rows[n]);
      } else if (source.types.b_group_scale == DataType::kS8) {
        bits = integer_scale_at(source, group, n) & 0xffff;
      } else if (within == 0) {
        bits = scale_at(source, group, n);
        if (source.encoded.scales_weights) {
          const int power = source.encoded.code_exponent(high != 0) - exponent_of_entry(rows[n]);
          bits = times_power_of_two(static_cast<uint16_t>(bits), power, source.encoded.type);
        }
      } else {
        bits = zero_at(source, group, n) & 0xffff;
      }
      packed |= bits << (format.half_groups > 0 ? 16 * i + 8 * high : 16 * high);
    }
  }
  return packed;
}

// Word `word` of a block, slices with codes and scales one after the other.
MACHETE_HOST_DEVICE uint32_t block_word(const PackingSource& source, const PackedLayout& layout,
                                        const RowEntry* rows, int64_t n_block, int64_t k_block,
                                        int word) {
  const int slice_words = layout.slice_bytes / 4;
  const int codes_words = layout.codes_bytes / 4;
  const int slice = word / slice_words;
  const int within = word % slice_words;
  return within < codes_words
             ? codes_word(source, rows, n_block, k_block, slice, within)
             : groups_word(source, layout, rows, n_block, k_block, slice, within - codes_words);
}

MACHETE_HOST_DEVICE PackedHeader packed_header(const PackingSource& source) {
  PackedHeader header = {};
  header.magic = kLayoutMagic;
  header.version = kLayoutVersion;
  header.types = source.types;
  header.n = source.n;
  header.k = source.k;
  header.group_size = source.group_size;
  return header;
}

}  // namespace machete
