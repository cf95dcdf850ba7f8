// How the streaming kernel's products are dealt out: every feature once, within what a CTA has.
// Walks the slices as StreamingWalk of machete/kernel/streaming.cuh does.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "machete/kernel/streaming.h"
#include "machete/runtime/tiling.h"

namespace machete {
namespace {

struct Kernel {
  KernelSchedule schedule;
  int tile_n;
  int tile_m;
};
constexpr Kernel kKernels[] = {
    {KernelSchedule::kStreaming, 32, 8},        {KernelSchedule::kStreaming, 32, 16},
    {KernelSchedule::kStreaming, 96, 8},        {KernelSchedule::kStreaming, 96, 16},
    {KernelSchedule::kStreaming, 224, 8},       {KernelSchedule::kStreaming, 224, 16},
    {KernelSchedule::kStreamingWgmma, 64, 32},  {KernelSchedule::kStreamingWgmma, 192, 32},
    {KernelSchedule::kStreamingWgmma, 256, 32}, {KernelSchedule::kStreamingWgmma, 256, 64},
};
// Weights of 4 bits with few groups and with most, of 8 bits likewise.
struct Slice {
  const char* name;
  int a_bits;  // of the activations that it is multiplied with
  int bytes;
};
constexpr TypeSet kU4B8 = {DataType::kBF16, DataType::kU4B8, DataType::kBF16};
constexpr TypeSet kU8 = {DataType::kBF16, DataType::kU8, DataType::kBF16, DataType::kBF16};
constexpr TypeSet kNVFP4 = {DataType::kBF16, DataType::kE2M1, DataType::kE4M3};
constexpr TypeSet kW4A8 = {DataType::kS8, DataType::kU4B8};
constexpr Slice kSliceSizes[] = {
    {"u4b8, groups of 128", 16, packed_layout(kU4B8, 8, 128, 128).slice_bytes},
    {"u4b8, groups of 64", 16, packed_layout(kU4B8, 8, 128, 64).slice_bytes},
    {"e2m1, groups of 16", 16, packed_layout(kNVFP4, 8, 128, 16).slice_bytes},
    {"u8, groups of 128", 16, packed_layout(kU8, 8, 128, 128).slice_bytes},
    {"u4b8 for s8", 8, packed_layout(kW4A8, 8, 128, 128).slice_bytes},
    {"u8, groups of 32", 16, packed_layout(kU8, 8, 128, 32).slice_bytes},
};
// Of these, the ones that rules are stated for.
constexpr int kU4B8Slice = 0;
constexpr int kU8Slice = 3;
constexpr int kW4A8Slice = 4;
constexpr int64_t kM[] = {1, 8, 9, 16, 17, 100, 513};
constexpr int64_t kN[] = {8,    16,   24,    200,   1008,  2056,  3584,  4096,
                          4104, 6144, 10240, 14784, 14792, 28672, 57344, 200000};
// From 64 on two warpgroups along K at most, the last with more bytes in flight.
constexpr int kBlocksK[] = {1, 32, 63, 64, 127, 128};
constexpr int kResident[] = {1, 7, 8, 61, 66};

struct Problem {
  KernelEntry kernel;
  Slice slice;
  int64_t m;
  int64_t n;
  int k_blocks;
  int resident;

  int slices() const { return static_cast<int>(ceil_div(n, kSliceN)); }
  StreamingTiles plan() const {
    return plan_streaming_tiles(kernel, m, n, k_blocks, slice.bytes, resident);
  }
  StreamingWarps warps() const { return streaming_warps(kernel.schedule); }
  StreamingMemory memory(const StreamingTiles& tiles) const {
    return streaming_memory(kernel.schedule, tile_width(kernel, m), slice.a_bits, slice.bytes,
                            tiles);
  }
};

std::string describe(const Problem& p, const StreamingTiles& t) {
  const bool by_warpgroups = p.kernel.schedule == KernelSchedule::kStreamingWgmma;
  return std::string(p.slice.name) + (by_warpgroups ? ", warpgroups" : "") + ", tile " +
         std::to_string(p.kernel.tile_n) + " x " + std::to_string(p.kernel.tile_m) +
         ", m = " + std::to_string(p.m) + ", n = " + std::to_string(p.n) +
         ", K blocks = " + std::to_string(p.k_blocks) +
         ", resident = " + std::to_string(p.resident) + ": " + std::to_string(t.clusters) +
         " clusters of " + std::to_string(t.cluster) + " with " + std::to_string(t.cluster_slices) +
         " slices, " + std::to_string(t.extra) + " of one more, " + std::to_string(t.passes) +
         " passes of " + std::to_string(t.pass_slices) + ", " + std::to_string(t.warps_n) + " x " +
         std::to_string(t.warps_k) + " warps, " + std::to_string(t.stages) + " stages";
}

KernelEntry make_entry(const Kernel& kernel, const Slice& slice) {
  KernelEntry entry = {};
  entry.name = "";
  entry.schedule = kernel.schedule;
  entry.a_bits = slice.a_bits;
  entry.tile_n = kernel.tile_n;
  entry.tile_m = kernel.tile_m;
  for (int& width : entry.widths) width = kernel.tile_m;
  if (kernel.tile_m == 16 || kernel.tile_m == 32) entry.widths[0] = kernel.tile_m / 2;
  entry.cluster_n = 1;
  entry.cluster_k = 2;
  return entry;
}

template <class Function>
void for_each_problem(Function function) {
  for (const Kernel& k : kKernels) {
    for (const Slice& slice : kSliceSizes) {
      if (k.tile_m > 32 && slice.a_bits == 16) continue;  // the generator refuses it
      const KernelEntry kernel = make_entry(k, slice);
      for (const int64_t m : kM) {
        for (const int64_t n : kN) {
          for (const int k_blocks : kBlocksK) {
            for (const int resident : kResident) {
              function(Problem{kernel, slice, m, n, k_blocks, resident});
              if (::testing::Test::HasFatalFailure()) return;
            }
          }
        }
      }
    }
  }
}

// The first broken rule, or nothing; counts the passes that have no slices.
std::optional<std::string> walk(const Problem& p, const StreamingTiles& tiles, int* empty) {
  int next = 0;  // slices up to here have been worked on
  for (int cluster = 0; cluster < tiles.clusters; ++cluster) {
    const int first = cluster * tiles.cluster_slices + std::min(cluster, tiles.extra);
    const int last = first + tiles.cluster_slices + (cluster < tiles.extra);
    for (int pass = 0; pass < tiles.passes; ++pass) {
      const int begin = first + pass * tiles.pass_slices;
      const int end = std::min(begin + tiles.pass_slices, last);
      const auto broken = [&](const char* rule) {
        return std::string(rule) + ": cluster " + std::to_string(cluster) + ", pass " +
               std::to_string(pass) + ", slices " + std::to_string(begin) + " to " +
               std::to_string(end);
      };
      if (begin != next) return broken("slices left out, repeated or out of order");
      if (end < begin) return broken("a pass that ends before it begins");
      if (end == begin && pass == 0) return broken("a cluster without work");
      if ((end - begin) * kSliceN > p.kernel.tile_n) return broken("wider than the tile");
      if (end - begin > tiles.warps_n * p.warps().slices) return broken("slices without a warp");
      *empty += end == begin;
      next = end;
    }
    if (next != last) return "cluster " + std::to_string(cluster) + " leaves slices out";
  }
  if (next != p.slices()) return std::to_string(next) + " slices";
  return std::nullopt;
}

TEST(StreamingTiling, DealsOutEverySliceOnce) {
  int empty = 0;
  int64_t total = 0;
  for_each_problem([&](const Problem& p) {
    const StreamingTiles tiles = p.plan();
    const std::optional<std::string> broken = walk(p, tiles, &empty);
    ASSERT_FALSE(broken) << *broken << "\n" << describe(p, tiles);
    total += int64_t{tiles.clusters} * tiles.passes;
  });
  std::printf("passes without slices: %d of %lld\n", empty, static_cast<long long>(total));
  // Only where others have one slice more.
  EXPECT_LT(empty, total / 100);
}

TEST(StreamingTiling, SharesSlicesEvenlyAmongTheClustersOfTheDevice) {
  for_each_problem([](const Problem& p) {
    const StreamingTiles tiles = p.plan();
    ASSERT_TRUE(tiles.cluster == 1 || tiles.cluster == 2) << describe(p, tiles);
    ASSERT_EQ(tiles.clusters, std::min(p.slices(), 2 * p.resident / tiles.cluster))
        << describe(p, tiles);
    ASSERT_EQ(tiles.cluster_slices, p.slices() / tiles.clusters) << describe(p, tiles);
    ASSERT_EQ(tiles.extra, p.slices() % tiles.clusters) << describe(p, tiles);
    // All of K, in halves if two CTAs share it.
    ASSERT_EQ(tiles.first_blocks, p.k_blocks / tiles.cluster) << describe(p, tiles);
  });
}

// With one of kSliceSizes, on a device that holds 66 pairs of CTAs.
Problem on_h100(int tile_m, int slice, int64_t m, int64_t n, int64_t k) {
  const Kernel kernel = tile_m <= 16 ? Kernel{KernelSchedule::kStreaming, 224, tile_m}
                                     : Kernel{KernelSchedule::kStreamingWgmma, 256, tile_m};
  const Slice& chosen = kSliceSizes[slice];
  return {make_entry(kernel, chosen), chosen, m, n, static_cast<int>(k / kBlockK), 66};
}

// Whether pairs of CTAs split K.
TEST(StreamingTiling, SplitsKWhereFeaturesAreFew) {
  struct Rule {
    int tile_m;
    int64_t n;
    int64_t k;
    int cluster;
  };
  for (const Rule& rule : {
           Rule{8, 4096, 4096, 2},
           // Four slices for each CTA, but 27 of 132 have three; then 26.
           Rule{8, 8016, 4096, 2},
           Rule{8, 8017, 4096, 1},
           // Four, which are enough where K is short.
           Rule{8, 8448, 4096, 1},
           Rule{8, 8448, 4224, 2},
           Rule{8, 8448, 28672, 2},
           Rule{16, 8192, 4096, 1},
           Rule{16, 8192, 4224, 2},
           Rule{32, 8192, 4096, 1},
           Rule{32, 8192, 4224, 2},
           // Five, for which three warps have six; six; seven, for four warps.
           Rule{8, 8449, 4096, 2},
           Rule{8, 10560, 4096, 2},
           Rule{8, 10561, 4096, 1},
           Rule{8, 12672, 4096, 1},
           Rule{8, 12673, 4096, 2},
           Rule{8, 14784, 4096, 2},
           Rule{8, 14785, 4096, 1},
           Rule{8, 29568, 4096, 1},
           // Two passes of nine, for which five warps have ten.
           Rule{8, 36000, 4096, 2},
           Rule{8, 57344, 4096, 1},
           // Six, of which two warpgroups would have eight.
           Rule{32, 10561, 4096, 2},
           Rule{32, 12672, 4096, 2},
           Rule{32, 12673, 4096, 1},
           Rule{32, 33792, 4096, 1},
           // Two passes of nine, for which three warpgroups have twelve.
           Rule{32, 37888, 4096, 2},
           Rule{32, 57344, 4096, 1},
           Rule{64, 12672, 4096, 2},
           Rule{64, 16897, 4096, 1},
           Rule{64, 29568, 4096, 1},
       }) {
    const Problem p =
        on_h100(rule.tile_m, rule.tile_m == 64 ? kW4A8Slice : kU4B8Slice, 1, rule.n, rule.k);
    const StreamingTiles tiles = p.plan();
    EXPECT_EQ(tiles.cluster, rule.cluster) << describe(p, tiles);
  }
}

TEST(StreamingTiling, CoversTheTokensAndNoMore) {
  for_each_problem([](const Problem& p) {
    const StreamingTiles tiles = p.plan();
    ASSERT_GE(int64_t{tiles.tiles_m} * p.kernel.tile_m, p.m) << describe(p, tiles);
    ASSERT_LT((int64_t{tiles.tiles_m} - 1) * p.kernel.tile_m, p.m) << describe(p, tiles);
  });
}

TEST(StreamingTiling, TakesNoMoreThanACtaHas) {
  int widest = 0;
  for_each_problem([&](const Problem& p) {
    const StreamingTiles tiles = p.plan();
    ASSERT_GE(tiles.warps_n, 1) << describe(p, tiles);
    ASSERT_TRUE(tiles.warps_k == 1 || tiles.warps_k == 2 || tiles.warps_k == kMaxWarpsK)
        << describe(p, tiles);
    ASSERT_LE(tiles.warps_n * tiles.warps_k, p.warps().consumers) << describe(p, tiles);
    ASSERT_EQ(tiles.warps_n % p.warps().team, 0) << describe(p, tiles);
    // One is multiplied, and one held by wgmma, while another is on its way.
    ASSERT_GE(tiles.stages, (p.warps().team > 1 ? 3 : 2) * tiles.warps_k) << describe(p, tiles);
    ASSERT_EQ(tiles.stages % tiles.warps_k, 0) << describe(p, tiles);
    const StreamingMemory memory = p.memory(tiles);
    ASSERT_LE(memory.total, kMaxStreamingBytes) << describe(p, tiles);
    widest = std::max(widest, memory.total);
  });
  std::printf("at most %d of %d bytes\n", widest, kMaxStreamingBytes);
}

// How the warps of a layer lie along K, and whether it holds the next kernel back; the kernels are
// those of up to 16 tokens, which has a narrower width, of 8, and of 32, which has one of 16.
TEST(StreamingTiling, FollowsItsRules) {
  struct Rule {
    int tile_m;
    int slice;  // of kSliceSizes
    int64_t m;
    int64_t n;
    int64_t k;
    int warps_n;
    int warps_k;
    int stages;
    bool holds_next;
  };
  for (const Rule& rule : {
           // Four warpgroups along K beside one along N, where K is short and each has three
           // stages.
           Rule{32, kU4B8Slice, 32, 4096, 4096, 4, 4, 12, false},
           Rule{32, kU4B8Slice, 32, 4096, 8064, 4, 4, 12, false},
           Rule{32, kU4B8Slice, 16, 4096, 4096, 4, 4, 20, false},
           Rule{32, kU4B8Slice, 32, 4096, 8192, 4, 2, 14, false},
           Rule{32, kU4B8Slice, 32, 6144, 4096, 8, 1, 7, false},
           Rule{32, kU8Slice, 32, 4096, 4096, 4, 2, 10, false},
           Rule{32, kW4A8Slice, 32, 4096, 4096, 4, 4, 20, false},
           // Held back where a ring twice as large would have all, and two CTAs fit an SM.
           Rule{16, kU4B8Slice, 8, 4096, 4096, 2, 4, 12, true},
           Rule{16, kU4B8Slice, 8, 4096, 6144, 2, 4, 12, true},
           Rule{16, kU4B8Slice, 8, 4096, 6400, 2, 4, 12, false},
           Rule{8, kU4B8Slice, 9, 4096, 4096, 2, 4, 12, false},
           Rule{16, kU4B8Slice, 9, 4096, 4096, 2, 4, 12, false},
           Rule{16, kU4B8Slice, 8, 2048, 2048, 1, 4, 28, false},
           Rule{16, kU8Slice, 8, 4096, 4096, 2, 4, 8, true},
           Rule{16, kU8Slice, 8, 6144, 4096, 3, 4, 8, false},
           Rule{16, kU4B8Slice, 8, 57344, 4096, 7, 1, 4, false},
           // Three stages for each consumer, if that is not too much.
           Rule{16, kU4B8Slice, 8, 11000, 4096, 3, 4, 12, false},
           Rule{16, kU8Slice, 8, 11000, 4096, 3, 4, 8, false},
           Rule{16, kU4B8Slice, 8, 15360, 512, 4, 2, 6, true},
           // All of K for each CTA.
           Rule{16, kU4B8Slice, 8, 8192, 2048, 2, 4, 12, true},
           Rule{16, kU4B8Slice, 8, 8192, 4096, 2, 4, 12, false},
       }) {
    const Problem p = on_h100(rule.tile_m, rule.slice, rule.m, rule.n, rule.k);
    const StreamingTiles tiles = p.plan();
    EXPECT_EQ(tiles.warps_n, rule.warps_n) << describe(p, tiles);
    EXPECT_EQ(tiles.warps_k, rule.warps_k) << describe(p, tiles);
    EXPECT_EQ(tiles.stages, rule.stages) << describe(p, tiles);
    EXPECT_EQ(tiles.holds_next, rule.holds_next) << describe(p, tiles);
  }
}

TEST(StreamingTiling, PlacesEverythingWhereItsInstructionsWantIt) {
  for_each_problem([](const Problem& p) {
    const StreamingTiles tiles = p.plan();
    const StreamingMemory memory = p.memory(tiles);
    // The swizzle's pattern; bulk copies and 128-bit accesses; mbarriers.
    ASSERT_EQ(memory.activation_bytes % 1024, 0) << describe(p, tiles);
    ASSERT_EQ(memory.weights % 16, 0) << describe(p, tiles);
    ASSERT_EQ(memory.weight_bytes % 16, 0) << describe(p, tiles);
    ASSERT_EQ(memory.partials % 16, 0) << describe(p, tiles);
    ASSERT_EQ(memory.exchange % 16, 0) << describe(p, tiles);
    ASSERT_EQ(memory.exchange_bytes % 16, 0) << describe(p, tiles);
    ASSERT_EQ(memory.barriers % 8, 0) << describe(p, tiles);
    // For even and odd passes, if there is anything to exchange.
    ASSERT_EQ(memory.barriers - memory.exchange, tiles.cluster > 1 ? 2 * memory.exchange_bytes : 0)
        << describe(p, tiles);
  });
}

}  // namespace
}  // namespace machete
