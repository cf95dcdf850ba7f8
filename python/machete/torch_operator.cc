#include "python/machete/torch_operator.h"

#include <tvm/ffi/error.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "python/machete/product.h"
#include "python/machete/tensors.h"
#include "python/machete/torch_abi.h"

namespace machete::python {
namespace {

using torch_abi::Tensor;
using tvm::ffi::TensorView;

TensorView view(const Tensor& tensor) {
  const DLTensor view = tensor.view();
  return TensorView(&view);
}

OptionalTensor view(const std::optional<Tensor>& tensor) {
  if (!tensor.has_value()) return {};
  return view(*tensor);
}

// Whether the kernels can read the rows. Those that they cannot are copied: a tensor of PyTorch may
// have any strides.
bool can_be_read(const TensorView& a) {
  constexpr int64_t kAlignment = 16;
  const int64_t row_bytes = a.stride(0) * a.dtype().bits / 8;
  const bool apart = a.stride(0) >= a.size(1) && row_bytes % kAlignment == 0;
  return a.stride(1) == 1 && (apart || a.size(0) <= 1) &&
         reinterpret_cast<uintptr_t>(data_of(a)) % kAlignment == 0;
}

Tensor mm(const Tensor& a, const Tensor& packed, std::string_view problem,
          const std::optional<Tensor>& token_scales, const std::optional<Tensor>& bias) {
  TensorView rows = view(a);
  check_cuda("a", rows);
  const DLDevice device = rows.device();
  const DeviceGuard guard(device.device_id);
  const KnownPlan& known = find_plan(device.device_id, problem);
  const ProblemDesc& desc = known.desc;
  check_dtype("a", rows, desc.types.a);
  std::optional<Tensor> copy;
  if (rows.ndim() == 2 && !can_be_read(rows)) {
    copy.emplace(a.copy());
    rows = view(*copy);
  }
  check_rows("a", rows, -1, desc.k);
  Tensor out = Tensor::empty(rows.size(0), desc.n, dlpack_type(desc.types.out), device);
  run(known, rows, view(packed), view(token_scales), view(bias), view(out),
      torch_abi::current_stream(device.device_id));
  return out;
}

void mm_kernel(torch_abi::Word* stack, uint64_t, uint64_t) {
  try {
    const Tensor a(stack[0]);
    const Tensor packed(stack[1]);
    const std::string problem = torch_abi::take_string(stack[2]);
    const std::optional<Tensor> token_scales = torch_abi::take_optional_tensor(stack[3]);
    const std::optional<Tensor> bias = torch_abi::take_optional_tensor(stack[4]);
    stack[0] = mm(a, packed, problem, token_scales, bias).release();
  } catch (const tvm::ffi::Error& error) {
    // Of exceptions, PyTorch knows the standard library's: Python's ValueError and RuntimeError.
    const std::string kind = error.kind();
    if (kind == "ValueError" || kind == "TypeError") throw std::invalid_argument(error.message());
    throw std::runtime_error(error.message());
  }
}

}  // namespace

bool register_torch_mm() { return torch_abi::register_cuda_kernel("machete", "mm", mm_kernel); }

}  // namespace machete::python
