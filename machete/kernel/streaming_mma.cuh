// The streaming kernel's product for few tokens: single warps, by mma.sync, two slices of features
// each.
#pragma once

#include <type_traits>

#include "machete/kernel/dequantise.cuh"
#include "machete/kernel/params.h"
#include "machete/kernel/streaming_walk.cuh"

namespace machete {

template <class Types, class Schedule, size_t kWidth>
class WarpMultiplier {
 public:
  static constexpr int kWarpSlices = streaming_warps(KernelSchedule::kStreaming).slices;
  static constexpr int kTileM = Schedule::kWidths[kWidth];
  static constexpr int kTokenTiles = kTileM / 8;
  static constexpr bool kFinishesLate = true;
  template <class Sum>
  using Fragments = Sum[kWarpSlices * kTokenTiles][4];  // [slice][8 tokens]

  __device__ __forceinline__ WarpMultiplier(const StreamingParams& params, int lane)
      : slice_bytes_(params.slice_bytes), groups_per_block_(params.groups_per_block), lane_(lane) {}

  // This warp's K blocks up to `end`, into sums that begin at zero. locate(stage) returns the
  // StreamingBlock of a stage.
  template <class Locate>
  __device__ __forceinline__ void operator()(StreamingRing& ring, int end, Locate locate,
                                             Fragments<float>& accumulators) const {
    if constexpr (Dequantise::kPromotes) {
      Sums sums = {};
      multiply_blocks(ring, end, locate, sums, [&](const Dequantise(&dequantise)[kWarpSlices]) {
        for_each_sum(sums, [&](auto& sum, int i, int j) {
          accumulators[i][j] =
              fmaf(dequantise[i / kTokenTiles].scale(j / 2), to_float(sum), accumulators[i][j]);
          sum = 0;
        });
      });
    } else if constexpr (Types::kA == DataType::kS8) {
      Sums sums = {};
      multiply_blocks(ring, end, locate, sums, [](const Dequantise(&)[kWarpSlices]) {});
      for_each_sum(sums, [&](uint32_t sum, int i, int j) { accumulators[i][j] = to_float(sum); });
    } else {
      multiply_blocks(ring, end, locate, accumulators, [](const Dequantise(&)[kWarpSlices]) {});
    }
  }

 private:
  static constexpr int kCodesBytes = code_bytes_per_slice(info(Types::kB).bits);
  using Dequantise = Dequantiser<Types, PlainShift>;
  static constexpr GroupFormat kFormat = Dequantise::kFormat;
  static constexpr int kWords = Dequantise::kWords;
  static constexpr int kParts = info(Types::kA).bits / 8;  // of a K block
  using Sums = Fragments<std::conditional_t<Types::kA == DataType::kS8, uint32_t, float>>;

  // Calls finish_block(dequantise) after each block.
  template <class Locate, class Function>
  __device__ __forceinline__ void multiply_blocks(StreamingRing& ring, int end, Locate locate,
                                                  Sums& sums, Function finish_block) const {
    for (; ring.is_before(end); ring.advance()) {
      const StreamingBlock block = locate(ring.stage());
      ring.wait_full();
      Dequantise dequantise[kWarpSlices];
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        if (kFormat.half_groups > 0 || part == 0) {
          load_groups(block.slices, part, dequantise);
        } else if (groups_per_block_ > 1) {
          load_groups(block.slices, groups_per_block_ / 2, dequantise);
        }
        multiply_part(block, part, dequantise, sums);
      }
      __syncwarp();
      ring.release(ring.stage());
      finish_block(dequantise);
    }
  }

  // The scales that lie in a part of the slices' groups.
  __device__ __forceinline__ void load_groups(uint32_t slices, int part,
                                              Dequantise (&dequantise)[kWarpSlices]) const {
#pragma unroll
    for (int s = 0; s < kWarpSlices; ++s) {
      dequantise[s].load(slices + s * slice_bytes_ + kCodesBytes +
                         part * part_bytes_per_slice(kFormat) + lane_ / 4 * kFormat.part_bytes);
    }
  }

  // 128 bytes of activations along K: four steps.
  __device__ __forceinline__ void multiply_part(const StreamingBlock& block, int part,
                                                Dequantise (&dequantise)[kWarpSlices],
                                                Sums& sums) const {
    const uint32_t codes = block.slices + part * (kCodesBytes / kParts) + lane_ * 16;
    uint32_t words[kWarpSlices][4 * kWords];
#pragma unroll
    for (int s = 0; s < kWarpSlices; ++s) {
#pragma unroll
      for (int v = 0; v < kWords; ++v) {
        ptx::load_shared_v4(codes + s * slice_bytes_ + v * 512, words[s] + 4 * v);
      }
    }
    uint32_t b[4][kTokenTiles][2];
    load_activations(block.activations + part * kTileM * 128, b);
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      if (kFormat.half_groups == 0 && kParts == 2 && step == 2 && groups_per_block_ > 2) {
        load_groups(block.slices, 2 * part + 1, dequantise);
      }
#pragma unroll
      for (int s = 0; s < kWarpSlices; ++s) {
        uint32_t a[4];
        dequantise[s].select(step);
        dequantise[s](words[s] + step * kWords, a);
#pragma unroll
        for (int m = 0; m < kTokenTiles; ++m) {
          ptx::Mma<Types::kA>::multiply(sums[s * kTokenTiles + m], a, b[step][m]);
        }
      }
    }
  }

  // B fragments of four steps, out of the 128-byte swizzle; ldmatrix loads four 8x8 matrices:
  // one step of 16 tokens, or two steps of 8.
  __device__ __forceinline__ void load_activations(uint32_t address,
                                                   uint32_t (&b)[4][kTokenTiles][2]) const {
    const int token = kTokenTiles == 2 ? lane_ / 16 * 8 + lane_ % 8 : lane_ % 8;
    const int column = kTokenTiles == 2 ? lane_ / 8 % 2 : lane_ / 8;  // in units of 16 bytes
    const uint32_t row = address + token * 128;
#pragma unroll
    for (int step = 0; step < 4; step += 2 / kTokenTiles) {
      const uint32_t source = row + (((step * 2 + column) ^ (token % 8)) << 4);
      if constexpr (kTokenTiles == 2) {
        ptx::ldmatrix_x4(source, b[step][0][0], b[step][0][1], b[step][1][0], b[step][1][1]);
      } else {
        ptx::ldmatrix_x4(source, b[step][0][0], b[step][0][1], b[step + 1][0][0],
                         b[step + 1][0][1]);
      }
    }
  }

  const int slice_bytes_;
  const int groups_per_block_;
  const int lane_;
};

}  // namespace machete
