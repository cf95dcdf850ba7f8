// Which arguments are refused, and in which words. No row of these tables gets as far as CUDA.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "machete/machete.h"

namespace machete {
namespace {

constexpr DataType kVoid = DataType::kVoid;

constexpr TypeSet weight_only(DataType a, DataType b, DataType group_scale, bool zero_points) {
  return {a,
          b,
          group_scale,
          zero_points ? a : kVoid,
          DataType::kF32,
          DataType::kF32,
          a,
          DataType::kF32};
}

constexpr TypeSet narrow(DataType a, DataType group_scale) {
  return {a,
          DataType::kU4B8,
          group_scale,
          kVoid,
          DataType::kF32,
          DataType::kF32,
          DataType::kBF16,
          a == DataType::kS8 ? DataType::kS32 : DataType::kF32};
}

struct Family {
  TypeSet types;
  std::string name;
  int group_multiple;  // of group sizes other than k; 0: there are none
};

const std::vector<Family>& families() {
  static const std::vector<Family> all = [] {
    std::vector<Family> made;
    for (const DataType a : {DataType::kBF16, DataType::kF16}) {
      const std::string name = info(a).name;
      made.push_back({weight_only(a, DataType::kU4B8, a, false), name + "_u4b8", 32});
      made.push_back({weight_only(a, DataType::kU4, a, true), name + "_u4", 32});
      made.push_back({weight_only(a, DataType::kU8B128, a, false), name + "_u8b128", 32});
      made.push_back({weight_only(a, DataType::kU8, a, true), name + "_u8", 32});
      made.push_back({weight_only(a, DataType::kE4M3, a, false), name + "_e4m3", 32});
      made.push_back(
          {weight_only(a, DataType::kE2M1, DataType::kUE8M0, false), name + "_e2m1", 32});
      made.push_back(
          {weight_only(a, DataType::kE2M1, DataType::kE4M3, false), name + "_e2m1_gse4m3", 16});
    }
    for (const DataType a : {DataType::kE4M3, DataType::kS8}) {
      const std::string name = std::string(info(a).name) + "_u4b8";
      made.push_back({narrow(a, DataType::kBF16), name, 128});
      made.push_back({narrow(a, a), name + "_gs", 128});
      made.push_back({narrow(a, kVoid), name + "_gsvoid", 0});
    }
    return made;
  }();
  return all;
}

ProblemDesc make_desc(const TypeSet& types = weight_only(DataType::kBF16, DataType::kU4B8,
                                                         DataType::kBF16, false)) {
  return {types, 512, 1024, 128};
}

ProblemDesc make_desc(const Family& family) {
  ProblemDesc desc = make_desc(family.types);
  if (family.group_multiple == 0) desc.group_size = desc.k;
  return desc;
}

void expect_failure(const Status& status, StatusCode code, const std::string& message) {
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(static_cast<int>(status.code()), static_cast<int>(code));
  EXPECT_STREQ(status.message(), message.c_str());
}

// Every function that takes a description answers a wrong one alike.
void expect_refused(const ProblemDesc& desc, StatusCode code, const std::string& message) {
  std::vector<uint16_t> memory(256, 0x1234);
  const std::vector<uint16_t> before = memory;
  void* const data = memory.data();
  expect_failure(can_implement(desc), code, message);
  expect_failure(can_implement(desc, "no schedule"), code, message);
  expect_failure(prepack_B_host(desc, {data, data}, data), code, message);
  expect_failure(prepack_B(desc, {data, data}, data, nullptr), code, message);
  expect_failure(check_prepacked(desc, data, nullptr), code, message);
  Plan plan;
  expect_failure(Plan::create(desc, PlanOptions(), &plan), code, message);
  EXPECT_EQ(plan.schedule(1), nullptr);
  EXPECT_EQ(prepacked_size(desc), 0u);
  EXPECT_EQ(memory, before);
}

TEST(Check, Types) {
  using Types = TypeSet;
  const std::string weights = "; allowed: u4b8, u4, u8b128, u8, e4m3, e2m1";
  const struct {
    DataType Types::* field;
    DataType value;
    std::string message;
  } rows[] = {
      {&Types::a, kVoid, "types.a = void; allowed: f16, bf16, e4m3, s8"},
      {&Types::a, DataType::kF32, "types.a = f32; allowed: f16, bf16, e4m3, s8"},
      {&Types::a, DataType::kS4, "types.a = s4; allowed: f16, bf16, e4m3, s8"},
      {&Types::a, DataType::kS8, "types.accumulator = f32; allowed: s32"},
      {&Types::b, kVoid, "types.b = void" + weights},
      {&Types::b, DataType::kS4, "types.b = s4" + weights},
      {&Types::b, DataType::kE5M2, "types.b = e5m2" + weights},
      {&Types::b, static_cast<DataType>(200), "types.b = unknown" + weights},
      {&Types::b, DataType::kE2M1, "types.b_group_scale = bf16; allowed: ue8m0, e4m3"},
      {&Types::b, DataType::kU4, "types.b_group_zeropoint = void; allowed: the type of a"},
      {&Types::b, DataType::kU8, "types.b_group_zeropoint = void; allowed: the type of a"},
      {&Types::b_group_scale, DataType::kF16, "types.b_group_scale = f16; allowed: the type of a"},
      {&Types::b_group_scale, DataType::kUE8M0,
       "types.b_group_scale = ue8m0; allowed: the type of a"},
      {&Types::b_group_scale, kVoid, "types.b_group_scale = void; allowed: the type of a"},
      {&Types::b_group_zeropoint, DataType::kBF16, "types.b_group_zeropoint = bf16; allowed: void"},
      {&Types::b_channel_scale, DataType::kBF16,
       "types.b_channel_scale = bf16; allowed: void, f32"},
      {&Types::a_token_scale, DataType::kUE8M0, "types.a_token_scale = ue8m0; allowed: void, f32"},
      {&Types::out, DataType::kS32, "types.out = s32; allowed: the type of a, f32"},
      {&Types::out, DataType::kF16, "types.out = f16; allowed: the type of a, f32"},
      {&Types::accumulator, DataType::kF16, "types.accumulator = f16; allowed: f32"},
      {&Types::accumulator, kVoid, "types.accumulator = void; allowed: f32"},
  };
  for (const auto& [field, value, message] : rows) {
    SCOPED_TRACE(message);
    ProblemDesc desc = make_desc();
    desc.types.*field = value;
    expect_refused(desc, StatusCode::kUnsupported, message);
    EXPECT_EQ(supported_schedules(desc, nullptr, 0), 0);
  }
}

// Of activations of 8 bits.
TEST(Check, NarrowTypes) {
  using Types = TypeSet;
  const struct {
    DataType Types::* field;
    DataType value;
    const char* message;
  } rows[] = {
      {&Types::b, DataType::kU8B128, "types.b = u8b128; allowed: u4b8"},
      {&Types::b_group_scale, DataType::kS8,
       "types.b_group_scale = s8; allowed: void, bf16, f16, the type of a"},
      {&Types::b_group_scale, DataType::kUE8M0,
       "types.b_group_scale = ue8m0; allowed: void, bf16, f16, the type of a"},
      {&Types::b_group_zeropoint, DataType::kBF16, "types.b_group_zeropoint = bf16; allowed: void"},
      {&Types::out, DataType::kE4M3, "types.out = e4m3; allowed: bf16, f16, f32"},
      {&Types::accumulator, DataType::kS32, "types.accumulator = s32; allowed: f32"},
  };
  for (const auto& [field, value, message] : rows) {
    SCOPED_TRACE(message);
    ProblemDesc desc = make_desc(narrow(DataType::kE4M3, DataType::kBF16));
    desc.types.*field = value;
    expect_refused(desc, StatusCode::kUnsupported, message);
  }
  // Each takes the scales of its own type alone.
  expect_refused(make_desc(narrow(DataType::kS8, DataType::kE4M3)), StatusCode::kUnsupported,
                 "types.b_group_scale = e4m3; allowed: void, bf16, f16, the type of a");
}

// Sums of integers could be larger than 32 bits hold.
TEST(Check, MostInputFeaturesOfIntegers) {
  for (const DataType group_scale : {kVoid, DataType::kS8}) {
    SCOPED_TRACE(info(group_scale).name);
    ProblemDesc desc = {narrow(DataType::kS8, group_scale), 8, 131056, 131056};
    EXPECT_TRUE(can_implement(desc).ok());
    desc.k = desc.group_size = 131072;
    expect_refused(desc, StatusCode::kInvalidArgument,
                   "k = 131072; allowed with a = s8: up to 131056");
  }
}

// Kernels that take them do without.
TEST(Check, ScalesOfFeaturesAndTokensMayBeLeftOutOfTheTypes) {
  for (const Family& family : families()) {
    SCOPED_TRACE(family.name);
    for (const DataType channel_scale : {kVoid, DataType::kF32}) {
      for (const DataType token_scale : {kVoid, DataType::kF32}) {
        ProblemDesc desc = make_desc(family);
        desc.types.b_channel_scale = channel_scale;
        desc.types.a_token_scale = token_scale;
        const Status status = can_implement(desc);
        EXPECT_TRUE(status.ok()) << status.message();
        EXPECT_GT(supported_schedules(desc, nullptr, 0), 0);
      }
    }
  }
}

TEST(Check, TheFirstWrongTypeIsNamed) {
  ProblemDesc desc = make_desc();
  desc.types = {};
  expect_refused(desc, StatusCode::kUnsupported, "types.a = void; allowed: f16, bf16, e4m3, s8");
}

TEST(Check, Sizes) {
  constexpr int64_t kMost = INT64_C(1) << 28;
  const std::string n_words = "; allowed: positive multiples of 8 up to 268435456";
  const std::string k_words = "; allowed: positive multiples of 16 up to 268435456";
  const struct {
    int64_t n;
    int64_t k;
    int64_t group_size;
    std::string message;
  } rows[] = {
      {0, 1024, 128, "n = 0" + n_words},
      {-8, 1024, 128, "n = -8" + n_words},
      {4, 1024, 128, "n = 4" + n_words},
      {12, 1024, 128, "n = 12" + n_words},
      {kMost + 1, 128, 128, "n = 268435457" + n_words},
      {INT64_C(1) << 32, 128, 128, "n = 4294967296" + n_words},
      {INT64_C(1) << 62, 128, 128, "n = 4611686018427387904" + n_words},
      {512, 0, 128, "k = 0" + k_words},
      {512, -16, 128, "k = -16" + k_words},
      {512, 8, 8, "k = 8" + k_words},
      {512, 136, 136, "k = 136" + k_words},
      {512, kMost + 1, 128, "k = 268435457" + k_words},
      {512, INT64_C(1) << 62, 128, "k = 4611686018427387904" + k_words},
      {(1 << 21) + 8, 1 << 21, 128,
       "n * k = 2097160 * 2097152; allowed: products up to 4398046511104"},
  };
  for (const auto& [n, k, group_size, message] : rows) {
    SCOPED_TRACE(message);
    for (const Family& family : families()) {
      expect_refused({family.types, n, k, group_size}, StatusCode::kInvalidArgument, message);
    }
  }
}

TEST(Check, GroupSizes) {
  const struct {
    int64_t k;
    int64_t group_size;
    int most_multiple;  // families whose groups are multiples of this or less take it; 0: none does
  } rows[] = {
      {1024, 0, 0},
      {1024, -1, 0},
      {1024, -128, 0},
      {1024, 8, 0},
      {1024, 2048, 0},
      // They do not divide k.
      {1024, 384, 0},
      {192, 128, 0},
      {272, 64, 0},
      {272, 136, 0},
      {192, 16, 16},
      {192, 48, 16},
      {1520, 80, 16},
      {192, 32, 32},
      {192, 64, 32},
      {192, 96, 32},
      {384, 192, 32},
      {1024, 128, 128},
      {1024, 512, 128},
      // k itself.
      {192, 192, 128},
      {16, 16, 128},
      {272, 272, 128},
  };
  for (const Family& family : families()) {
    for (const auto& [k, group_size, most_multiple] : rows) {
      SCOPED_TRACE(family.name + ", k = " + std::to_string(k) +
                   ", group_size = " + std::to_string(group_size));
      const ProblemDesc desc = {family.types, 512, k, group_size};
      if (family.group_multiple == 0 ? k == group_size : family.group_multiple <= most_multiple) {
        const Status status = can_implement(desc);
        EXPECT_TRUE(status.ok()) << status.message();
        continue;
      }
      const std::string allowed = family.group_multiple == 0
                                      ? " without group scales: k = " + std::to_string(k)
                                      : ": a multiple of " + std::to_string(family.group_multiple) +
                                            " that divides k = " + std::to_string(k) +
                                            ", or k itself";
      expect_refused(desc, StatusCode::kInvalidArgument,
                     "group_size = " + std::to_string(group_size) + "; allowed" + allowed);
    }
  }
}

TEST(Check, SizesThatAreAllowed) {
  const struct {
    int64_t n;
    int64_t k;
    int64_t group_size;
    size_t rows;    // bytes: 8 for each of a panel's 256 features
    size_t blocks;  // of 64 x 128
    int groups;     // of a block, with scales that are stored in 16 bits
  } rows[] = {
      {8, 16, 16, 2048, 4, 1},
      {256, 128, 128, 2048, 4, 1},
      {264, 128, 128, 4096, 8, 1},
      {8, 64, 64, 2048, 4, 1},
      {256, 128, 64, 2048, 4, 2},
      {256, 192, 64, 2048, 2 * 4, 2},
      {256, 128, 32, 2048, 4, 4},
      {256, 192, 96, 2048, 2 * 4, 4},
      {256, 192, 192, 2048, 2 * 4, 1},
      {256, 384, 192, 2048, 3 * 4, 2},
      {256, 1024, 256, 2048, 8 * 4, 1},
      {8192, 4096, 4096, 65536, 32 * 128, 1},
      {8, 272, 272, 2048, 3 * 4, 1},
      {1 << 21, 1 << 21, 128, size_t{1} << 24, size_t{1} << 29, 1},
      {1 << 28, 16, 16, size_t{1} << 31, size_t{1} << 22, 1},
      {8, 1 << 28, 1 << 28, 2048, (size_t{1} << 21) * 4, 1},
  };
  for (const auto& [n, k, group_size, row_bytes, blocks, groups] : rows) {
    for (const Family& family : families()) {
      SCOPED_TRACE(family.name + ", " + std::to_string(n) + " x " + std::to_string(k) + ", " +
                   std::to_string(group_size));
      const bool has_group =
          group_size == k || (family.group_multiple > 0 && group_size % family.group_multiple == 0);
      const bool has_k = family.types.a != DataType::kS8 || k <= 131056;
      if (!has_group || !has_k) continue;
      const ProblemDesc desc = {family.types, n, k, group_size};
      const Status status = can_implement(desc);
      EXPECT_TRUE(status.ok()) << status.message();
      EXPECT_STREQ(status.message(), "");
      int feature_bytes = 0;  // of scales and zero points in a block
      switch (family.types.b_group_scale) {
        case kVoid:
          break;
        case DataType::kUE8M0:
          feature_bytes = 128 / 32;
          break;
        case DataType::kE4M3:
          if (info(family.types.a).bits == 16) {
            feature_bytes = 128 / 16;
            break;
          }
          [[fallthrough]];
        default:
          feature_bytes = groups * (family.types.b_group_zeropoint == kVoid ? 2 : 4);
      }
      const size_t block_bytes = 64 * (128 * info(family.types.b).bits / 8 + feature_bytes);
      EXPECT_EQ(prepacked_size(desc), 128 + row_bytes + blocks * block_bytes);
    }
  }
}

TEST(Check, PackingPointers) {
  alignas(128) uint8_t memory[256] = {};
  auto* const floats = reinterpret_cast<float*>(memory);
  auto* const odd_floats = reinterpret_cast<float*>(memory + 2);
  const auto words = [](const char* name, const void* pointer, const char* allowed) {
    char text[128];
    std::snprintf(text, sizeof(text), "%s = %p; allowed%s", name, pointer, allowed);
    return std::string(text);
  };
  constexpr const char* kVoidWords = " where the types have void for them: null";
  constexpr const char* kEven = ": not null, aligned to 2 bytes";
  const TypeSet u4b8 = make_desc().types;
  const TypeSet u4 = weight_only(DataType::kF16, DataType::kU4, DataType::kF16, true);
  const TypeSet e2m1 = weight_only(DataType::kF16, DataType::kE2M1, DataType::kUE8M0, false);
  const TypeSet s8 = narrow(DataType::kS8, DataType::kS8);
  TypeSet bare = u4b8;
  bare.b_channel_scale = kVoid;
  const struct {
    const char* name;
    TypeSet types;
    Weights weights;
    std::string message;
  } rows[] = {
      {"no codes",
       u4b8,
       {nullptr, memory},
       words("codes", nullptr, ": not null, aligned to 1 bytes")},
      {"no scales", u4b8, {memory, nullptr}, words("group_scales", nullptr, kEven)},
      {"odd scales", u4b8, {memory, memory + 1}, words("group_scales", memory + 1, kEven)},
      {"no scales of 8 bits",
       e2m1,
       {memory, nullptr},
       words("group_scales", nullptr, ": not null, aligned to 1 bytes")},
      {"no scales of the activations' 8 bits",
       s8,
       {memory, nullptr},
       words("group_scales", nullptr, ": not null, aligned to 1 bytes")},
      {"no zero points", u4, {memory, memory}, words("group_zeropoints", nullptr, kEven)},
      {"odd zero points",
       u4,
       {memory, memory, memory + 1},
       words("group_zeropoints", memory + 1, kEven)},
      {"zero points too many",
       u4b8,
       {memory, memory, memory},
       words("group_zeropoints", memory, kVoidWords)},
      {"channel scales too many",
       bare,
       {memory, memory, nullptr, floats},
       words("channel_scales", memory, kVoidWords)},
      {"group scales too many",
       narrow(DataType::kS8, kVoid),
       {memory, memory},
       words("group_scales", memory, kVoidWords)},
      {"channel scales between floats",
       u4b8,
       {memory, memory, nullptr, odd_floats},
       words("channel_scales", memory + 2, ": not null, aligned to 4 bytes")},
      // The first wrong one is named.
      {"nothing", u4b8, {}, words("codes", nullptr, ": not null, aligned to 1 bytes")},
  };
  for (const auto& [name, types, weights, message] : rows) {
    SCOPED_TRACE(name);
    const ProblemDesc desc = make_desc(Family{types, name, types.b_group_scale == kVoid ? 0 : 128});
    expect_failure(prepack_B_host(desc, weights, memory), StatusCode::kInvalidArgument, message);
    expect_failure(prepack_B(desc, weights, memory, nullptr), StatusCode::kInvalidArgument,
                   message);
  }

  const ProblemDesc desc = make_desc();
  for (void* const packed : {static_cast<void*>(nullptr), static_cast<void*>(memory + 2),
                             static_cast<void*>(memory + 1)}) {
    expect_failure(prepack_B_host(desc, {memory, memory}, packed), StatusCode::kInvalidArgument,
                   words("packed", packed, ": not null, aligned to 4 bytes"));
    expect_failure(prepack_B(desc, {memory, memory}, packed, nullptr), StatusCode::kInvalidArgument,
                   words("packed", packed, ": not null, aligned to 128 bytes"));
  }
  expect_failure(prepack_B(desc, {memory, memory}, memory + 64, nullptr),
                 StatusCode::kInvalidArgument,
                 words("packed", memory + 64, ": not null, aligned to 128 bytes"));
}

// Scales of one.
TEST(Check, GroupScalesMayBeLeftOutWhereAGroupIsAFeature) {
  ProblemDesc desc = make_desc();
  desc.n = 8;
  desc.k = desc.group_size = 16;
  const std::vector<uint8_t> codes(8 * 16 / 2, 0x31);
  const std::vector<uint16_t> ones(8, 0x3f80);
  std::vector<uint8_t> without(prepacked_size(desc));
  std::vector<uint8_t> with(prepacked_size(desc), 1);
  EXPECT_TRUE(prepack_B_host(desc, {codes.data()}, without.data()).ok());
  EXPECT_TRUE(prepack_B_host(desc, {codes.data(), ones.data()}, with.data()).ok());
  EXPECT_EQ(with, without);
}

// Where the host's packing asks for less than the GPU's.
TEST(Check, HostPackingTakesWhatIsAligned) {
  ProblemDesc desc = make_desc();
  desc.n = 8;
  desc.k = 16;
  desc.group_size = 16;
  std::vector<uint32_t> packed(prepacked_size(desc) / 4 + 1);
  std::vector<uint16_t> codes(8 * 16 / 4 + 1, 0x7531);
  const std::vector<uint16_t> scales(8 + 1, 0x3f80);
  const auto* odd = reinterpret_cast<const uint8_t*>(codes.data()) + 1;
  const Status status = prepack_B_host(desc, {odd, scales.data() + 1}, packed.data() + 1);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(packed[1], 0x5448434du);
}

TEST(Check, Schedules) {
  for (const Family& family : families()) {
    SCOPED_TRACE(family.name);
    const ProblemDesc desc = make_desc(family);
    const int count = supported_schedules(desc, nullptr, 0);
    ASSERT_GT(count, 0);

    std::vector<const char*> names(count + 1, "untouched");
    EXPECT_EQ(supported_schedules(desc, names.data(), 1), count);
    EXPECT_STRNE(names[0], "untouched");
    EXPECT_STREQ(names[1], "untouched");
    EXPECT_EQ(supported_schedules(desc, names.data(), count + 1), count);
    EXPECT_STREQ(names[count], "untouched");
    names.pop_back();

    std::set<std::string> unique;
    for (const char* name : names) {
      const Status status = can_implement(desc, name);
      EXPECT_TRUE(status.ok()) << status.message();
      EXPECT_TRUE(unique.insert(name).second) << name;
    }

    std::string lower = names[0];
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    for (const std::string& wrong :
         {std::string("no such schedule"), std::string(), lower, std::string(names[0]) + " ",
          std::string(names[0], std::strlen(names[0]) - 1)}) {
      SCOPED_TRACE(wrong);
      const std::string message = "schedule = " + wrong + " is none of the " +
                                  std::to_string(count) + " of family " + family.name + " (" +
                                  names[0] + ", ...)";
      expect_failure(can_implement(desc, wrong.c_str()), StatusCode::kInvalidArgument, message);
      Plan plan;
      PlanOptions options;
      options.schedule = wrong.c_str();
      expect_failure(Plan::create(desc, options, &plan), StatusCode::kInvalidArgument, message);
    }
  }
}

TEST(Check, LongWordsAreCut) {
  const std::string name(400, 'x');
  expect_failure(can_implement(make_desc(), name.c_str()), StatusCode::kInvalidArgument,
                 ("schedule = " + name).substr(0, 255));
}

TEST(Check, AnEmptyPlanRefuses) {
  const Plan plan;
  EXPECT_EQ(plan.workspace_size(16), 0u);
  EXPECT_EQ(plan.schedule(16), nullptr);
  expect_failure(plan.run(RunArgs(), nullptr), StatusCode::kInvalidArgument,
                 "the plan is empty; make it by create()");
}

}  // namespace
}  // namespace machete
