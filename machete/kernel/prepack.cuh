// Packs weights and scales on the GPU: the functions of packing.h, a thread a word.
#pragma once

#include "machete/kernel/packing.h"
#include "machete/runtime/family.h"

namespace machete {

template <class Types>
__global__ void pack_rows(PackingSource source, PackedLayout layout, uint8_t* packed) {
  const int64_t n = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (n == 0) *reinterpret_cast<PackedHeader*>(packed) = packed_header(source);
  if (n >= layout.n_blocks * kBlockN) return;
  reinterpret_cast<RowEntry*>(packed + layout.rows_offset)[n] = row_entry(source, layout, n);
}

// After pack_blocks(), which needs the exponents alone.
template <class Types>
__global__ void finish_rows(PackingSource source, PackedLayout layout, uint8_t* packed) {
  const int64_t n = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  finish_row(source, n, reinterpret_cast<RowEntry*>(packed + layout.rows_offset) + n);
}

// Reads the exponents that pack_rows() has stored. A CTA packs a block of the layout.
template <class Types>
__global__ void pack_blocks(PackingSource source, PackedLayout layout, uint8_t* packed) {
  const auto* rows = reinterpret_cast<const RowEntry*>(packed + layout.rows_offset);
  const int n_block = static_cast<int>(blockIdx.x) / layout.k_blocks;
  const int k_block = static_cast<int>(blockIdx.x) % layout.k_blocks;
  auto* words = reinterpret_cast<uint32_t*>(
      packed + layout.blocks_offset +
      int64_t{block_index(n_block, k_block, layout.k_blocks)} * layout.block_bytes);
  for (int word = threadIdx.x; word < layout.block_bytes / 4; word += blockDim.x) {
    words[word] = block_word(source, layout, rows, n_block, k_block, word);
  }
}

// Types: kA (activations), kBBits, kConvert (what the weights are dequantised to), kAccumulator.
template <class Types>
Status prepack_B(const PrepackArgs& args) {
  static_assert(Types::kBBits == 4 || Types::kBBits == 8);
  const ProblemDesc& desc = args.desc;
  const PackingSource source = packing_source(desc, args.weights);
  const PackedLayout layout = packed_layout(desc.types, desc.n, desc.k, desc.group_size);
  auto* packed = static_cast<uint8_t*>(args.packed);
  constexpr int kThreads = 256;
  const auto row_ctas = static_cast<unsigned>(ceil_div(layout.n_blocks * kBlockN, kThreads));
  pack_rows<Types><<<row_ctas, kThreads, 0, args.stream>>>(source, layout, packed);
  const auto blocks = static_cast<unsigned>(layout.n_blocks) * layout.k_blocks;
  pack_blocks<Types><<<blocks, kThreads, 0, args.stream>>>(source, layout, packed);
  finish_rows<Types><<<row_ctas, kThreads, 0, args.stream>>>(source, layout, packed);
  const cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) return Status();
  return Status::failure(StatusCode::kCudaError, "launching the packing kernels: %s",
                         cudaGetErrorString(error));
}

}  // namespace machete
