// Written by machete.generator from the catalogue: do not edit.
#include "machete/kernel/prepack.cuh"

namespace machete::bf16_u4b8 {

struct PrepackTypes {
  static constexpr DataType kA = DataType::kBF16;
  static constexpr int kBBits = 4;
  static constexpr DataType kConvert = DataType::kBF16;
  static constexpr DataType kAccumulator = DataType::kF32;
};

Status prepack_B_dispatch(const PrepackArgs& args) { return prepack_B<PrepackTypes>(args); }

}  // namespace machete::bf16_u4b8
