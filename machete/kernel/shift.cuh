// How dequantisation shifts registers to the left.
//
// Shifts, masks and permutations share a pipe that takes two cycles for a warp's instruction (CUDA
// Programming Guide, "Arithmetic Instructions", compute capability 9.0: 64 a cycle and SM), and
// dequantisation is mostly masks. Multiplications have another. Of a factor that it knows the
// compiler makes a shift again, so factors come from memory.
//
// Included where the host's pass sees it too, which registers the constants. They are not static:
// the names of static ones depend on where the sources lie, and with them the object's bytes.
#pragma once

#include <cstdint>

namespace machete {

__constant__ uint32_t kPowersOfTwo[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

// With wgmma: against shifts up to 5 % faster with weights of e2m1, 2 % with e4m3.
struct MultiplyingShift {
  template <int kBits>
  static __device__ __forceinline__ uint32_t left(uint32_t x) {
    static_assert(kBits < sizeof(kPowersOfTwo) / sizeof(uint32_t));
    return x * kPowersOfTwo[kBits];
  }
};

// With mma.sync, where products by the other are 1 to 2 % slower.
struct PlainShift {
  template <int kBits>
  static __device__ __forceinline__ uint32_t left(uint32_t x) {
    return x << kBits;
  }
};

}  // namespace machete
