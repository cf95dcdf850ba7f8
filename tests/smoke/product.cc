// Prints the schedules of each family that is linked in. On a machine with a Hopper GPU, also runs
// a small product of the family and compares it with one computed on the host.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "machete/machete.h"

namespace {

using machete::DataType;

constexpr int64_t kTokens = 5;
constexpr int64_t kN = 136;
constexpr int64_t kK = 256;
constexpr int64_t kGroup = 128;

bool succeeded(const machete::Status& status) {
  if (!status.ok()) std::printf("  %s\n", status.message());
  return status.ok();
}

bool succeeded(cudaError_t error) {
  if (error != cudaSuccess) std::printf("  %s\n", cudaGetErrorString(error));
  return error == cudaSuccess;
}

// Device memory that is never freed: the program ends soon.
template <class T>
T* to_device(const std::vector<T>& values) {
  void* device = nullptr;
  if (!succeeded(cudaMalloc(&device, values.size() * sizeof(T))) ||
      !succeeded(
          cudaMemcpy(device, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice))) {
    return nullptr;
  }
  return static_cast<T*>(device);
}

// Small numbers without a pattern, exact in 16 bits.
int small(int64_t row, int64_t column) {
  return static_cast<int>((row * 7919 + column * 104729) % 31) - 15;
}

// Whether one product of the family is right; T is the type of the activations.
template <class T>
bool product_is_right(const machete::ProblemDesc& desc) {
  const auto& weight = machete::info(desc.types.b);
  const int codes_per_byte = 8 / weight.bits;
  std::vector<T> a;
  for (int64_t i = 0; i < kTokens * kK; ++i) a.push_back(T(small(i / kK, i % kK) / 8.f));
  std::vector<T> scales;
  for (int64_t i = 0; i < kK / kGroup * kN; ++i) scales.push_back(T(1.f / (1 << (2 + i % 3))));
  const auto code = [&](int64_t n, int64_t k) { return weight.bias + small(n + 1, k) / 2; };
  std::vector<uint8_t> codes(kN * kK / codes_per_byte);
  for (int64_t i = 0; i < kN * kK; ++i) {
    const int shift = static_cast<int>(i % codes_per_byte) * weight.bits;
    codes[i / codes_per_byte] |= static_cast<uint8_t>(code(i / kK, i % kK) << shift);
  }

  machete::Plan plan;
  if (!succeeded(machete::Plan::create(desc, machete::PlanOptions(), &plan))) return false;
  const size_t workspace_size = plan.workspace_size(kTokens);
  T* device_a = to_device(a);
  T* device_scales = to_device(scales);
  uint8_t* device_codes = to_device(codes);
  uint8_t* packed = to_device(std::vector<uint8_t>(machete::prepacked_size(desc)));
  uint8_t* workspace = to_device(std::vector<uint8_t>(workspace_size + 1));
  std::vector<T> out(kTokens * kN, T(NAN));
  T* device_out = to_device(out);
  if (!device_a || !device_scales || !device_codes || !packed || !workspace || !device_out ||
      !succeeded(machete::prepack_B(desc, device_codes, device_scales, packed, nullptr)) ||
      !succeeded(plan.run(
          {device_a, packed, device_out, kTokens, kK, kN, workspace, workspace_size}, nullptr)) ||
      !succeeded(
          cudaMemcpy(out.data(), device_out, out.size() * sizeof(T), cudaMemcpyDeviceToHost))) {
    return false;
  }

  for (int64_t m = 0; m < kTokens; ++m) {
    for (int64_t n = 0; n < kN; ++n) {
      // All weights, products and sums are exact; the output is rounded.
      float wanted = 0;
      for (int64_t k = 0; k < kK; ++k) {
        const float scale = static_cast<float>(scales[k / kGroup * kN + n]);
        wanted += static_cast<float>(a[m * kK + k]) * scale * (code(n, k) - weight.bias);
      }
      const float got = static_cast<float>(out[m * kN + n]);
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

}  // namespace

int main() {
  const bool hopper = has_hopper();
  bool right = true;
  for (const DataType b : {DataType::kU4B8, DataType::kU8B128}) {
    for (const DataType a : {DataType::kBF16, DataType::kF16}) {
      machete::ProblemDesc desc;
      desc.types = {a, b, a, DataType::kVoid, DataType::kVoid, DataType::kVoid, a, DataType::kF32};
      desc.n = kN;
      desc.k = kK;
      desc.group_size = kGroup;
      const char* names[64];
      const int count = machete::supported_schedules(desc, names, 64);
      if (count == 0) continue;
      std::printf("%s_%s: %d schedules\n", machete::info(a).name, machete::info(b).name, count);
      for (int i = 0; i < count && i < 64; ++i) std::printf("  %s\n", names[i]);
      if (!hopper) continue;
      const bool ok = a == DataType::kBF16 ? product_is_right<__nv_bfloat16>(desc)
                                           : product_is_right<__half>(desc);
      std::printf("  product %s\n", ok ? "right" : "WRONG");
      right = right && ok;
    }
  }
  if (!hopper) std::puts("no Hopper GPU: no product was run");
  return right ? 0 : 1;
}
