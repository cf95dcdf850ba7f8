"""Execution properties, which a remote cluster schedules by; local builds ignore them."""

# Of the targets that compile shards. One core each, and the memory of their tag, with some to spare.
SHARD_EXEC_PROPERTIES = select({
    Label("//machete/remote:with_estimates"): {
        "EstimatedCPU": "1",
        "EstimatedMemory": "1GB",
    },
    "//conditions:default": {},
})

# Of tests that need a GPU: the test itself runs where there is one, its compilation anywhere.
GPU_TEST_EXEC_PROPERTIES = {"test.Pool": "gpu"}
