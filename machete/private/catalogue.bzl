"""The shards of each family of the catalogue.

Written by `machete.generator --starlark`: do not edit.
"""

FAMILIES = {
    "bf16_u4b8": [
        "impl_128x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_128x16_1x1x1_Coop_Tma_StreamK.cu",
        "impl_128x256_2x1x1_Coop_Tma_StreamK.cu",
        "impl_128x64_1x1x1_Coop_Tma_StreamK.cu",
        "impl_192x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x32_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x64_1x1x1_Coop_Tma_StreamK.cu",
        "impl_64x16_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x16_1x1x2_SlicedK_Tma_Persistent.cu",
        "impl_64x32_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x64_1x1x1_SlicedK_Tma_StreamK.cu",
    ],
    "f16_u4b8": [
        "impl_128x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_128x16_1x1x1_Coop_Tma_StreamK.cu",
        "impl_128x256_2x1x1_Coop_Tma_StreamK.cu",
        "impl_128x64_1x1x1_Coop_Tma_StreamK.cu",
        "impl_192x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x32_1x1x1_Coop_Tma_StreamK.cu",
        "impl_256x64_1x1x1_Coop_Tma_StreamK.cu",
        "impl_64x16_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x16_1x1x2_SlicedK_Tma_Persistent.cu",
        "impl_64x32_1x1x1_SlicedK_Tma_StreamK.cu",
        "impl_64x64_1x1x1_SlicedK_Tma_StreamK.cu",
    ],
}
