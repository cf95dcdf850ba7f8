// A compiled schedule, as the host sees it.
#pragma once

#include <iterator>

#include "machete/kernel/schedule.h"

namespace machete {

constexpr int kMaxWidths = 4;     // of a schedule's tiles
constexpr int kMaxFunctions = 4;  // of a schedule

struct KernelEntry {
  const char* name;  // the schedule's signature
  // One of the tiled kernel. Of a streaming kernel two for each width: for clusters, then for CTAs
  // by themselves. The rest is null.
  const void* functions[kMaxFunctions];
  KernelSchedule schedule;
  int a_bits;        // of an activation
  int threads;       // of a CTA; the streaming kernel's at most
  int shared_bytes;  // of a CTA; the streaming kernel's at most
  int tile_n;
  int tile_m;
  int widths[kMaxWidths];  // tokens that its tiles may have, ascending; the last ones are tile_m
  int cluster_n;
  int cluster_k;
  // The rest is of the tiled kernel.
  int step_k;         // input features of a step of the loop over K
  int stages;         // of activations, of which a step takes one or two
  int step_bytes;     // copied into shared memory for a step
  int code_bytes;     // of these: codes of the weights
  int store_m;        // tokens that one tensor store writes, at most
  int partial_bytes;  // of a CTA
  TileScheduler scheduler;
};

// One of KernelEntry::widths. By value: a pointer to the array could be resolved to that of another
// library with such a family.
template <class Schedule>
constexpr int width(int index) {
  constexpr int kLast = static_cast<int>(std::size(Schedule::kWidths)) - 1;
  static_assert(kLast < kMaxWidths);
  return Schedule::kWidths[index < kLast ? index : kLast];
}

}  // namespace machete
