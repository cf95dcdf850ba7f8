"""Families with some of their schedules: what is left of the heuristic, and what is refused."""

import dataclasses
import unittest

from examples import COOPERATIVE, FAMILY, SLICED_K, STREAMING
from machete.generator.catalogue import FAMILIES
from machete.generator.config import FastestOf, ImplConfig, generate_sch_sig
from machete.generator.constraints import check_families
from machete.generator.costs import COST_TERMS
from machete.generator.errors import GeneratorError
from machete.generator.subset import restrict, restrict_families

_COSTS = (1.0,) * len(COST_TERMS)
_WIDER = dataclasses.replace(COOPERATIVE, tile_shape_mn=(256, 128))
_FAMILY = dataclasses.replace(
    FAMILY,
    schedules=(STREAMING, SLICED_K, COOPERATIVE, _WIDER),
    heuristic=(
        ("M <= 8", STREAMING),
        ("M <= 16", SLICED_K),
        (None, FastestOf(((COOPERATIVE, _COSTS), (_WIDER, _COSTS)))),
    ),
)


def _restrict(*schedules) -> ImplConfig:
    restricted = restrict(_FAMILY, [generate_sch_sig(schedule) for schedule in schedules])
    check_families([restricted])
    return restricted


class SubsetTest(unittest.TestCase):
    """The rule that restrict() states."""

    def test_all_is_the_same(self) -> None:
        self.assertEqual(_restrict(*_FAMILY.schedules), _FAMILY)

    def test_a_condition_without_its_schedule_is_dropped(self) -> None:
        left = _restrict(_WIDER, SLICED_K, COOPERATIVE)
        self.assertEqual(left.schedules, (SLICED_K, COOPERATIVE, _WIDER))
        self.assertEqual(left.heuristic, _FAMILY.heuristic[1:])

    def test_the_fastest_of_those_that_are_left(self) -> None:
        self.assertEqual(
            _restrict(STREAMING, _WIDER).heuristic,
            (("M <= 8", STREAMING), (None, FastestOf(((_WIDER, _COSTS),)))),
        )

    def test_the_last_named_is_the_default_where_none_is_left(self) -> None:
        self.assertEqual(
            _restrict(SLICED_K, STREAMING).heuristic,
            (("M <= 8", STREAMING), ("M <= 16", SLICED_K), (None, STREAMING)),
        )
        self.assertEqual(_restrict(STREAMING, SLICED_K).heuristic[-1], (None, SLICED_K))

    def test_a_schedule_that_the_heuristic_does_not_name(self) -> None:
        family = dataclasses.replace(_FAMILY, heuristic=_FAMILY.heuristic[:2] + ((None, SLICED_K),))
        left = restrict(family, [generate_sch_sig(_WIDER)])
        self.assertEqual(left.heuristic, ((None, _WIDER),))

    def test_every_pair_of_the_catalogue_is_a_family(self) -> None:
        for family in FAMILIES:
            names = [generate_sch_sig(schedule) for schedule in family.schedules]
            for one in names:
                for other in names:
                    if one != other:
                        check_families([restrict(family, [one, other])])

    def test_each_family_takes_those_that_it_has(self) -> None:
        other = dataclasses.replace(_FAMILY, schedules=(STREAMING, SLICED_K))
        names = [generate_sch_sig(schedule) for schedule in (COOPERATIVE, STREAMING)]
        left = restrict_families({"one": _FAMILY, "other": other}, names)
        self.assertEqual(left["one"].schedules, (STREAMING, COOPERATIVE))
        self.assertEqual(left["other"].schedules, (STREAMING,))

    def test_refusals(self) -> None:
        wide, narrow = (generate_sch_sig(schedule) for schedule in (COOPERATIVE, SLICED_K))
        families = {"one": FAMILY, "other": dataclasses.replace(FAMILY, schedules=(SLICED_K,))}
        cases = [
            (["128x128"], f"schedule 128x128: unknown; allowed: {wide}, {narrow}"),
            ([wide, narrow, wide], f"schedule {wide}: stated 2 times; allowed: once"),
            ([wide], f"family other: has none of the schedules {wide}; allowed: {narrow}"),
        ]
        for names, message in cases:
            with self.subTest(names), self.assertRaises(GeneratorError) as caught:
                restrict_families(families, names)
            self.assertEqual(str(caught.exception), message)


if __name__ == "__main__":
    unittest.main()
