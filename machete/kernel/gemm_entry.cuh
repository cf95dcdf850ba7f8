// The row of the dispatch table that a generated shard defines, for the tiled kernel.
#pragma once

#include "machete/kernel/gemm.cuh"
#include "machete/kernel/kernel_entry.h"

namespace machete {

template <class Types, class Schedule>
KernelEntry make_kernel_entry(const char* name) {
  using Shape = KernelShape<Types, Schedule>;
  static_assert(kMaxWidths == 4);
  return {
      name,
      {reinterpret_cast<const void*>(&gemm<Types, Schedule>)},
      Schedule::kKernelSchedule,
      info(Types::kA).bits,
      Shape::kThreads,
      Shape::kSharedBytes,
      Schedule::kTileN,
      Schedule::kTileM,
      {width<Schedule>(0), width<Schedule>(1), width<Schedule>(2), width<Schedule>(3)},
      Shape::kClusterN,
      Shape::kClusterK,
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
