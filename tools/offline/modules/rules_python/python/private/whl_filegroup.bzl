"""whl_filegroup: files out of a wheel."""

def _whl_filegroup_impl(ctx):
    folder = ctx.actions.declare_directory(ctx.label.name)
    arguments = ctx.actions.args()
    arguments.add(ctx.file.whl)
    arguments.add(folder.path)
    arguments.add(ctx.attr.pattern)
    ctx.actions.run(
        executable = ctx.executable._extract,
        arguments = [arguments],
        inputs = [ctx.file.whl],
        outputs = [folder],
        mnemonic = "PyExtractWheelFiles",
        progress_message = "Extracting %{label}",
    )
    return [DefaultInfo(files = depset([folder]))]

whl_filegroup = rule(
    implementation = _whl_filegroup_impl,
    doc = "A folder of the target's name, with some of a wheel's files at their places in the wheel.",
    attrs = {
        "pattern": attr.string(
            doc = "A regular expression that the beginning of a file's place matches.",
        ),
        "whl": attr.label(
            allow_single_file = [".whl"],
            mandatory = True,
            doc = "The wheel.",
        ),
        "_extract": attr.label(
            cfg = "exec",
            default = Label("//python/private:extract"),
            doc = "Unpacks the files.",
            executable = True,
        ),
    },
)
