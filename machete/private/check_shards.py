"""Refuses compiled kernels whose tensor core instructions are serialised, or whose bytes depend on
the folder that they were compiled in.

    check_shards.py STAMP ARCHIVE...

When ptxas cannot keep several wgmma in flight (its messages C7508, C7510, C7511 and others) it says
so as information, which no option of nvcc turns into an error, and the kernel runs at a fraction of
its speed. It then puts every wgmma between a WARPGROUP.ARRIVE and a WARPGROUP.DEPBAR of its own,
where a good kernel has one ARRIVE for several. So the instructions themselves are counted.

Where device code has static variables or anonymous namespaces, nvcc names them by a hash of the
source's absolute path.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

EM_CUDA = 190
INSTRUCTION_BYTES = 16
# Of sm_90: the lowest 16 bits of wgmma of 16-bit floats, of s8 and of e4m3 (HGMMA, IGMMA, QGMMA),
# and the lowest 64 of a WARPGROUP.ARRIVE.
WGMMA = (0x7DF0, 0x7DF1, 0x7DF3)
ARRIVE = 0x79C5
# In the names that nvcc makes by a file's path.
BY_PATH = b"_INTERNAL_"


def cubins(data: bytes) -> Iterator[bytes]:
    """The device programs in a host object or archive, each from its first byte on."""
    at = data.find(b"\x7fELF")
    while at >= 0:
        if struct.unpack_from("<H", data, at + 18) == (EM_CUDA,):
            yield data[at:]
        at = data.find(b"\x7fELF", at + 4)


def functions(cubin: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and machine code of every function of a device program."""
    (table,) = struct.unpack_from("<Q", cubin, 40)
    size, count, names = struct.unpack_from("<HHH", cubin, 58)
    # Of a section: name, offset of its bytes and their number.
    sections = []
    for index in range(count):
        name, _, _, _, offset, length = struct.unpack_from("<IIQQQQ", cubin, table + index * size)
        sections.append((name, offset, length))
    _, strings, _ = sections[names]
    for name, offset, length in sections:
        text = cubin[strings + name : cubin.index(b"\0", strings + name)].decode()
        if text.startswith(".text."):
            yield text.removeprefix(".text."), cubin[offset : offset + length]


def is_serialised(code: bytes) -> bool:
    """Whether the wgmma of a loop have an ARRIVE each; a good kernel has one for four."""
    words = [
        struct.unpack_from("<Q", code, at)[0]
        for at in range(0, len(code) - INSTRUCTION_BYTES + 1, INSTRUCTION_BYTES)
    ]
    mma = sum(word & 0xFFFF in WGMMA for word in words)
    arrive = sum(word == ARRIVE for word in words)
    # One loop of four makes 2.3 for an ARRIVE.
    return 0 < mma < 3 * arrive


def faults_of(archive: bytes) -> Iterator[str]:
    """What is wrong with an archive's objects, in words."""
    for cubin in cubins(archive):
        for name, code in functions(cubin):
            if is_serialised(code):
                yield (
                    f"{name}: ptxas serialised its wgmma instructions (C7508, C7510, C7511; the"
                    " compiler's output says why). Allowed: several in flight."
                )
    at = archive.find(BY_PATH)
    if at >= 0:
        name = archive[archive.rfind(b"\0", 0, at) + 1 : archive.find(b"\0", at)].decode()
        yield f"{name}: a name by the source's path. Allowed in device code: no statics."


def main() -> int:
    """Checks the archives; writes the stamp if all is well."""
    stamp, *archives = map(Path, sys.argv[1:])
    faults = [fault for archive in archives for fault in faults_of(archive.read_bytes())]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        stamp.touch()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
