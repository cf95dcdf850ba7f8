// The C++ API for ctypes: the benchmark loads this as a shared library beside PyTorch.
// Functions return null, or the reason for a failure, valid until the thread's next call.
#include <chrono>
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

machete::RunArgs make_args(const Handle* handle, const void* a, const void* packed, void* out,
                           int64_t m, void* workspace, int64_t workspace_size) {
  machete::RunArgs args;
  args.a = a;
  args.packed = packed;
  args.out = out;
  args.m = m;
  args.lda = handle->desc.k;
  args.ldo = handle->desc.n;
  args.workspace = workspace;
  args.workspace_size = static_cast<size_t>(workspace_size);
  return args;
}

}  // namespace

extern "C" {

// Names of the schedules for activations and weights; how many there are.
int machete_schedules(const char* a, const char* b, const char** names, int capacity) {
  return machete::supported_schedules(make_desc(a, b, 128, 128, 128), names, capacity);
}

// A plan; schedule may be null. Never freed: one for each layer and choice of options of a
// benchmark.
const char* machete_open(const char* a, const char* b, int64_t n, int64_t k, int64_t group_size,
                         const char* schedule, int programmatic_dependent_launch, Handle** handle) {
  *handle = new Handle{make_desc(a, b, n, k, group_size), {}};
  machete::PlanOptions options;
  options.schedule = schedule;
  options.programmatic_dependent_launch = programmatic_dependent_launch != 0;
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
  return result(
      handle->plan.run(make_args(handle, a, packed, out, m, workspace, workspace_size), stream));
}

// Nanoseconds of the host's time that a run takes: the mean of `runs` in a row. The caller keeps
// them few enough that none waits for room in the stream.
const char* machete_time_runs(const Handle* handle, const void* a, const void* packed, void* out,
                              int64_t m, void* workspace, int64_t workspace_size,
                              cudaStream_t stream, int runs, double* nanoseconds) {
  const machete::RunArgs args = make_args(handle, a, packed, out, m, workspace, workspace_size);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < runs; ++i) {
    const machete::Status status = handle->plan.run(args, stream);
    if (!status.ok()) return result(status);
  }
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - begin;
  *nanoseconds = elapsed.count() / runs;
  return nullptr;
}

}  // extern "C"
