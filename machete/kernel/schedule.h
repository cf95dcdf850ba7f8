// What distinguishes one compiled kernel of a type pair from another.
#pragma once

namespace machete {

// How the warps of a CTA share a tile.
enum class KernelSchedule {
  kCooperative,  // consumer warpgroups take different features
  kSlicedK,      // two warpgroups take alternate K blocks of the same 64 features and add up
  // The streaming kernels (streaming.cuh), which share out the features evenly:
  kStreaming,       // single warps multiply, by mma.sync
  kStreamingWgmma,  // warpgroups multiply, by wgmma
};

constexpr bool is_streaming(KernelSchedule schedule) {
  return schedule == KernelSchedule::kStreaming || schedule == KernelSchedule::kStreamingWgmma;
}

// How tiles are dealt out to CTAs.
enum class TileScheduler {
  kPersistent,  // whole tiles only
  kStreamK,     // the tiles of the last, partial wave may be shared along K
};

}  // namespace machete
