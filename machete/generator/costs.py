"""What launches cost: the constants of the run-time cost model, one row of a file a schedule.

tools/tune/fit.py writes the file from measured times.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from machete.generator.config import FastestOf, ScheduleConfig, generate_sch_sig
from machete.generator.errors import GeneratorError

COST_TERMS = (
    "launch",
    "tiles",
    "steps",
    "filled_steps",
    "busy_steps",
    "spared_steps",
    "sharing",
    "straddling",
    "helpers",
    "weights",
    "rereads",
)
"""What is counted of a launch, as machete/runtime/cost.h explains and orders it."""

Costs = dict[str, tuple[float, ...]]
"""Microseconds for each term, by schedule."""


def read_costs(path: Path) -> Costs:
    """Reads a file that write_costs() has written."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    if header != ["schedule", *COST_TERMS]:
        raise GeneratorError(f"{path}: columns {', '.join(header)}; allowed: {_columns()}")
    return {name: tuple(map(float, costs)) for name, *costs in rows}


def write_costs(path: Path, costs: Mapping[str, Iterable[float]]) -> None:
    """Writes costs with four digits, sorted."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["schedule", *COST_TERMS])
        for name, terms in sorted(costs.items()):
            rows.writerow([name, *(f"{cost:.4g}" for cost in terms)])


def fastest_of(schedules: Iterable[ScheduleConfig], costs: Costs) -> FastestOf:
    """The choice among those schedules whose costs are known."""
    named = ((generate_sch_sig(schedule), schedule) for schedule in schedules)
    return FastestOf(tuple((schedule, costs[name]) for name, schedule in named if name in costs))


def _columns() -> str:
    return ", ".join(["schedule", *COST_TERMS])
