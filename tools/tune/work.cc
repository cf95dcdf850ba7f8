// The cost model's view of the compiled schedules, for fit.py: what a launch does, without costs.
#include <cstring>

#include "machete/runtime/cost.h"
#include "machete/runtime/family.h"

extern "C" {

int machete_cost_terms() { return machete::kCostTerms; }

// Writes machete::kCostTerms numbers; false where there is no such family or schedule, or where it
// is one that the model does not describe.
bool machete_count_work(const char* family_name, const char* schedule, int64_t m, int64_t n,
                        int64_t k, int multiprocessors, double* terms) {
  const machete::internal::Family* family = machete::internal::find_family(family_name);
  if (family == nullptr) return false;
  const machete::ScheduleList schedules = family->supported_schedules_dispatch();
  for (int i = 0; i < schedules.count; ++i) {
    const machete::KernelEntry& kernel = *schedules.entries[i];
    if (std::strcmp(kernel.name, schedule) != 0) continue;
    if (machete::is_streaming(kernel.schedule)) return false;
    const int resident = multiprocessors / (kernel.cluster_n * kernel.cluster_k);
    const machete::CostTerms work = machete::count_work(kernel, m, n, k, resident);
    std::memcpy(terms, work.data(), sizeof(work));
    return true;
  }
  return false;
}

}  // extern "C"
