// The streaming kernel's consumers: from a multiplier's sums to the output. Warps along K add up in
// shared memory, two CTAs of a cluster exchange halves through distributed shared memory.
#pragma once

#include "machete/kernel/output.cuh"
#include "machete/kernel/streaming_walk.cuh"

namespace machete {

// A warp. It adds up its own of the fragments among the warps along K; of these one of two CTAs
// finishes the even ones, the other the odd.
template <class Types, class Multiplier, int kCluster>
class StreamingConsumer {
 public:
  __device__ __forceinline__ StreamingConsumer(const StreamingParams& params,
                                               const StreamingWalk& walk,
                                               const StreamingMemory& memory, uint32_t shared,
                                               int warp, int lane)
      : params_(params),
        walk_(walk),
        memory_(memory),
        shared_(shared),
        warp_n_(warp % params.tiles.warps_n),
        warp_k_(warp / params.tiles.warps_n),
        lane_(lane) {
    for (int i = 0; i < kFragments; ++i) {
      if (i % params.tiles.warps_k == warp_k_) mine_ |= 1 << i;
    }
  }

  __device__ __forceinline__ void run() const {
    const Multiplier multiply(params_, lane_);
    StreamingRing ring(params_.tiles, shared_ + memory_.barriers, warp_k_, lane_);
    const uint32_t slices =
        shared_ + memory_.weights + warp_n_ * Multiplier::kWarpSlices * params_.slice_bytes;
    const auto locate = [&](int stage) {
      return StreamingBlock{slices + stage * memory_.weight_bytes,
                            shared_ + stage * memory_.activation_bytes};
    };
    // A pass is finished after the next one's multiplication, which hides the exchange, where there
    // are registers for its sums meanwhile.
    uint32_t last = 0;
    StreamingPass last_pass = {};
    Sums last_sums;
    walk_.template for_each_pass<kTokenTiles * 8>([&](int index, const StreamingPass& pass) {
      prefetch_rows(pass);
      Sums sums = {};
      multiply(ring, (index + 1) * walk_.k_blocks, locate, sums);
      if (Multiplier::kFinishesLate && index > 0) finish(last, last_pass, last_sums);
      add_along_k(index, sums);
      send(index, sums);
      if constexpr (!Multiplier::kFinishesLate) {
        finish(index, pass, sums);
        return;
      }
      last_pass = pass;
      for_each_sum(sums, [&](float sum, int i, int j) { last_sums[i][j] = sum; });
      last = index;
    });
    if constexpr (Multiplier::kFinishesLate) finish(last, last_pass, last_sums);
  }

 private:
  static constexpr int kWarpSlices = Multiplier::kWarpSlices;
  static constexpr int kTokenTiles = Multiplier::kTokenTiles;
  static constexpr int kFragments = kWarpSlices * kTokenTiles;  // [slice][8 tokens]
  using Sums = float[kFragments][4];

  // A pass may end before its last warps' slices do.
  __device__ __forceinline__ const RowEntry* row(const StreamingPass& pass, int s) const {
    const int slice = min(pass.begin + warp_n_ * kWarpSlices + s, pass.end - 1);
    return params_.rows + slice * kSliceN + lane_ / 4;
  }

  __device__ __forceinline__ void prefetch_rows(const StreamingPass& pass) const {
#pragma unroll
    for (int s = 0; s < kWarpSlices; ++s) ptx::prefetch_global_l2(row(pass, s));
  }

  __device__ __forceinline__ void finish(uint32_t index, const StreamingPass& pass,
                                         Sums& sums) const {
    uint2 rows[kWarpSlices][2];
#pragma unroll
    for (int s = 0; s < kWarpSlices; ++s) {
      rows[s][0] = ptx::load_global_v2(row(pass, s));
      rows[s][1] = ptx::load_global_v2(row(pass, s) + 8);
    }
    receive(index, sums);
    store(pass, rows, sums);
  }

  // Each of the warps along K adds up a part of the fragments.
  __device__ __forceinline__ void add_along_k(uint32_t pass, Sums& sums) const {
    const int warps_k = params_.tiles.warps_k;
    if (warps_k == 1) return;
    const uint32_t base =
        shared_ + memory_.partials + warp_n_ * warps_k * kFragments * kFragmentBytes + lane_ * 16;
    if (pass > 0) ptx::named_barrier(1 + warp_n_, warps_k * 32);  // the last pass has been read
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      if (!is_mine(i)) {
        ptx::store_shared_v4(base + (warp_k_ * kFragments + i) * kFragmentBytes, sums[i]);
      }
    }
    ptx::named_barrier(1 + warp_n_, warps_k * 32);
    if (warps_k == kMaxWarpsK) {
      add_others<kMaxWarpsK>(base, sums);
    } else {
      add_others<2>(base, sums);
    }
  }

  // Without a branch between the loads, whose latency nothing else hides.
  template <int kWarpsK>
  __device__ __forceinline__ void add_others(uint32_t base, Sums& sums) const {
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      if (!is_mine(i)) continue;
#pragma unroll
      for (int other = 1; other < kWarpsK; ++other) {
        ptx::add_shared_v4(sums[i], base + ((warp_k_ ^ other) * kFragments + i) * kFragmentBytes);
      }
    }
  }

  // Whether this CTA finishes a fragment.
  __device__ __forceinline__ bool is_kept(int fragment) const {
    return kCluster == 1 || fragment % 2 == walk_.rank;
  }

  __device__ __forceinline__ void send(uint32_t pass, const Sums& sums) const {
    if constexpr (kCluster == 1) return;
    const uint32_t barrier = exchange_barrier(pass);
    if (warp_n_ == 0 && warp_k_ == 0 && lane_ == 0) {
      ptx::mbarrier_arrive_expect_tx(barrier, memory_.exchange_bytes);
    }
    const int other = 1 - walk_.rank;
    const uint32_t slot = ptx::map_to_cta(exchange_slot(pass), other);
    const uint32_t remote_barrier = ptx::map_to_cta(barrier, other);
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      if (is_mine(i) && !is_kept(i)) {
        ptx::store_async_v4(slot + i / 2 * kFragmentBytes, sums[i], remote_barrier);
      }
    }
  }

  __device__ __forceinline__ void receive(uint32_t pass, Sums& sums) const {
    if constexpr (kCluster == 1) return;
    ptx::mbarrier_wait_cluster(exchange_barrier(pass), pass / 2 % 2);
    const uint32_t slot = exchange_slot(pass);
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      if (is_mine(i) && is_kept(i)) ptx::add_shared_v4(sums[i], slot + i / 2 * kFragmentBytes);
    }
  }

  // Rows of a fragment are features; transposed in registers, a lane has two of a token.
  __device__ __forceinline__ void store(const StreamingPass& pass,
                                        const uint2 (&rows)[kWarpSlices][2],
                                        const Sums& sums) const {
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      const int s = i / kTokenTiles;
      const int slice = pass.begin + warp_n_ * kWarpSlices + s;
      if (!is_mine(i) || !is_kept(i) || slice >= pass.end) continue;
      const int first_token = pass.first_token + i % kTokenTiles * 8;
      const TokenScales<Types> scales(params_, first_token + lane_ % 4 * 2);
#pragma unroll
      for (int upper = 0; upper < 2; ++upper) {
        const int first_n = slice * kSliceN + upper * 8;
        const OutputFeature<Types> feature(params_, rows[s][upper], first_n + lane_ / 4);
        const float x = sums[i][2 * upper];
        const float y = sums[i][2 * upper + 1];
        if constexpr (Types::kOut == DataType::kF32) {
          feature.store(params_, first_n + lane_ / 4, first_token + lane_ % 4 * 2, x, y, scales);
        } else {
          const uint32_t packed = ptx::transpose_8x8(feature(x, y, scales));
          const int64_t token = first_token + lane_ / 4;
          const int n = first_n + lane_ % 4 * 2;
          if (token < params_.m && n < params_.n) {
            uint16_t* out = static_cast<uint16_t*>(params_.out) + token * params_.ldo + n;
            *reinterpret_cast<uint32_t*>(out) = packed;
          }
        }
      }
    }
  }

  __device__ __forceinline__ bool is_mine(int fragment) const { return mine_ >> fragment & 1; }

  // Passes are unsigned, whose remainders are cheaper: nothing hides what follows the last product.
  __device__ __forceinline__ uint32_t exchange_barrier(uint32_t pass) const {
    return shared_ + memory_.barriers + (2 * params_.tiles.stages + pass % 2) * 8;
  }
  __device__ __forceinline__ uint32_t exchange_slot(uint32_t pass) const {
    return shared_ + memory_.exchange + pass % 2 * memory_.exchange_bytes +
           warp_n_ * (kFragments / 2) * kFragmentBytes + lane_ * 16;
  }

  const StreamingParams& params_;
  const StreamingWalk& walk_;
  const StreamingMemory& memory_;
  const uint32_t shared_;
  const int warp_n_;
  const int warp_k_;
  const int lane_;
  int mine_ = 0;  // a bit for each fragment that this warp adds up
};

}  // namespace machete
