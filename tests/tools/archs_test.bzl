"""Tests of the architectures of the stand-in for rules_cuda."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//tools/offline:modules/rules_cuda/cuda/private/archs.bzl", "parse_archs")

_OPTIONS = {
    "": [],
    "compute_90a:sm_90a": ["arch=compute_90a,code=sm_90a"],
    "compute_90a:sm_90a;sm_100": [
        "arch=compute_90a,code=sm_90a",
        "arch=compute_100,code=sm_100",
    ],
    "sm_86, sm_80": [
        "arch=compute_80,code=sm_86",
        "arch=compute_80,code=sm_80",
    ],
    "sm_90,compute_90": [
        "arch=compute_90,code=sm_90",
        "arch=compute_90,code=compute_90",
    ],
    "sm_90a": ["arch=compute_90a,code=sm_90a"],
}

_PROBLEMS = {
    "90a": "\"90a\" in \"90a\" is no CUDA architecture; sm_N and compute_N are",
    "sm_": "\"sm_\" in \"sm_\" is no CUDA architecture; sm_N and compute_N are",
    "sm_90a,": "\"\" in \"sm_90a,\" is no CUDA architecture; sm_N and compute_N are",
    "sm_90a:sm_90a": "\"sm_90a\" in \"sm_90a:sm_90a\" is no virtual architecture; compute_N is",
}

def _archs_test_impl(ctx):
    env = unittest.begin(ctx)
    for spec, pairs in _OPTIONS.items():
        expected = []
        for pair in pairs:
            expected += ["-gencode", pair]
        asserts.equals(env, (expected, None), parse_archs([spec]), spec)
    asserts.equals(
        env,
        (["-gencode", "arch=compute_80,code=sm_80", "-gencode", "arch=compute_90,code=sm_90"], None),
        parse_archs(["sm_80", "sm_90"]),
    )
    for spec, problem in _PROBLEMS.items():
        asserts.equals(env, (None, problem), parse_archs([spec]), spec)
    return unittest.end(env)

archs_test = unittest.make(_archs_test_impl)
