"""The catalogue itself. tests/tune judges its heuristics."""

import unittest

from machete.generator.catalogue import _WEIGHT_ONLY_COSTS, FAMILIES
from machete.generator.config import ImplConfig, generate_sch_sig, generate_type_option_name
from machete.generator.constraints import check_families
from machete.generator.resources import resources


class CatalogueTest(unittest.TestCase):
    """What must hold however the heuristics are tuned."""

    def test_it_is_valid(self) -> None:
        check_families(FAMILIES)

    def test_families(self) -> None:
        names = {"bf16_u4b8", "f16_u4b8", "bf16_u8b128", "f16_u8b128"}
        self.assertLessEqual(names, set(map(_name, FAMILIES)))

    def test_the_activations_alone_do_not_change_the_choice(self) -> None:
        by_name = {_name(family): family for family in FAMILIES}
        for weights in ("u4b8", "u8b128"):
            bf16, f16 = by_name[f"bf16_{weights}"], by_name[f"f16_{weights}"]
            self.assertEqual(bf16.heuristic, f16.heuristic)
            self.assertEqual(bf16.schedules, f16.schedules)

    def test_the_costs_are_those_of_schedules(self) -> None:
        known = {generate_sch_sig(schedule) for family in FAMILIES for schedule in family.schedules}
        self.assertLessEqual(set(_WEIGHT_ONLY_COSTS), known)

    def test_every_schedule_keeps_loads_in_flight(self) -> None:
        for family in FAMILIES:
            for schedule in family.schedules:
                with self.subTest(generate_sch_sig(schedule)):
                    taken = resources(family.types, schedule)
                    self.assertGreater(taken.shared_bytes, 180 * 1024)
                    self.assertLessEqual(taken.shared_bytes, 227 * 1024)


def _name(family: ImplConfig) -> str:
    return generate_type_option_name(family.types)


if __name__ == "__main__":
    unittest.main()
