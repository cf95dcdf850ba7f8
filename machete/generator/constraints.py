"""What the kernels can run. All that is wrong with a catalogue is reported at once."""

import dataclasses
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
from machete.generator.resources import (
    MAX_SHARED_BYTES,
    Geometry,
    geometries,
    promotes,
    resources,
)

_VOID = (DataType.void,)
_OPTIONAL = (DataType.f32, DataType.void)


def _weight_only(a: DataType, b: DataType) -> dict[str, tuple[DataType, ...]]:
    """Weights dequantised to the activations' type."""
    return {
        "b_group_scale": (DataType.ue8m0, DataType.e4m3) if b is DataType.e2m1 else (a,),
        "b_group_zeropoint": (a,) if b in (DataType.u4, DataType.u8) else _VOID,
        "b_channel_scale": _OPTIONAL,
        "a_token_scale": _OPTIONAL,
        "out": (a, DataType.f32),
        "accumulator": (DataType.f32,),
    }


def _small_activations(a: DataType) -> dict[str, tuple[DataType, ...]]:
    """Weights brought to the type of activations of 8 bits.

    Group scales of that type are multiplied into them, others are applied to sums.
    """
    return {
        "b_group_scale": (DataType.bf16, DataType.f16, a, DataType.void),
        "b_group_zeropoint": _VOID,
        "b_channel_scale": _OPTIONAL,
        "a_token_scale": _OPTIONAL,
        "out": (DataType.bf16, DataType.f16, DataType.f32),
        "accumulator": (DataType.s32 if a is DataType.s8 else DataType.f32,),
    }


_WEIGHTS = (
    DataType.u4b8,
    DataType.u4,
    DataType.u8b128,
    DataType.u8,
    DataType.e4m3,
    DataType.e2m1,
)

RUNNABLE_TYPES: dict[DataType, dict[DataType, dict[str, tuple[DataType, ...]]]] = {
    a: {b: _weight_only(a, b) for b in _WEIGHTS} for a in (DataType.bf16, DataType.f16)
} | {a: {DataType.u4b8: _small_activations(a)} for a in (DataType.e4m3, DataType.s8)}
"""By activations, then by weights: what each other field of a TypeConfig may be."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """What a kernel schedule has code for."""

    features: tuple[int, ...]
    """Of a tile."""
    tokens: tuple[int, ...]
    """Of a tile."""
    epilogue: EpilogueSchedule
    clusters: dict[tuple[int, int, int], tuple[TileScheduler, ...]]
    """By shape: the tile schedulers that go with it."""


# Sizes that wgmma computes and the epilogue can store.
_WGMMA_TOKENS = (16, 32, 64, 96, 128, 160, 192, 256)
# Alone, or several CTAs that split K of one tile.
_WGMMA_CLUSTERS = {
    (1, 1, 1): tuple(TileScheduler),
    (1, 1, 2): (TileScheduler.Persistent,),
    (1, 1, 4): (TileScheduler.Persistent,),
}

KERNELS = {
    KernelSchedule.TmaWarpSpecializedCooperative: Kernel(
        features=tuple(geometries(KernelSchedule.TmaWarpSpecializedCooperative)),
        tokens=_WGMMA_TOKENS,
        epilogue=EpilogueSchedule.TmaWarpSpecialized,
        # Two CTAs side by side along the features share the activations by multicast.
        clusters=_WGMMA_CLUSTERS | {(2, 1, 1): tuple(TileScheduler)},
    ),
    KernelSchedule.TmaWarpSpecializedSlicedK: Kernel(
        features=tuple(geometries(KernelSchedule.TmaWarpSpecializedSlicedK)),
        tokens=_WGMMA_TOKENS,
        epilogue=EpilogueSchedule.TmaWarpSpecialized,
        clusters=_WGMMA_CLUSTERS,
    ),
    KernelSchedule.TmaWarpSpecializedStreaming: Kernel(
        # Two slices of 16 features for each of at most seven warps; wider passes are slower.
        features=tuple(range(32, 225, 32)),
        tokens=(8, 16),
        epilogue=EpilogueSchedule.NoSmemWarpSpecialized,
        clusters={(1, 1, 2): (TileScheduler.Persistent,)},
    ),
    KernelSchedule.TmaWarpSpecializedStreamingWgmma: Kernel(
        # 64 features for each of at most four warpgroups.
        features=tuple(range(64, 257, 64)),
        tokens=(32, 64),
        epilogue=EpilogueSchedule.NoSmemWarpSpecialized,
        clusters={(1, 1, 2): (TileScheduler.Persistent,)},
    ),
}


def _max_accumulators(types: TypeConfig, schedule: ScheduleConfig, geometry: Geometry) -> int:
    """Registers a thread can accumulate in without spilling; found by compiling."""
    if geometry.warpgroups == 3:
        return 64
    # The loop that scales groups apart needs few registers for a single block.
    alone = geometry.blocks == 1 and schedule.cluster_shape_mnk == (1, 1, 1)
    return 192 if promotes(types) and alone else 128


SPILLING_TILES = ((192, 64),)
"""Tiles whose accumulators would fit, and that ptxas 13.0 nevertheless compiles with spills."""

MAX_STREAMING_TOKENS = {16: 32, 8: 64}
"""Of a tile of the streaming kernels, by bits of an activation."""

MIN_STAGES = 3
"""Fewer cannot hide a load behind the two blocks in flight."""

MAX_SCHEDULES = 32
"""Of a family: kMaxSchedules of a Plan in machete.h."""

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
    if len(family.schedules) > MAX_SCHEDULES:
        yield f"schedules: {len(family.schedules)}; allowed: up to {MAX_SCHEDULES}"
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

    kernel = KERNELS[schedule.kernel_schedule]
    context = f" with kernel_schedule = {_spell(schedule.kernel_schedule)}"
    features, tokens = schedule.tile_shape_mn
    cluster = schedule.cluster_shape_mnk
    for field, value, allowed in (
        ("tile_shape_mn features", features, kernel.features),
        ("tile_shape_mn tokens", tokens, kernel.tokens),
        ("epilogue_schedule", schedule.epilogue_schedule, (kernel.epilogue,)),
        ("cluster_shape_mnk", cluster, kernel.clusters),
    ):
        if value not in allowed:
            yield _problem(field, value, allowed, context)
    schedulers = kernel.clusters.get(cluster, tuple(TileScheduler))
    if schedule.tile_scheduler not in schedulers:
        context = f" with cluster_shape_mnk = {_spell(cluster)}"
        yield _problem("tile_scheduler", schedule.tile_scheduler, schedulers, context)


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
    if schedule.kernel_schedule.is_streaming:
        # Shared memory it takes as the problem leaves it, at run time.
        tokens, most = schedule.tile_shape_mn[1], MAX_STREAMING_TOKENS[types.a.bits]
        if tokens > most:
            yield (
                f"tile_shape_mn tokens = {tokens};"
                f" allowed with a = {_spell(types.a)}: up to {most} (more may spill registers)"
            )
        return
    # The epilogue stores 16 tokens at a time.
    part = schedule.tile_shape_mn[1] // schedule.cluster_shape_mnk[2]
    if part % 16 != 0:
        yield (
            f"tile_shape_mn tokens = {schedule.tile_shape_mn[1]}; allowed with"
            f" cluster_shape_mnk = {_spell(schedule.cluster_shape_mnk)}:"
            f" multiples of {16 * schedule.cluster_shape_mnk[2]}"
        )
    taken = resources(types, schedule)
    most = _max_accumulators(types, schedule, taken.geometry)
    if taken.accumulators > most:
        yield (
            f"accumulator registers a thread = {taken.accumulators};"
            f" allowed with {schedule.tile_shape_mn[0]} features,"
            f" cluster_shape_mnk = {_spell(schedule.cluster_shape_mnk)}: {most}"
        )
    if schedule.tile_shape_mn in SPILLING_TILES:
        yield (
            f"tile_shape_mn = {_spell(schedule.tile_shape_mn)}: the compiler spills its registers;"
            " allowed: tiles that it does not spill for"
        )
    if taken.stages < MIN_STAGES:
        yield (
            f"pipeline stages = {taken.stages}; allowed: {MIN_STAGES} or more"
            f" ({MIN_STAGES} take {taken.pipeline_bytes(MIN_STAGES)} bytes of shared memory,"
            f" the rest {taken.fixed_bytes}, a block has {MAX_SHARED_BYTES})"
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
            continue
        cost = dict(zip(COST_TERMS, costs, strict=True))
        if cost["spared_steps"] > cost["steps"] + cost["busy_steps"]:
            yield (
                f"costs of schedule {name}: spared_steps = {cost['spared_steps']};"
                f" allowed: not more than steps + busy_steps = {cost['steps'] + cost['busy_steps']}"
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
