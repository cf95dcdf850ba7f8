"""A family's source files: rendered from the templates, written whole or not at all."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from machete.generator import heuristics
from machete.generator.config import (
    ImplConfig,
    KernelSchedule,
    ScheduleConfig,
    TypeConfig,
    generate_sch_sig,
    generate_type_option_name,
    prepack_types,
)
from machete.generator.costs import COST_TERMS
from machete.generator.datatypes import DataType
from machete.generator.resources import Resources, resources, widths

# Beside the package in a checkout and in Bazel's runfiles alike; links are not followed, since
# runfiles are links to files that lie apart.
_TEMPLATES = Path(__file__).absolute().parents[2] / "templates"

_COMMON_MMA_TOKENS = (8, 16, 32, 64, 96, 128, 192, 256)
"""CuTe has others' wgmma in a header apart, which it reads when told to: a second a shard."""


def shard_file(schedule: ScheduleConfig) -> str:
    """Names the file that holds one kernel."""
    return f"impl_{generate_sch_sig(schedule)}.cu"


def family_files(family: ImplConfig) -> list[str]:
    """Names the files of a family, sorted."""
    shards = (shard_file(schedule) for schedule in family.schedules)
    return sorted(["dispatch.cu", "prepack.cu", *shards])


def render_family(family: ImplConfig) -> dict[str, str]:
    """Renders all files of a family that passes the constraints, by file name."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["signature"] = generate_sch_sig

    def render(template: str, **values: object) -> str:
        return environment.get_template(template).render(
            family=generate_type_option_name(family.types), types=family.types, **values
        )

    impl_files = {}
    for schedule in family.schedules:
        tokens = widths(family.types, schedule)
        taken = _resources(family.types, schedule)
        mmas = _mma_tokens(schedule, tokens, taken)
        impl_files[shard_file(schedule)] = render(
            "impl.cu.j2",
            schedule=schedule,
            widths=tokens,
            mmas=[_mma_atom(family.types, mma) for mma in mmas],
            extended_mma=not set(mmas) <= set(_COMMON_MMA_TOKENS),
            resources=taken,
        )
    return impl_files | {
        "dispatch.cu": render(
            "dispatch.cu.j2",
            type_list=_type_values(family.types),
            schedules=sorted(family.schedules, key=generate_sch_sig),
            branches=[
                (heuristics.parse(text).cpp() if text is not None else None, choice)
                for text, choice in family.heuristic
            ],
            cost_terms=COST_TERMS,
        ),
        "prepack.cu": render("prepack.cu.j2", prepack=prepack_types(family.types)),
    }


def write_files(files: Mapping[Path, str]) -> None:
    """Writes texts to paths; files that already hold theirs are left untouched.

    Nothing is replaced before everything has been written under a temporary name.
    """
    contents = {path: text.encode() for path, text in files.items()}
    changed = {
        path: content
        for path, content in contents.items()
        if not path.is_file() or path.read_bytes() != content
    }
    # The process id keeps two generators that write to one folder apart.
    temporaries = {path.with_name(f".{path.name}.{os.getpid()}"): path for path in changed}
    try:
        for temporary, path in temporaries.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(changed[path])
        for temporary, path in temporaries.items():
            temporary.replace(path)
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def _type_values(types: TypeConfig) -> list[DataType]:
    return [getattr(types, field.name) for field in dataclasses.fields(types)]


def _resources(types: TypeConfig, schedule: ScheduleConfig) -> Resources | None:
    """None where the kernel takes what the problem leaves it, at run time."""
    if schedule.kernel_schedule.is_streaming:
        return None
    return resources(types, schedule)


def _mma_tokens(
    schedule: ScheduleConfig, tokens: Sequence[int], taken: Resources | None
) -> list[int]:
    """Of its wgmma: one for each width that a tile may have, or for a part of it."""
    if schedule.kernel_schedule is KernelSchedule.TmaWarpSpecializedStreaming:
        return []
    parts = 1 if taken is None else taken.parts
    return [width // parts for width in tokens]


def _mma_atom(types: TypeConfig, tokens: int) -> str:
    """Names CuTe's wgmma with the dequantised weights from registers; its K is 32 bytes."""
    weights = prepack_types(types).convert
    tags = f"{types.accumulator.mma}{weights.mma}{types.a.mma}"
    atom = f"MMA_64x{tokens}x{256 // weights.bits}_{tags}_RS"
    if weights.bits == 16:
        return f"{atom}<cute::SM90::GMMA::Major::K, cute::SM90::GMMA::Major::K>"
    # Operands of 8 bits are K-major always.
    return f"{atom}_TN" + ("" if weights is DataType.s8 else "<>")
