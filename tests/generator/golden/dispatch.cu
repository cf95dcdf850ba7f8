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

static_assert(kCostTerms == 10, "the generator and the cost model disagree about the terms");

// Index in kSchedules, then launch, tiles, steps, filled_steps, busy_steps, sharing, straddling, helpers, weights, rereads.
const Candidate kCandidates1[] = {
    { 8, { 2.657, 0.6943, 0.1849, 0.03269, 0.1286, 1.439, 0.9094, 0.1362, 0.02848, 0.008435 } },
    { 9, { 0.9008, 3.155, 0.2394, 0.02449, 0.07602, 0.0, 0.0, 0.0, 0.02475, 0.0 } },
    { 10, { 2.461, 0.9613, 0.1164, 0.08998, 0.258, 1.563, 0.7139, 0.2034, 0.01689, 0.02243 } },
    { 11, { 0.62, 3.571, 0.2943, 0.05537, 0.1265, 0.0, 0.0, 0.0, 0.0, 0.0 } },
    { 3, { 2.285, 1.074, 0.1959, 0.0842, 0.2524, 1.505, 0.0, 0.644, 0.03351, 0.002658 } },
    { 0, { 2.147, 1.184, 0.2627, 0.06053, 0.3437, 1.895, 0.0, 0.7512, 0.02039, 0.005283 } },
    { 1, { 0.6259, 4.623, 0.4863, 0.03103, 0.1526, 0.0, 0.0, 0.0, 0.01156, 0.0 } },
    { 2, { 2.168, 1.469, 0.3284, 0.1125, 0.3863, 2.202, 0.0, 0.8992, 0.02361, 0.008833 } },
    { 4, { 2.409, 1.215, 0.6535, 0.08237, 0.2388, 2.486, 0.0, 0.7886, 0.02777, 0.005974 } },
    { 7, { 2.657, 2.133, 0.7089, 0.1026, 0.4694, 3.219, 0.0, 0.8386, 0.03616, 0.007594 } },
};

// Indices in kSchedules.
static int default_schedule(int64_t M, int64_t N, int64_t K,
                            [[maybe_unused]] const int* resident_clusters) {
  if (M <= 8) return 6;  // 224x8_1x1x2_Stream_NoSmem_Persistent
  if (M <= 16) return 5;  // 224x16_1x1x2_Stream_NoSmem_Persistent
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
