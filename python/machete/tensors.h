// Checks of tensors, which throw Python's TypeError or ValueError: the tensor's name in the call,
// what is wrong, and what is allowed.
#pragma once

#include <tvm/ffi/container/tensor.h>

#include <initializer_list>

#include "machete/types.h"

namespace machete::python {

// How DLPack calls the elements; bytes, for codes of less.
DLDataType dlpack_type(DataType type);

void check_dtype(const char* name, const tvm::ffi::TensorView& tensor, DataType type);

// The type itself, or unsigned integers that hold its bits, since not every library has the type.
void check_bits(const char* name, const tvm::ffi::TensorView& tensor, DataType type);

void check_cuda(const char* name, const tvm::ffi::TensorView& tensor);
void check_device(const char* name, const tvm::ffi::TensorView& tensor, DLDevice device);

// Row-major without gaps, of this shape.
void check_dense(const char* name, const tvm::ffi::TensorView& tensor,
                 std::initializer_list<int64_t> shape);

// Rows without gaps, any number of them where `rows` is negative. Returns the elements from one row
// to the next.
int64_t check_rows(const char* name, const tvm::ffi::TensorView& tensor, int64_t rows,
                   int64_t columns);

// The first element.
void* data_of(const tvm::ffi::TensorView& tensor);

}  // namespace machete::python
