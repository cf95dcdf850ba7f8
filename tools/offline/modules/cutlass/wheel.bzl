"""The extension `wheel`: CUTLASS's headers, from NVIDIA's wheel."""

load("@rules_python//python/private:fetch_wheel.bzl", "fetch_wheel")

_REQUIREMENT = ("nvidia-cutlass==4.2.0.0 " +
                "--hash=sha256:f9599ada45c7bcb6bf53f7d3f0a7d154183e53451c01bfa59eecd37dd4a693f6")

_BUILD = """\
load("@rules_cc//cc:cc_library.bzl", "cc_library")

cc_library(
    name = "cutlass",
    hdrs = glob([
        "include/**/*.h",
        "include/**/*.hpp",
        "include/**/*.inl",
    ]),
    includes = ["include"],
    visibility = ["//visibility:public"],
)
"""

def _cutlass_wheel_impl(rctx):
    fetch_wheel(rctx, _REQUIREMENT)
    rctx.symlink("site-packages/cutlass_library/source/include", "include")
    rctx.file("BUILD.bazel", _BUILD)

_cutlass_wheel = repository_rule(
    implementation = _cutlass_wheel_impl,
    doc = "The headers in the wheel nvidia-cutlass.",
)

wheel = module_extension(
    implementation = lambda _: _cutlass_wheel(name = "cutlass_wheel"),
    doc = "Makes the repository cutlass_wheel.",
)
