"""schedule: one kernel of a family."""

load(":catalogue.bzl", "EPILOGUE_SCHEDULES", "KERNEL_SCHEDULES", "TILE_SCHEDULERS")
load(":mistakes.bzl", "schedule_mistake")

def schedule(
        tile = (128, 64),
        cluster = (1, 1, 1),
        kernel = "TmaWarpSpecializedCooperative",
        epilogue = "TmaWarpSpecialized",
        scheduler = "StreamK"):
    """One kernel, for the arguments `schedules` and `heuristic` of machete_family.

    machete/generator/config.py says what the names stand for, and KERNELS in
    machete/generator/constraints.py what goes with what.

    Args:
      tile: what a CTA computes at a time: output features, tokens.
      cluster: CTAs of a cluster along the output features, the tokens and K.
      kernel: how the warps of a CTA share a tile: `TmaWarpSpecializedCooperative`,
        `TmaWarpSpecializedSlicedK`, `TmaWarpSpecializedStreaming` or
        `TmaWarpSpecializedStreamingWgmma`.
      epilogue: how a finished tile leaves the SM: `TmaWarpSpecialized`, or, with the streaming
        kernels, `NoSmemWarpSpecialized`.
      scheduler: which CTA computes what: `StreamK` or `Persistent`.

    Returns:
      A struct with these fields and the schedule's `name`, such as
      `128x64_1x1x1_Coop_Tma_StreamK`. It is None where machete_family will refuse the schedule.
    """
    fields = {
        "cluster": cluster,
        "epilogue": epilogue,
        "kernel": kernel,
        "machete_schedule": True,
        "scheduler": scheduler,
        "tile": tile,
    }
    name = None
    if not schedule_mistake(struct(**fields)):
        # As generate_sch_sig() in machete/generator/config.py.
        name = "_".join([
            "x".join([str(size) for size in tile]),
            "x".join([str(size) for size in cluster]),
            KERNEL_SCHEDULES[kernel],
            EPILOGUE_SCHEDULES[epilogue],
            TILE_SCHEDULERS[scheduler],
        ])
    return struct(name = name, **fields)
