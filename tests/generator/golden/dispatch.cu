// Written by machete.generator from the catalogue: do not edit.
#include <cstdint>
#include <iterator>

#include "machete/runtime/family.h"

namespace machete::bf16_u4b8 {

extern const KernelEntry kEntry_128x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x16_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x256_2x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x32_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x64_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_192x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_256x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_256x32_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_256x64_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_64x16_1x1x1_SlicedK_Tma_StreamK;
extern const KernelEntry kEntry_64x16_1x1x2_SlicedK_Tma_Persistent;
extern const KernelEntry kEntry_64x32_1x1x1_SlicedK_Tma_StreamK;
extern const KernelEntry kEntry_64x64_1x1x1_SlicedK_Tma_StreamK;

Status prepack_B_dispatch(const PrepackArgs& args);  // prepack.cu

namespace {

const KernelEntry* const kSchedules[] = {
    &kEntry_128x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_128x16_1x1x1_Coop_Tma_StreamK,
    &kEntry_128x256_2x1x1_Coop_Tma_StreamK,
    &kEntry_128x32_1x1x1_Coop_Tma_StreamK,
    &kEntry_128x64_1x1x1_Coop_Tma_StreamK,
    &kEntry_192x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_256x128_1x1x1_Coop_Tma_StreamK,
    &kEntry_256x32_1x1x1_Coop_Tma_StreamK,
    &kEntry_256x64_1x1x1_Coop_Tma_StreamK,
    &kEntry_64x16_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x16_1x1x2_SlicedK_Tma_Persistent,
    &kEntry_64x32_1x1x1_SlicedK_Tma_StreamK,
    &kEntry_64x64_1x1x1_SlicedK_Tma_StreamK,
};

const KernelEntry& default_schedule(int64_t M, int64_t N, int64_t K) {
  if (M <= 16 && N >= 32768) return kEntry_128x16_1x1x1_Coop_Tma_StreamK;
  if (M <= 16) return kEntry_64x16_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 32 && N >= 32768) return kEntry_256x32_1x1x1_Coop_Tma_StreamK;
  if (M <= 32 && K >= 14336) return kEntry_128x32_1x1x1_Coop_Tma_StreamK;
  if (M <= 32) return kEntry_64x32_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 64 && (N >= 32768 || K >= 28672)) return kEntry_256x64_1x1x1_Coop_Tma_StreamK;
  if (M <= 64 && K >= 14336) return kEntry_128x64_1x1x1_Coop_Tma_StreamK;
  if (M <= 64) return kEntry_64x64_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 128 && N <= 4096 && K <= 4096) return kEntry_128x64_1x1x1_Coop_Tma_StreamK;
  if (M <= 128 && N >= 32768) return kEntry_256x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 384) return kEntry_128x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 768 && N == 6144) return kEntry_192x128_1x1x1_Coop_Tma_StreamK;
  return kEntry_256x128_1x1x1_Coop_Tma_StreamK;
}

}  // namespace

Status mm_dispatch(const MmArgs& args) {
  const KernelEntry& schedule =
      args.schedule != nullptr ? *args.schedule : default_schedule(args.M, args.N, args.K);
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
