// Written by machete.generator from the catalogue: do not edit.
#include <cstdint>
#include <iterator>

#include "machete/runtime/cost.h"
#include "machete/runtime/family.h"

namespace machete::bf16_u4b8 {

extern const KernelEntry kEntry_128x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x128_1x1x2_Coop_Tma_Persistent;
extern const KernelEntry kEntry_128x160_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x96_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_192x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_224x16_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_224x8_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_256x128_1x1x1_Coop_Tma_StreamK;
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
    &kEntry_128x96_1x1x1_Coop_Tma_StreamK,
    &kEntry_192x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_224x16_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_224x8_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_256x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_256x32_1x1x2_StreamWgmma_NoSmem_Persistent,
    &kEntry_64x32_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x2_SlicedK_Tma_Persistent,
};

static_assert(kCostTerms == 10, "the generator and the cost model disagree about the terms");

// Index in kSchedules, then launch, tiles, steps, filled_steps, busy_steps, sharing, straddling, helpers, weights, rereads.
const Candidate kCandidates1[] = {
    { 9, { 2.664, 0.6973, 0.1838, 0.03256, 0.1295, 1.473, 0.8892, 0.1316, 0.02827, 0.008619 } },
    { 10, { 2.47, 0.9609, 0.1149, 0.09051, 0.2591, 1.6, 0.6852, 0.2002, 0.01656, 0.0224 } },
    { 11, { 0.6485, 3.594, 0.2912, 0.05576, 0.1265, 0.0, 0.0, 0.0, 0.0, 0.0 } },
    { 3, { 2.284, 1.075, 0.1972, 0.08446, 0.2508, 1.512, 0.0, 0.6427, 0.03349, 0.002675 } },
    { 0, { 2.147, 1.184, 0.2639, 0.06093, 0.3421, 1.901, 0.0, 0.7494, 0.0204, 0.005301 } },
    { 1, { 0.6267, 4.625, 0.4877, 0.03043, 0.1517, 0.0, 0.0, 0.0, 0.01145, 0.0 } },
    { 2, { 2.168, 1.469, 0.3286, 0.1129, 0.3858, 2.211, 0.0, 0.8959, 0.02362, 0.008814 } },
    { 4, { 2.412, 1.214, 0.6516, 0.08274, 0.2404, 2.494, 0.0, 0.7846, 0.02778, 0.005936 } },
    { 7, { 2.657, 2.132, 0.7083, 0.1032, 0.4695, 3.227, 0.0, 0.8358, 0.03619, 0.00758 } },
};

// Indices in kSchedules.
static int default_schedule(int64_t M, int64_t N, int64_t K,
                            [[maybe_unused]] const int* resident_clusters) {
  if (M <= 8) return 6;  // 224x8_1x1x2_Stream_NoSmem_Persistent
  if (M <= 16) return 5;  // 224x16_1x1x2_Stream_NoSmem_Persistent
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
