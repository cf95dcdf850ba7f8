"""The checks of the macros' arguments, as far as docs/mistakes.md does not show them."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//machete:defs.bzl", "schedule")
load("//machete/private:catalogue.bzl", "EPILOGUE_SCHEDULES", "FAMILIES", "KERNEL_SCHEDULES", "TILE_SCHEDULERS")
load("//machete/private:mistakes.bzl", "family_mistake", "kernels_mistake", "schedules_of")

def _key(table, value):
    return [key for key in table if table[key] == value][0]

def _parse(name):
    """Makes the schedule that a name of the generator stands for."""
    tile, cluster, kernel, epilogue, scheduler = name.split("_")
    return schedule(
        tile = tuple([int(size) for size in tile.split("x")]),
        cluster = tuple([int(size) for size in cluster.split("x")]),
        kernel = _key(KERNEL_SCHEDULES, kernel),
        epilogue = _key(EPILOGUE_SCHEDULES, epilogue),
        scheduler = _key(TILE_SCHEDULERS, scheduler),
    )

def _names_test_impl(ctx):
    env = unittest.begin(ctx)
    for family in FAMILIES:
        for name in schedules_of(family):
            asserts.equals(env, name, _parse(name).name)
    asserts.equals(env, "128x64_1x1x1_Coop_Tma_StreamK", schedule().name)

    # A list is as good as a tuple.
    asserts.equals(env, schedule().name, schedule(tile = [128, 64], cluster = [1, 1, 1]).name)
    asserts.equals(env, None, schedule(kernel = "Cooperative").name)
    return unittest.end(env)

schedule_names_test = unittest.make(_names_test_impl)

def _accepted_test_impl(ctx):
    env = unittest.begin(ctx)
    asserts.equals(env, None, kernels_mistake("kernels", FAMILIES.keys()))
    asserts.equals(env, None, kernels_mistake("kernels", ["bf16_u4b8", "//some:family", ":other"]))
    for family in FAMILIES:
        asserts.equals(env, None, kernels_mistake("kernels", [family], schedules_of(family)))

    # Not every family has both.
    asserts.equals(env, None, kernels_mistake("kernels", FAMILIES.keys(), [
        "128x192_1x1x1_Coop_Tma_StreamK",
        "192x128_1x1x1_Coop_Tma_StreamK",
    ]))
    narrow, wide = schedule(tile = (128, 32)), schedule()
    types = {"a": "bf16", "b": "u4b8"}
    for heuristic in [[(None, wide)], [("M <= 16", narrow), [None, wide]]]:
        asserts.equals(env, None, family_mistake("own", types, [narrow, wide], heuristic))
    return unittest.end(env)

accepted_test = unittest.make(_accepted_test_impl)
