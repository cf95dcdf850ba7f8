// Packing on the GPU and on the host: the same bytes.
#include <gtest/gtest.h>

#include <cstring>
#include <tuple>

#include "machete/machete.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

class PrepackTest
    : public ::testing::TestWithParam<std::tuple<TypeSet, std::tuple<int64_t, int64_t, int64_t>>> {
};

TEST_P(PrepackTest, HostAndGpuAgreeToTheBit) {
  ProblemDesc desc;
  desc.types = std::get<0>(GetParam());
  std::tie(desc.n, desc.k, desc.group_size) = std::get<1>(GetParam());
  const Problem problem(desc, 1, 13);
  // Any bits at all as scales: subnormals, infinities and NaN too.
  std::vector<uint8_t> scales = problem.scales.to_host();
  for (size_t i = 0; i < scales.size(); i += 3)
    scales[i] = static_cast<uint8_t>(i * 2654435761u >> 9);
  check(cudaMemcpy(problem.scales.get(), scales.data(), scales.size(), cudaMemcpyHostToDevice),
        "cudaMemcpy");

  Buffer packed(prepacked_size(desc));
  packed.fill(0);
  Status status = prepack_B(desc, problem.codes.get(), problem.scales.get(), packed.get(), nullptr);
  ASSERT_TRUE(status.ok()) << status.message();
  check(cudaDeviceSynchronize(), "packing");
  std::vector<uint8_t> host(prepacked_size(desc));
  const std::vector<uint8_t> codes = problem.codes.to_host();
  status = prepack_B_host(desc, codes.data(), scales.data(), host.data());
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(packed.to_host() == host);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, PrepackTest,
    ::testing::Combine(::testing::ValuesIn(kFamilies),
                       ::testing::Values(std::tuple(4096, 4096, 128), std::tuple(1024, 2048, 64),
                                         std::tuple(512, 1024, 1024), std::tuple(1384, 1520, 1520),
                                         std::tuple(128, 192, 64))));

}  // namespace
}  // namespace machete::testing
