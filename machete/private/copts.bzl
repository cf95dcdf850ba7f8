"""How every shard is compiled. It stands here, not in a .bazelrc, so that dependents get it too."""

# A lone "sm_90" lacks wgmma, and in a list without virtual architectures the pairs come out wrong.
ARCHS = ["compute_90a:sm_90a"]

# No -O: nvcc applies it to host code alone and warns when it is given twice, and the compilation
# mode gives it already.
COPTS = [
    "-std=c++17",
    # An assertion in device code makes ptxas serialise wgmma and spill.
    "-DNDEBUG",
    "--expt-relaxed-constexpr",
    # Otherwise objects hold the name of a temporary file and differ from one compilation to the next.
    "-objtemp",
    # Line numbers of host code, which is tables and launches, and with them the name of the folder
    # compiled in: each sandbox has its own. -c dbg has both, as nvcc puts its -g behind this.
    "-Xcompiler=-g0",
    "-Xptxas=--warn-on-spills,--warning-as-error",
]
