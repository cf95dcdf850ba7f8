"""A family with some of its schedules: what a program that knows its shapes is built with."""

import dataclasses
from collections.abc import Mapping, Sequence

from machete.generator.config import FastestOf, ImplConfig, ScheduleConfig, generate_sch_sig
from machete.generator.errors import GeneratorError

_Choice = ScheduleConfig | FastestOf


def restrict_families(
    families: Mapping[str, ImplConfig], names: Sequence[str]
) -> dict[str, ImplConfig]:
    """Restricts each family to those of the named schedules that it has.

    Raises one GeneratorError that lists the names that no family has, the names stated twice, and
    the families that would be left without a schedule.
    """
    own = {name: _signatures(family) for name, family in families.items()}
    known = sorted(set().union(*own.values()))
    problems = [
        f"schedule {name}: unknown; allowed: {', '.join(known)}"
        for name in dict.fromkeys(names)
        if name not in known
    ]
    problems += [
        f"schedule {name}: stated {names.count(name)} times; allowed: once"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if not problems:
        problems = [
            f"family {family}: has none of the schedules {', '.join(names)};"
            f" allowed: {', '.join(sorted(signatures))}"
            for family, signatures in own.items()
            if not set(names) & set(signatures)
        ]
    if problems:
        raise GeneratorError("\n".join(problems))
    return {
        family: restrict(config, [name for name in names if name in own[family]])
        for family, config in families.items()
    }


def restrict(family: ImplConfig, names: Sequence[str]) -> ImplConfig:
    """Restricts a family to the named ones of its schedules, and its heuristic with them.

    A condition whose schedule is gone is dropped, so that a later one decides. "The fastest of"
    keeps the schedules that are left, and is dropped where none is. If the default is dropped, the
    last of the names takes its place.
    """
    schedules = {generate_sch_sig(schedule): schedule for schedule in family.schedules}
    kept = [schedules[name] for name in names]
    heuristic = [
        (condition, left)
        for condition, choice in family.heuristic
        if (left := _restrict_choice(choice, kept)) is not None
    ]
    if not heuristic or heuristic[-1][0] is not None:
        heuristic.append((None, kept[-1]))
    return dataclasses.replace(
        family,
        schedules=tuple(schedule for schedule in family.schedules if schedule in kept),
        heuristic=tuple(heuristic),
    )


def _restrict_choice(choice: _Choice, kept: Sequence[ScheduleConfig]) -> _Choice | None:
    if not isinstance(choice, FastestOf):
        return choice if choice in kept else None
    costs = tuple((schedule, terms) for schedule, terms in choice.costs if schedule in kept)
    return FastestOf(costs) if costs else None


def _signatures(family: ImplConfig) -> list[str]:
    return [generate_sch_sig(schedule) for schedule in family.schedules]
