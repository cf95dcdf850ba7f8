#include "python/machete/tensors.h"

#include <tvm/ffi/dtype.h>

#include <algorithm>
#include <string>

#include "python/machete/raise.h"

namespace machete::python {
namespace {

using tvm::ffi::TensorView;

bool same(DLDataType a, DLDataType b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

std::string name_of(DLDataType type) {
  if (type.code == kDLOpaqueHandle) return "that is none of DLPack's";
  return tvm::ffi::DLDataTypeToString(type);
}

std::string name_of(DLDevice device) {
  if (device.device_type == kDLCPU) return "the CPU";
  const char* kind = device.device_type == kDLCUDA ? "CUDA device " : "a device without CUDA, ";
  return kind + std::to_string(device.device_id);
}

template <typename Extents>
std::string text_of(const Extents& extents) {
  std::string text;
  for (const int64_t extent : extents) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

[[noreturn]] void refuse_shape(const char* name, const TensorView& tensor,
                               const std::string& allowed) {
  raise("ValueError", name, " has shape ", text_of(tensor.shape()), "; allowed: ", allowed);
}

}  // namespace

DLDataType dlpack_type(DataType type) {
  const auto bits = static_cast<uint8_t>(info(type).bits);
  switch (type) {
    case DataType::kBF16:
      return {kDLBfloat, bits, 1};
    case DataType::kF16:
    case DataType::kF32:
      return {kDLFloat, bits, 1};
    case DataType::kE4M3:
      return {kDLFloat8_e4m3fn, bits, 1};
    case DataType::kE5M2:
      return {kDLFloat8_e5m2, bits, 1};
    case DataType::kUE8M0:
      return {kDLFloat8_e8m0fnu, bits, 1};
    case DataType::kS8:
      return {kDLInt, bits, 1};
    default:
      return {kDLUInt, 8, 1};
  }
}

void check_dtype(const char* name, const TensorView& tensor, DataType type) {
  if (same(tensor.dtype(), dlpack_type(type))) return;
  raise("TypeError", name, " has dtype ", name_of(tensor.dtype()),
        "; allowed: ", name_of(dlpack_type(type)));
}

void check_bits(const char* name, const TensorView& tensor, DataType type) {
  if (!same(tensor.dtype(), {kDLUInt, dlpack_type(type).bits, 1})) check_dtype(name, tensor, type);
}

void check_cuda(const char* name, const TensorView& tensor) {
  if (tensor.device().device_type == kDLCUDA) return;
  raise("ValueError", name, " is on ", name_of(tensor.device()), "; allowed: CUDA devices");
}

void check_device(const char* name, const TensorView& tensor, DLDevice device) {
  const DLDevice found = tensor.device();
  if (found.device_type == device.device_type && found.device_id == device.device_id) return;
  raise("ValueError", name, " is on ", name_of(found), "; allowed: ", name_of(device));
}

void check_dense(const char* name, const TensorView& tensor, std::initializer_list<int64_t> shape) {
  const auto found = tensor.shape();
  if (!std::equal(found.begin(), found.end(), shape.begin(), shape.end())) {
    refuse_shape(name, tensor, text_of(shape));
  }
  if (tensor.IsContiguous()) return;
  raise("ValueError", name, " is not contiguous; allowed: row-major without gaps");
}

int64_t check_rows(const char* name, const TensorView& tensor, int64_t rows, int64_t columns) {
  if (tensor.ndim() != 2 || (rows >= 0 && tensor.size(0) != rows) || tensor.size(1) != columns) {
    const std::string any = rows < 0 ? "m" : std::to_string(rows);
    refuse_shape(name, tensor, "[" + any + ", " + std::to_string(columns) + "]");
  }
  if (columns > 1 && tensor.stride(1) != 1) {
    raise("ValueError", name, " has stride ", tensor.stride(1), " along its rows; allowed: 1");
  }
  return tensor.size(0) > 1 ? tensor.stride(0) : columns;  // one row has no next
}

void* data_of(const TensorView& tensor) {
  return static_cast<char*>(tensor.data_ptr()) + tensor.byte_offset();
}

}  // namespace machete::python
