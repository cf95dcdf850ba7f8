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
extern const KernelEntry kEntry_256x32_1x1x2_StreamWgmma_NoSmem_Persistent;
extern const KernelEntry kEntry_256x64_1x1x1_Coop_Tma_StreamK;
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
    &kEntry_256x32_1x1x2_StreamWgmma_NoSmem_Persistent,
    &kEntry_256x64_1x1x1_Coop_Tma_StreamK,
    &kEntry_64x32_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x2_SlicedK_Tma_Persistent,
};

static_assert(kCostTerms == 11, "the generator and the cost model disagree about the terms");

// Index in kSchedules, then launch, tiles, steps, filled_steps, busy_steps, spared_steps, sharing, straddling, helpers, weights, rereads.
const Candidate kCandidates1[] = {
    { 9, { 2.955, 0.4242, 0.219, 0.02304, 0.08902, 0.0, 1.058, 0.4789, 0.1402, 0.01896, 0.004873 } },
    { 10, { 2.926, 0.6778, 0.1949, 0.07181, 0.1799, 0.0, 1.11, 0.5146, 0.2202, 0.01464, 0.008173 } },
    { 11, { 1.209, 2.716, 0.3159, 0.04704, 0.09947, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 } },
    { 4, { 2.39, 1.053, 0.2504, 0.06711, 0.1932, 0.2359, 1.132, 0.0, 0.6113, 0.02806, 0.0 } },
    { 0, { 2.567, 1.088, 0.2697, 0.08647, 0.3003, 0.4495, 1.311, 0.0, 0.6758, 0.01852, 0.002217 } },
    { 1, { 1.655, 3.249, 0.5027, 0.02824, 0.1223, 0.0, 0.0, 0.0, 0.0, 0.01427, 0.0 } },
    { 2, { 2.651, 1.294, 0.3804, 0.086, 0.3469, 0.6228, 1.359, 0.0, 0.7954, 0.01427, 0.005201 } },
    { 3, { 2.884, 1.676, 0.7669, 0.1578, 0.3369, 1.045, 2.036, 0.0, 0.9495, 0.0274, 0.01263 } },
    { 5, { 2.874, 0.9143, 0.6838, 0.06407, 0.2207, 0.0, 0.9208, 0.5851, 0.8798, 0.02031, 0.006567 } },
    { 8, { 2.73, 1.059, 0.4606, 0.1249, 0.1621, 0.249, 0.8009, 0.3878, 0.6434, 0.03078, 0.003257 } },
};

// Indices in kSchedules.
static int default_schedule(int64_t M, int64_t N, int64_t K,
                            [[maybe_unused]] const int* resident_clusters) {
  if (M <= 8 || (M <= 16 && N <= 6336)) return 6;  // 224x16_1x1x2_Stream_NoSmem_Persistent
  if (M <= 32 && (N > 5280 || (N > 3168 && N <= 4224) || (N >= 2048 && K <= 6144))) return 7;  // 256x32_1x1x2_StreamWgmma_NoSmem_Persistent
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
