// The prepacked layout: one stream of blocks, each holding everything that 64 features x 128 input
// features need. Shared by the kernels, the packing kernel and the packing on the host.
//
//     header        128 bytes   what the buffer was packed for
//     rows          8 bytes     a RowEntry for each feature, to a multiple of 128 bytes
//     blocks                    [N / 256][K / 128][4 along N], N and K rounded up
//       slice       4           the 16 features that one warp multiplies
//         codes     256 bytes   for each bit of a code: [k / 64: 2][bits / 4][lane: 32][16 bytes]
//         groups                scales and zero points (GroupFormat)
//
// A lane's codes are its A fragments of one step of wgmma after the other (and of mma.sync, which
// has the same order). A step is 16 input features for activations of 16 bits, c = 2 of them a
// register, and 32 for those of 8 bits, c = 4. Fragment register p holds row
// lane / 4 + 8 * (p & 1) and k = c * (lane % 4) + 4 * c * (p >> 1) to k + c - 1. The four registers
// of a step share c * bits / 8 words, registers 0 and 1 the first of two; how: encoding.h.
//
// So any kernel reads a slice with 128-bit shared-memory loads without conflicts, and a kernel may
// take features in units of 16.
//
// Scales are stored multiplied by 2^q (encoding.h). To keep them finite they are also divided by a
// power of two for each feature, which the epilogue multiplies back, in fp32 (RowEntry). Both are
// exact for scales down to 2^-24 of the feature's largest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "machete/kernel/encoding.h"
#include "machete/types.h"

namespace machete {

constexpr uint32_t kLayoutMagic = 0x5448434d;  // "MCHT"
constexpr uint32_t kLayoutVersion = 2;

constexpr int kBlockN = 64;   // features: rows of a wgmma instruction
constexpr int kBlockK = 128;  // input features
constexpr int kSliceN = 16;   // features of a warp
constexpr int kSlices = kBlockN / kSliceN;
constexpr int kPanelBlocks = 4;  // blocks along N that lie next to each other
constexpr int kPanelSlices = kPanelBlocks * kSlices;

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
  float factor;  // the power of two taken out of the feature's scales, times its other scales
  uint32_t tag;  // layout_tag() of the buffer; the kernel answers another one with NaN
};

// How the scales and zero points of a slice's groups are stored: in parts, of which a lane reads
// one at a time, that of its rows r = lane / 4 and r + 8.
//
//     16-bit scales   a part a group: [group][r: 8] {scale of row r, of row r + 8} and, where there
//                     are zero points, {zero point of row r, of row r + 8}, 16 bits each
//     8-bit scales    a part for 64 input features: [k / 64: 2][r: 8][group] {scale of row r, of
//                     row r + 8}, 8 bits each
//     none            no part; the features' factors have all scales
//
// Scales of the activations' own 8 bits are stored in 16: those of e4m3 as f16, those of s8 as
// integers.
//
// A zero point has its integer part in its upper byte and 1/256ths in its lower one.
struct GroupFormat {
  bool has_zeros;
  int half_groups;  // 8-bit scales: groups of 64 input features; else 0, the layer decides
  int part_bytes;   // that a lane reads
};

constexpr GroupFormat group_format(DataType a, DataType scale, DataType zeropoint) {
  if (scale == DataType::kVoid) return {false, 0, 0};
  if (info(a).bits == 8) return {false, 0, 4};
  if (scale == DataType::kUE8M0) return {false, 2, 4};
  if (scale == DataType::kE4M3) return {false, 4, 8};
  const bool has_zeros = zeropoint != DataType::kVoid;
  return {has_zeros, 0, has_zeros ? 8 : 4};
}

// Whether the sums of each group are scaled apart, before they are added to those of the tile.
constexpr bool promotes(DataType a, DataType group_scale) {
  return group_scale != DataType::kVoid && !scales_weights(a, group_scale);
}

// Of 16-bit scales: group size 32 and up, with activations of 8 bits 128 and up.
constexpr int max_groups_per_block(int a_bits) { return a_bits == 16 ? 4 : 1; }

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

// Parts of the groups of a slice.
MACHETE_HOST_DEVICE constexpr int group_parts(const GroupFormat& format, int groups_per_block) {
  if (format.part_bytes == 0) return 0;
  return format.half_groups > 0 ? 2 : groups_per_block;
}

MACHETE_HOST_DEVICE constexpr int part_bytes_per_slice(const GroupFormat& format) {
  return kSliceN / 2 * format.part_bytes;
}

constexpr PackedLayout packed_layout(const TypeSet& types, int64_t n, int64_t k,
                                     int64_t group_size) {
  const GroupFormat format = group_format(types.a, types.b_group_scale, types.b_group_zeropoint);
  PackedLayout layout = {};
  layout.n_blocks = static_cast<int>(ceil_div(n, kPanelBlocks * kBlockN)) * kPanelBlocks;
  layout.k_blocks = static_cast<int>(ceil_div(k, kBlockK));
  if (format.half_groups > 0) {
    layout.groups_per_block = 2 * format.half_groups;
  } else if (group_size == k || group_size % kBlockK == 0) {
    layout.groups_per_block = 1;  // a group that spans the whole of K may end inside a block
  } else {
    layout.groups_per_block = group_size % 64 == 0 ? 2 : 4;
  }
  layout.codes_bytes = code_bytes_per_slice(info(types.b).bits);
  layout.slice_bytes = layout.codes_bytes +
                       group_parts(format, layout.groups_per_block) * part_bytes_per_slice(format);
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

struct CodePosition {
  int row;  // of the block
  int k;    // of the block, the first of the register's
};

// Input features in a register of an A fragment.
MACHETE_HOST_DEVICE constexpr int register_codes(int a_bits) { return 32 / a_bits; }

// Words that the four registers of a step share.
MACHETE_HOST_DEVICE constexpr int step_words(int a_bits, int bits) {
  return register_codes(a_bits) * bits / 8;
}

// Where the codes of register `word_register` of a slice's word come from.
MACHETE_HOST_DEVICE constexpr CodePosition code_position(int a_bits, int bits, int slice, int word,
                                                         int word_register) {
  const int vectors = bits / 4;  // of a lane, for 64 input features
  const int half = word / (128 * vectors);
  const int lane = word / 4 % 32;
  const int lane_word = word / 128 % vectors * 4 + word % 4;  // among the lane's of this half
  const int words = step_words(a_bits, bits);
  const int codes = register_codes(a_bits);
  const int p = lane_word % words * (4 / words) + word_register;
  return {slice * kSliceN + lane / 4 + (p & 1) * 8,
          half * 64 + lane_word / words * 8 * codes + lane % 4 * codes + (p >> 1) * 4 * codes};
}

}  // namespace machete
