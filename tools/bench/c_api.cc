// The C++ API for ctypes: the benchmark loads this as a shared library beside PyTorch.
// Functions return null, or the reason for a failure, valid until the thread's next call.
#include <string>

#include "machete/machete.h"

namespace {

struct Handle {
  machete::ProblemDesc desc;
  machete::Plan plan;
};

thread_local std::string g_message;

const char* result(const machete::Status& status) {
  if (status.ok()) return nullptr;
  g_message = status.message();
  return g_message.c_str();
}

// Activations "bf16" or "f16", weights "u4b8" or "u8b128".
machete::ProblemDesc make_desc(const char* a, const char* b, int64_t n, int64_t k,
                               int64_t group_size) {
  using machete::DataType;
  const DataType type = std::string(a) == "f16" ? DataType::kF16 : DataType::kBF16;
  const DataType weights = std::string(b) == "u8b128" ? DataType::kU8B128 : DataType::kU4B8;
  machete::ProblemDesc desc;
  desc.types = {type, weights,       type, DataType::kVoid, DataType::kVoid, DataType::kVoid,
                type, DataType::kF32};
  desc.n = n;
  desc.k = k;
  desc.group_size = group_size;
  return desc;
}

}  // namespace

extern "C" {

// Names of the schedules for activations and weights; how many there are.
int machete_schedules(const char* a, const char* b, const char** names, int capacity) {
  return machete::supported_schedules(make_desc(a, b, 128, 128, 128), names, capacity);
}

// A plan; schedule may be null. Never freed: one for each layer and schedule of a benchmark.
const char* machete_open(const char* a, const char* b, int64_t n, int64_t k, int64_t group_size,
                         const char* schedule, Handle** handle) {
  *handle = new Handle{make_desc(a, b, n, k, group_size), {}};
  machete::PlanOptions options;
  options.schedule = schedule;
  return result(machete::Plan::create((*handle)->desc, options, &(*handle)->plan));
}

int64_t machete_packed_size(const Handle* handle) {
  return static_cast<int64_t>(machete::prepacked_size(handle->desc));
}

int64_t machete_workspace_size(const Handle* handle, int64_t m) {
  return static_cast<int64_t>(handle->plan.workspace_size(m));
}

const char* machete_schedule(const Handle* handle, int64_t m) { return handle->plan.schedule(m); }

const char* machete_prepack(const Handle* handle, const void* codes, const void* scales,
                            void* packed, cudaStream_t stream) {
  return result(machete::prepack_B(handle->desc, codes, scales, packed, stream));
}

const char* machete_run(const Handle* handle, const void* a, const void* packed, void* out,
                        int64_t m, void* workspace, int64_t workspace_size, cudaStream_t stream) {
  machete::RunArgs args;
  args.a = a;
  args.packed = packed;
  args.out = out;
  args.m = m;
  args.lda = handle->desc.k;
  args.ldo = handle->desc.n;
  args.workspace = workspace;
  args.workspace_size = static_cast<size_t>(workspace_size);
  return result(handle->plan.run(args, stream));
}

}  // extern "C"
