"""The installer of Bazel: what it chooses and prepares, and what it says where it cannot."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import hashlib
import io
import os
import struct
import tempfile
import time
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import launch

import debian
import install
import prefix
import report

INDEX = """\
Package: bazel-bootstrap
Version: 7.7.1+ds-1
Installed-Size: 10
Depends: libc6 (>= 2.38), gcc | clang, default-jre-headless, awk-virtual, bash:any
Provides: bazel (= 7.7.1)
Size: 1000

Package: libc6
Version: 2.42-1
Pre-Depends: libgcc-s1
Size: 200

Package: libgcc-s1
Version: 15-1
Description: a line
 continued: here
Size: 30

Package: default-jre-headless
Version: 21
Depends: ca-certificates-java

Package: bash
Version: 5

Package: mawk
Version: 1
Provides: awk-virtual, another (= 2)

Package: unrelated
Version: 1
"""


class ClosureTest(unittest.TestCase):
    """Which packages are unpacked."""

    def test_fields(self):
        package = debian.parse_index(INDEX)[0]
        self.assertEqual(
            (package.name, package.version, package.size, package.installed_size),
            ("bazel-bootstrap", "7.7.1+ds-1", 1000, 10240),
        )
        self.assertEqual(package.provides, ("bazel",))

    def test_follows_dependencies_and_skips_compilers(self):
        chosen = debian.closure(debian.parse_index(INDEX), ["bazel-bootstrap"])
        self.assertEqual(
            [package.name for package in chosen],
            ["bash", "bazel-bootstrap", "default-jre-headless", "libc6", "libgcc-s1", "mawk"],
        )

    def test_missing_package_is_named(self):
        index = debian.parse_index(INDEX.replace("Package: libgcc-s1", "Package: renamed"))
        with self.assertRaisesRegex(report.InstallError, "^Debian's archive lacks libgcc-s1$"):
            debian.closure(index, ["bazel-bootstrap"])

    def test_skip_matches_whole_names(self):
        for name in ("gcc", "gcc-14", "libfoo-dev", "python3-six", "openjdk-21-jdk-headless"):
            self.assertTrue(debian.SKIP.fullmatch(name), name)
        for name in ("libgcc-s1", "default-jre-headless", "bazel-bootstrap", "patchelf"):
            self.assertFalse(debian.SKIP.fullmatch(name), name)


class FolderTest(unittest.TestCase):
    """Has a folder, a cache in it, and what the installer said."""

    def setUp(self) -> None:
        """Makes them."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())).resolve()
        self.said = self.enterContext(contextlib.redirect_stderr(io.StringIO()))
        environment = {"XDG_CACHE_HOME": str(self.folder / "cache"), "HOME": str(self.folder)}
        self.enterContext(mock.patch.dict(os.environ, environment))

    def put_on_path(self, **programs: str) -> None:
        """Makes shell scripts the only programs on PATH; _ in their names stands for -."""
        for name, text in programs.items():
            path = self.folder / "bin" / name.replace("_", "-")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        os.environ["PATH"] = str(self.folder / "bin")


class SelectTest(FolderTest):
    """Finding Bazel with the machine's apt."""

    def test_no_apt(self):
        self.put_on_path()
        with self.assertRaisesRegex(
            report.InstallError, "^no apt-get here .*; put a bazel or bazelisk on PATH instead$"
        ):
            debian.select(self.folder)

    def test_no_archive(self):
        self.put_on_path(apt_get="exit 0", dpkg_deb="", tar="")
        with self.assertRaisesRegex(report.InstallError, "names no Debian archive"):
            debian.select(self.folder)

    def test_no_network(self):
        self.put_on_path(
            apt_get="""case "$*" in
              *update*) echo "E: Failed to fetch x://mirror  Could not connect"; exit 100;;
              *) echo "stable|Debian|x://mirror";;
            esac""",
            dpkg_deb="",
            tar="",
        )
        with self.assertRaises(report.InstallError) as caught:
            debian.select(self.folder)
        self.assertEqual(
            str(caught.exception),
            "cannot read Debian's archive (no network?): Failed to fetch x://mirror  "
            "Could not connect; put a bazel or bazelisk on PATH instead",
        )
        self.assertEqual(self.said.getvalue().count("reading the package index"), 1)

    def test_another_major_version(self):
        index = self.folder / "Packages"
        index.write_text(INDEX.replace("7.7.1", "8.1.0"))
        self.put_on_path(
            apt_get=f"""case "$*" in
              *FILENAME*) echo {index};;
              *indextargets*) echo "stable|Debian|x://mirror";;
            esac""",
            apt_helper='while read -r line || [ "$line" ]; do echo "$line"; done <"$2"',
            dpkg_deb="",
            tar="",
        )
        with self.assertRaisesRegex(
            report.InstallError, "^Debian testing: its Bazel is 8.1.0, not 7.x; Debian unstable: "
        ):
            debian.select(self.folder)

    def test_security_and_other_origins_are_no_archives(self):
        self.put_on_path(
            apt_get="""echo "stable-security|Debian|x://security"
              echo "stable|Docker|x://docker"; echo "stable|Debian|x://mirror"
              echo "stable-updates|Debian|x://mirror" """
        )
        self.assertEqual(debian.mirrors(), ["x://mirror"])

    def test_named_mirror(self):
        with mock.patch.dict(os.environ, {"MACHETE_DEBIAN_MIRROR": "x://named"}):
            self.assertEqual(debian.mirrors(), ["x://named"])


class PrefixTest(FolderTest):
    """Preparing what was unpacked."""

    def make_jar(self, name: str, class_path: str = "") -> Path:
        """Makes a jar below usr/share/java, with a folded manifest line."""
        jar = self.folder / "usr/share/java" / name
        jar.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(jar, "w") as archive:
            folded = f"Class-Path: {class_path}".replace(" b.jar", "\r\n  b.jar")
            archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\n{folded}\r\n")
        return jar

    def test_class_path_is_closed_and_others_are_removed(self):
        listing = self.folder / "usr/share/bazel/bazel_classpath_x.txt"
        listing.parent.mkdir(parents=True)
        listing.write_text("/usr/share/java/a.jar\n/usr/share/java/optional.jar\n")
        self.make_jar("a.jar", "c.jar b.jar")
        self.make_jar("b.jar", "/usr/share/java/d.jar a.jar")
        self.make_jar("c.jar")
        self.make_jar("d.jar")
        unused = self.make_jar("unused.jar")

        needed = prefix.write_class_path(self.folder, Path("/final"), "7.7.1")
        prefix.prune_jars(self.folder, needed)

        java = "/final/usr/share/java"
        self.assertEqual(
            listing.read_text().split(),
            [f"{java}/a.jar", f"{java}/c.jar", f"{java}/b.jar", f"{java}/d.jar"]
            + ["/final/usr/share/bazel/build-data.jar"],
        )
        self.assertFalse(unused.exists())
        with zipfile.ZipFile(self.folder / "usr/share/bazel/build-data.jar") as label:
            self.assertEqual(label.read("build-data.properties"), b"build.label=7.7.1\n")

    def test_absolute_links_stay_inside(self):
        target = self.folder / "etc/java/security"
        link = self.folder / "usr/lib/jvm/security"
        for path in (target, link):
            path.parent.mkdir(parents=True)
        target.write_text("policy")
        link.symlink_to("/etc/java/security")
        prefix.retarget_links(self.folder)
        self.assertEqual(os.readlink(link), "../../../etc/java/security")
        self.assertEqual(link.read_text(), "policy")

    def test_trust_store(self):
        store = self.folder / "cacerts"
        store.symlink_to("/nonexistent")
        prefix.write_trust_store(store, [b"first", b"second"])
        data = store.read_bytes()
        self.assertEqual(struct.unpack(">III", data[:12]), (0xFEEDFEED, 2, 2))
        entry = struct.pack(">IH", 2, 4) + b"ca-1" + bytes(8) + struct.pack(">H", 5) + b"X.509"
        self.assertEqual(data[-20 - 6 - 4 - len(entry) : -20], entry + b"\0\0\0\x06second")
        password = "changeit".encode("utf-16-be")
        self.assertEqual(
            data[-20:], hashlib.sha1(password + b"Mighty Aphrodite" + data[:-20]).digest()
        )

    def test_moved_packages_are_named(self):
        with self.assertRaisesRegex(report.InstallError, "^the Java runtime is not where "):
            prefix.java_home(self.folder)


class InstallTest(FolderTest):
    """The installation as a whole, with nothing to download."""

    def setUp(self) -> None:
        """Makes an archive of one package."""
        super().setUp()
        package = debian.Package("bazel-bootstrap", "7.7.1+ds-1", "", (), 1000, 1000)
        self.archive = mock.Mock(spec=debian.Archive)
        self.archive.download.return_value = [Path("bazel-bootstrap.deb")]
        self.enterContext(
            mock.patch.object(debian, "select", return_value=(self.archive, [package], "7.7.1"))
        )
        self.prepare = self.enterContext(mock.patch.object(prefix, "prepare", self.make_root))
        self.check = self.enterContext(mock.patch.object(prefix, "check"))
        self.prepared = 0

    def make_root(self, debs: list[Path], root: Path, final: Path, version: str) -> None:
        """Stands for unpacking."""
        del debs, final, version
        self.prepared += 1
        time.sleep(0.2)
        (root / "usr").mkdir(parents=True)

    def test_installs_once(self):
        final = install.install()
        self.assertEqual((final / install.STAMP).read_text(), "bazel-bootstrap 7.7.1+ds-1\n")
        self.assertEqual(install.install(), final)
        self.assertEqual(self.prepared, 1)

    def test_two_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            first, second = pool.map(lambda _: install.install(), range(2))
        self.assertEqual(first, second)
        self.assertEqual(self.prepared, 1)
        self.assertIn("waiting for another installation", self.said.getvalue())

    def test_killed_installation_is_remade(self):
        final = install.prefix_folder()
        (final / "half").mkdir(parents=True)
        leftover = final.with_name(f"{final.name}.work-killed")
        leftover.mkdir()
        install.install()
        self.assertEqual(
            sorted(path.name for path in final.parent.iterdir()),
            [final.name, f"{final.name}.lock"],
        )
        self.assertFalse((final / "half").exists())

    def test_bazel_that_does_not_start_is_not_used(self):
        self.check.side_effect = report.InstallError("it does not start")
        with self.assertRaisesRegex(report.InstallError, "does not start"):
            install.install()
        self.assertFalse((install.prefix_folder() / install.STAMP).exists())

    def test_full_disk_before(self):
        usage = mock.Mock(free=1000)
        with (
            mock.patch("shutil.disk_usage", return_value=usage),
            self.assertRaisesRegex(
                report.InstallError, "^not enough disk space in .*: 0 MB are free, 0 MB are needed"
            ),
        ):
            install.install()
        self.archive.download.assert_not_called()

    def test_full_disk_meanwhile(self):
        self.archive.download.side_effect = OSError(errno.ENOSPC, "No space left on device")
        with self.assertRaisesRegex(report.InstallError, "^no disk space left in "):
            install.install()

    def test_cache_that_cannot_be_written(self):
        (self.folder / "cache").write_text("a file")
        with self.assertRaisesRegex(report.InstallError, "^cannot write to the cache: "):
            install.install()

    def test_cache_must_be_absolute(self):
        with (
            mock.patch.dict(os.environ, {"XDG_CACHE_HOME": "relative"}),
            self.assertRaisesRegex(report.InstallError, "is 'relative', not an absolute path"),
        ):
            install.install()


class LaunchTest(FolderTest):
    """What is made ready beside the installed Bazel."""

    def setUp(self) -> None:
        """Makes the modules that Debian packages."""
        super().setUp()
        self.installed = self.folder / "installed"
        for place in launch.PACKAGED.values():
            folder = self.installed / "usr/share/bazel" / place
            folder.mkdir(parents=True)
            (folder / "MODULE.bazel").touch()
        own = self.folder / "modules/rules_cuda"
        own.mkdir(parents=True)
        (own / "MODULE.bazel").touch()
        self.enterContext(mock.patch.object(launch, "HERE", self.folder))
        self.state = self.folder / "state"

    def test_every_module_is_overridden(self):
        bazelrc = launch.write_bazelrc(self.installed, self.state).read_text()
        for name in (*launch.PACKAGED, *launch.EMPTY, "rules_cuda"):
            self.assertIn(f"common --override_module={name}=", bazelrc)

    def test_empty_modules_depend_on_the_others(self):
        launch.write_bazelrc(self.installed, self.state)
        for name in launch.EMPTY:
            text = (self.state / "empty" / name / "MODULE.bazel").read_text()
            self.assertIn('bazel_dep(name = "rules_cuda", version = "0")', text)

    def test_missing_module_is_named(self):
        (self.folder / "modules/broken").mkdir()
        with self.assertRaisesRegex(report.InstallError, "^the module broken is not in "):
            launch.write_bazelrc(self.installed, self.state)

    def test_unchanged_file_is_left_alone(self):
        path = self.folder / "file"
        launch.write(path, "text")
        before = path.stat()
        launch.write(path, "text")
        self.assertEqual(path.stat().st_mtime_ns, before.st_mtime_ns)
        self.assertEqual(path.stat().st_ino, before.st_ino)

    def test_command_is_linked_where_path_has_a_place(self):
        (self.folder / "bazel.sh").write_text("#!/bin/sh\n")
        local = self.folder / ".local/bin"
        local.mkdir(parents=True)
        with mock.patch.dict(os.environ, {"PATH": f"/nonexistent:{local}"}):
            launch.provide_command()
            self.assertTrue(os.access(local / "bazel", os.X_OK))
            launch.provide_command()  # PATH has it: nothing to say
        self.assertEqual(self.said.getvalue().count("\n"), 1)

    def test_command_replaces_nothing(self):
        (self.folder / "bazel.sh").write_text("#!/bin/sh\n")
        local = self.folder / ".local/bin"
        local.mkdir(parents=True)
        (local / "bazel").write_text("the user's own, not executable")
        with mock.patch.dict(os.environ, {"PATH": str(local)}):
            launch.provide_command()
        self.assertEqual((local / "bazel").read_text(), "the user's own, not executable")
        self.assertIn('export PATH="', self.said.getvalue())


if __name__ == "__main__":
    unittest.main()
