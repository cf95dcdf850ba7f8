// Problems and plans' options as text, which Python's caches and the graphs of PyTorch and XLA
// hold: words "name=value" separated by spaces, for the fields of ProblemDesc, TypeSet and
// PlanOptions. A type that is not named is void, but for the accumulator, which is f32 or, for
// a = s8, s32.
#pragma once

#include <string>
#include <string_view>

#include "machete/machete.h"

namespace machete::python {

struct Problem {
  ProblemDesc desc;
  std::string schedule;  // empty: the family's heuristic chooses
  bool programmatic_dependent_launch = false;

  // The pointers into this problem are valid as long as it is.
  PlanOptions options() const {
    return {schedule.empty() ? nullptr : schedule.c_str(), programmatic_dependent_launch};
  }
};

// Throws Python's ValueError.
Problem parse_problem(std::string_view text);

}  // namespace machete::python
