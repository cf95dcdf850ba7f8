"""py_library, as built into Bazel 7."""

def py_library(name, **kwargs):
    """Declares a py_library.

    Args:
      name: the target's name.
      **kwargs: attributes of the built-in rule.
    """

    # buildifier: disable=native-py
    native.py_library(name = name, **kwargs)
