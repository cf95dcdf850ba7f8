// wgmma of dequantised weights: a unit is 64 features x 128 bytes of activations along K. The
// weights are operand A, in registers, the activations operand B, in shared memory.
#pragma once

#include <cute/arch/mma_sm90_gmma.hpp>
#include <utility>

#include "machete/kernel/ptx.cuh"

namespace machete {

// The weights of a unit: four registers for each of its four wgmma.
using UnitFragment = uint32_t[16];

// The shared-memory matrix descriptor of a box of activations (PTX ISA,
// "Matrix-descriptor-format"): K-major, 128-byte swizzle, 1024 bytes from one group of 8 tokens to
// the next. Only the low word holds the address; a step of 32 bytes along K starts 32 bytes
// further. Adding to that word instead of to all 64 bits saves instructions between the MMAs: 1-6 %
// of the kernel.
constexpr uint32_t kDescriptorHigh = 1024 >> 4 | 1 << 30;
MACHETE_DEVICE uint32_t descriptor_low(uint32_t address) {
  return (address & 0x3ffff) >> 4 | 1 << 16;
}

template <class Mma, class Sum, size_t... kIndex>
MACHETE_DEVICE void multiply_step(const uint32_t* a, uint32_t b, Sum* sums,
                                  cute::SM90::GMMA::ScaleOut scale,
                                  std::index_sequence<kIndex...>) {
  Mma::fma(a[0], a[1], a[2], a[3], uint64_t{kDescriptorHigh} << 32 | b, sums[kIndex]..., scale);
}

// Starts the four MMAs of a unit, by a warpgroup, and commits them; `activations` is the low word
// of the box's descriptor. The first one adds to the kSums sums, or replaces them.
template <class Mma, int kSums, class Sum>
MACHETE_DEVICE void multiply_unit(UnitFragment& fragment, uint32_t activations, Sum* sums,
                                  cute::SM90::GMMA::ScaleOut first) {
#pragma unroll
  for (int i = 0; i < 16; ++i) cute::warpgroup_fence_operand(fragment[i]);
  cute::warpgroup_arrive();
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    multiply_step<Mma>(fragment + 4 * j, activations + j * 32 / 16, sums,
                       j == 0 ? first : cute::SM90::GMMA::ScaleOut::One,
                       std::make_index_sequence<kSums>());
  }
  cute::warpgroup_commit_batch();
}

}  // namespace machete
