"""py_wheel: files as a wheel."""

def _py_wheel_impl(ctx):
    name = "{}-{}".format(ctx.attr.distribution.replace("-", "_"), ctx.attr.version)
    tag = "{}-{}-{}".format(ctx.attr.python_tag, ctx.attr.abi, ctx.attr.platform)
    wheel = ctx.actions.declare_file("{}-{}.whl".format(name, tag))

    # What METADATA says, but for the description.
    metadata = [
        "Metadata-Version: 2.1",
        "Name: " + ctx.attr.distribution,
        "Version: " + ctx.attr.version,
        "Summary: " + ctx.attr.summary,
        "License: " + ctx.attr.license,
        "Requires-Python: " + ctx.attr.python_requires,
        "Description-Content-Type: text/markdown",
    ] + ["Requires-Dist: " + requirement for requirement in ctx.attr.requires]

    arguments = ctx.actions.args()
    arguments.add("--output", wheel)
    arguments.add("--name", name)
    arguments.add("--tag", tag)
    arguments.add_all(metadata, before_each = "--metadata")
    arguments.add("--description", ctx.file.description_file)
    arguments.add_all(ctx.attr.strip_path_prefixes, before_each = "--strip")
    for file in ctx.files.deps:
        arguments.add_all("--file", [file.short_path, file.path])
    ctx.actions.run(
        executable = ctx.executable._build,
        arguments = [arguments],
        inputs = ctx.files.deps + [ctx.file.description_file],
        outputs = [wheel],
        mnemonic = "PyWheel",
        progress_message = "Packing %{output}",
    )
    return [DefaultInfo(files = depset([wheel]))]

py_wheel = rule(
    implementation = _py_wheel_impl,
    doc = "A wheel of the files of other targets.",
    attrs = {
        "abi": attr.string(default = "none"),
        "deps": attr.label_list(doc = "Whose files are in it, at their paths.", allow_files = True),
        "description_file": attr.label(allow_single_file = True, mandatory = True),
        "distribution": attr.string(mandatory = True),
        "license": attr.string(mandatory = True),
        "platform": attr.string(default = "any"),
        "python_requires": attr.string(mandatory = True),
        "python_tag": attr.string(default = "py3"),
        "requires": attr.string_list(),
        "strip_path_prefixes": attr.string_list(doc = "Left out of paths that begin with them."),
        "summary": attr.string(mandatory = True),
        "version": attr.string(mandatory = True),
        "_build": attr.label(
            cfg = "exec",
            default = Label("//python/private:build_wheel"),
            doc = "Writes the wheel.",
            executable = True,
        ),
    },
)
