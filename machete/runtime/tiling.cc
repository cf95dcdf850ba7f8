#include "machete/runtime/tiling.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace machete {
namespace {

// A coarse model of an H100's time, in microseconds, for choosing how to share the last wave. The
// rates were fitted to measurements of six layers of Llama 3, M from 1 to 4096, every tile shape
// whole, shared and evenly split; what handing over costs, to the larger table of docs/tuning.md.
constexpr double kIngest = 38e3;         // bytes of weights and activations an SM takes in
constexpr double kStream = 2.7e6;        // bytes of weights the device streams
constexpr double kMultiply = 5.5e6;      // operations of an SM on 16-bit activations
constexpr double kHandOver = 2;          // of partial sums: flags and latency
constexpr double kStraddle = 1;          // shares that do not line up with the tiles
constexpr double kHandOverBytes = 90e3;  // bytes of partial sums handed over, by each helper
// Not what handing over costs a launch, but how long after a share's end its sums can be read by
// who finishes the tile: between what was best of 0 to 4 us for each of seven tiles
// (docs/experiments.md).
constexpr double kArrival = 0.5;        // flags and latency
constexpr double kArrivalBytes = 35e3;  // bytes of them
// Tokens, at most, whose tiles are walked before the next features: CTAs at work at the same time
// then read about as many bytes of weights as of activations.
constexpr int kBandTokens = 1024;
// Dividing tiles must promise this much, since CTAs at different places along K share less in L2.
constexpr double kWorthSharing = 0.95;

// Of the streaming kernel, from measurements of eleven layers: half as many bytes in flight cost 15
// to 20 % on wide layers, half as many again 1 to 3 %, since at the start everything else then
// waits in line behind weights. That matters less to a CTA with a long way along K.
constexpr int kBytesInFlight = 64 * 1024;
constexpr int kLongBytesInFlight = 72 * 1024;
constexpr int kLongBlocks = 64;  // along K, of a CTA
// A third stage for each consumer, beside the one that it multiplies, is worth going up to this: 2
// to 10 % on an H200 where there were two.
constexpr int kMostBytesInFlight = 80 * 1024;
// Slices for each CTA up to which pairs split K all the same: copies of fewer slices are too small.
constexpr int kFewSlices = 4;
// But so many are enough where all of K is short, if slices are at least this part of them (four of
// five CTAs then have as many): 0 to 10 % faster with N = 8192. Along a longer K a CTA requests 24
// bytes a nanosecond by such copies: what memory gives on an H100 (132 x 24 = 3.2 TB/s), not on an
// H200, where pairs are up to 21 % faster.
constexpr double kWellFilled = 0.95;
constexpr int kShortBlocks = 32;  // along K, all of it
// K blocks of a CTA from which on four warpgroups along K gain nothing over two; each must have
// kGoodTurns stages: with two, which is what weights of 8 bits leave, they lose 2 to 14 %.
constexpr int kManyBlocks = 32;
constexpr int kGoodTurns = 3;
// Programmatic dependent launch: of a CTA's weights the ring holds one in so many at least where
// the next kernel is held back,
constexpr int kRingShare = 2;
// and this much shared memory lets two CTAs on an SM, which has 228 KiB and keeps one for each.
constexpr int kHalfSmBytes = 113 * 1024;

// The time of a K step, which depends on how many clusters share the stream of weights. As if tiles
// had their full width: narrower ones are shared no differently.
struct StepTime {
  StepTime(const KernelEntry& kernel, int tiles_m)
      : alone(std::max(kernel.step_bytes / kIngest, 2.0 * kernel.tile_n * kernel.tile_m *
                                                        kernel.step_k * (kernel.a_bits / 16.0) /
                                                        kMultiply)),
        // More tiles along M find the weights in L2.
        streamed(tiles_m > 2 ? 0 : double(kernel.code_bytes) * kernel.cluster_n / kStream) {}

  double operator()(int clusters) const { return std::max(alone, streamed * clusters); }

  const double alone;
  const double streamed;  // of each cluster
};

// How clusters of so many CTAs share the features.
StreamingTiles share_slices(const KernelEntry& kernel, int slices, int cluster, int resident_ctas) {
  StreamingTiles tiles = {};
  tiles.cluster = cluster;
  tiles.clusters = std::min(slices, resident_ctas / cluster);
  tiles.cluster_slices = slices / tiles.clusters;
  tiles.extra = slices % tiles.clusters;
  const int width = tiles.cluster_slices + (tiles.extra > 0);
  tiles.passes = static_cast<int>(ceil_div(width * kSliceN, kernel.tile_n));
  tiles.pass_slices = static_cast<int>(ceil_div(width, tiles.passes));
  const StreamingWarps warps = streaming_warps(kernel.schedule);
  tiles.warps_n =
      static_cast<int>(ceil_div(tiles.pass_slices, warps.slices * warps.team)) * warps.team;
  return tiles;
}

// Without clusters, unless CTAs would have few slices, or more to multiply than in clusters: warps
// multiply what they have room for. What a cluster exchanges and waits for takes 0.9 us a launch.
StreamingTiles choose_cluster(const KernelEntry& kernel, int slices, int k_blocks,
                              int resident_ctas) {
  const StreamingTiles split = share_slices(kernel, slices, kernel.cluster_k, resident_ctas);
  const StreamingTiles whole = share_slices(kernel, slices, 1, resident_ctas);
  const bool enough =
      slices >= kWellFilled * kFewSlices * resident_ctas && k_blocks <= kShortBlocks;
  const bool few = slices <= kFewSlices * resident_ctas && !enough;
  const bool more = whole.passes * whole.warps_n * kernel.cluster_k > split.passes * split.warps_n;
  return few || more ? split : whole;
}

}  // namespace

int width_index(const KernelEntry& kernel, int64_t m) {
  const int64_t tiles = std::max<int64_t>(ceil_div(m, kernel.tile_m), 1);
  const int64_t tokens = ceil_div(m, tiles);
  const int* first = std::begin(kernel.widths);
  return static_cast<int>(std::lower_bound(first, std::end(kernel.widths), tokens) - first);
}

int tile_width(const KernelEntry& kernel, int64_t m) {
  return kernel.widths[width_index(kernel, m)];
}

int64_t count_tiles(const KernelEntry& kernel, int64_t m, int64_t n) {
  return ceil_div(m, kernel.tile_m) * ceil_div(n, kernel.tile_n * kernel.cluster_n);
}

TileParams plan_tiles(const KernelEntry& kernel, int64_t m, int64_t n, int64_t k,
                      int resident_clusters) {
  TileParams tiles = {};
  tiles.tiles_m = static_cast<int>(ceil_div(m, kernel.tile_m));
  tiles.tile_m = tile_width(kernel, m);
  tiles.tiles_n = static_cast<int>(ceil_div(n, kernel.tile_n * kernel.cluster_n));
  tiles.k_steps = static_cast<int>(ceil_div(k, kernel.step_k));
  tiles.raster_m = std::min(tiles.tiles_m, kBandTokens / kernel.tile_m);
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
  const double wave = tiles.k_steps * step_time(resident_clusters);
  double best = (waves * wave + tiles.k_steps * step_time(rest)) * kWorthSharing;
  const auto consider = [&](int shared, int sharers) {
    // A share holds at least one step: who finishes a tile waits for every share of it.
    if (sharers > int64_t{shared} * tiles.k_steps) return;
    const int steps = static_cast<int>(ceil_div(int64_t{shared} * tiles.k_steps, sharers));
    // A share that does not line up with the tiles meets one more helper.
    const bool straddles = sharers % shared != 0;
    const int64_t helpers = ceil_div(tiles.k_steps, steps) - 1 + straddles;
    const int whole_waves = (total - shared) / resident_clusters;
    const double time = whole_waves * wave + steps * step_time(sharers) + kHandOver +
                        straddles * kStraddle + helpers * (kernel.partial_bytes / kHandOverBytes);
    if (time >= best) return;
    best = time;
    tiles.shared_tiles = shared;
    tiles.sharers = sharers;
    tiles.clusters = total < resident_clusters ? sharers : resident_clusters;
  };
  // Every tile of the last wave by as many clusters, or by half as many, and so on.
  for (int64_t each = std::min(resident_clusters / rest, tiles.k_steps); each > 1; each /= 2) {
    consider(rest, static_cast<int>(rest * each));
  }
  // Over all clusters; with the wave before it, no tile then has more than two shares.
  consider(rest, resident_clusters);
  if (waves > 0) consider(rest + resident_clusters, resident_clusters);
  // With shares shorter than a tile some have no end of one, and hand over at their end: whoever
  // waits for these has as many steps more.
  if (tiles.shared_tiles < tiles.sharers) {
    const double arrival = kArrival + kernel.partial_bytes / kArrivalBytes;
    const int extra = static_cast<int>(std::lround(arrival / step_time(tiles.sharers)));
    const int least = static_cast<int>(ceil_div(tiles.sharers, tiles.shared_tiles));
    tiles.extra_steps = std::min(extra, tiles.k_steps - least);
  }
  return tiles;
}

StreamingTiles plan_streaming_tiles(const KernelEntry& kernel, int64_t m, int64_t n, int k_blocks,
                                    int slice_bytes, int resident_clusters) {
  StreamingTiles tiles = choose_cluster(kernel, static_cast<int>(ceil_div(n, kSliceN)), k_blocks,
                                        kernel.cluster_k * resident_clusters);
  tiles.first_blocks = k_blocks / tiles.cluster;
  tiles.tiles_m = static_cast<int>(ceil_div(m, kernel.tile_m));
  const StreamingWarps warps = streaming_warps(kernel.schedule);
  const int tile_m = tile_width(kernel, m);
  const auto memory_bytes = [&] {
    return streaming_memory(kernel.schedule, tile_m, kernel.a_bits, slice_bytes, tiles).total;
  };
  const auto fits = [&] { return memory_bytes() <= kMaxStreamingBytes; };
  // A power of two: with mma.sync three cost up to 1 % more than two, and seven warps along N are
  // enough alone. With wgmma a second warpgroup along K gains 4 to 8 % beside a single one along N
  // and costs 3 to 6 % beside two. Four gain another 3 to 8 % where K is short.
  tiles.warps_k = kMaxWarpsK;
  tiles.stages = kGoodTurns * tiles.warps_k;
  const bool alone = tiles.warps_n == warps.team && tiles.first_blocks < kManyBlocks && fits();
  const int enough = alone ? warps.consumers : warps.enough;
  while (tiles.warps_k > 1 && tiles.warps_n * tiles.warps_k > enough) tiles.warps_k /= 2;
  const int turn_bytes = tiles.warps_n * warps.slices * slice_bytes * tiles.warps_k;
  const int in_flight = tiles.first_blocks < kLongBlocks ? kBytesInFlight : kLongBytesInFlight;
  int turns = std::max(warps.turns, in_flight / turn_bytes);
  if (kGoodTurns * turn_bytes <= kMostBytesInFlight) turns = std::max(turns, kGoodTurns);
  tiles.stages = turns * tiles.warps_k;
  while (!fits()) tiles.stages -= tiles.warps_k;
  // Where a CTA's weights are soon all requested, and the shared memory of two fits an SM, the next
  // kernel's would come in between: 5 to 14 % at M <= 8. With more tokens it is 1 to 3 % faster all
  // the same.
  const bool soon = tiles.tiles_m * tiles.passes == 1 &&
                    ceil_div(k_blocks, tiles.cluster) <= kRingShare * tiles.stages;
  tiles.holds_next = tile_m == 8 && soon && memory_bytes() <= kHalfSmBytes;
  return tiles;
}

size_t workspace_bytes(const KernelEntry& kernel, const TileParams& tiles) {
  if (tiles.shared_tiles == 0) return 0;
  return kFlagsBytes +
         static_cast<size_t>(tiles.clusters) * kernel.cluster_n * kernel.partial_bytes;
}

}  // namespace machete
