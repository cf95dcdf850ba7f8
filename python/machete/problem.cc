#include "python/machete/problem.h"

#include <charconv>
#include <utility>

#include "python/machete/raise.h"

namespace machete::python {
namespace {

DataType parse_type(std::string_view field, std::string_view name) {
  std::string allowed;
  for (int i = 0; i <= static_cast<int>(kLastDataType); ++i) {
    const auto type = static_cast<DataType>(i);
    if (name == info(type).name) return type;
    allowed += std::string(i == 0 ? "" : ", ") + info(type).name;
  }
  raise("ValueError", field, " = ", name, "; allowed: ", allowed);
}

int64_t parse_integer(std::string_view field, std::string_view digits) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    raise("ValueError", field, " = ", digits, "; allowed: integers of 64 bits");
  }
  return value;
}

void parse_word(std::string_view name, std::string_view value, Problem* problem) {
  ProblemDesc& desc = problem->desc;
  const std::pair<std::string_view, DataType*> types[] = {
      {"a", &desc.types.a},
      {"b", &desc.types.b},
      {"b_group_scale", &desc.types.b_group_scale},
      {"b_group_zeropoint", &desc.types.b_group_zeropoint},
      {"b_channel_scale", &desc.types.b_channel_scale},
      {"a_token_scale", &desc.types.a_token_scale},
      {"out", &desc.types.out},
  };
  for (const auto& [field, type] : types) {
    if (field == name) {
      *type = parse_type(name, value);
      return;
    }
  }
  const std::pair<std::string_view, int64_t*> integers[] = {
      {"n", &desc.n},
      {"k", &desc.k},
      {"group_size", &desc.group_size},
  };
  for (const auto& [field, integer] : integers) {
    if (field == name) {
      *integer = parse_integer(name, value);
      return;
    }
  }
  if (name == "schedule") {
    problem->schedule = value;
  } else if (name == "programmatic_dependent_launch") {
    problem->programmatic_dependent_launch = parse_integer(name, value) != 0;
  } else {
    raise("ValueError", "problem has the field ", name,
          "; allowed: those of ProblemDesc, TypeSet and PlanOptions");
  }
}

}  // namespace

Problem parse_problem(std::string_view text) {
  Problem problem;
  problem.desc.types.accumulator = DataType::kF32;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    const size_t name = std::min(word.find('='), word.size());
    parse_word(word.substr(0, name), word.substr(std::min(name + 1, word.size())), &problem);
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  if (problem.desc.types.a == DataType::kS8) problem.desc.types.accumulator = DataType::kS32;
  return problem;
}

}  // namespace machete::python
