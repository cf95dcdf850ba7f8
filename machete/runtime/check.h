// What arguments are refused, and in which words. Nothing here needs a GPU or a linked family.
#pragma once

#include "machete/machete.h"

namespace machete {

// Sizes and types that the packed layout and the kernels can hold.
Status check_problem(const ProblemDesc& desc);

Status check_packing(const ProblemDesc& desc, const Weights& weights, const void* packed,
                     size_t packed_alignment);

Status check_run(const ProblemDesc& desc, const RunArgs& args);

}  // namespace machete
