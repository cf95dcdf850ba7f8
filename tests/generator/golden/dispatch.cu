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
extern const KernelEntry kEntry_256x64_1x1x1_Coop_Tma_StreamK;
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
    &kEntry_256x64_1x1x1_Coop_Tma_StreamK,
    &kEntry_64x64_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x2_SlicedK_Tma_Persistent,
};

static_assert(kCostTerms == 10, "the generator and the cost model disagree about the terms");

// Index in kSchedules, then launch, tiles, steps, filled_steps, busy_steps, sharing, straddling, helpers, weights, rereads.
const Candidate kCandidates1[] = {
    { 10, { 2.419, 0.9889, 0.115, 0.09376, 0.2562, 1.62, 0.7513, 0.2176, 0.01438, 0.02118 } },
    { 11, { 0.556, 3.643, 0.2846, 0.07052, 0.12, 0.0, 0.0, 0.0, 0.0, 0.0 } },
    { 3, { 2.289, 1.073, 0.2114, 0.06975, 0.2509, 1.499, 0.01134, 0.6472, 0.03179, 0.002542 } },
    { 0, { 2.138, 1.185, 0.2767, 0.04169, 0.3482, 1.924, 0.0, 0.7464, 0.01977, 0.004881 } },
    { 1, { 0.5981, 4.635, 0.4927, 0.02506, 0.1517, 0.0, 0.0, 0.0, 0.01188, 0.0 } },
    { 2, { 2.153, 1.472, 0.3412, 0.09461, 0.3909, 2.257, 0.0, 0.8897, 0.02238, 0.008425 } },
    { 4, { 2.376, 1.219, 0.6814, 0.04837, 0.244, 2.521, 0.0, 0.7827, 0.02752, 0.005772 } },
    { 9, { 2.166, 1.437, 0.5817, 0.04517, 0.1527, 1.882, 0.09458, 0.563, 0.04556, 0.005243 } },
    { 7, { 2.63, 2.145, 0.7593, 0.04725, 0.4729, 3.241, 0.0, 0.8329, 0.03597, 0.007372 } },
};

// Indices in kSchedules.
static int default_schedule(int64_t M, int64_t N, int64_t K,
                            [[maybe_unused]] const int* resident_clusters) {
  if (M <= 8) return 6;  // 224x8_1x1x2_Stream_NoSmem_Persistent
  if (M <= 16) return 5;  // 224x16_1x1x2_Stream_NoSmem_Persistent
  if (M <= 32) return 8;  // 256x32_1x1x2_StreamWgmma_NoSmem_Persistent
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
