#include "machete/kernel/dequantise.cuh"
#include "tests/gpu/dequantise.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

struct Words {
  uint32_t word[2];
};

template <DataType kA, DataType kB>
__global__ void dequantise(Words codes, const uint32_t* scales, size_t count, uint32_t* fragments) {
  const size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x;
  if (i >= count) return;
  Dequantiser<kA, kB> dequantiser;
  dequantiser.set_scales(scales[i]);
  dequantiser(codes.word, fragments + 4 * i);
}

template <DataType kA>
auto* kernel(DataType b) {
  return b == DataType::kU4B8 ? &dequantise<kA, DataType::kU4B8>
                              : &dequantise<kA, DataType::kU8B128>;
}

}  // namespace

std::vector<uint32_t> dequantise(DataType a, DataType b, const std::vector<uint32_t>& codes,
                                 const std::vector<uint32_t>& scales) {
  Words words = {};
  for (size_t i = 0; i < codes.size(); ++i) words.word[i] = codes[i];
  const size_t bytes = scales.size() * sizeof(uint32_t);
  const Buffer input(bytes);
  const Buffer output(4 * bytes);
  check(cudaMemcpy(input.get(), scales.data(), bytes, cudaMemcpyHostToDevice), "the scales");
  constexpr int kThreads = 256;
  const auto ctas = static_cast<unsigned>((scales.size() + kThreads - 1) / kThreads);
  auto* const function =
      a == DataType::kBF16 ? kernel<DataType::kBF16>(b) : kernel<DataType::kF16>(b);
  function<<<ctas, kThreads>>>(words, input.get<uint32_t>(), scales.size(), output.get<uint32_t>());
  std::vector<uint32_t> fragments(4 * scales.size());
  check(cudaMemcpy(fragments.data(), output.get(), 4 * bytes, cudaMemcpyDeviceToHost),
        "the dequantiser");
  return fragments;
}

}  // namespace machete::testing
