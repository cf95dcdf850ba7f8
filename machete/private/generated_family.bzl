"""generated_family: one type family, generated and compiled."""

load("@rules_cuda//cuda:defs.bzl", "cuda_library", "requires_cuda")
load("//machete/remote:properties.bzl", "SHARD_EXEC_PROPERTIES")
load(":copts.bzl", "ARCHS", "COPTS")
load(":pic_library.bzl", "pic_library")

_GENERATE = Label("//machete:generate")
_KERNEL_HEADERS = Label("//machete:kernel_headers")
_LINUX = Label("@platforms//os:linux")
_MACHETE = Label("//machete")

# What every family has beside its shards.
_DISPATCH = [
    "dispatch.cu",
    "prepack.cu",
]

def _compile(name, srcs, deps):
    cuda_library(
        name = name,
        srcs = srcs,
        archs = ARCHS,
        copts = COPTS,
        exec_properties = SHARD_EXEC_PROPERTIES,
        tags = [
            # Built by itself, an optimised cuda_library is compiled twice; see pic_library.bzl.
            "manual",
            # In MB, for Bazel 9.2 and later; earlier ones take every compilation for 250.
            "resources:memory:600",
        ],
        target_compatible_with = requires_cuda() + [_LINUX],
        deps = deps,
    )

def generated_family(name, shards, arguments, srcs = [], tags = [], visibility = None):
    """Generates the sources of one family and compiles each on its own.

    Makes `<name>`, the library to depend on, which registers the family where it is linked; and to
    that end `<name>.srcs`, the generated sources, `<name>.shards`, the kernels, compiled, and
    `<name>.dispatch`, the rest, compiled.

    Args:
      name: the library's name.
      shards: the names of the files that hold a kernel each.
      arguments: of the generator, which say what the family is; locations are expanded.
      srcs: files that the arguments name.
      tags: of the library; the objects are compiled only where something needs them.
      visibility: of the library; the other targets are as visible as their package says.
    """
    folder = name + "/"
    native.genrule(
        name = name + ".srcs",
        srcs = srcs,
        outs = [folder + file for file in _DISPATCH + shards],
        cmd = " ".join(["$(execpath {})".format(_GENERATE)] + arguments + ["--outputs", "$(OUTS)"]),
        tools = [_GENERATE],
    )

    # Apart, so that a change of the API or the runtime compiles no kernel.
    _compile(
        name = name + ".shards",
        srcs = [folder + file for file in shards],
        deps = [_KERNEL_HEADERS],
    )
    _compile(
        name = name + ".dispatch",
        srcs = [folder + file for file in _DISPATCH],
        deps = [_MACHETE],
    )
    pic_library(
        name = name,
        libraries = [
            name + ".dispatch",
            name + ".shards",
        ],
        tags = tags,
        visibility = visibility,
        deps = [_MACHETE],
    )
