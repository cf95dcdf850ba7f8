#include "machete/runtime/check.h"

#include <cinttypes>
#include <cstdint>

namespace machete {
namespace {

constexpr int64_t kMaxTokens = INT32_MAX - 1024;  // tensor maps count in 32 bits; a tile of margin
// The K steps of a wave of tiles are counted in 32 bits too.
constexpr int64_t kMaxFeatures = int64_t{1} << 28;
constexpr int64_t kMaxWeights = int64_t{1}
                                << 42;  // blocks of 64 x 128, padding included, fit an int

Status invalid_extent(const char* name, int64_t value, int multiple) {
  return Status::failure(StatusCode::kInvalidArgument,
                         "%s = %" PRId64 "; allowed: positive multiples of %d up to %" PRId64, name,
                         value, multiple, kMaxFeatures);
}

bool is_extent(int64_t value, int multiple) {
  return value > 0 && value <= kMaxFeatures && value % multiple == 0;
}

Status check_pointer(const char* name, const void* pointer, size_t alignment) {
  if (pointer != nullptr && reinterpret_cast<uintptr_t>(pointer) % alignment == 0) return Status();
  return Status::failure(StatusCode::kInvalidArgument,
                         "%s = %p; allowed: not null, aligned to %zu bytes", name, pointer,
                         alignment);
}

Status check_stride(const char* name, int64_t stride, int64_t columns) {
  if (stride >= columns && stride % 8 == 0 && stride <= kMaxTokens) return Status();
  return Status::failure(StatusCode::kInvalidArgument,
                         "%s = %" PRId64 "; allowed: multiples of 8 elements, at least %" PRId64,
                         name, stride, columns);
}

// Optional scales, fp32.
Status check_scales(const char* name, const float* scales, DataType type) {
  if (scales == nullptr) return Status();
  if (type == DataType::kVoid) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "%s = %p; allowed where the types have void for them: null", name,
                           static_cast<const void*>(scales));
  }
  return check_pointer(name, scales, sizeof(float));
}

Status check_type(const char* name, DataType type, bool allowed, const char* what) {
  if (allowed) return Status();
  return Status::failure(StatusCode::kUnsupported, "types.%s = %s; allowed: %s", name,
                         info(type).name, what);
}

constexpr DataType kTypeOfA = DataType::kVoid;

// Weights that the kernels can dequantise, and what goes with them.
struct WeightTypes {
  DataType b;
  DataType group_scale;  // kTypeOfA: that of the activations
  bool zero_points;      // of the activations' type
  int group_multiple;    // group sizes are multiples of it, or k
};

constexpr WeightTypes kWeightTypes[] = {
    {DataType::kU4B8, kTypeOfA, false, 32},  {DataType::kU4, kTypeOfA, true, 32},
    {DataType::kU8B128, kTypeOfA, false, 32}, {DataType::kU8, kTypeOfA, true, 32},
    {DataType::kE4M3, kTypeOfA, false, 32},  {DataType::kE2M1, DataType::kUE8M0, false, 32},
    {DataType::kE2M1, DataType::kE4M3, false, 16},
};

}  // namespace

Status check_problem(const ProblemDesc& desc) {
  const TypeSet& t = desc.types;
  const WeightTypes* weights = nullptr;
  for (const WeightTypes& row : kWeightTypes) {
    if (t.b == row.b && (weights == nullptr || t.b_group_scale == row.group_scale)) weights = &row;
  }
  const bool float16 = t.a == DataType::kF16 || t.a == DataType::kBF16;
  const bool known = weights != nullptr;
  const DataType scale = known && weights->group_scale != kTypeOfA ? weights->group_scale : t.a;
  const DataType zeropoint = known && weights->zero_points ? t.a : DataType::kVoid;
  const auto optional = [](DataType type) {
    return type == DataType::kVoid || type == DataType::kF32;
  };
  const struct {
    const char* name;
    DataType type;
    bool allowed;
    const char* what;
  } types[] = {
      {"a", t.a, float16, "f16, bf16"},
      {"b", t.b, known, "u4b8, u4, u8b128, u8, e4m3, e2m1"},
      {"b_group_scale", t.b_group_scale, t.b_group_scale == scale,
       t.b == DataType::kE2M1 ? "ue8m0, e4m3" : "the type of a"},
      {"b_group_zeropoint", t.b_group_zeropoint, t.b_group_zeropoint == zeropoint,
       known && weights->zero_points ? "the type of a" : "void"},
      {"b_channel_scale", t.b_channel_scale, optional(t.b_channel_scale), "void, f32"},
      {"a_token_scale", t.a_token_scale, optional(t.a_token_scale), "void, f32"},
      {"out", t.out, t.out == t.a, "the type of a"},
      {"accumulator", t.accumulator, t.accumulator == DataType::kF32, "f32"},
  };
  for (const auto& [name, type, allowed, what] : types) {
    Status status = check_type(name, type, allowed, what);
    if (!status.ok()) return status;
  }
  if (!is_extent(desc.n, 8)) return invalid_extent("n", desc.n, 8);
  if (!is_extent(desc.k, 16)) return invalid_extent("k", desc.k, 16);
  if (desc.n * desc.k > kMaxWeights) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "n * k = %" PRId64 " * %" PRId64 "; allowed: products up to %" PRId64,
                           desc.n, desc.k, kMaxWeights);
  }
  const int64_t g = desc.group_size;
  const int multiple = weights->group_multiple;
  if (g != desc.k && !(g > 0 && g % multiple == 0 && desc.k % g == 0)) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "group_size = %" PRId64
                           "; allowed: a multiple of %d that divides k = %" PRId64 ", or k itself",
                           g, multiple, desc.k);
  }
  return Status();
}

Status check_packing(const ProblemDesc& desc, const Weights& weights, const void* packed,
                     size_t packed_alignment) {
  const TypeSet& t = desc.types;
  Status status = check_pointer("codes", weights.codes, 1);
  const size_t scale_bytes = info(t.b_group_scale).bits / 8;
  if (status.ok() && (weights.group_scales != nullptr || desc.group_size != desc.k ||
                      scale_bytes == 1)) {
    status = check_pointer("group_scales", weights.group_scales, scale_bytes);
  }
  if (status.ok() && t.b_group_zeropoint != DataType::kVoid) {
    status = check_pointer("group_zeropoints", weights.group_zeropoints, 2);
  } else if (status.ok() && weights.group_zeropoints != nullptr) {
    status = Status::failure(StatusCode::kInvalidArgument,
                             "group_zeropoints = %p; allowed with types.b_group_zeropoint = void: "
                             "null",
                             weights.group_zeropoints);
  }
  if (status.ok()) status = check_scales("channel_scales", weights.channel_scales, t.b_channel_scale);
  if (status.ok()) status = check_pointer("packed", packed, packed_alignment);
  return status;
}

Status check_run(const ProblemDesc& desc, const RunArgs& args) {
  if (args.m < 0 || args.m > kMaxTokens) {
    return Status::failure(StatusCode::kInvalidArgument, "m = %" PRId64 "; allowed: 0 to %" PRId64,
                           args.m, kMaxTokens);
  }
  if (args.m == 0) return Status();
  Status status = check_pointer("a", args.a, 16);
  if (status.ok()) status = check_pointer("packed", args.packed, 128);
  if (status.ok()) status = check_pointer("out", args.out, 16);
  if (status.ok()) status = check_stride("lda", args.lda, desc.k);
  if (status.ok()) status = check_stride("ldo", args.ldo, desc.n);
  if (status.ok()) {
    status = check_scales("token_scales", args.token_scales, desc.types.a_token_scale);
  }
  if (status.ok() && args.bias != nullptr) status = check_pointer("bias", args.bias, 2);
  if (status.ok() && args.workspace != nullptr) {
    status = check_pointer("workspace", args.workspace, 16);
  }
  return status;
}

}  // namespace machete
