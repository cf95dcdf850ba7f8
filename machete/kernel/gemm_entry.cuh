// The row of the dispatch table that a generated shard defines, for the tiled kernel.
#pragma once

#include <iterator>

#include "machete/kernel/gemm.cuh"
#include "machete/kernel/kernel_entry.h"

namespace machete {

// By value: a pointer to the array could be resolved to that of another library with such a family.
template <class Schedule>
constexpr int width(int index) {
  constexpr int kLast = static_cast<int>(std::size(Schedule::kWidths)) - 1;
  static_assert(kLast < kMaxWidths);
  return Schedule::kWidths[index < kLast ? index : kLast];
}

template <class Types, class Schedule>
KernelEntry make_kernel_entry(const char* name) {
  using Shape = KernelShape<Types, Schedule>;
  return {
      name,
      reinterpret_cast<const void*>(&gemm<Types, Schedule>),
      nullptr,
      Schedule::kKernelSchedule,
      info(Types::kA).bits,
      Shape::kThreads,
      Shape::kSharedBytes,
      Schedule::kTileN,
      Schedule::kTileM,
      Shape::kClusterN,
      Shape::kClusterK,
      {width<Schedule>(0), width<Schedule>(1), width<Schedule>(2)},
      Shape::kStepK,
      Shape::kStages,
      Shape::kStepStages * Shape::kActivationBytes + Shape::kWeightBytes,
      Shape::kCodeBytes,
      Shape::kStoreM,
      Shape::kPartialBytes,
      Schedule::kTileScheduler,
  };
}

}  // namespace machete
