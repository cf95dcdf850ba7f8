// Partial sums of a tile as they travel from one warpgroup or CTA to another: in the order of the
// accumulator registers, as float4, so that no layout is needed and every access is coalesced.
#pragma once

#include "machete/kernel/ptx.cuh"

namespace machete {

// One float4 of each thread of a warpgroup.
constexpr int kVectorBytes = 128 * 16;

// Of a consumer.
template <class Shape>
using Accumulators = float[Shape::kConsumerBlocks][Shape::kAccumulators];

// Calls function(float* v, int i) with each float4 of a part of the tile's tokens, numbered from 0.
// There is one part, or one for each CTA of a cluster that splits K.
template <class Shape, class Function>
MACHETE_DEVICE void for_each_vector(Accumulators<Shape>& accumulators, int part,
                                    Function function) {
  constexpr int kPerBlock = Shape::kPartialVectors / Shape::kConsumerBlocks;
#pragma unroll
  for (int i = 0; i < Shape::kPartialVectors; ++i) {
    function(&accumulators[i / kPerBlock][(part * kPerBlock + i % kPerBlock) * 4], i);
  }
}

}  // namespace machete
