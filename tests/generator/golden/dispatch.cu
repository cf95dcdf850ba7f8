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
extern const KernelEntry kEntry_64x32_1x1x1_SlicedK_Tma_StreamK;
extern const KernelEntry kEntry_64x32_1x1x2_SlicedK_Tma_Persistent;
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
    &kEntry_64x32_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x32_1x1x2_SlicedK_Tma_Persistent,
    &kEntry_64x64_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x2_SlicedK_Tma_Persistent,
};

static_assert(kCostTerms == 8, "the generator and the cost model disagree about the terms");

// Index in kSchedules, then launch, tiles, steps, busy_steps, sharing, straddling, helpers, weights.
const Candidate kCandidates1[] = {
    { 8, { 2.675, 0.6688, 0.2057, 0.1432, 1.433, 0.8304, 0.1362, 0.02519 } },
    { 9, { 0.8964, 3.167, 0.2576, 0.08021, 0.0, 0.0, 0.0, 0.02399 } },
    { 10, { 2.48, 0.9069, 0.1632, 0.3109, 1.603, 0.6707, 0.1982, 0.0 } },
    { 11, { 0.589, 3.602, 0.3342, 0.129, 0.0, 0.0, 0.0, 0.0 } },
    { 3, { 2.111, 1.09, 0.3468, 0.1855, 1.286, 0.0, 0.6705, 0.01634 } },
    { 0, { 2.042, 1.152, 0.3893, 0.2814, 1.642, 0.0, 0.7779, 0.008814 } },
    { 1, { 0.6249, 4.61, 0.5124, 0.1582, 0.0, 0.0, 0.0, 0.00815 } },
    { 2, { 2.034, 1.422, 0.4681, 0.3652, 1.973, 0.0, 0.9177, 0.003385 } },
    { 4, { 2.323, 1.139, 0.7458, 0.2387, 2.367, 0.0, 0.7962, 0.01658 } },
    { 7, { 2.58, 1.972, 0.7779, 0.5229, 3.048, 0.0, 0.8722, 0.02387 } },
};

// Indices in kSchedules.
static int default_schedule(int64_t M, int64_t N, int64_t K,
                            [[maybe_unused]] const int* resident_clusters) {
  if (M <= 8) return 6;  // 224x8_1x1x2_Stream_NoSmem_Persistent
  if (M <= 16) return 5;  // 224x16_1x1x2_Stream_NoSmem_Persistent
  if (M >= 1024 && K >= 16384) return 7;  // 256x128_1x1x1_Coop_Tma_StreamK
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
