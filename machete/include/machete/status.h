// What a call of the library came to: a code and the reason in words. No allocation, no exceptions.
#pragma once

#include <cstdint>

namespace machete {

enum class StatusCode : uint8_t {
  kOk,
  kInvalidArgument,  // a value that no build of the library accepts
  kUnsupported,      // sensible, but not in this build or not on this device
  kMismatch,         // a packed buffer that was made for something else
  kCudaError,        // CUDA itself failed; the message holds its words
};

class [[nodiscard]] Status {
 public:
  // Not defaulted: Status() would then zero the message, and a run makes a dozen of these.
  Status() {}

  // A failure; the format is printf's, cut at 255 characters.
  [[gnu::format(printf, 2, 3)]] static Status failure(StatusCode code, const char* format, ...);

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  // Names the argument, its value and what is allowed; empty when ok().
  const char* message() const { return ok() ? "" : message_; }

 private:
  StatusCode code_ = StatusCode::kOk;
  char message_[256];  // of a failure
};

}  // namespace machete
