// Fewer SMs than the plan expects (green contexts, MPS): CTAs that wait for each other's partial
// sums must not wait for one that has no SM to run on, also where the next run's are about to
// start.
#include <cuda.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "machete/machete.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

// libcuda comes with the driver, so that its functions are looked up, not linked.
template <class Function>
Function driver_function(const char* name) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result;
  check(cudaGetDriverEntryPointByVersion(name, &found, 12050, cudaEnableDefault, &result), name);
  if (found == nullptr) throw std::runtime_error(std::string("this driver has no ") + name);
  return reinterpret_cast<Function>(found);
}
#define DRIVER(function) driver_function<decltype(&function)>(#function)

// A stream that runs on about `count` SMs only.
CUstream restricted_stream(unsigned count) {
  CUdevice device = 0;
  CUdevResource all, part;
  if (DRIVER(cuDeviceGetDevResource)(device, &all, CU_DEV_RESOURCE_TYPE_SM) != CUDA_SUCCESS) {
    throw std::runtime_error("cuDeviceGetDevResource");
  }
  unsigned groups = 1;
  CUdevResource rest;
  if (DRIVER(cuDevSmResourceSplitByCount)(&part, &groups, &all, &rest, 0, count) != CUDA_SUCCESS) {
    throw std::runtime_error("cuDevSmResourceSplitByCount");
  }
  CUdevResourceDesc description;
  CUgreenCtx context;
  CUstream stream;
  if (DRIVER(cuDevResourceGenerateDesc)(&description, &part, 1) != CUDA_SUCCESS ||
      DRIVER(cuGreenCtxCreate)(&context, description, device, CU_GREEN_CTX_DEFAULT_STREAM) !=
          CUDA_SUCCESS ||
      DRIVER(cuGreenCtxStreamCreate)(&stream, context, CU_STREAM_NON_BLOCKING, 0) != CUDA_SUCCESS) {
    throw std::runtime_error("making a green context");
  }
  return stream;
}

class FewSmsTest : public ::testing::TestWithParam<TypeSet> {};

TEST_P(FewSmsTest, EveryScheduleFinishes) {
  check(cudaSetDevice(0), "cudaSetDevice");
  ProblemDesc desc;
  desc.types = GetParam();
  desc.n = 4608;  // a partial wave for every tile shape
  desc.k = 8192;
  desc.group_size = 128;
  constexpr int64_t kM = 129;
  const Problem problem(desc, kM, 11);
  const Reference reference(problem);
  const Packed packed(problem);
  check(cudaDeviceSynchronize(), "set-up");
  const CUstream stream = restricted_stream(16);

  alarm(60);  // a deadlock ends the test
  for (const char* schedule : schedules_of(desc)) {
    for (const bool dependent : {false, true}) {
      SCOPED_TRACE(std::string(schedule) + (dependent ? ", dependent launch" : ""));
      PlanOptions options;
      options.schedule = schedule;
      options.programmatic_dependent_launch = dependent;
      Plan plan;  // for the whole device
      ASSERT_TRUE(Plan::create(desc, options, &plan).ok());
      for (const int64_t m : {int64_t{1}, int64_t{16}, kM}) {
        SCOPED_TRACE("m = " + std::to_string(m));
        Buffer workspace(plan.workspace_size(m));
        workspace.fill(0);
        Buffer out(m * desc.n * 2);
        out.fill(0xff);
        check(cudaDeviceSynchronize(), "set-up");
        const RunArgs args = run_args(problem, packed, out, workspace, m);
        for (int run = 0; run < (dependent ? 5 : 1); ++run) {
          const Status status = plan.run(args, stream);
          ASSERT_TRUE(status.ok()) << status.message();
        }
        check(cudaDeviceSynchronize(), "the kernel");
        EXPECT_LE(reference.error(args), tolerance(m, desc.n));
      }
    }
  }
  alarm(0);
}

// Types have no say in who waits for whom, but for the bits of a weight, which decide the
// schedules.
INSTANTIATE_TEST_SUITE_P(Families, FewSmsTest, ::testing::Values(kBF16U4B8, kBF16U8B128),
                         [](const auto& info) { return family_name(info.param); });

}  // namespace
}  // namespace machete::testing
