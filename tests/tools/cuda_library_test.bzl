"""What this repository relies on in cuda_library, of rules_cuda and of its stand-in alike."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

def _contains(arguments, sequence):
    """Whether the sequence stands in the arguments, in one piece."""
    size = len(sequence)
    return any([
        arguments[i:i + size] == sequence
        for i in range(len(arguments) - size + 1)
    ])

def _compilation_test_impl(ctx):
    env = analysistest.begin(ctx)
    compilations = [
        action
        for action in analysistest.target_actions(env)
        if action.mnemonic == "CudaCompile" and action.outputs.to_list()[0].basename.endswith(".pic.o")
    ]
    asserts.equals(env, ctx.attr.sources, sorted([
        action.argv[action.argv.index("-c") + 1].removeprefix("tests/tools/")
        for action in compilations
    ]))
    for action in compilations:
        arguments = action.argv
        asserts.true(
            env,
            _contains(arguments, ["-gencode", "arch=compute_90a,code=sm_90a"]),
            "no sm_90a code in {}".format(arguments),
        )
        for option in ["-std=c++17", "-DDEVICE=1", "-DHOST=2"]:
            asserts.true(env, option in arguments, "no {} in {}".format(option, arguments))
        asserts.equals(env, 1, len([o for o in arguments if o == "-objtemp"]), "count of -objtemp")
        asserts.true(
            env,
            _contains(arguments, ["-isystem", "tests/tools/include"]),
            "tests/tools/include is no system include directory in {}".format(arguments),
        )
    return analysistest.end(env)

compilation_test = analysistest.make(
    _compilation_test_impl,
    attrs = {"sources": attr.string_list(doc = "Sources, below this package, in order.")},
    doc = "One CudaCompile action a source, with the options that were asked for.",
)

def _linking_test_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    asserts.true(env, target[DefaultInfo].files.to_list(), "nothing is built by default")
    libraries = [
        library
        for input in target[CcInfo].linking_context.linker_inputs.to_list()
        if input.owner == target.label
        for library in input.libraries
    ]
    asserts.equals(env, 1, len(libraries))
    asserts.equals(env, ctx.attr.alwayslink, libraries[0].alwayslink)
    asserts.true(env, libraries[0].pic_static_library, "no position-independent archive")

    # Else an executable that is not position-independent drops the library.
    asserts.true(env, libraries[0].static_library, "no archive for other executables")
    return analysistest.end(env)

linking_test = analysistest.make(
    _linking_test_impl,
    attrs = {"alwayslink": attr.bool(doc = "What the library is expected to say.")},
    config_settings = {
        "//command_line_option:compilation_mode": "opt",
        "//command_line_option:force_pic": False,
    },
    doc = "One library, for executables of either kind.",
)
