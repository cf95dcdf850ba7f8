"""What Bazel makes of the families: which files are compiled, how often, how, and from what."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load("//machete/private:catalogue.bzl", "FAMILIES")

def _compilations(env):
    """The compile actions of position-independent objects; the others are declared, never run."""
    return [
        action
        for action in analysistest.target_actions(env)
        if action.mnemonic == "CudaCompile" and action.outputs.to_list()[0].path.endswith(".pic.o")
    ]

def _generated(files):
    return [file for file in files.to_list() if not file.is_source and file.extension == "cu"]

def _compilations_test_impl(ctx):
    env = analysistest.begin(ctx)
    compiled = []
    for action in _compilations(env):
        sources = _generated(action.inputs)

        # Then an edit that changes one shard compiles one shard.
        asserts.equals(env, 1, len(sources), "sources that one compilation reads")
        compiled.append(sources[0].basename)

        options = {option: True for option in action.argv}
        for option in ["arch=compute_90a,code=sm_90a", "-std=c++17", "-DNDEBUG", "-objtemp", "-Xcompiler=-g0"]:
            asserts.true(env, option in options, "{} without {}".format(sources[0], option))
        for option in options:
            architecture = "arch=" in option or option.startswith("-arch")
            asserts.true(
                env,
                option == "arch=compute_90a,code=sm_90a" or not architecture,
                "{} is compiled for a second architecture: {}".format(sources[0], option),
            )
    asserts.equals(env, sorted(ctx.attr.sources), sorted(compiled))
    return analysistest.end(env)

_ATTRS = {"sources": attr.string_list(doc = "The names of the files to compile.")}

_compilations_test = analysistest.make(_compilations_test_impl, attrs = _ATTRS)

# What a dependent gets who sets no flag but -c opt.
_OPTIMISED = {
    "//command_line_option:compilation_mode": "opt",
    "//command_line_option:force_pic": False,
}

def _library_test_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)

    # Every archive among the files to build compiles every source once more.
    archives = target[DefaultInfo].files.to_list()
    asserts.equals(env, ctx.attr.archives, len(archives))

    linked = []
    for linker_input in target[CcInfo].linking_context.linker_inputs.to_list():
        for library in linker_input.libraries:
            if library.pic_static_library in archives:
                linked.append(library.pic_static_library)
                asserts.equals(env, library.pic_static_library, library.static_library)
                asserts.true(env, library.alwayslink, "registration is dropped by the linker")
    asserts.equals(env, len(archives), len(linked))
    return analysistest.end(env)

_library_test = analysistest.make(
    _library_test_impl,
    attrs = {"archives": attr.int(doc = "How many archives to build: kernels and dispatch of each family.")},
    config_settings = _OPTIMISED,
)

def _family_tests(name, family, shards):
    for part, sources in {"dispatch": ["dispatch.cu", "prepack.cu"], "shards": shards}.items():
        _compilations_test(
            name = "{}_{}_test".format(name, part),
            size = "small",
            sources = sources,
            target_under_test = "{}.{}".format(family, part),
        )
    _library_test(
        name = name + "_library_test",
        size = "small",
        archives = 2,
        target_under_test = family,
    )
    return ["{}_{}_test".format(name, part) for part in ["dispatch", "shards", "library"]]

def families_test_suite(name):
    """Tests every family of the catalogue, all of them together, and a subset of one.

    Args:
      name: the suite's name.
    """
    tests = []
    for family, shards in FAMILIES.items():
        tests += _family_tests(family, "//machete:" + family, shards)

    # Four small files, whatever else the catalogue has.
    tests += _family_tests("subset", "//tests/own_family:subset.bf16_u4b8", [
        "impl_128x128_1x1x1_Coop_Tma_StreamK.cu",
        "impl_224x16_1x1x2_Stream_NoSmem_Persistent.cu",
    ])
    for library, (target, families) in {
        "kernels": ("//machete:kernels", len(FAMILIES)),
        "subset_kernels": ("//tests/own_family:subset", 1),
    }.items():
        _library_test(
            name = library + "_library_test",
            size = "small",
            archives = 2 * families,
            target_under_test = target,
        )
        tests.append(library + "_library_test")
    native.test_suite(
        name = name,
        tests = tests,
    )
