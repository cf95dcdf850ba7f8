// The streaming kernel's product for more tokens, and of e4m3: warpgroups, by wgmma, which reads
// activations from shared memory by itself. Each of a warpgroup's warps has a slice of features.
#pragma once

#include <tuple>
#include <type_traits>

#include "machete/kernel/dequantise.cuh"
#include "machete/kernel/params.h"
#include "machete/kernel/streaming_walk.cuh"
#include "machete/kernel/wgmma.cuh"

namespace machete {

// Slices that a pass does not have are multiplied too: what lies in their place in shared memory
// only reaches their own sums.
template <class Types, class Schedule, size_t kWidth>
class WarpgroupMultiplier {
 public:
  static constexpr int kWarpSlices = streaming_warps(KernelSchedule::kStreamingWgmma).slices;
  static constexpr int kTileM = Schedule::kWidths[kWidth];
  static constexpr int kTokenTiles = kTileM / 8;
  static constexpr bool kFinishesLate = false;
  template <class Sum>
  using Fragments = Sum[kTokenTiles][4];  // [8 tokens]

  __device__ __forceinline__ WarpgroupMultiplier(const StreamingParams& params, int lane)
      : groups_per_block_(params.groups_per_block), lane_(lane) {}

  // This warpgroup's K blocks up to `end`, into sums that begin at zero. locate(stage) returns the
  // StreamingBlock of a stage.
  template <class Locate>
  __device__ __forceinline__ void operator()(StreamingRing& ring, int end, Locate locate,
                                             Fragments<float>& accumulators) const {
    if constexpr (Dequantise::kPromotes) {
      multiply_groups(ring, end, locate, accumulators);
    } else if constexpr (Types::kA == DataType::kS8) {
      Fragments<uint32_t> sums = {};
      multiply_units<true>(ring, end, locate, sums);
      for_each_sum(sums, [&](uint32_t sum, int i, int j) { accumulators[i][j] = to_float(sum); });
    } else if constexpr (!Dequantise::kSplitsBlocks) {
      multiply_units<true>(ring, end, locate, accumulators);
    } else if (groups_per_block_ == 1) {
      multiply_units<true>(ring, end, locate, accumulators);
    } else {
      multiply_units<false>(ring, end, locate, accumulators);
    }
  }

 private:
  using Mma = std::tuple_element_t<kWidth, typename Schedule::Mmas>;
  using ScaleOut = cute::SM90::GMMA::ScaleOut;
  using Dequantise = Dequantiser<Types, MultiplyingShift>;
  static constexpr GroupFormat kFormat = Dequantise::kFormat;
  static constexpr int kWords = Dequantise::kWords;
  static constexpr int kCodesBytes = code_bytes_per_slice(info(Types::kB).bits);
  static constexpr int kUnits = info(Types::kA).bits / 8;  // of a K block
  static constexpr int kSums = kTokenTiles * 4;

  // While the tensor cores work on one unit, the next is dequantised into the other set of
  // registers. With one unit a block there is one set, and they work for other warpgroups
  // meanwhile.
  template <bool kOneGroup, class Locate, class Sum>
  __device__ __forceinline__ void multiply_units(StreamingRing& ring, int end, Locate locate,
                                                 Sum (&sums)[kTokenTiles][4]) const {
    UnitFragment fragments[kUnits];
    int held = -1;  // the stage that the MMAs in flight still read
    for (; ring.is_before(end); ring.advance()) {
      const StreamingBlock block = locate(ring.stage());
      ring.wait_full();
      Dequantise dequantise;
      dequantise.load(groups(block, 0));
      uint32_t codes[kUnits][4 * kWords];
#pragma unroll
      for (int u = 0; u < kUnits; ++u) load_codes(block, u, codes[u]);
#pragma unroll
      for (int u = 0; u < kUnits; ++u) {
        // The groups of the second 64 input features, where they are others.
        if (u > 0 && kFormat.half_groups > 0) {
          dequantise.load(groups(block, 1));
        } else if (u > 0 && !kOneGroup) {
          dequantise.load(groups(block, groups_per_block_ / 2));
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (!kOneGroup && j == 2 && groups_per_block_ > 2) {
            dequantise.load(groups(block, 2 * u + 1));
          }
          dequantise.select(j);
          dequantise(codes[u] + kWords * j, fragments[u] + 4 * j);
        }
        multiply_unit<Mma, kSums>(fragments[u],
                                  descriptor_low(block.activations) + u * kTileM * 128 / 16,
                                  &sums[0][0], ScaleOut::One);
        // The unit before this one is done, or this one if there is one set.
        cute::warpgroup_wait<kUnits - 1>();
        if (kUnits == 1) {
          ring.release(ring.stage());
        } else if (u == 0 && held >= 0) {
          ring.release(held);
        }
      }
      if (kUnits > 1) held = ring.stage();
    }
    cute::warpgroup_wait<0>();
    if (held >= 0) ring.release(held);
  }

  // Activations of 8 bits with group scales: a block has one for each feature, by which its sums
  // are multiplied as they are added to those before.
  template <class Locate>
  __device__ __forceinline__ void multiply_groups(StreamingRing& ring, int end, Locate locate,
                                                  Fragments<float>& accumulators) const {
    Fragments<std::conditional_t<Types::kA == DataType::kS8, uint32_t, float>> sums;
    for (; ring.is_before(end); ring.advance()) {
      const StreamingBlock block = locate(ring.stage());
      ring.wait_full();
      Dequantise dequantise;
      dequantise.load(groups(block, 0));
      uint32_t codes[4 * kWords];
      load_codes(block, 0, codes);
      UnitFragment fragment;
#pragma unroll
      for (int j = 0; j < 4; ++j) dequantise(codes + kWords * j, fragment + 4 * j);
      multiply_unit<Mma, kSums>(fragment, descriptor_low(block.activations), &sums[0][0],
                                ScaleOut::Zero);
      cute::warpgroup_wait<0>();
      for_each_sum(sums, [](auto& sum, int, int) { cute::warpgroup_fence_operand(sum); });
      ring.release(ring.stage());
      for_each_sum(sums, [&](auto sum, int i, int j) {
        accumulators[i][j] = fmaf(dequantise.scale(j / 2), to_float(sum), accumulators[i][j]);
      });
    }
  }

  __device__ __forceinline__ uint32_t groups(const StreamingBlock& block, int part) const {
    return block.slices + kCodesBytes + part * part_bytes_per_slice(kFormat) +
           lane_ / 4 * kFormat.part_bytes;
  }

  __device__ __forceinline__ void load_codes(const StreamingBlock& block, int unit,
                                             uint32_t (&codes)[4 * kWords]) const {
    const uint32_t first = block.slices + unit * (kCodesBytes / kUnits) + lane_ * 16;
#pragma unroll
    for (int v = 0; v < kWords; ++v) ptx::load_shared_v4(first + v * 512, codes + 4 * v);
  }

  const int groups_per_block_;
  const int lane_;
};

}  // namespace machete
