"""Turns unpacked packages into a Bazel that runs from a folder of its own.

`root` is where the files lie while they are prepared, `final` where they will lie: programs and
class path name the latter.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import platform
import re
import ssl
import struct
import subprocess
import zipfile
from pathlib import Path

from report import InstallError, run, say

# Unpacked, these would be of no use to a server.
DROP = (
    "./usr/include",
    "./usr/share/bash-completion",
    "./usr/share/doc",
    "./usr/share/gdb",
    "./usr/share/info",
    "./usr/share/lintian",
    "./usr/share/locale",
    "./usr/share/man",
    "./usr/share/maven-repo",
    "./usr/share/zoneinfo",
)

CERTIFICATE_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
)


def prepare(debs: list[Path], root: Path, final: Path, version: str) -> None:
    """Unpacks the packages into root, such that they work once root is renamed to final."""
    unpack(debs, root)
    retarget_links(root)
    prune_jars(root, write_class_path(root, final, version))
    bind_programs(root, final)
    write_trust_store(java_home(root) / "lib/security/cacerts", find_certificates())


def unpack(debs: list[Path], root: Path) -> None:
    """Unpacks packages, less what DROP names."""
    root.mkdir(parents=True)

    def unpack_one(deb: Path) -> None:
        reader = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
        tar = subprocess.run(
            ["tar", "-x", "-C", root, "--no-same-owner", "--keep-directory-symlink"]
            + [f"--exclude={path}" for path in DROP],
            stdin=reader.stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
        reader.stdout.close()
        if reader.wait() or tar.returncode:
            reason = tar.stderr.decode(errors="replace").strip().splitlines()
            raise InstallError(
                f"cannot unpack {deb.name}: {reason[0] if reason else 'bad archive'}"
            )

    # These two make the links, such as /lib to usr/lib, through which the others are unpacked.
    first = [deb for deb in debs if deb.name.startswith(("base-files_", "libc6_"))]
    for deb in first:
        unpack_one(deb)
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(unpack_one, [deb for deb in debs if deb not in first]))


def retarget_links(root: Path) -> None:
    """Makes absolute links relative, so that they stay inside."""
    for folder, names, files in os.walk(root):
        for name in names + files:
            link = Path(folder, name)
            if link.is_symlink() and os.readlink(link).startswith("/"):
                target = os.path.relpath(f"{root}{os.readlink(link)}", folder)
                link.unlink()
                link.symlink_to(target)


def bind_programs(root: Path, final: Path) -> None:
    """Gives the programs the C library that was unpacked with them.

    The machine's own may be older. A forced RPATH, unlike a RUNPATH or LD_LIBRARY_PATH, also
    serves libraries that are loaded by name, and no child process inherits it.
    """
    triplet = f"{platform.machine()}-linux-gnu"
    libraries = root / "usr/lib" / triplet
    loader = the(libraries, "ld-linux-*.so.*", "the C library's loader")
    java = java_home(root)
    java_programs = [java / "bin/java", java / "lib/jspawnhelper"]
    programs = [root / "usr/bin/bazel", *(root / f"usr/libexec/{triplet}/bazel").glob("*")]
    for program in programs + java_programs:
        with program.open("rb") as opened:
            if opened.read(4) != b"\x7fELF":
                continue
        rpath = [libraries]
        if program in java_programs:
            rpath = [java / "lib", java / "lib/server", libraries]
        run(
            [loader, "--library-path", libraries, root / "usr/bin/patchelf"]
            + ["--set-interpreter", moved(loader, root, final)]
            + ["--force-rpath", "--set-rpath", ":".join(moved(path, root, final) for path in rpath)]
            + [program]
        )


def write_class_path(root: Path, final: Path, version: str) -> set[Path]:
    """Points the server at its jars; returns them all.

    The packaged list has absolute paths and only direct dependencies, and the server's loader does
    not follow a jar's Class-Path. Some listed jars are in no package; they are optional, as the
    start of a server shows.
    """
    listing = the(root / "usr/share/bazel", "bazel_classpath_*.txt", "the server's class path")
    queue = [
        root / line.strip().lstrip("/") for line in listing.read_text().splitlines() if line.strip()
    ]
    entries: list[str] = []
    seen: set[Path] = set()
    for jar in queue:  # grows while it is read
        real = jar.resolve()
        if real in seen or not real.exists():
            continue
        seen.add(real)
        entries.append(moved(jar, root, final))
        for item in manifest_class_path(real):
            place = root / item.lstrip("/") if item.startswith("/") else jar.parent / item
            queue.append(Path(os.path.normpath(place)))

    # The packaged server has no version, so that native.bazel_version would be empty and rules
    # would guess wrong. It reads its version from this resource.
    label = root / "usr/share/bazel/build-data.jar"
    with zipfile.ZipFile(label, "w") as jar_file:
        jar_file.writestr(zipfile.ZipInfo("build-data.properties"), f"build.label={version}\n")
    entries.append(moved(label, root, final))
    listing.write_text("\n".join(entries) + "\n")
    return seen


def manifest_class_path(jar: Path) -> list[str]:
    """The Class-Path of a jar's manifest."""
    try:
        with zipfile.ZipFile(jar) as archive:
            text = archive.read("META-INF/MANIFEST.MF").decode(errors="replace")
    except (KeyError, zipfile.BadZipFile):
        return []
    unfolded = text.replace("\r", "").replace("\n ", "")
    match = re.search(r"^Class-Path: (.*)$", unfolded, re.MULTILINE)
    return match.group(1).split() if match else []


def prune_jars(root: Path, needed: set[Path]) -> None:
    """Removes the jars that the server does not load."""
    for jar in (root / "usr/share/java").rglob("*.jar"):
        if jar.resolve() not in needed:
            jar.unlink()


def find_certificates() -> list[bytes]:
    """The certificates that this machine trusts, in DER."""
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    for bundle in (named, *CERTIFICATE_BUNDLES):
        if bundle and os.path.isfile(bundle):
            text = Path(bundle).read_text(encoding="ascii", errors="replace")
            pattern = "-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----"
            return [ssl.PEM_cert_to_DER_cert(pem) for pem in re.findall(pattern, text, re.DOTALL)]
    say("note: no certificate bundle found; Bazel itself will download nothing over https")
    return []


def write_trust_store(place: Path, certificates: list[bytes]) -> None:
    """Writes the certificates that the Java runtime trusts.

    The packaged runtime gets them from a script at installation, and refuses every download
    without. The format is Java's own key store: a list of certificates, then a digest that begins
    with the customary password.
    """

    def utf(text: str) -> bytes:
        return struct.pack(">H", len(text)) + text.encode("ascii")

    data = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for index, certificate in enumerate(certificates):
        trusted_certificate, created = 2, 0
        data += struct.pack(">I", trusted_certificate) + utf(f"ca-{index}")
        data += struct.pack(">Q", created) + utf("X.509")
        data += struct.pack(">I", len(certificate)) + certificate
    password = "changeit".encode("utf-16-be")
    data += hashlib.sha1(password + b"Mighty Aphrodite" + data).digest()
    place.unlink(missing_ok=True)
    place.write_bytes(data)


def startup_options(final: Path) -> list[str]:
    """The options that tell this Bazel where it lives."""
    return [
        "--nosystem_rc",
        f"--install_base={final}/usr/share/bazel",
        "--trust_install_base",
        f"--server_javabase={java_home(final)}",
    ]


def check(final: Path, version: str, work: Path) -> None:
    """Starts the server once, so that a prefix that does not work is never used."""
    workspace = work / "check"
    workspace.mkdir()
    (workspace / "MODULE.bazel").touch()
    output = run(
        [final / "usr/bin/bazel", *startup_options(final), "--nohome_rc"]
        + [f"--output_user_root={work}/output", "--batch", "info", "release"],
        cwd=workspace,
    )
    last = output.strip().splitlines()[-1:]
    if last != [f"release {version}"]:
        raise InstallError(f"the installed Bazel calls itself {last}, not release {version}")


def java_home(root: Path) -> Path:
    """The Java runtime."""
    return the(root / "usr/lib/jvm", "java-*-openjdk-*", "the Java runtime")


def the(folder: Path, pattern: str, what: str) -> Path:
    """The first match of a pattern in a folder."""
    for found in sorted(folder.glob(pattern)):
        return found
    raise InstallError(f"{what} is not where Debian's packages used to have it: {folder}/{pattern}")


def moved(path: Path, root: Path, final: Path) -> str:
    """The path that a file in root will have in final."""
    return str(final / path.relative_to(root))
