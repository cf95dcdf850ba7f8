// Which arguments are refused, and in which words. No row of these tables gets as far as CUDA.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "machete/machete.h"

namespace machete {
namespace {

constexpr DataType kVoid = DataType::kVoid;

constexpr std::pair<DataType, DataType> kFamilies[] = {
    // activations, weights
    {DataType::kBF16, DataType::kU4B8},
    {DataType::kF16, DataType::kU4B8},
    {DataType::kBF16, DataType::kU8B128},
    {DataType::kF16, DataType::kU8B128},
};

ProblemDesc make_desc(DataType a = DataType::kBF16, DataType b = DataType::kU4B8) {
  ProblemDesc desc;
  desc.types = {a, b, a, kVoid, kVoid, kVoid, a, DataType::kF32};
  desc.n = 512;
  desc.k = 1024;
  desc.group_size = 128;
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
  expect_failure(prepack_B_host(desc, data, data, data), code, message);
  expect_failure(prepack_B(desc, data, data, data, nullptr), code, message);
  expect_failure(check_prepacked(desc, data, nullptr), code, message);
  Plan plan;
  expect_failure(Plan::create(desc, PlanOptions(), &plan), code, message);
  EXPECT_EQ(plan.schedule(1), nullptr);
  EXPECT_EQ(prepacked_size(desc), 0u);
  EXPECT_EQ(memory, before);
}

TEST(Check, Types) {
  using Types = TypeSet;
  const struct {
    DataType Types::* field;
    DataType value;
    const char* message;
  } rows[] = {
      {&Types::a, kVoid, "types.a = void; allowed: f16, bf16"},
      {&Types::a, DataType::kF32, "types.a = f32; allowed: f16, bf16"},
      {&Types::a, DataType::kE4M3, "types.a = e4m3; allowed: f16, bf16"},
      {&Types::a, DataType::kS8, "types.a = s8; allowed: f16, bf16"},
      {&Types::b, kVoid, "types.b = void; allowed: u4b8, u8b128"},
      {&Types::b, DataType::kU4, "types.b = u4; allowed: u4b8, u8b128"},
      {&Types::b, DataType::kU8, "types.b = u8; allowed: u4b8, u8b128"},
      {&Types::b, static_cast<DataType>(200), "types.b = unknown; allowed: u4b8, u8b128"},
      {&Types::b_group_scale, DataType::kF16, "types.b_group_scale = f16; allowed: the type of a"},
      {&Types::b_group_scale, kVoid, "types.b_group_scale = void; allowed: the type of a"},
      {&Types::b_group_zeropoint, DataType::kBF16, "types.b_group_zeropoint = bf16; allowed: void"},
      {&Types::b_channel_scale, DataType::kF32, "types.b_channel_scale = f32; allowed: void"},
      {&Types::a_token_scale, DataType::kUE8M0, "types.a_token_scale = ue8m0; allowed: void"},
      {&Types::out, DataType::kF32, "types.out = f32; allowed: the type of a"},
      {&Types::out, DataType::kF16, "types.out = f16; allowed: the type of a"},
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

TEST(Check, TheFirstWrongTypeIsNamed) {
  ProblemDesc desc = make_desc();
  desc.types = {};
  expect_refused(desc, StatusCode::kUnsupported, "types.a = void; allowed: f16, bf16");
}

TEST(Check, Sizes) {
  constexpr int64_t kMost = INT64_C(1) << 28;
  const std::string n_words = "; allowed: positive multiples of 8 up to 268435456";
  const std::string k_words = "; allowed: positive multiples of 16 up to 268435456";
  const std::string g_words = "; allowed: 64 or a multiple of 128, if it divides k = ";
  const std::string or_k = ", or k itself";
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
      {512, 1024, 0, "group_size = 0" + g_words + "1024" + or_k},
      {512, 1024, -1, "group_size = -1" + g_words + "1024" + or_k},
      {512, 1024, -128, "group_size = -128" + g_words + "1024" + or_k},
      {512, 1024, 16, "group_size = 16" + g_words + "1024" + or_k},
      {512, 1024, 32, "group_size = 32" + g_words + "1024" + or_k},
      {512, 384, 96, "group_size = 96" + g_words + "384" + or_k},
      {512, 384, 192, "group_size = 192" + g_words + "384" + or_k},
      {512, 192, 128, "group_size = 128" + g_words + "192" + or_k},
      {512, 272, 64, "group_size = 64" + g_words + "272" + or_k},
      {512, 1024, 384, "group_size = 384" + g_words + "1024" + or_k},
      {512, 1024, 2048, "group_size = 2048" + g_words + "1024" + or_k},
  };
  for (const auto& [n, k, group_size, message] : rows) {
    SCOPED_TRACE(message);
    for (const auto& [a, b] : kFamilies) {
      ProblemDesc desc = make_desc(a, b);
      desc.n = n;
      desc.k = k;
      desc.group_size = group_size;
      expect_refused(desc, StatusCode::kInvalidArgument, message);
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
    int groups;     // of a block
  } rows[] = {
      {8, 16, 16, 2048, 4, 1},
      {256, 128, 128, 2048, 4, 1},
      {264, 128, 128, 4096, 8, 1},
      {8, 64, 64, 2048, 4, 1},
      // Two groups a block.
      {256, 128, 64, 2048, 4, 2},
      {256, 192, 64, 2048, 2 * 4, 2},
      {256, 192, 192, 2048, 2 * 4, 1},
      {256, 1024, 256, 2048, 8 * 4, 1},
      {8192, 4096, 4096, 65536, 32 * 128, 1},
      {8, 272, 272, 2048, 3 * 4, 1},
      {1 << 21, 1 << 21, 128, size_t{1} << 24, size_t{1} << 29, 1},
      {1 << 28, 16, 16, size_t{1} << 31, size_t{1} << 22, 1},
      {8, 1 << 28, 1 << 28, 2048, (size_t{1} << 21) * 4, 1},
  };
  for (const auto& [n, k, group_size, row_bytes, blocks, groups] : rows) {
    SCOPED_TRACE(std::to_string(n) + " x " + std::to_string(k) + ", " + std::to_string(group_size));
    for (const auto& [a, b] : kFamilies) {
      ProblemDesc desc = make_desc(a, b);
      desc.n = n;
      desc.k = k;
      desc.group_size = group_size;
      const Status status = can_implement(desc);
      EXPECT_TRUE(status.ok()) << status.message();
      EXPECT_STREQ(status.message(), "");
      const size_t block_bytes = 64 * 128 * info(b).bits / 8 + 64 * 2 * groups;
      EXPECT_EQ(prepacked_size(desc), 128 + row_bytes + blocks * block_bytes);
    }
  }
}

TEST(Check, PackingPointers) {
  const ProblemDesc desc = make_desc();
  alignas(128) uint8_t memory[256] = {};
  const auto words = [](const char* name, const void* pointer, int alignment) {
    char text[128];
    std::snprintf(text, sizeof(text), "%s = %p; allowed: not null, aligned to %d bytes", name,
                  pointer, alignment);
    return std::string(text);
  };
  const struct {
    const void* codes;
    const void* scales;
    void* packed;
    const char* name;
    const void* pointer;
    int host_alignment;
    int device_alignment;
  } rows[] = {
      {nullptr, memory, memory, "codes", nullptr, 1, 1},
      {memory, nullptr, memory, "scales", nullptr, 2, 2},
      {memory, memory + 1, memory, "scales", memory + 1, 2, 2},
      {memory, memory, nullptr, "packed", nullptr, 4, 128},
      {memory, memory, memory + 2, "packed", memory + 2, 4, 128},
      {memory, memory, memory + 1, "packed", memory + 1, 4, 128},
      // The first wrong one is named.
      {nullptr, nullptr, nullptr, "codes", nullptr, 1, 1},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(words(row.name, row.pointer, row.host_alignment));
    expect_failure(prepack_B_host(desc, row.codes, row.scales, row.packed),
                   StatusCode::kInvalidArgument, words(row.name, row.pointer, row.host_alignment));
    expect_failure(prepack_B(desc, row.codes, row.scales, row.packed, nullptr),
                   StatusCode::kInvalidArgument,
                   words(row.name, row.pointer, row.device_alignment));
  }
  expect_failure(prepack_B(desc, memory, memory, memory + 64, nullptr),
                 StatusCode::kInvalidArgument, words("packed", memory + 64, 128));
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
  const Status status = prepack_B_host(desc, odd, scales.data() + 1, packed.data() + 1);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(packed[1], 0x5448434du);
}

TEST(Check, Schedules) {
  for (const auto& [a, b] : kFamilies) {
    const std::string family = std::string(info(a).name) + "_" + info(b).name;
    SCOPED_TRACE(family);
    const ProblemDesc desc = make_desc(a, b);
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
                                  std::to_string(count) + " of family " + family + " (" + names[0] +
                                  ", ...)";
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
