// Every kernel against a product in float64: every family, schedule and group size, layers real and
// awkward, any number of tokens.
#include <gtest/gtest.h>

#include <iostream>
#include <random>
#include <string>
#include <tuple>
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
    // Partial panels, slices and tiles along N; partial blocks and scale groups along K; an odd
    // number of K blocks, for what takes them in pairs; fewer of them than CTAs or warps along K.
    {"PartialTiles", 1384, 1520, 513},
    {"PartialPanel", 200, 272, 513},
    {"PartialSlice", 1000, 4160, 513},
    {"PartialBlock", 1008, 4112, 513},
    {"OddBlocks", 128, 192, 513},
    {"OneSlice", 8, 4096, 513},
    {"OneBlock", 8, 16, 513},
    {"OneStep", 4104, 16, 513},
};

// Around the sizes of tiles, of the streaming kernel's passes and of the groups of eight tokens
// that are copied.
constexpr int64_t kTokens[] = {1,  3,   7,   8,   9,   15,  16,  17,  31,  33,  48,  63,   64,
                               65, 100, 127, 129, 191, 200, 255, 256, 257, 300, 513, 1000, 4096};
constexpr int64_t kWholeK = -1;  // group size: one scale for each output feature
constexpr int64_t kGroups[] = {64, 128, kWholeK};

// A layer with a group size that divides K.
struct Case {
  Layer layer;
  int64_t group;
};

std::vector<Case> cases() {
  std::vector<Case> made;
  for (const Layer& layer : kLayers) {
    for (const int64_t group : kGroups) {
      if (group == kWholeK || layer.k % group == 0) made.push_back({layer, group});
    }
  }
  return made;
}

uint64_t fresh_seed() {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  return seed;
}

class GemmTest : public ::testing::TestWithParam<std::tuple<TypeSet, Case>> {};

TEST_P(GemmTest, MatchesFloat64) {
  const auto& [types, layer_and_group] = GetParam();
  const auto& [layer, group] = layer_and_group;
  ProblemDesc desc;
  desc.types = types;
  desc.n = layer.n;
  desc.k = layer.k;
  desc.group_size = group == kWholeK ? layer.k : group;
  std::vector<int64_t> tokens;
  for (const int64_t m : kTokens) {
    if (m <= layer.most_tokens) tokens.push_back(m);
  }

  const Problem problem(desc, layer.most_tokens, fresh_seed());
  Buffer ref(layer.most_tokens * desc.n * sizeof(double));
  reference(problem, ref.get<double>());
  Buffer packed(prepacked_size(desc));
  packed.fill(0xff);
  Status status = prepack_B(desc, problem.codes.get(), problem.scales.get(), packed.get(), nullptr);
  ASSERT_TRUE(status.ok()) << status.message();

  std::vector<const char*> schedules(64);
  schedules.resize(supported_schedules(desc, schedules.data(), 64));
  ASSERT_FALSE(schedules.empty());
  schedules.push_back(nullptr);  // by heuristic

  Buffer out((layer.most_tokens + 1) * desc.n * 2);
  for (const char* schedule : schedules) {
    SCOPED_TRACE(schedule ? schedule : "by heuristic");
    Plan plan;
    PlanOptions options;
    options.schedule = schedule;
    status = Plan::create(desc, options, &plan);
    ASSERT_TRUE(status.ok()) << status.message();
    size_t workspace_bytes = 0;
    for (const int64_t m : tokens) {
      workspace_bytes = std::max(workspace_bytes, plan.workspace_size(m));
    }
    Buffer workspace(workspace_bytes);
    workspace.fill(0);
    for (const int64_t m : tokens) {
      SCOPED_TRACE("m = " + std::to_string(m));
      out.fill(0xff);  // NaN
      status = plan.run(run_args(problem, packed, out, workspace, m), nullptr);
      ASSERT_TRUE(status.ok()) << status.message();
      check(cudaDeviceSynchronize(), "the kernel");
      EXPECT_LE(
          relative_error(out.get(), types.out, ref.get<double>(), m, desc.n, desc.n),
          tolerance(types.out) * (m * desc.n < 1000 ? 2 : 1));  // few errors do not average out
      std::vector<uint8_t> guard(desc.n * 2);
      check(cudaMemcpy(guard.data(), out.get<uint8_t>() + m * desc.n * 2, guard.size(),
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

std::string case_name(const ::testing::TestParamInfo<GemmTest::ParamType>& info) {
  const auto& [types, layer_and_group] = info.param;
  const auto& [layer, group] = layer_and_group;
  return family_name(types) + "_" + layer.name + "_" +
         (group == kWholeK ? "channel" : "group" + std::to_string(group));
}

INSTANTIATE_TEST_SUITE_P(Families, GemmTest,
                         ::testing::Combine(::testing::ValuesIn(kFamilies),
                                            ::testing::ValuesIn(cases())),
                         case_name);

}  // namespace
}  // namespace machete::testing
