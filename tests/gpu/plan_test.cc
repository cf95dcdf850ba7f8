// The contract of machete.h: what is refused and in which words, buffers, strides, streams, graphs.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "machete/machete.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

ProblemDesc make_desc(int64_t n, int64_t k, int64_t group_size) {
  return {kBF16U4B8, n, k, group_size};
}

// A packed layer, its reference and a plan.
struct Layer {
  explicit Layer(const ProblemDesc& desc, int64_t max_m, const char* schedule = nullptr)
      : problem(desc, max_m, 7), packed(problem), reference(problem) {
    PlanOptions options;
    options.schedule = schedule;
    check(Plan::create(desc, options, &plan));
  }

  RunArgs args(const Buffer& out, const Buffer& workspace, int64_t m) const {
    return run_args(problem, packed, out, workspace, m);
  }

  // Of the run with these arguments.
  void expect_right(const RunArgs& args) const {
    EXPECT_LE(reference.error(args), tolerance(args.m, problem.desc.n));
  }

  Problem problem;
  Packed packed;
  Reference reference;
  Plan plan;
};

// A schedule whose tiles leave a partial wave on these layers, so that CTAs share tiles.
constexpr const char* kStreamK = "128x128_1x1x1_Coop_Tma_StreamK";
// One of the streaming kernel with either multiplier.
constexpr const char* kStreaming = "224x16_1x1x2_Stream_NoSmem_Persistent";
constexpr const char* kStreamingWgmma = "256x32_1x1x2_StreamWgmma_NoSmem_Persistent";

// What all kernels must do, by a schedule of each.
class EachKernelTest : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Schedules, EachKernelTest,
                         ::testing::Values(kStreamK, kStreaming, kStreamingWgmma),
                         [](const auto& info) { return std::string(info.param); });

TEST(PlanTest, RefusesInWords) {
  const Layer layer(make_desc(512, 1024, 128), 64);
  Buffer out(64 * 512 * 2);
  Buffer workspace(layer.plan.workspace_size(64));
  const RunArgs good = layer.args(out, workspace, 64);
  const auto message = [&](auto change) {
    RunArgs args = good;
    change(args);
    const Status status = layer.plan.run(args, nullptr);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(message([](RunArgs& a) { a.m = -1; }), "m = -1; allowed: 0 to 2147482623");
  EXPECT_EQ(message([](RunArgs& a) { a.lda = 1020; }),
            "lda = 1020; allowed: multiples of 8 elements from 1024 to 2147482623");
  EXPECT_EQ(message([](RunArgs& a) { a.lda = int64_t{1} << 31; }),
            "lda = 2147483648; allowed: multiples of 8 elements from 1024 to 2147482623");
  EXPECT_EQ(message([](RunArgs& a) { a.ldo = 504; }),
            "ldo = 504; allowed: multiples of 8 elements from 512 to 2147482623");
  EXPECT_EQ(message([](RunArgs& a) { a.a = reinterpret_cast<void*>(0x1008); }),
            "a = 0x1008; allowed: not null, aligned to 16 bytes");
  EXPECT_EQ(message([](RunArgs& a) { a.packed = reinterpret_cast<void*>(0x1040); }),
            "packed = 0x1040; allowed: not null, aligned to 128 bytes");
  EXPECT_EQ(message([](RunArgs& a) { a.out = reinterpret_cast<void*>(0x1001); }),
            "out = 0x1001; allowed: not null, aligned to 16 bytes");
  EXPECT_EQ(std::string(Plan().run(good, nullptr).message()),
            "the plan is empty; make it by create()");
}

TEST(PlanTest, RefusesASmallWorkspace) {
  const Layer layer(make_desc(4096, 8192, 128), 64, kStreamK);
  const size_t needed = layer.plan.workspace_size(64);
  ASSERT_GT(needed, 0u);
  Buffer out(64 * 4096 * 2);
  Buffer workspace(needed);
  RunArgs args = layer.args(out, workspace, 64);
  args.workspace_size = needed - 1;
  const Status status = layer.plan.run(args, nullptr);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find(std::to_string(needed) + " bytes are needed"),
            std::string::npos)
      << status.message();
}

TEST(PlanTest, NoTokensDoNothing) {
  const Layer layer(make_desc(512, 1024, 128), 1);
  EXPECT_EQ(layer.plan.workspace_size(0), 0u);
  EXPECT_TRUE(layer.plan.run(RunArgs(), nullptr).ok());
}

TEST_P(EachKernelTest, KeepsToItsColumns) {
  const ProblemDesc desc = make_desc(1384, 1024, 128);
  constexpr int64_t kM = 130;
  constexpr int64_t kLdo = 1408;
  const Layer layer(desc, kM, GetParam());
  Buffer out(kM * kLdo * 2);
  out.fill(0xff);
  Buffer workspace(layer.plan.workspace_size(kM));
  workspace.fill(0);
  RunArgs args = layer.args(out, workspace, kM);
  args.ldo = kLdo;
  const Status status = layer.plan.run(args, nullptr);
  ASSERT_TRUE(status.ok()) << status.message();
  check(cudaDeviceSynchronize(), "the kernel");
  layer.expect_right(args);
  const std::vector<uint8_t> bytes = out.to_host();
  for (int64_t m = 0; m < kM; ++m) {
    for (int64_t i = (m * kLdo + desc.n) * 2; i < (m + 1) * kLdo * 2; ++i) {
      ASSERT_EQ(bytes[i], 0xff) << "token " << m;
    }
  }
}

TEST_P(EachKernelTest, ReadsStridedActivations) {
  const Layer layer(make_desc(512, 1024, 128), 64, GetParam());
  // The same activations in rows of 2048.
  Buffer a(64 * 2048 * 2);
  a.fill(0xff);
  check(cudaMemcpy2D(a.get(), 2048 * 2, layer.problem.a.get(), 1024 * 2, 1024 * 2, 64,
                     cudaMemcpyDeviceToDevice),
        "cudaMemcpy2D");
  Buffer out(64 * 512 * 2);
  out.fill(0xff);
  Buffer workspace(layer.plan.workspace_size(64));
  workspace.fill(0);
  RunArgs args = layer.args(out, workspace, 64);
  args.a = a.get();
  args.lda = 2048;
  ASSERT_TRUE(layer.plan.run(args, nullptr).ok());
  check(cudaDeviceSynchronize(), "the kernel");
  layer.expect_right(args);
}

TEST_P(EachKernelTest, AnswersForeignWeightsWithNaN) {
  const ProblemDesc desc = make_desc(512, 1024, 128);
  const Layer layer(desc, 16, GetParam());
  const Layer other(make_desc(512, 1024, 64), 16);
  EXPECT_TRUE(check_prepacked(desc, layer.packed.get(), nullptr).ok());
  const Status status = check_prepacked(desc, other.packed.get(), nullptr);
  EXPECT_EQ(status.code(), StatusCode::kMismatch);
  EXPECT_NE(std::string(status.message()).find("group_size = 64; wanted"), std::string::npos)
      << status.message();

  Buffer out(16 * 512 * 2);
  Buffer workspace(layer.plan.workspace_size(16));
  workspace.fill(0);
  RunArgs args = layer.args(out, workspace, 16);
  args.packed = other.packed.get();
  out.fill(0);
  ASSERT_TRUE(layer.plan.run(args, nullptr).ok());
  check(cudaDeviceSynchronize(), "the kernel");
  const std::vector<uint8_t> bytes = out.to_host();
  for (size_t i = 0; i < bytes.size(); i += 2) {
    uint16_t bits;
    std::memcpy(&bits, &bytes[i], 2);
    ASSERT_GT(bits & 0x7fff, 0x7f80) << "element " << i / 2 << " is not NaN";
  }
  Buffer empty(prepacked_size(desc));
  empty.fill(0);
  EXPECT_EQ(check_prepacked(desc, empty.get(), nullptr).code(), StatusCode::kMismatch);
}

TEST_P(EachKernelTest, RunsInAGraphAgainAndAgain) {
  const Layer layer(make_desc(4096, 4096, 128), 64, GetParam());
  Buffer out(64 * 4096 * 2);
  Buffer workspace(layer.plan.workspace_size(64));
  workspace.fill(0);
  cudaStream_t stream;
  check(cudaStreamCreate(&stream), "cudaStreamCreate");
  cudaGraph_t graph;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
  for (int i = 0; i < 3; ++i) {
    const Status status = layer.plan.run(layer.args(out, workspace, 64), stream);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  check(cudaStreamEndCapture(stream, &graph), "capture");
  cudaGraphExec_t executable;
  check(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
  std::vector<uint8_t> first;
  for (int i = 0; i < 20; ++i) {
    check(cudaMemsetAsync(out.get(), 0xff, out.bytes(), stream), "poisoning");
    check(cudaGraphLaunch(executable, stream), "cudaGraphLaunch");
    check(cudaStreamSynchronize(stream), "the graph");
    if (i == 0) first = out.to_host();
    ASSERT_EQ(out.to_host(), first) << "results must be reproducible";
  }
  layer.expect_right(layer.args(out, workspace, 64));
  check(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
  check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  check(cudaStreamDestroy(stream), "cudaStreamDestroy");
}

// The errors of threads that run a plan again and again, each with a stream, an output and a
// workspace of its own; without bound where a run was refused.
std::vector<double> run_in_threads(const Layer& layer, const std::vector<Plan>& plans, int64_t m) {
  std::vector<std::thread> threads;
  std::vector<double> errors(plans.size(), HUGE_VAL);
  for (size_t i = 0; i < plans.size(); ++i) {
    threads.emplace_back([&layer, &plan = plans[i], &error = errors[i], m] {
      cudaStream_t stream;
      check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
      Buffer out(m * layer.problem.desc.n * 2);
      out.fill(0xff);
      Buffer workspace(plan.workspace_size(m));
      workspace.fill(0);
      check(cudaDeviceSynchronize(), "set-up");
      bool ok = true;
      for (int run = 0; run < 50; ++run) {
        ok = ok && plan.run(layer.args(out, workspace, m), stream).ok();
      }
      check(cudaStreamSynchronize(stream), "the kernels");
      if (ok) error = layer.reference.error(layer.args(out, workspace, m));
      check(cudaStreamDestroy(stream), "cudaStreamDestroy");
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

TEST_P(EachKernelTest, OnePlanServesThreadsAndStreams) {
  const Layer layer(make_desc(4096, 4096, 128), 64, GetParam());
  for (const double error : run_in_threads(layer, std::vector<Plan>(4, layer.plan), 64)) {
    EXPECT_LE(error, tolerance(64, 4096));
  }
}

// A thread whose first call of CUDA is a run.
TEST_P(EachKernelTest, RunsInAFreshThread) {
  const Layer layer(make_desc(512, 1024, 128), 16, GetParam());
  Buffer out(16 * 512 * 2);
  out.fill(0xff);
  Buffer workspace(layer.plan.workspace_size(16));
  workspace.fill(0);
  check(cudaDeviceSynchronize(), "set-up");
  Status status;
  std::thread([&] { status = layer.plan.run(layer.args(out, workspace, 16), nullptr); }).join();
  ASSERT_TRUE(status.ok()) << status.message();
  check(cudaDeviceSynchronize(), "the kernel");
  layer.expect_right(layer.args(out, workspace, 16));
}

// CTAs of one stream's kernel are between those of another's.
TEST(PlanTest, SchedulesOfAllKindsRunAtOnce) {
  const ProblemDesc desc = make_desc(4096, 4096, 128);
  const Layer layer(desc, 40);
  std::vector<Plan> plans;
  for (const bool dependent : {false, true}) {
    for (const char* schedule : {kStreamK, kStreaming, kStreamingWgmma}) {
      PlanOptions options;
      options.schedule = schedule;
      options.programmatic_dependent_launch = dependent;
      plans.emplace_back();
      const Status status = Plan::create(desc, options, &plans.back());
      ASSERT_TRUE(status.ok()) << status.message();
    }
  }
  for (const double error : run_in_threads(layer, plans, 40)) {
    EXPECT_LE(error, tolerance(40, 4096));
  }
}

}  // namespace
}  // namespace machete::testing
