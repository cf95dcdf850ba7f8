// What is declared here follows PyTorch's documentation of its stable interface (LibTorch Stable
// ABI) and torch/csrc/inductor/aoti_torch/c/shim.h and torch/csrc/stable/c/shim.h of 2.13. PyTorch
// promises that both stay as they are. Strings, and a kernel's registration with the version that
// it was written for, came with 2.10; the words of a failure with 2.13.
#include "python/machete/torch_abi.h"

#include <dlfcn.h>

#include <memory>

#include "python/machete/raise.h"

namespace machete::python::torch_abi {
namespace {

constexpr uint64_t kWrittenFor = uint64_t{2} << 56 | uint64_t{10} << 48;  // PyTorch 2.10

// Not zero where a function has failed.
using Failure = int32_t;

struct Api {
  Failure (*init_impl)(const char* library, const char* key, const char* file, uint32_t line,
                       void** result);
  Failure (*implement)(void* library, const char* name, Kernel kernel, uint64_t version);
  Failure (*get_current_cuda_stream)(int32_t device, void** stream);
  Failure (*delete_tensor_object)(void* tensor);
  Failure (*get_data_ptr)(void* tensor, void** data);
  Failure (*get_dim)(void* tensor, int64_t* dimensions);
  Failure (*get_sizes)(void* tensor, int64_t** sizes);
  Failure (*get_strides)(void* tensor, int64_t** strides);
  Failure (*get_dtype)(void* tensor, int32_t* type);
  Failure (*get_device_type)(void* tensor, int32_t* type);
  Failure (*get_device_index)(void* tensor, int32_t* index);
  Failure (*empty_strided)(int64_t dimensions, const int64_t* sizes, const int64_t* strides,
                           int32_t type, int32_t device_type, int32_t device, void** result);
  Failure (*copy)(void* to, void* from, int32_t non_blocking);
  Failure (*string_length)(void* string, size_t* length);
  Failure (*string_c_str)(void* string, const char** characters);
  Failure (*delete_string)(void* string);
  const char* (*exception_get_what)();  // null before 2.13
} api;

// PyTorch numbers devices and types by functions, so that its numbers may change.
struct Numbers {
  int32_t cuda = 0;
  int32_t cpu = 0;
} devices;

struct Type {
  const char* function;
  DLDataType dlpack;
  int32_t number = 0;
} types[] = {
    {"aoti_torch_dtype_bfloat16", {kDLBfloat, 16, 1}},
    {"aoti_torch_dtype_float16", {kDLFloat, 16, 1}},
    {"aoti_torch_dtype_float32", {kDLFloat, 32, 1}},
    {"aoti_torch_dtype_float64", {kDLFloat, 64, 1}},
    {"aoti_torch_dtype_float8_e4m3fn", {kDLFloat8_e4m3fn, 8, 1}},
    {"aoti_torch_dtype_float8_e5m2", {kDLFloat8_e5m2, 8, 1}},
    {"aoti_torch_dtype_uint8", {kDLUInt, 8, 1}},
    {"aoti_torch_dtype_uint16", {kDLUInt, 16, 1}},
    {"aoti_torch_dtype_uint32", {kDLUInt, 32, 1}},
    {"aoti_torch_dtype_uint64", {kDLUInt, 64, 1}},
    {"aoti_torch_dtype_int8", {kDLInt, 8, 1}},
    {"aoti_torch_dtype_int16", {kDLInt, 16, 1}},
    {"aoti_torch_dtype_int32", {kDLInt, 32, 1}},
    {"aoti_torch_dtype_int64", {kDLInt, 64, 1}},
    {"aoti_torch_dtype_bool", {kDLBool, 8, 1}},
};

template <typename Function>
bool find(void* torch, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(torch, name));
  return *function != nullptr;
}

bool find_number(void* torch, const char* name, int32_t* number) {
  int32_t (*function)() = nullptr;
  if (!find(torch, name, &function)) return false;
  *number = function();
  return true;
}

bool find_all() {
  // Its dependencies are searched as well, which are all of PyTorch. Never closed.
  void* torch = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
  if (torch == nullptr) return false;
  for (Type& type : types) {
    if (!find_number(torch, type.function, &type.number)) return false;
  }
  find(torch, "torch_exception_get_what_without_backtrace", &api.exception_get_what);
  return find(torch, "aoti_torch_library_init_impl", &api.init_impl) &&
         find(torch, "torch_library_impl", &api.implement) &&
         find(torch, "aoti_torch_get_current_cuda_stream", &api.get_current_cuda_stream) &&
         find_number(torch, "aoti_torch_device_type_cuda", &devices.cuda) &&
         find_number(torch, "aoti_torch_device_type_cpu", &devices.cpu) &&
         find(torch, "aoti_torch_delete_tensor_object", &api.delete_tensor_object) &&
         find(torch, "aoti_torch_get_data_ptr", &api.get_data_ptr) &&
         find(torch, "aoti_torch_get_dim", &api.get_dim) &&
         find(torch, "aoti_torch_get_sizes", &api.get_sizes) &&
         find(torch, "aoti_torch_get_strides", &api.get_strides) &&
         find(torch, "aoti_torch_get_dtype", &api.get_dtype) &&
         find(torch, "aoti_torch_get_device_type", &api.get_device_type) &&
         find(torch, "aoti_torch_get_device_index", &api.get_device_index) &&
         find(torch, "aoti_torch_empty_strided", &api.empty_strided) &&
         find(torch, "aoti_torch_copy_", &api.copy) &&
         find(torch, "torch_string_length", &api.string_length) &&
         find(torch, "torch_string_c_str", &api.string_c_str) &&
         find(torch, "torch_delete_string", &api.delete_string);
}

void check(const char* what, Failure failure) {
  if (failure == 0) return;
  const char* why = api.exception_get_what == nullptr ? "" : api.exception_get_what();
  raise("RuntimeError", "PyTorch failed to ", what, *why == 0 ? "" : ": ", why);
}

DLDataType dlpack_type(int32_t number) {
  for (const Type& type : types) {
    if (type.number == number) return type.dlpack;
  }
  return {kDLOpaqueHandle, 64, 1};  // none that an operand can have
}

int32_t number_of(DLDataType wanted) {
  for (const Type& type : types) {
    if (type.dlpack.code == wanted.code && type.dlpack.bits == wanted.bits) return type.number;
  }
  raise("TypeError", "PyTorch has no type for a tensor");
}

}  // namespace

bool register_cuda_kernel(const char* library, const char* name, Kernel kernel) {
  if (!find_all()) return false;
  // PyTorch forgets the kernel with the library's object, which is therefore never deleted.
  void* object = nullptr;
  check("register an operator", api.init_impl(library, "CUDA", __FILE__, __LINE__, &object));
  check("register an operator", api.implement(object, name, kernel, kWrittenFor));
  return true;
}

cudaStream_t current_stream(int device) {
  void* stream = nullptr;
  check("name the current stream", api.get_current_cuda_stream(device, &stream));
  return static_cast<cudaStream_t>(stream);
}

Tensor::~Tensor() {
  if (handle_ != nullptr) api.delete_tensor_object(handle_);
}

Tensor Tensor::empty(int64_t rows, int64_t columns, DLDataType type, DLDevice device) {
  const int64_t sizes[] = {rows, columns};
  const int64_t strides[] = {columns, 1};
  void* handle = nullptr;
  check("allocate a tensor", api.empty_strided(2, sizes, strides, number_of(type), devices.cuda,
                                               device.device_id, &handle));
  return Tensor(reinterpret_cast<Word>(handle));
}

Tensor Tensor::copy() const {
  const DLTensor from = view();
  Tensor copy = empty(from.shape[0], from.shape[1], from.dtype, from.device);
  check("copy a tensor", api.copy(copy.handle_, handle_, /*non_blocking=*/1));
  return copy;
}

DLTensor Tensor::view() const {
  int64_t dimensions = 0;
  int32_t type = 0;
  int32_t device_type = 0;
  DLTensor view = {};
  check("describe a tensor", api.get_data_ptr(handle_, &view.data));
  check("describe a tensor", api.get_dim(handle_, &dimensions));
  check("describe a tensor", api.get_sizes(handle_, &view.shape));
  check("describe a tensor", api.get_strides(handle_, &view.strides));
  check("describe a tensor", api.get_dtype(handle_, &type));
  check("describe a tensor", api.get_device_type(handle_, &device_type));
  check("describe a tensor", api.get_device_index(handle_, &view.device.device_id));
  view.ndim = static_cast<int32_t>(dimensions);
  view.dtype = dlpack_type(type);
  view.device.device_type = device_type == devices.cuda  ? kDLCUDA
                            : device_type == devices.cpu ? kDLCPU
                                                         : kDLExtDev;
  return view;
}

std::optional<Tensor> take_optional_tensor(Word word) {
  // Null, or the address of a word that PyTorch made by `new`.
  if (word == 0) return std::nullopt;
  const std::unique_ptr<Word> value(reinterpret_cast<Word*>(word));
  return Tensor(*value);
}

std::string take_string(Word word) {
  const std::unique_ptr<void, Failure (*)(void*)> string(reinterpret_cast<void*>(word),
                                                         api.delete_string);
  size_t length = 0;
  const char* characters = nullptr;
  check("give a text", api.string_length(string.get(), &length));
  check("give a text", api.string_c_str(string.get(), &characters));
  return {characters, length};
}

}  // namespace machete::python::torch_abi
