"""The extension `python`: one interpreter, the machine's own, whatever versions are asked for."""

load("//python/private:interpreter.bzl", "machine_python")

def _python_impl(_module_ctx):
    machine_python(name = "machine_python")

python = module_extension(
    implementation = _python_impl,
    doc = "Makes the repository of the machine's Python.",
    tag_classes = {
        "toolchain": tag_class(
            doc = "A version that a module is written for; none is fetched here.",
            attrs = {
                "is_default": attr.bool(doc = "Whether it is the default."),
                "python_version": attr.string(doc = "The version, as in \"3.11\"."),
            },
        ),
    },
)
