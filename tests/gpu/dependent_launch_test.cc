// Programmatic dependent launch: a run that begins while the one before it ends gives the same bits
// as one that does not, whatever the two are.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "machete/machete.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

constexpr int64_t kFeatures = 2048;  // N and K: the output of a product is the input of the next
constexpr int kLayers = 3;           // with weights of their own
constexpr int kRepeats = 50;

// A product by each schedule and one by the heuristic, one after the other. Two buffers take turns,
// so that each product writes what the one before it reads. All have one workspace. Here and there
// something stands between them that knows nothing of dependent launch.
class Chain {
 public:
  Chain(const TypeSet& types, int64_t m, bool backwards) : m_(m), bytes_(m * kFeatures * 2) {
    ProblemDesc desc;
    desc.types = types;
    desc.n = kFeatures;
    desc.k = kFeatures;
    desc.group_size = 128;
    for (int i = 0; i < kLayers; ++i) {
      const Problem& layer = layers_.emplace_back(desc, m, 21 + i);
      packed_.emplace_back(layer);
    }
    std::vector<const char*> schedules(64);
    schedules.resize(supported_schedules(desc, schedules.data(), 64));
    schedules.push_back(nullptr);  // by heuristic
    if (backwards) std::reverse(schedules.begin(), schedules.end());
    size_t workspace_bytes = 0;
    for (const char* schedule : schedules) {
      for (const bool dependent : {false, true}) {
        PlanOptions options;
        options.schedule = schedule;
        options.programmatic_dependent_launch = dependent;
        check(Plan::create(desc, options, &plans_[dependent].emplace_back()));
      }
      workspace_bytes = std::max(workspace_bytes, plans_[0].back().workspace_size(m));
    }
    workspace_.emplace_back(workspace_bytes).fill(0);
    for (int i = 0; i < 2; ++i) buffers_.emplace_back(bytes_);
    check(cudaDeviceSynchronize(), "set-up");
  }

  size_t products() const { return plans_[0].size(); }

  void run(bool dependent, cudaStream_t stream) const {
    check(cudaMemcpyAsync(buffers_[0].get(), layers_[0].a.get(), bytes_, cudaMemcpyDeviceToDevice,
                          stream),
          "the input");
    check(cudaMemsetAsync(buffers_[1].get(), 0xff, bytes_, stream), "poisoning");
    for (size_t i = 0; i < products(); ++i) {
      const Buffer& in = buffers_[i % 2];
      const Buffer& out = buffers_[(i + 1) % 2];
      const size_t layer = i % kLayers;
      // Token scales and bias are read by the epilogue alone.
      RunArgs args = run_args_with_all(layers_[layer], packed_[layer], out, workspace_[0], m_);
      args.a = in.get();
      check(plans_[dependent][i].run(args, stream));
      if (i % 5 == 2) negate(out.get(), m_ * kFeatures, stream);
      if (i % 7 == 4 && i + 1 < products()) {
        check(cudaMemsetAsync(in.get(), 0xff, bytes_, stream), "poisoning");
      }
    }
  }

  // The last two outputs.
  std::vector<uint8_t> results() const {
    std::vector<uint8_t> results = buffers_[0].to_host();
    const std::vector<uint8_t> more = buffers_[1].to_host();
    results.insert(results.end(), more.begin(), more.end());
    return results;
  }

  std::vector<uint8_t> flags() const {
    std::vector<uint8_t> flags = workspace_[0].to_host();
    flags.resize(std::min<size_t>(flags.size(), 4096));
    return flags;
  }

 private:
  const int64_t m_;
  const size_t bytes_;
  // Deques, since neither problems nor buffers can be moved.
  std::deque<Problem> layers_;
  std::deque<Packed> packed_;
  std::deque<Buffer> workspace_;
  std::deque<Buffer> buffers_;
  std::vector<Plan> plans_[2];  // without and with dependent launch
};

// 16-bit floats that are infinite or no numbers.
size_t count_special(const std::vector<uint8_t>& values, uint16_t infinity) {
  size_t count = 0;
  for (size_t i = 0; i < values.size(); i += 2) {
    count += ((values[i] | values[i + 1] << 8) & infinity) == infinity;
  }
  return count;
}

class DependentLaunchTest : public ::testing::TestWithParam<std::tuple<TypeSet, int64_t, bool>> {};

TEST_P(DependentLaunchTest, GivesTheSameBits) {
  const auto& [types, m, backwards] = GetParam();
  const Chain chain(types, m, backwards);
  ASSERT_GE(chain.products(), 12u);
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  alarm(60);  // a deadlock ends the test

  chain.run(false, stream);
  check(cudaStreamSynchronize(stream), "the chain");
  const std::vector<uint8_t> expected = chain.results();
  ASSERT_EQ(count_special(expected, 0x7f80), 0u) << "a chain that cannot tell right from wrong";

  for (int i = 0; i < kRepeats; ++i) {
    chain.run(true, stream);
    check(cudaStreamSynchronize(stream), "the chain");
    ASSERT_TRUE(chain.results() == expected) << "on a stream, run " << i;
  }

  cudaGraph_t graph;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
  chain.run(true, stream);
  check(cudaStreamEndCapture(stream, &graph), "capture");
  cudaGraphExec_t executable;
  check(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
  for (int i = 0; i < kRepeats; ++i) {
    check(cudaGraphLaunch(executable, stream), "cudaGraphLaunch");
    check(cudaStreamSynchronize(stream), "the graph");
    ASSERT_TRUE(chain.results() == expected) << "in a graph, run " << i;
  }
  alarm(0);
  // The flags are left as they were found.
  const std::vector<uint8_t> flags = chain.flags();
  EXPECT_EQ(flags, std::vector<uint8_t>(flags.size(), 0));
  check(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
  check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  check(cudaStreamDestroy(stream), "cudaStreamDestroy");
}

// In f16 the last products would overflow.
INSTANTIATE_TEST_SUITE_P(Chains, DependentLaunchTest,
                         ::testing::Combine(::testing::Values(kBF16U4B8, kBF16U8B128),
                                            ::testing::Values(int64_t{1}, int64_t{16}, int64_t{40},
                                                              int64_t{200}),
                                            ::testing::Bool()),
                         [](const auto& info) {
                           return family_name(std::get<0>(info.param)) + "_" +
                                  std::to_string(std::get<1>(info.param)) +
                                  (std::get<2>(info.param) ? "_backwards" : "");
                         });

}  // namespace
}  // namespace machete::testing
