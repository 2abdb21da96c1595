"""Docker's own packages, pinned: the same engine on every distribution that still gets it, else the last one it got.

Versions are those that others install from download.docker.com by these very names. They were not installed here: the archive
was out of reach, so only the script is tested. `apt-cache madison docker-ce` and `dnf list docker-ce --showduplicates` tell more.
"""

from stacks.engine import Engine, Release

_ARCHIVE = "https://download.docker.com/linux"


def _deb(suite: str, tag: str, docker: str, containerd: str) -> Release:
    version = f"5:{docker}-1~{tag}"
    packages = (f"docker-ce={version}", f"docker-ce-cli={version}", f"containerd.io={containerd}")
    return Release(suite=suite, packages=packages, facts=_facts(docker, containerd, rpm=None))


def _rpm(suite: str, tag: str, docker: str, containerd: str) -> Release:
    packages = (f"docker-ce-{docker}-1.{tag}", f"docker-ce-cli-{docker}-1.{tag}", f"containerd.io-{containerd}.{tag}")
    return Release(suite=suite, packages=packages, facts=_facts(docker, containerd, rpm=containerd))


def _facts(docker: str, containerd: str, *, rpm: str | None) -> dict[str, object]:
    return {
        "docker": docker,
        "containerd": containerd.partition("-")[0],
        "containerd_io_rpm": rpm,
        "containerd_io_pinned": True,
        "dockerd_static": False,
    }


def _el(major: int) -> Release:
    return _rpm(f"rhel/{major}", f"el{major}", "28.5.2", "1.7.29-1")


# The last of EL 7: its suite ended with the distribution.
_EL7 = _rpm("centos/7", "el7", "26.1.4", "1.6.33-3.1")

ENGINE = Engine(
    name="docker_ce",
    # An engine that AppArmor keeps an eye on wants its parser.
    packages=("apparmor",),
    binaries=("dockerd", "containerd", "runc"),
    archive=_ARCHIVE,
    releases={
        "debian:11": _deb("debian bullseye", "debian.11~bullseye", "28.5.2", "1.7.29-1~debian.11~bullseye"),
        "debian:12": _deb("debian bookworm", "debian.12~bookworm", "28.5.2", "1.7.29-1~debian.12~bookworm"),
        "debian:13": _deb("debian trixie", "debian.13~trixie", "28.5.2", "1.7.29-1~debian.13~trixie"),
        # The last ones of suites that have ended.
        "ubuntu:18.04": _deb("ubuntu bionic", "ubuntu.18.04~bionic", "24.0.2", "1.6.21-1"),
        "ubuntu:20.04": _deb("ubuntu focal", "ubuntu.20.04~focal", "28.1.1", "1.7.27-1"),
        "ubuntu:22.04": _deb("ubuntu jammy", "ubuntu.22.04~jammy", "28.5.2", "1.7.29-1~ubuntu.22.04~jammy"),
        "ubuntu:24.04": _deb("ubuntu noble", "ubuntu.24.04~noble", "28.5.2", "1.7.29-1~ubuntu.24.04~noble"),
        # Its suite began with 29.
        "ubuntu:26.04": _deb("ubuntu resolute", "ubuntu.26.04~resolute", "29.7.2", "2.3.3-1~ubuntu.26.04~resolute"),
        "rhel:7": _EL7,
        "centos:7": _EL7,
        **{f"{distribution}:{major}": _el(major) for distribution in ("rhel", "rocky", "almalinux") for major in (8, 9, 10)},
        **{f"centos:{major}": _el(major) for major in (9, 10)},
    },
)
