"""Docker's own packages: what is pinned for whom, and the script that fetches them. The programs that it calls are played."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bench import knowledge
from stacks import distributions, drivers, engine, engines, host_setup, plan
from tests.unit import renting

GOLDEN = Path(__file__).parent.parent / "golden/host_setup/docker_ce-overlay2-ext4.sh"
ENGINE = engines.load("docker_ce")
SCRIPT = (Path(host_setup.__file__).parent / "scripts/host_up.sh").read_text(encoding="utf-8")

PLAYED = """\
#!/bin/sh
echo "${0##*/} $*" >>"$SAID"
case "$*" in *-o*cowbench-engine.asc*) : >"$KEY" ;; esac
"""


def test_the_script_is_what_was_reviewed() -> None:
    """Refresh with: COWBENCH_REFRESH_GOLDEN=1 make test, then read the difference."""
    setup = host_setup.HostSetup(
        root="/var/lib/cowbench/h/demo/host",
        owner="0a1b2c3d.demo.host",
        device="blank",
        disk_bytes=8 << 30,
        filesystem="ext4",
        driver=drivers.load("overlay2"),
        engine=ENGINE,
        install=True,
    )
    before, after = SCRIPT.split("# @variables@\n")
    rendered = host_setup.render_up(setup)
    variables = rendered.removeprefix(before).removesuffix(after)
    if os.environ.get("COWBENCH_REFRESH_GOLDEN"):
        GOLDEN.write_text(variables, encoding="utf-8")

    assert rendered == f"{before}{variables}{after}"
    assert variables == GOLDEN.read_text(encoding="utf-8")


def installed(folder: Path, manager: str, os_release: str) -> tuple[int, str, Path]:
    """What the install part of the script asks of a distribution's programs: its exit code, their command lines, and its /etc."""
    etc, programs = folder / "etc", folder / "bin"
    for path in (etc / "apt/sources.list.d", etc / "yum.repos.d", programs):
        path.mkdir(parents=True)
    (etc / "os-release").write_text(os_release, encoding="utf-8")
    for program in (manager, "curl"):
        (programs / program).write_text(PLAYED, encoding="utf-8")
        (programs / program).chmod(0o755)
    for tool in ("sh", "timeout", "sed", "grep", "mkdir", "sleep", "cat"):
        (programs / tool).symlink_to(Path(f"/usr/bin/{tool}") if Path(f"/usr/bin/{tool}").exists() else Path(f"/bin/{tool}"))
    functions = "patiently() {" + SCRIPT.partition("patiently() {")[2].partition("has_module() {")[0]
    head = "".join(
        f"{name}='{value}'\n"
        for name, value in {
            "ROOT": str(folder),
            "ENGINE_ARCHIVE": ENGINE.archive,
            "ENGINE_RELEASES": host_setup.releases(ENGINE),
            **{f"PACKAGES_{family}": f"of-{family.lower()}" for family in ("DEBIAN", "EL", "SUSE")},
        }.items()
    )
    text = f"set -eu\n{head}{functions}install_packages".replace("/etc/", f"{etc}/")
    environment = {"PATH": str(programs), "SAID": str(folder / "said"), "KEY": str(folder / "key")}
    done = subprocess.run(["/bin/sh", "-c", text], env=environment, capture_output=True, text=True, timeout=60, check=False)
    said = folder / "said"
    return done.returncode, said.read_text(encoding="utf-8") if said.exists() else "", etc


def test_debian_takes_the_pinned_packages_of_its_suite_with_a_key_of_its_own(tmp_path: Path) -> None:
    code, said, etc = installed(tmp_path, "apt-get", "ID=debian\nVERSION_ID=12\n")

    assert code == 0
    assert "https://download.docker.com/linux/debian/gpg" in said
    assert (
        "install -q -y --no-install-recommends of-debian docker-ce=5:28.5.2-1~debian.12~bookworm docker-ce-cli=5:28.5.2" in said
    )
    assert said.index("gpg") < said.index("docker-ce=")
    (listed,) = (etc / "apt/sources.list.d").iterdir()
    assert listed.read_text(encoding="utf-8").strip() == (
        f"deb [signed-by={etc}/apt/keyrings/cowbench-engine.asc] https://download.docker.com/linux/debian bookworm stable"
    )


def test_ubuntu_is_told_by_both_numbers_of_its_release(tmp_path: Path) -> None:
    code, said, _ = installed(tmp_path, "apt-get", 'ID=ubuntu\nVERSION_ID="24.04"\n')

    assert code == 0
    assert "docker-ce=5:28.5.2-1~ubuntu.24.04~noble" in said


@pytest.mark.parametrize(
    ("manager", "os_release", "path", "package"),
    [
        ("dnf", 'ID="rocky"\nVERSION_ID="9.6"\n', "rhel/9", "docker-ce-28.5.2-1.el9"),
        ("dnf", 'ID="almalinux"\nVERSION_ID="10.0"\n', "rhel/10", "docker-ce-28.5.2-1.el10"),
        ("yum", 'ID="centos"\nVERSION_ID="7"\n', "centos/7", "docker-ce-26.1.4-1.el7"),
    ],
)
def test_enterprise_linux_takes_them_from_a_signed_repository(
    tmp_path: Path, manager: str, os_release: str, path: str, package: str
) -> None:
    code, said, etc = installed(tmp_path, manager, os_release)

    assert code == 0
    assert f"install of-el {package} docker-ce-cli-" in said
    (repository,) = (etc / "yum.repos.d").iterdir()
    assert repository.read_text(encoding="utf-8").splitlines() == [
        "[cowbench-engine]",
        "name=engine",
        f"baseurl=https://download.docker.com/linux/{path}/$basearch/stable",
        "gpgcheck=1",
        f"gpgkey=https://download.docker.com/linux/{path.partition('/')[0]}/gpg",
    ]


def test_a_distribution_that_nothing_is_pinned_for_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    code, said, _ = installed(tmp_path, "apt-get", "ID=devuan\nVERSION_ID=5\n")

    assert (code, said) == (1, "")
    assert "no release is pinned for devuan:5" in (tmp_path / "packages.log").read_text(encoding="utf-8")


def test_every_pin_names_its_version_in_full() -> None:
    for distro, release in ENGINE.releases.items():
        docker, cli, containerd = release.packages
        assert str(release.facts["docker"]) in docker, distro
        assert str(release.facts["docker"]) in cli, distro
        assert str(release.facts["containerd"]) in containerd, distro
        assert knowledge.judge({**release.facts, "distro": distro})


def test_the_pinned_engine_is_what_the_plan_judges_and_not_the_distributions_own() -> None:
    host = distributions.facts("debian-12")
    facts = engine.facts(ENGINE, host)

    assert (host["docker"], facts["docker"], facts["containerd"]) == ("20.10.24", "28.5.2", "1.7.29")
    assert "runc" not in facts
    assert engine.facts(engines.load("distribution"), host) == host


def test_a_distribution_without_a_pin_or_without_an_engine_is_left_out_and_an_unknown_one_is_not() -> None:
    distribution = engines.load("distribution")

    assert "pins no packages for amzn:2023" in engine.lacking(ENGINE, distributions.facts("amazon-linux-2023"))
    assert engine.lacking(ENGINE, distributions.facts("rocky-9")) == ""
    assert "packages no Docker engine" in engine.lacking(distribution, distributions.facts("rocky-9"))
    assert engine.lacking(distribution, distributions.facts("debian-12")) == ""
    assert engine.lacking(ENGINE, {}) == engine.lacking(distribution, {}) == ""


@pytest.mark.parametrize("cloud", ["local", "qemu"])
def test_hosts_on_this_machine_keep_the_engine_that_they_have(cloud: str) -> None:
    of = replace(renting.wanted({}), axes={"cloud": (cloud,), "engine": ("distribution", "docker_ce")})

    made = plan.plan(of, lambda _: {})

    assert [cell.engine for cell in made.cells] == ["distribution"]
    assert [left.reason for left in made.left_out] == [
        f"only rented VMs fetch docker_ce; hosts of {cloud} have the engine of their machine image"
    ]
