"""Public rules of Machete.

    load("@machete//machete:defs.bzl", "machete_kernels")

    machete_kernels(
        name = "kernels",
        families = ["bf16_u4b8"],
    )
"""

load("//machete/private:family.bzl", _machete_family = "machete_family")
load("//machete/private:kernels.bzl", _machete_kernels = "machete_kernels")

machete_family = _machete_family
machete_kernels = _machete_kernels
