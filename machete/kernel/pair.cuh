// Arithmetic on two 16-bit floats in one register.
#pragma once

#include "machete/kernel/ptx.cuh"

namespace machete {

// In PTX, because the C++ headers of these types cost a second of compilation.
template <DataType kType>
struct Pair;

template <>
struct Pair<DataType::kBF16> {
  MACHETE_DEVICE uint32_t fma(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t d;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
  }
  MACHETE_DEVICE uint32_t subtract(uint32_t a, uint32_t b) {
    uint32_t d;
    asm("sub.rn.bf16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
  }
  MACHETE_DEVICE uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t d;
    asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
  }
  MACHETE_DEVICE float to_float(uint16_t bits) { return __uint_as_float(uint32_t{bits} << 16); }
  MACHETE_DEVICE uint32_t from_floats(float low, float high) {
    uint32_t d;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
  }
};

template <>
struct Pair<DataType::kF16> {
  MACHETE_DEVICE uint32_t fma(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t d;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
  }
  MACHETE_DEVICE uint32_t subtract(uint32_t a, uint32_t b) {
    uint32_t d;
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
  }
  MACHETE_DEVICE uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t d;
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
  }
  MACHETE_DEVICE float to_float(uint16_t bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
  }
  MACHETE_DEVICE uint32_t from_floats(float low, float high) {
    uint32_t d;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
  }
  // Two pairs, rounded to four e4m3.
  MACHETE_DEVICE uint32_t to_e4m3(uint32_t low, uint32_t high) {
    uint32_t d;
    asm("{\n"
        ".reg .b16 low, high;\n"
        "cvt.rn.satfinite.e4m3x2.f16x2 low, %1;\n"
        "cvt.rn.satfinite.e4m3x2.f16x2 high, %2;\n"
        "mov.b32 %0, {low, high};\n"
        "}"
        : "=r"(d)
        : "r"(low), "r"(high));
    return d;
  }
};

// The same number as fp32.
MACHETE_DEVICE float to_float(uint32_t integer) {
  return static_cast<float>(static_cast<int>(integer));
}
MACHETE_DEVICE float to_float(float x) { return x; }

}  // namespace machete
