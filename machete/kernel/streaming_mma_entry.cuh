// The row of the dispatch table of a streaming kernel whose warps multiply by mma.sync.
#pragma once

#include "machete/kernel/streaming_entry.cuh"
#include "machete/kernel/streaming_mma.cuh"

namespace machete {

template <class Types, class Schedule>
KernelEntry make_kernel_entry(const char* name) {
  return make_streaming_entry<Types, Schedule, WarpMultiplier>(name);
}

}  // namespace machete
