"""The command line, as a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from examples import FAMILY, describe

_OWN_CATALOGUE = """\
import dataclasses

from machete.generator import catalogue

FAMILIES = [
    dataclasses.replace(
        family,
        schedules=family.schedules[:1],
        heuristic=[(None, family.schedules[0])],
    )
    for family in catalogue.FAMILIES
]
"""


_FAMILY_FILES = {
    "dispatch.cu",
    "impl_128x128_1x1x1_Coop_Tma_StreamK.cu",
    "impl_64x16_1x1x1_SlicedK_Tma_StreamK.cu",
    "prepack.cu",
}


class CommandLineTest(unittest.TestCase):
    """What each request writes, prints and refuses."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def _run(
        self, *arguments: str | Path, hash_seed: str = "random"
    ) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        return subprocess.run(
            [sys.executable, "-m", "machete.generator", *arguments],
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=environment,
            text=True,
        )

    def _refusal(self, *arguments: str | Path) -> str:
        done = self._run(*arguments)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        return done.stderr

    def _written(self, folder: str) -> dict[str, bytes]:
        root = self.folder / folder
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    def _listing(self) -> dict[str, dict[str, list[str]]]:
        return json.loads(self._run("--list", "--format", "json").stdout)

    def _files(self, family: str) -> list[Path]:
        return [self.folder / "asked" / file for file in self._listing()[family]["files"]]

    def test_out_is_the_same_under_every_hash_seed(self) -> None:
        for seed in ("0", "1", "4711"):
            self.assertEqual(self._run("--out", seed, hash_seed=seed).returncode, 0)
        self.assertTrue(self._written("0"))
        self.assertEqual(self._written("0"), self._written("1"))
        self.assertEqual(self._written("0"), self._written("4711"))

    def test_list_names_what_out_writes(self) -> None:
        listing = self._listing()
        self._run("--out", "out")
        files = [file for family in listing.values() for file in family["files"]]
        self.assertEqual(sorted(files), sorted(self._written("out")))
        text = self._run("--list").stdout.split()
        self.assertEqual([word for word in text if word.endswith(".cu")], files)

    def test_out_of_some_families(self) -> None:
        self._run("--out", "out", "--family", "f16_u4b8")
        self.assertEqual({name.split("/")[0] for name in self._written("out")}, {"f16_u4b8"})

    def test_out_leaves_other_files_alone(self) -> None:
        stranger = self.folder / "out" / "f16_u4b8" / "impl_old.cu"
        stranger.parent.mkdir(parents=True)
        stranger.write_text("mine")
        self._run("--out", "out")
        self.assertEqual(stranger.read_text(), "mine")

    def test_outputs_are_matched_by_name(self) -> None:
        asked = self._files("f16_u4b8")
        done = self._run("--family", "f16_u4b8", "--outputs", *reversed(asked))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self._run("--out", "out", "--family", "f16_u4b8")
        self.assertEqual(self._written("asked"), self._written("out"))

    def test_outputs_must_be_exactly_the_familys(self) -> None:
        asked = self._files("f16_u4b8")
        refusal = self._refusal("--family", "f16_u4b8", "--outputs", *asked[1:], "impl_x.cu")
        self.assertIn("missing: dispatch.cu; not the family's: impl_x.cu", refusal)
        refusal = self._refusal("--family", "f16_u4b8", "--outputs", *asked, asked[0])
        self.assertIn(f"does not name each of its {len(asked)} files once", refusal)
        self.assertIn("name one family", self._refusal("--outputs", *asked))
        self.assertEqual(self._written("asked"), {})

    def test_starlark(self) -> None:
        self._run("--starlark", "catalogue.bzl")
        names: dict[str, dict[str, list[str]]] = {}
        exec((self.folder / "catalogue.bzl").read_text(), names)
        self.assertEqual(
            names["FAMILIES"],
            {
                f: [f"impl_{s}.cu" for s in parts["schedules"]]
                for f, parts in self._listing().items()
            },
        )
        self.assertIn("u4b8", names["DATA_TYPES"])
        self.assertEqual(names["KERNEL_SCHEDULES"]["TmaWarpSpecializedCooperative"], "Coop")
        self.assertEqual(names["EPILOGUE_SCHEDULES"]["NoSmemWarpSpecialized"], "NoSmem")
        self.assertEqual(names["TILE_SCHEDULERS"]["StreamK"], "StreamK")

    def test_unknown_family(self) -> None:
        self.assertEqual(
            self._refusal("--check", "--family", "f16_u4b8", "bf16_u5"),
            f"machete.generator: family bf16_u5: unknown; allowed: {', '.join(self._listing())}\n",
        )

    def test_a_catalogue_of_ones_own(self) -> None:
        (self.folder / "own.py").write_text(_OWN_CATALOGUE)
        done = self._run("--catalogue", "own.py", "--out", "out", "--family", "bf16_u4b8")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(self._written("out")), 3)

    def test_a_wrong_catalogue_writes_nothing(self) -> None:
        (self.folder / "own.py").write_text(_OWN_CATALOGUE + "FAMILIES *= 2\n")
        refusal = self._refusal("--catalogue", "own.py", "--out", "out")
        self.assertIn("family bf16_u4b8: stated 2 times; allowed: once", refusal)
        (self.folder / "empty.py").write_text("")
        for file in ("empty.py", "absent.py"):
            refusal = self._refusal("--catalogue", file, "--out", "out")
            self.assertIn(f"catalogue {file}: allowed: a file that defines FAMILIES", refusal)
        self.assertFalse((self.folder / "out").exists())

    def test_some_schedules(self) -> None:
        wide, narrow = "128x128_1x1x1_Coop_Tma_StreamK", "224x16_1x1x2_Stream_NoSmem_Persistent"
        asked = [f"{part}.cu" for part in ("dispatch", "prepack", f"impl_{wide}", f"impl_{narrow}")]
        schedules = ["--family", "bf16_u4b8", "--schedules", narrow, wide]
        done = self._run(*schedules, "--outputs", *(Path("asked", file) for file in asked))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        written = self._written("asked")
        self.assertEqual(sorted(written), sorted(asked))
        # The kernels are what they are in the whole family.
        self._run("--out", "out")
        for file in asked[1:]:
            self.assertEqual(written[file], self._written("out")[f"bf16_u4b8/{file}"])
        self.assertIn("unknown; allowed: ", self._refusal("--check", "--schedules", "128x128"))

    def test_described_families(self) -> None:
        Path(self.folder, "own.json").write_text(json.dumps([describe(FAMILY)]))
        done = self._run("--families", "own.json", "--out", "out")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self._written("out").keys(), {f"bf16_u4b8/{f}" for f in _FAMILY_FILES})

    def test_check_is_silent(self) -> None:
        done = self._run("--check")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
