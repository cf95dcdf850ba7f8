"""What the kernels can run. All that is wrong with a catalogue is reported at once."""

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from machete.generator import heuristics
from machete.generator.config import (
    EpilogueSchedule,
    FastestOf,
    ImplConfig,
    KernelSchedule,
    ScheduleConfig,
    TileScheduler,
    TypeConfig,
    generate_sch_sig,
    generate_type_option_name,
)
from machete.generator.costs import COST_TERMS
from machete.generator.datatypes import DataType
from machete.generator.errors import GeneratorError
from machete.generator.resources import MAX_SHARED_BYTES, geometries, resources

_VOID = (DataType.void,)


def _weight_only(a: DataType) -> dict[str, tuple[DataType, ...]]:
    """Weights dequantised to the activations' type, with group scales of that type too."""
    return {
        "b_group_scale": (a,),
        "b_group_zeropoint": _VOID,
        "b_channel_scale": _VOID,
        "a_token_scale": _VOID,
        "out": (a,),
        "accumulator": (DataType.f32,),
    }


RUNNABLE_TYPES: dict[DataType, dict[DataType, dict[str, tuple[DataType, ...]]]] = {
    DataType.bf16: {DataType.u4b8: _weight_only(DataType.bf16)},
    DataType.f16: {DataType.u4b8: _weight_only(DataType.f16)},
}
"""By activations, then by weights: what each other field of a TypeConfig may be."""

TILE_TOKENS = (16, 32, 64, 96, 128, 192, 256)
"""Sizes that wgmma computes and the epilogue can store."""

CLUSTERS: dict[tuple[int, int, int], dict[str, enum.Enum]] = {
    (1, 1, 1): {},
    # Two CTAs side by side along the features share the activations by multicast.
    (2, 1, 1): {"kernel_schedule": KernelSchedule.TmaWarpSpecializedCooperative},
    # The CTAs split K of one tile.
    (1, 1, 2): {"tile_scheduler": TileScheduler.Persistent},
    (1, 1, 4): {"tile_scheduler": TileScheduler.Persistent},
}
"""By shape: what else a schedule with such a cluster must be."""

MAX_ACCUMULATORS = {2: 128, 3: 64}
"""By consumer warpgroups: registers a thread can accumulate in without spilling."""

SPILLING_TILES = ((192, 64),)
"""Tiles whose accumulators would fit, and that ptxas 13.0 nevertheless compiles with spills."""

MIN_STAGES = 3
"""Fewer cannot hide a load behind the two blocks in flight."""

_SCHEDULE_ENUMS: dict[str, type[enum.Enum]] = {
    "kernel_schedule": KernelSchedule,
    "epilogue_schedule": EpilogueSchedule,
    "tile_scheduler": TileScheduler,
}
_SCHEDULE_SHAPES = {"tile_shape_mn": 2, "cluster_shape_mnk": 3}


def check_families(families: Sequence[ImplConfig]) -> None:
    """Raises one GeneratorError that lists all problems of all families."""
    problems = list(_catalogue_problems(families))
    if problems:
        raise GeneratorError("\n".join(problems))


def _catalogue_problems(families: Sequence[ImplConfig]) -> Iterator[str]:
    if not families:
        yield "the catalogue has no families"
    names = [_family_name(family) for family in families]
    for name in _duplicates(names):
        yield f"family {name}: stated {names.count(name)} times; allowed: once"
    for name, family in zip(names, families, strict=True):
        for problem in _family_problems(family):
            yield f"family {name}, {problem}"


def _family_problems(family: ImplConfig) -> Iterator[str]:
    type_problems = list(_type_problems(family.types))
    yield from (f"types: {problem}" for problem in type_problems)

    if not family.schedules:
        yield "schedules: none; allowed: one or more"
    names = [_schedule_name(schedule) for schedule in family.schedules]
    for name in _duplicates(names):
        yield f"schedule {name}: stated {names.count(name)} times; allowed: once"
    for name, schedule in zip(names, family.schedules, strict=True):
        problems = list(_schedule_problems(schedule))
        # What a schedule takes can be computed only where schedule and types make sense.
        if not problems and not type_problems:
            problems = list(_resource_problems(family.types, schedule))
        yield from (f"schedule {name}: {problem}" for problem in problems)

    yield from _heuristic_problems(family)


def _type_problems(types: TypeConfig) -> Iterator[str]:
    if types.a not in RUNNABLE_TYPES:
        yield _problem("a", types.a, RUNNABLE_TYPES)
        return
    by_weights = RUNNABLE_TYPES[types.a]
    if types.b not in by_weights:
        yield _problem("b", types.b, by_weights, f" with a = {_spell(types.a)}")
        return
    for field, allowed in by_weights[types.b].items():
        if getattr(types, field) not in allowed:
            context = f" with a = {_spell(types.a)}, b = {_spell(types.b)}"
            yield _problem(field, getattr(types, field), allowed, context)


def _schedule_problems(schedule: ScheduleConfig) -> Iterator[str]:
    malformed = list(_form_problems(schedule))
    if malformed:
        yield from malformed
        return

    kernel_schedule = schedule.kernel_schedule
    features, tokens = schedule.tile_shape_mn
    tiles = geometries(kernel_schedule)
    if features not in tiles:
        context = f" with kernel_schedule = {_spell(kernel_schedule)}"
        yield _problem("tile_shape_mn features", features, tiles, context)
    if tokens not in TILE_TOKENS:
        yield _problem("tile_shape_mn tokens", tokens, TILE_TOKENS)

    cluster = schedule.cluster_shape_mnk
    if cluster not in CLUSTERS:
        yield _problem("cluster_shape_mnk", cluster, CLUSTERS)
        return
    for field, required in CLUSTERS[cluster].items():
        if getattr(schedule, field) != required:
            context = f" with cluster_shape_mnk = {_spell(cluster)}"
            yield _problem(field, getattr(schedule, field), (required,), context)


def _form_problems(schedule: ScheduleConfig) -> Iterator[str]:
    for field, members in _SCHEDULE_ENUMS.items():
        value = getattr(schedule, field)
        if not isinstance(value, members):
            yield _problem(field, value, members)
    for field, length in _SCHEDULE_SHAPES.items():
        value = getattr(schedule, field)
        if not isinstance(value, tuple) or len(value) != length:
            yield f"{field} = {_spell(value)}; allowed: tuples of {length} integers"


def _resource_problems(types: TypeConfig, schedule: ScheduleConfig) -> Iterator[str]:
    taken = resources(types, schedule)
    warpgroups = taken.geometry.warpgroups
    if taken.accumulators > MAX_ACCUMULATORS[warpgroups]:
        yield (
            f"accumulator registers a thread = {taken.accumulators};"
            f" allowed with {warpgroups} consumer warpgroups: {MAX_ACCUMULATORS[warpgroups]}"
        )
    if schedule.tile_shape_mn in SPILLING_TILES:
        yield (
            f"tile_shape_mn = {_spell(schedule.tile_shape_mn)}: the compiler spills its registers;"
            " allowed: tiles that it does not spill for"
        )
    if taken.stages < MIN_STAGES:
        yield (
            f"pipeline stages = {taken.stages}; allowed: {MIN_STAGES} or more"
            f" (a stage takes {taken.stage_bytes} bytes of shared memory, the rest"
            f" {taken.fixed_bytes}, a block has {MAX_SHARED_BYTES})"
        )
    room = taken.stages * taken.stage_activation_bytes
    if taken.cluster_reduction_bytes > room:
        yield (
            f"cluster_shape_mnk = {_spell(schedule.cluster_shape_mnk)}: the partial sums take"
            f" {taken.cluster_reduction_bytes} bytes; allowed: {room}, the activations' part of"
            " the pipeline"
        )


def _heuristic_problems(family: ImplConfig) -> Iterator[str]:
    if not family.heuristic:
        yield "heuristic: none; allowed: conditions, then one default (condition None)"
        return
    conditions: list[heuristics.Condition | None] = []
    complete = True
    for index, (text, choice) in enumerate(family.heuristic):
        for problem in _choice_problems(family, choice):
            yield f"{_branch(family, index)}: {problem}"
        try:
            conditions.append(None if text is None else heuristics.parse(text))
        except GeneratorError as error:
            complete = False
            yield f"{_branch(family, index)}: {error}"

    last = len(family.heuristic) - 1
    defaults = [index for index, (text, _) in enumerate(family.heuristic) if text is None]
    for index in defaults:
        if index != last:
            yield f"{_branch(family, index)}: a default; allowed: as the last branch only"
    if last not in defaults:
        yield f"{_branch(family, last)}: the last; allowed there: a default (condition None)"
    if complete and defaults == [last]:
        for index in heuristics.unreachable(conditions):
            yield f"{_branch(family, index)}: never the first that holds; allowed: reachable ones"


def _choice_problems(family: ImplConfig, choice: ScheduleConfig | FastestOf) -> Iterator[str]:
    if isinstance(choice, FastestOf):
        if not choice.costs:
            yield "the fastest of no schedules; allowed: of one or more"
        yield from _cost_problems(choice)
        schedules = [schedule for schedule, _ in choice.costs]
    else:
        schedules = [choice]
    known = ", ".join(map(_schedule_name, family.schedules))
    for schedule in schedules:
        if schedule not in family.schedules:
            name = _schedule_name(schedule)
            yield f"schedule {name} is not one of the family's; allowed: {known}"


def _cost_problems(choice: FastestOf) -> Iterator[str]:
    names = [_schedule_name(schedule) for schedule, _ in choice.costs]
    for name in _duplicates(names):
        yield f"schedule {name}: stated {names.count(name)} times; allowed: once"
    for name, (_, costs) in zip(names, choice.costs, strict=True):
        if len(costs) != len(COST_TERMS) or min(costs) < 0:
            yield (
                f"costs of schedule {name} = {costs};"
                f" allowed: {len(COST_TERMS)} numbers, none negative ({', '.join(COST_TERMS)})"
            )


def _branch(family: ImplConfig, index: int) -> str:
    text, _ = family.heuristic[index]
    return f"heuristic branch {index + 1} ({'default' if text is None else text})"


def _problem(field: str, value: object, allowed: Iterable[object], context: str = "") -> str:
    choices = ", ".join(_spell(choice) for choice in allowed)
    return f"{field} = {_spell(value)}; allowed{context}: {choices}"


def _spell(value: object) -> str:
    match value:
        case enum.Enum():
            return value.name
        case tuple():
            return "x".join(map(str, value))
        case _:
            return repr(value)


def _duplicates(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _family_name(family: ImplConfig) -> str:
    """The family's name, or all of its types where one of them is none of ours."""
    try:
        return generate_type_option_name(family.types)
    except AttributeError:
        return str(family.types)


def _schedule_name(schedule: ScheduleConfig) -> str:
    """The schedule's signature, or all of its fields where one of them is none of ours."""
    try:
        return generate_sch_sig(schedule)
    except (AttributeError, TypeError):
        return str(schedule)
