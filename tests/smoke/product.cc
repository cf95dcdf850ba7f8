// Prints the schedules of each family that is linked in. On a machine with a Hopper GPU, also runs
// a small product of the family and compares it with one computed on the host.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "machete/machete.h"

namespace {

using machete::DataType;

constexpr int64_t kTokens = 5;
constexpr int64_t kN = 136;
constexpr int64_t kK = 256;
constexpr int64_t kGroup = 128;

// The code of weight zero; of types with zero points one of many.
int zero_point(DataType type) {
  switch (type) {
    case DataType::kU4:
      return 7;
    case DataType::kU8:
      return 130;
    default:
      return machete::info(type).bias;
  }
}

bool succeeded(const machete::Status& status) {
  if (!status.ok()) std::printf("  %s\n", status.message());
  return status.ok();
}

bool succeeded(cudaError_t error) {
  if (error != cudaSuccess) std::printf("  %s\n", cudaGetErrorString(error));
  return error == cudaSuccess;
}

// Device memory that is never freed: the program ends soon. Null without bytes.
void* to_device(const std::vector<uint8_t>& bytes) {
  void* device = nullptr;
  if (bytes.empty() || !succeeded(cudaMalloc(&device, bytes.size())) ||
      !succeeded(cudaMemcpy(device, bytes.data(), bytes.size(), cudaMemcpyHostToDevice))) {
    return nullptr;
  }
  return device;
}

// Small numbers without a pattern, exact in every type of activations.
int small(int64_t row, int64_t column) {
  return static_cast<int>((row * 7919 + column * 104729) % 31) - 15;
}

// The bits of a number that a type has.
uint32_t bits_of(DataType type, float x) {
  switch (type) {
    case DataType::kBF16: {
      const __nv_bfloat16 value(x);
      uint16_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      return bits;
    }
    case DataType::kF16: {
      const __half value(x);
      uint16_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      return bits;
    }
    case DataType::kE4M3:
      return __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3);
    case DataType::kUE8M0:
      return 127 + std::ilogb(x);
    case DataType::kE2M1: {
      constexpr float kMagnitudes[] = {0, .5f, 1, 1.5f, 2, 3, 4, 6};
      uint32_t code = 0;
      while (kMagnitudes[code] != std::fabs(x)) ++code;
      return code | (x < 0 ? 8 : 0);
    }
    case DataType::kS8:
      return static_cast<uint8_t>(static_cast<int8_t>(x));
    default:
      return static_cast<uint32_t>(static_cast<int>(x) + zero_point(type));
  }
}

// Numbers as an array of a type.
std::vector<uint8_t> array_of(DataType type, const std::vector<float>& values) {
  const int bits = machete::info(type).bits;
  std::vector<uint8_t> bytes(values.size() * bits / 8);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint32_t element = bits_of(type, values[i]);
    for (int bit = 0; bit < bits; bit += 4) {
      const size_t at = i * bits + bit;
      bytes[at / 8] |= static_cast<uint8_t>((element >> bit & 0xf) << at % 8);
    }
  }
  return bytes;
}

float value_of(DataType type, const uint8_t* bytes) {
  if (type == DataType::kBF16) {
    __nv_bfloat16 value;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
  }
  __half value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// Whether one product of the family is right.
bool product_is_right(const machete::ProblemDesc& desc) {
  const machete::TypeSet& types = desc.types;
  const int64_t groups = kK / desc.group_size;
  std::vector<float> a, weights, scales, zeros;
  const float unit = types.a == DataType::kS8 ? 1 : .125f;
  for (int64_t i = 0; i < kTokens * kK; ++i) a.push_back(unit * small(i / kK, i % kK));
  // Numbers that 4-bit floats have too.
  constexpr float kWeights[] = {0, 1, -1, 2, -2, 3, -3, 4, -4, 6, -6};
  for (int64_t i = 0; i < kN * kK; ++i) {
    weights.push_back(kWeights[(small(i / kK + 1, i % kK) + 15) % 11]);
  }
  for (int64_t i = 0; i < groups * kN; ++i) {
    const bool has_scales = types.b_group_scale != DataType::kVoid;
    const int power = types.b_group_scale == DataType::kS8 ? 0 : -4;
    scales.push_back(has_scales ? std::ldexp(1.f, power + i % 3) : 1.f);
    zeros.push_back(static_cast<float>(zero_point(types.b)));
  }

  machete::Plan plan;
  if (!succeeded(machete::Plan::create(desc, machete::PlanOptions(), &plan))) return false;
  const size_t workspace_size = plan.workspace_size(kTokens);
  machete::Weights packing;
  packing.codes = to_device(array_of(types.b, weights));
  packing.group_scales = to_device(array_of(types.b_group_scale, scales));
  packing.group_zeropoints = to_device(array_of(types.b_group_zeropoint, zeros));
  machete::RunArgs args;
  args.a = to_device(array_of(types.a, a));
  void* const packed = to_device(std::vector<uint8_t>(machete::prepacked_size(desc)));
  args.packed = packed;
  std::vector<uint8_t> out(kTokens * kN * 2, 0xff);  // NaN
  args.out = to_device(out);
  args.m = kTokens;
  args.lda = kK;
  args.ldo = kN;
  args.workspace = to_device(std::vector<uint8_t>(workspace_size));
  args.workspace_size = workspace_size;
  if (!succeeded(machete::prepack_B(desc, packing, packed, nullptr)) ||
      !succeeded(plan.run(args, nullptr)) ||
      !succeeded(cudaMemcpy(out.data(), args.out, out.size(), cudaMemcpyDeviceToHost))) {
    return false;
  }

  for (int64_t m = 0; m < kTokens; ++m) {
    for (int64_t n = 0; n < kN; ++n) {
      // All weights, products and sums are exact; the output is rounded.
      float wanted = 0;
      for (int64_t k = 0; k < kK; ++k) {
        wanted += a[m * kK + k] * scales[k / desc.group_size * kN + n] * weights[n * kK + k];
      }
      const float got = value_of(types.out, &out[(m * kN + n) * 2]);
      if (!(std::fabs(got - wanted) <= std::fabs(wanted) / 256)) {
        std::printf("  token %d, feature %d: %g; wanted %g\n", static_cast<int>(m),
                    static_cast<int>(n), got, wanted);
        return false;
      }
    }
  }
  return true;
}

bool has_hopper() {
  int major = 0;
  return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess &&
         major == 9;
}

// Every family by its name; its types but for those that all have.
struct Family {
  const char* name;
  DataType a;
  DataType b;
  DataType group_scale;
};

constexpr Family kFamilies[] = {
    {"bf16_u4b8", DataType::kBF16, DataType::kU4B8, DataType::kBF16},
    {"bf16_u4", DataType::kBF16, DataType::kU4, DataType::kBF16},
    {"bf16_u8b128", DataType::kBF16, DataType::kU8B128, DataType::kBF16},
    {"bf16_u8", DataType::kBF16, DataType::kU8, DataType::kBF16},
    {"bf16_e4m3", DataType::kBF16, DataType::kE4M3, DataType::kBF16},
    {"bf16_e2m1", DataType::kBF16, DataType::kE2M1, DataType::kUE8M0},
    {"bf16_e2m1_gse4m3", DataType::kBF16, DataType::kE2M1, DataType::kE4M3},
    {"f16_u4b8", DataType::kF16, DataType::kU4B8, DataType::kF16},
    {"f16_u4", DataType::kF16, DataType::kU4, DataType::kF16},
    {"f16_u8b128", DataType::kF16, DataType::kU8B128, DataType::kF16},
    {"f16_u8", DataType::kF16, DataType::kU8, DataType::kF16},
    {"f16_e4m3", DataType::kF16, DataType::kE4M3, DataType::kF16},
    {"f16_e2m1", DataType::kF16, DataType::kE2M1, DataType::kUE8M0},
    {"f16_e2m1_gse4m3", DataType::kF16, DataType::kE2M1, DataType::kE4M3},
    {"e4m3_u4b8", DataType::kE4M3, DataType::kU4B8, DataType::kBF16},
    {"e4m3_u4b8_gs", DataType::kE4M3, DataType::kU4B8, DataType::kE4M3},
    {"e4m3_u4b8_gsvoid", DataType::kE4M3, DataType::kU4B8, DataType::kVoid},
    {"s8_u4b8", DataType::kS8, DataType::kU4B8, DataType::kBF16},
    {"s8_u4b8_gs", DataType::kS8, DataType::kU4B8, DataType::kS8},
    {"s8_u4b8_gsvoid", DataType::kS8, DataType::kU4B8, DataType::kVoid},
};

machete::ProblemDesc make_desc(const Family& family) {
  const bool has_zeros = family.b == DataType::kU4 || family.b == DataType::kU8;
  machete::ProblemDesc desc;
  desc.types.a = family.a;
  desc.types.b = family.b;
  desc.types.b_group_scale = family.group_scale;
  desc.types.b_group_zeropoint = has_zeros ? family.a : DataType::kVoid;
  desc.types.out = machete::info(family.a).bits == 16 ? family.a : DataType::kBF16;
  desc.types.accumulator = family.a == DataType::kS8 ? DataType::kS32 : DataType::kF32;
  desc.n = kN;
  desc.k = kK;
  desc.group_size = family.group_scale == DataType::kVoid ? kK : kGroup;
  return desc;
}

}  // namespace

int main() {
  const bool hopper = has_hopper();
  bool right = true;
  for (const Family& family : kFamilies) {
    const machete::ProblemDesc desc = make_desc(family);
    const char* names[64];
    const int count = machete::supported_schedules(desc, names, 64);
    if (count == 0) continue;
    std::printf("%s: %d schedules\n", family.name, count);
    for (int i = 0; i < count && i < 64; ++i) std::printf("  %s\n", names[i]);
    if (!hopper) continue;
    const bool ok = product_is_right(desc);
    std::printf("  product %s\n", ok ? "right" : "WRONG");
    right = right && ok;
  }
  if (!hopper) std::puts("no Hopper GPU: no product was run");
  return right ? 0 : 1;
}
