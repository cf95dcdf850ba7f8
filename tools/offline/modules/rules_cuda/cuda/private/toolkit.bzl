"""A repository of links into the CUDA toolkit on this machine."""

_BUILD = """\
load("@bazel_skylib//rules:common_settings.bzl", "bool_setting")
load("@rules_cc//cc:cc_import.bzl", "cc_import")
load("@rules_cc//cc:cc_library.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

bool_setting(
    name = "valid_toolchain_found",
    build_setting_default = {found},
)

cc_library(name = "no_cuda_runtime")
"""

# What requires_cuda() and cuda_library name, for targets that are then skipped.
_NO_TOOLKIT = """
filegroup(name = "nvcc")

filegroup(name = "compiler_files")

[
    cc_library(name = name)
    for name in [
        "cublas",
        "cuda",
        "cuda_headers",
        "cuda_runtime",
        "cuda_runtime_static",
    ]
]
"""

_TOOLKIT = """
filegroup(
    name = "nvcc",
    srcs = ["bin/nvcc"],
)

filegroup(
    name = "compiler_files",
    srcs = glob(
        [
            "bin/bin2c",
            "bin/crt/**",
            "bin/cudafe++",
            "bin/fatbinary",
            "bin/nvcc*",
            "bin/nvlink",
            "bin/ptxas",
            "nvvm/bin/*",
            "nvvm/libdevice/*",
            # where nvcc looks without being told
            "include/**",
            "lib/libcudadevrt.a",
        ],
        allow_empty = True,
    ),
)

cc_library(
    name = "cuda_headers",
    hdrs = glob(["include/**"]),
    includes = ["include"],
)

_SYSTEM_LIBRARIES = [
    "-ldl",
    "-lpthread",
    "-lrt",
]

# By their versioned names, which executables record.
[
    cc_import(
        name = name + "_so",
        shared_library = "lib/lib{{}}.so.{major}".format(name),
    )
    for name in [
        "cublas",
        "cublasLt",
        "cudart",
    ]
]

cc_library(
    name = "cuda_runtime",
    linkopts = _SYSTEM_LIBRARIES,
    deps = [
        ":cuda_headers",
        ":cudart_so",
    ],
)

cc_library(
    name = "cuda_runtime_static",
    srcs = ["lib/libcudart_static.a"],
    linkopts = _SYSTEM_LIBRARIES,
    deps = [":cuda_headers"],
)

cc_library(
    name = "cublas",
    deps = [
        ":cublasLt_so",
        ":cublas_so",
        ":cuda_headers",
    ],
)

# The driver brings its own library: only a stub is linked.
cc_import(
    name = "cuda_so",
    interface_library = "lib/stubs/libcuda.so",
    system_provided = True,
)

cc_library(
    name = "cuda",
    deps = [
        ":cuda_headers",
        ":cuda_so",
    ],
)
"""

_USUAL_PLACE = "/usr/local/cuda"

def _is_toolkit(folder):
    # An nvcc on PATH may be a script that lives elsewhere.
    return folder.get_child("bin", "nvcc").exists and folder.get_child("include", "cuda_runtime.h").exists

def _find(rctx):
    """The toolkit's folder, or None."""
    for source, named in [
        ("toolkit_path", rctx.attr.toolkit_path),
        ("CUDA_PATH", rctx.getenv("CUDA_PATH", "")),
    ]:
        if named:
            folder = rctx.path(named)
            if not _is_toolkit(folder):
                fail("{} is {}, which has no bin/nvcc and include/cuda_runtime.h".format(
                    source,
                    repr(named),
                ))
            return folder
    nvcc = rctx.which("nvcc")
    folders = [nvcc.realpath.dirname.dirname] if nvcc else []
    for folder in folders + [rctx.path(_USUAL_PLACE)]:
        if _is_toolkit(folder):
            return folder
    return None

def _major_version(library):
    """The number in the runtime's file name."""
    for entry in library.readdir():
        digits = entry.basename.removeprefix("libcudart.so.")
        if digits.isdigit():
            return digits
    return fail("no libcudart.so.N in {}".format(library))

def _local_toolkit_impl(rctx):
    # Installed later, it is noticed.
    rctx.watch(_USUAL_PLACE + "/bin/nvcc")
    toolkit = _find(rctx)
    if not toolkit:
        # buildifier: disable=print
        print("no CUDA toolkit: CUDA_PATH is not set, no toolkit's nvcc is on PATH, none is in {}; ".format(_USUAL_PLACE) +
              "targets that need it are skipped")
        rctx.file("BUILD.bazel", _BUILD.format(found = False) + _NO_TOOLKIT)
        return
    library = toolkit.get_child("lib64")
    for name, folder in {
        "bin": toolkit.get_child("bin"),
        "include": toolkit.get_child("include"),
        "lib": library,
        "nvvm": toolkit.get_child("nvvm"),
    }.items():
        rctx.symlink(folder.realpath, name)
    rctx.file(
        "BUILD.bazel",
        _BUILD.format(found = True) + _TOOLKIT.format(major = _major_version(library)),
    )

local_toolkit = repository_rule(
    implementation = _local_toolkit_impl,
    doc = "Links to a CUDA toolkit, and targets for its compiler, headers and libraries.",
    attrs = {
        "toolkit_path": attr.string(
            doc = "Its folder; empty: $CUDA_PATH, else nvcc's on PATH, else /usr/local/cuda.",
        ),
    },
    environ = [
        "CUDA_PATH",
        "PATH",
    ],
    local = True,
)
