// Written by machete.generator from the catalogue: do not edit.
#include <cstdint>
#include <iterator>

#include "machete/runtime/family.h"

namespace machete::bf16_u4b8 {

extern const KernelEntry kEntry_128x128_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x16_1x1x1_Coop_Tma_StreamK;
extern const KernelEntry kEntry_128x256_2x1x1_Coop_Tma_StreamK;
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
  if (M <= 16 && (N > 1408 && N <= 4224)) return kEntry_64x16_1x1x2_SlicedK_Tma_Persistent;
  if (M <= 16 && N <= 11264) return kEntry_64x16_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 16 && (N > 20480 && N <= 32768)) return kEntry_256x32_1x1x1_Coop_Tma_StreamK;
  if (M <= 16) return kEntry_128x16_1x1x1_Coop_Tma_StreamK;
  if (M <= 32 && K < 28672 && (N < 10240 || (N <= 20480 && K <= 5120))) return kEntry_64x32_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 32) return kEntry_256x32_1x1x1_Coop_Tma_StreamK;
  if (M <= 96 && N <= 2560) return kEntry_64x32_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 64 && (N > 20480 || K >= 28672 || (N > 8448 && K >= 8192))) return kEntry_256x64_1x1x1_Coop_Tma_StreamK;
  if (M <= 64 && N <= 4224 && K <= 9472) return kEntry_64x64_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 64 && (N > 5632 && N <= 8448)) return kEntry_64x64_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 64) return kEntry_128x64_1x1x1_Coop_Tma_StreamK;
  if (M <= 128 && N <= 4224 && K <= 9472) return kEntry_64x64_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 96 && (N > 16384 && N < 24576)) return kEntry_192x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 128 && N < 24576) return kEntry_128x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 128) return kEntry_256x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 256 && N <= 2560) return kEntry_64x64_1x1x1_SlicedK_Tma_StreamK;
  if (M <= 192 && N <= 6592) return kEntry_128x64_1x1x1_Coop_Tma_StreamK;
  if (M <= 192) return kEntry_256x64_1x1x1_Coop_Tma_StreamK;
  if (M <= 256 && (N > 24576 || (N > 8448 && N < 11264))) return kEntry_128x256_2x1x1_Coop_Tma_StreamK;
  if (M <= 256) return kEntry_128x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 320 && N <= 3328) return kEntry_128x64_1x1x1_Coop_Tma_StreamK;
  if (M <= 320 && N <= 4224) return kEntry_192x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 320 && K <= 4608) return kEntry_256x64_1x1x1_Coop_Tma_StreamK;
  if (M <= 320) return kEntry_256x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 512 && (N <= 4224 || (N > 8448 && N < 12288))) return kEntry_128x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 512 && N <= 6592) return kEntry_192x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 512) return kEntry_256x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 640 && (N <= 3328 || (N > 4864 && K <= 7680))) return kEntry_128x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 640 && N <= 4864) return kEntry_192x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 1024 && (N <= 2560 || (N > 4224 && N <= 6592))) return kEntry_128x128_1x1x1_Coop_Tma_StreamK;
  if (M <= 1500 && (N > 1408 && N <= 3328)) return kEntry_192x128_1x1x1_Coop_Tma_StreamK;
  if (N <= 3328) return kEntry_128x128_1x1x1_Coop_Tma_StreamK;
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
