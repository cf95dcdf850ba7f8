// What a generated family offers to the runtime, and what it gets from it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "machete/kernel/kernel_entry.h"
#include "machete/machete.h"

namespace machete {

struct ScheduleList {
  const KernelEntry* const* entries;
  int count;
};

// One product, checked by Plan::run().
struct MmArgs {
  int64_t M;  // tokens
  int64_t N;  // output features
  int64_t K;  // input features
  const ProblemDesc* desc;
  RunArgs tensors;
  const KernelEntry* schedule;   // null: by heuristic
  ScheduleList schedules;        // of the family
  const int* resident_clusters;  // for each of them
  void* const* functions;        // CUfunction of each of them
  void* encode_tensor_map;       // cuTensorMapEncodeTiled
  void* launch_kernel;           // cuLaunchKernelEx
  bool dependent_launch;         // programmatic
  cudaStream_t stream;
};

struct PrepackArgs {
  ProblemDesc desc;
  Weights weights;
  void* packed;
  cudaStream_t stream;
};

namespace internal {

// A type family of the generator's catalogue; the functions are in its dispatch.cu and prepack.cu.
struct Family {
  const char* name;
  TypeSet types;
  Status (*mm_dispatch)(const MmArgs& args);
  ScheduleList (*supported_schedules_dispatch)();
  // Which schedule serves a product; `resident_clusters` as in MmArgs.
  const KernelEntry& (*default_schedule)(int64_t M, int64_t N, int64_t K,
                                         const int* resident_clusters);
  Status (*prepack_B_dispatch)(const PrepackArgs& args);
};

// Adds a family to those that find_family() knows, when the program starts. A list threaded through
// static objects, so that the order in which they are initialised does not matter.
class FamilyRegistration {
 public:
  explicit FamilyRegistration(const Family& family);

 private:
  friend const Family* find_family(const TypeSet& types);

  const Family* const family_;
  const FamilyRegistration* const next_;
};

// The family of these types that is linked in; null when there is none.
const Family* find_family(const TypeSet& types);

}  // namespace internal

using internal::Family;
using internal::FamilyRegistration;

// Launches one kernel for checked arguments.
Status launch(const KernelEntry& kernel, const MmArgs& args);

}  // namespace machete
