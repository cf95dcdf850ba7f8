"""nested_bazel_test: a py_test that runs a Bazel of its own."""

load("@rules_python//python:py_test.bzl", "py_test")

def nested_bazel_test(name, data = [], deps = [], **kwargs):
    """A py_test with workspace.py, to be run by name.

    Args:
      name: the test's name.
      data: more files.
      deps: more libraries.
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
        # It takes minutes, all cores, and the user's cache of installed programs.
        tags = [
            "exclusive",
            "external",
            "local",
            "manual",
        ],
        timeout = "eternal",
        deps = deps + [Label("//tests/builds:workspace")],
        **kwargs
    )
