"""Finds and downloads packages of Debian's archive with the machine's own apt.

apt checks signatures and hashes, and knows the machine's proxy, credentials and certificates. It
works here on lists, state and caches of its own, so nothing of the machine's changes.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from report import InstallError, Progress, run, say

# bazel-bootstrap is in no stable release that has bzlmod.
SUITES = ("testing", "unstable")

PACKAGE = "bazel-bootstrap"

# The stand-in for rules_python uses the Python rules that are built into Bazel 7.
MAJOR_VERSION = "7"

ROOTS = (
    PACKAGE,
    "bazel-rules-shell",
    "default-jre-headless",
    # Loaded through JNI, and not named by PACKAGE.
    "libblake3-0",
    "patchelf",
    # The source of the googletest module.
    "googletest",
    # For a machine whose Python has no pip.
    "python3-pip-whl",
)

# What Debian pulls in for building on the machine itself. Build actions use the machine's own
# compiler and Python, and the server runs on the Java runtime alone.
SKIP = re.compile(
    r"""
        build-essential | .*-dev | gcc(-.*)? | g\+\+(-.*)? | cpp(-.*)? | binutils.*
      | make | perl.* | lib.*perl.* | python3.* | libpython3.* | node-.* | libjs-.*
      | .*-jdk(-headless)? | ca-certificates.* | java-common | debconf.*
      | util-linux | unzip | patch | bzip2 | xz-utils | media-types | tzdata
      | netbase | openssl.* | libpam.* | readline-common
      # parts of the Java runtime for graphics, smart cards and NSS
      | liblcms2-2 | libjpeg62-turbo | libnss3 | libnspr4 | libpcsclite1
      # whole applications behind one annotation or optional jar
      | libmaven.* | libmongodb-java | libjgit-java | libjetty9-java
      | libeclipse-jdt.* | libplexus.* | libsisu.* | libguice-java | libwagon.*
      | libbcprov-java | libjavaparser-java | junit4 | libjunixsocket.* | libjsch-java
    """,
    re.VERBOSE,
)

INSTEAD = "put a bazel or bazelisk on PATH instead"


class UnreachableError(InstallError):
    """The archive could not be read, whatever the suite."""


@dataclass(frozen=True)
class Package:
    """A package as the archive's index describes it; sizes in bytes."""

    name: str
    version: str
    relations: str
    provides: tuple[str, ...]
    size: int
    installed_size: int


def parse_index(text: str) -> list[Package]:
    """Reads the stanzas of a Packages file."""
    packages = []
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][A-Za-z-]*): (.*)$", stanza, re.MULTILINE))
        if "Package" not in fields:
            continue
        provides = re.sub(r"\([^)]*\)", "", fields.get("Provides", ""))
        packages.append(
            Package(
                name=fields["Package"],
                version=fields["Version"],
                relations=f"{fields.get('Depends', '')},{fields.get('Pre-Depends', '')}",
                provides=tuple(name.strip() for name in provides.split(",") if name.strip()),
                size=int(fields.get("Size", 0)),
                installed_size=1024 * int(fields.get("Installed-Size", 0)),
            )
        )
    return packages


def closure(index: Iterable[Package], roots: Iterable[str] = ROOTS) -> list[Package]:
    """Returns the roots and all that they depend on, less what SKIP matches, by name.

    apt's own resolver cannot be told to leave out a compiler or a Python.
    """
    packages = list(index)
    by_name: dict[str, Package] = {}
    for package in packages:
        by_name.setdefault(package.name, package)
    for package in packages:
        for name in package.provides:
            by_name.setdefault(name, package)

    chosen: dict[str, Package] = {}
    missing: set[str] = set()
    queue = list(roots)
    while queue:
        name = queue.pop()
        if name in chosen:
            continue
        if name not in by_name:
            missing.add(name)
            continue
        chosen[name] = by_name[name]
        for relation in by_name[name].relations.split(","):
            # "name:any (>= 1) | other" gives name and other
            words = [re.split(r"[ (:]", choice.strip())[0] for choice in relation.split("|")]
            choices = [word for word in words if word]
            if not choices or any(SKIP.fullmatch(choice) for choice in choices):
                continue
            found = [by_name[choice].name for choice in choices if choice in by_name]
            if not found:
                missing.add(choices[0])
            elif not SKIP.fullmatch(found[0]):
                queue.append(found[0])
    if missing:
        raise InstallError("Debian's archive lacks " + ", ".join(sorted(missing)))
    return sorted(chosen.values(), key=lambda package: package.name)


class Archive:
    """One suite of an archive, seen through an apt configuration of its own."""

    def __init__(self, folder: Path, uri: str, suite: str) -> None:
        self.suite = suite
        self._conf = folder / "apt.conf"
        for name in ("lists/partial", "archives/partial", "state"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        keys = keyrings()
        signed_by = f"[signed-by={','.join(map(str, keys))}] " if keys else ""
        (folder / "sources.list").write_text(f"deb {signed_by}{uri} {suite} main\n")
        # Read after the machine's configuration: proxy and credentials stay, hooks that would
        # touch the machine's own caches go.
        self._conf.write_text(
            f"""\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{folder}/state";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Dir::Cache::archives "{folder}/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "{user_name()}";
"""
        )

    def update(self) -> None:
        """Downloads the index."""
        try:
            # Without the option an unreachable archive is only a warning.
            self._apt("update", "-o", "APT::Update::Error-Mode=any")
        except InstallError as error:
            reasons = re.findall(r"^[EW]: (.*)$", str(error), re.MULTILINE)
            raise UnreachableError(
                f"cannot read Debian's archive (no network?): {reasons[0] if reasons else error}"
            ) from None

    def index(self) -> list[Package]:
        """Returns the packages of the index."""
        names = run(
            ["apt-get", "-c", self._conf, "indextargets"]
            + ["--format", "$(FILENAME)", "Created-By: Packages"]
        ).split()
        if not names:
            raise InstallError(f"apt holds no package index of Debian {self.suite}")
        helper = shutil.which("apt-helper") or "/usr/lib/apt/apt-helper"
        return [
            package for name in names for package in parse_index(run([helper, "cat-file", name]))
        ]

    def download(self, packages: list[Package], folder: Path) -> list[Path]:
        """Downloads packages into a folder, and shows how far it is."""
        folder.mkdir(parents=True)
        log = folder.parent / "download.log"
        progress = Progress("downloading", sum(package.size for package in packages))
        with log.open("w") as output:
            apt = subprocess.Popen(
                ["apt-get", "-q", "-y", "-c", str(self._conf), "download"]
                + [f"{package.name}={package.version}" for package in packages],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                while apt.poll() is None:
                    progress.show(size_of(folder))
                    time.sleep(0.2)
            finally:
                apt.kill()
                apt.wait()
        if apt.returncode:
            text = log.read_text(errors="replace")
            reasons = re.findall(r"^E: (.*)$", text, re.MULTILINE)
            raise InstallError(f"the download failed: {reasons[0] if reasons else text.strip()}")
        progress.finish()
        return sorted(folder.glob("*.deb"))

    def _apt(self, *arguments: str) -> str:
        return run(["apt-get", "-q", "-y", "-c", self._conf, *arguments])


def size_of(folder: Path) -> int:
    """Bytes in the files of a folder, of which some may vanish meanwhile."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue
    return total


def user_name() -> str:
    """The user for apt's downloads: it may write to the cache, and apt's own user may not."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "root"


def keyrings() -> list[Path]:
    """The keys that sign Debian's archive; none leaves it to apt's configuration."""
    named = os.environ.get("MACHETE_DEBIAN_KEYRING")
    if named:
        return [Path(named)]
    folder = Path("/usr/share/keyrings")
    for pattern in ("debian-archive-keyring.[gp]*p", "debian-archive-*-automatic.[gp]*p"):
        found = sorted(folder.glob(pattern))
        if found:
            return found
    return []


def mirrors() -> list[str]:
    """The Debian archives in the machine's apt configuration."""
    named = os.environ.get("MACHETE_DEBIAN_MIRROR")
    if named:
        return [named]
    listing = run(
        ["apt-get", "indextargets", "--format", "$(RELEASE)|$(ORIGIN)|$(REPO_URI)"]
        + ["Created-By: Packages"]
    )
    found = []
    for line in listing.splitlines():
        release, origin, uri = line.split("|", 2)
        # The origin is known once the machine has run apt-get update.
        if "security" in release or origin not in ("Debian", "", "$(ORIGIN)"):
            continue
        if uri not in found:
            found.append(uri)
    if not found:
        raise InstallError(
            f"apt's configuration names no Debian archive; set MACHETE_DEBIAN_MIRROR, or {INSTEAD}"
        )
    return found


def select(work: Path) -> tuple[Archive, list[Package], str]:
    """Returns the first suite with a fitting Bazel, the packages to unpack, Bazel's version."""
    for tool in ("apt-get", "dpkg-deb", "tar"):
        if not shutil.which(tool):
            raise InstallError(f"no {tool} here to install Bazel from Debian's archive; {INSTEAD}")
    tried = []
    for uri in mirrors():
        for suite in SUITES:
            say(f"reading the package index of Debian {suite}")
            archive = Archive(work / f"apt-{suite}", uri, suite)
            try:
                archive.update()
                index = archive.index()
                versions = [package.version for package in index if package.name == PACKAGE]
                if not versions:
                    raise InstallError(f"it has no {PACKAGE}")
                version = re.match(r"[0-9]+(\.[0-9]+)*", versions[0]).group()
                if version.split(".")[0] != MAJOR_VERSION:
                    raise InstallError(f"its Bazel is {version}, not {MAJOR_VERSION}.x")
                return archive, closure(index), version
            except UnreachableError as error:
                tried.append(str(error))
                break
            except InstallError as error:
                tried.append(f"Debian {suite}: {error}")
    raise InstallError("; ".join(dict.fromkeys(tried)) + f"; {INSTEAD}")
