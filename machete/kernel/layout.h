// The prepacked layout: one stream of blocks, each holding everything that 64 features x 128 input
// features need. Shared by the kernels, the packing kernel and the packing on the host.
//
//     header        128 bytes   what the buffer was packed for
//     rows          8 bytes     a RowEntry for each feature, to a multiple of 128 bytes
//     blocks                    [N / 256][K / 128][4 along N], N and K rounded up
//       slice       4           the 16 features that one warp multiplies
//         codes     1024 bytes  [k / 64: 2][lane: 32][16 bytes]   (4-bit codes)
//         scales    32 bytes    for each group: [r: 8] {row r, row r + 8}, 16 bits each
//
// A lane's 16 bytes are the A fragments of four k16 steps of wgmma (and of mma.m16n8k16, which has
// the same order), a word each: the code in nibble p (even k) and p + 4 (odd k) belongs to fragment
// register p, that is to row lane / 4 + 8 * (p & 1) and k = 2 * (lane % 4) + 8 * (p >> 1). So any
// kernel reads a slice with 128-bit shared-memory loads without conflicts, and a kernel may take
// features in units of 16.
//
// Codes are dequantised by one AND and one FMA a pair (dequantise.cuh). A code alone in the low
// bits of a 16-bit float is a subnormal, code * 2^-q, so the scale is stored multiplied by 2^q. To
// keep it finite it is also divided by a power of two for each feature, which the epilogue
// multiplies back, in fp32 (RowEntry). Both are exact for scales down to 2^-24 of the feature's
// largest.
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
constexpr int kPanelBlocks = 4;        // blocks along N that lie next to each other
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

// How codes and scales are encoded for activations of a 16-bit floating-point type.
struct Encoding {
  // The lowest bit of a word's first code. bf16 keeps 7 bits below its exponent, so codes start at
  // bit 0; f16 keeps 10, and starting at bit 2 leaves its scales two more binades above underflow.
  int code_shift;
  int smallest_exponent;  // the type's smallest subnormal is 2^-smallest_exponent
  int mantissa_bits;
  int exponent_bias;
};

MACHETE_HOST_DEVICE constexpr Encoding encoding(DataType a) {
  return a == DataType::kF16 ? Encoding{2, 24, 10, 15} : Encoding{0, 133, 7, 127};
}

// Scales of a feature are divided by a power of two so that the largest lies in
// [2^-8, 2^-7): then 2^(q + 7) stays below the largest f16 and bf16.
constexpr int kLargestScaleExponent = -7;

// Where a word of a block's codes comes from.
struct CodePosition {
  int row;  // of the block, of the code in nibble 0
  int k;    // of the block, of the code in nibble 0
};

MACHETE_HOST_DEVICE constexpr CodePosition code_position(int slice, int word) {
  const int half = word / 128;  // k64
  const int lane = word / 4 % 32;
  const int step = word % 4;  // k16
  return {slice * kSliceN + lane / 4, half * 64 + step * 16 + lane % 4 * 2};
}

// Row and k of nibble p (0..7), relative to nibble 0.
MACHETE_HOST_DEVICE constexpr int nibble_row(int p) { return (p & 1) * 8; }
MACHETE_HOST_DEVICE constexpr int nibble_k(int p) { return ((p >> 1) & 1) * 8 + (p >> 2); }

MACHETE_HOST_DEVICE constexpr uint32_t rotate_left(uint32_t word, int bits) {
  return bits == 0 ? word : (word << bits) | (word >> (32 - bits));
}

}  // namespace machete
