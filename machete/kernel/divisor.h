// Division by what only the host knows, without the tens of instructions that the device takes for
// one.
#pragma once

#include <cstdint>

#include "machete/kernel/layout.h"

namespace machete {

// x / value = x * multiplier / 2^(31 + shift), rounded down, for 0 <= x < 2^31: multiplier is
// 2^(31 + shift) / value, rounded up, which adds less than x / 2^(31 + shift) <= x / 2^31 / value,
// and so less than the 1 / value that the next integer is away. (Granlund, Montgomery: Division by
// invariant integers using multiplication, 1994.)
struct Divisor {
  explicit constexpr Divisor(int divisor) : value(divisor) {
    while (uint64_t{1} << shift < static_cast<uint64_t>(divisor)) ++shift;
    multiplier = static_cast<uint32_t>(ceil_div(int64_t{1} << (31 + shift), divisor));
  }

  MACHETE_HOST_DEVICE constexpr int quotient(int x) const {
    const uint32_t twice = 2u * static_cast<uint32_t>(x);
    return static_cast<int>(uint64_t{twice} * multiplier >> 32 >> shift);
  }

  int value;
  uint32_t multiplier = 0;
  int shift = 0;
};

}  // namespace machete
