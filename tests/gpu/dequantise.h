// The kernels' dequantiser as a function of its own, for a test to feed by hand.
#pragma once

#include <cstdint>
#include <vector>

#include "machete/types.h"

namespace machete::testing {

// The A fragments of one lane, four registers for each of its parts of the groups: `codes` are the
// lane's words of step `step`, `parts` what a lane reads of the groups (GroupFormat), one after the
// other; a word each where that is nothing. Throws if the two ways to shift (shift.cuh) differ.
std::vector<uint32_t> dequantise(const TypeSet& types, const std::vector<uint32_t>& codes,
                                 const std::vector<uint32_t>& parts, int step);

}  // namespace machete::testing
