// Written by machete.generator from the catalogue: do not edit.
#include <cstdint>
#include <iterator>

#include "machete/runtime/cost.h"
#include "machete/runtime/family.h"

namespace machete::bf16_u4b8 {

extern const KernelEntry kEntry_128x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x128_1x1x2_Coop_Tma_Persistent;
extern const KernelEntry kEntry_128x160_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x256_2x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x96_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_192x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_224x16_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_224x8_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_256x32_1x1x2_StreamWgmma_NoSmem_Persistent;
extern const KernelEntry kEntry_64x32_1x1x1_SlicedK_Tma_StreamK;
extern const KernelEntry kEntry_64x64_1x1x1_SlicedK_Tma_StreamK;
extern const KernelEntry kEntry_64x64_1x1x2_SlicedK_Tma_Persistent;

Status prepack_B_dispatch(const PrepackArgs& args);  // prepack.cu

// Not in an anonymous namespace: nvcc names those by the source's absolute path, and the object would
// depend on where it is compiled.
const KernelEntry* const kSchedules[] = {
    &kEntry_128x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_128x128_1x1x2_Coop_Tma_Persistent,
    &kEntry_128x160_1x1x1_Coop_Tma_StreamK,
    &kEntry_128x256_2x1x1_Coop_Tma_StreamK,
    &kEntry_128x96_1x1x1_Coop_Tma_StreamK,
    &kEntry_192x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_224x16_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_224x8_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_256x32_1x1x2_StreamWgmma_NoSmem_Persistent,
    &kEntry_64x32_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x2_SlicedK_Tma_Persistent,
};

static_assert(kCostTerms == 11, "the generator and the cost model disagree about the terms");

// Index in kSchedules, then launch, tiles, steps, filled_steps, busy_steps, spared_steps, sharing, straddling, helpers, weights, rereads.
const Candidate kCandidates1[] = {
    { 9, { 3.006, 0.6902, 0.1876, 0.02973, 0.1293, 0.0, 1.411, 0.9269, 0.13, 0.02659, 0.006721 } },
    { 10, { 2.821, 0.9929, 0.1141, 0.0846, 0.2639, 0.0, 1.538, 0.6031, 0.1987, 0.01904, 0.01837 } },
    { 11, { 0.8248, 3.827, 0.3021, 0.0472, 0.1209, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 } },
    { 4, { 2.43, 1.331, 0.1677, 0.09713, 0.2689, 0.2268, 1.504, 0.0, 0.6406, 0.0312, 0.0007336 } },
    { 0, { 2.6, 1.361, 0.2059, 0.09412, 0.3727, 0.4685, 1.753, 0.0, 0.7297, 0.01848, 0.003207 } },
    { 1, { 0.8341, 4.595, 0.4839, 0.03053, 0.1552, 0.0, 0.0, 0.0, 0.0, 0.01071, 0.0 } },
    { 2, { 2.676, 1.612, 0.3022, 0.1034, 0.4291, 0.6762, 1.899, 0.0, 0.866, 0.01583, 0.005602 } },
    { 5, { 2.793, 1.284, 0.6532, 0.07412, 0.2569, 0.0, 2.288, 0.0, 0.786, 0.02173, 0.006401 } },
    { 3, { 3.835, 2.27, 0.702, 0.1619, 0.425, 1.09, 3.352, 0.0, 0.9604, 0.03093, 0.01128 } },
};

// Indices in kSchedules.
static int default_schedule(int64_t M, int64_t N, int64_t K,
                            [[maybe_unused]] const int* resident_clusters) {
  if (M <= 8) return 7;  // 224x8_1x1x2_Stream_NoSmem_Persistent
  if (M <= 16) return 6;  // 224x16_1x1x2_Stream_NoSmem_Persistent
  if (M <= 32 && (N > 5280 || (N > 3168 && N <= 4224) || (N >= 2048 && K <= 6144))) return 8;  // 256x32_1x1x2_StreamWgmma_NoSmem_Persistent
  return find_fastest(kSchedules, resident_clusters, kCandidates1, M, N, K);
}

Status mm_dispatch(const MmArgs& args) { return launch(*kSchedules[args.schedule], args); }

ScheduleList supported_schedules_dispatch() { return {kSchedules, std::size(kSchedules)}; }

const Family kFamily = {
    "bf16_u4b8",
    TypeSet{
        DataType::kBF16,
        DataType::kU4B8,
        DataType::kBF16,
        DataType::kVoid,
        DataType::kF32,
        DataType::kF32,
        DataType::kBF16,
        DataType::kF32,
    },
    mm_dispatch,
    supported_schedules_dispatch,
    default_schedule,
    prepack_B_dispatch,
};

const FamilyRegistration kRegistration(kFamily);

}  // namespace machete::bf16_u4b8
