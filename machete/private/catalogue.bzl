"""What Bazel must know at loading: the shards of each family, and the names in use.

Written by `machete.generator --starlark`: do not edit.
"""

FAMILIES = {
    "bf16_u4b8": [
        "impl_128x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_192x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_224x16_1x1x2_Stream_NoSmem_Persistent.cu",
        "impl_224x8_1x1x2_Stream_NoSmem_Persistent.cu",
        "impl_256x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x32_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x64_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x96_1x1x1_Coop_Tma_StreamK.cu",
        "impl_64x32_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x32_1x1x2_SlicedK_Tma_Persistent.cu",
        "impl_64x64_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x64_1x1x2_SlicedK_Tma_Persistent.cu",
    ],
    "bf16_u8b128": [
        "impl_128x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_128x192_1x1x1_Coop_Tma_StreamK.cu",
        "impl_128x64_1x1x1_Coop_Tma_StreamK.cu",
        "impl_192x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_224x16_1x1x2_Stream_NoSmem_Persistent.cu",
        "impl_224x8_1x1x2_Stream_NoSmem_Persistent.cu",
        "impl_256x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x128_2x1x1_Coop_Tma_StreamK.cu",
        "impl_256x96_1x1x1_Coop_Tma_StreamK.cu",
        "impl_64x32_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x64_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x64_1x1x2_SlicedK_Tma_Persistent.cu",
    ],
    "f16_u4b8": [
        "impl_128x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_192x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_224x16_1x1x2_Stream_NoSmem_Persistent.cu",
        "impl_224x8_1x1x2_Stream_NoSmem_Persistent.cu",
        "impl_256x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x32_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x64_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x96_1x1x1_Coop_Tma_StreamK.cu",
        "impl_64x32_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x32_1x1x2_SlicedK_Tma_Persistent.cu",
        "impl_64x64_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x64_1x1x2_SlicedK_Tma_Persistent.cu",
    ],
    "f16_u8b128": [
        "impl_128x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_128x192_1x1x1_Coop_Tma_StreamK.cu",
        "impl_128x64_1x1x1_Coop_Tma_StreamK.cu",
        "impl_192x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_224x16_1x1x2_Stream_NoSmem_Persistent.cu",
        "impl_224x8_1x1x2_Stream_NoSmem_Persistent.cu",
        "impl_256x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x128_2x1x1_Coop_Tma_StreamK.cu",
        "impl_256x96_1x1x1_Coop_Tma_StreamK.cu",
        "impl_64x32_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x64_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x64_1x1x2_SlicedK_Tma_Persistent.cu",
    ],
}

# The names of data types.
DATA_TYPES = [
    "bf16",
    "e2m1",
    "e4m3",
    "e5m2",
    "f16",
    "f32",
    "s4",
    "s8",
    "u4",
    "u4b8",
    "u8",
    "u8b128",
    "ue8m0",
    "void",
]

# What `epilogue` of a schedule may be, and how it is spelt in the name.
EPILOGUE_SCHEDULES = {
    "NoSmemWarpSpecialized": "NoSmem",
    "TmaWarpSpecialized": "Tma",
}

# What `kernel` of a schedule may be, and how it is spelt in the name.
KERNEL_SCHEDULES = {
    "TmaWarpSpecializedCooperative": "Coop",
    "TmaWarpSpecializedSlicedK": "SlicedK",
    "TmaWarpSpecializedStreaming": "Stream",
}

# What `scheduler` of a schedule may be, and how it is spelt in the name.
TILE_SCHEDULERS = {
    "Persistent": "Persistent",
    "StreamK": "StreamK",
}
