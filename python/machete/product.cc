#include "python/machete/product.h"

#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "python/machete/problem.h"
#include "python/machete/raise.h"
#include "python/machete/tensors.h"
#include "python/machete/workspace.h"

namespace machete::python {
namespace {

using tvm::ffi::TensorView;

void check(const char* what, cudaError_t error) {
  if (error == cudaSuccess) return;
  raise("RuntimeError", what, ": ", cudaGetErrorString(error));
}

}  // namespace

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

DeviceGuard::DeviceGuard(int device) {
  check("cudaGetDevice", cudaGetDevice(&before_));
  changed_ = before_ != device;
  if (changed_) check("cudaSetDevice", cudaSetDevice(device));
}

DeviceGuard::~DeviceGuard() {
  if (changed_) cudaSetDevice(before_);
}

const KnownPlan& find_plan(int device, std::string_view problem) {
  static auto* mutex = new std::shared_mutex;
  static auto* plans = new std::map<int, std::map<std::string, KnownPlan, std::less<>>>;
  {
    const std::shared_lock lock(*mutex);
    const auto of_device = plans->find(device);
    if (of_device != plans->end()) {
      const auto found = of_device->second.find(problem);
      if (found != of_device->second.end()) return found->second;
    }
  }
  const Problem parsed = parse_problem(problem);
  KnownPlan made{parsed.desc, machete::prepacked_size(parsed.desc), {}};
  check(Plan::create(made.desc, parsed.options(), &made.plan));
  const std::unique_lock lock(*mutex);
  return (*plans)[device].emplace(problem, made).first->second;
}

void check_packed(const TensorView& packed, size_t size) {
  check_dtype("packed", packed, DataType::kU8);
  check_dense("packed", packed, {static_cast<int64_t>(size)});
}

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

void run(const KnownPlan& known, const TensorView& a, const TensorView& packed,
         const OptionalTensor& token_scales, const OptionalTensor& bias, const TensorView& out,
         cudaStream_t stream) {
  const ProblemDesc& desc = known.desc;
  const DLDevice device = a.device();
  check_device("packed", packed, device);
  check_device("out", out, device);
  check_dtype("a", a, desc.types.a);
  check_dtype("out", out, desc.types.out);
  check_packed(packed, known.prepacked_size);

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

  Workspace workspace;
  check("workspace", workspace.take(stream, known.plan.workspace_size(args.m)));
  args.workspace = workspace.data();
  args.workspace_size = workspace.size();
  check(known.plan.run(args, stream));
}

}  // namespace machete::python
