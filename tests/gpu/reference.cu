#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cmath>

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

// A small float: sign, exponent, mantissa; no infinities.
__device__ double small_float(uint32_t bits, int mantissa_bits, int exponent_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int mantissa = static_cast<int>(bits & ((1u << mantissa_bits) - 1));
  const int field = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
  const double magnitude =
      field == 0 ? ldexp(mantissa, 1 - bias - mantissa_bits)
                 : ldexp(mantissa + (1 << mantissa_bits), field - bias - mantissa_bits);
  return bits >> (mantissa_bits + exponent_bits) & 1 ? -magnitude : magnitude;
}

// The number that the bits of a type stand for.
__device__ double value_of(DataType type, uint32_t bits) {
  switch (type) {
    case DataType::kBF16:
      return __uint_as_float(bits << 16);
    case DataType::kF16:
      return __half2float(__ushort_as_half(static_cast<unsigned short>(bits)));
    case DataType::kE4M3:
      return small_float(bits, 3, 4);
    case DataType::kE2M1:
      return small_float(bits, 1, 2);
    case DataType::kUE8M0:
      return ldexp(1, static_cast<int>(bits) - 127);
    case DataType::kS8:
      return static_cast<int8_t>(bits);
    case DataType::kU4B8:
      return static_cast<int>(bits) - 8;
    case DataType::kU8B128:
      return static_cast<int>(bits) - 128;
    default:
      return bits;
  }
}

// The i-th element of an array.
__device__ double load(const void* values, DataType type, int64_t i) {
  const auto* bytes = static_cast<const uint8_t*>(values);
  switch (type) {
    case DataType::kBF16:
    case DataType::kF16:
      return value_of(type, static_cast<const uint16_t*>(values)[i]);
    case DataType::kF32:
      return static_cast<const float*>(values)[i];
    case DataType::kU4B8:
    case DataType::kU4:
    case DataType::kE2M1:
      return value_of(type, bytes[i / 2] >> (i % 2 * 4) & 0xf);
    default:
      return value_of(type, bytes[i]);
  }
}

__device__ void store(void* values, DataType type, int64_t i, double x) {
  const auto rounded = static_cast<float>(x);
  switch (type) {
    case DataType::kBF16:
      static_cast<__nv_bfloat16*>(values)[i] = __float2bfloat16(rounded);
      break;
    case DataType::kF16:
      static_cast<__half*>(values)[i] = __float2half(rounded);
      break;
    case DataType::kE4M3:
      static_cast<__nv_fp8_storage_t*>(values)[i] =
          __nv_cvt_float_to_fp8(rounded, __NV_SATFINITE, __NV_E4M3);
      break;
    case DataType::kUE8M0:
      static_cast<uint8_t*>(values)[i] = static_cast<uint8_t>(rint(log2(fabs(x))) + 127);
      break;
    case DataType::kS8:
      static_cast<int8_t*>(values)[i] = static_cast<int8_t>(x);
      break;
    default:
      static_cast<float*>(values)[i] = rounded;
  }
}

constexpr int kThreads = 256;
unsigned ctas(size_t count) { return static_cast<unsigned>((count + kThreads - 1) / kThreads); }
__device__ int64_t thread_index() { return blockIdx.x * int64_t{blockDim.x} + threadIdx.x; }

// `columns` bytes a row.
__global__ void fill_codes(uint8_t* out, DataType type, int64_t count, int64_t columns,
                           uint64_t seed) {
  const int64_t i = thread_index();
  if (i >= count) return;
  auto byte = static_cast<uint8_t>(random_bits(seed, i));
  const int feature = static_cast<int>(i / columns % 16);
  if (feature == 3) byte = 0x00;
  if (feature == 7) byte = 0xff;
  if (feature == 11) byte = 0x77;  // e2m1: 6
  if (feature == 15) byte = 0x7f;
  if (type == DataType::kE4M3 && (byte & 0x7f) == 0x7f) byte ^= 1;  // +-448 in place of NaN
  out[i] = byte;
}

__global__ void fill_group_scales(void* out, DataType type, int64_t count, int64_t n,
                                  uint64_t seed) {
  const int64_t i = thread_index();
  if (i >= count) return;
  const uint64_t bits = random_bits(seed, 3 * i);
  if (type == DataType::kE4M3) {
    const auto byte = static_cast<uint8_t>(bits);
    static_cast<uint8_t*>(out)[i] = (byte & 0x7f) == 0x7f ? byte ^ 1 : byte;
    return;
  }
  if (type == DataType::kS8) {
    static_cast<int8_t*>(out)[i] = static_cast<int8_t>(bits % 32) - 15;
    return;
  }
  const double feature = -5 * random_unit(seed + 1, i % n);
  const double group = 4 * random_unit(seed, 3 * i + 1) - (bits >> 8 & 15 ? 2 : 12);
  const double magnitude = 0.01 * exp2(feature + group);
  store(out, type, i, bits & 1 ? magnitude : -magnitude);
}

__global__ void fill_zeropoints(void* out, DataType type, int64_t count, int codes, uint64_t seed) {
  const int64_t i = thread_index();
  if (i >= count) return;
  // With eight significant bits, as bf16 has them.
  const double largest = codes - codes * 0x1p-8;
  const double zero = codes * random_unit(seed, 2 * i);
  // The lowest, the highest, whole ones and any.
  switch (random_bits(seed, 2 * i + 1) % 8) {
    case 0:
      return store(out, type, i, 0);
    case 1:
      return store(out, type, i, largest);
    case 2:
    case 3:
      return store(out, type, i, floor(zero));
    default:
      return store(out, type, i, fmin(zero, largest));
  }
}

// 2^x, x uniform in [-2, 1).
__global__ void fill_scales(void* out, int64_t count, uint64_t seed) {
  const int64_t i = thread_index();
  if (i < count) store(out, DataType::kF32, i, exp2(3 * random_unit(seed, i) - 2));
}

// Rows of `columns`.
__global__ void fill_activations(void* out, DataType type, int64_t count, int64_t columns,
                                 uint64_t seed) {
  const int64_t i = thread_index();
  if (i >= count) return;
  const double x = 2 * random_unit(seed, i) - 1;
  if (type == DataType::kS8) return store(out, type, i, floor(128 * x));
  store(out, type, i, i % columns % 997 == 5 ? 100 * x : x);
}

__global__ void fill_bias(void* out, DataType type, int64_t count, uint64_t seed) {
  const int64_t i = thread_index();
  if (i < count) store(out, type, i, 8 * random_unit(seed, i) - 4);
}

// W[k, n] as machete.h says it, but for the scales of features, with the four significant bits of
// e4m3 where it says so; and the sum of the squares of what
// is rounded on the way: the weight and, where a zero point is not whole, its fraction of a scale.
struct Weight {
  double value;
  double square;
};

__device__ Weight weight(const Weights& weights, const ProblemDesc& desc, int64_t n, int64_t k) {
  const int64_t at = k / desc.group_size * desc.n + n;
  double w = load(weights.codes, desc.types.b, n * desc.k + k);
  double fraction = 0;
  if (weights.group_zeropoints != nullptr) {
    double zero = load(weights.group_zeropoints, desc.types.b_group_zeropoint, at);
    zero = floor(zero * 256 + 0.5) / 256;
    fraction = zero - floor(zero);
    w -= zero;
  }
  const double scale = weights.group_scales == nullptr
                           ? 1
                           : load(weights.group_scales, desc.types.b_group_scale, at);
  double value = w * scale;
  if (desc.types.a == DataType::kE4M3 && desc.types.b_group_scale == DataType::kE4M3) {
    int exponent;
    value = ldexp(rint(ldexp(frexp(value, &exponent), 4)), exponent - 4);
  }
  return {value, (w * w + fraction * fraction) * scale * scale};
}

// 128 x 64 outputs a CTA, 8 x 4 a thread, 8 input features at a time.
constexpr int kTileM = 128;
constexpr int kTileN = 64;
constexpr int kTileK = 8;
__global__ void __launch_bounds__(256) multiply(const void* a, Weights weights, ProblemDesc desc,
                                                int64_t m, double* products, double* squares) {
  __shared__ double tile_a[kTileK][kTileM + 1];
  __shared__ Weight tile_w[kTileK][kTileN + 1];
  const int64_t n = desc.n;
  const int64_t k = desc.k;
  const int64_t m0 = int64_t{blockIdx.y} * kTileM;
  const int64_t n0 = int64_t{blockIdx.x} * kTileN;
  const int row = threadIdx.x / 16;
  const int column = threadIdx.x % 16;
  double sums[8][4] = {};
  double square_sums[8][4] = {};
  for (int64_t k0 = 0; k0 < k; k0 += kTileK) {
    for (int i = threadIdx.x; i < kTileM * kTileK; i += 256) {
      const int64_t mm = m0 + i / kTileK;
      const int64_t kk = k0 + i % kTileK;
      tile_a[i % kTileK][i / kTileK] = mm < m && kk < k ? load(a, desc.types.a, mm * k + kk) : 0;
    }
    for (int i = threadIdx.x; i < kTileN * kTileK; i += 256) {
      const int64_t nn = n0 + i / kTileK;
      const int64_t kk = k0 + i % kTileK;
      tile_w[i % kTileK][i / kTileK] =
          nn < n && kk < k ? weight(weights, desc, nn, kk) : Weight{0, 0};
    }
    __syncthreads();
    for (int kk = 0; kk < kTileK; ++kk) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const double activation = tile_a[kk][row + 16 * i];
          const Weight& w = tile_w[kk][column + 16 * j];
          sums[i][j] += activation * w.value;
          square_sums[i][j] += activation * activation * w.square;
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t mm = m0 + row + 16 * i;
      const int64_t nn = n0 + column + 16 * j;
      if (mm >= m || nn >= n) continue;
      double scale = weights.tensor_scale;
      if (weights.channel_scales != nullptr) scale *= weights.channel_scales[nn];
      products[mm * n + nn] = sums[i][j] * scale;
      squares[mm * n + nn] = square_sums[i][j] * scale * scale;
    }
  }
}

__global__ void flip_signs(uint16_t* values, size_t count) {
  const size_t i = thread_index();
  if (i < count) values[i] ^= 0x8000;
}

// The last place of numbers from 1 to 2.
__host__ __device__ double last_place(DataType type) {
  return type == DataType::kBF16 ? 0x1p-7 : type == DataType::kF16 ? 0x1p-10 : 0x1p-23;
}

__device__ double smallest_normal(DataType type) {
  return type == DataType::kF16 ? 0x1p-14 : 0x1p-126;
}

// Roundings to a type: their root mean square over the number, if mantissas are distributed as
// those of products are, is 1 / sqrt(12) units of the last place times sqrt(3 / (8 ln 2)).
__host__ __device__ double rounding(DataType type) { return 0.2123 * last_place(type); }

// The same of subnormals, as it is.
__device__ double subnormal_rounding(DataType type) {
  return 0.2887 * smallest_normal(type) * last_place(type);
}

// What the sums of tensor cores lose over the root of their squares' sum. Half a unit of float32 in
// each addition; but with activations of e4m3 a product, like the sum, is cut off 13 bits below the
// largest number beside it: by up to a unit, in root mean square by 1 / sqrt(3) of it. Sums of
// groups are added up elsewhere, and those of s8 are exact.
double accumulation(const ProblemDesc& desc) {
  if (!is_narrow(desc.types)) return 0x1p-24 * static_cast<double>(desc.k) / 16;
  if (desc.types.a == DataType::kS8) return 0x1p-24;
  const bool by_groups = info(desc.types.b_group_scale).bits == 16;
  const int64_t k = by_groups ? 128 : desc.k;
  return 0x1p-13 * std::sqrt(static_cast<double>(k) / 3);
}

// Adds each error's square over the expected one's.
__global__ void add_squares(RunArgs args, DataType type, double weight_error,
                            const double* products, const double* squares, int64_t n, double* sum) {
  const double output_error = rounding(type);
  const double least_error = subnormal_rounding(type);
  double total = 0;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = thread_index(); i < args.m * n; i += stride) {
    const double token = args.token_scales == nullptr ? 1 : args.token_scales[i / n];
    const double bias = args.bias == nullptr ? 0 : load(args.bias, type, i % n);
    const double wanted = products[i] * token + bias;
    const double error = load(args.out, type, i / n * args.ldo + i % n) - wanted;
    const double expected = output_error * output_error * wanted * wanted +
                            least_error * least_error +
                            weight_error * weight_error * squares[i] * token * token;
    if (error != 0) total += error * error / expected;
  }
  for (int offset = 16; offset > 0; offset /= 2) total += __shfl_down_sync(~0u, total, offset);
  if (threadIdx.x % 32 == 0) atomicAdd(sum, total);
}

}  // namespace

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
  }
}

void check(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

size_t bytes_of(DataType type, int64_t count) { return count * info(type).bits / 8; }

std::vector<const char*> schedules_of(const ProblemDesc& desc) {
  std::vector<const char*> names(supported_schedules(desc, nullptr, 0));
  if (names.empty()) throw std::runtime_error("no kernels for these types");
  supported_schedules(desc, names.data(), static_cast<int>(names.size()));
  return names;
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
void Buffer::from_host(const std::vector<uint8_t>& bytes) const {
  check(cudaMemcpy(data_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
}

Problem::Problem(const ProblemDesc& desc, int64_t max_m, uint64_t seed)
    : desc(desc),
      max_m(max_m),
      // Brings the scales of e4m3 and s8 to the size of the others'.
      tensor_scale(desc.types.b_group_scale == DataType::kE4M3 ||
                           desc.types.b_group_scale == DataType::kS8
                       ? 0x1p-9f
                       : 0.5f),
      codes(bytes_of(desc.types.b, desc.n * desc.k)),
      scales(bytes_of(desc.types.b_group_scale, desc.k / desc.group_size * desc.n)),
      zeropoints(bytes_of(desc.types.b_group_zeropoint, desc.k / desc.group_size * desc.n)),
      channel_scales(bytes_of(desc.types.b_channel_scale, desc.n)),
      a(bytes_of(desc.types.a, max_m * desc.k)),
      token_scales(bytes_of(desc.types.a_token_scale, max_m)),
      bias(bytes_of(desc.types.out, desc.n)) {
  const TypeSet& types = desc.types;
  const auto bytes = static_cast<int64_t>(codes.bytes());
  const int64_t groups = desc.k / desc.group_size * desc.n;
  fill_codes<<<ctas(bytes), kThreads>>>(codes.get<uint8_t>(), types.b, bytes, bytes / desc.n, seed);
  if (scales.bytes() > 0) {
    fill_group_scales<<<ctas(groups), kThreads>>>(scales.get(), types.b_group_scale, groups, desc.n,
                                                  seed + 1);
  }
  if (zeropoints.bytes() > 0) {
    fill_zeropoints<<<ctas(groups), kThreads>>>(zeropoints.get(), types.b_group_zeropoint, groups,
                                                1 << info(types.b).bits, seed + 3);
  }
  if (channel_scales.bytes() > 0) {
    fill_scales<<<ctas(desc.n), kThreads>>>(channel_scales.get(), desc.n, seed + 4);
  }
  if (token_scales.bytes() > 0) {
    fill_scales<<<ctas(max_m), kThreads>>>(token_scales.get(), max_m, seed + 5);
  }
  fill_activations<<<ctas(max_m * desc.k), kThreads>>>(a.get(), types.a, max_m * desc.k, desc.k,
                                                       seed + 6);
  fill_bias<<<ctas(desc.n), kThreads>>>(bias.get(), types.out, desc.n, seed + 7);
  check(cudaGetLastError(), "filling a problem");
}

Weights Problem::weights() const {
  Weights weights;
  weights.codes = codes.get();
  weights.group_scales = scales.get();
  weights.group_zeropoints = zeropoints.get();
  weights.channel_scales = channel_scales.get<float>();
  weights.tensor_scale = tensor_scale;
  return weights;
}

Packed::Packed(const Problem& problem) : Buffer(prepacked_size(problem.desc)) {
  fill(0xff);  // a word that is not written shows
  check(prepack_B(problem.desc, problem.weights(), get(), nullptr));
}

RunArgs run_args(const Problem& problem, const Buffer& packed, const Buffer& out,
                 const Buffer& workspace, int64_t m) {
  RunArgs args;
  args.a = problem.a.get();
  args.packed = packed.get();
  args.out = out.get();
  args.m = m;
  args.lda = problem.desc.k;
  args.ldo = problem.desc.n;
  args.workspace = workspace.get();
  args.workspace_size = workspace.bytes();
  return args;
}

RunArgs run_args_with_all(const Problem& problem, const Buffer& packed, const Buffer& out,
                          const Buffer& workspace, int64_t m) {
  RunArgs args = run_args(problem, packed, out, workspace, m);
  args.token_scales = problem.token_scales.get<float>();
  args.bias = problem.bias.get();
  return args;
}

Reference::Reference(const Problem& problem, const Weights& weights)
    : desc_(problem.desc),
      products_(problem.max_m * desc_.n * sizeof(double)),
      squares_(products_.bytes()) {
  const dim3 grid(static_cast<unsigned>((desc_.n + kTileN - 1) / kTileN),
                  static_cast<unsigned>((problem.max_m + kTileM - 1) / kTileM));
  multiply<<<grid, 256>>>(problem.a.get(), weights, problem.desc, problem.max_m,
                          products_.get<double>(), squares_.get<double>());
  check(cudaGetLastError(), "the reference product");
}

double Reference::error(const RunArgs& args) const {
  const TypeSet& types = desc_.types;
  const bool exact = types.b == DataType::kE2M1 || is_narrow(types);
  const double weight_error = std::hypot(exact ? 0 : rounding(types.a), accumulation(desc_));
  const Buffer sum(sizeof(double));
  sum.fill(0);
  add_squares<<<1024, kThreads>>>(args, types.out, weight_error, products_.get<double>(),
                                  squares_.get<double>(), desc_.n, sum.get<double>());
  double host;
  check(cudaMemcpy(&host, sum.get(), sizeof(host), cudaMemcpyDeviceToHost), "the errors");
  const double error = std::sqrt(host / static_cast<double>(args.m * desc_.n));
  return std::isnan(error) ? HUGE_VAL : error;
}

void negate(void* values, size_t count, cudaStream_t stream) {
  flip_signs<<<ctas(count), kThreads, 0, stream>>>(static_cast<uint16_t*>(values), count);
  check(cudaGetLastError(), "flipping signs");
}

}  // namespace machete::testing
