// The prepacked layout: one stream of blocks, each holding everything that 64 features x 128 input
// features need. Shared by the kernels, the packing kernel and the packing on the host.
//
//     header        128 bytes   what the buffer was packed for
//     rows          8 bytes     a RowEntry for each feature, to a multiple of 128 bytes
//     blocks                    [N / 256][K / 128][4 along N], N and K rounded up
//       slice       4           the 16 features that one warp multiplies
//         codes     256 bytes   for each bit of a code: [k / 64: 2][bits / 4][lane: 32][16 bytes]
//         scales    32 bytes    for each group: [r: 8] {row r, row r + 8}, 16 bits each
//
// A lane's codes of 64 input features are its A fragments of four k16 steps of wgmma (and of
// mma.m16n8k16, which has the same order), bits / 4 words for each step. Fragment register p holds
// row lane / 4 + 8 * (p & 1), k = 2 * (lane % 4) + 8 * (p >> 1) and, in its upper half, k + 1.
//
//     4 bits   nibble p of the word: the even k of register p; nibble p + 4: the odd k
//     8 bits   bytes of the first word: registers 0 and 1, even k before odd k; of the second word:
//              registers 2 and 3
//
// So any kernel reads a slice with 128-bit shared-memory loads without conflicts, and a kernel may
// take features in units of 16.
//
// Codes are dequantised by one instruction that leaves a pair of them alone and one FMA
// (dequantise.cuh). A code alone in the low bits of a 16-bit float is worth code * 2^-q (Encoding),
// so the scale is stored multiplied by 2^q. To keep it finite it is also divided by a power of two
// for each feature, which the epilogue multiplies back, in fp32 (RowEntry). Both are exact for
// scales down to 2^-24 of the feature's largest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "machete/types.h"

#ifdef __CUDACC__
#define MACHETE_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define MACHETE_HOST_DEVICE inline
#endif

namespace machete {

constexpr uint32_t kLayoutMagic = 0x5448434d;  // "MCHT"
constexpr uint32_t kLayoutVersion = 1;

constexpr int kBlockN = 64;   // features: rows of a wgmma instruction
constexpr int kBlockK = 128;  // input features
constexpr int kSliceN = 16;   // features of a warp
constexpr int kSlices = kBlockN / kSliceN;
constexpr int kPanelBlocks = 4;  // blocks along N that lie next to each other
constexpr int kPanelSlices = kPanelBlocks * kSlices;
constexpr int kMaxGroupsPerBlock = 2;  // group size 64 and up
constexpr int kScaleBytes = 2;         // of a group scale, whichever 16-bit type

struct PackedHeader {
  uint32_t magic;
  uint32_t version;
  TypeSet types;
  int64_t n;
  int64_t k;
  int64_t group_size;
  uint8_t unused[128 - 40];
};
static_assert(sizeof(PackedHeader) == 128);

// A feature's part of the epilogue.
struct RowEntry {
  float factor;  // undoes the power of two taken out of the feature's scales
  uint32_t tag;  // layout_tag() of the buffer; the kernel answers another one with NaN
};

// Sizes and offsets of a packed buffer.
struct PackedLayout {
  int n_blocks;
  int k_blocks;
  int groups_per_block;  // along K; groups of 128 and more: 1
  int codes_bytes;       // of a slice
  int slice_bytes;
  int block_bytes;
  size_t rows_offset;
  size_t blocks_offset;
  size_t total_bytes;
};

MACHETE_HOST_DEVICE constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

MACHETE_HOST_DEVICE constexpr int code_bytes_per_slice(int bits) {
  return kSliceN * kBlockK * bits / 8;
}

MACHETE_HOST_DEVICE constexpr int scale_bytes_per_slice(int groups_per_block) {
  return kSliceN * kScaleBytes * groups_per_block;
}

MACHETE_HOST_DEVICE constexpr PackedLayout packed_layout(int bits, int64_t n, int64_t k,
                                                         int64_t group_size) {
  PackedLayout layout = {};
  layout.n_blocks = static_cast<int>(ceil_div(n, kPanelBlocks * kBlockN)) * kPanelBlocks;
  layout.k_blocks = static_cast<int>(ceil_div(k, kBlockK));
  // A group that ends inside a block is the only one there when it spans the whole of K.
  layout.groups_per_block =
      group_size < kBlockK && group_size < k ? static_cast<int>(kBlockK / group_size) : 1;
  layout.codes_bytes = code_bytes_per_slice(bits);
  layout.slice_bytes = layout.codes_bytes + scale_bytes_per_slice(layout.groups_per_block);
  layout.block_bytes = kSlices * layout.slice_bytes;
  layout.rows_offset = sizeof(PackedHeader);
  layout.blocks_offset = layout.rows_offset +
                         ceil_div(int64_t{layout.n_blocks} * kBlockN * sizeof(RowEntry), 128) * 128;
  layout.total_bytes = layout.blocks_offset +
                       static_cast<size_t>(layout.n_blocks) * layout.k_blocks * layout.block_bytes;
  return layout;
}

// Where a block lies among the blocks; check_problem() keeps their number within an int.
MACHETE_HOST_DEVICE constexpr int block_index(int n_block, int k_block, int k_blocks) {
  return (n_block / kPanelBlocks * k_blocks + k_block) * kPanelBlocks + n_block % kPanelBlocks;
}

// Tells buffers apart in the kernel: everything that decides how the bytes are read.
MACHETE_HOST_DEVICE constexpr uint32_t layout_tag(const TypeSet& types, int64_t n, int64_t k,
                                                  int groups_per_block) {
  uint32_t hash = 2166136261u;  // FNV-1a's offset and prime, over words instead of bytes
  const uint64_t words[] = {kLayoutVersion,
                            static_cast<uint64_t>(types.a),
                            static_cast<uint64_t>(types.b),
                            static_cast<uint64_t>(types.b_group_scale),
                            static_cast<uint64_t>(types.b_group_zeropoint),
                            static_cast<uint64_t>(n),
                            static_cast<uint64_t>(k),
                            static_cast<uint64_t>(groups_per_block)};
  for (uint64_t word : words) {
    hash = (hash ^ static_cast<uint32_t>(word)) * 16777619u;
    hash = (hash ^ static_cast<uint32_t>(word >> 32)) * 16777619u;
  }
  return hash;
}

// A 16-bit floating-point type.
struct Float16 {
  int smallest_exponent;  // the smallest subnormal is 2^-smallest_exponent
  int mantissa_bits;
  int exponent_bias;
};

// How the codes of a type of weights are turned into a 16-bit type of activations.
struct Encoding {
  Float16 type;  // of activations, scales and dequantised weights
  // Where a code lies once it is alone in its half of a register: its lowest bit in rows r of a
  // slice, and how much further up that is in rows r + 8.
  int code_shift;
  int upper_shift;
  // The scales of a feature are divided by a power of two, so that the largest is below
  // 2^largest_scale_exponent. Multiplied by 2^q it is then finite.
  int largest_scale_exponent;

  // q: a code alone in its half of a register is worth code * 2^-q. Below the exponent's bits it is
  // a subnormal. In bf16, which has 7 bits there, an 8-bit code reaches the exponent's lowest bit,
  // and the numbers with that bit follow the subnormals at the same distance.
  MACHETE_HOST_DEVICE constexpr int code_exponent(bool upper_row) const {
    return type.smallest_exponent - code_shift - (upper_row ? upper_shift : 0);
  }
};

MACHETE_HOST_DEVICE constexpr Encoding encoding(DataType a, DataType b) {
  const bool is_f16 = a == DataType::kF16;
  const Float16 type = is_f16 ? Float16{24, 10, 15} : Float16{133, 7, 127};
  // f16 ends at 2^16, and q is 24.
  if (b == DataType::kU8B128) return {type, 0, 0, is_f16 ? -8 : -7};
  // f16 keeps 10 bits below its exponent; codes two bits further up leave its scales two more
  // binades above underflow.
  return {type, is_f16 ? 2 : 0, 4, -7};
}

// Codes lie in a slice by k64 halves, 16-byte vectors, lanes; each k16 step has bits / 4 words.
struct CodePosition {
  int row;  // of the block
  int k;    // of the block
};

// Where code `index` of a slice's word comes from, counted from the word's lowest bits.
MACHETE_HOST_DEVICE constexpr CodePosition code_position(int bits, int slice, int word, int index) {
  const int step_words = bits / 4;
  const int half = word / (128 * step_words);
  const int vector = word / 128 % step_words;
  const int lane = word / 4 % 32;
  const int lane_word = vector * 4 + word % 4;  // among the lane's of this half
  const int step = lane_word / step_words;
  // A step's codes, eight a lane: 4-bit ones have the even k of all registers first.
  const int p = bits == 4 ? index % 4 : lane_word % step_words * 2 + index / 2;
  const int odd = bits == 4 ? index / 4 : index % 2;
  return {slice * kSliceN + lane / 4 + (p & 1) * 8,
          half * 64 + step * 16 + lane % 4 * 2 + (p >> 1) * 8 + odd};
}

MACHETE_HOST_DEVICE constexpr uint32_t rotate_left(uint32_t word, int bits) {
  return bits == 0 ? word : (word << bits) | (word >> (32 - bits));
}

}  // namespace machete
