"""machete_kernels: the families that a program is built with."""

load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load(":catalogue.bzl", "FAMILIES")
load(":unique.bzl", "check_unique")

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

def _label(name, family):
    if family in FAMILIES:
        return Label("//machete:" + family)
    if ":" in family or "/" in family:
        return native.package_relative_label(family)
    fail("machete_kernels {}: unknown family {}; allowed: {}, or the label of a machete_family".format(
        name,
        family,
        ", ".join(FAMILIES),
    ))

def machete_kernels(name, families, **kwargs):
    """The kernels of several families as one library.

    Linking it registers the families, so that `@machete//machete` finds their kernels.

    Args:
      name: the library's name.
      families: names of Machete's own families, such as `bf16_u4b8`, or labels of machete_family
        targets.
      **kwargs: attributes common to all rules, such as visibility.
    """
    check_unique("machete_kernels " + name, "families", families)
    _kernels(
        name = name,
        families = [_label(name, family) for family in families],
        **kwargs
    )
