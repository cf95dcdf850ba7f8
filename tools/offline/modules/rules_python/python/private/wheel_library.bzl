"""Repositories of unpacked wheels, and the hub that names them."""

load(":fetch_wheel.bzl", "fetch_wheel")

_WHEEL_BUILD = """\
package(default_visibility = ["//visibility:public"])

filegroup(
    name = "whl",
    srcs = ["{wheel}"],
)

filegroup(
    name = "data",
    srcs = glob(
        ["site-packages/**"],
        allow_empty = True,
        exclude = ["site-packages/**/*.py"],
    ),
)

py_library(
    name = "pkg",
    srcs = glob(
        ["site-packages/**/*.py"],
        allow_empty = True,
    ),
    data = [":data"],
    imports = ["site-packages"],
    deps = {deps},
)
"""

def _wheel_library_impl(rctx):
    wheel = fetch_wheel(rctx, rctx.attr.requirement)

    # A requirement that is not locked is left out, as pip's --no-deps does.
    required = [name for name in wheel.requires if name in rctx.attr.locked]
    rctx.file("BUILD.bazel", _WHEEL_BUILD.format(
        deps = ["@{}//{}:pkg".format(rctx.attr.hub, name) for name in required],
        wheel = wheel.wheel,
    ))

wheel_library = repository_rule(
    implementation = _wheel_library_impl,
    doc = "One distribution: its wheel, its library and the data beside that.",
    attrs = {
        "hub": attr.string(
            mandatory = True,
            doc = "The hub that holds the distributions it requires.",
        ),
        "locked": attr.string_list(
            mandatory = True,
            doc = "Normalized names of all that the lock holds.",
        ),
        "requirement": attr.string(
            mandatory = True,
            doc = "The lock's line.",
        ),
    },
)

_HUB_BUILD = """\
package(default_visibility = ["//visibility:public"])

alias(
    name = "{name}",
    actual = ":pkg",
)

[
    alias(
        name = part,
        actual = "@{hub}_{name}//:" + part,
    )
    for part in [
        "data",
        "pkg",
        "whl",
    ]
]
"""

def _wheel_hub_impl(rctx):
    rctx.file("BUILD.bazel", "")
    for name in rctx.attr.distributions:
        rctx.file(name + "/BUILD.bazel", _HUB_BUILD.format(hub = rctx.attr.hub, name = name))

wheel_hub = repository_rule(
    implementation = _wheel_hub_impl,
    doc = "A package for each locked distribution, which names its wheel_library.",
    attrs = {
        "distributions": attr.string_list(
            mandatory = True,
            doc = "Normalized names.",
        ),
        "hub": attr.string(
            mandatory = True,
            doc = "The repository's own apparent name.",
        ),
    },
)
