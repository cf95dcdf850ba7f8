"""docs/adding-a-family.md: what it changes is still there, and the generator takes the result."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DOCUMENT = Path("docs/adding-a-family.md")
FILES = [
    "machete/generator/catalogue.py",
    "machete/generator/constraints.py",
    "machete/kernel/encoding.h",
    "machete/kernel/packing.h",
    "machete/runtime/check.cc",
    "tests/gpu/reference.h",
]
"""That its diffs change."""


def diffs(text: str) -> list[tuple[str, str]]:
    """What each diff of the document finds, and what it puts there."""
    found = []
    for block in re.findall(r"```diff\n(.*?)```", text, re.DOTALL):
        lines = [line.removeprefix("   ") for line in block.rstrip().splitlines()]
        old = [line[1:] for line in lines if not line.startswith("+")]
        new = [line[1:] for line in lines if not line.startswith("-")]
        found.append(("\n".join(old), "\n".join(new)))
    return found


class AddingAFamilyTest(unittest.TestCase):
    """Follows the document in a copy."""

    def setUp(self) -> None:
        """Copies what is changed, and the generator."""
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for folder in ("machete/generator", "templates"):
            shutil.copytree(folder, self.root / folder)
        for file in FILES:
            copy = self.root / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(Path(file).read_text())
        # A package as in runfiles, which else would come first.
        (self.root / "machete/__init__.py").touch()

    def generate(self, *arguments: str) -> str:
        """Runs the copy's generator."""
        path = os.pathsep.join([str(self.root), *filter(None, sys.path)])
        return subprocess.run(
            [sys.executable, "-m", "machete.generator", *arguments],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        ).stdout

    def test_the_diffs_as_they_stand(self) -> None:
        """Each fits one place of one file; the families of both examples come of it."""
        changed = set()
        for old, new in diffs(DOCUMENT.read_text()):
            with self.subTest(old):
                places = [file for file in FILES if old in (self.root / file).read_text()]
                self.assertEqual(len(places), 1, places)
                path = self.root / places[0]
                text = path.read_text()
                self.assertEqual(text.count(old), 1)
                path.write_text(text.replace(old, new))
                changed.add(places[0])
        self.assertEqual(sorted(changed), FILES)
        self.assertEqual(self.generate("--check"), "")
        families = set(self.generate("--list").split())
        self.assertLessEqual({"e4m3_u4b8_gsf16", "s8_u4b8_gsf16", "f16_e5m2"}, families)


if __name__ == "__main__":
    unittest.main()
