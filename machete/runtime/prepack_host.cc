// Packing on the host: needs no GPU and no family to be linked in.
#include <cstring>

#include "machete/kernel/packing.h"
#include "machete/machete.h"
#include "machete/runtime/check.h"

namespace machete {

Status prepack_B_host(const ProblemDesc& desc, const Weights& weights, void* packed) {
  Status status = check_problem(desc);
  if (!status.ok()) return status;
  status = check_packing(desc, weights, packed, 4);
  if (!status.ok()) return status;
  const PackingSource source = packing_source(desc, weights);
  const PackedLayout layout = packed_layout(desc.types, desc.n, desc.k, desc.group_size);
  auto* bytes = static_cast<uint8_t*>(packed);
  const PackedHeader header = packed_header(source);
  std::memcpy(bytes, &header, sizeof(header));
  auto* rows = reinterpret_cast<RowEntry*>(bytes + layout.rows_offset);
  const size_t rows_bytes = layout.blocks_offset - layout.rows_offset;
  std::memset(rows, 0, rows_bytes);
  for (int64_t n = 0; n < layout.n_blocks * kBlockN; ++n) rows[n] = row_entry(source, layout, n);
  for (int n_block = 0; n_block < layout.n_blocks; ++n_block) {
    for (int k_block = 0; k_block < layout.k_blocks; ++k_block) {
      auto* words = reinterpret_cast<uint32_t*>(
          bytes + layout.blocks_offset +
          int64_t{block_index(n_block, k_block, layout.k_blocks)} * layout.block_bytes);
      for (int word = 0; word < layout.block_bytes / 4; ++word) {
        words[word] = block_word(source, layout, rows, n_block, k_block, word);
      }
    }
  }
  for (int64_t n = 0; n < desc.n; ++n) finish_row(source, n, &rows[n]);
  return Status();
}

}  // namespace machete
