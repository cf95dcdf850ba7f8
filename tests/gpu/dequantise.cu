#include <iterator>
#include <stdexcept>
#include <utility>

#include "machete/kernel/dequantise.cuh"
#include "tests/gpu/dequantise.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

constexpr int kThreads = 256;

struct Words {
  uint32_t word[2];
};

// At least one, so that there is something to count.
constexpr int part_words(const GroupFormat& format) {
  return format.part_bytes > 0 ? format.part_bytes / 4 : 1;
}

// The types of family kFamily as kernels have them.
template <size_t kFamily>
struct Types {
  static constexpr DataType kA = kFamilies[kFamily].a;
  static constexpr DataType kB = kFamilies[kFamily].b;
  static constexpr DataType kGroupScale = kFamilies[kFamily].b_group_scale;
  static constexpr DataType kGroupZeropoint = kFamilies[kFamily].b_group_zeropoint;
};

template <class Types, class Shift>
__global__ void dequantise(Words codes, const uint32_t* parts, size_t count, int step,
                           uint32_t* fragments) {
  constexpr int kPartWords = part_words(Dequantiser<Types, Shift>::kFormat);
  __shared__ uint32_t shared[kThreads * kPartWords];
  const size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x;
  if (i >= count) return;
  uint32_t* const part = shared + threadIdx.x * kPartWords;
  for (int word = 0; word < kPartWords; ++word) part[word] = parts[i * kPartWords + word];
  Dequantiser<Types, Shift> dequantiser;
  dequantiser.load(static_cast<uint32_t>(__cvta_generic_to_shared(part)));
  for (int before = 0; before <= step; ++before) dequantiser.select(before);
  dequantiser(codes.word, fragments + 4 * i);
}

using Kernel = void (*)(Words, const uint32_t*, size_t, int, uint32_t*);

template <class Shift, size_t... kFamily>
Kernel find_kernel(const TypeSet& types, std::index_sequence<kFamily...>) {
  Kernel found = nullptr;
  ((kFamilies[kFamily] == types ? void(found = dequantise<Types<kFamily>, Shift>) : void()), ...);
  return found;
}

}  // namespace

std::vector<uint32_t> dequantise(const TypeSet& types, const std::vector<uint32_t>& codes,
                                 const std::vector<uint32_t>& parts, int step) {
  Words words = {};
  for (size_t i = 0; i < codes.size(); ++i) words.word[i] = codes[i];
  const size_t count = parts.size() / part_words(group_format(types.a, types.b_group_scale,
                                                              types.b_group_zeropoint));
  const Buffer input(parts.size() * sizeof(uint32_t));
  check(cudaMemcpy(input.get(), parts.data(), input.bytes(), cudaMemcpyHostToDevice), "the groups");
  const auto ctas = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  const auto run = [&](Kernel kernel) {
    const Buffer output(4 * count * sizeof(uint32_t));
    output.fill(0xff);
    kernel<<<ctas, kThreads>>>(words, input.get<uint32_t>(), count, step, output.get<uint32_t>());
    std::vector<uint32_t> fragments(4 * count);
    check(cudaMemcpy(fragments.data(), output.get(), output.bytes(), cudaMemcpyDeviceToHost),
          "the dequantiser");
    return fragments;
  };
  constexpr auto kAll = std::make_index_sequence<std::size(kFamilies)>();
  const std::vector<uint32_t> fragments = run(find_kernel<PlainShift>(types, kAll));
  if (run(find_kernel<MultiplyingShift>(types, kAll)) != fragments) {
    throw std::runtime_error("the two ways to shift give different weights");
  }
  return fragments;
}

}  // namespace machete::testing
