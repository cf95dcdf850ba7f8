#include "machete/runtime/tiling.h"

#include <algorithm>

namespace machete {
namespace {

// A coarse model of an H100's time, in microseconds, for choosing how to share the last wave.
// Fitted to measurements of 100 cells (six layers of Llama-3, M from 1 to 4096, every tile shape
// whole, shared and evenly split): it picks the fastest within 0.2 % on average, 4 % at worst.
constexpr double kIngest = 38e3;         // bytes of weights and activations an SM takes in
constexpr double kStream = 2.7e6;        // bytes of weights the device streams
constexpr double kMultiply = 5.5e6;      // floating-point operations of an SM
constexpr double kHandOver = 1.25;       // flag and latency of handing over partial sums
constexpr double kHandOverBytes = 20e3;  // bytes of partial sums handed over
// Dividing tiles must promise this much, since CTAs at different places along K share less in L2.
constexpr double kWorthSharing = 0.95;

// The time of a K step, which depends on how many clusters share the stream of weights.
struct StepTime {
  StepTime(const KernelEntry& kernel, int tiles_m)
      : alone(std::max(kernel.stage_bytes / kIngest,
                       2.0 * kernel.tile_n * kernel.tile_m * kernel.stage_k / kMultiply)),
        // More tiles along M find the weights in L2.
        streamed(tiles_m > 2 ? 0
                             : 0.5 * kernel.tile_n * kernel.stage_k * kernel.cluster_n / kStream) {}

  double operator()(int clusters) const { return std::max(alone, streamed * clusters); }

  const double alone;
  const double streamed;  // of each cluster
};

}  // namespace

int64_t count_tiles(const KernelEntry& kernel, int64_t m, int64_t n) {
  return ceil_div(m, kernel.tile_m) * ceil_div(n, kernel.tile_n * kernel.cluster_n);
}

TileParams plan_tiles(const KernelEntry& kernel, int64_t m, int64_t n, int64_t k,
                      int resident_clusters) {
  TileParams tiles = {};
  tiles.tiles_m = static_cast<int>(ceil_div(m, kernel.tile_m));
  tiles.tiles_n = static_cast<int>(ceil_div(n, kernel.tile_n * kernel.cluster_n));
  tiles.k_steps = static_cast<int>(ceil_div(k, kernel.stage_k));
  tiles.raster_m = std::min(tiles.tiles_m, 16);
  tiles.sharers = 1;  // a divisor
  const int total = static_cast<int>(count_tiles(kernel, m, n));
  if (kernel.cluster_k > 1) {
    tiles.clusters = total;  // one tile each
    return tiles;
  }
  tiles.clusters = std::min(total, resident_clusters);
  const int rest = total % resident_clusters;
  if (kernel.scheduler != TileScheduler::kStreamK || rest == 0) return tiles;

  const StepTime step_time(kernel, tiles.tiles_m);
  const int waves = total / resident_clusters;
  const double full_waves = waves * tiles.k_steps * step_time(resident_clusters);
  const double alone = full_waves + tiles.k_steps * step_time(rest);
  double best = alone * kWorthSharing;
  // Evenly: every tile by the same number of clusters, or over all clusters.
  const int even = resident_clusters / rest * rest;
  for (const int sharers : {even, resident_clusters}) {
    // A share holds at least one step: who finishes a tile waits for every share of it.
    if (sharers <= rest || sharers > int64_t{rest} * tiles.k_steps) continue;
    const int steps =
        static_cast<int>(ceil_div(static_cast<int64_t>(rest) * tiles.k_steps, sharers));
    // A share that does not line up with the tiles meets one more helper.
    const int helpers = static_cast<int>(ceil_div(tiles.k_steps, steps)) + (sharers % rest != 0);
    double time = full_waves + steps * step_time(sharers);
    // Whole tiles that follow hide the handing over.
    if (waves == 0) time += kHandOver + helpers * (kernel.partial_bytes / kHandOverBytes);
    if (time >= best) continue;
    best = time;
    tiles.shared_tiles = rest;
    tiles.sharers = sharers;
    tiles.clusters = waves > 0 ? resident_clusters : sharers;
  }
  return tiles;
}

size_t workspace_bytes(const KernelEntry& kernel, const TileParams& tiles) {
  if (tiles.shared_tiles == 0) return 0;
  return kFlagsBytes +
         static_cast<size_t>(tiles.clusters) * kernel.cluster_n * kernel.partial_bytes;
}

}  // namespace machete
