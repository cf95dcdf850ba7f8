// The C++ API for Python, through TVM-FFI: tensors of every library that has DLPack, on the stream
// that is current there. Failures become Python's exceptions, in the words of the library.
#include <cuda_runtime_api.h>
#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>
#include <tvm/ffi/string.h>

#include <string_view>
#include <vector>

#include "machete/machete.h"
#include "python/machete/problem.h"
#include "python/machete/product.h"
#include "python/machete/tensors.h"
#include "python/machete/torch_operator.h"

namespace machete::python {
namespace {

using tvm::ffi::Array;
using tvm::ffi::Function;
using tvm::ffi::String;
using tvm::ffi::Tensor;
using tvm::ffi::TensorView;

std::string_view view(const String& text) { return {text.data(), text.size()}; }

cudaStream_t current_stream(DLDevice device) {
  return static_cast<cudaStream_t>(TVMFFIEnvGetStream(device.device_type, device.device_id));
}

ProblemDesc supported_desc(const String& problem) {
  const ProblemDesc desc = parse_problem(view(problem)).desc;
  check(machete::can_implement(desc));
  return desc;
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
  return find_plan(device, view(problem)).plan.schedule(m);
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
  check_packed(packed, machete::prepacked_size(desc));
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
  check_packed(packed, machete::prepacked_size(desc));
  const DeviceGuard guard(packed.device().device_id);
  check(machete::check_prepacked(desc, data_of(packed), current_stream(packed.device())));
}

void mm_out(const String& problem, const TensorView& a, const TensorView& packed,
            const OptionalTensor& token_scales, const OptionalTensor& bias, const TensorView& out) {
  check_cuda("a", a);
  const int device = a.device().device_id;
  const DeviceGuard guard(device);
  run(find_plan(device, view(problem)), a, packed, token_scales, bias, out,
      current_stream(a.device()));
}

// Into a new tensor of the library whose tensor `a` is.
Tensor mm(const String& problem, const TensorView& a, const TensorView& packed,
          const OptionalTensor& token_scales, const OptionalTensor& bias) {
  check_cuda("a", a);
  const int device = a.device().device_id;
  const DeviceGuard guard(device);
  const KnownPlan& known = find_plan(device, view(problem));
  check_rows("a", a, -1, known.desc.k);
  const int64_t shape[] = {a.size(0), known.desc.n};
  Tensor out = Tensor::FromEnvAlloc(TVMFFIEnvTensorAlloc, {shape, 2},
                                    dlpack_type(known.desc.types.out), a.device());
  run(known, a, packed, token_scales, bias, out, current_stream(a.device()));
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
TVM_FFI_DLL_EXPORT_TYPED_FUNC(register_torch_mm, machete::python::register_torch_mm);
