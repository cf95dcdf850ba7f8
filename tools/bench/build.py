#!/usr/bin/env python3
"""Builds Machete without Bazel: the generator, then nvcc on every core.

    build.py --cutlass DIR                                # the library that bench.py loads
    build.py --cutlass DIR --catalogue FILE               # the same with other kernels
    build.py --cutlass DIR --output PROGRAM SOURCE...     # a program of one's own

Needs a CUDA toolkit, CUTLASS's headers and a Python with jinja2. Objects stay in the build folder:
what has not changed is not compiled again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# Not resolved: a runfiles tree is made of links.
ROOT = Path(__file__).absolute().parents[2]
FOLDER = ROOT / "build"
C_API_SOURCE = ROOT / "tools/bench/c_api.cc"


class BuildError(Exception):
    """A failure whose message is all that the user needs."""


@dataclass(frozen=True)
class Tools:
    """What a build needs of the machine, and where it puts its files."""

    nvcc: Path
    cutlass: Path
    folder: Path = FOLDER
    jobs: int = 1

    def compile_command(self) -> list[str]:
        """How each source is compiled, but for its name and the output's."""
        # The file holds what Starlark and Python have in common, and the reasons.
        options = runpy.run_path(str(ROOT / "machete/private/copts.bzl"))
        architectures = (arch.split(":") for arch in options["ARCHS"])
        return [
            str(self.nvcc),
            "-O2",
            *options["COPTS"],
            *(f"-gencode=arch={virtual},code={real}" for virtual, real in architectures),
            "-Xcompiler=-fPIC",
            f"-I{ROOT}",
            f"-I{ROOT / 'machete/include'}",
            f"-isystem={self.cutlass}",
        ]


def find_nvcc() -> Path:
    """The compiler of $CUDA_PATH, else the one on PATH, else the one in /usr/local/cuda."""
    folder = os.environ.get("CUDA_PATH")
    found = shutil.which(Path(folder, "bin/nvcc")) if folder else shutil.which("nvcc")
    found = found or (None if folder else shutil.which("/usr/local/cuda/bin/nvcc"))
    if not found:
        asked = f"CUDA_PATH {folder}: no bin/nvcc there" if folder else "no nvcc on PATH"
        raise BuildError(f"{asked}; allowed: a CUDA toolkit, named by CUDA_PATH or on PATH")
    return Path(found)


def find_cutlass(folder: Path | None) -> Path:
    """CUTLASS's headers in the folder, else in $CUTLASS_PATH: a checkout or its folder include."""
    variable = os.environ.get("CUTLASS_PATH")
    if folder:
        fault = f"--cutlass {folder}: no cutlass/cutlass.h there"
    elif variable:
        folder, fault = Path(variable), f"CUTLASS_PATH {variable}: no cutlass/cutlass.h there"
    else:
        fault = "no --cutlass and no CUTLASS_PATH"
    for include in [folder, folder / "include"] if folder else []:
        if (include / "cutlass/cutlass.h").is_file():
            return include.absolute()
    raise BuildError(
        f"{fault}; allowed: the folder that CUTLASS's headers are in"
        " (cutlass_library/source/include of the wheel nvidia-cutlass)"
    )


def digest(parts: Iterable[str | bytes]) -> str:
    """A name for all of the parts in their order."""
    result = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        result.update(b"%d:" % len(data) + data)
    return result.hexdigest()[:16]


def prerequisites(rule: str) -> list[Path]:
    """The files that a rule of make, as nvcc -MD writes it, depends on."""
    _, _, files = rule.replace("\\\n", " ").partition(":")
    return [Path(name.replace("\0", " ")) for name in files.replace("\\ ", "\0").split()]


def content_digest(files: Iterable[Path]) -> str | None:
    """The digest of the files' contents; None where one is missing."""
    try:
        return digest(file.read_bytes() for file in files)
    except OSError:
        return None


def run(command: Sequence[str | Path]) -> None:
    """Runs a command; its output is the message if it fails."""
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode:
        raise BuildError(f"{' '.join(map(str, command))}\n{result.stdout.strip()}")


def compile_source(source: Path, command: Sequence[str], objects: Path) -> tuple[Path, bool]:
    """Compiles a source unless that has been done; returns the object and whether it was compiled.

    The object's folder is named for the command and the source's text, wherever that lies:
    catalogues share the files they have in common. Beside the object lies the digest of all that
    the source included. A folder each, as -objtemp names temporary files by the source alone.
    """
    folder = objects / f"{source.stem}-{digest([*command, source.read_bytes()])}"
    object_, rule, included = (folder / name for name in ("object.o", "rule", "included"))

    def headers() -> str | None:
        files = prerequisites(rule.read_text())
        return content_digest(file for file in files if file.name != source.name)

    if included.exists() and included.read_text() == headers():
        return object_, False
    folder.mkdir(parents=True, exist_ok=True)
    run([*command, "-MD", "-MF", rule, "-c", source, "-o", object_])
    included.write_text(headers() or "")
    return object_, True


def generate(folder: Path, options: Sequence[str | Path]) -> list[Path]:
    """Writes the kernels' sources."""
    shutil.rmtree(folder, ignore_errors=True)
    search = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    result = subprocess.run(
        [sys.executable, "-m", "machete.generator", "--out", folder, *options],
        env={**os.environ, "PYTHONPATH": search},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode:
        raise BuildError(result.stderr.strip())
    return sorted(folder.rglob("*.cu"))


def build(
    tools: Tools, output: Path, sources: Sequence[Path], catalogue: Path | None = None
) -> None:
    """Links sources, runtime and kernels: a library where its name ends in .so, else a program."""
    objects, generated = tools.folder / "objects", tools.folder / f"{output.stem}.generated"
    output.parent.mkdir(parents=True, exist_ok=True)
    kernels = generate(generated, ["--catalogue", catalogue] if catalogue else [])
    command = tools.compile_command()
    with ThreadPoolExecutor(tools.jobs) as pool:
        compiled = list(
            pool.map(
                lambda source: compile_source(source, command, objects),
                [*kernels, *sources, *sorted((ROOT / "machete/runtime").glob("*.cc"))],
            )
        )
    made = [object_ for object_, _ in compiled]
    check = ROOT / "machete/private/check_shards.py"
    run([sys.executable, check, objects / "checked", *made[: len(kernels)]])
    # The objects, not an archive of them: nothing refers to a family's registration.
    run([tools.nvcc, *(["-shared"] if output.suffix == ".so" else []), *made, "-o", output])
    print(f"{output}: {sum(new for _, new in compiled)} of {len(made)} files compiled", flush=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What find_tools reads."""
    group = parser.add_argument_group("how to build")
    group.add_argument(
        "--cutlass", type=Path, metavar="DIR", help="CUTLASS's headers, else $CUTLASS_PATH"
    )
    group.add_argument(
        "--build", type=Path, metavar="DIR", default=FOLDER, help="where objects and libraries go"
    )
    group.add_argument(
        "--jobs", type=int, metavar="N", default=os.cpu_count() or 1, help="compilations at a time"
    )


def find_tools(options: argparse.Namespace) -> Tools:
    """Finds what a build needs, or says what is missing."""
    if options.jobs < 1:
        raise BuildError(f"--jobs {options.jobs}: allowed: 1 or more")
    return Tools(find_nvcc(), find_cutlass(options.cutlass), options.build.absolute(), options.jobs)


def path_of_library(folder: Path, catalogue: Path | None) -> Path:
    """Where the benchmark's library goes: a name of its own for each catalogue."""
    return folder / f"lib{catalogue.stem if catalogue else 'machete_bench'}.so"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    parser.add_argument(
        "--catalogue", type=Path, metavar="FILE", help="a file that defines FAMILIES"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="a program, or a library (.so)")
    parser.add_argument("sources", type=Path, nargs="*", metavar="SOURCE", help="a program's own")
    options = parser.parse_args(arguments)
    try:
        build(
            find_tools(options),
            options.output or path_of_library(options.build, options.catalogue),
            options.sources or [C_API_SOURCE],
            options.catalogue,
        )
    except BuildError as error:
        print(f"build.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
