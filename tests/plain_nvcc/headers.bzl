"""headers: a library's headers as files that a test can read."""

load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

def _headers_impl(ctx):
    return [DefaultInfo(files = ctx.attr.of[CcInfo].compilation_context.headers)]

headers = rule(
    doc = "The headers of a library and of all that it depends on.",
    implementation = _headers_impl,
    attrs = {
        "of": attr.label(
            doc = "A library of C++.",
            mandatory = True,
            providers = [CcInfo],
        ),
    },
)
