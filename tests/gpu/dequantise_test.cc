// Every code with every scale that packing can store, in every place of a fragment: the weight is
// the exact product, rounded once; of e2m1 it is the product, but for subnormals. With activations
// of 8 bits it is the code's weight times a power of two or, with scales of their type, the
// product, which is exact in s8 and rounded once to e4m3.
#include "tests/gpu/dequantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "machete/kernel/packing.h"
#include "tests/gpu/reference.h"

namespace machete::testing {
namespace {

constexpr int kPatterns = 1 << 16;  // bits of a 16-bit float
constexpr int kWeights = 8;         // of a lane in a k16 step
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The number that the bits stand for; NaN also for infinity.
double value_of(uint32_t bits, const Float16& type) {
  const int mantissa = static_cast<int>(bits & ((1u << type.mantissa_bits) - 1));
  const int field = static_cast<int>((bits & 0x7fff) >> type.mantissa_bits);
  if (field == 0x7fff >> type.mantissa_bits) return kNaN;
  const int hidden = field > 0 ? 1 << type.mantissa_bits : 0;
  const double magnitude =
      std::ldexp(hidden + mantissa, std::max(field, 1) - 1 - type.smallest_exponent);
  return bits & 0x8000 ? -magnitude : magnitude;
}

// What a code stands for, before zero points are subtracted.
double value_of_code(DataType type, int code) {
  constexpr double kE2M1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  switch (type) {
    case DataType::kE2M1:
      return code < 8 ? kE2M1[code] : -kE2M1[code - 8];
    case DataType::kE4M3: {
      const int field = code >> 3 & 15;
      const int mantissa = code & 7;
      if (field == 15 && mantissa == 7) return kNaN;
      const double magnitude =
          std::ldexp(field > 0 ? 8 + mantissa : mantissa, std::max(field, 1) - 10);
      return code < 128 ? magnitude : -magnitude;
    }
    default:
      return code - info(type).bias;
  }
}

// The distance of numbers around x.
double unit(const Float16& type, double x) {
  int exponent;
  std::frexp(x, &exponent);
  return std::ldexp(1, std::max(exponent - 1 - type.mantissa_bits, -type.smallest_exponent));
}

// To the nearest number of the type, or the even one of two.
double round_to(const Float16& type, double x) {
  const double distance = unit(type, x);
  return std::nearbyint(x / distance) * distance;
}

// The place of a weight in a lane's fragment, if it is the lane's. It is the code's distance from
// the first one: neighbours differ, and each code is once in each place.
int place(int row, int k) { return 4 * (k / 8) + 2 * (row / 8) + k % 2; }

// Lane 0's words of a k16 step, from 16 x 16 codes that begin with `first`.
std::vector<uint32_t> packed_codes(const TypeSet& types, int first) {
  const int bits = info(types.b).bits;
  std::vector<uint8_t> codes(16 * 16 * bits / 8);
  for (int i = 0; i < 16 * 16; ++i) {
    const int code = (first + place(i / 16, i % 16)) % (1 << bits);
    codes[i * bits / 8] |= static_cast<uint8_t>(code << i * bits % 8);
  }
  const ProblemDesc desc = {types, 16, 16, 16};
  // One in every type.
  const std::vector<uint8_t> scales(16, types.b_group_scale == DataType::kUE8M0 ? 127 : 0x38);
  Weights weights;
  weights.codes = codes.data();
  if (info(types.b_group_scale).bits == 8) weights.group_scales = scales.data();
  const PackingSource source = packing_source(desc, weights);
  const PackedLayout layout = packed_layout(types, 16, 16, 16);
  std::vector<RowEntry> rows;
  for (int n = 0; n < kBlockN; ++n) rows.push_back(row_entry(source, layout, n));
  std::vector<uint32_t> words;
  for (int word = 0; word < bits / 4; ++word) {
    words.push_back(codes_word(source, rows.data(), 0, 0, 0, word));
  }
  return words;
}

class DequantiseTest : public ::testing::TestWithParam<TypeSet> {
 protected:
  const TypeSet types_ = GetParam();
  const Encoding encoded_ = encoding(types_.a, types_.b, types_.b_group_scale);
  const int codes_ = 1 << info(types_.b).bits;

  // The i-th fragment's weight in a place.
  double weight(const std::vector<uint32_t>& fragments, size_t i, int at) const {
    return value_of(fragments[4 * i + at / 2] >> at % 2 * 16 & 0xffff, encoded_.type);
  }

  // A scale as it was before packing multiplied it by 2^q, in row r or r + 8; NaN where packing
  // stores none that large.
  double scale_of(double stored, bool upper) const {
    const int exponent = encoded_.code_exponent(upper);
    const double scale = std::ldexp(stored, -exponent);
    return std::abs(scale) < std::ldexp(1, encoded_.largest_scale_exponent) ? scale : kNaN;
  }
};

class WideScalesTest : public DequantiseTest {
 protected:
  // Whether a weight is as it should be: of a code, a zero point in 256ths and a scale.
  bool is_right(double weight, double code, int zero, double scale) const {
    const Float16& type = encoded_.type;
    const double wanted = (code - zero / 256.) * scale;
    if (zero % 256 != 0) {
      // The part below a code is rounded by itself.
      const double part = zero % 256 / 256. * scale;
      return std::abs(weight - wanted) <=
             (unit(type, part) + std::max(unit(type, wanted), unit(type, weight))) / 2;
    }
    // The offset of a constant bias is a subnormal that may be short of bits; so are all weights.
    const double offset = info(types_.b).bias * scale;
    const bool short_of_bits =
        std::abs(offset) < std::ldexp(1, type.mantissa_bits - type.smallest_exponent);
    return std::abs(weight - round_to(type, wanted)) <=
           (offset != 0 && short_of_bits ? std::ldexp(1, -type.smallest_exponent) : 0);
  }
};

// Scales of 16 bits, and zero points: with each code an eighth of all scales, with each code in the
// eight places all of them. Zero points go through all there are, at another pace.
TEST_P(WideScalesTest, AreExactUpToOneRounding) {
  std::vector<double> values(kPatterns);
  for (int i = 0; i < kPatterns; ++i) values[i] = value_of(i, encoded_.type);
  const bool has_zeros = types_.b_group_zeropoint != DataType::kVoid;
  for (int first = 0; first < codes_; ++first) {
    std::vector<uint32_t> scales;
    std::vector<uint32_t> zeros;
    std::vector<uint32_t> parts;
    for (int i = first % kWeights; i < kPatterns; i += kWeights) {
      scales.push_back(i | (kPatterns - 1 - i) << 16);
      zeros.push_back(0);
      parts.push_back(scales.back());
      if (has_zeros) {
        const uint32_t zero = (i / kWeights * 4657u + first * 8219u) % (codes_ * 256u);
        zeros.back() = zero | (codes_ * 256u - 1 - zero) << 16;
        parts.push_back(zeros.back());
      }
    }
    const std::vector<uint32_t> fragments =
        dequantise(types_, packed_codes(types_, first), parts, 0);
    for (size_t i = 0; i < scales.size(); ++i) {
      for (int at = 0; at < kWeights; ++at) {
        const bool upper = at / 2 % 2 != 0;
        const double code = value_of_code(types_.b, (first + at) % codes_);
        const double scale = scale_of(values[scales[i] >> 16 * upper & 0xffff], upper);
        const int zero = static_cast<int>(zeros[i] >> 16 * upper & 0xffff);
        if (std::isnan(code) || std::isnan(scale)) continue;
        const double found = weight(fragments, i, at);
        if (!is_right(found, code, zero, scale)) {
          FAIL() << "code " << code << ", zero point " << zero << " / 256, scale " << scale
                 << ", place " << at << ": " << found;
        }
      }
    }
  }
}

class SmallScalesTest : public DequantiseTest {};

// Scales of 8 bits: all that packing stores, for each of the groups that a part holds.
TEST_P(SmallScalesTest, AreExact) {
  const GroupFormat format = group_format(types_.a, types_.b_group_scale, types_.b_group_zeropoint);
  const SmallScale& small = encoded_.small_scale;
  const auto byte_of = [&](int i, int group, bool upper) {
    return ((upper ? 255 - i : i) + 37 * group) & 255;
  };
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 256; ++i) {
    for (int group = 0; group < format.half_groups; ++group) {
      for (const bool upper : {false, true}) {
        bytes.push_back(static_cast<uint8_t>(byte_of(i, group, upper)));
      }
    }
  }
  std::vector<uint32_t> parts(bytes.size() / sizeof(uint32_t));
  std::memcpy(parts.data(), bytes.data(), bytes.size());
  int scales = 0;
  for (int step = 0; step < 4; ++step) {
    const int group = step * format.half_groups / 4;
    for (int first = 0; first < codes_; ++first) {
      const std::vector<uint32_t> fragments =
          dequantise(types_, packed_codes(types_, first), parts, step);
      for (int i = 0; i < 256; ++i) {
        for (int at = 0; at < kWeights; ++at) {
          const bool upper = at / 2 % 2 != 0;
          const int byte = byte_of(i, group, upper);
          const int field = byte >> small.mantissa_bits;
          const int fraction = byte & ((1 << small.mantissa_bits) - 1);
          const double scale =
              scale_of(std::ldexp(1 + std::ldexp(fraction, -small.mantissa_bits),
                                  field + small.exponent_offset - encoded_.type.exponent_bias),
                       upper);
          if (field == 0 || std::isnan(scale)) continue;
          ++scales;
          const double code = value_of_code(types_.b, (first + at) % codes_);
          // Scales go on below where weights are numbers of the type: far below the largest.
          ASSERT_EQ(weight(fragments, i, at), round_to(encoded_.type, code * scale))
              << "code " << code << ", scale " << scale << ", place " << at << ", step " << step;
        }
      }
    }
  }
  // f16 has 30 powers of two for them; e4m3's scales need 18, with eight fractions each.
  EXPECT_GE(scales, 4 * codes_ * kWeights * (small.mantissa_bits == 0 ? 30 : 18 * 8));
}

// Four weights a register. A code is once in each of the sixteen places, place p of register p / 4.
class NarrowActivationsTest : public DequantiseTest {
 protected:
  static constexpr int kPlaces = 16;

  double code(int first, int place) const {
    return value_of_code(types_.b, (first + place) % codes_);
  }

  std::vector<uint32_t> packed_narrow_codes(int first) const {
    const int together = 32 / encoded_.lone_bits;
    std::vector<uint32_t> words(step_words(8, 4));
    for (int p = 0; p < 4; ++p) {
      for (int part = 0; part < 4; part += together) {
        uint32_t bits = 0;
        for (int i = 0; i < together; ++i) {
          const uint32_t code = (first + 4 * p + part + i) % codes_;
          bits |= lone_code(encoded_, types_.a, types_.b, code, p % 2 != 0)
                  << encoded_.lone_bits * i;
        }
        words[p / 2] |= scatter(encoded_.fields[p % 2 + part], bits);
      }
    }
    return words;
  }

  // The weight in a place of the i-th fragment.
  double weight(const std::vector<uint32_t>& fragments, size_t i, int place) const {
    const int byte = static_cast<int>(fragments[4 * i + place / 4] >> 8 * (place % 4) & 0xff);
    return types_.a == DataType::kS8 ? static_cast<int8_t>(byte)
                                     : value_of_code(DataType::kE4M3, byte);
  }
};

TEST_P(NarrowActivationsTest, AreExact) {
  for (int first = 0; first < codes_; ++first) {
    const std::vector<uint32_t> fragment = dequantise(types_, packed_narrow_codes(first), {0}, 0);
    for (int place = 0; place < kPlaces; ++place) {
      ASSERT_EQ(std::ldexp(weight(fragment, 0, place), encoded_.exponent), code(first, place))
          << "place " << place;
    }
  }
}

class NarrowScalesTest : public NarrowActivationsTest {
 protected:
  // All that packing may store, as they were before.
  std::vector<double> scales() const {
    std::vector<double> made;
    if (types_.a == DataType::kS8) {
      for (int scale = -128; scale < 128; ++scale) {
        if (is_integer_scale(scale)) made.push_back(scale);
      }
      return made;
    }
    for (int exponent = -12; exponent < encoded_.largest_scale_exponent; ++exponent) {
      for (int eighths = 8; eighths < 16; ++eighths) {
        const double scale = std::ldexp(eighths, exponent - 3);
        made.insert(made.end(), {scale, -scale});
      }
    }
    return made;
  }

  // As row r's or row r + 8's is stored.
  uint32_t stored(double scale, bool upper) const {
    if (types_.a == DataType::kS8) return static_cast<uint16_t>(static_cast<int>(scale));
    int exponent;
    const double fraction =
        std::abs(std::frexp(std::ldexp(scale, encoded_.code_exponent(upper)), &exponent));
    const int hidden = 1 << encoded_.type.mantissa_bits;
    const int field = exponent - 1 + encoded_.type.exponent_bias;
    const auto mantissa = static_cast<uint32_t>(2 * fraction * hidden) - hidden;
    if (field > 0) return (scale < 0) << 15 | field << encoded_.type.mantissa_bits | mantissa;
    return (scale < 0) << 15 | (hidden | mantissa) >> (1 - field);
  }

  double rounded(double product) const {
    if (types_.a == DataType::kS8) return product;
    return round_to(Float16{9, 3, 7}, product);  // e4m3
  }
};

TEST_P(NarrowScalesTest, AreRoundedOnce) {
  const std::vector<double> scales = this->scales();
  EXPECT_EQ(scales.size(), types_.a == DataType::kS8 ? 32 : 17 * 16);
  std::vector<uint32_t> parts;
  for (size_t i = 0; i < scales.size(); ++i) {
    const double other = scales[scales.size() - 1 - i];
    parts.push_back(stored(scales[i], false) | stored(other, true) << 16);
  }
  for (int first = 0; first < codes_; ++first) {
    const std::vector<uint32_t> fragments =
        dequantise(types_, packed_narrow_codes(first), parts, 0);
    for (size_t i = 0; i < scales.size(); ++i) {
      for (int place = 0; place < kPlaces; ++place) {
        const bool upper = place / 4 % 2 != 0;
        const double scale = upper ? scales[scales.size() - 1 - i] : scales[i];
        ASSERT_EQ(weight(fragments, i, place), rounded(code(first, place) * scale))
            << "code " << code(first, place) << ", scale " << scale << ", place " << place;
      }
    }
  }
}

// With activations of some bits and group scales of some others.
std::vector<TypeSet> families(int a_bits, std::initializer_list<int> scale_bits) {
  std::vector<TypeSet> made;
  for (const TypeSet& types : kFamilies) {
    const int bits = info(types.b_group_scale).bits;
    const bool wanted = std::find(scale_bits.begin(), scale_bits.end(), bits) != scale_bits.end();
    if (info(types.a).bits == a_bits && wanted) made.push_back(types);
  }
  return made;
}

std::string test_name(const ::testing::TestParamInfo<TypeSet>& info) {
  return family_name(info.param);
}

INSTANTIATE_TEST_SUITE_P(Families, WideScalesTest, ::testing::ValuesIn(families(16, {16})),
                         test_name);
INSTANTIATE_TEST_SUITE_P(Families, SmallScalesTest, ::testing::ValuesIn(families(16, {8})),
                         test_name);
INSTANTIATE_TEST_SUITE_P(Families, NarrowActivationsTest, ::testing::ValuesIn(families(8, {0, 16})),
                         test_name);
INSTANTIATE_TEST_SUITE_P(Families, NarrowScalesTest, ::testing::ValuesIn(families(8, {8})),
                         test_name);

}  // namespace
}  // namespace machete::testing
