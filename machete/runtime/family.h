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
  int schedule;                  // index among the family's
  const int* resident_clusters;  // for each of the family's schedules
  void* const* functions;        // CUfunctions of the schedule's KernelEntry::functions
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
  // The index of the schedule that serves a product; `resident_clusters` as in MmArgs.
  int (*default_schedule)(int64_t M, int64_t N, int64_t K, const int* resident_clusters);
  Status (*prepack_B_dispatch)(const PrepackArgs& args);
};

// Adds a family to those that find_family() knows, when the program starts. A list threaded through
// static objects, so that the order in which they are initialised does not matter.
class FamilyRegistration {
 public:
  explicit FamilyRegistration(const Family& family);

 private:
  friend const Family* find_family(const TypeSet& types);
  friend const Family* find_family(const char* name);

  const Family* const family_;
  const FamilyRegistration* const next_;
};

// The family of these types, or of this name, that is linked in; null when there is none.
const Family* find_family(const TypeSet& types);
const Family* find_family(const char* name);

}  // namespace internal

using internal::Family;
using internal::FamilyRegistration;

// Launches one kernel for checked arguments.
Status launch(const KernelEntry& kernel, const MmArgs& args);

}  // namespace machete
