// The streaming kernel, for few tokens: nothing but the weights' way from memory counts. Pairs of
// CTAs split K and share the features evenly in units of 16, so that every SM streams the same
// number of bytes whatever N is; what they compute is exchanged through distributed shared memory,
// so no workspace, flag or second kernel is needed and results are reproducible. The products are
// mma.sync, whose A fragments are the same as wgmma's: a warp can work on 16 features by itself.
#pragma once

#include <type_traits>

#include "machete/kernel/dequantise.cuh"
#include "machete/kernel/output.cuh"
#include "machete/kernel/params.h"
#include "machete/kernel/pipeline.cuh"
#include "machete/kernel/ptx.cuh"
#include "machete/kernel/streaming.h"

namespace machete {

// The slices [begin, end) of one pass of a pair, for the tokens from first_token on.
struct StreamingPass {
  int begin;
  int end;
  int first_token;
};

// What a CTA works through: its pair's slices for each tile of tokens, its half of K.
class StreamingWalk {
 public:
  __device__ __forceinline__ StreamingWalk(const StreamingParams& params) : tiles_(params.tiles) {
    const int pair = blockIdx.x / 2;
    begin_ = pair * tiles_.pair_slices + min(pair, tiles_.extra);
    end_ = begin_ + tiles_.pair_slices + (pair < tiles_.extra);
    const int half = params.k_blocks / 2;
    k_begin = blockIdx.x % 2 == 0 ? 0 : half;
    k_blocks = blockIdx.x % 2 == 0 ? half : params.k_blocks - half;
  }

  // Calls function(index, pass) for each pass in turn.
  template <int kTileM, class Function>
  __device__ __forceinline__ void for_each_pass(Function function) const {
    int index = 0;
    for (int tile = 0; tile < tiles_.tiles_m; ++tile) {
      for (int part = 0; part < tiles_.passes; ++part, ++index) {
        const int begin = begin_ + part * tiles_.pass_slices;
        function(index, StreamingPass{begin, min(begin + tiles_.pass_slices, end_), tile * kTileM});
      }
    }
  }

  int k_begin;   // in blocks
  int k_blocks;  // of each pass

 private:
  const StreamingTiles& tiles_;
  int begin_;
  int end_;
};

// A warp that fills the stages of the ring, a K block of a pass each, with weights or with
// activations: only the latter may depend on the kernel before this one in the stream. The copies
// of a stage are requested by a lane each: one thread that requests all of them in turn, with the
// arithmetic that takes, is slower than the memory.
template <int kTileM, int kBoxK>
class StreamingProducer {
 public:
  __device__ __forceinline__ StreamingProducer(const StreamingParams& params,
                                               const StreamingWalk& walk,
                                               const StreamingMemory& memory, uint32_t shared,
                                               int lane)
      : params_(params), walk_(walk), memory_(memory), shared_(shared), lane_(lane) {}

  __device__ __forceinline__ void load_weights() {
    const int k_bytes = kPanelSlices * params_.slice_bytes;
    walk_.template for_each_pass<kTileM>([&](int, const StreamingPass& pass) {
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

  // A box is kBoxK input features of the tokens: 128 bytes of each.
  __device__ __forceinline__ void load_activations(const CUtensorMap& activations) {
    walk_.template for_each_pass<kTileM>([&](int, const StreamingPass& pass) {
      int k = walk_.k_begin * kBlockK + lane_ * kBoxK;
#pragma unroll 1
      for (int end = k + walk_.k_blocks * kBlockK; k < end; k += kBlockK) {
        const uint32_t full = wait_stage(memory_.activation_bytes);
        if (lane_ < kBlockK / kBoxK) {
          ptx::tensor_load(shared_ + stage_ * memory_.activation_bytes + lane_ * kTileM * 128,
                           &activations, k, pass.first_token, full, params_.activation_policy);
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

// A warp that multiplies kWarpSlices slices with every warps_k-th K block.
template <class Types, int kTileM>
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
        lane_(lane),
        rank_(blockIdx.x % 2) {
    for (int i = 0; i < kFragments; ++i) {
      if (i % params.tiles.warps_k == warp_k_) mine_ |= 1 << i;
    }
  }

  __device__ __forceinline__ void run() {
    step_ = warp_k_;
    stage_ = warp_k_;
    // A pass is finished after the next one's multiplication, which hides the exchange.
    StreamingPass last_pass = {};
    float last_sums[kFragments][4];
    int passes = 0;
    walk_.template for_each_pass<kTileM>([&](int index, const StreamingPass& pass) {
      prefetch_rows(pass);
      float sums[kFragments][4] = {};
      multiply((index + 1) * walk_.k_blocks, sums);
      if (index > 0) finish(index - 1, last_pass, last_sums);
      add_along_k(index, sums);
      send(index, sums);
      last_pass = pass;
#pragma unroll
      for (int i = 0; i < kFragments; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) last_sums[i][j] = sums[i][j];
      }
      passes = index + 1;
    });
    finish(passes - 1, last_pass, last_sums);
  }

 private:
  static constexpr int kTokenTiles = kTileM / 8;
  static constexpr int kFragments = kWarpSlices * kTokenTiles;
  static constexpr int kCodesBytes = code_bytes_per_slice(info(Types::kB).bits);
  using Dequantise = Dequantiser<Types>;
  static constexpr GroupFormat kFormat = Dequantise::kFormat;
  static constexpr int kWords = Dequantise::kWords;
  static constexpr int kParts = info(Types::kA).bits / 8;  // of a K block
  using Accumulators = float[kFragments][4];               // [slice][token tile]
  using Sum = std::conditional_t<Types::kA == DataType::kS8, uint32_t, float>;

  // A pass may end before its last warps' slices do.
  __device__ __forceinline__ const RowEntry* row(const StreamingPass& pass, int s) const {
    const int slice = min(pass.begin + warp_n_ * kWarpSlices + s, pass.end - 1);
    return params_.rows + slice * kSliceN + lane_ / 4;
  }

  __device__ __forceinline__ void prefetch_rows(const StreamingPass& pass) const {
#pragma unroll
    for (int s = 0; s < kWarpSlices; ++s) ptx::prefetch_global_l2(row(pass, s));
  }

  __device__ __forceinline__ void finish(int index, const StreamingPass& pass,
                                         Accumulators& sums) const {
    uint2 rows[kWarpSlices][2];
#pragma unroll
    for (int s = 0; s < kWarpSlices; ++s) {
      rows[s][0] = ptx::load_global_v2(row(pass, s));
      rows[s][1] = ptx::load_global_v2(row(pass, s) + 8);
    }
    receive(index, sums);
    store(pass, rows, sums);
  }

  // This warp's K blocks up to `end`, counted over all passes; the accumulators begin at zero.
  __device__ __forceinline__ void multiply(int end, Accumulators& accumulators) {
    if constexpr (Dequantise::kPromotes) {
      Sum sums[kFragments][4] = {};
      multiply_blocks(end, sums, [&](const Dequantise(&dequantise)[kWarpSlices]) {
        for_each_sum([&](int i, int j) {
          accumulators[i][j] = fmaf(dequantise[i / kTokenTiles].scale(j / 2), to_float(sums[i][j]),
                                    accumulators[i][j]);
          sums[i][j] = 0;
        });
      });
    } else if constexpr (Types::kA == DataType::kS8) {
      Sum sums[kFragments][4] = {};
      multiply_blocks(end, sums, [](const Dequantise(&)[kWarpSlices]) {});
      for_each_sum([&](int i, int j) {
        accumulators[i][j] = static_cast<float>(static_cast<int>(sums[i][j]));
      });
    } else {
      multiply_blocks(end, accumulators, [](const Dequantise(&)[kWarpSlices]) {});
    }
  }

  // Calls finish_block(dequantise) after each block.
  template <class Function>
  __device__ __forceinline__ void multiply_blocks(int end, Sum (&sums)[kFragments][4],
                                                  Function finish_block) {
    const uint32_t full = shared_ + memory_.barriers;
    for (; step_ < end; step_ += params_.tiles.warps_k) {
      ptx::mbarrier_wait(full + stage_ * 8, parity_);
      const uint32_t codes = shared_ + memory_.weights + stage_ * memory_.weight_bytes +
                             warp_n_ * kWarpSlices * params_.slice_bytes;
      const uint32_t activations = shared_ + stage_ * memory_.activation_bytes;
      Dequantise dequantise[kWarpSlices];
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        if (kFormat.half_groups > 0 || part == 0) {
          load_groups(codes, part, dequantise);
        } else if (params_.groups_per_block > 1) {
          load_groups(codes, params_.groups_per_block / 2, dequantise);
        }
        multiply_part(codes, part, activations + part * kTileM * 128, dequantise, sums);
      }
      __syncwarp();
      if (lane_ == 0) ptx::mbarrier_arrive(full + (params_.tiles.stages + stage_) * 8);
      stage_ += params_.tiles.warps_k;
      if (stage_ >= params_.tiles.stages) {
        stage_ -= params_.tiles.stages;
        parity_ ^= 1;
      }
      finish_block(dequantise);
    }
  }

  template <class Function>
  static __device__ __forceinline__ void for_each_sum(Function function) {
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) function(i, j);
    }
  }

  // The scales that lie in a part of the slices' groups.
  __device__ __forceinline__ void load_groups(uint32_t slice, int part,
                                              Dequantise (&dequantise)[kWarpSlices]) const {
#pragma unroll
    for (int s = 0; s < kWarpSlices; ++s) {
      dequantise[s].load(slice + s * params_.slice_bytes + kCodesBytes +
                         part * part_bytes_per_slice(kFormat) + lane_ / 4 * kFormat.part_bytes);
    }
  }

  // 128 bytes of activations along K: four steps.
  __device__ __forceinline__ void multiply_part(uint32_t slice, int part, uint32_t activations,
                                                Dequantise (&dequantise)[kWarpSlices],
                                                Sum (&sums)[kFragments][4]) const {
    const uint32_t codes = slice + part * (kCodesBytes / kParts);
    uint32_t words[kWarpSlices][4 * kWords];
#pragma unroll
    for (int s = 0; s < kWarpSlices; ++s) {
#pragma unroll
      for (int v = 0; v < kWords; ++v) {
        const uint4 vector =
            ptx::load_shared_v4(codes + s * params_.slice_bytes + v * 512 + lane_ * 16);
        words[s][4 * v] = vector.x;
        words[s][4 * v + 1] = vector.y;
        words[s][4 * v + 2] = vector.z;
        words[s][4 * v + 3] = vector.w;
      }
    }
    uint32_t b[4][kTokenTiles][2];
    load_activations(activations, b);
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      if (kFormat.half_groups == 0 && kParts == 2 && step == 2 && params_.groups_per_block > 2) {
        load_groups(slice, 2 * part + 1, dequantise);
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

  // Each of the warps along K adds up a part of the fragments.
  __device__ __forceinline__ void add_along_k(int pass, Accumulators& accumulators) const {
    const int warps_k = params_.tiles.warps_k;
    if (warps_k == 1) return;
    const uint32_t base =
        shared_ + memory_.partials + warp_n_ * warps_k * kFragments * kFragmentBytes + lane_ * 16;
    if (pass > 0) ptx::named_barrier(1 + warp_n_, warps_k * 32);  // the last pass has been read
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      if (!is_mine(i)) {
        ptx::store_shared_v4(base + (warp_k_ * kFragments + i) * kFragmentBytes, accumulators[i]);
      }
    }
    ptx::named_barrier(1 + warp_n_, warps_k * 32);
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      if (!is_mine(i)) continue;
      for (int w = 0; w < warps_k; ++w) {
        if (w == warp_k_) continue;
        ptx::add_v4(accumulators[i],
                    ptx::load_shared_v4(base + (w * kFragments + i) * kFragmentBytes));
      }
    }
  }

  // Fragments are finished by one CTA and the other in turn.
  __device__ __forceinline__ int owner(int fragment) const { return fragment % 2; }

  __device__ __forceinline__ void send(int pass, const Accumulators& accumulators) const {
    const uint32_t barrier = exchange_barrier(pass);
    if (warp_n_ == 0 && warp_k_ == 0 && lane_ == 0) {
      ptx::mbarrier_arrive_expect_tx(barrier, memory_.exchange_bytes);
    }
    const uint32_t slot = ptx::map_to_cta(exchange_slot(pass), rank_ ^ 1);
    const uint32_t remote_barrier = ptx::map_to_cta(barrier, rank_ ^ 1);
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      if (is_mine(i) && owner(i) != rank_) {
        ptx::store_async_v4(slot + i / 2 * kFragmentBytes, accumulators[i], remote_barrier);
      }
    }
  }

  __device__ __forceinline__ void receive(int pass, Accumulators& accumulators) const {
    ptx::mbarrier_wait_cluster(exchange_barrier(pass), pass / 2 % 2);
    const uint32_t slot = exchange_slot(pass);
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      if (is_mine(i) && owner(i) == rank_) {
        ptx::add_v4(accumulators[i], ptx::load_shared_v4(slot + i / 2 * kFragmentBytes));
      }
    }
  }

  // Rows of a fragment are features; transposed in registers, a lane has two of a token.
  __device__ __forceinline__ void store(const StreamingPass& pass,
                                        const uint2 (&rows)[kWarpSlices][2],
                                        const Accumulators& accumulators) const {
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      const int s = i / kTokenTiles;
      const int slice = pass.begin + warp_n_ * kWarpSlices + s;
      if (!is_mine(i) || owner(i) != rank_ || slice >= pass.end) continue;
      const int first_token = pass.first_token + i % kTokenTiles * 8;
      const TokenScales<Types> scales(params_, first_token + lane_ % 4 * 2);
#pragma unroll
      for (int upper = 0; upper < 2; ++upper) {
        const int first_n = slice * kSliceN + upper * 8;
        const OutputFeature<Types> feature(params_, rows[s][upper], first_n + lane_ / 4);
        const float x = accumulators[i][2 * upper];
        const float y = accumulators[i][2 * upper + 1];
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

  __device__ __forceinline__ uint32_t exchange_barrier(int pass) const {
    return shared_ + memory_.barriers + (2 * params_.tiles.stages + pass % 2) * 8;
  }
  __device__ __forceinline__ uint32_t exchange_slot(int pass) const {
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
  const int rank_;
  int mine_ = 0;  // a bit for each fragment that this warp adds up
  int step_;
  int stage_;
  uint32_t parity_ = 0;
};

template <class Types>
constexpr int kActivationBits = info(Types::kA).bits;

template <class Types, class Schedule>
__global__ void __launch_bounds__(kMaxStreamingThreads, 1)
    streaming(const __grid_constant__ CUtensorMap activations,
              const __grid_constant__ StreamingParams params) {
  constexpr int kTileM = Schedule::kTileM;
  extern __shared__ __align__(1024) uint8_t shared_memory[];
  const uint32_t shared = ptx::shared_address(shared_memory);
  const StreamingTiles& tiles = params.tiles;
  const StreamingMemory memory =
      streaming_memory(kTileM, kActivationBits<Types>, params.slice_bytes, tiles.warps_n,
                       tiles.warps_k, tiles.stages);
  const StreamingWalk walk(params);
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;

  if (threadIdx.x == 0) {
    const uint32_t barriers = shared + memory.barriers;
    for (int stage = 0; stage < tiles.stages; ++stage) {
      ptx::mbarrier_init(barriers + stage * 8, 2);
      ptx::mbarrier_init(barriers + (tiles.stages + stage) * 8, tiles.warps_n);
    }
    for (int i = 0; i < 2; ++i) ptx::mbarrier_init(barriers + (2 * tiles.stages + i) * 8, 1);
    ptx::fence_mbarrier_init();
  }
  const int producer = warp - tiles.warps_n * tiles.warps_k;
  if (producer == 1 && lane == 0) ptx::prefetch_tensor_map(&activations);
  __syncthreads();
  ptx::launch_dependent_grids();
  ptx::cluster_arrive_relaxed();
  if (producer < 0) {
    ptx::cluster_wait();  // the barriers that the other CTA's consumers wait at exist
    StreamingConsumer<Types, kTileM>(params, walk, memory, shared, warp, lane).run();
    return;
  }
  StreamingProducer<kTileM, 1024 / kActivationBits<Types>> produce(params, walk, memory, shared,
                                                                   lane);
  if (producer == 0) {
    produce.load_weights();
  } else {
    ptx::grid_dependency_wait();
    produce.load_activations(activations);
  }
  ptx::cluster_wait();
}

}  // namespace machete
