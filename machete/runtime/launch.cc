// Launches a kernel: tile parameters, tensor maps, launch attributes.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include "machete/kernel/params.h"
#include "machete/runtime/family.h"
#include "machete/runtime/tiling.h"

namespace machete {
namespace {

constexpr int kMaxStreamingSteps = INT32_MAX - kMaxWarpsK;  // so far warps count past the last

CUtensorMapDataType tensor_map_type(DataType type) {
  switch (type) {
    case DataType::kBF16:
      return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    case DataType::kF16:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    default:
      return CU_TENSOR_MAP_DATA_TYPE_UINT8;
  }
}

// A row-major [rows, columns] matrix, in boxes of 128 bytes of columns in the 128-byte swizzle.
Status encode(void* encode_tensor_map, DataType type, const char* name, const void* data,
              int64_t rows, int64_t columns, int64_t stride, int box_rows,
              CUtensorMapL2promotion promotion, CUtensorMap* map) {
  const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[1] = {static_cast<cuuint64_t>(stride * info(type).bits / 8)};
  const cuuint32_t box[2] = {static_cast<cuuint32_t>(1024 / info(type).bits),
                             static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t element_strides[2] = {1, 1};
  const auto function = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(encode_tensor_map);
  const CUresult result =
      function(map, tensor_map_type(type), 2, const_cast<void*>(data), sizes, strides, box,
               element_strides, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
               promotion, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result == CUDA_SUCCESS) return Status();
  return Status::failure(StatusCode::kCudaError,
                         "cuTensorMapEncodeTiled refused %s at %p (%lld x %lld, stride %lld): %d",
                         name, data, static_cast<long long>(rows), static_cast<long long>(columns),
                         static_cast<long long>(stride), result);
}

ProductParams product_params(const MmArgs& args, int64_t tiles_m) {
  const TypeSet& types = args.desc->types;
  const PackedLayout layout = packed_layout(types, args.N, args.K, args.desc->group_size);
  const auto* packed = static_cast<const uint8_t*>(args.tensors.packed);
  ProductParams params = {};
  params.m = static_cast<int>(args.M);
  params.n = static_cast<int>(args.N);
  params.out = args.tensors.out;
  params.ldo = args.tensors.ldo;
  params.blocks = packed + layout.blocks_offset;
  params.rows = reinterpret_cast<const RowEntry*>(packed + layout.rows_offset);
  params.n_blocks = layout.n_blocks;
  params.k_blocks = layout.k_blocks;
  params.slice_bytes = layout.slice_bytes;
  params.groups_per_block = layout.groups_per_block;
  params.layout_tag = layout_tag(types, args.N, args.K, layout.groups_per_block);
  // With one row of tiles every weight is read once and every activation again and again.
  params.weight_policy = tiles_m == 1 ? kEvictFirst : kEvictNormal;
  params.token_scales = args.tensors.token_scales;
  params.bias = args.tensors.bias;
  params.activation_policy = tiles_m == 1 ? kEvictLast : kEvictNormal;
  return params;
}

// The tokens' activations, of which a CTA loads `part` tokens at a time.
Status encode_activations(const MmArgs& args, int part, ActivationMaps* maps) {
  *maps = {};
  const auto encode_box = [&](int box_m, CUtensorMap* map) {
    return encode(args.encode_tensor_map, args.desc->types.a, "a", args.tensors.a, args.M, args.K,
                  args.tensors.lda, box_m, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, map);
  };
  // Whole groups of eight tokens, the last one padded.
  const int64_t tokens = ceil_div(args.M, 8) * 8;
  const int rest = static_cast<int>(tokens % part);
  Status status;
  if (tokens >= part) status = encode_box(part, &maps->whole);
  if (status.ok() && rest > 0) status = encode_box(rest, &maps->rest);
  return status;
}

// By the driver: in every launch the runtime looks the function up again.
Status launch_clusters(const KernelEntry& kernel, const MmArgs& args, void* function,
                       unsigned cluster_size, int clusters, int threads, int shared_bytes,
                       void** parameters) {
  CUlaunchAttribute attributes[2] = {};
  attributes[0].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
  attributes[0].value.clusterDim = {cluster_size, 1, 1};
  attributes[1].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  attributes[1].value.programmaticStreamSerializationAllowed = 1;
  CUlaunchConfig config = {};
  config.gridDimX = clusters * cluster_size;
  config.gridDimY = 1;
  config.gridDimZ = 1;
  config.blockDimX = threads;
  config.blockDimY = 1;
  config.blockDimZ = 1;
  config.sharedMemBytes = shared_bytes;
  config.hStream = args.stream;
  config.attrs = attributes;
  config.numAttrs = args.dependent_launch ? 2 : 1;
  const CUresult result = reinterpret_cast<decltype(&cuLaunchKernelEx)>(args.launch_kernel)(
      &config, static_cast<CUfunction>(function), parameters, nullptr);
  if (result == CUDA_SUCCESS) return Status();
  // Errors have the same numbers in driver and runtime.
  return Status::failure(StatusCode::kCudaError, "launching schedule %s: %s", kernel.name,
                         cudaGetErrorString(static_cast<cudaError_t>(result)));
}

Status launch_streaming(const KernelEntry& kernel, const MmArgs& args, int resident) {
  StreamingParams params = {};
  static_cast<ProductParams&>(params) = product_params(args, ceil_div(args.M, kernel.tile_m));
  params.tiles =
      plan_streaming_tiles(kernel, args.M, args.N, params.k_blocks, params.slice_bytes, resident);
  const int64_t steps = int64_t{params.tiles.tiles_m} * params.tiles.passes * params.k_blocks;
  if (steps > kMaxStreamingSteps) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "m = %lld with n = %lld, k = %lld makes %lld steps of schedule %s; "
                           "allowed: %d",
                           static_cast<long long>(args.M), static_cast<long long>(args.N),
                           static_cast<long long>(args.K), static_cast<long long>(steps),
                           kernel.name, kMaxStreamingSteps);
  }
  ActivationMaps activations;
  const int width = width_index(kernel, args.M);
  const int tile_m = kernel.widths[width];
  Status status = encode_activations(args, tile_m, &activations);
  if (!status.ok()) return status;
  const StreamingTiles& tiles = params.tiles;
  const StreamingMemory memory =
      streaming_memory(kernel.schedule, tile_m, kernel.a_bits, params.slice_bytes, tiles);
  void* parameters[] = {&params, &activations};
  return launch_clusters(
      kernel, args, args.functions[2 * width + (tiles.cluster == 1)], tiles.cluster, tiles.clusters,
      (tiles.warps_n * tiles.warps_k + streaming_warps(kernel.schedule).producers) * 32,
      memory.total, parameters);
}

Status launch_gemm(const KernelEntry& kernel, const MmArgs& args, int resident) {
  const RunArgs& tensors = args.tensors;
  const int64_t tiles = count_tiles(kernel, args.M, args.N);
  if (tiles > kMaxTiles) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "m = %lld with n = %lld makes %lld tiles of schedule %s; allowed: %lld",
                           static_cast<long long>(args.M), static_cast<long long>(args.N),
                           static_cast<long long>(tiles), kernel.name,
                           static_cast<long long>(kMaxTiles));
  }
  const TileParams plan = plan_tiles(kernel, args.M, args.N, args.K, resident);
  GemmParams params = {product_params(args, plan.tiles_m), plan, TileArithmetic(plan)};
  const size_t workspace = workspace_bytes(kernel, params.tiles);
  if (tensors.workspace_size < workspace || (workspace > 0 && tensors.workspace == nullptr)) {
    return Status::failure(
        StatusCode::kInvalidArgument,
        "workspace_size = %zu at %p; %zu bytes are needed (schedule %s, m = %lld)",
        tensors.workspace_size, tensors.workspace, workspace, kernel.name,
        static_cast<long long>(args.M));
  }
  // With weights of more of them the first activations wait in line. A step that takes two stages
  // has few weights beside its activations, and still finds a stage.
  if (args.dependent_launch) params.steps_ahead = kernel.stages / 2;
  params.flags = static_cast<uint32_t*>(tensors.workspace);
  params.partials = static_cast<uint8_t*>(tensors.workspace) + kFlagsBytes;
  ActivationMaps activations;
  Status status = encode_activations(args, params.tiles.tile_m / kernel.cluster_n, &activations);
  if (!status.ok()) return status;
  CUtensorMap output = {};  // outputs in fp32 are stored without one
  if (args.desc->types.out != DataType::kF32) {
    status = encode(args.encode_tensor_map, args.desc->types.out, "out", tensors.out, args.M,
                    args.N, tensors.ldo, store_tokens(params.tiles.tile_m, kernel.store_m),
                    CU_TENSOR_MAP_L2_PROMOTION_NONE, &output);
    if (!status.ok()) return status;
  }
  void* parameters[] = {&activations, &output, &params};
  return launch_clusters(kernel, args, args.functions[0], kernel.cluster_n * kernel.cluster_k,
                         params.tiles.clusters, kernel.threads, kernel.shared_bytes, parameters);
}

}  // namespace

Status launch(const KernelEntry& kernel, const MmArgs& args) {
  const int resident = args.resident_clusters[args.schedule];
  if (resident == 0) {
    return Status::failure(StatusCode::kUnsupported,
                           "schedule %s does not fit on this device: a cluster needs %d x %d CTAs "
                           "of %d threads and %d bytes of shared memory",
                           kernel.name, kernel.cluster_n, kernel.cluster_k, kernel.threads,
                           kernel.shared_bytes);
  }
  return is_streaming(kernel.schedule) ? launch_streaming(kernel, args, resident)
                                       : launch_gemm(kernel, args, resident);
}

}  // namespace machete
