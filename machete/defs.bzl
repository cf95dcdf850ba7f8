"""Public rules of Machete.

    load("@machete//machete:defs.bzl", "machete_kernels")

    machete_kernels(
        name = "kernels",
        families = ["bf16_u4b8"],
        schedules = [
            "224x16_1x1x2_Stream_NoSmem_Persistent",
            "128x128_1x1x1_Coop_Tma_StreamK",
        ],
    )
"""

load("//machete/private:family.bzl", _machete_family = "machete_family")
load("//machete/private:kernels.bzl", _machete_kernels = "machete_kernels")
load("//machete/private:schedule.bzl", _schedule = "schedule")

machete_family = _machete_family
machete_kernels = _machete_kernels
schedule = _schedule
