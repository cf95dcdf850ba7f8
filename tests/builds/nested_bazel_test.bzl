"""nested_bazel_test: a py_test that runs a Bazel of its own."""

load("@rules_python//python:py_test.bzl", "py_test")

# It takes minutes and all cores.
_BY_NAME = [
    "exclusive",
    "external",
    "manual",
]

def nested_bazel_test(name, data = [], deps = [], tags = _BY_NAME, timeout = "eternal", **kwargs):
    """A py_test with workspace.py.

    Args:
      name: the test's name.
      data: more files.
      deps: more libraries.
      tags: more tags; by default, the test is run by name alone.
      timeout: as of py_test.
      **kwargs: other attributes of py_test.
    """
    py_test(
        name = name,
        data = data + [Label("//tools:bazel")],
        env = {"TOOLS_BAZEL": "$(rootpath //tools:bazel)"},
        # As for the Bazel around it.
        env_inherit = [
            "CUDA_PATH",
            "HOME",
            "MACHETE_BAZEL",
            "MACHETE_PYTHON",
            "PATH",
            "XDG_CACHE_HOME",
        ],
        # The user's cache of installed programs.
        tags = tags + ["local"],
        timeout = timeout,
        deps = deps + [Label("//tests/builds:workspace")],
        **kwargs
    )
