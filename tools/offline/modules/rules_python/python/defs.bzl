"""The rules, under one label; Bazel's own tools load them from here."""

load(":py_binary.bzl", _py_binary = "py_binary")
load(":py_info.bzl", _PyInfo = "PyInfo")
load(":py_library.bzl", _py_library = "py_library")
load(":py_test.bzl", _py_test = "py_test")

PyInfo = _PyInfo
py_binary = _py_binary
py_library = _py_library
py_test = _py_test
