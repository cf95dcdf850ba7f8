"""The public rules: those of rules_cuda that this repository builds with."""

load("//cuda/private:cuda_library.bzl", _cuda_library = "cuda_library")
load("//cuda/private:requires_cuda.bzl", _requires_cuda = "requires_cuda")

cuda_library = _cuda_library
requires_cuda = _requires_cuda
