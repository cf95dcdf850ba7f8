// Written by machete.generator from the catalogue: do not edit.
// For the header in which CuTe has a wgmma of this tile's.
#define CUTE_SM90_EXTENDED_MMA_SHAPES_ENABLED
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
  static constexpr int kWidths[] = {112, 128};  // tokens that tiles may have
  // D^T = W A^T: the weights are the register operand, so an atom's 64 rows are features and its N is tokens.
#ifdef __CUDA_ARCH__
  using Mma0 = cute::SM90::GMMA::MMA_64x112x16_F32BF16BF16_RS<cute::SM90::GMMA::Major::K, cute::SM90::GMMA::Major::K>;
  using Mma1 = cute::SM90::GMMA::MMA_64x128x16_F32BF16BF16_RS<cute::SM90::GMMA::Major::K, cute::SM90::GMMA::Major::K>;
  using Mmas = std::tuple<Mma0, Mma1>;
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
