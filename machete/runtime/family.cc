#include "machete/runtime/family.h"

namespace machete::internal {
namespace {

// Written before main() only; constant-initialised, so set before any registration runs.
const FamilyRegistration* g_first = nullptr;

}  // namespace

FamilyRegistration::FamilyRegistration(const Family& family) : family_(&family), next_(g_first) {
  g_first = this;
}

const Family* find_family(const TypeSet& types) {
  const auto serves = [&](TypeSet offered) {
    // Scales that a family takes may be absent.
    if (types.b_channel_scale == DataType::kVoid) offered.b_channel_scale = DataType::kVoid;
    if (types.a_token_scale == DataType::kVoid) offered.a_token_scale = DataType::kVoid;
    return offered == types;
  };
  for (const FamilyRegistration* r = g_first; r != nullptr; r = r->next_) {
    if (serves(r->family_->types)) return r->family_;
  }
  return nullptr;
}

}  // namespace machete::internal
