// Written by machete.generator from the catalogue: do not edit.
#include <cstdint>
#include <iterator>

#include "machete/runtime/cost.h"
#include "machete/runtime/family.h"

namespace machete::bf16_u4b8 {

extern const KernelEntry kEntry_128x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x128_1x1x2_Coop_Tma_Persistent;
extern const KernelEntry kEntry_192x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_224x16_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_224x8_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_256x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_256x64_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_256x96_1x1x1_Coop_Tma_StreamK;
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
    &kEntry_192x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_224x16_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_224x8_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_256x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_256x64_1x1x1_Coop_Tma_StreamK,
    &kEntry_256x96_1x1x1_Coop_Tma_StreamK,
    &kEntry_64x32_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x32_1x1x2_SlicedK_Tma_Persistent,
    &kEntry_64x64_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x2_SlicedK_Tma_Persistent,
};

static_assert(kCostTerms == 8, "the generator and the cost model disagree about the terms");

// Index in kSchedules, then launch, tiles, steps, busy_steps, sharing, straddling, helpers, weights.
const Candidate kCandidates1[] = {
    { 8, { 2.502, 0.5732, 0.3484, 0.0, 2.187, 0.1101, 0.03059, 0.02653 } },
    { 10, { 2.085, 0.8337, 0.4299, 0.03653, 2.062, 0.3504, 0.1782, 0.001526 } },
    { 11, { 0.7182, 3.504, 0.3097, 0.1329, 0.0, 0.0, 0.0, 0.01184 } },
    { 7, { 3.033, 0.7312, 0.7207, 0.2885, 1.702, 0.0, 0.8996, 0.02538 } },
    { 0, { 1.56, 0.8559, 0.4324, 0.2428, 1.617, 0.0, 0.9036, 0.00932 } },
    { 2, { 1.961, 0.9186, 0.7598, 0.2236, 2.853, 0.0, 0.8219, 0.01909 } },
    { 5, { 2.712, 1.313, 0.7037, 0.6027, 3.105, 0.0, 0.9649, 0.02141 } },
    { 9, { 0.8569, 3.447, 0.2202, 0.07477, 0.0, 0.0, 0.0, 0.03943 } },
    { 6, { 2.163, 1.18, 0.5079, 0.2833, 1.582, 0.1497, 0.6359, 0.03276 } },
    { 1, { 0.1734, 4.571, 0.5376, 0.134, 0.0, 0.0, 0.0, 0.008116 } },
};

// Indices in kSchedules.
static int default_schedule(int64_t M, int64_t N, int64_t K,
                            [[maybe_unused]] const int* resident_clusters) {
  if (M <= 8) return 4;  // 224x8_1x1x2_Stream_NoSmem_Persistent
  if (M <= 16) return 3;  // 224x16_1x1x2_Stream_NoSmem_Persistent
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
