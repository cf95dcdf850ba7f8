"""py_binary, as built into Bazel 7."""

def py_binary(name, **kwargs):
    """Declares a py_binary.

    Args:
      name: the target's name.
      **kwargs: attributes of the built-in rule.
    """

    # buildifier: disable=native-py
    native.py_binary(name = name, **kwargs)
