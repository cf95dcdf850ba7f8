// Memory in which runs add up partial sums, kept between them.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <mutex>

namespace machete::python {

// What one launch works with. While it lives, no other thread launches on the stream with the same
// memory, nor replaces that by more.
class Workspace {
 public:
  // Takes at least `size` bytes, none where that is 0, for a run on `stream` of the current device.
  // A stream keeps the most that it has needed, and gets more in its own order, without waiting.
  // In a stream capture, memory belongs to the captured graph, since nobody knows beside what it
  // will run; the first run of a capture waits until that is zeroed.
  cudaError_t take(cudaStream_t stream, size_t size);

  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace machete::python
