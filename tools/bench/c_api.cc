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

// By its name in types.h; kVoid for any other.
machete::DataType type_of(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(machete::kLastDataType); ++i) {
    const auto type = static_cast<machete::DataType>(i);
    if (name == machete::info(type).name) return type;
  }
  return machete::DataType::kVoid;
}

// Every operand that goes with activations, weights and group scales of these types.
machete::ProblemDesc make_desc(const char* a, const char* b, const char* group_scale, int64_t n,
                               int64_t k, int64_t group_size) {
  using machete::DataType;
  machete::ProblemDesc desc;
  const DataType type = type_of(a);
  const DataType weights = type_of(b);
  const bool has_zeros = weights == DataType::kU4 || weights == DataType::kU8;
  const DataType out = machete::info(type).bits == 16 ? type : DataType::kBF16;
  desc.types = {type,
                weights,
                type_of(group_scale),
                has_zeros ? type : DataType::kVoid,
                DataType::kF32,
                DataType::kF32,
                out,
                type == DataType::kS8 ? DataType::kS32 : DataType::kF32};
  desc.n = n;
  desc.k = k;
  desc.group_size = group_size;
  return desc;
}

machete::RunArgs make_args(const Handle* handle, const void* a, const void* packed, void* out,
                           int64_t m, const float* token_scales, const void* bias, void* workspace,
                           int64_t workspace_size) {
  machete::RunArgs args;
  args.a = a;
  args.packed = packed;
  args.out = out;
  args.m = m;
  args.lda = handle->desc.k;
  args.ldo = handle->desc.n;
  args.token_scales = token_scales;
  args.bias = bias;
  args.workspace = workspace;
  args.workspace_size = static_cast<size_t>(workspace_size);
  return args;
}

}  // namespace

extern "C" {

// Names of the schedules for activations, weights and group scales; how many there are.
int machete_schedules(const char* a, const char* b, const char* group_scale, const char** names,
                      int capacity) {
  return machete::supported_schedules(make_desc(a, b, group_scale, 128, 128, 128), names, capacity);
}

// A plan; schedule may be null. Never freed: one for each layer and choice of options of a
// benchmark.
const char* machete_open(const char* a, const char* b, const char* group_scale, int64_t n,
                         int64_t k, int64_t group_size, const char* schedule,
                         int programmatic_dependent_launch, Handle** handle) {
  *handle = new Handle{make_desc(a, b, group_scale, n, k, group_size), {}};
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

const char* machete_prepack(const Handle* handle, const void* codes, const void* group_scales,
                            const void* group_zeropoints, const float* channel_scales, void* packed,
                            cudaStream_t stream) {
  const machete::Weights weights = {codes, group_scales, group_zeropoints, channel_scales};
  return result(machete::prepack_B(handle->desc, weights, packed, stream));
}

const char* machete_run(const Handle* handle, const void* a, const void* packed, void* out,
                        int64_t m, const float* token_scales, const void* bias, void* workspace,
                        int64_t workspace_size, cudaStream_t stream) {
  return result(handle->plan.run(
      make_args(handle, a, packed, out, m, token_scales, bias, workspace, workspace_size), stream));
}

// Nanoseconds of the host's time that a run takes: the mean of `runs` in a row. The caller keeps
// them few enough that none waits for room in the stream.
const char* machete_time_runs(const Handle* handle, const void* a, const void* packed, void* out,
                              int64_t m, const float* token_scales, const void* bias,
                              void* workspace, int64_t workspace_size, cudaStream_t stream,
                              int runs, double* nanoseconds) {
  const machete::RunArgs args =
      make_args(handle, a, packed, out, m, token_scales, bias, workspace, workspace_size);
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
