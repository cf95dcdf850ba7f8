// What a layer and a run may have and leave out, and what becomes of operands that are no numbers:
// every family, by a schedule of each kernel.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "machete/machete.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

constexpr int64_t kN = 136;
constexpr int64_t kK = 384;
constexpr int64_t kGroup = 128;
constexpr int64_t kM = 21;

// The first of a family's schedules whose name has such a part.
std::string find_schedule(const ProblemDesc& desc, const std::string& part) {
  for (const std::string name : schedules_of(desc)) {
    if (name.find(part) != std::string::npos) return name;
  }
  ADD_FAILURE() << "no schedule " << part;
  return "";
}

class OperandsTest : public ::testing::TestWithParam<std::tuple<TypeSet, const char*>> {
 protected:
  static ProblemDesc make_desc() {
    const TypeSet& types = std::get<0>(GetParam());
    return {types, kN, kK, usual_group(types) == 0 ? kK : kGroup};
  }

  static size_t out_bytes(const ProblemDesc& desc) { return bytes_of(desc.types.out, kM * kN); }

  // Runs the schedule; what it does not write is NaN.
  static void run(const ProblemDesc& desc, RunArgs args) {
    PlanOptions options;
    const std::string schedule = find_schedule(desc, std::get<1>(GetParam()));
    options.schedule = schedule.c_str();
    Plan plan;
    check(Plan::create(desc, options, &plan));
    const Buffer workspace(plan.workspace_size(kM));
    workspace.fill(0);
    args.workspace = workspace.get();
    args.workspace_size = workspace.bytes();
    check(cudaMemset(args.out, 0xff, out_bytes(desc)), "poisoning");
    check(plan.run(args, nullptr));
    check(cudaDeviceSynchronize(), "the kernel");
  }
};

INSTANTIATE_TEST_SUITE_P(Families, OperandsTest,
                         ::testing::Combine(::testing::ValuesIn(kFamilies),
                                            ::testing::Values("_1x1x1_Coop_", "_Stream_",
                                                              "_StreamWgmma_")),
                         [](const auto& info) {
                           return family_name(std::get<0>(info.param)) + std::get<1>(info.param);
                         });

// Types may have void where the family has scales, or the pointer may be null.
TEST_P(OperandsTest, ScalesAndBiasMayBeAbsent) {
  const Buffer out(out_bytes(make_desc()));
  for (const DataType channel_scale : {DataType::kVoid, DataType::kF32}) {
    for (const DataType token_scale : {DataType::kVoid, DataType::kF32}) {
      ProblemDesc desc = make_desc();
      desc.types.b_channel_scale = channel_scale;
      desc.types.a_token_scale = token_scale;
      const Problem problem(desc, kM, 17);
      const Reference reference(problem);
      const Packed packed(problem);
      const RunArgs all = run_args_with_all(problem, packed, out, Buffer(0), kM);
      for (const bool token_scales : {false, true}) {
        for (const bool bias : {false, true}) {
          SCOPED_TRACE(std::string(info(channel_scale).name) + ", " + info(token_scale).name +
                       (token_scales ? ", token scales" : "") + (bias ? ", bias" : ""));
          RunArgs args = all;
          if (!token_scales) args.token_scales = nullptr;
          if (!bias) args.bias = nullptr;
          run(desc, args);
          EXPECT_LE(reference.error(args), tolerance(kM, kN));
        }
      }
    }
  }
}

// A scale of one where there is no scale at all, with one group a feature.
TEST_P(OperandsTest, GroupScalesMayBeAbsentWhereAGroupIsAFeature) {
  ProblemDesc desc = make_desc();
  desc.group_size = kK;
  const Buffer out(out_bytes(desc));
  const Problem problem(desc, kM, 18);
  Weights weights = problem.weights();
  weights.group_scales = nullptr;
  const Buffer packed(prepacked_size(desc));
  if (info(desc.types.b_group_scale).bits == 8) {
    EXPECT_EQ(prepack_B(desc, weights, packed.get(), nullptr).code(), StatusCode::kInvalidArgument);
    return;
  }
  weights.tensor_scale = 0x1p-9f;  // f16 ends at 2^16
  check(prepack_B(desc, weights, packed.get(), nullptr));
  const Reference reference(problem, weights);
  const RunArgs args = run_args(problem, packed, out, Buffer(0), kM);
  run(desc, args);
  EXPECT_LE(reference.error(args), tolerance(kM, kN));
}

// Bits in place of an operand's, and the feature that they belong to.
struct Poison {
  const Buffer* operand;
  int64_t element;
  uint16_t bits;
  int64_t feature;
};

std::vector<Poison> poisons(const Problem& problem) {
  const TypeSet& types = problem.desc.types;
  const int64_t last_group = (kK / kGroup - 1) * kN;
  std::vector<Poison> made;
  if (types.b == DataType::kE4M3) {
    made.push_back({&problem.codes, 5 * kK + 17, 0x7f, 5});
    made.push_back({&problem.codes, 71 * kK - 1, 0xff, 70});
    made.push_back({&problem.codes, 135 * kK, 0xff, 135});
  }
  if (types.b_group_scale == DataType::kUE8M0) {
    made.push_back({&problem.scales, 9, 0xff, 9});
    made.push_back({&problem.scales, last_group + 130, 0xff, 130});
  }
  if (types.b_group_scale == DataType::kE4M3) {
    made.push_back({&problem.scales, 9, 0x7f, 9});
    made.push_back({&problem.scales, last_group + 130, 0xff, 130});
  }
  if (types.b_group_scale == DataType::kS8) {
    made.push_back({&problem.scales, 9, 17, 9});
    made.push_back({&problem.scales, last_group + 130, 0xf0, 130});  // -16
  }
  if (types.b_group_zeropoint != DataType::kVoid) {
    const bool is_f16 = types.a == DataType::kF16;
    // As many as there are codes, -1, infinity, NaN.
    const int exponent = info(types.b).bits;
    const uint16_t bits[] = {
        static_cast<uint16_t>(is_f16 ? (exponent + 15) << 10 : (exponent + 127) << 7),
        static_cast<uint16_t>(is_f16 ? 0xbc00 : 0xbf80),
        static_cast<uint16_t>(is_f16 ? 0x7c00 : 0x7f80),
        static_cast<uint16_t>(is_f16 ? 0x7e00 : 0x7fc0),
    };
    for (int i = 0; i < 4; ++i) {
      const int64_t feature = 3 + 40 * i;
      made.push_back(
          {&problem.zeropoints, (i % 2 == 0 ? 0 : last_group) + feature, bits[i], feature});
    }
  }
  return made;
}

// Whatever the activations: they are zero here.
TEST_P(OperandsTest, WhatIsNoNumberMakesItsFeatureNaNAndNoOther) {
  const ProblemDesc desc = make_desc();
  const Problem problem(desc, kM, 19);
  const std::vector<Poison> poisoned = poisons(problem);
  if (poisoned.empty()) GTEST_SKIP() << "neither codes nor scales nor zero points can be NaN";
  problem.a.fill(0);
  std::set<int64_t> features;
  for (const Poison& poison : poisoned) {
    std::vector<uint8_t> bytes = poison.operand->to_host();
    if (poison.operand == &problem.zeropoints) {
      bytes[2 * poison.element] = static_cast<uint8_t>(poison.bits);
      bytes[2 * poison.element + 1] = static_cast<uint8_t>(poison.bits >> 8);
    } else {
      bytes[poison.element] = static_cast<uint8_t>(poison.bits);
    }
    poison.operand->from_host(bytes);
    features.insert(poison.feature);
  }
  const Packed packed(problem);
  const Buffer out(out_bytes(desc));
  run(desc, run_args(problem, packed, out, Buffer(0), kM));
  const std::vector<uint8_t> bytes = out.to_host();
  const DataType type = desc.types.out;
  const size_t size = bytes_of(type, 1);
  const uint32_t infinity = type == DataType::kF16    ? 0x7c00
                            : type == DataType::kBF16 ? 0x7f80
                                                      : 0x7f800000;
  for (int64_t i = 0; i < kM * kN; ++i) {
    uint32_t magnitude = 0;
    std::memcpy(&magnitude, &bytes[size * i], size);
    magnitude &= ~(1u << (8 * size - 1));
    if (features.count(i % kN) > 0) {
      ASSERT_GT(magnitude, infinity) << "token " << i / kN << ", feature " << i % kN;
    } else {
      ASSERT_EQ(magnitude, 0u) << "token " << i / kN << ", feature " << i % kN;
    }
  }
}

}  // namespace
}  // namespace machete::testing
