// What is counted of a launch, and that the fastest candidate is found.
#include "machete/runtime/cost.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "machete/runtime/tiling.h"

namespace machete {
namespace {

KernelEntry make_kernel(int tile_n, int tile_m, int cluster_k = 1) {
  KernelEntry kernel = {};
  kernel.name = "";
  kernel.tile_n = tile_n;
  kernel.tile_m = tile_m;
  for (int& width : kernel.widths) width = tile_m;
  kernel.cluster_n = 1;
  kernel.cluster_k = cluster_k;
  kernel.step_k = 128;
  kernel.step_bytes = kernel.step_k * (tile_m * 2 + tile_n * 33 / 64);
  kernel.partial_bytes = tile_n * tile_m * 4;
  kernel.scheduler = cluster_k > 1 ? TileScheduler::kPersistent : TileScheduler::kStreamK;
  return kernel;
}

TEST(Cost, CountsWholeWaves) {
  // 2 x 66 tiles of 32 steps on as many SMs.
  const CostTerms work = count_work(make_kernel(128, 64), 100, 66 * 128, 4096, 132);
  EXPECT_EQ(work[kLaunch], 1);
  EXPECT_EQ(work[kTiles], 1);
  EXPECT_EQ(work[kSteps], 32);
  EXPECT_EQ(work[kFilledSteps], 32 * 100. / 128);
  EXPECT_EQ(work[kBusySteps], 32);
  EXPECT_EQ(work[kSparedSteps], 0);
  EXPECT_EQ(work[kSharing], 0);
  EXPECT_EQ(work[kHelpers], 0);
  EXPECT_EQ(work[kRereads], 0);
  EXPECT_EQ(work[kWeights], 66 * 128 * 4096 * 1e-6);
}

TEST(Cost, CountsAnIdlePartOfTheDevice) {
  KernelEntry kernel = make_kernel(128, 64);
  kernel.scheduler = TileScheduler::kPersistent;
  const CostTerms work = count_work(kernel, 64, (132 + 33) * 128, 4096, 132);
  EXPECT_EQ(work[kTiles], 2);
  EXPECT_EQ(work[kSteps], 64);
  EXPECT_EQ(work[kBusySteps], 32 + 8);
}

TEST(Cost, CountsWhatNarrowTilesSpare) {
  KernelEntry kernel = make_kernel(128, 64);
  kernel.widths[0] = 48;
  // Two tiles of 48 tokens, in one wave.
  const CostTerms narrow = count_work(kernel, 96, 66 * 128, 4096, 132);
  EXPECT_EQ(narrow[kSteps], 32);
  EXPECT_EQ(narrow[kSparedSteps], -32 * 0.25);
  EXPECT_EQ(narrow[kFilledSteps], 32 * 0.75);
  EXPECT_EQ(count_work(kernel, 97, 66 * 128, 4096, 132)[kSparedSteps], 0);
}

TEST(Cost, CountsSplitTiles) {
  // 66 clusters of two CTAs, each with half of the steps.
  const CostTerms work = count_work(make_kernel(64, 16, 2), 16, 100 * 64, 4096, 66);
  EXPECT_EQ(work[kTiles], 2);
  EXPECT_EQ(work[kSteps], 32);
}

TEST(Cost, CountsSharedTiles) {
  const KernelEntry kernel = make_kernel(128, 16);
  const TileParams tiles = plan_tiles(kernel, 16, 24 * 128, 4096, 132);
  ASSERT_EQ(tiles.shared_tiles, 24);
  const CostTerms work = count_work(kernel, 16, 24 * 128, 4096, 132);
  EXPECT_EQ(work[kSharing], 1);
  EXPECT_EQ(work[kStraddling], tiles.sharers % 24 != 0);
  // As if shares were even.
  EXPECT_GE(work[kSteps] * tiles.sharers, 24 * 32);
  EXPECT_LT((work[kSteps] - 1) * tiles.sharers, 24 * 32);
  EXPECT_GE(work[kHelpers], 32 / work[kSteps]);
  EXPECT_EQ(work[kRereads], 0);  // one tile along M
}

TEST(Cost, CountsWeightsReadApart) {
  // 3 x 10 tiles of 128 steps on 40 SMs.
  const KernelEntry kernel = make_kernel(128, 64);
  const TileParams tiles = plan_tiles(kernel, 192, 10 * 128, 128 * 128, 40);
  ASSERT_EQ(tiles.shared_tiles, 30);
  ASSERT_EQ(tiles.sharers, 40);
  const CostTerms work = count_work(kernel, 192, 10 * 128, 128 * 128, 40);
  EXPECT_EQ(work[kStraddling], 1);
  EXPECT_EQ(work[kHelpers], 2);
  EXPECT_DOUBLE_EQ(work[kRereads], 2 * work[kWeights]);
}

double time_of(const KernelEntry& kernel, const CostTerms& costs, int64_t m, int64_t n, int64_t k,
               int resident) {
  const CostTerms work = count_work(kernel, m, n, k, resident);
  double time = 0;
  for (int term = 0; term < kCostTerms; ++term) time += costs[term] * work[term];
  return time;
}

// find_fastest() looks closely at few candidates only.
TEST(Cost, FindsTheFastest) {
  KernelEntry kernels[] = {make_kernel(64, 16),  make_kernel(64, 16, 2), make_kernel(128, 64),
                           make_kernel(256, 32), make_kernel(192, 128),  make_kernel(256, 128)};
  constexpr int kCount = 6;
  kernels[2].widths[0] = 48;
  kernels[4].widths[0] = 96;
  kernels[4].widths[1] = 112;
  std::mt19937 random(1);
  const auto below = [&](int64_t limit) { return 1 + static_cast<int64_t>(random() % limit); };
  std::vector<int> chosen(kCount);
  for (int trial = 0; trial < 20000; ++trial) {
    const KernelEntry* schedules[kCount];
    int resident[kCount];
    Candidate candidates[kCount];
    for (int i = 0; i < kCount; ++i) {
      schedules[i] = &kernels[i];
      // Now and then one does not fit.
      resident[i] = random() % 8 == 0 ? 0 : static_cast<int>(below(132));
      candidates[i].schedule = kCount - 1 - i;
      const KernelEntry& kernel = kernels[kCount - 1 - i];
      for (double& cost : candidates[i].costs) cost = below(100) / 100.;
      candidates[i].costs[kSteps] *= kernel.tile_n * kernel.tile_m / 4096.;
      candidates[i].costs[kSparedSteps] *= candidates[i].costs[kSteps];  // not more than there is
    }
    const int64_t m = below(int64_t{1} << below(12));
    const int64_t n = 8 * below(8192);
    const int64_t k = 128 * below(128);
    double least = std::numeric_limits<double>::infinity();
    for (const Candidate& c : candidates) {
      if (resident[c.schedule] == 0) continue;
      const double time = time_of(kernels[c.schedule], c.costs, m, n, k, resident[c.schedule]);
      least = std::min(least, time);
    }
    const int index = find_fastest(schedules, resident, candidates, m, n, k);
    if (resident[index] == 0) {
      ASSERT_EQ(least, std::numeric_limits<double>::infinity());
      continue;
    }
    ++chosen[index];
    const CostTerms& costs = candidates[kCount - 1 - index].costs;
    ASSERT_DOUBLE_EQ(time_of(kernels[index], costs, m, n, k, resident[index]), least);
  }
  for (const int count : chosen) EXPECT_GT(count, 100);
}

TEST(Cost, ChoosesSomethingWhereNothingFits) {
  const KernelEntry kernel = make_kernel(128, 64);
  const KernelEntry* const schedules[] = {&kernel, &kernel};
  Candidate candidates[1] = {};
  candidates[0].schedule = 1;
  candidates[0].costs.fill(1);
  const int none[] = {0, 0};
  EXPECT_EQ(find_fastest(schedules, none, candidates, 1, 128, 128), 1);
  // More tiles than can be counted.
  const int some[] = {132, 132};
  EXPECT_EQ(find_fastest(schedules, some, candidates, INT32_MAX, 1 << 28, 128), 1);
}

}  // namespace
}  // namespace machete
