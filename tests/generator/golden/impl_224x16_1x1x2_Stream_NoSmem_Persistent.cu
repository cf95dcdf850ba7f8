// Written by machete.generator from the catalogue: do not edit.
#include "machete/kernel/streaming_mma_entry.cuh"

namespace machete::bf16_u4b8 {

struct Types {
  static constexpr DataType kA = DataType::kBF16;
  static constexpr DataType kB = DataType::kU4B8;
  static constexpr DataType kGroupScale = DataType::kBF16;
  static constexpr DataType kGroupZeropoint = DataType::kVoid;
  static constexpr DataType kChannelScale = DataType::kF32;
  static constexpr DataType kTokenScale = DataType::kF32;
  static constexpr DataType kOut = DataType::kBF16;
  static constexpr DataType kAccumulator = DataType::kF32;
};

struct Schedule_224x16_1x1x2_Stream_NoSmem_Persistent {
  static constexpr int kTileN = 224;  // output features
  static constexpr int kTileM = 16;  // tokens
  static constexpr KernelSchedule kKernelSchedule = KernelSchedule::kStreaming;
  static constexpr int kWidths[] = {8, 16};  // tokens that tiles may have
};

extern const KernelEntry kEntry_224x16_1x1x2_Stream_NoSmem_Persistent;
const KernelEntry kEntry_224x16_1x1x2_Stream_NoSmem_Persistent =
    make_kernel_entry<Types, Schedule_224x16_1x1x2_Stream_NoSmem_Persistent>("224x16_1x1x2_Stream_NoSmem_Persistent");

}  // namespace machete::bf16_u4b8
