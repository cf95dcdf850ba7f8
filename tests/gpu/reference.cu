#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

// SplitMix64: a good random 64-bit number for each index.
__device__ uint64_t random_bits(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

__device__ double random_unit(uint64_t seed, uint64_t index) {  // [0, 1)
  return static_cast<double>(random_bits(seed, index) >> 11) * 0x1p-53;
}

__global__ void fill_bytes(uint8_t* out, size_t count, uint64_t seed) {
  const size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x;
  if (i < count) out[i] = static_cast<uint8_t>(random_bits(seed, i));
}

template <class T>
__global__ void fill_scales(T* out, size_t count, uint64_t seed) {
  const size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x;
  if (i >= count) return;
  const double magnitude = 0.01 * exp2(4 * random_unit(seed, 2 * i) - 2);
  out[i] = T(static_cast<float>(random_bits(seed, 2 * i + 1) & 1 ? magnitude : -magnitude));
}

template <class T>
__global__ void fill_activations(T* out, size_t count, uint64_t seed) {
  const size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x;
  if (i < count) out[i] = T(static_cast<float>(2 * random_unit(seed, i) - 1));
}

constexpr int kThreads = 256;
unsigned ctas(size_t count) { return static_cast<unsigned>((count + kThreads - 1) / kThreads); }

// 128 x 128 outputs a CTA, 8 x 8 a thread, 8 input features at a time.
constexpr int kTile = 128;
constexpr int kTileK = 8;
template <class T>
__global__ void __launch_bounds__(256)
    multiply(const T* a, const uint8_t* codes, const T* scales, double* out, int64_t m, int64_t n,
             int64_t k, int64_t group_size, int bits, int bias) {
  __shared__ double tile_a[kTileK][kTile + 1];
  __shared__ double tile_w[kTileK][kTile + 1];
  const int64_t m0 = int64_t{blockIdx.y} * kTile;
  const int64_t n0 = int64_t{blockIdx.x} * kTile;
  const int row = threadIdx.x / 16;
  const int column = threadIdx.x % 16;
  double sums[8][8] = {};
  for (int64_t k0 = 0; k0 < k; k0 += kTileK) {
    for (int i = threadIdx.x; i < kTile * kTileK; i += 256) {
      const int kk = i % kTileK;
      const int64_t mm = m0 + i / kTileK;
      const int64_t nn = n0 + i / kTileK;
      const int64_t kg = k0 + kk;
      tile_a[kk][i / kTileK] = mm < m && kg < k ? static_cast<double>(float(a[mm * k + kg])) : 0;
      double w = 0;
      if (nn < n && kg < k) {
        const int64_t weight = nn * k + kg;
        const int code = bits == 8 ? codes[weight] : codes[weight / 2] >> (weight % 2 * 4) & 0xf;
        w = (code - bias) * static_cast<double>(float(scales[kg / group_size * n + nn]));
      }
      tile_w[kk][i / kTileK] = w;
    }
    __syncthreads();
    for (int kk = 0; kk < kTileK; ++kk) {
      double fa[8], fw[8];
      for (int i = 0; i < 8; ++i) {
        fa[i] = tile_a[kk][row + 16 * i];
        fw[i] = tile_w[kk][column + 16 * i];
      }
      for (int i = 0; i < 8; ++i) {
        for (int j = 0; j < 8; ++j) sums[i][j] += fa[i] * fw[j];
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      const int64_t mm = m0 + row + 16 * i;
      const int64_t nn = n0 + column + 16 * j;
      if (mm < m && nn < n) out[mm * n + nn] = sums[i][j];
    }
  }
}

__global__ void flip_signs(uint16_t* values, size_t count) {
  const size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x;
  if (i < count) values[i] ^= 0x8000;
}

template <class T>
__global__ void square_sums(const T* out, const double* ref, int64_t m, int64_t n, int64_t ldo,
                            double* sums) {
  double error = 0;
  double norm = 0;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < m * n; i += stride) {
    const double d = static_cast<double>(float(out[i / n * ldo + i % n])) - ref[i];
    error += d * d;
    norm += ref[i] * ref[i];
  }
  for (int offset = 16; offset > 0; offset /= 2) {
    error += __shfl_down_sync(~0u, error, offset);
    norm += __shfl_down_sync(~0u, norm, offset);
  }
  if (threadIdx.x % 32 == 0) {
    atomicAdd(&sums[0], error);
    atomicAdd(&sums[1], norm);
  }
}

template <class T>
void make(const Problem& p, uint64_t seed) {
  const size_t scales = p.scales.bytes() / sizeof(T);
  const size_t a = p.a.bytes() / sizeof(T);
  fill_bytes<<<ctas(p.codes.bytes()), kThreads>>>(p.codes.get<uint8_t>(), p.codes.bytes(), seed);
  fill_scales<<<ctas(scales), kThreads>>>(p.scales.get<T>(), scales, seed + 1);
  fill_activations<<<ctas(a), kThreads>>>(p.a.get<T>(), a, seed + 2);
  check(cudaGetLastError(), "filling a problem");
}

template <class T>
void reference_of(const Problem& p, double* out) {
  const ProblemDesc& d = p.desc;
  const dim3 grid(static_cast<unsigned>((d.n + kTile - 1) / kTile),
                  static_cast<unsigned>((p.max_m + kTile - 1) / kTile));
  multiply<<<grid, 256>>>(p.a.get<T>(), p.codes.get<uint8_t>(), p.scales.get<T>(), out, p.max_m,
                          d.n, d.k, d.group_size, info(d.types.b).bits, info(d.types.b).bias);
  check(cudaGetLastError(), "the reference product");
}

}  // namespace

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
  }
}

Buffer::Buffer(size_t bytes) : bytes_(bytes) {
  if (bytes > 0) check(cudaMalloc(&data_, bytes), "cudaMalloc");
}
Buffer::~Buffer() { cudaFree(data_); }
void Buffer::fill(uint8_t byte) const {
  if (bytes_ > 0) check(cudaMemset(data_, byte, bytes_), "cudaMemset");
}
std::vector<uint8_t> Buffer::to_host() const {
  std::vector<uint8_t> host(bytes_);
  check(cudaMemcpy(host.data(), data_, bytes_, cudaMemcpyDeviceToHost), "cudaMemcpy");
  return host;
}

Problem::Problem(const ProblemDesc& desc, int64_t max_m, uint64_t seed)
    : desc(desc),
      max_m(max_m),
      codes(desc.n * desc.k * info(desc.types.b).bits / 8),
      scales(desc.k / desc.group_size * desc.n * 2),
      a(max_m * desc.k * 2) {
  if (desc.types.a == DataType::kBF16) {
    make<__nv_bfloat16>(*this, seed);
  } else {
    make<__half>(*this, seed);
  }
}

void reference(const Problem& problem, double* out) {
  if (problem.desc.types.a == DataType::kBF16) {
    reference_of<__nv_bfloat16>(problem, out);
  } else {
    reference_of<__half>(problem, out);
  }
}

void negate(void* values, size_t count, cudaStream_t stream) {
  flip_signs<<<ctas(count), kThreads, 0, stream>>>(static_cast<uint16_t*>(values), count);
  check(cudaGetLastError(), "flipping signs");
}

double relative_error(const void* out, DataType type, const double* ref, int64_t m, int64_t n,
                      int64_t ldo) {
  Buffer sums(2 * sizeof(double));
  sums.fill(0);
  if (type == DataType::kBF16) {
    square_sums<<<1024, kThreads>>>(static_cast<const __nv_bfloat16*>(out), ref, m, n, ldo,
                                    sums.get<double>());
  } else {
    square_sums<<<1024, kThreads>>>(static_cast<const __half*>(out), ref, m, n, ldo,
                                    sums.get<double>());
  }
  double host[2];
  check(cudaMemcpy(host, sums.get(), sizeof(host), cudaMemcpyDeviceToHost), "the error's norm");
  const double error = sqrt(host[0] / host[1]);
  return isnan(error) ? HUGE_VAL : error;
}

}  // namespace machete::testing
