"""machete_kernels: the families that a program is built with."""

load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load(":catalogue.bzl", "FAMILIES")
load(":generated_family.bzl", "generated_family")
load(":mistakes.bzl", "kernels_mistake", "schedules_of")

def _kernels_impl(ctx):
    families = ctx.attr.families
    return [
        # A cc_library that only has dependencies builds nothing when it is built itself.
        DefaultInfo(files = depset(transitive = [family[DefaultInfo].files for family in families])),
        cc_common.merge_cc_infos(cc_infos = [family[CcInfo] for family in families]),
    ]

_kernels = rule(
    doc = "Forwards what it depends on, as files to build and as libraries to link.",
    implementation = _kernels_impl,
    attrs = {
        "families": attr.label_list(
            doc = "Targets of machete_family.",
            mandatory = True,
            providers = [CcInfo],
        ),
    },
    provides = [CcInfo],
)

def _family(name, family, schedules, tags):
    """Returns the label of a family, after defining it where it is a subset."""
    if family not in FAMILIES:
        return native.package_relative_label(family)
    if schedules == None:
        return Label("//machete:" + family)
    own = schedules_of(family)
    kept = [schedule for schedule in schedules if schedule in own]
    subset = "{}.{}".format(name, family)
    generated_family(
        name = subset,
        arguments = ["--family", family, "--schedules"] + kept,
        shards = ["impl_{}.cu".format(schedule) for schedule in kept],
        tags = tags,
    )
    return native.package_relative_label(":" + subset)

def machete_kernels(name, families, schedules = None, tags = [], **kwargs):
    """The kernels of several families as one library.

    Linking it registers the families, so that `@machete//machete` finds their kernels. With
    `schedules`, each family is generated and compiled in the calling package, as `<name>.<family>`,
    with these schedules alone. Its heuristic keeps what it says about them: a condition whose schedule
    is left out is dropped, the cost model chooses among those left, and where no default is left, the
    last of `schedules` that the family has becomes it.

    A program links one library of the same types: the whole family or a subset.

    Args:
      name: the library's name.
      families: names of Machete's own families, such as `bf16_u4b8`, or labels of machete_family
        targets.
      schedules: names of schedules as `supported_schedules()` gives them, such as
        `128x128_1x1x1_Coop_Tma_StreamK`, for Machete's own families: of each those that it has, at
        least one. None: all.
      tags: of the library, and of the subsets.
      **kwargs: attributes common to all rules, such as visibility.
    """
    mistake = kernels_mistake(name, families, schedules)
    if mistake:
        fail(mistake)
    _kernels(
        name = name,
        families = [_family(name, family, schedules, tags) for family in families],
        tags = tags,
        **kwargs
    )
