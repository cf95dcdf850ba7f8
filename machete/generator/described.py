"""Families described in JSON, as machete_family in machete/private/family.bzl writes them.

    [
      {
        "types": {"a": "bf16", "b": "u4b8", "a_token_scale": "void"},
        "schedules": [
          {
            "tile": [128, 64],
            "cluster": [1, 1, 1],
            "kernel": "TmaWarpSpecializedCooperative",
            "epilogue": "TmaWarpSpecialized",
            "scheduler": "StreamK"
          }
        ],
        "heuristic": [["M <= 16", "<the name of a schedule>"], [null, "<of another>"]]
      }
    ]

Types that are left out are those that a family of these activations and weights usually has
(default_types() in config.py). Here only the form is checked. A name that is none of ours stays a
string, which constraints.py then refuses with what is allowed.
"""

import dataclasses
import enum
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from machete.generator.config import (
    EpilogueSchedule,
    ImplConfig,
    KernelSchedule,
    ScheduleConfig,
    TileScheduler,
    TypeConfig,
    default_types,
    generate_sch_sig,
)
from machete.generator.datatypes import DataType
from machete.generator.errors import GeneratorError

_FAMILY_KEYS = ("types", "schedules", "heuristic")
_TYPE_KEYS = tuple(field.name for field in dataclasses.fields(TypeConfig))
_SCHEDULE_KEYS = ("tile", "cluster", "kernel", "epilogue", "scheduler")


def read_families(path: Path) -> list[ImplConfig]:
    """Reads the families of a file; raises GeneratorError where it does not have this form."""
    try:
        families = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise GeneratorError(f"families {path}: {error}; allowed: a JSON file") from error
    try:
        if not isinstance(families, list):
            raise GeneratorError("allowed: a list of families")
        return [_family(family) for family in families]
    except GeneratorError as error:
        raise GeneratorError(f"families {path}: {error}") from error


def _family(family: Any) -> ImplConfig:
    _check_keys("a family", family, _FAMILY_KEYS)
    for part in ("schedules", "heuristic"):
        if not isinstance(family[part], list):
            raise GeneratorError(f"{part} = {json.dumps(family[part])}; allowed: a list")
    schedules = [_schedule(schedule) for schedule in family["schedules"]]
    return ImplConfig(
        types=_types(family["types"]),
        schedules=schedules,
        heuristic=[_branch(branch, schedules) for branch in family["heuristic"]],
    )


def _types(types: Any) -> TypeConfig:
    if not isinstance(types, dict) or not {"a", "b"} <= set(types) <= set(_TYPE_KEYS):
        _check_keys("types", types, _TYPE_KEYS)
    members = {key: _member(DataType, name) for key, name in types.items()}
    return dataclasses.replace(default_types(members["a"], members["b"]), **members)


def _schedule(schedule: Any) -> ScheduleConfig:
    _check_keys("a schedule", schedule, _SCHEDULE_KEYS)
    for key in ("tile", "cluster"):
        shape = schedule[key]
        # The exact type, since True and False are integers too.
        if not isinstance(shape, list) or not all(type(size) is int for size in shape):
            raise GeneratorError(f"{key} = {json.dumps(shape)}; allowed: a list of integers")
    return ScheduleConfig(
        tile_shape_mn=tuple(schedule["tile"]),
        cluster_shape_mnk=tuple(schedule["cluster"]),
        kernel_schedule=_member(KernelSchedule, schedule["kernel"]),
        epilogue_schedule=_member(EpilogueSchedule, schedule["epilogue"]),
        tile_scheduler=_member(TileScheduler, schedule["scheduler"]),
    )


def _branch(branch: Any, schedules: Iterable[ScheduleConfig]) -> tuple[str | None, Any]:
    match branch:
        case [None | str() as condition, str() as name]:
            return condition, next((s for s in schedules if _is_named(s, name)), name)
        case _:
            raise GeneratorError(
                f"heuristic branch {json.dumps(branch)};"
                " allowed: [a condition or null, the name of a schedule]"
            )


def _is_named(schedule: ScheduleConfig, name: str) -> bool:
    try:
        return generate_sch_sig(schedule) == name
    except AttributeError:  # a schedule with a name that is none of ours
        return False


def _member(members: type[enum.Enum], name: Any) -> Any:
    if not isinstance(name, str):
        raise GeneratorError(f"{json.dumps(name)} in place of a name; allowed: strings")
    return members.__members__.get(name, name)


def _check_keys(what: str, value: Any, keys: Iterable[str]) -> None:
    if not isinstance(value, dict) or set(value) != set(keys):
        found = ", ".join(value) if isinstance(value, dict) else json.dumps(value)
        raise GeneratorError(f"{what} with {found or 'nothing'}; allowed: {', '.join(keys)}")
