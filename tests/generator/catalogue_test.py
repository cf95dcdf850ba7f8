"""The catalogue itself: it is valid, and its heuristics serve well-known layers sensibly."""

import unittest

from machete.generator import heuristics
from machete.generator.catalogue import FAMILIES
from machete.generator.config import ImplConfig, generate_sch_sig, generate_type_option_name
from machete.generator.constraints import check_families
from machete.generator.resources import resources

# Output and input features of the linear layers of Llama 3: qkv, output, gate and up, down.
_LLAMA_LAYERS = {
    "8B": [(6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336)],
    "70B": [(10240, 8192), (8192, 8192), (57344, 8192), (8192, 28672)],
}
_TOKENS = (1, 16, 17, 32, 64, 128, 256, 512, 1024, 4096)


def _choice(family: ImplConfig, *shape: int) -> str:
    conditions = [None if text is None else heuristics.parse(text) for text, _ in family.heuristic]
    named = dict(zip(heuristics.VARIABLES, shape, strict=True))
    _, schedule = family.heuristic[heuristics.first_that_holds(conditions, named)]
    return generate_sch_sig(schedule)


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

    def test_tiles_of_the_llama_layers(self) -> None:
        for family in FAMILIES:
            by_name = {generate_sch_sig(schedule): schedule for schedule in family.schedules}
            for tokens in _TOKENS:
                for features, k in sum(_LLAMA_LAYERS.values(), start=[]):
                    with self.subTest((_name(family), tokens, features, k)):
                        tile = by_name[_choice(family, tokens, features, k)].tile_shape_mn
                        # Few tokens: the smallest tile that holds them all. Many: tiles large
                        # enough to keep the tensor cores busy.
                        if tokens <= 64:
                            self.assertTrue(tokens <= tile[1] <= max(2 * tokens, 32), tile)
                        elif tokens >= 256:
                            self.assertGreaterEqual(tile[0] * tile[1], 128 * 128)

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
