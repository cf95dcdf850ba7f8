#include "python/machete/workspace.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace machete::python {
namespace {

struct Buffer {
  int device = 0;
  void* data = nullptr;
  size_t size = 0;
};

// What a stream keeps for its runs outside of captures.
struct StreamBuffer {
  std::mutex mutex;
  unsigned long long stream_id = 0;  // of the stream that had the handle last
  Buffer buffer;
};

// A stream of one capture, by the capture's number.
using CaptureKey = std::pair<unsigned long long, cudaStream_t>;

// Buffers that captured graphs own. CUDA gives one back as it destroys the last reference to its
// graph; like every buffer that no run is using, it holds zeros where zeros matter.
struct GraphBuffers {
  std::mutex mutex;  // never held during a call of CUDA, which may be giving a buffer back
  std::map<CaptureKey, Buffer> owned;
  std::vector<Buffer> free;
};

// Neither table is ever destroyed: streams and graphs may outlive static objects.
StreamBuffer& stream_buffer(int device, cudaStream_t stream) {
  static auto* mutex = new std::mutex;
  static auto* buffers = new std::map<std::pair<int, cudaStream_t>, StreamBuffer>;
  const std::lock_guard lock(*mutex);
  return (*buffers)[{device, stream}];
}

GraphBuffers& graph_buffers() {
  static auto* buffers = new GraphBuffers;
  return *buffers;
}

// The destructor of a graph's buffer.
void give_back(void* argument) {
  const auto* buffer = static_cast<Buffer*>(argument);
  GraphBuffers& all = graph_buffers();
  const std::lock_guard lock(all.mutex);
  for (auto it = all.owned.begin(); it != all.owned.end();) {
    it = it->second.data == buffer->data ? all.owned.erase(it) : std::next(it);
  }
  all.free.push_back(*buffer);
  delete buffer;
}

// Zeroed memory, whatever the calling thread is capturing.
cudaError_t allocate(size_t size, Buffer* buffer) {
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  cudaError_t error = cudaThreadExchangeStreamCaptureMode(&mode);
  if (error != cudaSuccess) return error;
  cudaStream_t stream = nullptr;
  error = cudaMalloc(&buffer->data, size);
  if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  if (error == cudaSuccess) error = cudaMemsetAsync(buffer->data, 0, size, stream);
  if (error == cudaSuccess) error = cudaStreamSynchronize(stream);
  if (stream != nullptr) cudaStreamDestroy(stream);
  cudaThreadExchangeStreamCaptureMode(&mode);
  buffer->size = size;
  return error;
}

cudaError_t take_for_graph(int device, CaptureKey key, cudaGraph_t graph, size_t size,
                           Buffer* buffer) {
  GraphBuffers& all = graph_buffers();
  *buffer = {device, nullptr, 0};
  {
    const std::lock_guard lock(all.mutex);
    const auto owned = all.owned.find(key);
    if (owned != all.owned.end() && owned->second.size >= size) {
      *buffer = owned->second;
      return cudaSuccess;
    }
    const auto fits = std::find_if(all.free.begin(), all.free.end(), [&](const Buffer& free) {
      return free.device == device && free.size >= size;
    });
    if (fits != all.free.end()) {
      *buffer = *fits;
      all.free.erase(fits);
    }
  }
  cudaError_t error = cudaSuccess;
  if (buffer->data == nullptr) error = allocate(size, buffer);
  cudaUserObject_t owner = nullptr;
  if (error == cudaSuccess) {
    error = cudaUserObjectCreate(&owner, new Buffer(*buffer), give_back, 1,
                                 cudaUserObjectNoDestructorSync);
  }
  if (error == cudaSuccess) {
    error = cudaGraphRetainUserObject(graph, owner, 1, cudaGraphUserObjectMove);
  }
  const std::lock_guard lock(all.mutex);
  if (error == cudaSuccess) all.owned[key] = *buffer;
  return error;
}

cudaError_t take_for_stream(int device, cudaStream_t stream, size_t size, StreamBuffer* kept) {
  unsigned long long id = 0;
  cudaError_t error = cudaStreamGetId(stream, &id);
  if (error != cudaSuccess) return error;
  if (kept->buffer.data != nullptr && kept->stream_id != id) {
    // Another stream has the handle now; what the one before it began may not have ended.
    error = cudaDeviceSynchronize();
    if (error != cudaSuccess) return error;
  }
  kept->stream_id = id;
  if (kept->buffer.size >= size) return cudaSuccess;
  if (kept->buffer.data != nullptr) error = cudaFreeAsync(kept->buffer.data, stream);
  kept->buffer = {};
  void* data = nullptr;
  if (error == cudaSuccess) error = cudaMallocAsync(&data, size, stream);
  if (error == cudaSuccess) error = cudaMemsetAsync(data, 0, size, stream);
  if (error == cudaSuccess) kept->buffer = {device, data, size};
  return error;
}

}  // namespace

cudaError_t Workspace::take(cudaStream_t stream, size_t size) {
  if (size == 0) return cudaSuccess;
  int device = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) return error;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long capture = 0;
  cudaGraph_t graph = nullptr;
  error = cudaStreamGetCaptureInfo(stream, &status, &capture, &graph);
  if (error != cudaSuccess) return error;

  Buffer buffer;
  if (status == cudaStreamCaptureStatusNone) {
    StreamBuffer& kept = stream_buffer(device, stream);
    lock_ = std::unique_lock(kept.mutex);
    error = take_for_stream(device, stream, size, &kept);
    buffer = kept.buffer;
  } else {
    error = take_for_graph(device, {capture, stream}, graph, size, &buffer);
  }
  data_ = buffer.data;
  size_ = buffer.size;
  return error;
}

}  // namespace machete::python
