"""pic_library: the position-independent half of cuda_libraries, for every link.

In an optimised build cuda_library offers each object twice, and building it compiles each source
twice, which is the most expensive thing here. Position-independent objects fit any link.
"""

load("@rules_cc//cc:find_cc_toolchain.bzl", "find_cc_toolchain", "use_cc_toolchain")
load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

def _pic_library_impl(ctx):
    cc_toolchain = find_cc_toolchain(ctx)
    feature_configuration = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = cc_toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    archives = depset(transitive = [
        library[OutputGroupInfo].pic_lib
        for library in ctx.attr.libraries
    ]).to_list()
    libraries = [
        cc_common.create_library_to_link(
            actions = ctx.actions,
            feature_configuration = feature_configuration,
            cc_toolchain = cc_toolchain,
            # A link that is not position-independent ignores a library without this one.
            static_library = archive,
            pic_static_library = archive,
            # Nothing refers to the static initialiser that registers a family.
            alwayslink = True,
        )
        for archive in archives
    ]
    own = cc_common.create_linking_context(linker_inputs = depset([cc_common.create_linker_input(
        owner = ctx.label,
        libraries = depset(libraries),
    )]))
    checked = ctx.actions.declare_file(ctx.label.name + ".checked")
    arguments = ctx.actions.args()
    arguments.add(checked)
    arguments.add_all(archives)
    ctx.actions.run(
        executable = ctx.executable._check_shards,
        arguments = [arguments],
        inputs = archives,
        outputs = [checked],
        mnemonic = "CheckShards",
        progress_message = "Checking the machine code of %{label}",
    )
    return [
        DefaultInfo(files = depset(archives)),
        # Run by every build of this library or of what depends on it; nothing waits for it.
        OutputGroupInfo(_validation = depset([checked])),
        cc_common.merge_cc_infos(
            direct_cc_infos = [CcInfo(linking_context = own)],
            cc_infos = [CcInfo(linking_context = dep[CcInfo].linking_context) for dep in ctx.attr.deps],
        ),
    ]

pic_library = rule(
    doc = "Links the position-independent objects of cuda_libraries, whole, wherever it is a dependency.",
    implementation = _pic_library_impl,
    attrs = {
        "deps": attr.label_list(
            doc = "Libraries that the objects need at link time; their headers are not passed on.",
            providers = [CcInfo],
        ),
        "libraries": attr.label_list(
            doc = "The cuda_libraries; what they depend on is not linked by way of them.",
            mandatory = True,
            providers = [OutputGroupInfo],
        ),
        "_check_shards": attr.label(
            doc = "Fails the build where the compiler could not keep the tensor cores busy.",
            cfg = "exec",
            default = "//machete/private:check_shards",
            executable = True,
        ),
    },
    fragments = ["cpp"],
    provides = [CcInfo],
    toolchains = use_cc_toolchain(),
)
