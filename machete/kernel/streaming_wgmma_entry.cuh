// The row of the dispatch table of a streaming kernel whose warpgroups multiply by wgmma.
#pragma once

#include "machete/kernel/shift.cuh"
#include "machete/kernel/streaming_entry.cuh"

// CUTLASS's header of all wgmma instructions costs each of nvcc's passes a second.
#ifdef __CUDA_ARCH__
#include "machete/kernel/streaming_wgmma.cuh"
#endif

namespace machete {

#ifndef __CUDA_ARCH__
template <class Types, class Schedule, size_t kWidth>
class WarpgroupMultiplier;
#endif

template <class Types, class Schedule>
KernelEntry make_kernel_entry(const char* name) {
  return make_streaming_entry<Types, Schedule, WarpgroupMultiplier>(name);
}

}  // namespace machete
