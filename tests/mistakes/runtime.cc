// Prints mistakes that are found when a program runs, and a tab and the message after each. Needs
// no GPU: what is found with one is in tests/gpu/plan_test.cc. Linked with a subset of bf16_u4b8.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdio>

#include "machete/machete.h"

// What the program takes for its device: one of compute capability 8.0. The linker puts a call of
// these in place of each call of the function without __wrap_.
extern "C" cudaError_t __wrap_cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

extern "C" cudaError_t __wrap_cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? 8 : 0;
  return cudaSuccess;
}

namespace {

using namespace machete;

ProblemDesc make_desc() {
  ProblemDesc desc;
  desc.types = {DataType::kBF16, DataType::kU4B8, DataType::kBF16, DataType::kVoid,
                DataType::kVoid, DataType::kVoid, DataType::kBF16, DataType::kF32};
  desc.n = 4096;
  desc.k = 4096;
  desc.group_size = 128;
  return desc;
}

void print(const char* mistake, const Status& status) {
  std::printf("%s\t%s\n", mistake, status.message());
}

template <typename Change>
void print_change(const char* mistake, Change change) {
  ProblemDesc desc = make_desc();
  change(desc);
  print(mistake, can_implement(desc));
}

}  // namespace

int main() {
  const ProblemDesc desc = make_desc();
  print("a schedule that was left out of the program",
        can_implement(desc, "128x256_2x1x1_Coop_Tma_StreamK"));
  print_change("a family that was left out of the program", [](ProblemDesc& wrong) {
    wrong.types.a = wrong.types.b_group_scale = wrong.types.out = DataType::kF16;
  });
  print_change("a description without types", [](ProblemDesc& wrong) { wrong.types = {}; });
  print_change("types that no kernel reads",
               [](ProblemDesc& wrong) { wrong.types.b = DataType::kS4; });
  print_change("zero points of weights with a constant one",
               [](ProblemDesc& wrong) { wrong.types.b_group_zeropoint = DataType::kBF16; });
  print_change("4-bit floats with scales of the activations' type",
               [](ProblemDesc& wrong) { wrong.types.b = DataType::kE2M1; });
  print_change("an output of another type than the activations'",
               [](ProblemDesc& wrong) { wrong.types.out = DataType::kF16; });
  print_change("an odd number of output features", [](ProblemDesc& wrong) { wrong.n = 4095; });
  print_change("no number of input features", [](ProblemDesc& wrong) { wrong.k = 0; });
  print_change("a group size that no kernel reads",
               [](ProblemDesc& wrong) { wrong.group_size = 48; });
  print_change("a group size that does not divide the input features",
               [](ProblemDesc& wrong) { wrong.group_size = 96; });
  print_change("-1 for one scale a feature", [](ProblemDesc& wrong) { wrong.group_size = -1; });

  // Never read: refused before.
  void* const aligned = reinterpret_cast<void*>(uintptr_t{0x1000});
  void* const between = reinterpret_cast<void*>(uintptr_t{0x1040});
  print("packed weights that are not aligned",
        prepack_B(desc, {aligned, aligned}, between, nullptr));
  print("no group scales, with several groups", prepack_B(desc, {aligned}, aligned, nullptr));
  print("zero points that the types do not have",
        prepack_B(desc, {aligned, aligned, aligned}, aligned, nullptr));
  print(
      "channel scales that the types do not have",
      prepack_B(desc, {aligned, aligned, nullptr, static_cast<float*>(aligned)}, aligned, nullptr));
  Plan plan;
  print("a GPU that is not a Hopper one", Plan::create(desc, PlanOptions(), &plan));
  print("a plan that was never created", Plan().run(RunArgs(), nullptr));
}
