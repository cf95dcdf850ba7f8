// Packing on the GPU and on the host: the same bytes, whatever the bits.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "machete/machete.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

class PrepackTest : public ::testing::TestWithParam<ProblemDesc> {};

std::vector<uint8_t> random_bytes(size_t count, std::mt19937* random) {
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((*random)());
  return bytes;
}

// Any bits at all: subnormals, infinities and NaN, zero points that are none.
TEST_P(PrepackTest, HostAndGpuAgreeToTheBit) {
  const ProblemDesc& desc = GetParam();
  std::mt19937 random(13);
  const Problem problem(desc, 1, 13);
  std::vector<uint8_t> host[4];
  const Buffer* const device[] = {&problem.codes, &problem.scales, &problem.zeropoints,
                                  &problem.channel_scales};
  for (int i = 0; i < 4; ++i) {
    host[i] = device[i]->to_host();
    // A third of all bytes, so that not every feature is NaN.
    const std::vector<uint8_t> bits = random_bytes(host[i].size(), &random);
    for (size_t at = 0; at < bits.size(); at += 3) host[i][at] = bits[at];
    device[i]->from_host(host[i]);
  }
  const Packed packed(problem);
  check(cudaDeviceSynchronize(), "packing");

  const auto data = [](const std::vector<uint8_t>& bytes) {
    return bytes.empty() ? nullptr : bytes.data();
  };
  Weights weights;
  weights.codes = data(host[0]);
  weights.group_scales = data(host[1]);
  weights.group_zeropoints = data(host[2]);
  weights.channel_scales = reinterpret_cast<const float*>(data(host[3]));
  weights.tensor_scale = problem.tensor_scale;
  std::vector<uint8_t> on_host(packed.bytes());
  check(prepack_B_host(desc, weights, on_host.data()));
  EXPECT_TRUE(packed.to_host() == on_host);
}

// Every family with the shapes that it has.
std::vector<ProblemDesc> cases() {
  std::vector<ProblemDesc> made;
  for (const TypeSet& types : kFamilies) {
    for (const ProblemDesc& desc :
         {ProblemDesc{types, 1024, 2048, 128}, ProblemDesc{types, 512, 1024, 32},
          ProblemDesc{types, 256, 1024, 1024}, ProblemDesc{types, 1384, 1520, 1520},
          ProblemDesc{types, 128, 192, 96}}) {
      if (prepacked_size(desc) > 0) made.push_back(desc);
    }
  }
  return made;
}

INSTANTIATE_TEST_SUITE_P(Shapes, PrepackTest, ::testing::ValuesIn(cases()), [](const auto& info) {
  const ProblemDesc& desc = info.param;
  return family_name(desc.types) + "_" + std::to_string(desc.n) + "_" + std::to_string(desc.k) +
         "_" + std::to_string(desc.group_size);
});

}  // namespace
}  // namespace machete::testing
