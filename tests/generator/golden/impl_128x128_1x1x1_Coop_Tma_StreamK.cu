// Written by machete.generator from the catalogue: do not edit.
#include "machete/kernel/gemm_entry.cuh"

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

struct Schedule_128x128_1x1x1_Coop_Tma_StreamK {
  static constexpr int kTileN = 128;  // output features
  static constexpr int kTileM = 128;  // tokens
  static constexpr KernelSchedule kKernelSchedule = KernelSchedule::kCooperative;
  // D^T = W A^T: the weights are the register operand, so the atom's 64 rows are features and its N is the tile's tokens.
#ifdef __CUDA_ARCH__
  using Mma = cute::SM90::GMMA::MMA_64x128x16_F32BF16BF16_RS<cute::SM90::GMMA::Major::K, cute::SM90::GMMA::Major::K>;
#endif
  static constexpr int kClusterN = 1;
  static constexpr int kClusterK = 1;
  static constexpr int kStages = 5;
  static constexpr int kStoreBuffers = 2;
  static constexpr TileScheduler kTileScheduler = TileScheduler::kStreamK;
};

static_assert(KernelShape<Types, Schedule_128x128_1x1x1_Coop_Tma_StreamK>::kSharedBytes == 226512,
              "the generator and the kernel disagree about shared memory");

extern const KernelEntry kEntry_128x128_1x1x1_Coop_Tma_StreamK;
const KernelEntry kEntry_128x128_1x1x1_Coop_Tma_StreamK =
    make_kernel_entry<Types, Schedule_128x128_1x1x1_Coop_Tma_StreamK>("128x128_1x1x1_Coop_Tma_StreamK");

}  // namespace machete::bf16_u4b8
