// Every code with every scale that packing can store, in every place of a fragment: the weight is
// the exact product, rounded once.
#include "tests/gpu/dequantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "machete/kernel/packing.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

constexpr uint32_t kPatterns = 1 << 16;  // bits of a 16-bit float

// The number that the bits stand for; NaN also for infinity.
double value_of(uint32_t bits, const Float16& type) {
  const int mantissa = static_cast<int>(bits & ((1u << type.mantissa_bits) - 1));
  const int field = static_cast<int>((bits & 0x7fff) >> type.mantissa_bits);
  if (field == 0x7fff >> type.mantissa_bits) return std::numeric_limits<double>::quiet_NaN();
  const int hidden = field > 0 ? 1 << type.mantissa_bits : 0;
  const double magnitude =
      std::ldexp(hidden + mantissa, std::max(field, 1) - 1 - type.smallest_exponent);
  return bits & 0x8000 ? -magnitude : magnitude;
}

// To the nearest number of the type, or the even one of two.
double round_to(const Float16& type, double x) {
  int exponent;
  std::frexp(x, &exponent);
  const int unit = std::max(exponent - 1 - type.mantissa_bits, -type.smallest_exponent);
  return std::ldexp(std::nearbyint(std::ldexp(x, -unit)), unit);
}

class DequantiseTest : public ::testing::TestWithParam<TypeSet> {};

TEST_P(DequantiseTest, IsExactUpToOneRounding) {
  const TypeSet types = GetParam();
  const Encoding encoded = encoding(types.a, types.b);
  const int bits = info(types.b).bits;
  const int bias = info(types.b).bias;
  const int codes = 1 << bits;

  std::vector<double> values(kPatterns);
  std::vector<uint32_t> scales(kPatterns);  // of rows r and r + 8: each goes through all patterns
  for (uint32_t pattern = 0; pattern < kPatterns; ++pattern) {
    values[pattern] = value_of(pattern, encoded.type);
    scales[pattern] = pattern | (~pattern << 16);
  }
  // Below it, a code's offset is a subnormal that may be short of bits; so are all weights.
  const double smallest_offset =
      std::ldexp(1, encoded.type.mantissa_bits - encoded.type.smallest_exponent);
  const double smallest = std::ldexp(1, -encoded.type.smallest_exponent);

  for (int first = 0; first < codes; ++first) {
    // 16 x 16 codes as prepack_B takes them, of which lane 0 has eight. Neighbours differ.
    const auto code_of = [&](int row, int k) { return (first + 37 * row + 101 * k) % codes; };
    std::vector<uint8_t> matrix(16 * 16 * bits / 8);
    for (int i = 0; i < 16 * 16; ++i) {
      matrix[i * bits / 8] |= static_cast<uint8_t>(code_of(i / 16, i % 16) << i * bits % 8);
    }
    const PackingSource source = packing_source(types, 16, 16, 16, matrix.data(), nullptr);
    std::vector<uint32_t> words(bits / 4);
    for (int word = 0; word < bits / 4; ++word) words[word] = codes_word(source, 0, 0, 0, word);

    const std::vector<uint32_t> fragments = dequantise(types.a, types.b, words, scales);
    for (uint32_t i = 0; i < kPatterns; ++i) {
      for (int slot = 0; slot < 8; ++slot) {
        const int p = slot / 2;  // the register
        const int row = 8 * (p & 1);
        const int k = 8 * (p >> 1) + slot % 2;
        const double stored = values[scales[i] >> 2 * row & 0xffff];
        if (std::isnan(stored)) continue;
        const double scale = std::ldexp(stored, -encoded.code_exponent(row > 0));
        const double wanted = round_to(encoded.type, (code_of(row, k) - bias) * scale);
        const double weight = values[fragments[4 * i + p] >> slot % 2 * 16 & 0xffff];
        const double allowed = std::abs(bias * scale) < smallest_offset ? smallest : 0;
        if (!(std::abs(weight - wanted) <= allowed)) {
          FAIL() << "code " << code_of(row, k) << ", scale " << scale << ", row " << row << ", k "
                 << k << ": " << weight << ", not " << wanted;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, DequantiseTest, ::testing::ValuesIn(kFamilies),
                         [](const auto& info) { return family_name(info.param); });

}  // namespace
}  // namespace machete::testing
