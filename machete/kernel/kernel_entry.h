// A compiled schedule, as the host sees it.
#pragma once

#include "machete/kernel/schedule.h"

namespace machete {

constexpr int kMaxWidths = 3;

struct KernelEntry {
  const char* name;  // the schedule's signature
  const void* function;
  const void* single_function;  // the streaming kernel's for CTAs that form no clusters, else null
  KernelSchedule schedule;
  int a_bits;        // of an activation
  int threads;       // of a CTA; the streaming kernel's at most
  int shared_bytes;  // of a CTA; the streaming kernel's at most
  int tile_n;
  int tile_m;
  int cluster_n;
  int cluster_k;
  // The rest is of the tiled kernel.
  int widths[kMaxWidths];  // tokens that its tiles may have, ascending; the last ones are tile_m
  int step_k;              // input features of a step of the loop over K
  int stages;              // of activations, of which a step takes one or two
  int step_bytes;          // copied into shared memory for a step
  int code_bytes;          // of these: codes of the weights
  int store_m;             // tokens that one tensor store writes, at most
  int partial_bytes;       // of a CTA
  TileScheduler scheduler;
};

}  // namespace machete
