"""The check of compiled kernels, on device programs made here byte by byte."""

import struct
import unittest

from machete.private import check_shards

ARRIVE = struct.pack("<QQ", 0x00000000000079C5, 0x000FCC0000000000)
DEPBAR = struct.pack("<QQ", 0x00008000000079C5, 0x000FE40000010000)
HGMMA = struct.pack("<QQ", 0x00E0000440187DF0, 0x000FE60008001818)
IGMMA = struct.pack("<QQ", 0x00E0000040187DF1, 0x000FE60008001818)
QGMMA = struct.pack("<QQ", 0x00E0000040187DF3, 0x000FE60008001818)
OTHER = struct.pack("<QQ", 0x0000000000007918, 0)


def cubin(functions: dict[str, bytes]) -> bytes:
    """An ELF file of the CUDA machine with a section for each function."""
    texts = {f".text.{name}": code for name, code in functions.items()}
    names = b"\0" + b"".join(name.encode() + b"\0" for name in texts) + b".strtab\0"
    contents = [names, *texts.values()]
    labels = [".strtab", *texts]
    offset, headers, body = 64, b"", b""
    for label, content in zip(labels, contents, strict=True):
        place = names.index(label.encode() + b"\0")
        headers += struct.pack(
            "<IIQQQQIIQQ", place, 1, 0, 0, offset + len(body), len(content), 0, 0, 16, 0
        )
        body += content
    header = b"\x7fELF\x02\x01" + bytes(10) + struct.pack("<HHI", 2, 190, 1)
    header += struct.pack("<QQQ", 0, 0, 64 + len(body))
    header += struct.pack("<IHHHHHH", 0, 64, 56, 0, 64, len(labels), 0)
    return header + body + headers


class CheckShardsTest(unittest.TestCase):
    """What is refused."""

    def test_several_in_flight(self) -> None:
        for mma in (HGMMA, IGMMA, QGMMA):
            self.assertFalse(check_shards.is_serialised(ARRIVE + 4 * mma + DEPBAR))

    def test_one_at_a_time(self) -> None:
        for mma in (HGMMA, IGMMA, QGMMA):
            self.assertTrue(check_shards.is_serialised(4 * (ARRIVE + mma + DEPBAR)))

    def test_one_loop_of_three(self) -> None:
        good, bad = ARRIVE + 4 * HGMMA + DEPBAR, ARRIVE + HGMMA + DEPBAR
        self.assertTrue(check_shards.is_serialised(2 * good + OTHER + 2 * good + 8 * bad))

    def test_no_tensor_cores(self) -> None:
        self.assertFalse(check_shards.is_serialised(8 * OTHER))

    def test_functions_of_every_program_in_an_archive(self) -> None:
        good, bad = ARRIVE + 4 * HGMMA + DEPBAR, 2 * (ARRIVE + HGMMA + DEPBAR)
        host = b"\x7fELF\x02\x01" + bytes(10) + struct.pack("<HHI", 1, 62, 1) + bytes(40)
        archive = host + cubin({"good": good}) + bytes(7) + cubin({"bad": bad, "plain": OTHER})
        found = {
            name: check_shards.is_serialised(code)
            for program in check_shards.cubins(archive)
            for name, code in check_shards.functions(program)
        }
        self.assertEqual(found, {"good": False, "bad": True, "plain": False})

    def test_faults(self) -> None:
        good, bad = ARRIVE + 4 * HGMMA + DEPBAR, 2 * (ARRIVE + HGMMA + DEPBAR)
        self.assertEqual(list(check_shards.faults_of(cubin({"good": good}))), [])
        by_path = "_ZN12_INTERNAL_9a7kPowersE"
        faults = list(check_shards.faults_of(cubin({"bad": bad, by_path: OTHER})))
        self.assertEqual([fault.split(":")[0] for fault in faults], ["bad", f".text.{by_path}"])


if __name__ == "__main__":
    unittest.main()
