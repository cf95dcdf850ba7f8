"""The extension `toolchain`: which CUDA toolkit is used."""

load("//cuda/private:toolkit.bzl", "local_toolkit")

def _toolchain_impl(module_ctx):
    # As in the real rules, the root module's choice goes before any other's.
    chosen = None
    for mod in module_ctx.modules:
        for tag in mod.tags.toolkit:
            if chosen == None or mod.is_root:
                chosen = tag
    local_toolkit(
        name = chosen.name,
        toolkit_path = chosen.toolkit_path,
    )

toolchain = module_extension(
    implementation = _toolchain_impl,
    doc = "Makes the repository of the CUDA toolkit.",
    tag_classes = {
        "toolkit": tag_class(
            doc = "A toolkit on this machine.",
            attrs = {
                "name": attr.string(
                    default = "cuda",
                    doc = "Name of the repository.",
                ),
                "toolkit_path": attr.string(
                    doc = "Its folder; empty: $CUDA_PATH, else nvcc's on PATH, else /usr/local/cuda.",
                ),
            },
        ),
    },
)
