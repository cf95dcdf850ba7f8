// What the GPU tests compare with: random problems made on the device, a product in float64, and
// the relative Frobenius error. Everything here fails loudly through CUDA's error codes.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "machete/machete.h"

namespace machete::testing {

// Throws with CUDA's words; a test cannot go on from here.
void check(cudaError_t error, const char* what);

// Device memory that frees itself.
class Buffer {
 public:
  explicit Buffer(size_t bytes);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  template <class T = void>
  T* get() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }
  void fill(uint8_t byte) const;
  std::vector<uint8_t> to_host() const;

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

// A layer with random codes and scales, and random activations for up to max_m tokens.
struct Problem {
  Problem(const ProblemDesc& desc, int64_t max_m, uint64_t seed);

  ProblemDesc desc;
  int64_t max_m;
  Buffer codes;   // [n, k], as prepack_B takes them
  Buffer scales;  // [k / group_size, n]: 0.01 * 2^x, x uniform in [-2, 2), of either sign
  Buffer a;       // [max_m, k], uniform in [-1, 1)
};

// The arguments of a run with the first m tokens, dense matrices and the whole workspace.
inline RunArgs run_args(const Problem& problem, const Buffer& packed, const Buffer& out,
                        const Buffer& workspace, int64_t m) {
  RunArgs args;
  args.a = problem.a.get();
  args.packed = packed.get();
  args.out = out.get();
  args.m = m;
  args.lda = problem.desc.k;
  args.ldo = problem.desc.n;
  args.workspace = workspace.get();
  args.workspace_size = workspace.bytes();
  return args;
}

// out[m, n] in float64 for all max_m tokens, dequantised and multiplied in float64.
void reference(const Problem& problem, double* out);

// Flips the signs of 16-bit floats, by a kernel that knows nothing of programmatic dependent
// launch.
void negate(void* values, size_t count, cudaStream_t stream);

// ||out - ref|| / ||ref|| over the first m tokens; `out` has ldo elements a row. NaN counts as an
// error without bound.
double relative_error(const void* out, DataType type, const double* ref, int64_t m, int64_t n,
                      int64_t ldo);

// The largest error that a correct kernel makes: weights, rounded once, and outputs, rounded once,
// each contribute about 0.6 units of the type's last place.
constexpr double tolerance(DataType type) { return type == DataType::kBF16 ? 3e-3 : 4e-4; }

// The types of a family with 16-bit activations and plain group scales.
constexpr TypeSet group_scaled(DataType a, DataType b) {
  return {a, b, a, DataType::kVoid, DataType::kVoid, DataType::kVoid, a, DataType::kF32};
}

// Those of all families.
constexpr TypeSet kFamilies[] = {
    group_scaled(DataType::kBF16, DataType::kU4B8),
    group_scaled(DataType::kF16, DataType::kU4B8),
    group_scaled(DataType::kBF16, DataType::kU8B128),
    group_scaled(DataType::kF16, DataType::kU8B128),
};

// The family's name.
inline std::string family_name(const TypeSet& types) {
  return std::string(info(types.a).name) + "_" + info(types.b).name;
}

}  // namespace machete::testing
