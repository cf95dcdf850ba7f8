// The cost model's view of the compiled schedules, for fit.py: what a launch does, without costs.
#include <cstring>

#include "machete/runtime/cost.h"
#include "machete/runtime/family.h"

namespace {

// Activations "bf16" or "f16", weights "u4b8" or "u8b128".
const machete::internal::Family* find_family(const char* a, const char* b) {
  using machete::DataType;
  const DataType type = std::strcmp(a, "f16") == 0 ? DataType::kF16 : DataType::kBF16;
  const DataType weights = std::strcmp(b, "u8b128") == 0 ? DataType::kU8B128 : DataType::kU4B8;
  return machete::internal::find_family({type, weights, type, DataType::kVoid, DataType::kVoid,
                                         DataType::kVoid, type, DataType::kF32});
}

}  // namespace

extern "C" {

int machete_cost_terms() { return machete::kCostTerms; }

// Writes machete::kCostTerms numbers; false where there is no such schedule, or where it is one
// that the model does not describe.
bool machete_count_work(const char* a, const char* b, const char* schedule, int64_t m, int64_t n,
                        int64_t k, int multiprocessors, double* terms) {
  const machete::ScheduleList schedules = find_family(a, b)->supported_schedules_dispatch();
  for (int i = 0; i < schedules.count; ++i) {
    const machete::KernelEntry& kernel = *schedules.entries[i];
    if (std::strcmp(kernel.name, schedule) != 0) continue;
    if (kernel.schedule == machete::KernelSchedule::kStreaming) return false;
    const int resident = multiprocessors / (kernel.cluster_n * kernel.cluster_k);
    const machete::CostTerms work = machete::count_work(kernel, m, n, k, resident);
    std::memcpy(terms, work.data(), sizeof(work));
    return true;
  }
  return false;
}

}  // extern "C"
