// The C++ API for Python, through TVM-FFI: tensors of every library that has DLPack, on the stream
// that is current there. Failures become Python's exceptions, in the words of the library.
#include <cuda_runtime_api.h>
#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>
#include <tvm/ffi/optional.h>
#include <tvm/ffi/string.h>

#include <initializer_list>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "machete/machete.h"
#include "python/machete/problem.h"
#include "python/machete/raise.h"
#include "python/machete/tensors.h"
#include "python/machete/workspace.h"

namespace machete::python {
namespace {

using tvm::ffi::Array;
using tvm::ffi::Function;
using tvm::ffi::String;
using tvm::ffi::Tensor;
using tvm::ffi::TensorView;
// XLA has no argument that is not there: one without elements counts as such.
using OptionalTensor = tvm::ffi::Optional<TensorView>;

void check(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      break;
    case StatusCode::kInvalidArgument:
    case StatusCode::kMismatch:
      raise("ValueError", status.message());
    case StatusCode::kUnsupported:
      raise("NotImplementedError", status.message());
    case StatusCode::kCudaError:
      raise("RuntimeError", status.message());
  }
}

void check(const char* what, cudaError_t error) {
  if (error == cudaSuccess) return;
  raise("RuntimeError", what, ": ", cudaGetErrorString(error));
}

std::string_view view(const String& text) { return {text.data(), text.size()}; }

// Makes a device current, and afterwards the one before.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device) {
    check("cudaGetDevice", cudaGetDevice(&before_));
    changed_ = before_ != device;
    if (changed_) check("cudaSetDevice", cudaSetDevice(device));
  }
  ~DeviceGuard() {
    if (changed_) cudaSetDevice(before_);
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

cudaStream_t current_stream(DLDevice device) {
  return static_cast<cudaStream_t>(TVMFFIEnvGetStream(device.device_type, device.device_id));
}

struct KnownPlan {
  ProblemDesc desc;
  Plan plan;
};

// The plan of a problem for the current device: made once and kept forever, so that references stay
// valid.
const KnownPlan& find_plan(int device, const String& problem) {
  static auto* mutex = new std::shared_mutex;
  static auto* plans = new std::map<int, std::map<std::string, KnownPlan, std::less<>>>;
  {
    const std::shared_lock lock(*mutex);
    const auto of_device = plans->find(device);
    if (of_device != plans->end()) {
      const auto found = of_device->second.find(view(problem));
      if (found != of_device->second.end()) return found->second;
    }
  }
  const Problem parsed = parse_problem(view(problem));
  KnownPlan made{parsed.desc, {}};
  check(Plan::create(made.desc, parsed.options(), &made.plan));
  const std::unique_lock lock(*mutex);
  return (*plans)[device].emplace(view(problem), made).first->second;
}

ProblemDesc supported_desc(const String& problem) {
  const ProblemDesc desc = parse_problem(view(problem)).desc;
  check(machete::can_implement(desc));
  return desc;
}

void check_packed(const TensorView& packed, const ProblemDesc& desc) {
  check_dtype("packed", packed, DataType::kU8);
  check_dense("packed", packed, {static_cast<int64_t>(machete::prepacked_size(desc))});
}

// Null where the operand is not given. One that the problem has no type for is left for the library
// to refuse.
void* optional_data(const char* name, const OptionalTensor& operand, DataType type, DLDevice device,
                    std::initializer_list<int64_t> shape) {
  if (!operand.has_value() || (*operand).numel() == 0) return nullptr;
  const TensorView& tensor = *operand;
  if (type != DataType::kVoid) {
    check_bits(name, tensor, type);
    check_dense(name, tensor, shape);
    check_device(name, tensor, device);
  }
  return data_of(tensor);
}

// On the device that is current.
void run(const KnownPlan& known, const TensorView& a, const TensorView& packed,
         const OptionalTensor& token_scales, const OptionalTensor& bias, const TensorView& out) {
  const ProblemDesc& desc = known.desc;
  const DLDevice device = a.device();
  check_device("packed", packed, device);
  check_device("out", out, device);
  check_dtype("a", a, desc.types.a);
  check_dtype("out", out, desc.types.out);
  check_packed(packed, desc);

  RunArgs args;
  args.a = data_of(a);
  args.packed = data_of(packed);
  args.out = data_of(out);
  args.lda = check_rows("a", a, -1, desc.k);
  args.m = a.size(0);
  args.ldo = check_rows("out", out, args.m, desc.n);
  args.token_scales = static_cast<float*>(
      optional_data("token_scales", token_scales, desc.types.a_token_scale, device, {args.m}));
  args.bias = optional_data("bias", bias, desc.types.out, device, {desc.n});

  const cudaStream_t stream = current_stream(device);
  Workspace workspace;
  check("workspace", workspace.take(stream, known.plan.workspace_size(args.m)));
  args.workspace = workspace.data();
  args.workspace_size = workspace.size();
  check(known.plan.run(args, stream));
}

// What Python calls; the package's Python documents it. Each problem is a text of problem.h.

String why_not(const String& problem) {
  const Problem parsed = parse_problem(view(problem));
  return machete::can_implement(parsed.desc, parsed.options().schedule).message();
}

Array<String> supported_schedules(const String& problem) {
  const ProblemDesc desc = parse_problem(view(problem)).desc;
  std::vector<const char*> names(machete::supported_schedules(desc, nullptr, 0));
  machete::supported_schedules(desc, names.data(), static_cast<int>(names.size()));
  Array<String> result;
  for (const char* name : names) result.push_back(name);
  return result;
}

String chosen_schedule(const String& problem, int64_t m, int device) {
  const DeviceGuard guard(device);
  return find_plan(device, problem).plan.schedule(m);
}

int64_t prepacked_size(const String& problem) {
  return static_cast<int64_t>(machete::prepacked_size(supported_desc(problem)));
}

void prepack_B(const String& problem, double tensor_scale, const TensorView& codes,
               const OptionalTensor& group_scales, const OptionalTensor& group_zeropoints,
               const OptionalTensor& channel_scales, const TensorView& packed) {
  const ProblemDesc desc = supported_desc(problem);
  const TypeSet& types = desc.types;
  const DLDevice device = codes.device();
  const int64_t groups = desc.k / desc.group_size;
  check_bits("codes", codes, types.b);
  check_dense("codes", codes, {desc.n, desc.k * info(types.b).bits / 8});
  Weights weights;
  weights.codes = data_of(codes);
  weights.group_scales =
      optional_data("group_scales", group_scales, types.b_group_scale, device, {groups, desc.n});
  weights.group_zeropoints = optional_data("group_zeropoints", group_zeropoints,
                                           types.b_group_zeropoint, device, {groups, desc.n});
  weights.channel_scales = static_cast<float*>(
      optional_data("channel_scales", channel_scales, types.b_channel_scale, device, {desc.n}));
  weights.tensor_scale = static_cast<float>(tensor_scale);
  check_packed(packed, desc);
  check_device("packed", packed, device);
  if (device.device_type == kDLCPU) {
    check(machete::prepack_B_host(desc, weights, data_of(packed)));
    return;
  }
  check_cuda("codes", codes);
  const DeviceGuard guard(device.device_id);
  check(machete::prepack_B(desc, weights, data_of(packed), current_stream(device)));
}

void check_prepacked(const String& problem, const TensorView& packed) {
  const ProblemDesc desc = supported_desc(problem);
  check_cuda("packed", packed);
  check_packed(packed, desc);
  const DeviceGuard guard(packed.device().device_id);
  check(machete::check_prepacked(desc, data_of(packed), current_stream(packed.device())));
}

void mm_out(const String& problem, const TensorView& a, const TensorView& packed,
            const OptionalTensor& token_scales, const OptionalTensor& bias, const TensorView& out) {
  check_cuda("a", a);
  const int device = a.device().device_id;
  const DeviceGuard guard(device);
  run(find_plan(device, problem), a, packed, token_scales, bias, out);
}

// Into a new tensor of the library whose tensor `a` is.
Tensor mm(const String& problem, const TensorView& a, const TensorView& packed,
          const OptionalTensor& token_scales, const OptionalTensor& bias) {
  check_cuda("a", a);
  const int device = a.device().device_id;
  const DeviceGuard guard(device);
  const KnownPlan& known = find_plan(device, problem);
  check_rows("a", a, -1, known.desc.k);
  const int64_t shape[] = {a.size(0), known.desc.n};
  Tensor out = Tensor::FromEnvAlloc(TVMFFIEnvTensorAlloc, {shape, 2},
                                    dlpack_type(known.desc.types.out), a.device());
  run(known, a, packed, token_scales, bias, out);
  return out;
}

// prepack_B and mm_out for one problem, where a caller can pass no text.

Function prepack_B_of(const String& problem) {
  return Function::FromTyped([problem](double tensor_scale, const TensorView& codes,
                                       const OptionalTensor& group_scales,
                                       const OptionalTensor& group_zeropoints,
                                       const OptionalTensor& channel_scales,
                                       const TensorView& packed) {
    prepack_B(problem, tensor_scale, codes, group_scales, group_zeropoints, channel_scales, packed);
  });
}

Function mm_out_of(const String& problem) {
  return Function::FromTyped(
      [problem](const TensorView& a, const TensorView& packed, const OptionalTensor& token_scales,
                const OptionalTensor& bias,
                const TensorView& out) { mm_out(problem, a, packed, token_scales, bias, out); });
}

}  // namespace
}  // namespace machete::python

TVM_FFI_DLL_EXPORT_TYPED_FUNC(why_not, machete::python::why_not);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(supported_schedules, machete::python::supported_schedules);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(chosen_schedule, machete::python::chosen_schedule);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(prepacked_size, machete::python::prepacked_size);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(prepack_B, machete::python::prepack_B);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(check_prepacked, machete::python::check_prepacked);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(mm_out, machete::python::mm_out);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(mm, machete::python::mm);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(prepack_B_of, machete::python::prepack_B_of);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(mm_out_of, machete::python::mm_out_of);
