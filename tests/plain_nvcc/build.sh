#!/usr/bin/env bash
# Builds a program with Machete by nvcc alone, as a build system other than Bazel would:
#
#     tests/plain_nvcc/build.sh PROGRAM SOURCE CUTLASS_INCLUDE [GENERATOR_OPTION...]
#
# The options choose kernels, for instance `--family bf16_u4b8`. Needs nvcc on PATH and a python3
# with jinja2; PYTHON names another interpreter.
set -euo pipefail

program=$1 source=$2 cutlass=$3
shift 3
root=$(dirname "${BASH_SOURCE[0]}")/../..

# As machete/private/copts.bzl says, where the reasons are.
compile=(nvcc -std=c++17 -O2 -DNDEBUG -gencode arch=compute_90a,code=sm_90a
  --expt-relaxed-constexpr -I "$root" -I "$root/machete/include" -isystem "$cutlass")

generated=$program.generated
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} "${PYTHON:-python3}" -m machete.generator \
  --out "$generated" "$@"

find "$generated" -name '*.cu' -print0 |
  xargs -0 -P "$(nproc)" -I FILE "${compile[@]}" -c FILE -o FILE.o

# The objects, not an archive of them: nothing refers to a family's registration.
find "$generated" -name '*.o' -print0 |
  xargs -0 "${compile[@]}" "$source" "$root"/machete/runtime/*.cc -o "$program"
