// Computes any word of a prepacked buffer from the weights and scales it is made of. The packing
// kernel and the packing on the host both call these functions, which is why their bytes agree;
// they are integer arithmetic throughout, so no rounding mode or compiler can part them.
#pragma once

#include "machete/kernel/layout.h"

namespace machete {

struct PackingSource {
  const uint8_t* codes;    // [n, k], two 4-bit codes a byte or one 8-bit code
  const uint16_t* scales;  // [k / group_size, n], bits of a 16-bit float
  TypeSet types;
  int code_bits;
  uint32_t padding_code;  // the code of weight zero
  int64_t n;
  int64_t k;
  int64_t group_size;
};

inline PackingSource packing_source(const TypeSet& types, int64_t n, int64_t k, int64_t group_size,
                                    const void* codes, const void* scales) {
  return {static_cast<const uint8_t*>(codes),
          static_cast<const uint16_t*>(scales),
          types,
          info(types.b).bits,
          static_cast<uint32_t>(info(types.b).bias),
          n,
          k,
          group_size};
}

// floor(log2 |x|) of a 16-bit float's bits; -1000 for zero, infinity and NaN.
MACHETE_HOST_DEVICE int exponent_of(uint16_t bits, const Float16& type) {
  const int field = (bits & 0x7fff) >> type.mantissa_bits;
  uint32_t mantissa = bits & ((1u << type.mantissa_bits) - 1);
  const int all_ones = 0x7fff >> type.mantissa_bits;
  if (field == all_ones || (field == 0 && mantissa == 0)) return -1000;
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

// e such that the scales of feature n, divided by 2^e, stay below the encoding's limit.
MACHETE_HOST_DEVICE int row_exponent(const PackingSource& source, int64_t n) {
  const Encoding encoded = encoding(source.types.a, source.types.b);
  int largest = -1000;
  if (n < source.n) {
    for (int64_t group = 0; group * source.group_size < source.k; ++group) {
      const int exponent = exponent_of(source.scales[group * source.n + n], encoded.type);
      largest = exponent > largest ? exponent : largest;
    }
  }
  if (largest == -1000) return 0;
  const int e = largest + 1 - encoded.largest_scale_exponent;
  return e > 127 ? 127 : e;  // 2^e must be a finite float
}

MACHETE_HOST_DEVICE RowEntry row_entry(const PackingSource& source, const PackedLayout& layout,
                                       int64_t n) {
  const uint32_t bits = static_cast<uint32_t>(row_exponent(source, n) + 127) << 23;
  RowEntry entry = {};
#ifdef __CUDA_ARCH__
  entry.factor = __uint_as_float(bits);
#else
  __builtin_memcpy(&entry.factor, &bits, sizeof(bits));
#endif
  entry.tag = layout_tag(source.types, source.n, source.k, layout.groups_per_block);
  return entry;
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

// A code; outside the matrix the code of weight zero.
MACHETE_HOST_DEVICE uint32_t code_at(const PackingSource& source, int64_t n, int64_t k) {
  if (n >= source.n || k >= source.k) return source.padding_code;
  const int64_t bit = (n * source.k + k) * source.code_bits;
  return source.codes[bit / 8] >> bit % 8 & ((1u << source.code_bits) - 1);
}

// Word `word` of a slice's codes.
MACHETE_HOST_DEVICE uint32_t codes_word(const PackingSource& source, int64_t n_block,
                                        int64_t k_block, int slice, int word) {
  const int bits = source.code_bits;
  uint32_t packed = 0;
  for (int i = 0; i < 32 / bits; ++i) {
    const CodePosition at = code_position(bits, slice, word, i);
    packed |= code_at(source, n_block * kBlockN + at.row, k_block * kBlockK + at.k) << (bits * i);
  }
  return rotate_left(packed, encoding(source.types.a, source.types.b).code_shift);
}

// Word `word` of a slice's scales: two features' scales for one group. `rows` are the buffer's.
MACHETE_HOST_DEVICE uint32_t scales_word(const PackingSource& source, const PackedLayout& layout,
                                         const RowEntry* rows, int64_t n_block, int64_t k_block,
                                         int slice, int word) {
  const Encoding encoded = encoding(source.types.a, source.types.b);
  const int64_t k = k_block * kBlockK + word / 8 * (kBlockK / layout.groups_per_block);
  if (k >= source.k) return 0;
  const int64_t group = k / source.group_size;
  uint32_t packed = 0;
  for (int high = 0; high < 2; ++high) {
    const int64_t n = n_block * kBlockN + slice * kSliceN + word % 8 + high * 8;
    if (n >= source.n) continue;
    const int power = encoded.code_exponent(high != 0) - exponent_of_entry(rows[n]);
    const uint16_t scale =
        times_power_of_two(source.scales[group * source.n + n], power, encoded.type);
    packed |= static_cast<uint32_t>(scale) << (16 * high);
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
             ? codes_word(source, n_block, k_block, slice, within)
             : scales_word(source, layout, rows, n_block, k_block, slice, within - codes_words);
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
