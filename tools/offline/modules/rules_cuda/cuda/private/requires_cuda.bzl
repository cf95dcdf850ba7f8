"""Marks targets that need CUDA."""

def requires_cuda():
    """Returns constraints for target_compatible_with, unmet where CUDA is disabled or absent.

    Returns:
      a select: nothing where a toolkit is found and --@rules_cuda//cuda:enable holds, else a
      constraint that no platform has, so that wildcards skip the target.
    """
    return select({
        Label("//cuda:is_enabled"): [],
        "//conditions:default": [Label("//cuda:rules_are_enabled")],
    }) + select({
        Label("//cuda:is_valid_toolchain_found"): [],
        "//conditions:default": [
            Label("//cuda:no_cuda_toolkit_found__set_CUDA_PATH_or_put_nvcc_on_PATH"),
        ],
    })
