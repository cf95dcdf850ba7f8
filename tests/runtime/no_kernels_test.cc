// A program that links the library and no family.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "machete/machete.h"

namespace machete {
namespace {

ProblemDesc make_desc(DataType a, DataType b, DataType group_scale) {
  ProblemDesc desc;
  desc.types = {
      a, b, group_scale, DataType::kVoid, DataType::kVoid, DataType::kVoid, a, DataType::kF32};
  desc.n = 64;
  desc.k = 128;
  desc.group_size = 128;
  return desc;
}

TEST(NoKernels, SaysWhatToLink) {
  const struct {
    ProblemDesc desc;
    const char* types;
  } families[] = {
      {make_desc(DataType::kBF16, DataType::kU4B8, DataType::kBF16), "a = bf16, b = u4b8"},
      {make_desc(DataType::kF16, DataType::kU8B128, DataType::kF16), "a = f16, b = u8b128"},
      {make_desc(DataType::kF16, DataType::kE2M1, DataType::kE4M3), "a = f16, b = e2m1"},
  };
  for (const auto& [desc, types] : families) {
    const std::string message = std::string("no kernels for ") + types +
                                " in this build; link //machete:kernels or the family of these "
                                "types";
    const char* name = "untouched";
    EXPECT_EQ(supported_schedules(desc, &name, 1), 0);
    EXPECT_STREQ(name, "untouched");
    Plan plan;
    for (const Status& status :
         {can_implement(desc), can_implement(desc, "128x32"), prepack_B(desc, {}, nullptr, nullptr),
          Plan::create(desc, PlanOptions(), &plan)}) {
      EXPECT_EQ(status.code(), StatusCode::kUnsupported);
      EXPECT_STREQ(status.message(), message.c_str());
    }
    EXPECT_EQ(plan.schedule(1), nullptr);
  }
}

// What is wrong with any build comes first.
TEST(NoKernels, RefusesWrongSizesAsEver) {
  ProblemDesc desc = make_desc(DataType::kBF16, DataType::kU4B8, DataType::kBF16);
  desc.n = 12;
  EXPECT_STREQ(can_implement(desc).message(),
               "n = 12; allowed: positive multiples of 8 up to 268435456");
}

TEST(NoKernels, PacksOnTheHost) {
  const ProblemDesc desc = make_desc(DataType::kF16, DataType::kU4B8, DataType::kF16);
  const std::vector<uint8_t> codes(64 * 128 / 2, 0x88);
  const std::vector<uint16_t> scales(64, 0x3c00);
  std::vector<uint8_t> packed(prepacked_size(desc));
  ASSERT_FALSE(packed.empty());
  const Status status = prepack_B_host(desc, {codes.data(), scales.data()}, packed.data());
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(std::string(packed.begin(), packed.begin() + 4), "MCHT");
}

}  // namespace
}  // namespace machete
