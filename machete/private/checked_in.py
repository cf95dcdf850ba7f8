"""Copies generated files into the workspace; `bazel run` starts it in the runfiles.

Arguments: DESTINATION=SOURCE, relative to the workspace and to the runfiles.
"""

import os
import sys
from pathlib import Path

workspace = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"])
for argument in sys.argv[1:]:
    destination, source = argument.split("=")
    content = Path(source).read_bytes()
    if (workspace / destination).is_file() and (workspace / destination).read_bytes() == content:
        print(f"unchanged: {destination}")
    else:
        (workspace / destination).write_bytes(content)
        print(f"updated: {destination}")
