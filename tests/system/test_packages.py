# SPDX-License-Identifier: BSD-2-Clause
"""The tarball and the packages that contrib/package makes of this checkout."""
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import milter

TOP = Path(__file__).resolve().parent.parent.parent
NEEDED = ("dh", "dpkg-buildpackage", "lintian", "rpmbuild")


def run(command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, timeout=900, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.fail("not installed: " + ", ".join(missing) + " (see contrib/packages)")
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def rpm(folder):
    run([TOP / "contrib/package", "rpm", folder / "rpm"], umask=0o077)
    return folder / "rpm"


def only(path, pattern):
    found = list(path.glob(pattern))
    assert len(found) == 1, found
    return found[0]


def test_lintian_finds_nothing(deb):
    """But that nobody has asked Debian for the package."""
    run(["lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", "initial-upload-closes-no-bugs",
         only(deb, "*.changes")])


def test_the_debian_package_holds_what_an_administrator_needs(deb, tmp_path):
    package = only(deb, "acme-milter_*.deb")
    run(["dpkg-deb", "-R", package, tmp_path / "tree"])
    tree = tmp_path / "tree"
    for name in ("usr/sbin/acme-milter", "etc/acme-milter.conf", "lib/systemd/system/acme-milter.service",
                 "lib/systemd/system/acme-milter.socket",
                 "usr/lib/sysusers.d/acme-milter.conf", "usr/lib/tmpfiles.d/acme-milter.conf",
                 "usr/share/man/man8/acme-milter.8.gz", "usr/share/man/man5/acme-milter.conf.5.gz"):
        assert (tree / name).is_file(), name
    documents = tree / "usr/share/doc/acme-milter"
    for name in ("operations.md", "assurance.md", "dashboard.png", "performance.md", "performance/lines.png", "examples/log", "examples/prometheus", "examples/grafana"):
        assert list(documents.glob(name + "*")), name
    assert (tree / "DEBIAN/conffiles").read_text().split() == ["/etc/acme-milter.conf"]
    assert "systemd-sysusers" in (tree / "DEBIAN/postinst").read_text()
    run([tree / "usr/sbin/acme-milter", "-n", "-c", tree / "etc/acme-milter.conf"])


def test_the_conformance_program_runs_from_its_package(deb, tmp_path):
    run(["dpkg-deb", "-R", only(deb, "acme-milter-conformance_*.deb"), tmp_path / "tree"])
    tree = tmp_path / "tree"
    assert "E-01  must" in run([tree / "usr/bin/acme-milter-conformance", "--list"])
    for name in ("man/man1/acme-milter-conformance.1.gz", "doc/acme-milter-conformance/endpoint/openapi.yaml",
                 "doc/acme-milter-conformance/examples/reference-server/acme-reference-server"):
        assert (tree / "usr/share" / name).is_file(), name
    assert not list(tree.rglob("__pycache__"))


def test_the_package_starts_and_stops_nothing_by_itself(deb, tmp_path):
    """But when it is removed. An upgrade leaves the old one running until the administrator restarts it."""
    run(["dpkg-deb", "-e", only(deb, "acme-milter_*.deb"), tmp_path / "control"])
    scripts = {path.name: path.read_text() for path in (tmp_path / "control").iterdir() if path.name[:3] in ("pre", "pos")}
    invoked = {(name, action) for name, text in scripts.items()
               for action in re.findall(r"^\s*(?:deb-systemd-invoke|systemctl --system) (\S+)", text, re.M)}
    assert invoked == {("prerm", "stop"), ("postinst", "daemon-reload"), ("postrm", "daemon-reload")}
    assert re.search(r'"\$1" = remove .*\n\s*deb-systemd-invoke stop acme-milter.socket acme-milter.service\b', scripts["prerm"])


def test_the_rpm_holds_the_same_files(rpm):
    files = run(["rpm", "-qlp", only(rpm, f"*.{os.uname().machine}.rpm"), only(rpm, "*.noarch.rpm")])
    for name in ("/usr/sbin/acme-milter", "/etc/acme-milter.conf", "/usr/lib/systemd/system/acme-milter.service",
                 "/usr/lib/systemd/system/acme-milter.socket",
                 "/usr/lib/sysusers.d/acme-milter.conf", "/usr/bin/acme-milter-conformance",
                 "/usr/share/acme-milter/conformance/acme_conformance/lab.py"):
        assert name in files.splitlines()


def test_the_rpm_has_a_trust_anchor(rpm):
    """Where Fedora's libunbound has it: Debian's path, which is the default, is not there."""
    package = only(rpm, f"*.{os.uname().machine}.rpm")
    anchor = "/var/lib/unbound/root.key"
    assert anchor in run(["rpm", "-qp", "--requires", package]).split()
    conf = run(["sh", "-c", 'rpm2cpio "$0" | cpio --quiet -i --to-stdout ./etc/acme-milter.conf', package])
    assert ["TrustAnchorFile", anchor] in [line.split() for line in conf.splitlines()]


def test_uninstall_leaves_nothing(tmp_path):
    build = milter.program().parent
    own = ["*acme*", "*acme*/**/*"]
    for target, is_there in (("install", True), ("uninstall", False)):
        run(["make", "-C", build, target, f"DESTDIR={tmp_path}"])
        assert bool([path for pattern in own for path in tmp_path.rglob(pattern)]) == is_there


def test_the_tarball_is_the_same_wherever_it_is_made(deb, rpm):
    """Two folders, two umasks."""
    digests = {hashlib.sha256(only(path, "acme-milter-*.tar.xz").read_bytes()).hexdigest() for path in (deb, rpm)}
    assert len(digests) == 1
