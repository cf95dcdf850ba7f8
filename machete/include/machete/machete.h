// Weight-quantised matrix products on Hopper GPUs (sm_90a).
//
//     out[m, n] = token_scale[m] * sum over k of A[m, k] * W[k, n] + bias[n]
//     W[k, n] = (code[n, k] - zero_point[k / group_size, n]) * group_scale[k / group_size, n]
//               * channel_scale[n] * tensor_scale
//
// M tokens, N output features, K input features. A has 16 or 8 bits an activation, W is stored in a
// few bits a weight with a scale for each group of input features. The other scales, the zero
// points and the bias are optional; types such as u4b8 have a constant in the place of zero points.
// Weights are packed once, offline, into the order in which the tensor cores want them; a Plan then
// runs any number of tokens.
//
//     a            b                      b_group_scale   group_size
//     bf16, f16    u4b8, u8b128, e4m3     that of a       multiples of 32
//     bf16, f16    u4, u8                 that of a       multiples of 32; with zero points
//     bf16, f16    e2m1                   ue8m0           multiples of 32 (MXFP4)
//     bf16, f16    e2m1                   e4m3            multiples of 16 (NVFP4)
//     e4m3, s8     u4b8                   bf16, f16       multiples of 128
//     e4m3, s8     u4b8                   that of a       multiples of 128
//     e4m3, s8     u4b8                   void            k: features' and tokens' scales alone
//
// Group sizes divide k, or are k itself. The accumulator is f32, or s32 for s8; out is the type of
// a, for activations of 8 bits bf16 or f16, or f32 always. What of these is there depends on the
// families that are linked in.
//
//     machete::ProblemDesc desc;
//     desc.types = {DataType::kBF16, DataType::kU4B8, DataType::kBF16, DataType::kVoid,
//                   DataType::kVoid, DataType::kVoid, DataType::kBF16, DataType::kF32};
//     desc.n = 8192; desc.k = 4096; desc.group_size = 128;
//
//     void* packed;                                  // device memory, 128-byte aligned
//     cudaMalloc(&packed, machete::prepacked_size(desc));
//     machete::prepack_B(desc, {codes, scales}, packed, stream);
//
//     machete::Plan plan;
//     machete::Plan::create(desc, machete::PlanOptions(), &plan);
//     void* workspace;                               // zeroed once, reused by every run
//     cudaMalloc(&workspace, plan.workspace_size(tokens));
//     cudaMemsetAsync(workspace, 0, plan.workspace_size(tokens), stream);
//     plan.run({a, packed, out, tokens, k, n, workspace, plan.workspace_size(tokens)}, stream);
//
// Every function says in words why it refuses what it refuses. Nothing throws, allocates or
// synchronises unless its comment says so; run() can be captured into a CUDA graph, and plans and
// packed weights can be used by any number of threads and streams at once. A workspace belongs to
// one stream at a time. Link //machete:kernels, or single families, beside this library: it offers
// what is linked in.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "machete/status.h"
#include "machete/types.h"

namespace machete {

// A layer: everything about a product but the number of tokens.
struct ProblemDesc {
  // b_channel_scale and a_token_scale may be kVoid where the kernels would take f32.
  TypeSet types = {};
  int64_t n = 0;           // output features
  int64_t k = 0;           // input features
  int64_t group_size = 0;  // input features that share a scale
};

// Whether this build can run `desc`, by the default choice of schedule or by the one named.
Status can_implement(const ProblemDesc& desc, const char* schedule = nullptr);

// Writes the names of at most `capacity` schedules for the types of `desc` and returns how many
// there are; 0 when the build has no kernels for the types.
int supported_schedules(const ProblemDesc& desc, const char** names, int capacity);

// Bytes of the packed weights; 0 when can_implement(desc) refuses.
size_t prepacked_size(const ProblemDesc& desc);

// What a layer's weights are made of.
struct Weights {
  // [n, k] row-major; 4 bits: two codes a byte, the lower half first; 8 bits: one a byte.
  const void* codes = nullptr;
  // [k / group_size, n] row-major, of type b_group_scale; those of 16 bits below 2^113 in
  // magnitude. Null for ones, where group_size is k and they have 16 bits.
  //
  // With activations of 8 bits, scales of 16 bits are applied to the sums of their groups, those
  // of the activations' type are multiplied into the weights:
  //   e4m3: weights are then rounded to e4m3, so to four significant bits; to fewer where a group's
  //     scale is below 2^-10 of the feature's largest
  //   s8: weights are exact. Scales from -15 to 16 are allowed, with which all weights have 8 bits;
  //     a feature with another one has NaN in all its outputs
  const void* group_scales = nullptr;
  // The same of type b_group_zeropoint, if that is not kVoid. In units of a code, as checkpoints
  // have them, from 0 to less than 2^bits; rounded to 1/256. What is left of one that is not whole,
  // times the scale, is rounded to a's type. A feature with another one has NaN in all its outputs,
  // as one has with a NaN among its codes or 8-bit scales.
  const void* group_zeropoints = nullptr;
  const float* channel_scales = nullptr;  // [n], or null
  float tensor_scale = 1.f;
};

// Packs weights and scales on the GPU. All pointers are device memory.
//   packed: prepacked_size(desc) bytes, 128-byte aligned
Status prepack_B(const ProblemDesc& desc, const Weights& weights, void* packed,
                 cudaStream_t stream);

// The same on the host, for offline packing: all pointers are host memory, no GPU is needed, and
// the bytes are identical to those of prepack_B.
Status prepack_B_host(const ProblemDesc& desc, const Weights& weights, void* packed);

// Whether a buffer in device memory was packed for `desc` by this version of the layout. Copies
// its header and synchronises `stream`: for load time. run() itself answers a foreign buffer with
// NaN in every element of the output.
Status check_prepacked(const ProblemDesc& desc, const void* packed, cudaStream_t stream);

struct PlanOptions {
  // One of supported_schedules(); null: the family's heuristic chooses for each M.
  const char* schedule = nullptr;
  // Launches with programmatic stream serialization (CUDA Programming Guide, "Programmatic
  // Dependent Launch"): a run begins while the kernel before it in the stream ends, if that allows
  // it, as the runs of other such plans do. It reads `packed` before that kernel has ended, and
  // everything else after: pack the weights and synchronise before the first such run. Safe
  // anywhere in a stream or a CUDA graph, also between kernels that know nothing of it; there it
  // gains nothing.
  bool programmatic_dependent_launch = false;
};

struct RunArgs {
  const void* a = nullptr;       // [m, k] row-major, lda elements a row
  const void* packed = nullptr;  // from prepack_B
  void* out = nullptr;           // [m, n] row-major, ldo elements a row
  int64_t m = 0;                 // tokens; 0 is allowed and does nothing
  int64_t lda = 0;               // at least k, a multiple of 16 bytes; a is 16-byte aligned
  int64_t ldo = 0;               // at least n, a multiple of 16 bytes; out is 16-byte aligned
  // workspace_size(m) bytes, 16-byte aligned, zeroed before the first run that uses it and then
  // left alone: every run leaves the flags in it at zero. Any plan may use it, one stream at a
  // time.
  void* workspace = nullptr;
  size_t workspace_size = 0;
  const float* token_scales = nullptr;  // [m], or null
  const void* bias = nullptr;           // [n] of the output's type, or null
};

namespace internal {
struct Family;

constexpr int kMaxSchedules = 32;  // of a family
constexpr int kMaxFunctions = 4;   // of a schedule: as many as kernel_entry.h's

// What the heuristic chose last: most runs of a plan have as many tokens as the one before, and to
// choose can take half a microsecond. One word, so that any thread reads a choice that was made.
class LastChoice {
 public:
  LastChoice() = default;
  LastChoice(const LastChoice& other) : word_(other.word()) {}
  LastChoice& operator=(const LastChoice& other) {
    word_.store(other.word(), std::memory_order_relaxed);
    return *this;
  }

  // The index of the schedule for m tokens; -1 where none is remembered for them.
  int find(int64_t m) const {
    const uint64_t last = word();
    return m > 0 && last / kMaxSchedules == static_cast<uint64_t>(m)
               ? static_cast<int>(last % kMaxSchedules)
               : -1;
  }
  void remember(int64_t m, int schedule) {
    if (m <= 0 || m > INT64_MAX / kMaxSchedules) return;
    word_.store(static_cast<uint64_t>(m) * kMaxSchedules + static_cast<uint64_t>(schedule),
                std::memory_order_relaxed);
  }

 private:
  uint64_t word() const { return word_.load(std::memory_order_relaxed); }

  std::atomic<uint64_t> word_{0};
};
}  // namespace internal

// How a layer is run on the device that was current when the plan was made, in its primary context.
// Cheap to copy; what run() changes in it is safe to share: one plan serves all threads.
class Plan {
 public:
  Plan() = default;

  // Queries the device and the kernels; may load them, so keep plans.
  static Status create(const ProblemDesc& desc, const PlanOptions& options, Plan* plan);

  // Bytes that run() with m tokens needs. Not monotonic in m: take the maximum over the m's used.
  size_t workspace_size(int64_t m) const;

  // The schedule that run() with m tokens uses; null for an empty plan.
  const char* schedule(int64_t m) const;

  Status run(const RunArgs& args, cudaStream_t stream) const;

 private:
  // The index of the schedule for m tokens.
  int choose(int64_t m) const;

  ProblemDesc desc_;
  const internal::Family* family_ = nullptr;
  int schedule_ = -1;  // index into the family's schedules; -1: by heuristic
  mutable internal::LastChoice last_choice_;
  bool dependent_launch_ = false;
  int device_ = -1;
  void* encode_tensor_map_ = nullptr;  // cuTensorMapEncodeTiled
  void* launch_kernel_ = nullptr;      // cuLaunchKernelEx
  void* get_context_ = nullptr;        // cuCtxGetCurrent
  void* functions_[internal::kMaxSchedules][internal::kMaxFunctions] = {};  // CUfunction
  int resident_clusters_[internal::kMaxSchedules] = {};  // that fit on the device at once
};

}  // namespace machete
