"""cuda_library: one nvcc action a source, position-independent code only.

Objects depend on the command line and the inputs alone, wherever they are compiled.
"""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("@rules_cc//cc:find_cc_toolchain.bzl", "find_cc_toolchain", "use_cc_toolchain")
load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load(":archs.bzl", "parse_archs")

CudaInfo = provider(
    doc = "What CUDA dependents get from a CUDA target, beside CcInfo.",
    fields = {"defines": "depset of definitions for the compilation of dependents' CUDA sources."},
)

_SOURCES = ["cc", "cpp", "cu"]
_HEADERS = ["cuh", "h", "hh", "hpp", "inc", "inl"]

# As the real rules have them. What kernels need in every mode goes into copts, which come later.
_MODE_OPTIONS = {
    "dbg": ["-O0", "-g"],
    "fastbuild": ["-O0", "-Xcompiler", "-g1"],
    "opt": ["-O2", "-DNDEBUG", "-Xcompiler", "-g0"],
}

# Of the C++ toolchain's options, those that keep the place of the toolkit out of debug information:
# gcc would resolve its links, which a remote worker has not.
_REPRODUCIBLE = ["-fno-canonical-system-headers"]

# Options that choose what nvcc makes; they belong to this rule.
_RESERVED = ["-c", "--compile", "-dc", "-dlink", "-arch", "-code", "-gencode", "-rdc"]
_RESERVED_PREFIXES = ["--generate-code", "--gpu-", "-arch=", "-code=", "-gencode=", "-rdc=", "--relocatable-device-code"]

def _check_copts(ctx):
    for option in ctx.attr.copts:
        if option in _RESERVED or any([option.startswith(prefix) for prefix in _RESERVED_PREFIXES]):
            fail("{}: copts has {}, which the rule itself chooses; see the attribute archs".format(
                ctx.label,
                repr(option),
            ))

def _both_sides(ctx, directory):
    """The source and the generated side of a directory of the workspace."""
    return [directory or ".", "/".join([part for part in [ctx.bin_dir.path, directory] if part])]

def _exported_context(ctx):
    """What dependents compile with."""
    system_includes = []
    for directory in ctx.attr.includes:
        parts = [ctx.label.workspace_root, ctx.label.package, directory]
        system_includes += _both_sides(ctx, "/".join([p for p in parts if p and p != "."]))
    return cc_common.create_compilation_context(
        headers = depset(ctx.files.hdrs),
        defines = depset(ctx.attr.host_defines),
        quote_includes = depset(_both_sides(ctx, ctx.label.workspace_root)),
        system_includes = depset(system_includes),
    )

def _host_compiler(features, cc_toolchain):
    """The host compiler, and what it must be told."""
    options = cc_common.get_memory_inefficient_command_line(
        feature_configuration = features,
        action_name = "c++-compile",
        variables = cc_common.create_compile_variables(
            feature_configuration = features,
            cc_toolchain = cc_toolchain,
        ),
    )
    return struct(
        path = cc_common.get_tool_for_action(
            feature_configuration = features,
            action_name = "c++-compile",
        ),
        options = ["-fPIC"] + [option for option in options if option in _REPRODUCIBLE],
    )

def _compile_arguments(ctx, host_compiler, context, cuda_defines):
    """The arguments that all sources of the target share."""
    options, problem = parse_archs(ctx.attr.archs or [ctx.attr._archs[BuildSettingInfo].value])
    if problem:
        fail("{}: {}".format(ctx.label, problem))

    args = ctx.actions.args()
    args.add_all(["-x", "cu", "-ccbin", host_compiler.path])
    args.add_all(options)
    args.add_all(_MODE_OPTIONS[ctx.var["COMPILATION_MODE"]])
    args.add_all(host_compiler.options, before_each = "-Xcompiler")

    # Temporary files beside the object: nvcc records their names in it.
    args.add("-objtemp")

    args.add_all(ctx.attr.local_defines, format_each = "-D%s")
    args.add_all(cuda_defines, format_each = "-D%s")
    for defines in [depset(ctx.attr.host_local_defines), context.defines]:
        args.add_all(defines, format_each = "-D%s")
    for directories in [context.quote_includes, context.includes]:
        args.add_all(directories, before_each = "-I")
    for directories in [context.system_includes, context.external_includes]:
        args.add_all(directories, before_each = "-isystem")

    args.add_all(ctx.attr._copts[BuildSettingInfo].value)

    # nvcc refuses a second -objtemp, and targets for the real rules have one.
    args.add_all([option for option in ctx.attr.copts if option != "-objtemp"])
    for host_copts in [ctx.attr._host_copts[BuildSettingInfo].value, ctx.attr.host_copts]:
        args.add_all(host_copts, before_each = "-Xcompiler")
    args.add_all(ctx.attr.ptxasopts, before_each = "-Xptxas")
    return args

def _compile(ctx, shared, source, output, inputs):
    args = ctx.actions.args()

    # Names that nvcc would otherwise draw at random; nvcc 12.9 and later know the option.
    args.add(output, format = "--frandom-seed=%s")
    args.add("-c", source)
    args.add("-o", output)
    ctx.actions.run(
        executable = ctx.files._nvcc[0],
        arguments = [shared, args],
        inputs = depset([source], transitive = [inputs]),
        outputs = [output],
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            # What the host compiler records as directory of compilation.
            "PWD": "/proc/self/cwd",
        },
        mnemonic = "CudaCompile",
        progress_message = "Compiling " + source.short_path,
    )

def _object_names(sources):
    """Names such as "shard", or "1/shard" where several sources share a name."""
    stems = [source.basename.rpartition(".")[0] for source in sources]
    return [
        "{}/{}".format(index, stem) if stem in stems[:index] + stems[index + 1:] else stem
        for index, stem in enumerate(stems)
    ]

def _cuda_library_impl(ctx):
    _check_copts(ctx)
    if not ctx.files._nvcc:
        fail("{}: no CUDA toolkit was found; set CUDA_PATH, or put nvcc on PATH".format(ctx.label))
    sources = [file for file in ctx.files.srcs if file.extension in _SOURCES]
    private_headers = [file for file in ctx.files.srcs if file not in sources]
    for file in private_headers:
        if file.is_directory:
            fail("{}: srcs has the directory {}; only files are compiled".format(
                ctx.label,
                file.short_path,
            ))

    cc_toolchain = find_cc_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = cc_toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    libraries = [dep[CcInfo] for dep in ctx.attr.deps + [ctx.attr._runtime]]
    context = cc_common.merge_cc_infos(
        direct_cc_infos = [CcInfo(compilation_context = _exported_context(ctx))],
        cc_infos = libraries,
    ).compilation_context
    cuda_defines = depset(
        ctx.attr.defines,
        transitive = [dep[CudaInfo].defines for dep in ctx.attr.deps if CudaInfo in dep],
    )

    shared = _compile_arguments(
        ctx,
        _host_compiler(features, cc_toolchain),
        context,
        cuda_defines,
    )
    inputs = depset(private_headers, transitive = [
        context.headers,
        ctx.attr._compiler_files.files,
        cc_toolchain.all_files,
    ])
    objects = []
    for source, name in zip(sources, _object_names(sources)):
        output = ctx.actions.declare_file("_objs/{}/{}.pic.o".format(ctx.label.name, name))
        _compile(ctx, shared, source, output, inputs)
        objects.append(output)

    linking_context, _ = cc_common.create_linking_context_from_compilation_outputs(
        actions = ctx.actions,
        name = ctx.label.name,
        feature_configuration = features,
        cc_toolchain = cc_toolchain,
        # The same objects twice: an executable that is not itself position-independent links only
        # what is declared so.
        compilation_outputs = cc_common.create_compilation_outputs(
            objects = depset(objects),
            pic_objects = depset(objects),
        ),
        linking_contexts = [info.linking_context for info in libraries],
        user_link_flags = ctx.attr.host_linkopts,
        alwayslink = ctx.attr.alwayslink,
        disallow_dynamic_library = True,
    )

    # This target's own: none without sources.
    archives = [
        own.pic_static_library
        for linked in linking_context.linker_inputs.to_list()
        if linked.owner == ctx.label
        for own in linked.libraries
    ]
    return [
        DefaultInfo(files = depset(archives)),
        OutputGroupInfo(
            pic_lib = depset(archives),
            pic_objects = depset(objects),
        ),
        CcInfo(
            compilation_context = context,
            linking_context = linking_context,
        ),
        CudaInfo(defines = cuda_defines),
    ]

cuda_library = rule(
    implementation = _cuda_library_impl,
    doc = """A static library of CUDA sources, for cc_* rules and other cuda_library targets.

Each source is compiled by one nvcc action (mnemonic CudaCompile), position-independent. Attributes
are those of rules_cuda's rule of this name, less `rdc` and `linkopts`: there is no relocatable
device code and no device link.""",
    attrs = {
        "alwayslink": attr.bool(
            doc = "Links every object of the library, also those that nothing refers to.",
        ),
        "archs": attr.string_list(
            doc = "Architectures, as in \"compute_90a:sm_90a\", in place of --@rules_cuda//cuda:archs.",
        ),
        "copts": attr.string_list(
            doc = "Options of nvcc. They follow those of the compilation mode.",
        ),
        "defines": attr.string_list(
            doc = "Definitions for this target's and its dependents' CUDA sources.",
        ),
        "deps": attr.label_list(
            providers = [CcInfo],
            doc = "C++ and CUDA libraries.",
        ),
        "hdrs": attr.label_list(
            allow_files = ["." + extension for extension in _HEADERS],
            doc = "Headers for this target and its dependents.",
        ),
        "host_copts": attr.string_list(
            doc = "Options of the host compiler.",
        ),
        "host_defines": attr.string_list(
            doc = "Definitions for this target's and all its dependents' sources, C++ included.",
        ),
        "host_linkopts": attr.string_list(
            doc = "Options of the linker of executables.",
        ),
        "host_local_defines": attr.string_list(
            doc = "Definitions for this target's sources. nvcc passes all definitions on to the " +
                  "host compiler, so they differ from local_defines in name only.",
        ),
        "includes": attr.string_list(
            doc = "Include directories below the package, for this target and its dependents.",
        ),
        "local_defines": attr.string_list(
            doc = "Definitions for this target's sources.",
        ),
        "ptxasopts": attr.string_list(
            doc = "Options of ptxas.",
        ),
        "srcs": attr.label_list(
            allow_files = ["." + extension for extension in _SOURCES + _HEADERS],
            doc = "Sources, and headers for this target alone.",
        ),
        "_archs": attr.label(default = "//cuda:archs"),
        "_compiler_files": attr.label(default = "@cuda//:compiler_files"),
        "_copts": attr.label(default = "//cuda:copts"),
        "_host_copts": attr.label(default = "//cuda:host_copts"),
        "_nvcc": attr.label(
            default = "@cuda//:nvcc",
            cfg = "exec",
        ),
        "_runtime": attr.label(
            default = "//cuda:runtime",
            providers = [CcInfo],
        ),
    },
    fragments = ["cpp"],
    provides = [CcInfo, CudaInfo],
    toolchains = use_cc_toolchain(),
)
