"""machete_family: one type family, generated and compiled."""

load("@rules_cuda//cuda:defs.bzl", "cuda_library", "requires_cuda")
load(":copts.bzl", "ARCHS", "COPTS")
load(":pic_library.bzl", "pic_library")
load(":unique.bzl", "check_unique")

_GENERATE = Label("//machete:generate")
_KERNEL_HEADERS = Label("//machete:kernel_headers")
_LINUX = Label("@platforms//os:linux")

def machete_family(name, files, catalogue = None, visibility = None):
    """Generates the sources of one family and compiles each on its own.

    Makes three targets: `<name>.srcs`, the generated sources; `<name>.cuda`, their compilation; and
    `<name>`, the library to depend on. Linking it registers the family.

    Args:
      name: the family's name in the catalogue, such as `bf16_u4b8`.
      files: the names of its generated files, as `machete.generator --starlark` writes them.
      catalogue: a Python file that defines FAMILIES, in place of Machete's own catalogue.
      visibility: of `<name>`; the other two are as visible as their package says.
    """
    check_unique("machete_family " + name, "files", files)

    command = ["$(execpath {})".format(_GENERATE), "--family", name, "--outputs", "$(OUTS)"]
    if catalogue:
        command += ["--catalogue", "$(execpath {})".format(catalogue)]
    native.genrule(
        name = name + ".srcs",
        srcs = [catalogue] if catalogue else [],
        outs = ["{}/{}".format(name, file) for file in files],
        cmd = " ".join(command),
        tools = [_GENERATE],
    )

    cuda_library(
        name = name + ".cuda",
        srcs = [name + ".srcs"],
        archs = ARCHS,
        copts = COPTS,
        # In MB, for Bazel 9.2 and later; earlier ones take every compilation for 250.
        tags = ["resources:memory:600"],
        target_compatible_with = requires_cuda() + [_LINUX],
        deps = [_KERNEL_HEADERS],
    )
    pic_library(
        name = name,
        library = name + ".cuda",
        visibility = visibility,
        deps = [_KERNEL_HEADERS],
    )
