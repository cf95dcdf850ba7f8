"""Writes compile_commands.json into the workspace, so that clangd understands the sources.

    bazel run //tools/compile_commands [-- OPTION...]

The commands are those of Bazel's own actions, less what clang does not know. The options, such as
-c opt, are added to `bazel aquery`. Headers of device code get a kernel's command, as nothing
compiles them by themselves. What Bazel generates must have been built once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

QUERY = 'mnemonic("CudaCompile|CppCompile", deps(//...))'

# Options that clang and nvcc have in common, with a path or another value.
WITH_PATH = ("-I", "-iquote", "-isystem", "-include")
KEPT = ("-D", "-U", "-std=")

# Where device code is.
HEADERS = "machete/kernel/*.cuh"


def absolute(path: str, roots: Mapping[str, str]) -> str:
    """Where a path of an action is; `roots` has the folders that are not in the workspace."""
    first, slash, rest = path.partition("/")
    return f"{roots[first]}{slash}{rest}" if first in roots else path


def architectures(specification: str) -> Iterator[str]:
    """The architectures in the value of -gencode, such as arch=compute_90a,code=sm_90a."""
    for part in specification.split(","):
        name = part.removeprefix("code=").strip("[]")
        if name.startswith("sm_"):
            yield name


def options(words: list[str], roots: Mapping[str, str]) -> Iterator[str]:
    """The options of a compilation that clang knows, with absolute paths.

    All others are left out: they choose what is made of the code, not what it means.
    """
    rest = iter(words)
    for word in rest:
        if word == "-gencode":
            yield from (f"--cuda-gpu-arch={name}" for name in architectures(next(rest)))
        elif word.startswith("-gencode="):
            names = architectures(word.removeprefix("-gencode="))
            yield from (f"--cuda-gpu-arch={name}" for name in names)
        elif word in WITH_PATH:
            yield from (word, absolute(next(rest), roots))
        elif word in ("-D", "-U"):
            yield word + next(rest)
        elif word.startswith(WITH_PATH):
            flag = next(flag for flag in WITH_PATH if word.startswith(flag))
            yield flag + absolute(word.removeprefix(flag), roots)
        elif word.startswith(KEPT):
            yield word


def source_of(words: list[str]) -> str:
    """What a command compiles."""
    return words[words.index("-c") + 1]


def clang_command(mnemonic: str, words: list[str], roots: Mapping[str, str]) -> list[str]:
    """The command by which clangd reads the source, less the source."""
    command = ["clang++"]
    if mnemonic == "CudaCompile":
        toolkit = Path(absolute(words[0], roots)).parent.parent
        command += ["-x", "cuda", f"--cuda-path={toolkit}", "-Wno-unknown-cuda-version"]
    return command + list(options(words[1:], roots))


def commands(
    actions: Iterable[Mapping], workspace: Path, roots: Mapping[str, str]
) -> list[dict[str, object]]:
    """The entries of compile_commands.json, one for each file."""
    entries: dict[str, tuple[str, list[str]]] = {}
    kernel = None
    # Of several configurations, the one with the shortest name is the usual one.
    for action in sorted(actions, key=lambda action: len(source_of(action["arguments"]))):
        words = action["arguments"]
        source = source_of(words)
        # Other modules' sources are nobody's to edit.
        if source.startswith("external/") or "/bin/external/" in source:
            continue
        command = clang_command(action["mnemonic"], words, roots)
        if action["mnemonic"] == "CudaCompile" and Path(source).name.startswith("impl_"):
            kernel = kernel or command
        name = source.split("/", 2)[2] if source.startswith("bazel-out/") else source
        entries.setdefault(name, (absolute(source, roots), command))
    if kernel:
        for header in sorted(workspace.glob(HEADERS)):
            name = str(header.relative_to(workspace))
            entries[name] = (name, [*kernel, "-Wno-pragma-once-outside-header"])
    return [
        {"directory": str(workspace), "file": file, "arguments": [*command, "-c", file]}
        for file, command in sorted(entries.values())
    ]


def bazel(workspace: Path, *words: str) -> str:
    """What a command of Bazel prints."""
    return subprocess.run(
        [workspace / "tools/bazel", *words], cwd=workspace, stdout=subprocess.PIPE, check=True
    ).stdout.decode()


def main() -> int:
    """Runs the command line."""
    workspace = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"])
    try:
        roots = {
            "bazel-out": bazel(workspace, "info", *sys.argv[1:], "output_path").strip(),
            "external": bazel(workspace, "info", *sys.argv[1:], "output_base").strip()
            + "/external",
        }
        actions = bazel(workspace, "aquery", *sys.argv[1:], "--output=jsonproto", QUERY)
    except subprocess.CalledProcessError as error:
        return error.returncode
    entries = commands(json.loads(actions).get("actions", []), workspace, roots)
    file = workspace / "compile_commands.json"
    part = file.with_suffix(".part")
    part.write_text(json.dumps(entries, indent=1) + "\n")
    part.rename(file)
    print(f"{file}: {len(entries)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
