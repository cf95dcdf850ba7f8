// Data types of operands, scales and results, by the field's names.
#pragma once

#include <cstdint>

namespace machete {

// kU4B8 and kU8B128 are unsigned codes with an offset: the weight is code - 8 (GPTQ's 4 bits) or
// code - 128 (GPTQ's 8 bits). kVoid stands for an operand that is not there.
enum class DataType : uint8_t {
  kVoid,
  kF16,
  kBF16,
  kF32,
  kE4M3,
  kE5M2,
  kE2M1,
  kUE8M0,
  kS8,
  kS4,
  kU4,
  kU8,
  kU4B8,
  kU8B128,
  kS32,
};

constexpr DataType kLastDataType = DataType::kS32;

struct DataTypeInfo {
  const char* name;
  int bits;
  int bias;  // subtracted from a code to get the weight
};

// Indexed by DataType.
inline constexpr DataTypeInfo kDataTypeInfo[] = {
    {"void", 0, 0}, {"f16", 16, 0},     {"bf16", 16, 0}, {"f32", 32, 0},
    {"e4m3", 8, 0}, {"e5m2", 8, 0},     {"e2m1", 4, 0},  {"ue8m0", 8, 0},
    {"s8", 8, 0},   {"s4", 4, 0},       {"u4", 4, 0},    {"u8", 8, 0},
    {"u4b8", 4, 8}, {"u8b128", 8, 128}, {"s32", 32, 0},  {"unknown", 0, 0},  // any other value
};

constexpr const DataTypeInfo& info(DataType type) {
  constexpr int kUnknown = static_cast<int>(kLastDataType) + 1;
  const int index = static_cast<int>(type);
  return kDataTypeInfo[index < kUnknown ? index : kUnknown];
}

// The types of one matrix product, in the order of the generator's TypeConfig.
struct TypeSet {
  DataType a;              // activations
  DataType b;              // weights
  DataType b_group_scale;  // one for each group of input features and each output feature
  DataType b_group_zeropoint;
  DataType b_channel_scale;  // one for each output feature
  DataType a_token_scale;    // one for each token
  DataType out;
  DataType accumulator;

  constexpr bool operator==(const TypeSet& o) const {
    return a == o.a && b == o.b && b_group_scale == o.b_group_scale &&
           b_group_zeropoint == o.b_group_zeropoint && b_channel_scale == o.b_channel_scale &&
           a_token_scale == o.a_token_scale && out == o.out && accumulator == o.accumulator;
  }
};

}  // namespace machete
