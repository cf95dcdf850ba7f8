// Offsets past what 32 bits count: of activations, outputs, codes and packed weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "machete/machete.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

bool has_free(size_t bytes) {
  size_t free = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return bytes <= free;
}

// Runs every schedule with m tokens of `a` and calls judge() with the arguments of the run.
template <class Judge>
void run_every_schedule(const Problem& problem, const void* a, int64_t m, Judge judge) {
  const ProblemDesc& desc = problem.desc;
  const Packed packed(problem);
  const Buffer out(bytes_of(desc.types.out, m * desc.n));
  for (const char* schedule : schedules_of(desc)) {
    SCOPED_TRACE(schedule);
    Plan plan;
    PlanOptions options;
    options.schedule = schedule;
    check(Plan::create(desc, options, &plan));
    const Buffer workspace(plan.workspace_size(m));
    workspace.fill(0);
    out.fill(0xff);  // NaN
    RunArgs args = run_args(problem, packed, out, workspace, m);
    args.a = a;
    const Status status = plan.run(args, nullptr);
    ASSERT_TRUE(status.ok()) << status.message();
    check(cudaDeviceSynchronize(), "the kernel");
    judge(args);
  }
}

class ManyTokensTest : public ::testing::TestWithParam<TypeSet> {};

// The same tokens again and again, so that each output is known. A prime: tokens that lie 2^31
// elements or bytes apart differ.
constexpr int64_t kPeriod = 4093;

TEST_P(ManyTokensTest, MatchFloat64) {
  const ProblemDesc desc = {GetParam(), 4104, 4096, 128};
  const int64_t m = (int64_t{1} << 31) / desc.k + 2 * kPeriod + 77;
  const size_t a_bytes = bytes_of(desc.types.a, m * desc.k);
  const size_t needed =
      a_bytes + bytes_of(desc.types.out, m * desc.n) + (size_t{1} << 30);  // and the rest
  if (!has_free(needed)) GTEST_SKIP() << "needs " << (needed >> 30) << " GiB of free memory";

  const Problem problem(desc, kPeriod, 21);
  const Reference reference(problem);
  const Buffer a(a_bytes);
  for (int64_t first = 0; first < m; first += kPeriod) {
    check(
        cudaMemcpyAsync(a.get<uint8_t>() + bytes_of(desc.types.a, first * desc.k), problem.a.get(),
                        bytes_of(desc.types.a, std::min(kPeriod, m - first) * desc.k),
                        cudaMemcpyDeviceToDevice, nullptr),
        "repeating the activations");
  }
  run_every_schedule(problem, a.get(), m, [&](RunArgs args) {
    auto* const out = static_cast<uint8_t*>(args.out);
    for (int64_t first = 0; first < m; first += kPeriod) {
      args.m = std::min(kPeriod, m - first);
      args.out = out + bytes_of(desc.types.out, first * desc.n);
      ASSERT_LE(reference.error(args), tolerance(args.m, desc.n))
          << "from token " << first << " on";
    }
  });
}

// By what differs: outputs stored by tensor maps and by threads, activations of 16 and of 8 bits.
INSTANTIATE_TEST_SUITE_P(Families, ManyTokensTest,
                         ::testing::Values(kBF16U4B8, wide_out(kBF16U4B8),
                                           wide_out(narrow(DataType::kE4M3, DataType::kBF16))),
                         [](const auto& info) { return family_name(info.param); });

class ManyWeightsTest : public ::testing::TestWithParam<ProblemDesc> {};

TEST_P(ManyWeightsTest, MatchFloat64) {
  const ProblemDesc& desc = GetParam();
  constexpr int64_t kM = 130;
  const size_t needed = bytes_of(desc.types.b, desc.n * desc.k) + prepacked_size(desc) +
                        (size_t{1} << 30);  // and the rest
  if (!has_free(needed)) GTEST_SKIP() << "needs " << (needed >> 30) << " GiB of free memory";

  const Problem problem(desc, kM, 22);
  // -128, and -8 in some features: the largest sums that there are.
  if (desc.types.a == DataType::kS8) problem.a.fill(0x80);
  const Reference reference(problem);
  for (const int64_t m : {int64_t{3}, kM}) {
    SCOPED_TRACE("m = " + std::to_string(m));
    run_every_schedule(problem, problem.a.get(), m, [&](const RunArgs& args) {
      EXPECT_LE(reference.error(args), tolerance(m, desc.n));
    });
  }
}

// More than 2^32 codes, in more than 2^31 bytes; in more than 2^32 bytes; and in the longest rows
// that s8 may have, as many as make whole tiles for each SM of an H100, so that no sum is divided.
INSTANTIATE_TEST_SUITE_P(Layers, ManyWeightsTest,
                         ::testing::Values(ProblemDesc{kBF16U4B8, 131080, 32768, 128},
                                           ProblemDesc{kBF16U8B128, 131080, 32768, 128},
                                           ProblemDesc{narrow(DataType::kS8, DataType::kVoid),
                                                       16896, 131056, 131056}),
                         [](const auto& info) { return family_name(info.param.types); });

}  // namespace
}  // namespace machete::testing
