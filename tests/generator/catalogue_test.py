"""The catalogue itself. tests/tune judges its heuristics."""

import unittest
from collections.abc import Iterator

from machete.generator.catalogue import FAMILIES
from machete.generator.config import (
    FastestOf,
    ImplConfig,
    ScheduleConfig,
    generate_sch_sig,
    generate_type_option_name,
)
from machete.generator.constraints import check_families
from machete.generator.resources import MAX_SHARED_BYTES, Resources, resources, widths


class CatalogueTest(unittest.TestCase):
    """What must hold however the heuristics are tuned."""

    def test_it_is_valid(self) -> None:
        check_families(FAMILIES)

    def test_families(self) -> None:
        names = {"bf16_u4b8", "f16_u4b8", "bf16_u8b128", "f16_u8b128"}
        names |= {f"{a}_u4b8{scale}" for a in ("e4m3", "s8") for scale in ("", "_gs", "_gsvoid")}
        self.assertLessEqual(names, set(map(_name, FAMILIES)))

    def test_streaming_kernels_of_activations_of_8_bits(self) -> None:
        by_name = {_name(family): family for family in FAMILIES}
        short = "M <= 32 and (N > 5280 or 3168 < N <= 4224 or 2048 <= N <= 4224 and K <= 6144)"
        half = "4224 < N <= 6336"
        wide = "M <= 64 and (9504 < N <= 12672 or 16896 < N <= 29568 and K <= 6144)"
        for name, wanted in {
            "e4m3_u4b8": [(16, f"M <= 16 and {half}"), (32, short), (16, "M <= 16"), (64, wide)],
            "e4m3_u4b8_gs": [(8, f"M <= 8 and {half}"), (32, short), (8, "M <= 8"), (64, wide)],
            "e4m3_u4b8_gsvoid": [(8, f"M <= 8 and {half}"), (32, short), (8, "M <= 8"), (64, wide)],
            "s8_u4b8_gs": [(16, "M <= 16"), (32, short)],
        }.items():
            found = [
                (choice.tile_shape_mn[1], condition)
                for condition, choice in by_name[name].heuristic
                if not isinstance(choice, FastestOf)
            ]
            with self.subTest(name):
                self.assertEqual(found, wanted)

    def test_the_activations_alone_do_not_change_the_choice(self) -> None:
        by_name = {_name(family): family for family in FAMILIES}
        for weights in ("u4b8", "u8b128"):
            bf16, f16 = by_name[f"bf16_{weights}"], by_name[f"f16_{weights}"]
            self.assertEqual(bf16.heuristic, f16.heuristic)
            self.assertEqual(bf16.schedules, f16.schedules)

    def test_the_cost_model_chooses_among_kernels_that_it_describes(self) -> None:
        for family in FAMILIES:
            for _, choice in family.heuristic:
                if not isinstance(choice, FastestOf):
                    continue
                for schedule, _ in choice.costs:
                    with self.subTest(f"{_name(family)} {generate_sch_sig(schedule)}"):
                        self.assertFalse(schedule.kernel_schedule.is_streaming)

    def test_every_schedule_keeps_loads_in_flight(self) -> None:
        for family, schedule, taken in _tiled():
            with self.subTest(f"{_name(family)} {generate_sch_sig(schedule)}"):
                self.assertGreater(taken.shared_bytes, 0.75 * MAX_SHARED_BYTES)
                self.assertLessEqual(taken.shared_bytes, MAX_SHARED_BYTES)

    def test_the_widest_tile_multiplies_its_tokens_in_parts(self) -> None:
        for family, parts in (("e4m3_u4b8", 2), ("s8_u4b8", 4), ("s8_u4b8_gs", 1)):
            taken = _taken_by_the_widest(family)
            with self.subTest(family):
                self.assertEqual(taken.parts, parts)
                self.assertEqual(taken.accumulators, 128 if parts == 1 else 192)

    def test_tiles_may_be_narrower(self) -> None:
        seen = set()
        for family in FAMILIES:
            for schedule in family.schedules:
                tokens = schedule.tile_shape_mn[1]
                found = widths(family.types, schedule)
                streaming = schedule.kernel_schedule.is_streaming
                split = schedule.cluster_shape_mnk[2] > 1
                with self.subTest(f"{_name(family)} {generate_sch_sig(schedule)}"):
                    self.assertEqual(found, tuple(sorted({*found})))
                    self.assertEqual(found[-1], tokens)
                    if not streaming and (split or family.types.a.bits == 8):
                        self.assertEqual(found, (tokens,))
                seen.add(found)
        several = {(112, 128), (144, 160), (176, 208, 256), (32, 48, 64), (48, 64, 80, 96)}
        self.assertLessEqual({(8, 16), (16, 32), *several}, seen)

    def test_many_activations_of_16_bits_come_in_two_stages_a_step(self) -> None:
        # Stages of activations and of weights.
        for family, activations, weights in (("bf16_u4b8", 5, 3), ("e4m3_u4b8", 5, 5)):
            taken = _taken_by_the_widest(family)
            with self.subTest(family):
                self.assertEqual(taken.step_stages, 2 if activations > weights else 1)
                self.assertEqual(taken.stages, activations)
                self.assertEqual(
                    taken.pipeline_bytes(activations),
                    activations * taken.activation_bytes + weights * taken.weight_bytes,
                )

    def test_staging_has_what_stages_leave(self) -> None:
        counts = set()
        for family, schedule, taken in _tiled():
            with self.subTest(f"{_name(family)} {generate_sch_sig(schedule)}"):
                self.assertGreaterEqual(taken.store_buffers, taken.least_store_buffers)
                if taken.store_buffers < taken.stores:
                    self.assertGreater(taken.shared_bytes + taken.store_bytes, MAX_SHARED_BYTES)
                counts.add(taken.store_buffers)
        self.assertGreater(max(counts), 2)


def _tiled() -> Iterator[tuple[ImplConfig, ScheduleConfig, Resources]]:
    """What is known of tiled kernels; streaming ones take their stages at run time."""
    for family in FAMILIES:
        for schedule in family.schedules:
            if not schedule.kernel_schedule.is_streaming:
                yield family, schedule, resources(family.types, schedule)


def _taken_by_the_widest(name: str) -> Resources:
    """By the 128x256 tile of the family of that name."""
    return next(
        taken
        for family, schedule, taken in _tiled()
        if _name(family) == name and schedule.tile_shape_mn == (128, 256)
    )


def _name(family: ImplConfig) -> str:
    return generate_type_option_name(family.types)


if __name__ == "__main__":
    unittest.main()
