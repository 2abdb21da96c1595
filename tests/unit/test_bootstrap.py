from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCRIPTS = ("setup", "bench", "clean-cache", "env", "go")


def bash(
    script: str, home: Path, path: str = os.environ["PATH"], tools: Path = PROJECT / "tools"
) -> subprocess.CompletedProcess[str]:
    """Run `script` with the functions of tools/setup at hand and everything of the user's in `home`."""
    return subprocess.run(
        ["bash", "-c", f'. "{tools}/setup"; set +e; {script}'],
        env={"HOME": str(home), "PATH": path, "COWBENCH_CACHE": str(home / "cache"), "COWBENCH_TICK_S": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def command(folder: Path, name: str, script: str) -> str:
    """Put a command of that name first on PATH; return the PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def steps(body: str) -> str:
    return f'mkdir -p "$CACHE"; begin_steps; {body}\nfinish_all; ended=$?; end_steps; exit $ended'


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("have", "want", "enough"),
    [
        ("1.26.8", "1.26", True),
        ("1.26", "1.26.0", True),
        ("1.9", "1.26", False),
        ("v3.260.0", "v3.259.0", True),
        ("v3.258.9", "v3.259.0", False),
        ("3.260.0-alpha.1", "3.259.0", True),
        ("2.0", "1.99.99", True),
        ("0.13.08", "0.13.7", True),
        ("", "1.26", False),
        ("devel", "1.26", False),
    ],
)
def test_versions_are_compared_as_numbers(tmp_path: Path, have: str, want: str, *, enough: bool) -> None:
    assert (bash(f"version_at_least '{have}' '{want}'", tmp_path).returncode == 0) is enough


@pytest.mark.parametrize(
    ("os_release", "family"),
    [
        ("ID=debian\n", "debian"),
        ("NAME=Mint\nID=linuxmint\nID_LIKE='ubuntu debian'\n", "debian"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "fedora"),
        ("ID=arch\n", "arch"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"),
        ("ID=alpine\n", "alpine"),
        ("ID=nixos\nVARIANT_ID=debian\n", "other"),
        ("", "other"),
    ],
)
def test_a_distribution_is_known_by_its_family(tmp_path: Path, os_release: str, family: str) -> None:
    (tmp_path / "os-release").write_text(os_release)
    assert bash(f"package_family {tmp_path}/os-release", tmp_path).stdout.strip() == family


def test_a_package_that_brings_two_commands_is_named_once(tmp_path: Path) -> None:
    assert bash("packages_for debian dockerd mount losetup", tmp_path).stdout == "docker.io mount"
    assert bash("packages_for suse mkfs.btrfs ip", tmp_path).stdout == "btrfsprogs iproute2"


def test_every_family_has_a_package_for_every_command() -> None:
    rows = [line.split() for line in (PROJECT / "tools/packages.txt").read_text().splitlines() if not line.startswith("#")]
    assert {len(row) for row in rows} == {7}
    assert {row[0] for row in rows} == {"local", "vms"}
    assert "-" not in {row[2] for row in rows}, "what Debian lacks, `make setup` cannot install"


def test_a_part_is_told_what_it_lacks_and_no_other_parts_tools(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    shutil.copytree(PROJECT / "tools", tools)
    (tools / "packages.txt").write_text(
        f"local no-such-engine a a a a a\nvms no-such-emulator b b b - b\nvms /no/such/file c c c c c\nvms {tmp_path} d d d d d\n"
        f"vms {tools}/packages.txt e e e e e\n"
    )
    assert bash("missing_commands", tmp_path, tools=tools).stdout.split() == ["no-such-engine"]
    missing = bash("missing_commands vms", tmp_path, tools=tools).stdout.split()
    assert missing == ["no-such-emulator", "/no/such/file", str(tmp_path)]
    assert bash("packages_for suse $(missing_commands vms)", tmp_path, tools=tools).stdout == "c d"


def test_setting_up_for_vms_installs_what_they_need_and_says_what(tmp_path: Path) -> None:
    lacking = """missing_commands() { [ "$1" = vms ] && [ ! -e "$HOME/installed" ] && echo qemu-img; }
      package_family() { echo debian; }; can_be_root() { true; }
      install_packages() { echo "$*" >"$HOME/installed"; say "Debian packages: $*"; }; """
    first = bash(f"{lacking} set_up_vms", tmp_path)
    assert first.returncode == 0, first
    assert "will install Debian packages: qemu-utils" in first.stdout
    assert re.search(r"^ok   VMs can be made on this host", first.stdout, re.MULTILINE)
    assert (tmp_path / "installed").read_text() == "qemu-utils\n"
    assert bash(f"{lacking} set_up_vms", tmp_path).stdout.startswith("ok   everything for VMs is in place")


def test_where_it_cannot_install_it_names_the_command_to_type_for_vms(tmp_path: Path) -> None:
    lacking = "missing_commands() { printf 'qemu-img\\nssh\\n'; }; package_family() { echo fedora; }; set_up_vms"
    told = bash(lacking, tmp_path)
    assert told.returncode == 1
    assert "need some tools: qemu-img ssh" in told.stdout
    assert "next: as root, dnf install qemu-img openssh-clients" in told.stdout


def test_set_up_knows_two_words(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    refused = subprocess.run([PROJECT / "tools/setup", "VMs"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, refused.stderr) == (2, "usage: tools/setup [vms|clouds [NAME...]]\n")


@pytest.mark.parametrize(
    ("named", "asked_of_uv", "said"), [("", "--all-extras", "all clouds"), ("aws gcp", "--extra aws --extra gcp", "aws gcp")]
)
def test_the_sdks_are_those_of_the_clouds_named_else_all(tmp_path: Path, named: str, asked_of_uv: str, said: str) -> None:
    without_network = 'install_uv() { :; }; sync_environment() { echo "$*" >"$HOME/asked"; }'
    ran = bash(f"{without_network}; set_up_clouds {named}", tmp_path)

    assert ran.returncode == 0, ran
    assert (tmp_path / "asked").read_text() == f"{asked_of_uv}\n"
    assert re.search(f"^ok   SDKs of {said} are in place", ran.stdout, re.MULTILINE)


def test_commands_in_sbin_are_found_without_it_on_path(tmp_path: Path) -> None:
    with_sbin = bash("missing_commands", tmp_path, "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").stdout
    assert bash("missing_commands", tmp_path, "/usr/local/bin:/usr/bin:/bin").stdout == with_sbin


def test_steps_run_side_by_side(tmp_path: Path) -> None:
    each_waits_for_the_other = f"""
      a() {{ touch {tmp_path}/a; until [ -e {tmp_path}/b ]; do sleep 0.05; done; say "first done"; }}
      b() {{ touch {tmp_path}/b; until [ -e {tmp_path}/a ]; do sleep 0.05; done; }}
      start a first a; start b second b"""
    ran = bash(steps(each_waits_for_the_other), tmp_path)
    assert ran.returncode == 0, ran
    assert re.search(r"^ok   first done +\d+\.\d s$", ran.stdout, re.MULTILINE)
    assert re.search(r"^ok   second +\d+\.\d s$", ran.stdout, re.MULTILINE)
    assert not list((tmp_path / "cache").glob("steps.*"))


def test_a_step_begins_when_what_it_awaits_is_there(tmp_path: Path) -> None:
    ran = bash(
        steps(f"a() {{ await b; cat {tmp_path}/made; }}; b() {{ echo it >{tmp_path}/made; }}; start a A a; start b B b"), tmp_path
    )
    assert ran.returncode == 0, ran
    assert (tmp_path / "cache/logs/a.log").read_text() == "it\n"


def test_a_failed_step_says_why_and_what_next_and_stops_the_others(tmp_path: Path) -> None:
    ran = bash(
        steps(
            f"""
      bad() {{ until [ -s {tmp_path}/pid ]; do sleep 0.05; done; echo "its last words"; fail "no luck" "try again"; }}
      long() {{ sh -c 'echo $$ >{tmp_path}/pid; exec sleep 600'; }}
      after() {{ await bad; touch {tmp_path}/after; }}
      start bad B bad; start long L long; start after A after"""
        ),
        tmp_path,
    )
    assert ran.returncode == 1
    assert re.search(r"^FAIL no luck\s*$", ran.stdout, re.MULTILINE)
    assert "| its last words" in ran.stdout
    assert "next: try again" in ran.stdout
    assert gone(int((tmp_path / "pid").read_text()))
    assert not (tmp_path / "after").exists()


def test_a_command_that_fails_fails_its_step(tmp_path: Path) -> None:
    ran = bash(steps(f"a() {{ false; touch {tmp_path}/on; }}; start a A a"), tmp_path)
    assert ran.returncode == 1
    assert not (tmp_path / "on").exists()


def test_a_step_that_was_killed_is_a_failure_and_not_a_wait(tmp_path: Path) -> None:
    ran = bash(steps('a() { kill -9 -- "-$(cut -d " " -f 5 /proc/$BASHPID/stat)"; }; start a A a'), tmp_path)
    assert ran.returncode == 1
    assert "A was killed" in ran.stdout


def test_a_long_step_shows_that_it_lives(tmp_path: Path) -> None:
    waits_to_be_seen = f"a() {{ until [ -e {tmp_path}/seen ]; do sleep 0.05; done; }}; start a A a"
    seen = f'show() {{ :; }}; line() {{ printf "%s %s\\n" "$1" "$2"; [ "$1" != ... ] || touch {tmp_path}/seen; }}'
    assert re.search(r"^\.\.\. A \d+\.\d s$", bash(steps(f"{seen}; {waits_to_be_seen}"), tmp_path).stdout, re.MULTILINE)


def test_an_interrupt_stops_every_step_and_leaves_no_trace(tmp_path: Path) -> None:
    script = steps(f"long() {{ sh -c 'echo $$ >{tmp_path}/pid; exec sleep 600'; }}; start long L long")
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "COWBENCH_CACHE": str(tmp_path / "cache")}
    running = subprocess.Popen(["bash", "-c", f'. "{PROJECT}/tools/setup"; {script}'], env=env, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    finally:
        running.kill()
    assert gone(int((tmp_path / "pid").read_text()))
    assert not list((tmp_path / "cache").glob("steps.*"))


def test_installing_starts_no_service_and_gives_back_the_hosts_own_policy(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    ran = bash(
        f'POLICY={policy}; as_root() {{ "$@"; }}; (keep_services_from_starting; {policy} docker start; echo answer $?)', tmp_path
    )
    assert "answer 101" in ran.stdout
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    policy.unlink()
    bash(f'POLICY={policy}; as_root() {{ "$@"; }}; (keep_services_from_starting)', tmp_path)
    assert not policy.exists()


def test_what_a_killed_installation_left_of_the_policy_is_mended(tmp_path: Path) -> None:
    policy, kept = tmp_path / "policy-rc.d", tmp_path / "policy-rc.d.before-cowbench"
    kept.write_text("the host's own")
    policy.write_text("#!/bin/sh\n# written by cowbench\nexit 101\n")
    bash(f'POLICY={policy}; as_root() {{ "$@"; }}; (keep_services_from_starting)', tmp_path)
    assert policy.read_text() == "the host's own"
    assert not kept.exists()


@pytest.mark.parametrize(
    ("name", "script", "reason"),
    [("uname", "echo Darwin", "this is Darwin"), ("id", "echo 1000", "needs root")],
)
def test_a_host_that_cannot_run_engines_is_told_so_and_what_works(tmp_path: Path, name: str, script: str, reason: str) -> None:
    path = command(tmp_path / "bin", name, script)
    command(tmp_path / "bin", "sudo", "exit 1")
    env = {"HOME": str(tmp_path), "PATH": path, "COWBENCH_CACHE": str(tmp_path / "cache")}
    bench = subprocess.run([PROJECT / "tools/bench", "bench"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert bench.returncode == 2
    assert reason in bench.stderr
    assert "next:" in bench.stderr
    noted = bash("note_limits; wanted_packages", tmp_path, path)
    assert reason in noted.stdout
    assert "cowbench plan" in noted.stdout
    assert noted.stdout.count("\n") == 2, "nothing is installed there"


def test_other_distributions_get_the_command_to_type(tmp_path: Path) -> None:
    script = "package_family() { echo fedora; }; can_be_root() { :; }; missing_commands() { echo dockerd; echo ip; }; "
    ran = bash(script + "local_cloud_problem; echo; wanted_packages", tmp_path)
    assert ran.stdout.split("\n")[0] == "some tools are missing: dnf install moby-engine iproute"
    assert ran.stdout.split("\n")[1:] == ["", ""], "only Debian's packages are installed unasked"


def test_go_is_called_with_the_flags_that_make_builds_alike(tmp_path: Path) -> None:
    fake = '[ "$1 $2" = "env GOVERSION" ] && echo go1.26.6 && exit; echo "$CGO_ENABLED $GOWORK $GOFLAGS ${GOAMD64-unset} $*"'
    env = {"HOME": str(tmp_path), "PATH": command(tmp_path / "bin", "go", fake), "GOAMD64": "v3", "GOFLAGS": "-mod=mod"}
    built = subprocess.run(
        [PROJECT / "tools/go", "build", "x y"], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert built.stdout == "0 off -trimpath -buildvcs=false -mod=readonly unset build x y\n"


def test_without_any_go_it_says_how_to_get_one(tmp_path: Path) -> None:
    path = command(tmp_path / "bin", "go", '[ "$1 $2" = "env GOVERSION" ] && echo go1.19; exit 1')
    command(tmp_path / "bin", "uv", "exit 1")
    env = {"HOME": str(tmp_path), "PATH": path, "COWBENCH_CACHE": str(tmp_path / "cache")}
    ran = subprocess.run([PROJECT / "tools/go", "version"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 3
    assert "found 1.19 on PATH, 1.26 is needed" in ran.stderr
    assert "next:" in ran.stderr


@pytest.mark.parametrize(
    ("says", "taken"), [("v3.259.0", True), ("v3.300.1", True), ("v3.258.0", False), ("v4.0.0", False), ("", False)]
)
def test_a_pulumi_on_path_is_taken_when_it_is_new_enough(tmp_path: Path, says: str, *, taken: bool) -> None:
    path = command(tmp_path / "bin", "pulumi", f"echo {says}")
    found = bash("pulumi_on_path v3.259.0", tmp_path, path)
    assert found.stdout.strip() == (str(tmp_path / "bin/pulumi") if taken else "")
    assert (found.returncode == 0) is taken


def test_the_pinned_pulumi_and_its_python_sdk_are_one_version(tmp_path: Path) -> None:
    pinned = bash("pinned_pulumi", tmp_path).stdout.strip()
    dependencies = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"pulumi=={pinned.removeprefix('v')}" in dependencies
    assert f"github.com/pulumi/pulumi/sdk/v3 {pinned} " in (PROJECT / "tools/pulumi/go.mod").read_text()


def test_a_changed_lock_file_means_that_there_is_something_to_do(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for part in ("tools", "images", "stacks"):
        shutil.copytree(PROJECT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("uv.lock", "pyproject.toml"):
        shutil.copy(PROJECT / part, checkout / part)
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").symlink_to("/bin/true")
    result = tmp_path / "result"
    result.write_text("built")
    (tmp_path / "link").symlink_to(result)
    stamp = f'{{ echo "$CACHE $(wanted)"; printf "%s\\t%s\\n" {tmp_path}/link {result}; }} >"$STAMP"; '
    tools = checkout / "tools"
    assert bash(stamp + "stamp_holds", tmp_path, tools=tools).returncode == 0
    assert bash("CACHE=/elsewhere; stamp_holds", tmp_path, tools=tools).returncode == 1
    result.rename(tmp_path / "moved")
    assert bash("stamp_holds", tmp_path, tools=tools).returncode == 1
    (tmp_path / "moved").rename(result)
    assert bash("stamp_holds", tmp_path, tools=tools).returncode == 0
    (checkout / "images/machines/another.toml").touch()
    assert bash("stamp_holds", tmp_path, tools=tools).returncode == 0, "machine images are built when one is booted"
    with (checkout / "uv.lock").open("a") as lock:
        lock.write("\n")
    assert bash("stamp_holds", tmp_path, tools=tools).returncode == 1


def test_scripts_are_executable_and_shellcheck_has_nothing_to_say() -> None:
    scripts = [PROJECT / "tools" / name for name in SCRIPTS] + [PROJECT / ".ci/run"]
    assert [str(script) for script in scripts if not os.access(script, os.X_OK)] == []
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed; it lints the scripts where it is")
    checked = subprocess.run(["shellcheck", "-x", *scripts], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert checked.stdout == ""


def test_make_help_names_every_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert re.findall(r"make ([a-z-]+)", listed) == phony[1].split()


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)  # without any cache it compiles Pulumi
def test_a_fresh_checkout_sets_itself_up_and_the_second_time_has_nothing_to_do(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".venv", ".git", "runs", "__pycache__", ".*_cache")
    shutil.copytree(PROJECT, checkout, ignore=ignored)
    env = {**os.environ, "COWBENCH_CACHE": str(tmp_path / "cache")}
    first = subprocess.run(["make", "setup"], cwd=checkout, env=env, capture_output=True, text=True, timeout=1700, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    assert re.search(r"^ok   Pulumi v3\.\S+ .* +\d+\.\d s$", first.stdout, re.MULTILINE)
    second = subprocess.run(["make", "setup"], cwd=checkout, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert second.stdout.startswith("ok   everything is in place")
    version = subprocess.run(
        [tmp_path / "cache/bin/pulumi", "version"], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert version.stdout.startswith("v3.")
    assert not (checkout / "runs").exists()


def test_clearing_the_cache_spares_what_is_not_ours(tmp_path: Path) -> None:
    for name in ("bin/pulumi", "images/server.tar", "machines/a/root.qcow2", "go/build/x", "notes.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    env = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "COWBENCH_CACHE": str(tmp_path)}
    subprocess.run([PROJECT / "tools/clean-cache"], env=env, capture_output=True, timeout=60, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_go_of_another_version_is_told_to_switch_to_the_pinned_one(tmp_path: Path) -> None:
    fake = '[ "$1 $2" = "env GOVERSION" ] && echo go1.30.0 && exit; echo "$GOTOOLCHAIN $*"'
    env = {"HOME": str(tmp_path), "PATH": command(tmp_path / "bin", "go", fake), "COWBENCH_CACHE": str(tmp_path / "cache")}
    built = subprocess.run([PROJECT / "tools/go", "build", "x"], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert built.stdout == "go1.26.6 build x\n"


def test_a_newer_go_serves_where_the_pinned_one_cannot_be_fetched(tmp_path: Path) -> None:
    fake = '[ "$1 $2" = "env GOVERSION" ] && echo go1.30.0 && exit; [ "${GOTOOLCHAIN-}" != go1.26.6 ] && echo "$*"'
    env = {"HOME": str(tmp_path), "PATH": command(tmp_path / "bin", "go", fake), "COWBENCH_CACHE": str(tmp_path / "cache")}
    command(tmp_path / "bin", "uv", "exit 1")
    built = subprocess.run([PROJECT / "tools/go", "build", "x"], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert built.stdout == "build x\n"
