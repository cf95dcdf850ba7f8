// Written by machete.generator from the catalogue: do not edit.
#include <cstdint>
#include <iterator>

#include "machete/runtime/cost.h"
#include "machete/runtime/family.h"

namespace machete::bf16_u4b8 {

extern const KernelEntry kEntry_128x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x256_2x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x64_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_192x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_224x16_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_224x8_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_256x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_256x128_2x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_256x32_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_256x64_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_64x32_1x1x1_SlicedK_Tma_StreamK;
extern const KernelEntry kEntry_64x32_1x1x2_SlicedK_Tma_Persistent;
extern const KernelEntry kEntry_64x64_1x1x1_SlicedK_Tma_StreamK;
extern const KernelEntry kEntry_64x64_1x1x2_SlicedK_Tma_Persistent;

Status prepack_B_dispatch(const PrepackArgs& args);  // prepack.cu

namespace {

const KernelEntry* const kSchedules[] = {
    &kEntry_128x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_128x256_2x1x1_Coop_Tma_StreamK,
    &kEntry_128x64_1x1x1_Coop_Tma_StreamK,
    &kEntry_192x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_224x16_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_224x8_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_256x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_256x128_2x1x1_Coop_Tma_StreamK,
    &kEntry_256x32_1x1x1_Coop_Tma_StreamK,
    &kEntry_256x64_1x1x1_Coop_Tma_StreamK,
    &kEntry_64x32_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x32_1x1x2_SlicedK_Tma_Persistent,
    &kEntry_64x64_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x2_SlicedK_Tma_Persistent,
};

static_assert(kCostTerms == 9, "the generator and the cost model disagree about the terms");

// Index in kSchedules, then launch, tiles, steps, busy_steps, padding, sharing, straddling, helpers, weights.
const Candidate kCandidates1[] = {
    { 10, { 2.434, 0.497, 0.3699, 0.04567, 0.09648, 1.593, 0.5821, 0.1861, 0.00692 } },
    { 8, { 2.441, 1.283, 0.4164, 0.1461, 0.0225, 1.254, 1.093, 0.3742, 0.04567 } },
    { 12, { 2.293, 0.6274, 0.301, 0.2428, 0.3749, 1.601, 1.03, 0.2976, 0.0 } },
    { 2, { 1.95, 0.9543, 0.3789, 0.07249, 0.09612, 1.721, 1.355, 0.3873, 0.009886 } },
    { 9, { 1.752, 1.343, 0.6982, 0.09916, 0.01025, 1.847, 0.7046, 0.7469, 0.01327 } },
    { 0, { 1.531, 1.365, 0.3739, 0.31, 0.1941, 1.965, 1.452, 0.7303, 0.000873 } },
    { 3, { 1.45, 1.327, 0.8511, 0.2005, 0.0132, 2.688, 0.7705, 0.9304, 0.009481 } },
    { 6, { 1.291, 1.979, 1.035, 0.2734, 0.0, 2.6, 1.189, 1.489, 1.941e-05 } },
    { 1, { 3.474, 2.262, 0.9966, 0.2893, 0.05717, 2.398, 0.3127, 1.499, 0.0 } },
};

const KernelEntry& default_schedule(int64_t M, int64_t N, int64_t K,
                                    [[maybe_unused]] const int* resident_clusters) {
  if (M <= 8) return kEntry_224x8_1x1x2_Stream_NoSmem_Persistent;
  if (M <= 16) return kEntry_224x16_1x1x2_Stream_NoSmem_Persistent;
  return *find_fastest(kSchedules, resident_clusters, kCandidates1, M, N, K);
}

}  // namespace

Status mm_dispatch(const MmArgs& args) {
  const KernelEntry& schedule =
      args.schedule != nullptr ? *args.schedule
                               : default_schedule(args.M, args.N, args.K, args.resident_clusters);
  return launch(schedule, args);
}

ScheduleList supported_schedules_dispatch() { return {kSchedules, std::size(kSchedules)}; }

namespace {

const Family kFamily = {
    "bf16_u4b8",
    TypeSet{
        DataType::kBF16,
        DataType::kU4B8,
        DataType::kBF16,
        DataType::kVoid,
        DataType::kVoid,
        DataType::kVoid,
        DataType::kBF16,
        DataType::kF32,
    },
    mm_dispatch,
    supported_schedules_dispatch,
    default_schedule,
    prepack_B_dispatch,
};

const FamilyRegistration kRegistration(kFamily);

}  // namespace
}  // namespace machete::bf16_u4b8
