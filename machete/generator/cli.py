"""The command line: `python -m machete.generator` and `bazel run //machete:generate`."""

import argparse
import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from machete.generator.catalogue import FAMILIES
from machete.generator.config import (
    EpilogueSchedule,
    ImplConfig,
    KernelSchedule,
    TileScheduler,
    generate_sch_sig,
    generate_type_option_name,
    generate_type_signature,
)
from machete.generator.constraints import check_families
from machete.generator.datatypes import DataType
from machete.generator.described import read_families
from machete.generator.errors import GeneratorError
from machete.generator.render import family_files, render_family, shard_file, write_files
from machete.generator.subset import restrict_families

_STARLARK_HEADER = '''\
"""What Bazel must know at loading: the shards of each family, and the names in use.

Written by `machete.generator --starlark`: do not edit.
"""

'''


_ENUMS = (
    ("EPILOGUE_SCHEDULES", "epilogue", EpilogueSchedule),
    ("KERNEL_SCHEDULES", "kernel", KernelSchedule),
    ("TILE_SCHEDULERS", "scheduler", TileScheduler),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the generator; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        families = _select(_load(options.catalogue, options.families), options.family)
        if options.schedules:
            families = restrict_families(families, options.schedules)
        if options.list:
            print(_listing(families, options.format))
        elif options.out:
            write_files(
                {
                    options.out / name / file: text
                    for name, family in families.items()
                    for file, text in render_family(family).items()
                }
            )
        elif options.outputs:
            write_files(_place(families, options.outputs))
        elif options.starlark:
            write_files({options.starlark: _starlark(families)})
    except GeneratorError as error:
        print(f"machete.generator: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="machete.generator",
        description="Writes the CUDA sources of Machete's kernels.",
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--out", type=Path, metavar="DIR", help="write all files below a folder")
    action.add_argument(
        "--outputs",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="write exactly these files, the ones of the one family named",
    )
    action.add_argument(
        "--starlark", type=Path, metavar="FILE", help="write what Bazel needs to know at loading"
    )
    action.add_argument(
        "--list", action="store_true", help="print families, their schedules and files"
    )
    action.add_argument("--check", action="store_true", help="only check the catalogue")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--catalogue",
        type=Path,
        metavar="FILE",
        help="a Python file that defines FAMILIES, instead of Machete's own catalogue",
    )
    source.add_argument(
        "--families",
        type=Path,
        metavar="FILE",
        help="families in JSON, as described.py describes it, instead of Machete's own catalogue",
    )
    parser.add_argument("--family", nargs="+", metavar="NAME", help="only these families")
    parser.add_argument(
        "--schedules",
        nargs="+",
        metavar="NAME",
        help="of these families only these schedules; the last is the default where the"
        " heuristic's own is gone",
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="how --list prints"
    )
    return parser


def _load(catalogue: Path | None, described: Path | None) -> dict[str, ImplConfig]:
    """Reads and checks a catalogue; returns its families by name, sorted."""
    families: Sequence[ImplConfig] = FAMILIES
    if described is not None:
        families = read_families(described)
    elif catalogue is not None:
        names = runpy.run_path(str(catalogue)) if catalogue.is_file() else {}
        if "FAMILIES" not in names:
            raise GeneratorError(f"catalogue {catalogue}: allowed: a file that defines FAMILIES")
        families = names["FAMILIES"]
    check_families(families)
    return dict(sorted((generate_type_option_name(family.types), family) for family in families))


def _select(families: dict[str, ImplConfig], names: Sequence[str] | None) -> dict[str, ImplConfig]:
    unknown = [name for name in names or () if name not in families]
    if unknown:
        raise GeneratorError(
            f"family {', '.join(unknown)}: unknown; allowed: {', '.join(families)}"
        )
    return {name: families[name] for name in sorted(names or families)}


def _place(families: dict[str, ImplConfig], outputs: Sequence[Path]) -> dict[Path, str]:
    """Matches the files of one family with the paths to write, by file name."""
    if len(families) != 1:
        raise GeneratorError("--outputs: name one family with --family")
    ((name, family),) = families.items()
    asked = sorted(path.name for path in outputs)
    made = family_files(family)
    if asked != made:
        missing = ", ".join(sorted(set(made) - set(asked))) or "none"
        unknown = ", ".join(sorted(set(asked) - set(made))) or "none"
        raise GeneratorError(
            f"family {name}: --outputs does not name each of its {len(made)} files once;"
            f" missing: {missing}; not the family's: {unknown}"
        )
    texts = render_family(family)
    return {path: texts[path.name] for path in outputs}


def _listing(families: dict[str, ImplConfig], format_: str) -> str:
    listing = {
        name: {
            "types": [generate_type_signature(family.types)],
            "schedules": sorted(map(generate_sch_sig, family.schedules)),
            "files": [f"{name}/{file}" for file in family_files(family)],
        }
        for name, family in families.items()
    }
    if format_ == "json":
        return json.dumps(listing, indent=2)
    lines = []
    for name, parts in listing.items():
        lines.append(name)
        for part, values in parts.items():
            lines.append(f"  {part}")
            lines += (f"    {value}" for value in values)
    return "\n".join(lines)


def _starlark(families: dict[str, ImplConfig]) -> str:
    lines = ["FAMILIES = {"]
    for name, family in families.items():
        lines.append(f'    "{name}": [')
        lines += (f'        "{file}",' for file in sorted(map(shard_file, family.schedules)))
        lines.append("    ],")
    lines.append("}")
    lines += ["", "# The names of data types.", "DATA_TYPES = ["]
    lines += (f'    "{type_.name}",' for type_ in sorted(DataType, key=lambda type_: type_.name))
    lines.append("]")
    for constant, field, members in _ENUMS:
        lines += ["", f"# What `{field}` of a schedule may be, and how it is spelt in the name."]
        lines.append(f"{constant} = {{")
        lines += (f'    "{m.name}": "{m.tag}",' for m in sorted(members, key=lambda m: m.name))
        lines.append("}")
    return _STARLARK_HEADER + "\n".join(lines) + "\n"
