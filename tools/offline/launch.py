"""Makes ready the offline Bazel and the modules it builds with, then runs it.

    launch.py STATE ARGUMENT...

STATE is a folder for this checkout's settings, keyed by the text of these files. Its file `start`
lets tools/bazel do without Python from then on: the stamp that the installation is whole, then the
words of the command, one a line.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import install
import prefix
from report import InstallError, say

HERE = Path(__file__).resolve().parent

# Modules that Debian packages, by their folder in the prefix's usr/share/bazel.
PACKAGED = {
    "bazel_features": "tools/features",
    "bazel_skylib": "tools/skylib",
    "platforms": "tools/platforms",
    "rules_cc": "rules/cc",
    "rules_java": "rules/java",
    "rules_license": "rules/license",
    "rules_proto": "rules/proto",
    "rules_shell": "rules/shell",
}

# Modules that Bazel's own tools name and nothing here builds with.
EMPTY = ("apple_support", "buildozer", "protobuf", "zlib")

# `bazel mod` loads the tool behind `bazel mod tidy`.
BUILDOZER = """\
def _absent_impl(rctx):
    rctx.file("BUILD.bazel", "")
    rctx.file("buildozer.exe", "#!/bin/sh\\necho 'no buildozer offline' >&2\\nexit 1\\n")

_absent = repository_rule(implementation = _absent_impl)

buildozer_binary = module_extension(
    implementation = lambda _: _absent(name = "buildozer_binary"),
)
"""


def write(path: Path, text: str) -> None:
    """Writes a file whole, and only where it differs: Bazel watches these files."""
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text)
    part.rename(path)


def find_modules(installed: Path, state: Path) -> dict[str, Path]:
    """Returns the folder of every module that can be had here, by name."""
    found = {name: installed / "usr/share/bazel" / place for name, place in PACKAGED.items()}
    found |= {folder.name: folder for folder in (HERE / "modules").iterdir()}
    for name, folder in found.items():
        if not (folder / "MODULE.bazel").exists():
            raise InstallError(f"the module {name} is not in {folder}")
    # Bazel refuses to override a module that nothing depends on, and a workspace need not use all
    # of these. Bazel's tools always depend on the empty ones, so those depend on the rest.
    wanted = "".join(f'bazel_dep(name = "{name}", version = "0")\n' for name in sorted(found))
    for name in EMPTY:
        found[name] = state / "empty" / name
        write(found[name] / "MODULE.bazel", f'module(name = "{name}")\n\n{wanted}')
        write(found[name] / "BUILD.bazel", "")
    write(found["buildozer"] / "buildozer_binary.bzl", BUILDOZER)
    return found


def write_bazelrc(installed: Path, state: Path) -> Path:
    """Writes the options that replace the Central Registry by local folders."""
    write(state / "registry/bazel_registry.json", "{}\n")
    options = [
        # Empty, so that a module without an override is named in an error, not looked for.
        f"--registry=file://{state}/registry",
        "--noenable_workspace",
        # A lock file would record the overrides.
        "--lockfile_mode=off",
        "--check_direct_dependencies=off",
        f"--repo_env=MACHETE_OFFLINE_PREFIX={installed}",
    ]
    # An override has no version, so MODULE.bazel may ask for any.
    for name, folder in sorted(find_modules(installed, state).items()):
        options.append(f"--override_module={name}={folder}")
    bazelrc = state / "bazelrc"
    write(bazelrc, "".join(f"common {option}\n" for option in options))
    return bazelrc


def provide_command() -> None:
    """Makes the command `bazel`, where the user has none.

    It is in the cache, and linked from ~/.local/bin if that is a folder on PATH; nothing that is
    there is replaced.
    """
    command = install.cache_folder() / "bin" / "bazel"
    write(command, (HERE / "bazel.sh").read_text())
    command.chmod(0o755)
    if shutil.which("bazel"):
        return
    link = Path.home() / ".local/bin/bazel"
    on_path = str(link.parent) in os.environ.get("PATH", "").split(os.pathsep)
    if on_path and link.parent.is_dir() and not os.path.lexists(link):
        link.symlink_to(command)
        say(f"linked {link} to {command}: plain `bazel` works from now on")
    else:
        say(f'for plain `bazel`: export PATH="{command.parent}:$PATH"')


def main() -> int:
    """Runs Bazel in place of this process, or says why it cannot."""
    state = Path(sys.argv[1])
    try:
        installed = install.install()
        bazelrc = write_bazelrc(installed, state)
        provide_command()
        command = [
            str(installed / "usr/bin/bazel"),
            *prefix.startup_options(installed),
            f"--bazelrc={bazelrc}",
        ]
        stamp = str(installed / install.STAMP)
        write(state / "start", "".join(f"{word}\n" for word in [stamp, *command]))
    except KeyboardInterrupt:
        say("interrupted; the next start begins anew")
        return 130
    except (InstallError, OSError) as error:
        say(f"error: {error}")
        return 1
    os.execv(command[0], [*command, *sys.argv[2:]])


if __name__ == "__main__":
    sys.exit(main())
