"""The machine's Python: one for wheels, build actions and tests alike."""

# The locks of this repository hold wheels from here on.
_OLDEST = (3, 11)

# Printed by the interpreter: its own absolute path, since PATH inside an action may hold another
# python3, for which the wheels would not fit, and its version.
_PROBE = "import sys; print(sys.executable, *sys.version_info[:2])"

_BUILD = """\
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")

exports_files(["interpreter.txt"])

py_runtime(
    name = "runtime",
    interpreter_path = "{path}",
    python_version = "PY3",
    stub_shebang = "#!{path}",
)

py_runtime_pair(
    name = "runtime_pair",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtime_pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
    visibility = ["//visibility:public"],
)
"""

def _machine_python_impl(rctx):
    name = rctx.getenv("MACHETE_PYTHON", "python3")
    program = rctx.path(name) if "/" in name else rctx.which(name)
    if not program:
        fail("no {} on PATH; MACHETE_PYTHON names another interpreter".format(name))
    result = rctx.execute([program, "-c", _PROBE])
    if result.return_code:
        fail("{} does not run: {}".format(program, result.stderr))
    path, major, minor = result.stdout.strip().rsplit(" ", 2)
    if (int(major), int(minor)) < _OLDEST:
        fail("{} is Python {}.{}; {}.{} or newer is needed, and MACHETE_PYTHON names another".format(
            path,
            major,
            minor,
            *_OLDEST
        ))
    rctx.file("interpreter.txt", "{}\n{}.{}\n".format(path, major, minor))
    rctx.file("BUILD.bazel", _BUILD.format(path = path))

machine_python = repository_rule(
    implementation = _machine_python_impl,
    doc = "A toolchain for the interpreter that MACHETE_PYTHON names, else python3 on PATH.",
    environ = [
        "MACHETE_PYTHON",
        "PATH",
    ],
    local = True,
)
