"""machete_family: a type family of one's own."""

load("@bazel_skylib//rules:write_file.bzl", "write_file")
load(":generated_family.bzl", "generated_family")
load(":mistakes.bzl", "family_mistake")

def machete_family(
        name,
        a,
        b,
        schedules,
        heuristic,
        b_group_scale = None,
        b_group_zeropoint = None,
        b_channel_scale = None,
        a_token_scale = None,
        out = None,
        accumulator = None,
        tags = [],
        visibility = None):
    """A family with types, tile shapes and a heuristic of one's own, generated and compiled.

    Linking `<name>` registers the family, so that `@machete//machete` finds its kernels. A program
    links one family of the same types.

        load("@machete//machete:defs.bzl", "machete_family", "schedule")

        NARROW = schedule(tile = (64, 16), kernel = "TmaWarpSpecializedSlicedK")
        WIDE = schedule(tile = (128, 128))

        machete_family(
            name = "decoder",
            a = "bf16",
            b = "u4b8",
            schedules = [NARROW, WIDE],
            heuristic = [
                ("M <= 16", NARROW),
                (None, WIDE),
            ],
        )

    The types that are not stated are those of Machete's own family of the same activations and weights;
    `e2m1` has the scales of MXFP4, `ue8m0`. `void` for scales compiles kernels without them.

    What is wrong with it is said at loading as far as Starlark knows, and else by the generator, before
    anything is compiled.

    Args:
      name: the library's name; the C++ namespace follows from the types.
      a: the activations' type, such as `bf16`. RUNNABLE_TYPES in machete/generator/constraints.py has
        what the kernels run.
      b: the weights' type, such as `u4b8`.
      schedules: results of schedule(), each once.
      heuristic: pairs of a condition and one of the schedules. The first condition that holds counts;
        the last is None. Conditions compare one of M (tokens), N (output features), K (input features)
        with an integer and join comparisons by `and` and `or`.
      b_group_scale: the type of the scales of groups of weights.
      b_group_zeropoint: the type of their zero points.
      b_channel_scale: the type of the output features' scales.
      a_token_scale: the type of the tokens' scales.
      out: the result's type.
      accumulator: the type of sums.
      tags: of the library.
      visibility: of the library.
    """
    types = {"a": a, "b": b} | {
        field: type_
        for field, type_ in {
            "a_token_scale": a_token_scale,
            "accumulator": accumulator,
            "b_channel_scale": b_channel_scale,
            "b_group_scale": b_group_scale,
            "b_group_zeropoint": b_group_zeropoint,
            "out": out,
        }.items()
        if type_ != None  # machete/generator/config.py has the defaults
    }
    mistake = family_mistake(name, types, schedules, heuristic)
    if mistake:
        fail(mistake)

    # machete/generator/described.py reads it.
    family = {
        "heuristic": [[condition, schedule.name] for condition, schedule in heuristic],
        "schedules": [
            {
                "cluster": schedule.cluster,
                "epilogue": schedule.epilogue,
                "kernel": schedule.kernel,
                "scheduler": schedule.scheduler,
                "tile": schedule.tile,
            }
            for schedule in schedules
        ],
        "types": types,
    }
    write_file(
        name = name + ".families",
        out = name + "/families.json",
        content = [json.encode_indent([family]), ""],
    )
    generated_family(
        name = name,
        srcs = [name + ".families"],
        arguments = ["--families", "$(execpath {}.families)".format(name)],
        shards = ["impl_{}.cu".format(schedule.name) for schedule in schedules],
        tags = tags,
        visibility = visibility,
    )
