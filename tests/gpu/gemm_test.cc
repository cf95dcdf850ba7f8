// Every kernel against a product in float64: every family, schedule and group size, layers real and
// awkward, any number of tokens.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "machete/machete.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

struct Layer {
  const char* name;
  int64_t n;
  int64_t k;
  int64_t most_tokens;  // what the product in float64 has time for
};

constexpr Layer kLayers[] = {
    {"Llama8B_qkv", 6144, 4096, 4096},
    {"Llama8B_down", 4096, 14336, 1000},
    {"Llama70B_gate_up", 57344, 8192, 300},
    // Partial panels, slices and tiles along N; partial blocks and groups along K; an odd number of
    // K blocks, for what takes them in pairs; fewer of them than CTAs or warps along K.
    {"PartialTiles", 1384, 1520, 513},
    {"PartialPanel", 200, 272, 513},
    {"PartialSlice", 1000, 4160, 513},
    {"PartialBlock", 1008, 4128, 513},
    {"OddBlocks", 128, 192, 513},
    {"OneSlice", 8, 4096, 513},
    {"OneBlock", 8, 16, 513},
    {"OneStep", 4104, 16, 513},
    // Wide enough on an H100 for streaming kernels without clusters: four slices for a CTA; with
    // mma.sync six and nine, four warps along K and two; with wgmma of these the second, three
    // warpgroups.
    {"FourSlices", 8200, 528, 100},
    {"Wide", 11000, 528, 100},
    {"Wider", 17000, 528, 100},
};

// Around the sizes of tiles and their widths, of the streaming kernel's passes and of the groups of
// eight tokens that are copied.
constexpr int64_t kTokens[] = {1,   3,   7,   8,   9,   15,  16,  17,  24,  31,  32,   33,
                               48,  63,  64,  65,  80,  81,  112, 113, 127, 129, 144,  145,
                               175, 176, 191, 208, 255, 256, 257, 300, 401, 513, 1000, 4096};

constexpr int64_t kWholeK = 0;  // group size: one scale for each output feature
// All ways in which a block's groups can lie.
constexpr int64_t kGroups[] = {16, 32, 48, 64, 96, 128, 256, kWholeK};
// With more weights the product in float64 takes long, and one group size has to do.
constexpr int64_t kManyWeights = int64_t{1} << 24;

ProblemDesc make_desc(const TypeSet& types, const Layer& layer, int64_t group) {
  ProblemDesc desc;
  desc.types = types;
  desc.n = layer.n;
  desc.k = layer.k;
  desc.group_size = group == kWholeK ? layer.k : group;
  return desc;
}

struct Case {
  TypeSet types;
  Layer layer;
  int64_t group;
};

// Every family with every layer, and with the group sizes that both have.
std::vector<Case> cases() {
  std::vector<Case> made;
  for (const TypeSet& types : kFamilies) {
    for (const Layer& layer : kLayers) {
      const bool large = layer.n * layer.k > kManyWeights;
      for (const int64_t group : kGroups) {
        if (group != kWholeK && layer.k == group) continue;  // as kWholeK
        if (large && group != usual_group(types)) continue;
        const bool allowed = prepacked_size(make_desc(types, layer, group)) > 0;
        if (allowed) made.push_back({types, layer, group});
      }
    }
  }
  return made;
}

uint64_t fresh_seed() {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  return seed;
}

class GemmTest : public ::testing::TestWithParam<Case> {};

TEST_P(GemmTest, MatchesFloat64) {
  const auto& [types, layer, group] = GetParam();
  const ProblemDesc desc = make_desc(types, layer, group);
  std::vector<int64_t> tokens;
  for (const int64_t m : kTokens) {
    if (m <= layer.most_tokens) tokens.push_back(m);
  }
  const Problem problem(desc, layer.most_tokens, fresh_seed());
  const Reference reference(problem);
  const Packed packed(problem);

  std::vector<const char*> schedules = schedules_of(desc);
  schedules.push_back(nullptr);  // by heuristic

  const size_t row_bytes = bytes_of(types.out, desc.n);
  const Buffer out((layer.most_tokens + 1) * row_bytes);
  for (const char* schedule : schedules) {
    SCOPED_TRACE(schedule ? schedule : "by heuristic");
    Plan plan;
    PlanOptions options;
    options.schedule = schedule;
    check(Plan::create(desc, options, &plan));
    size_t workspace_bytes = 0;
    for (const int64_t m : tokens) {
      workspace_bytes = std::max(workspace_bytes, plan.workspace_size(m));
    }
    const Buffer workspace(workspace_bytes);
    workspace.fill(0);
    for (const int64_t m : tokens) {
      SCOPED_TRACE("m = " + std::to_string(m));
      out.fill(0xff);  // NaN
      // Every second number of tokens comes with scales and bias.
      const RunArgs args =
          (m % 2 == 0 ? run_args : run_args_with_all)(problem, packed, out, workspace, m);
      const Status status = plan.run(args, nullptr);
      ASSERT_TRUE(status.ok()) << status.message();
      check(cudaDeviceSynchronize(), "the kernel");
      EXPECT_LE(reference.error(args), tolerance(m, desc.n));
      std::vector<uint8_t> guard(row_bytes);
      check(cudaMemcpy(guard.data(), out.get<uint8_t>() + m * row_bytes, guard.size(),
                       cudaMemcpyDeviceToHost),
            "the row after the last");
      EXPECT_EQ(guard, std::vector<uint8_t>(guard.size(), 0xff));
    }
    // The flags are left as they were found.
    std::vector<uint8_t> flags = workspace.to_host();
    flags.resize(std::min<size_t>(flags.size(), 4096));
    EXPECT_EQ(flags, std::vector<uint8_t>(flags.size(), 0));
  }
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  const auto& [types, layer, group] = info.param;
  return family_name(types) + "_" + layer.name + "_" +
         (group == kWholeK ? "channel" : "group" + std::to_string(group));
}

INSTANTIATE_TEST_SUITE_P(Families, GemmTest, ::testing::ValuesIn(cases()), case_name);

// Every family that is linked in is in these tests.
static_assert(std::size(kFamilies) == FAMILIES);

}  // namespace
}  // namespace machete::testing
