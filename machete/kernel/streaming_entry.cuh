// The row of the dispatch table that a generated shard defines, for streaming kernels.
#pragma once

#include "machete/kernel/kernel_entry.h"
#include "machete/kernel/streaming.cuh"

namespace machete {

template <class Types, class Schedule, template <class, class> class Multiplier>
KernelEntry make_streaming_entry(const char* name) {
  KernelEntry entry = {};
  entry.name = name;
  entry.function = reinterpret_cast<const void*>(&streaming<Types, Schedule, Multiplier, 2>);
  entry.single_function = reinterpret_cast<const void*>(&streaming<Types, Schedule, Multiplier, 1>);
  entry.schedule = Schedule::kKernelSchedule;
  entry.a_bits = info(Types::kA).bits;
  entry.threads = max_streaming_threads(Schedule::kKernelSchedule);
  entry.shared_bytes = kMaxStreamingBytes;
  entry.tile_n = Schedule::kTileN;
  entry.tile_m = Schedule::kTileM;
  entry.cluster_n = 1;
  entry.cluster_k = 2;
  return entry;
}

}  // namespace machete
