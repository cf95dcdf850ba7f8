#include "machete/runtime/check.h"

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <initializer_list>

#include "machete/kernel/layout.h"

namespace machete {
namespace {

constexpr int64_t kMaxTokens = INT32_MAX - 1024;  // tensor maps count in 32 bits; a tile of margin
// The K steps of a wave of tiles are counted in 32 bits too.
constexpr int64_t kMaxFeatures = int64_t{1} << 28;
// Sums of products of 8-bit integers, the weights' times 16 or a scale, fit into 32 bits.
constexpr int64_t kMaxFeaturesS8 = (int64_t{1} << 31) / (128 * 128) - 16;
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

// Of a matrix whose rows begin at multiples of 16 bytes.
Status check_stride(const char* name, DataType type, int64_t stride, int64_t columns) {
  const int multiple = 128 / info(type).bits;
  if (stride >= columns && stride % multiple == 0 && stride <= kMaxTokens) return Status();
  return Status::failure(StatusCode::kInvalidArgument,
                         "%s = %" PRId64 "; allowed: multiples of %d elements from %" PRId64
                         " to %" PRId64,
                         name, stride, multiple, columns, kMaxTokens);
}

// An operand whose type is void.
Status check_null(const char* name, const void* pointer) {
  if (pointer == nullptr) return Status();
  return Status::failure(StatusCode::kInvalidArgument,
                         "%s = %p; allowed where the types have void for them: null", name,
                         pointer);
}

// Optional scales, fp32.
Status check_scales(const char* name, const float* scales, DataType type) {
  if (type == DataType::kVoid || scales == nullptr) return check_null(name, scales);
  return check_pointer(name, scales, sizeof(float));
}

Status check_type(const char* name, DataType type, bool allowed, const char* what) {
  if (allowed) return Status();
  return Status::failure(StatusCode::kUnsupported, "types.%s = %s; allowed: %s", name,
                         info(type).name, what);
}

Status check_types(const TypeSet& t) {
  const auto is = [](DataType type, std::initializer_list<DataType> allowed) {
    return std::find(allowed.begin(), allowed.end(), type) != allowed.end();
  };
  const bool narrow = is(t.a, {DataType::kE4M3, DataType::kS8});  // activations of 8 bits
  const bool has_zeros = is(t.b, {DataType::kU4, DataType::kU8});
  const bool float4 = t.b == DataType::kE2M1;
  const DataType sums = t.a == DataType::kS8 ? DataType::kS32 : DataType::kF32;
  const struct {
    const char* name;
    DataType type;
    bool allowed;
    const char* what;
  } types[] = {
      {"a", t.a, narrow || is(t.a, {DataType::kF16, DataType::kBF16}), "f16, bf16, e4m3, s8"},
      {"b", t.b,
       narrow ? t.b == DataType::kU4B8
              : is(t.b, {DataType::kU4B8, DataType::kU4, DataType::kU8B128, DataType::kU8,
                         DataType::kE4M3, DataType::kE2M1}),
       narrow ? "u4b8" : "u4b8, u4, u8b128, u8, e4m3, e2m1"},
      {"b_group_scale", t.b_group_scale,
       narrow   ? is(t.b_group_scale, {DataType::kVoid, DataType::kBF16, DataType::kF16, t.a})
       : float4 ? is(t.b_group_scale, {DataType::kUE8M0, DataType::kE4M3})
                : t.b_group_scale == t.a,
       narrow   ? "void, bf16, f16, the type of a"
       : float4 ? "ue8m0, e4m3"
                : "the type of a"},
      {"b_group_zeropoint", t.b_group_zeropoint,
       t.b_group_zeropoint == (has_zeros ? t.a : DataType::kVoid),
       has_zeros ? "the type of a" : "void"},
      {"b_channel_scale", t.b_channel_scale,
       is(t.b_channel_scale, {DataType::kVoid, DataType::kF32}), "void, f32"},
      {"a_token_scale", t.a_token_scale, is(t.a_token_scale, {DataType::kVoid, DataType::kF32}),
       "void, f32"},
      {"out", t.out,
       t.out == DataType::kF32 ||
           (narrow ? is(t.out, {DataType::kBF16, DataType::kF16}) : t.out == t.a),
       narrow ? "bf16, f16, f32" : "the type of a, f32"},
      {"accumulator", t.accumulator, t.accumulator == sums, info(sums).name},
  };
  for (const auto& [name, type, allowed, what] : types) {
    Status status = check_type(name, type, allowed, what);
    if (!status.ok()) return status;
  }
  return Status();
}

// Group sizes are multiples of it, or k.
int group_multiple(const TypeSet& types) {
  if (info(types.a).bits == 8) return kBlockK;
  return types.b_group_scale == DataType::kE4M3 ? 16 : 32;
}

}  // namespace

Status check_problem(const ProblemDesc& desc) {
  Status status = check_types(desc.types);
  if (!status.ok()) return status;
  if (!is_extent(desc.n, 8)) return invalid_extent("n", desc.n, 8);
  if (!is_extent(desc.k, 16)) return invalid_extent("k", desc.k, 16);
  if (desc.n * desc.k > kMaxWeights) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "n * k = %" PRId64 " * %" PRId64 "; allowed: products up to %" PRId64,
                           desc.n, desc.k, kMaxWeights);
  }
  const int64_t g = desc.group_size;
  const int multiple = group_multiple(desc.types);
  if (g != desc.k && (desc.types.b_group_scale == DataType::kVoid || g <= 0 || g % multiple != 0 ||
                      desc.k % g != 0)) {
    if (desc.types.b_group_scale == DataType::kVoid) {
      return Status::failure(StatusCode::kInvalidArgument,
                             "group_size = %" PRId64 "; allowed without group scales: k = %" PRId64,
                             g, desc.k);
    }
    return Status::failure(StatusCode::kInvalidArgument,
                           "group_size = %" PRId64
                           "; allowed: a multiple of %d that divides k = %" PRId64 ", or k itself",
                           g, multiple, desc.k);
  }
  if (desc.types.a == DataType::kS8 && desc.k > kMaxFeaturesS8) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "k = %" PRId64 "; allowed with a = s8: up to %" PRId64, desc.k,
                           kMaxFeaturesS8);
  }
  return Status();
}

Status check_packing(const ProblemDesc& desc, const Weights& weights, const void* packed,
                     size_t packed_alignment) {
  const TypeSet& t = desc.types;
  Status status = check_pointer("codes", weights.codes, 1);
  const size_t scale_bytes = info(t.b_group_scale).bits / 8;
  if (status.ok() && t.b_group_scale == DataType::kVoid) {
    status = check_null("group_scales", weights.group_scales);
  } else if (status.ok() &&
             (weights.group_scales != nullptr || desc.group_size != desc.k || scale_bytes == 1)) {
    status = check_pointer("group_scales", weights.group_scales, scale_bytes);
  }
  if (status.ok() && t.b_group_zeropoint != DataType::kVoid) {
    status = check_pointer("group_zeropoints", weights.group_zeropoints, 2);
  } else if (status.ok()) {
    status = check_null("group_zeropoints", weights.group_zeropoints);
  }
  if (status.ok())
    status = check_scales("channel_scales", weights.channel_scales, t.b_channel_scale);
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
  if (status.ok()) status = check_stride("lda", desc.types.a, args.lda, desc.k);
  if (status.ok()) status = check_stride("ldo", desc.types.out, args.ldo, desc.n);
  if (status.ok()) {
    status = check_scales("token_scales", args.token_scales, desc.types.a_token_scale);
  }
  if (status.ok() && args.bias != nullptr) {
    status = check_pointer("bias", args.bias, info(desc.types.out).bits / 8);
  }
  if (status.ok() && args.workspace != nullptr) {
    status = check_pointer("workspace", args.workspace, 16);
  }
  return status;
}

}  // namespace machete
