#!/usr/bin/env bash
# The command `bazel`: runs the tools/bazel of the workspace around the current directory.
set -euo pipefail

directory=$PWD
until [[ -f $directory/MODULE.bazel && -x $directory/tools/bazel ]]; do
  if [[ -z $directory ]]; then
    echo "bazel: no MODULE.bazel with a tools/bazel beside it in $PWD or above" >&2
    exit 1
  fi
  directory=${directory%/*}
done
exec "$directory/tools/bazel" "$@"
