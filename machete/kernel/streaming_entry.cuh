// The row of the dispatch table that a generated shard defines, for streaming kernels.
#pragma once

#include <cstddef>
#include <iterator>
#include <utility>

#include "machete/kernel/kernel_entry.h"
#include "machete/kernel/streaming.cuh"

namespace machete {

template <class Types, class Schedule, template <class, class, size_t> class Multiplier,
          size_t... kIndices>
void set_streaming_functions(KernelEntry& entry, std::index_sequence<kIndices...>) {
  static_assert(2 * sizeof...(kIndices) <= kMaxFunctions);
  ((entry.functions[2 * kIndices] =
        reinterpret_cast<const void*>(&streaming<Types, Schedule, Multiplier, kIndices, 2>)),
   ...);
  ((entry.functions[2 * kIndices + 1] =
        reinterpret_cast<const void*>(&streaming<Types, Schedule, Multiplier, kIndices, 1>)),
   ...);
}

template <class Types, class Schedule, template <class, class, size_t> class Multiplier>
KernelEntry make_streaming_entry(const char* name) {
  KernelEntry entry = {};
  entry.name = name;
  set_streaming_functions<Types, Schedule, Multiplier>(
      entry, std::make_index_sequence<std::size(Schedule::kWidths)>());
  entry.schedule = Schedule::kKernelSchedule;
  entry.a_bits = info(Types::kA).bits;
  entry.threads = max_streaming_threads(Schedule::kKernelSchedule);
  entry.shared_bytes = kMaxStreamingBytes;
  entry.tile_n = Schedule::kTileN;
  entry.tile_m = Schedule::kTileM;
  for (int i = 0; i < kMaxWidths; ++i) entry.widths[i] = width<Schedule>(i);
  entry.cluster_n = 1;
  entry.cluster_k = 2;
  return entry;
}

}  // namespace machete
