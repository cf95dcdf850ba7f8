// What the GPU tests compare with: random problems made on the device, a product in float64, and an
// error in units of what a correct kernel's roundings come to. Everything here fails loudly through
// CUDA's error codes.
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

// Throws with the library's words.
void check(const Status& status);

// Of so many elements.
size_t bytes_of(DataType type, int64_t count);

// The names of the schedules that a layer has; throws where there are none.
std::vector<const char*> schedules_of(const ProblemDesc& desc);

// Device memory that frees itself; null where it has no bytes.
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
  void from_host(const std::vector<uint8_t>& bytes) const;

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

// A layer with every operand that its types name, and activations for up to max_m tokens.
//
//     codes         all of them but NaN; of sixteen features, four have one code throughout, the
//                   lowest, the highest or another extreme
//     group scales  over four orders of magnitude, of either sign where there is one; of e4m3 all
//                   but NaN, of s8 all that are allowed
//     zero points   whole and fractional ones, from 0 to the largest below the number of codes
//     activations   uniform in [-1, 1), but a hundred times that in some columns; of s8 all
struct Problem {
  Problem(const ProblemDesc& desc, int64_t max_m, uint64_t seed);

  // What prepack_B takes.
  Weights weights() const;

  ProblemDesc desc;
  int64_t max_m;
  float tensor_scale;
  Buffer codes;
  Buffer scales;
  Buffer zeropoints;
  Buffer channel_scales;
  Buffer a;
  Buffer token_scales;
  Buffer bias;
};

// The packed weights of a problem.
struct Packed : Buffer {
  explicit Packed(const Problem& problem);
};

// The arguments of a run with the first m tokens, dense matrices and the whole workspace, without
// token scales or bias.
RunArgs run_args(const Problem& problem, const Buffer& packed, const Buffer& out,
                 const Buffer& workspace, int64_t m);

// The same with token scales and bias.
RunArgs run_args_with_all(const Problem& problem, const Buffer& packed, const Buffer& out,
                          const Buffer& workspace, int64_t m);

// The product of a problem in float64.
class Reference {
 public:
  explicit Reference(const Problem& problem) : Reference(problem, problem.weights()) {}
  // With other weights than the problem's.
  Reference(const Problem& problem, const Weights& weights);

  // How far the output of a run is from what it should be: the root of the mean square of each
  // element's error over the one to be expected. About 1 where weights and outputs are each rounded
  // once; weights of e2m1, and those of 4 bits with activations of 8, never are: group scales of
  // e4m3 leave these activations' weights rounded in the reference too. Less where rounding leaves
  // many weights as they are. Infinite with a NaN.
  double error(const RunArgs& args) const;

 private:
  const ProblemDesc desc_;
  Buffer products_;  // [max_m, n]: sums over k of A * W
  Buffer squares_;   // [max_m, n]: sums over k of (A * W)^2
};

// What error() may come to. Roundings that add up are normally distributed, so that the mean of
// many has no room for more; of few outputs, or of few features, whose weights all outputs share,
// single ones show: a rounding may be 2.4 times its root mean square.
constexpr double tolerance(int64_t m, int64_t n) { return m * n < 1000 || n < 100 ? 2.5 : 1.25; }

// Flips the signs of 16-bit floats, by a kernel that knows nothing of programmatic dependent
// launch.
void negate(void* values, size_t count, cudaStream_t stream);

// The types of a family with 16-bit activations.
constexpr TypeSet weight_only(DataType a, DataType b, DataType group_scale, bool zero_points) {
  return {a,
          b,
          group_scale,
          zero_points ? a : DataType::kVoid,
          DataType::kF32,
          DataType::kF32,
          a,
          DataType::kF32};
}

// The types of a family with 8-bit activations.
constexpr TypeSet narrow(DataType a, DataType group_scale) {
  return {a,
          DataType::kU4B8,
          group_scale,
          DataType::kVoid,
          DataType::kF32,
          DataType::kF32,
          DataType::kBF16,
          a == DataType::kS8 ? DataType::kS32 : DataType::kF32};
}

// The same types with outputs in fp32.
constexpr TypeSet wide_out(TypeSet types) {
  types.out = DataType::kF32;
  return types;
}

constexpr bool is_narrow(const TypeSet& types) { return info(types.a).bits == 8; }

constexpr TypeSet kBF16U4B8 = weight_only(DataType::kBF16, DataType::kU4B8, DataType::kBF16, false);
constexpr TypeSet kBF16U8B128 =
    weight_only(DataType::kBF16, DataType::kU8B128, DataType::kBF16, false);

// Those of all families, and of the tests' own.
constexpr TypeSet kFamilies[] = {
    kBF16U4B8,
    weight_only(DataType::kBF16, DataType::kU4, DataType::kBF16, true),
    kBF16U8B128,
    weight_only(DataType::kBF16, DataType::kU8, DataType::kBF16, true),
    weight_only(DataType::kBF16, DataType::kE4M3, DataType::kBF16, false),
    weight_only(DataType::kBF16, DataType::kE2M1, DataType::kUE8M0, false),
    weight_only(DataType::kBF16, DataType::kE2M1, DataType::kE4M3, false),
    weight_only(DataType::kF16, DataType::kU4B8, DataType::kF16, false),
    weight_only(DataType::kF16, DataType::kU4, DataType::kF16, true),
    weight_only(DataType::kF16, DataType::kU8B128, DataType::kF16, false),
    weight_only(DataType::kF16, DataType::kU8, DataType::kF16, true),
    weight_only(DataType::kF16, DataType::kE4M3, DataType::kF16, false),
    weight_only(DataType::kF16, DataType::kE2M1, DataType::kUE8M0, false),
    weight_only(DataType::kF16, DataType::kE2M1, DataType::kE4M3, false),
    narrow(DataType::kE4M3, DataType::kBF16),
    narrow(DataType::kE4M3, DataType::kE4M3),
    narrow(DataType::kE4M3, DataType::kVoid),
    narrow(DataType::kS8, DataType::kBF16),
    narrow(DataType::kS8, DataType::kS8),
    narrow(DataType::kS8, DataType::kVoid),
    wide_out(kBF16U4B8),
    wide_out(narrow(DataType::kE4M3, DataType::kBF16)),
};

// A group size that these types often have; 0 for k itself.
constexpr int64_t usual_group(const TypeSet& types) {
  switch (types.b_group_scale) {
    case DataType::kE4M3:
      return is_narrow(types) ? 128 : 16;
    case DataType::kUE8M0:
      return 32;
    case DataType::kVoid:
      return 0;
    default:
      return 128;
  }
}

// The types that tell families apart, for names of tests.
inline std::string family_name(const TypeSet& types) {
  return std::string(info(types.a).name) + "_" + info(types.b).name + "_" +
         info(types.b_group_scale).name + (types.out == DataType::kF32 ? "_f32" : "");
}

}  // namespace machete::testing
