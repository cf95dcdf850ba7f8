#include "machete/runtime/cost.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "machete/kernel/layout.h"
#include "machete/runtime/tiling.h"

namespace machete {
namespace {

// The part of the tiles' tokens that there are. Others are neither copied nor stored.
double fill(const KernelEntry& kernel, int64_t tiles_m, int64_t m) {
  return double(m) / double(tiles_m * kernel.tile_m);
}

// The part of the schedule's tile that tiles of so many tokens lack.
double spared(const KernelEntry& kernel, int tile_m) {
  return 1 - double(tile_m) / double(kernel.tile_m);
}

}  // namespace

CostTerms count_work(const KernelEntry& kernel, int64_t m, int64_t n, int64_t k,
                     int resident_clusters) {
  const TileParams plan = plan_tiles(kernel, m, n, k, resident_clusters);
  const int64_t tile_steps = ceil_div(plan.k_steps, kernel.cluster_k);
  const int64_t whole_tiles = int64_t{plan.tiles_m} * plan.tiles_n - plan.shared_tiles;
  CostTerms work = {};

  // Waves of whole tiles that fill the device, and the one that does not.
  int64_t full_waves = ceil_div(whole_tiles, resident_clusters);
  int64_t last_steps = tile_steps;
  int64_t last_clusters = plan.sharers;
  if (plan.shared_tiles > 0) {
    last_steps = ceil_div(int64_t{plan.shared_tiles} * plan.k_steps, plan.sharers);
    const bool straddles = plan.sharers % plan.shared_tiles != 0;
    work[kSharing] = 1;
    work[kStraddling] = straddles;
    work[kHelpers] = double(ceil_div(plan.k_steps, last_steps));
    work[kRereads] = straddles * (plan.raster_m - 1) * 1e-6 * double(n) * double(k);
  } else {
    full_waves -= 1;
    last_clusters = whole_tiles - full_waves * resident_clusters;
  }
  const int64_t full_steps = full_waves * tile_steps;
  const int64_t tiles = full_waves + 1;

  work[kLaunch] = 1;
  work[kTiles] = double(tiles);
  work[kSteps] = double(full_steps + last_steps);
  work[kFilledSteps] = work[kSteps] * fill(kernel, plan.tiles_m, m);
  work[kSparedSteps] = -work[kSteps] * spared(kernel, plan.tile_m);
  work[kBusySteps] = double(full_steps) + double(last_steps * last_clusters) / resident_clusters;
  work[kWeights] = 1e-6 * double(n) * double(k);
  return work;
}

namespace {

double dot(const CostTerms& a, const CostTerms& b) {
  double sum = 0;
  for (int term = 0; term < kCostTerms; ++term) sum += a[term] * b[term];
  return sum;
}

// No launch takes less: its steps as if they could be dealt out evenly. That none of them has a
// negative cost, whatever the width spares, is for who states the costs.
double lower_bound(const KernelEntry& kernel, const CostTerms& costs, int64_t tiles, int64_t m,
                   int64_t n, int64_t k, int resident_clusters) {
  const double steps =
      double(tiles) * double(k) / (double(kernel.step_k) * kernel.cluster_k * resident_clusters);
  const double step = costs[kSteps] + costs[kBusySteps] +
                      costs[kFilledSteps] * fill(kernel, ceil_div(m, kernel.tile_m), m) -
                      costs[kSparedSteps] * spared(kernel, tile_width(kernel, m));
  return costs[kLaunch] + costs[kTiles] + step * steps +
         costs[kWeights] * 1e-6 * double(n) * double(k);
}

}  // namespace

int find_fastest(const KernelEntry* const* schedules, const int* resident_clusters,
                 const Candidate* candidates, int count, int64_t m, int64_t n, int64_t k) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::array<double, kMaxCandidates> bounds = {};
  int promising = 0;
  for (int c = 0; c < count; ++c) {
    const int schedule = candidates[c].schedule;
    const int resident = resident_clusters[schedule];
    const KernelEntry& kernel = *schedules[schedule];
    const int64_t tiles = count_tiles(kernel, m, n);
    bounds[c] = resident > 0 && tiles <= kMaxTiles
                    ? lower_bound(kernel, candidates[c].costs, tiles, m, n, k, resident)
                    : kNever;
    if (bounds[c] < bounds[promising]) promising = c;
  }
  int fastest = promising;
  double least = kNever;
  const auto consider = [&](int c) {
    if (bounds[c] >= least) return;
    const int schedule = candidates[c].schedule;
    const CostTerms work = count_work(*schedules[schedule], m, n, k, resident_clusters[schedule]);
    const double time = dot(candidates[c].costs, work);
    if (time >= least) return;
    least = time;
    fastest = c;
  };
  // After the most promising one, most others need no closer look.
  consider(promising);
  for (int c = 0; c < count; ++c) {
    if (c != promising) consider(c);
  }
  return candidates[fastest].schedule;
}

}  // namespace machete
