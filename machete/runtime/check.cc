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

Status check_type(const char* name, DataType type, bool allowed, const char* what) {
  if (allowed) return Status();
  return Status::failure(StatusCode::kUnsupported, "types.%s = %s; allowed: %s", name,
                         info(type).name, what);
}

}  // namespace

Status check_problem(const ProblemDesc& desc) {
  const TypeSet& t = desc.types;
  const bool float16 = t.a == DataType::kF16 || t.a == DataType::kBF16;
  const struct {
    const char* name;
    DataType type;
    bool allowed;
    const char* what;
  } types[] = {
      {"a", t.a, float16, "f16, bf16"},
      {"b", t.b, t.b == DataType::kU4B8 || t.b == DataType::kU8B128, "u4b8, u8b128"},
      {"b_group_scale", t.b_group_scale, t.b_group_scale == t.a, "the type of a"},
      {"b_group_zeropoint", t.b_group_zeropoint, t.b_group_zeropoint == DataType::kVoid, "void"},
      {"b_channel_scale", t.b_channel_scale, t.b_channel_scale == DataType::kVoid, "void"},
      {"a_token_scale", t.a_token_scale, t.a_token_scale == DataType::kVoid, "void"},
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
  if (g != desc.k && !(g > 0 && (g == 64 || g % 128 == 0) && desc.k % g == 0)) {
    return Status::failure(StatusCode::kInvalidArgument,
                           "group_size = %" PRId64
                           "; allowed: 64 or a multiple of 128, if it divides "
                           "k = %" PRId64 ", or k itself",
                           g, desc.k);
  }
  return Status();
}

Status check_packing_pointers(const void* codes, const void* scales, const void* packed,
                              size_t packed_alignment) {
  Status status = check_pointer("codes", codes, 1);
  if (status.ok()) status = check_pointer("scales", scales, 2);
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
  if (status.ok() && args.workspace != nullptr) {
    status = check_pointer("workspace", args.workspace, 16);
  }
  return status;
}

}  // namespace machete
