"""Mistakes in BUILD files that are found at loading."""

load("//machete:defs.bzl", "schedule")
load("//machete/private:mistakes.bzl", "family_mistake", "kernels_mistake")

_NARROW = schedule(
    kernel = "TmaWarpSpecializedSlicedK",
    tile = (64, 16),
)
_WIDE = schedule(tile = (128, 128))
_TYPES = {
    "a": "bf16",
    "b": "u4b8",
    "out": "bf16",
}

def _kernels(families = ["bf16_u4b8"], schedules = None):
    return kernels_mistake("kernels", families, schedules)

def _named(name):
    return family_mistake(name, _TYPES, [_WIDE], [(None, _WIDE)])

def _family(schedules = [_NARROW, _WIDE], heuristic = [(None, _WIDE)], **types):
    return family_mistake("own", _TYPES | types, schedules, heuristic)

def _schedule(**fields):
    return _family(schedules = [_WIDE, schedule(**fields)])

LOADING = [
    ("a family that Machete does not have", _kernels(families = ["bf16_u5"])),
    ("a family in place of a list of families", _kernels(families = "bf16_u4b8")),
    ("no family", _kernels(families = [])),
    ("the same family twice", _kernels(families = ["bf16_u4b8", "f16_u4b8", "bf16_u4b8"])),
    ("a target in place of its label", _kernels(families = [struct(name = "own")])),
    ("a schedule that Machete does not have", _kernels(schedules = ["128x128"])),
    ("the file of a schedule", _kernels(schedules = ["impl_128x128_1x1x1_Coop_Tma_StreamK.cu"])),
    ("a schedule in place of a list of schedules", _kernels(schedules = "128x128_1x1x1_Coop_Tma_StreamK")),
    ("a list without schedules", _kernels(schedules = [])),
    ("the same schedule twice", _kernels(schedules = 2 * ["128x128_1x1x1_Coop_Tma_StreamK"])),
    ("what `schedule()` returns in place of its name", _kernels(schedules = [_WIDE])),
    ("schedules of other families only", _kernels(
        families = ["bf16_u4b8", "e4m3_u4b8_gsvoid"],
        schedules = ["256x128_1x1x1_Coop_Tma_StreamK"],
    )),
    ("a subset of a family of one's own", _kernels(
        families = [":own"],
        schedules = ["128x128_1x1x1_Coop_Tma_StreamK"],
    )),
    ("a name with a space", _named("own family")),
    ("a misspelt type", _family(a = "bfloat16")),
    ("a number of bits in place of a type", _family(b = 4)),
    ("a family without schedules", _family(schedules = [])),
    ("one schedule in place of a list", _family(schedules = _WIDE)),
    ("the name of a schedule in place of `schedule()`", _family(schedules = [_WIDE.name])),
    ("two equal schedules", _family(schedules = [_WIDE, _NARROW, _WIDE])),
    ("a misspelt kernel", _schedule(kernel = "Cooperative")),
    ("a misspelt epilogue", _schedule(epilogue = "NoSmem")),
    ("a misspelt scheduler", _schedule(scheduler = "stream_k")),
    ("a tile of three sizes", _schedule(tile = (128, 128, 64))),
    ("a tile as it stands in names", _schedule(tile = "128x128")),
    ("a tile of no tokens", _schedule(tile = (128, 0))),
    ("a cluster of two sizes", _schedule(cluster = (2, 1))),
    ("no heuristic", _family(heuristic = [])),
    ("a heuristic as a dictionary", _family(heuristic = {"M <= 16": _NARROW})),
    ("a heuristic of schedules alone", _family(heuristic = [_WIDE])),
    ("no default at the end", _family(heuristic = [("M <= 16", _NARROW)])),
    ("a default before the end", _family(heuristic = [(None, _NARROW), (None, _WIDE)])),
    ("a number in place of a condition", _family(heuristic = [(16, _NARROW), (None, _WIDE)])),
    ("a heuristic with the name of a schedule", _family(heuristic = [(None, _WIDE.name)])),
    ("a heuristic with a schedule that is not in the list", _family(schedules = [_NARROW])),
]
