// PyTorch for an operator in C++: its stable C interface, as much of it as that needs. It is found
// at run time in the process's PyTorch, of 2.10 or a later version; nothing of PyTorch is built
// against.
#pragma once

#include <cuda_runtime_api.h>
#include <dlpack/dlpack.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace machete::python::torch_abi {

// An operator's arguments lie on a stack of words, in the order of its schema, and belong to the
// kernel. It leaves the result in the first word.
using Word = uint64_t;
using Kernel = void (*)(Word* stack, uint64_t arguments, uint64_t results);

// Makes `kernel` that of the operator library::name for CUDA's tensors, for good. False where the
// process has no PyTorch for CUDA, or an older one. All else here is for such kernels.
bool register_cuda_kernel(const char* library, const char* name, Kernel kernel);

cudaStream_t current_stream(int device);

class Tensor {
 public:
  // From the stack, which loses it.
  explicit Tensor(Word word) : handle_(reinterpret_cast<void*>(word)) {}
  Tensor(Tensor&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  ~Tensor();

  // Row-major, uninitialised.
  static Tensor empty(int64_t rows, int64_t columns, DLDataType type, DLDevice device);

  // Row-major, on the current stream. Of a tensor with two dimensions.
  Tensor copy() const;

  // Valid as long as the tensor.
  DLTensor view() const;

  // For the stack.
  Word release() { return reinterpret_cast<Word>(std::exchange(handle_, nullptr)); }

 private:
  void* handle_ = nullptr;
};

std::optional<Tensor> take_optional_tensor(Word word);
std::string take_string(Word word);

}  // namespace machete::python::torch_abi
