"""py_test, as built into Bazel 7."""

def py_test(name, **kwargs):
    """Declares a py_test.

    Args:
      name: the target's name.
      **kwargs: attributes of the built-in rule.
    """

    # buildifier: disable=native-py
    native.py_test(name = name, **kwargs)
