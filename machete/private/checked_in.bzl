"""checked_in: files under version control that are generated, and kept equal to what generates them."""

load("@bazel_skylib//rules:diff_test.bzl", "diff_test")
load("@rules_python//python:py_binary.bzl", "py_binary")

def checked_in(name, files, tags = []):
    """Compares checked-in files with generated ones, and updates them on request.

    Makes `<name>`, which `bazel run` copies the generated files with, and for each file a test that
    fails while the two differ, `<name>.<file>_test`.

    Args:
      name: the updating target's name.
      files: the generated file's label, by the checked-in file's.
      tags: of all these targets.
    """
    package = native.package_name()
    places = []
    for checked, generated in files.items():
        label = native.package_relative_label(checked)
        diff_test(
            name = "{}.{}_test".format(name, label.name.split("/")[-1]),
            size = "small",
            failure_message = "Out of date; to update: bazel run //{}:{}".format(package, name),
            file1 = checked,
            file2 = generated,
            tags = tags,
        )
        places.append("{}/{}=$(rootpath {})".format(label.package, label.name, generated))
    py_binary(
        name = name,
        srcs = [Label("//machete/private:checked_in.py")],
        args = places,
        data = files.values(),
        main = Label("//machete/private:checked_in.py"),
        tags = tags,
    )
