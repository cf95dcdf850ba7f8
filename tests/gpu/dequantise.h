// The kernels' dequantiser as a function of its own, for a test to feed by hand.
#pragma once

#include <cstdint>
#include <vector>

#include "machete/types.h"

namespace machete::testing {

// The A fragments of one lane for every pair of scales, four registers each: `codes` are its words
// of a k16 step, `scales` two scales as packing stores them, for rows r and r + 8.
std::vector<uint32_t> dequantise(DataType a, DataType b, const std::vector<uint32_t>& codes,
                                 const std::vector<uint32_t>& scales);

}  // namespace machete::testing
