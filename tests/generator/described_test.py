"""Families described in JSON: what they stand for, and what is refused."""

import copy
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

from examples import FAMILY, describe
from machete.generator.catalogue import FAMILIES
from machete.generator.config import ImplConfig, generate_type_option_name
from machete.generator.constraints import check_families
from machete.generator.described import read_families
from machete.generator.errors import GeneratorError

_SCHEDULE = "64x16_1x1x1_SlicedK_Tma_StreamK"
_WIDE = "128x128_1x1x1_Coop_Tma_StreamK"

# Where, what is there instead, and the message.
_FORM_MISTAKES: list[tuple[tuple[Any, ...], Any, str]] = [
    ((), {}, "allowed: a list of families"),
    ((0,), "bf16", 'a family with "bf16"; allowed: types, schedules, heuristic'),
    ((0,), {}, "a family with nothing; allowed: types, schedules, heuristic"),
    ((0, "types"), {"a": "bf16"}, "types with a; allowed: a, b, b_group_scale, "),
    ((0, "types"), "bf16_u4b8", 'types with "bf16_u4b8"; allowed: a, b, b_group_scale, '),
    ((0, "types", "c"), "bf16", ", c; allowed: a, b, b_group_scale, b_group_zeropoint, "),
    ((0, "types", "a"), ["bf16"], '["bf16"] in place of a name; allowed: strings'),
    ((0, "schedules"), {}, "schedules = {}; allowed: a list"),
    ((0, "schedules", 0), _WIDE, f'a schedule with "{_WIDE}"; allowed: tile, cluster, kernel, '),
    ((0, "schedules", 0, "tile"), "64x16", 'tile = "64x16"; allowed: a list of integers'),
    ((0, "schedules", 0, "tile"), [64, True], "tile = [64, true]; allowed: a list of integers"),
    ((0, "schedules", 0, "kernel"), None, "null in place of a name; allowed: strings"),
    ((0, "heuristic"), None, "heuristic = null; allowed: a list"),
    (
        (0, "heuristic", 0),
        [16, _WIDE],
        f'heuristic branch [16, "{_WIDE}"]; allowed: [a condition or null, the name of a schedule]',
    ),
]

# As above, for what constraints.py refuses.
_MISTAKES: list[tuple[tuple[Any, ...], Any, str]] = [
    ((0, "types", "a"), "bf61", "a = 'bf61'; allowed: bf16, f16"),
    ((0, "types"), {"a": "bf61", "b": "u4b8"}, "a = 'bf61'; allowed: bf16, f16"),
    ((0, "types", "b"), "s4", "b = s4; allowed with a = bf16: u4b8, u4, "),
    ((0, "schedules", 0, "tile"), [64], "tile_shape_mn = 64; allowed: tuples of 2 integers"),
    (
        (0, "schedules", 0, "kernel"),
        "Cooperative",
        "kernel_schedule = 'Cooperative'; allowed: TmaWarpSpecializedCooperative, ",
    ),
    (
        (0, "heuristic", 0),
        ["M <= 16", "128x64"],
        "heuristic branch 1 (M <= 16): schedule 128x64 is not one of the family's; "
        f"allowed: {_SCHEDULE}, {_WIDE}",
    ),
]


class DescribedTest(unittest.TestCase):
    """Reading, then checking."""

    def setUp(self) -> None:
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory()), "families.json")

    def _read(self, text: str) -> list[ImplConfig]:
        self.path.write_text(text)
        families = read_families(self.path)
        check_families(families)
        return families

    def _refusal(self, text: str) -> str:
        with self.assertRaises(GeneratorError) as caught:
            self._read(text)
        return str(caught.exception)

    def _refusal_of(self, place: tuple[Any, ...], value: Any) -> str:
        whole = [[copy.deepcopy(describe(FAMILY))]]
        inner: Any = whole
        for key in (0, *place)[:-1]:
            inner = inner[key]
        inner[(0, *place)[-1]] = value
        return self._refusal(json.dumps(whole[0]))

    def test_read(self) -> None:
        (family,) = self._read(json.dumps([describe(FAMILY)]))
        self.assertEqual(family.types, FAMILY.types)
        self.assertEqual(tuple(family.schedules), FAMILY.schedules)
        self.assertEqual(tuple(family.heuristic), FAMILY.heuristic)

    def test_types_that_are_left_out_are_those_of_our_own_family(self) -> None:
        names = {generate_type_option_name(family.types): family.types for family in FAMILIES}
        for a, b, name in (
            ("f16", "u4", "f16_u4"),
            ("bf16", "e2m1", "bf16_e2m1"),
            ("s8", "u4b8", "s8_u4b8"),
        ):
            with self.subTest(name):
                family = describe(FAMILY) | {"types": {"a": a, "b": b}}
                self.assertEqual(self._read(json.dumps([family]))[0].types, names[name])
        family = describe(FAMILY) | {"types": {"a": "bf16", "b": "u4", "a_token_scale": "void"}}
        (read,) = self._read(json.dumps([family]))
        self.assertEqual(generate_type_option_name(read.types), "bf16_u4_tsvoid")

    def test_form(self) -> None:
        for place, value, message in _FORM_MISTAKES:
            with self.subTest(place):
                refusal = self._refusal_of(place, value)
                self.assertTrue(refusal.startswith(f"families {self.path}: "), refusal)
                self.assertIn(message, refusal)

    def test_what_the_catalogue_may_not_say_either(self) -> None:
        for place, value, message in _MISTAKES:
            with self.subTest(place):
                self.assertIn(message, self._refusal_of(place, value))

    def test_no_json(self) -> None:
        self.assertRegex(self._refusal("[{"), r"families .*: Expecting .*; allowed: a JSON file")
        self.path.unlink()
        with self.assertRaisesRegex(GeneratorError, "No such file .*; allowed: a JSON file"):
            read_families(self.path)


if __name__ == "__main__":
    unittest.main()
