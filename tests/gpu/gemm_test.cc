// Every kernel against a product in float64: real layers, every group size, every schedule.
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
};

constexpr Layer kLayers[] = {
    {"Llama8B_qkv", 6144, 4096},
    {"Llama8B_o", 4096, 4096},
    {"Llama8B_gate_up", 28672, 4096},
    {"Llama8B_down", 4096, 14336},
    {"Llama70B_qkv", 10240, 8192},
    {"Llama70B_o", 8192, 8192},
    {"Llama70B_gate_up", 57344, 8192},
    {"Llama70B_down", 8192, 28672},
    // Partial blocks and tiles along N and K, an odd number of K blocks for sliced K.
    {"Partial", 1384, 1520},
    {"OneBlock", 8, 16},
    {"OddBlocks", 128, 192},
};

constexpr int64_t kTokens[] = {1, 3, 16, 17, 33, 64, 100, 129, 256, 257, 1000, 4096};
constexpr int64_t kMostTokens = 4096;
constexpr int64_t kWholeK = -1;  // group size: one scale for each output feature

uint64_t fresh_seed() {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  return seed;
}

class GemmTest : public ::testing::TestWithParam<std::tuple<TypeSet, Layer, int64_t>> {};

TEST_P(GemmTest, MatchesFloat64) {
  const auto& [types, layer, group] = GetParam();
  ProblemDesc desc;
  desc.types = types;
  desc.n = layer.n;
  desc.k = layer.k;
  desc.group_size = group == kWholeK ? layer.k : group;
  if (desc.k % desc.group_size != 0) GTEST_SKIP() << "the group size does not divide K";

  const Problem problem(desc, kMostTokens, fresh_seed());
  Buffer ref(kMostTokens * desc.n * sizeof(double));
  reference(problem, ref.get<double>());
  Buffer packed(prepacked_size(desc));
  packed.fill(0xff);
  Status status = prepack_B(desc, problem.codes.get(), problem.scales.get(), packed.get(), nullptr);
  ASSERT_TRUE(status.ok()) << status.message();

  std::vector<const char*> schedules(64);
  schedules.resize(supported_schedules(desc, schedules.data(), 64));
  ASSERT_FALSE(schedules.empty());
  schedules.push_back(nullptr);  // by heuristic

  Buffer out((kMostTokens + 1) * desc.n * 2);
  for (const char* schedule : schedules) {
    SCOPED_TRACE(schedule ? schedule : "by heuristic");
    Plan plan;
    PlanOptions options;
    options.schedule = schedule;
    status = Plan::create(desc, options, &plan);
    ASSERT_TRUE(status.ok()) << status.message();
    size_t workspace_bytes = 0;
    for (const int64_t m : kTokens) {
      workspace_bytes = std::max(workspace_bytes, plan.workspace_size(m));
    }
    Buffer workspace(workspace_bytes);
    workspace.fill(0);
    for (const int64_t m : kTokens) {
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
  const auto& [types, layer, group] = info.param;
  return family_name(types) + "_" + layer.name + "_" +
         (group == kWholeK ? "channel" : "group" + std::to_string(group));
}

INSTANTIATE_TEST_SUITE_P(Families, GemmTest,
                         ::testing::Combine(::testing::ValuesIn(kFamilies),
                                            ::testing::ValuesIn(kLayers),
                                            ::testing::Values(int64_t{64}, int64_t{128}, kWholeK)),
                         case_name);

}  // namespace
}  // namespace machete::testing
