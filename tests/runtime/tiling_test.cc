// How products are dealt out: every K step once, and no cluster waits for what never comes. Plays
// launches on the host, by the kernels' own walk and the rules that hand_over.cuh states.
#include "machete/runtime/tiling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "machete/kernel/tile_scheduler.h"

namespace machete {
namespace {

constexpr int64_t kM[] = {1, 16, 17, 90, 112, 300, 1025};
constexpr int64_t kN[] = {8, 64, 576, 2056, 8448};
constexpr int64_t kK[] = {16, 128, 272, 1024, 4096, 14336, int64_t{1} << 28};
constexpr int kResident[] = {1, 7, 66, 132};

struct Problem {
  KernelEntry kernel;
  int64_t m;
  int64_t n;
  int64_t k;
  int resident;
};

std::string describe(const Problem& p) {
  return std::to_string(p.kernel.code_bytes * 8 / (p.kernel.step_k * p.kernel.tile_n)) +
         " bits, tile " + std::to_string(p.kernel.tile_n) + " x " +
         std::to_string(p.kernel.tile_m) + ", cluster " + std::to_string(p.kernel.cluster_n) +
         " x " + std::to_string(p.kernel.cluster_k) +
         (p.kernel.scheduler == TileScheduler::kStreamK ? ", stream-K" : ", persistent") +
         ", m = " + std::to_string(p.m) + ", n = " + std::to_string(p.n) +
         ", k = " + std::to_string(p.k) + ", resident = " + std::to_string(p.resident);
}

std::string describe(const TileParams& t) {
  return std::to_string(t.tiles_m) + " x " + std::to_string(t.tiles_n) + " tiles of " +
         std::to_string(t.k_steps) + " steps, " + std::to_string(t.clusters) + " clusters, " +
         std::to_string(t.shared_tiles) + " tiles shared by " + std::to_string(t.sharers) +
         " but for " + std::to_string(t.extra_steps) + " steps of each";
}

// Sizes as machete/kernel/shape.cuh has them; `bits` of a weight. Large tiles have several widths.
KernelEntry make_kernel(int bits, int tile_n, int tile_m, int cluster_n, int cluster_k,
                        TileScheduler scheduler) {
  const bool sliced_k = tile_n == 64;
  KernelEntry kernel = {};
  kernel.name = "";
  kernel.tile_n = tile_n;
  kernel.tile_m = tile_m;
  kernel.cluster_n = cluster_n;
  kernel.cluster_k = cluster_k;
  for (int i = 0; i < kMaxWidths; ++i) {
    const bool one = tile_m < 128 || cluster_k > 1;
    kernel.widths[i] = one ? tile_m : tile_m - 16 * (kMaxWidths - 1 - i);
  }
  kernel.step_k = sliced_k ? 256 : 128;
  kernel.code_bytes = kernel.step_k * tile_n * bits / 8;
  // Two scales for 128 weights.
  kernel.step_bytes = kernel.step_k * tile_m * 2 + kernel.code_bytes + kernel.step_k * tile_n / 32;
  kernel.store_m = std::min(tile_m, 32);
  kernel.partial_bytes = tile_n * tile_m * 4;
  kernel.scheduler = scheduler;
  return kernel;
}

std::vector<KernelEntry> kernels() {
  std::vector<KernelEntry> made;
  for (const int bits : {4, 8}) {
    for (const int tile_n : {64, 128, 192, 256}) {
      for (const int tile_m : {16, 32, 64, 128, 256}) {
        for (const int cluster_n : {1, 2}) {
          for (const auto scheduler : {TileScheduler::kStreamK, TileScheduler::kPersistent}) {
            made.push_back(make_kernel(bits, tile_n, tile_m, cluster_n, 1, scheduler));
          }
        }
        // Clusters along K are for whole tiles only.
        for (const int cluster_k : {2, 4}) {
          made.push_back(
              make_kernel(bits, tile_n, tile_m, 1, cluster_k, TileScheduler::kPersistent));
        }
      }
    }
  }
  return made;
}

template <class Function>
void for_each_problem(Function function) {
  for (const KernelEntry& kernel : kernels()) {
    for (const int64_t m : kM) {
      for (const int64_t n : kN) {
        for (const int64_t k : kK) {
          for (const int resident : kResident) {
            function(Problem{kernel, m, n, k, resident});
            if (::testing::Test::HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

struct Work {
  Segment segment;
  bool hands_over;  // its sums
  int helpers;      // of its tile, if it finishes one that others have begun
};

template <TileScheduler kScheduler, int kClusterK>
std::vector<Work> walk(const TileParams& tiles, int cluster, int rank_k) {
  const TileArithmetic arithmetic(tiles);
  SegmentWalk<kScheduler, kClusterK> walk(tiles, arithmetic, cluster, rank_k);
  // Only stream-K asks: CTAs of a cluster that split K have parts of tiles, too.
  constexpr bool kShares = kScheduler == TileScheduler::kStreamK;
  std::vector<Work> work;
  Segment segment;
  while (walk.next(segment)) {
    const bool hands_over = kShares && walk.hands_over(segment);
    const bool collects = kShares && walk.collects(segment);
    work.push_back({segment, hands_over, collects ? walk.helpers(segment) : 0});
  }
  return work;
}

// What CTA `rank_k` of a cluster works on, in order.
std::vector<Work> walk(const KernelEntry& kernel, const TileParams& tiles, int cluster,
                       int rank_k) {
  if (kernel.scheduler == TileScheduler::kStreamK) {
    return walk<TileScheduler::kStreamK, 1>(tiles, cluster, rank_k);
  }
  switch (kernel.cluster_k) {
    case 1:
      return walk<TileScheduler::kPersistent, 1>(tiles, cluster, rank_k);
    case 2:
      return walk<TileScheduler::kPersistent, 2>(tiles, cluster, rank_k);
    default:
      return walk<TileScheduler::kPersistent, 4>(tiles, cluster, rank_k);
  }
}

// The steps of a segment that its share counts.
int counted_steps(const TileParams& tiles, const Segment& segment) {
  const int counted = tiles.k_steps - tiles.extra_steps;
  return std::min(segment.k_end, counted) - std::min(segment.k_begin, counted);
}

// What the grid of problems came across, so that no property holds for want of cases.
struct Tally {
  int shared = 0;             // products with shared tiles
  int shared_then_whole = 0;  // and with whole tiles after them
  int uneven = 0;             // and with shares that straddle tiles
  int longer = 0;             // and with shares longer than a tile
  int extra = 0;              // and with steps that shares do not count
  int many_helpers = 0;       // and with three clusters or more a tile
};

// Runs the clusters of a launch one after the other, lowest first, which is the least that a device
// promises. The first broken rule, or nothing.
std::optional<std::string> play(const KernelEntry& kernel, const TileParams& tiles, Tally* tally) {
  const int total = tiles.tiles_m * tiles.tiles_n;
  // The kernel counts them in 32 bits.
  if (int64_t{tiles.shared_tiles} * tiles.k_steps > INT32_MAX) return "too many steps to share";
  std::vector<int> covered(total);             // K steps of each tile, from the front
  std::vector<int> lower(tiles.shared_tiles);  // clusters with a segment of a tile so far
  std::vector<std::optional<Segment>> slots(tiles.clusters);  // handed over, not yet collected
  int highest_slot = -1;
  int largest_share = 0;
  int smallest_share = INT32_MAX;
  bool straddles = false;
  bool many_helpers = false;

  for (int cluster = 0; cluster < tiles.clusters; ++cluster) {
    const auto broken = [&](const char* rule, const Segment& segment) {
      return std::string(rule) + ": cluster " + std::to_string(cluster) + ", tile " +
             std::to_string(segment.tile) + ", steps " + std::to_string(segment.k_begin) + " to " +
             std::to_string(segment.k_end);
    };
    for (int rank_k = 0; rank_k < kernel.cluster_k; ++rank_k) {
      const std::vector<Work> works = walk(kernel, tiles, cluster, rank_k);
      if (works.empty()) return "no work for cluster " + std::to_string(cluster);
      int shared_segments = 0;
      int handed_over = 0;
      int share = 0;
      for (const auto& [segment, hands_over, helpers] : works) {
        if (segment.tile < 0 || segment.tile >= total) return broken("no such tile", segment);
        // Lower clusters hold the earlier steps, so each segment goes on where the last one ended.
        if (segment.k_begin != covered[segment.tile]) {
          return broken("steps left out, repeated or out of order", segment);
        }
        covered[segment.tile] = segment.k_end;
        // CTAs that split K may have nothing of a short one.
        if (kernel.cluster_k == 1 && segment.k_begin >= segment.k_end) {
          return broken("no steps", segment);
        }
        if (segment.tile >= tiles.shared_tiles) continue;

        ++shared_segments;
        share += counted_steps(tiles, segment);
        if (hands_over) {
          ++handed_over;
          slots[cluster] = segment;
          highest_slot = cluster;
        } else {
          if (helpers != lower[segment.tile]) return broken("helpers miscounted", segment);
          many_helpers |= helpers >= 2;
          int reached = segment.k_begin;
          for (int h = 1; h <= helpers; ++h) {
            if (cluster - h < 0) return broken("a helper below the first cluster", segment);
            std::optional<Segment>& slot = slots[cluster - h];
            if (!slot) return broken("waits for a cluster that has not handed over", segment);
            if (slot->tile != segment.tile || slot->k_end != reached) {
              return broken("collects another segment than the one before", segment);
            }
            reached = slot->k_begin;
            slot.reset();
          }
          if (reached != 0) return broken("finishes a tile without its beginning", segment);
        }
        ++lower[segment.tile];
      }
      if (handed_over > 1) return broken("two segments in one slot", works[0].segment);
      if (cluster < tiles.sharers && tiles.shared_tiles > 0) {
        if (share == 0) return "no share for cluster " + std::to_string(cluster);
        largest_share = std::max(largest_share, share);
        smallest_share = std::min(smallest_share, share);
        straddles |= shared_segments > 1;
      }
    }
  }
  for (int tile = 0; tile < total; ++tile) {
    if (covered[tile] != tiles.k_steps) return "tile " + std::to_string(tile) + " is unfinished";
  }
  // Flags must be zero again for the next launch.
  for (int cluster = 0; cluster < tiles.clusters; ++cluster) {
    if (slots[cluster]) return "nobody collects from cluster " + std::to_string(cluster);
  }

  const size_t workspace = workspace_bytes(kernel, tiles);
  if (tiles.shared_tiles == 0) {
    return workspace == 0 ? std::nullopt : std::optional<std::string>("a workspace without use");
  }
  if (largest_share > smallest_share + 1) return "uneven shares";
  const size_t slot_ctas = static_cast<size_t>(highest_slot + 1) * kernel.cluster_n;
  if (workspace < kFlagsBytes + slot_ctas * kernel.partial_bytes) {
    return "the workspace is too small for partial sums";
  }
  if (slot_ctas * sizeof(uint32_t) > kFlagsBytes) return "flags do not fit";
  tally->shared += 1;
  tally->shared_then_whole += tiles.shared_tiles < total;
  tally->uneven += straddles;
  tally->longer += largest_share > tiles.k_steps;
  tally->extra += tiles.extra_steps > 0;
  tally->many_helpers += many_helpers;
  return std::nullopt;
}

TEST(Tiling, DealsOutEveryStepOnceAndFinishesEveryTile) {
  Tally tally;
  for_each_problem([&](const Problem& p) {
    const TileParams tiles = plan_tiles(p.kernel, p.m, p.n, p.k, p.resident);
    const std::optional<std::string> broken = play(p.kernel, tiles, &tally);
    ASSERT_FALSE(broken) << *broken << "\n" << describe(p) << "\n" << describe(tiles);
  });
  std::printf(
      "shared: %d, then whole tiles: %d, uneven: %d, longer: %d, extra: %d, many helpers: %d\n",
      tally.shared, tally.shared_then_whole, tally.uneven, tally.longer, tally.extra,
      tally.many_helpers);
  EXPECT_GT(tally.shared, 1000);
  EXPECT_GT(tally.shared_then_whole, 100);
  EXPECT_GT(tally.uneven, 100);
  EXPECT_GT(tally.longer, 100);
  EXPECT_GT(tally.extra, 100);
  EXPECT_GT(tally.many_helpers, 100);
}

TEST(Tiling, CoversTheProductAndNoMore) {
  for_each_problem([](const Problem& p) {
    const TileParams tiles = plan_tiles(p.kernel, p.m, p.n, p.k, p.resident);
    const auto covers = [](int64_t tiles, int64_t size, int64_t extent) {
      return tiles * size >= extent && (tiles - 1) * size < extent;
    };
    ASSERT_TRUE(covers(tiles.tiles_m, p.kernel.tile_m, p.m)) << describe(p);
    ASSERT_TRUE(covers(tiles.tiles_n, p.kernel.tile_n * p.kernel.cluster_n, p.n)) << describe(p);
    ASSERT_TRUE(covers(tiles.k_steps, p.kernel.step_k, p.k)) << describe(p);
  });
}

TEST(Tiling, TilesAreAsNarrowAsSoManyMayBe) {
  std::set<int> narrower;
  for_each_problem([&](const Problem& p) {
    const TileParams tiles = plan_tiles(p.kernel, p.m, p.n, p.k, p.resident);
    ASSERT_EQ(tiles.tile_m, tile_width(p.kernel, p.m)) << describe(p);
    ASSERT_GE(int64_t{tiles.tiles_m} * tiles.tile_m, p.m) << describe(p);
    for (const int width : p.kernel.widths) {
      if (width < tiles.tile_m) {
        ASSERT_LT(int64_t{tiles.tiles_m} * width, p.m) << describe(p);
      }
    }
    ASSERT_TRUE(std::count(std::begin(p.kernel.widths), std::end(p.kernel.widths), tiles.tile_m))
        << describe(p);
    narrower.insert(p.kernel.tile_m - tiles.tile_m);
  });
  EXPECT_EQ(narrower, (std::set<int>{0, 16, 32, 48}));
}

// Tensor stores of one tile must not reach into the next.
TEST(Tiling, TilesEndWithAStore) {
  EXPECT_EQ(store_tokens(128, 32), 32);
  EXPECT_EQ(store_tokens(160, 32), 32);
  EXPECT_EQ(store_tokens(112, 32), 16);
  EXPECT_EQ(store_tokens(208, 32), 16);
  EXPECT_EQ(store_tokens(16, 16), 16);
}

TEST(Tiling, FillsNoMoreThanTheDevice) {
  for_each_problem([](const Problem& p) {
    const TileParams tiles = plan_tiles(p.kernel, p.m, p.n, p.k, p.resident);
    const int total = tiles.tiles_m * tiles.tiles_n;
    if (p.kernel.cluster_k > 1) {
      // Its CTAs add up in the pipeline's memory, so there is no second tile.
      ASSERT_EQ(tiles.clusters, total) << describe(p);
    } else {
      ASSERT_LE(tiles.clusters, p.resident) << describe(p);
      ASSERT_GE(tiles.clusters, std::min(total, p.resident)) << describe(p);
    }
    if (p.kernel.scheduler == TileScheduler::kPersistent) {
      ASSERT_EQ(tiles.shared_tiles, 0) << describe(p);
    }
    ASSERT_EQ(tiles.sharers > 0, tiles.shared_tiles > 0) << describe(p);
    if (tiles.shared_tiles > 0) {
      // The last wave alone, by more clusters than it has tiles, or with the wave before it, by all
      // clusters; whole tiles come out even.
      const int rest = total % p.resident;
      if (tiles.shared_tiles == rest) {
        ASSERT_GT(tiles.sharers, tiles.shared_tiles) << describe(p);
      } else {
        ASSERT_EQ(tiles.shared_tiles, rest + p.resident) << describe(p);
        ASSERT_EQ(tiles.sharers, p.resident) << describe(p);
      }
      ASSERT_LE(tiles.sharers, tiles.clusters) << describe(p);
      ASSERT_EQ((total - tiles.shared_tiles) % tiles.clusters, 0) << describe(p);
      // Shares that are shorter than a tile leave each a step that counts.
      const int counted = tiles.k_steps - tiles.extra_steps;
      ASSERT_GE(int64_t{counted} * tiles.shared_tiles, tiles.sharers) << describe(p);
    }
    if (tiles.shared_tiles >= tiles.sharers) {
      ASSERT_EQ(tiles.extra_steps, 0) << describe(p);
    }
  });
}

TEST(Tiling, RasterVisitsEveryTileOnce) {
  for_each_problem([](const Problem& p) {
    if (p.k != kK[0] || p.resident != kResident[0]) return;  // have no say in it
    const TileParams tiles = plan_tiles(p.kernel, p.m, p.n, p.k, p.resident);
    // A band has 1024 tokens at most, and as many tiles as these are.
    ASSERT_GE(tiles.raster_m, 1) << describe(p);
    ASSERT_LE(tiles.raster_m * p.kernel.tile_m, 1024) << describe(p);
    if (tiles.raster_m < tiles.tiles_m) {
      ASSERT_GT((tiles.raster_m + 1) * p.kernel.tile_m, 1024) << describe(p);
    }
    std::set<std::pair<int, int>> seen;
    for (int cluster = 0; cluster < tiles.clusters; ++cluster) {
      for (const auto& [segment, hands_over, helpers] : walk(p.kernel, tiles, cluster, 0)) {
        ASSERT_TRUE(segment.m < tiles.tiles_m && segment.n < tiles.tiles_n)
            << describe(p) << ", tile " << segment.tile;
        // Whole bands before the next, of these whole columns.
        const int band = segment.tile / (tiles.raster_m * tiles.tiles_n);
        ASSERT_EQ(segment.m / tiles.raster_m, band) << describe(p) << ", tile " << segment.tile;
        const int height = std::min(tiles.raster_m, tiles.tiles_m - band * tiles.raster_m);
        ASSERT_EQ(segment.n, segment.tile % (tiles.raster_m * tiles.tiles_n) / height)
            << describe(p) << ", tile " << segment.tile;
        if (segment.k_begin > 0) continue;
        ASSERT_TRUE(seen.emplace(segment.m, segment.n).second)
            << describe(p) << ", tile " << segment.tile;
      }
    }
    ASSERT_EQ(seen.size(), static_cast<size_t>(tiles.tiles_m) * tiles.tiles_n) << describe(p);
  });
}

TEST(Tiling, DividesExactly) {
  // Around powers of two the multiplier changes, around multiples the quotient.
  std::vector<int64_t> numbers;
  for (int64_t power = 1; power <= int64_t{1} << 31; power *= 2) {
    for (int64_t x = power - 20; x <= power + 20; ++x) {
      if (x >= 1 && x <= INT32_MAX) numbers.push_back(x);
    }
  }
  for (const int64_t divisor : numbers) {
    const Divisor by(static_cast<int>(divisor));
    ASSERT_EQ(by.value, divisor);
    for (const int64_t near : numbers) {
      for (int64_t x = near / divisor * divisor - 1; x <= near / divisor * divisor + 1; ++x) {
        if (x < 0 || x > INT32_MAX) continue;
        ASSERT_EQ(by.quotient(static_cast<int>(x)), x / divisor) << x << " / " << divisor;
      }
    }
  }
}

// The rules hold for whatever numbers of tiles and sharers a later model of time may choose.
TEST(Tiling, AnyNumberOfSharersWorks) {
  const KernelEntry kernel = make_kernel(4, 128, 16, 1, 1, TileScheduler::kStreamK);
  Tally tally;
  for (int shared_tiles = 1; shared_tiles <= 12; ++shared_tiles) {
    for (int k_steps = 1; k_steps <= 12; ++k_steps) {
      for (int sharers = 1; sharers <= shared_tiles * k_steps; ++sharers) {
        const int spare = k_steps - (sharers + shared_tiles - 1) / shared_tiles;
        for (const int extra : std::set{0, spare / 2, spare}) {
          for (const int waves : {0, 1, 2}) {
            TileParams tiles = {};
            tiles.tiles_m = 1;
            tiles.tiles_n = shared_tiles + waves * sharers;
            tiles.k_steps = k_steps;
            tiles.clusters = sharers;
            tiles.shared_tiles = shared_tiles;
            tiles.sharers = sharers;
            tiles.extra_steps = extra;
            tiles.raster_m = 1;
            const std::optional<std::string> broken = play(kernel, tiles, &tally);
            ASSERT_FALSE(broken) << *broken << "\n" << describe(tiles);
          }
        }
      }
    }
  }
  EXPECT_GT(tally.uneven, 1000);
  EXPECT_GT(tally.longer, 1000);
  EXPECT_GT(tally.many_helpers, 1000);
}

// One that must share: 24 tiles of 32 steps on 132 SMs.
TEST(Tiling, SharesTheOnlyWaveOfASmallProduct) {
  const KernelEntry kernel = make_kernel(4, 128, 16, 1, 1, TileScheduler::kStreamK);
  const TileParams tiles = plan_tiles(kernel, 16, 3072, 4096, 132);
  EXPECT_EQ(tiles.shared_tiles, 24);
  EXPECT_GT(tiles.sharers, 24);
  EXPECT_EQ(tiles.clusters, tiles.sharers);
  EXPECT_EQ(tiles.extra_steps, 2);  // 0.5 us and 8 KiB at 35 GB/s, by steps of 0.41 us
  EXPECT_EQ(workspace_bytes(kernel, tiles), 4096u + tiles.clusters * 128u * 16u * 4u);
}

}  // namespace
}  // namespace machete
