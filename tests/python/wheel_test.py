"""The wheel: what its name promises is true of the library in it. `wheel_test WHEEL`; no GPU."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile
from email.parser import Parser
from pathlib import Path

# The newest symbols that manylinux_2_34 allows beside those of its glibc.
NEWEST = {"GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (11, 0)}
# Libraries that every system of the tag has.
LIBRARIES = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"}

WHEEL = Path(sys.argv.pop(1)).resolve()


def dynamic_strings(library: bytes) -> tuple[list[str], list[str]]:
    """Names of the libraries that an ELF file of 64 bits needs, and of the versions of symbols."""
    offset, size, count = struct.unpack_from("<Q10xHH", library, 40)
    sections = [struct.unpack_from("<IIQQQQIIQQ", library, offset + size * i) for i in range(count)]

    def name(link: int, place: int) -> str:
        begin = sections[link][4] + place
        return library[begin : library.index(b"\0", begin)].decode()

    needed, versions = [], []
    for _, kind, _, _, begin, length, link, entries, _, _ in sections:
        if kind == 6:  # SHT_DYNAMIC
            for tag, value in struct.iter_unpack("<QQ", library[begin : begin + length]):
                if tag == 1:  # DT_NEEDED
                    needed.append(name(link, value))
        elif kind == 0x6FFFFFFE:  # SHT_GNU_verneed
            for _ in range(entries):
                _, symbols, _, first, following = struct.unpack_from("<HHIII", library, begin)
                place = begin + first
                for _ in range(symbols):
                    *_, text, step = struct.unpack_from("<IHHII", library, place)
                    versions.append(name(link, text))
                    place += step
                begin += following
    return needed, versions


class WheelTest(unittest.TestCase):
    """The wheel as it was built."""

    def setUp(self) -> None:
        """Opens it."""
        self.wheel = zipfile.ZipFile(WHEEL)
        self.addCleanup(self.wheel.close)
        self.shared_object = self.wheel.read("machete/libmachete.so")

    def test_tag_is_true(self) -> None:
        name = re.fullmatch(r".*-py3-none-manylinux_(\d+)_(\d+)_x86_64\.whl", WHEEL.name)
        self.assertIsNotNone(name, WHEEL.name)
        newest = NEWEST | {"GLIBC": tuple(map(int, name.groups()))}
        needed, versions = dynamic_strings(self.shared_object)
        self.assertIn("libc.so.6", needed)
        self.assertLessEqual(set(needed), LIBRARIES)
        self.assertTrue(versions)
        for version in versions:
            kind, _, number = version.partition("_")
            self.assertLessEqual(tuple(map(int, number.split("."))), newest[kind], version)

    def test_record(self) -> None:
        (record,) = (name for name in self.wheel.namelist() if name.endswith("/RECORD"))
        rows = list(csv.reader(self.wheel.read(record).decode().splitlines()))
        self.assertEqual(sorted(row[0] for row in rows), sorted(self.wheel.namelist()))
        for name, digest, _ in rows:
            if name != record:
                found = hashlib.sha256(self.wheel.read(name)).digest()
                encoded = base64.urlsafe_b64encode(found).rstrip(b"=").decode()
                self.assertEqual(digest, f"sha256={encoded}")

    def test_metadata(self) -> None:
        (name,) = (name for name in self.wheel.namelist() if name.endswith("/METADATA"))
        metadata = Parser().parsestr(self.wheel.read(name).decode())
        distribution, version = WHEEL.name.split("-")[:2]
        self.assertEqual(metadata["Name"].replace("-", "_"), distribution)
        self.assertEqual(metadata["Version"], version)
        self.assertIn("numpy", metadata.get_all("Requires-Dist"))

    def test_has_every_module(self) -> None:
        modules = {name for name in self.wheel.namelist() if name.startswith("machete/")}
        self.assertLessEqual(
            {f"machete/{name}" for name in ("py.typed", "torch.py", "jax.py", "vllm_compat.py")}
            | {"machete/__init__.py", "machete/checkpoint/__init__.py"},
            modules,
        )

    def test_imports(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.wheel.extractall(folder)
            program = (
                "import machete; print(machete.__file__, machete.supported_schedules("
                "machete.ProblemDesc(a='bf16', b='u4b8', n=64, k=128, group_size=128))[0])"
            )
            result = subprocess.run(
                [sys.executable, "-c", program],
                env={"PYTHONPATH": ":".join([folder, *sys.path])},
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertTrue(result.stdout.startswith(folder), result.stdout)


if __name__ == "__main__":
    unittest.main()
