// Written by machete.generator from the catalogue: do not edit.
#include <cstdint>
#include <iterator>

#include "machete/runtime/cost.h"
#include "machete/runtime/family.h"

namespace machete::bf16_u4b8 {

extern const KernelEntry kEntry_128x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x64_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_224x16_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_224x8_1x1x2_Stream_NoSmem_Persistent;
extern const KernelEntry kEntry_256x128_2x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_256x32_1x1x1_Coop_Tma_StreamK;
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
    &kEntry_128x64_1x1x1_Coop_Tma_StreamK,
    &kEntry_224x16_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_224x8_1x1x2_Stream_NoSmem_Persistent,
    &kEntry_256x128_2x1x1_Coop_Tma_StreamK,
    &kEntry_256x32_1x1x1_Coop_Tma_StreamK,
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
    { 8, { 2.27, 0.3462, 0.4114, 0.05153, 1.297, 0.3883, 0.1923, 0.01789 } },
    { 10, { 2.335, 0.4063, 0.3654, 0.2094, 1.499, 0.2461, 0.2571, 0.01166 } },
    { 11, { 0.6186, 3.532, 0.3639, 0.1432, 0.0, 0.0, 0.0, 0.0 } },
    { 1, { 1.862, 0.7838, 0.3031, 0.1695, 1.641, 0.4514, 0.364, 0.02768 } },
    { 7, { 2.483, 1.09, 0.6827, 0.3701, 2.228, 0.06801, 0.9332, 0.02808 } },
    { 0, { 1.964, 0.9493, 0.2187, 0.4902, 2.164, 0.1054, 0.6112, 0.001395 } },
    { 4, { 3.647, 1.598, 0.7727, 0.5526, 2.935, 0.9061, 1.129, 0.02435 } },
    { 9, { 0.9296, 2.82, 0.3341, 0.04249, 0.0, 0.0, 0.0, 0.01999 } },
    { 5, { 1.719, 1.337, 0.3949, 0.1968, 1.358, 1.508, 0.3711, 0.05903 } },
    { 6, { 1.86, 1.078, 0.5828, 0.2366, 2.053, 0.3961, 0.5856, 0.03398 } },
};

static const KernelEntry& default_schedule(int64_t M, int64_t N, int64_t K,
                                           [[maybe_unused]] const int* resident_clusters) {
  if (M <= 8) return kEntry_224x8_1x1x2_Stream_NoSmem_Persistent;
  if (M <= 16) return kEntry_224x16_1x1x2_Stream_NoSmem_Persistent;
  return *find_fastest(kSchedules, resident_clusters, kCandidates1, M, N, K);
}

Status mm_dispatch(const MmArgs& args) {
  const KernelEntry& schedule =
      args.schedule != nullptr ? *args.schedule
                               : default_schedule(args.M, args.N, args.K, args.resident_clusters);
  return launch(schedule, args);
}

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
