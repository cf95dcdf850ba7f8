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
        for option in ["arch=compute_90a,code=sm_90a", "-std=c++17", "-DNDEBUG", "-objtemp"]:
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

def families_test_suite(name):
    """Tests every family of the catalogue, and all of them together.

    Args:
      name: the suite's name.
    """
    tests = []
    for family, shards in FAMILIES.items():
        for part, sources in {"dispatch": ["dispatch.cu", "prepack.cu"], "shards": shards}.items():
            _compilations_test(
                name = "{}_{}_test".format(family, part),
                size = "small",
                sources = sources,
                target_under_test = "//machete:{}.{}".format(family, part),
            )
            tests.append("{}_{}_test".format(family, part))
        _library_test(
            name = family + "_library_test",
            size = "small",
            archives = 2,
            target_under_test = "//machete:" + family,
        )
        tests.append(family + "_library_test")
    _library_test(
        name = "kernels_library_test",
        size = "small",
        archives = 2 * len(FAMILIES),
        target_under_test = "//machete:kernels",
    )
    native.test_suite(
        name = name,
        tests = tests + ["kernels_library_test"],
    )
