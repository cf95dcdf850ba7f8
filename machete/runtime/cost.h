// How long a launch takes, by a model that is linear in what the launch does. Chooses among
// schedules; what each costs is measured and fitted (tools/tune). Host arithmetic, no CUDA calls.
#pragma once

#include <array>
#include <cstdint>

#include "machete/kernel/kernel_entry.h"

namespace machete {

// What is counted of a launch. "Its" are the numbers of the cluster that does the most, as if
// shares of tiles were even: steps that they do not count stand in for waiting, which kHelpers has.
enum CostTerm {
  kLaunch,       // 1
  kTiles,        // its tiles
  kSteps,        // its K steps
  kFilledSteps,  // the same, each in proportion to the part of a tile's tokens that there are
  kBusySteps,    // the same, each in proportion to the part of the device that is at work
  kSparedSteps,  // minus the same, in proportion to what its tiles' width lacks of the widest
  kSharing,      // 1 if tiles are shared along K
  kStraddling,   // 1 if shares do not line up with tiles, so that a cluster works on parts of two
  kHelpers,      // shares that make up a tile
  kWeights,      // millions of weights
  kRereads,      // millions of weights that tiles along M read apart, where shares straddle
  kCostTerms,
};

using CostTerms = std::array<double, kCostTerms>;

// What a launch of `kernel` does on a device that holds `resident_clusters` at a time.
CostTerms count_work(const KernelEntry& kernel, int64_t m, int64_t n, int64_t k,
                     int resident_clusters);

// A schedule to choose from: its index among the family's, and microseconds for each term.
struct Candidate {
  int schedule;
  CostTerms costs;
};

constexpr int kMaxCandidates = 32;

// The schedule of the candidate that takes the least time. `resident_clusters` are of each of the
// family's `schedules`; where it is 0 a schedule does not fit on the device and is passed over. If
// none fits, the first candidate's.
int find_fastest(const KernelEntry* const* schedules, const int* resident_clusters,
                 const Candidate* candidates, int count, int64_t m, int64_t n, int64_t k);

template <int kCount>
int find_fastest(const KernelEntry* const* schedules, const int* resident_clusters,
                 const Candidate (&candidates)[kCount], int64_t m, int64_t n, int64_t k) {
  static_assert(kCount <= kMaxCandidates);
  return find_fastest(schedules, resident_clusters, candidates, kCount, m, n, k);
}

}  // namespace machete
