"""Fetches one hash-locked wheel with pip and unpacks it.

    wheel.py FOLDER REQUIREMENT

REQUIREMENT is a line of a lock. Unpacks into FOLDER/site-packages, leaves the wheel itself in
FOLDER, and prints, as JSON, the wheel's file name and the normalized names of the distributions
that it requires on this machine.
"""

from __future__ import annotations

import email.parser
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path


def find_pip() -> None:
    """Makes pip importable, here and in children: where Python has none, the installer's copy."""
    if importlib.util.find_spec("pip"):
        return
    wheels = Path(
        os.environ.get("MACHETE_OFFLINE_PREFIX", "/nonexistent"), "usr/share/python-wheels"
    )
    found = sorted(wheels.glob("pip-*.whl"))
    if not found:
        sys.exit(f"{sys.executable} has no pip; MACHETE_PYTHON names another Python")
    sys.path.insert(0, str(found[-1]))
    os.environ["PYTHONPATH"] = str(found[-1])


def download(requirement: str, folder: Path) -> Path:
    """Downloads the wheel, checked by its hash."""
    lock = folder / "requirement.txt"
    lock.write_text(f"{requirement}\n")
    result = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        + ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
        + ["--dest", folder, "--requirement", lock],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode:
        name = requirement.split()[0]
        errors = re.findall(r"^ERROR: (.*)", result.stdout, re.MULTILINE)
        reason = errors[-1] if errors else result.stdout.strip()
        sys.exit(f"pip cannot fetch {name} for {sys.executable} (no network?): {reason}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def unpack(wheel: Path, target: Path) -> None:
    """Unpacks a wheel as an installation lays it out, less scripts and headers."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    for kind in ("purelib", "platlib"):
        for apart in target.glob(f"*.data/{kind}"):
            shutil.copytree(apart, target, dirs_exist_ok=True)
            shutil.rmtree(apart)


def requires(metadata: str) -> list[str]:
    """Names of the required distributions whose markers hold on this machine."""
    from pip._vendor.packaging.requirements import Requirement

    names = set()
    for line in email.parser.Parser().parsestr(metadata).get_all("Requires-Dist") or []:
        required = Requirement(line)
        if required.marker is None or required.marker.evaluate({"extra": ""}):
            names.add(re.sub(r"[-_.]+", "_", required.name).lower())
    return sorted(names)


def main() -> None:
    """Runs the command line."""
    folder, requirement = Path(sys.argv[1]), sys.argv[2]
    find_pip()
    wheel = download(requirement, folder)
    site_packages = folder / "site-packages"
    unpack(wheel, site_packages)
    (metadata,) = site_packages.glob("*.dist-info/METADATA")
    described = {"wheel": wheel.name, "requires": requires(metadata.read_text(encoding="utf-8"))}
    json.dump(described, sys.stdout)


if __name__ == "__main__":
    main()
