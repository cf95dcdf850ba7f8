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
    { 9, { 2.981, 0.4531, 0.2219, 0.02025, 0.08731, 0.0, 1.065, 0.5446, 0.1356, 0.01624, 0.004157 } },
    { 10, { 2.96, 0.6758, 0.1855, 0.07477, 0.1866, 0.0, 1.115, 0.5388, 0.2177, 0.01381, 0.007423 } },
    { 11, { 1.233, 2.742, 0.3113, 0.05062, 0.09729, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 } },
    { 4, { 2.399, 1.051, 0.2444, 0.07117, 0.1953, 0.2338, 1.155, 0.0, 0.6103, 0.0278, 0.0 } },
    { 0, { 2.567, 1.089, 0.2711, 0.08406, 0.3014, 0.4538, 1.315, 0.0, 0.6754, 0.01847, 0.002181 } },
    { 1, { 1.652, 3.253, 0.5035, 0.02748, 0.1221, 0.0, 0.0, 0.0, 0.0, 0.01427, 0.0 } },
    { 2, { 2.653, 1.294, 0.3841, 0.08191, 0.3471, 0.6282, 1.361, 0.0, 0.7946, 0.01419, 0.00518 } },
    { 3, { 2.884, 1.676, 0.7691, 0.1558, 0.3366, 1.047, 2.038, 0.0, 0.9488, 0.02739, 0.01262 } },
    { 5, { 2.866, 0.9156, 0.6906, 0.05998, 0.2178, 0.0, 0.9261, 0.5901, 0.8786, 0.02032, 0.006545 } },
    { 8, { 2.76, 1.069, 0.5805, 0.04246, 0.121, 0.3938, 0.7207, 0.4383, 0.6417, 0.03192, 0.003408 } },
};

// Indices in kSchedules.
static int default_schedule(int64_t M, int64_t N, int64_t K,
                            [[maybe_unused]] const int* resident_clusters) {
  if ((M > 8 && M <= 16) && N > 6336) return 7;  // 256x32_1x1x2_StreamWgmma_NoSmem_Persistent
  if (M <= 16) return 6;  // 224x16_1x1x2_Stream_NoSmem_Persistent
  if (M <= 32 && (N > 38016 || ((N > 16896 && N <= 19008) && K > 6144))) return 8;  // 256x64_1x1x1_Coop_Tma_StreamK
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
