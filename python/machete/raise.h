// Python's exceptions.
#pragma once

#include <tvm/ffi/error.h>

#include <sstream>

namespace machete::python {

// Throws what becomes the exception `kind` in Python, with the parts of its message in a row.
// Without the stack of C++, which tells a user nothing and takes long to write down.
template <typename... Parts>
[[noreturn]] void raise(const char* kind, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw tvm::ffi::Error(kind, message.str(), "");
}

}  // namespace machete::python
