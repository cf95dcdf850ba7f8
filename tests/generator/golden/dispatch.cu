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
    { 10, { 2.553, 0.3445, 0.3947, 0.03259, 0.01409, 1.463, 0.4935, 0.2266, 0.007877 } },
    { 8, { 2.499, 1.144, 0.4353, 0.1345, 0.0, 1.351, 1.965, 0.3769, 0.03913 } },
    { 12, { 2.349, 0.5353, 0.2875, 0.2671, 0.3166, 1.662, 0.684, 0.2914, 0.0 } },
    { 2, { 1.862, 0.5905, 0.414, 0.05174, 0.04915, 2.381, 0.9526, 0.3396, 0.008356 } },
    { 9, { 2.303, 1.12, 0.4646, 0.3418, 0.0, 2.47, 1.484, 0.5821, 0.01444 } },
    { 0, { 1.414, 0.7791, 0.2194, 0.491, 0.1805, 2.863, 0.0, 0.6466, 0.0 } },
    { 3, { 1.667, 0.6691, 0.782, 0.2966, 0.0, 3.861, 0.7534, 0.8092, 0.002704 } },
    { 6, { 2.632, 1.611, 0.5762, 0.7511, 0.0, 3.913, 1.501, 1.028, 0.0 } },
    { 1, { 3.914, 1.766, 0.553, 0.758, 0.02827, 5.102, 0.6173, 0.8674, 0.0 } },
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
