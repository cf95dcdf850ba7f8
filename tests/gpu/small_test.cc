// Every kernel by itself, on layers as small as show all of it: for compute-sanitizer, under which
// everything is slow.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "machete/machete.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

struct Layer {
  const char* name;
  int64_t n;
  int64_t k;
  int64_t m;
};

// Partial panels, slices and tiles of features, an odd number of K blocks, partial tiles and
// several passes of tokens. On an H100 no CTA uses a stage of its pipeline twice on the first
// layer, nor is a tile shared; on the second all do, and tiles are.
constexpr Layer kOnce = {"Once", 264, 384, 11};
constexpr Layer kAgain = {"Again", 2056, 20608, 21};
// For streaming kernels. Eight tokens or fewer may have a kernel of their own.
constexpr Layer kFewOnce = {"FewOnce", 264, 384, 7};
constexpr Layer kFewAgain = {"FewAgain", 2056, 20608, 5};
// Wide enough for CTAs without clusters, of which those for few tokens hold the next kernel back;
// no stage is used twice.
constexpr Layer kWideOnce = {"WideOnce", 17000, 256, 11};
constexpr Layer kFewWideOnce = {"FewWideOnce", 17000, 256, 7};

ProblemDesc make_desc(const TypeSet& types, const Layer& layer) {
  const int64_t group = usual_group(types);
  return {types, layer.n, layer.k, group == 0 ? layer.k : group};
}

using Kernel = std::pair<TypeSet, std::string>;  // of a schedule's name

class SmallTest : public ::testing::TestWithParam<std::tuple<Kernel, Layer>> {};

// Twice, for what a run leaves to the next one, which begins before it ends.
TEST_P(SmallTest, MatchesFloat64) {
  const auto& [kernel, layer] = GetParam();
  const auto& [types, schedule] = kernel;
  const Problem problem(make_desc(types, layer), layer.m, 23);
  const Reference reference(problem);
  const Packed packed(problem);
  PlanOptions options;
  options.schedule = schedule.c_str();
  options.programmatic_dependent_launch = true;
  Plan plan;
  check(Plan::create(problem.desc, options, &plan));
  const Buffer workspace(plan.workspace_size(layer.m));
  const bool can_share = schedule.find("StreamK") != std::string::npos;
  EXPECT_EQ(workspace.bytes() > 0, can_share && layer.k == kAgain.k);
  workspace.fill(0);
  const Buffer out(bytes_of(types.out, layer.m * layer.n));
  out.fill(0xff);  // NaN
  check(cudaDeviceSynchronize(), "set-up");
  const RunArgs args = run_args_with_all(problem, packed, out, workspace, layer.m);
  for (int run = 0; run < 2; ++run) check(plan.run(args, nullptr));
  check(cudaDeviceSynchronize(), "the kernel");
  EXPECT_LE(reference.error(args), tolerance(layer.m, layer.n));
}

std::vector<Kernel> kernels(const std::string& name_part = "") {
  std::vector<Kernel> made;
  for (const TypeSet& types : kFamilies) {
    for (const std::string schedule : schedules_of(make_desc(types, kOnce))) {
      if (schedule.find(name_part) != std::string::npos) made.emplace_back(types, schedule);
    }
  }
  return made;
}

std::string test_name(const ::testing::TestParamInfo<SmallTest::ParamType>& info) {
  const auto& [kernel, layer] = info.param;
  return family_name(kernel.first) + "_" + kernel.second + "_" + layer.name;
}

INSTANTIATE_TEST_SUITE_P(Kernels, SmallTest,
                         ::testing::Combine(::testing::ValuesIn(kernels()),
                                            ::testing::Values(kOnce, kAgain)),
                         test_name);
INSTANTIATE_TEST_SUITE_P(StreamingKernels, SmallTest,
                         ::testing::Combine(::testing::ValuesIn(kernels("_1x1x2_Stream")),
                                            ::testing::Values(kFewOnce, kFewAgain, kWideOnce,
                                                              kFewWideOnce)),
                         test_name);

}  // namespace
}  // namespace machete::testing
