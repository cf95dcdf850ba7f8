// Products and packing with tensors that are checked first. What fails throws Python's exceptions,
// in the words of the library.
#pragma once

#include <cuda_runtime_api.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/optional.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "machete/machete.h"

namespace machete::python {

// XLA has no argument that is not there: one without elements counts as such.
using OptionalTensor = tvm::ffi::Optional<tvm::ffi::TensorView>;

void check(const Status& status);

// Makes a device current, and afterwards the one before.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

struct KnownPlan {
  ProblemDesc desc;
  size_t prepacked_size = 0;
  Plan plan;
};

// The plan of a problem for the current device: made once and kept forever, so that references stay
// valid.
const KnownPlan& find_plan(int device, std::string_view problem);

void check_packed(const tvm::ffi::TensorView& packed, size_t size);

// Null where the operand is not given. One that the problem has no type for is left for the library
// to refuse.
void* optional_data(const char* name, const OptionalTensor& operand, DataType type, DLDevice device,
                    std::initializer_list<int64_t> shape);

// On the device that is current.
void run(const KnownPlan& known, const tvm::ffi::TensorView& a, const tvm::ffi::TensorView& packed,
         const OptionalTensor& token_scales, const OptionalTensor& bias,
         const tvm::ffi::TensorView& out, cudaStream_t stream);

}  // namespace machete::python
