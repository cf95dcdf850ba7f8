// The streaming kernel's producers: a warp for weights and one for activations.
#pragma once

#include "machete/kernel/streaming_walk.cuh"

namespace machete {

// Only activations may depend on the kernel before this one in the stream. The copies of a stage
// are requested by a lane each: one thread that requests all of them in turn, with the arithmetic
// that takes, is slower than the memory.
template <int kTileM, int kBoxK>
class StreamingProducer {
 public:
  __device__ __forceinline__ StreamingProducer(const StreamingParams& params,
                                               const StreamingWalk& walk,
                                               const StreamingMemory& memory, uint32_t shared,
                                               int lane)
      : params_(params), walk_(walk), memory_(memory), shared_(shared), lane_(lane) {}

  // Both call begin_ring() before they first use the ring.
  template <class Begin>
  __device__ __forceinline__ void load_weights(Begin begin_ring) {
    const int k_bytes = kPanelSlices * params_.slice_bytes;
    walk_.template for_each_pass<kTileM>([&](int index, const StreamingPass& pass) {
      // Slices of a panel lie next to each other; a lane copies what the pass has of a panel.
      const int panel = pass.begin / kPanelSlices + lane_;
      const int begin = max(pass.begin, panel * kPanelSlices);
      const int end = min(pass.end, (panel + 1) * kPanelSlices);
      const int bytes = (end - begin) * params_.slice_bytes;
      const int pass_bytes = (pass.end - pass.begin) * params_.slice_bytes;
      const int offset = memory_.weights + (begin - pass.begin) * params_.slice_bytes;
      const uint8_t* source =
          params_.blocks +
          (static_cast<int64_t>(panel) * params_.k_blocks + walk_.k_begin) * k_bytes +
          begin % kPanelSlices * params_.slice_bytes;
      if (index == 0) begin_ring();
#pragma unroll 1
      for (int k = 0; k < walk_.k_blocks; ++k) {
        const uint32_t full = wait_stage(pass_bytes);
        if (bytes > 0) {
          ptx::bulk_load(shared_ + offset + stage_ * memory_.weight_bytes, source, bytes, full,
                         params_.weight_policy);
        }
        source += k_bytes;
        next_stage();
      }
    });
  }

  // A box is kBoxK input features of the tokens that there are, in whole groups of eight: 128 bytes
  // of each. What lies there of others only reaches results that nobody stores.
  template <class Begin>
  __device__ __forceinline__ void load_activations(const ActivationMaps& activations,
                                                   Begin begin_ring) {
    walk_.template for_each_pass<kTileM>([&](int index, const StreamingPass& pass) {
      const int tokens = min((params_.m - pass.first_token + 7) / 8 * 8, kTileM);
      const CUtensorMap* map = tokens == kTileM ? &activations.whole : &activations.rest;
      int k = walk_.k_begin * kBlockK + lane_ * kBoxK;
      if (index == 0) begin_ring();
#pragma unroll 1
      for (int end = k + walk_.k_blocks * kBlockK; k < end; k += kBlockK) {
        const uint32_t full = wait_stage(tokens * 128 * (kBlockK / kBoxK));
        if (lane_ < kBlockK / kBoxK) {
          ptx::tensor_load(shared_ + stage_ * memory_.activation_bytes + lane_ * kTileM * 128, map,
                           k, pass.first_token, full, params_.activation_policy);
        }
        next_stage();
      }
    });
  }

 private:
  // Until the stage is free; announces `bytes` on the barrier that it returns. Other lanes' copies
  // may be counted before that: the phase cannot end without the arrival.
  __device__ __forceinline__ uint32_t wait_stage(int bytes) const {
    const uint32_t full = shared_ + memory_.barriers + stage_ * 8;
    ptx::mbarrier_wait(full + params_.tiles.stages * 8, parity_);
    if (lane_ == 0) ptx::mbarrier_arrive_expect_tx(full, bytes);
    return full;
  }
  __device__ __forceinline__ void next_stage() {
    if (++stage_ == params_.tiles.stages) {
      stage_ = 0;
      parity_ ^= 1;
    }
  }

  const StreamingParams& params_;
  const StreamingWalk& walk_;
  const StreamingMemory& memory_;
  const uint32_t shared_;
  const int lane_;
  int stage_ = 0;
  uint32_t parity_ = 1;  // a fresh barrier counts as having completed the phase before the first
};

}  // namespace machete
