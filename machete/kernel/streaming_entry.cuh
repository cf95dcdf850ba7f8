// The row of the dispatch table that a generated shard defines, for streaming kernels.
#pragma once

#include "machete/kernel/kernel_entry.h"
#include "machete/kernel/streaming.cuh"

namespace machete {

template <class Types, class Schedule>
KernelEntry make_kernel_entry(const char* name) {
  KernelEntry entry = {};
  entry.name = name;
  entry.function = reinterpret_cast<const void*>(&streaming<Types, Schedule>);
  entry.schedule = KernelSchedule::kStreaming;
  entry.a_bits = info(Types::kA).bits;
  entry.threads = kMaxStreamingThreads;
  entry.shared_bytes = kMaxStreamingBytes;
  entry.tile_n = Schedule::kTileN;
  entry.tile_m = Schedule::kTileM;
  entry.cluster_n = 1;
  entry.cluster_k = 2;
  return entry;
}

}  // namespace machete
