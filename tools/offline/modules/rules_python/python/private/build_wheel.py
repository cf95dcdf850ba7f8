"""Writes a wheel: the files, METADATA, WHEEL and RECORD. The same files give the same bytes."""

import argparse
import base64
import hashlib
import zipfile
from pathlib import Path

# The oldest that a zip file can hold.
_TIME = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--name", required=True, help="distribution and version, as file names do")
    parser.add_argument("--tag", required=True)
    parser.add_argument("--metadata", action="append", required=True, help="a line")
    parser.add_argument("--description", type=Path, required=True)
    parser.add_argument("--strip", action="append", default=[], help="beginning of paths")
    parser.add_argument("--file", nargs=2, action="append", default=[], metavar=("PLACE", "FILE"))
    arguments = parser.parse_args()

    files = {
        _stripped(place, arguments.strip): Path(file).read_bytes() for place, file in arguments.file
    }
    information = f"{arguments.name}.dist-info"
    description = arguments.description.read_text()
    files[f"{information}/METADATA"] = (
        "\n".join(arguments.metadata) + f"\n\n{description}"
    ).encode()
    pure = str(arguments.tag.endswith("-any")).lower()
    files[f"{information}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: machete tools/offline\n"
        f"Root-Is-Purelib: {pure}\nTag: {arguments.tag}\n"
    ).encode()
    record = f"{information}/RECORD"
    lines = [f"{name},{_hash(content)},{len(content)}\n" for name, content in sorted(files.items())]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()

    with zipfile.ZipFile(arguments.output, "w") as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, content)


def _stripped(place: str, prefixes: list[str]) -> str:
    for prefix in prefixes:
        if place.startswith(prefix):
            return place.removeprefix(prefix).lstrip("/")
    return place


def _hash(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + digest.rstrip(b"=").decode()


if __name__ == "__main__":
    main()
