from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench import knowledge
from bench.check import Evidence, look_again, query, successes
from bench.checks import (
    client_bound,
    driver_in_use,
    engine_in_use,
    engine_survived,
    failures,
    filesystem_in_use,
    held_up,
    integrity,
    kernel_in_use,
    ran_out,
    reconnected,
    same_image,
    server_answers,
    steady,
    stolen,
)
from bench.errors import DeployError
from bench.records import ClientHealth, Trial
from tests.unit.small_run import SECOND_NS, generator_host, result, target, write_part

if TYPE_CHECKING:
    from pathlib import Path

    from bench.check import Check
    from bench.records import Finding, GeneratorHost, HostFacts, Target, TrialResult


def before(check: Check, *targets: Target) -> tuple[Finding, ...]:
    return check.look(Evidence(targets=targets))


def trial(index: int = 0, block: int = 0, cell: str = "btrfs", workload: str = "put") -> Trial:
    return Trial(index=index, block=block, position=0, cell=cell, workload=workload, seed=1)


def measured(folder: Path, *trials: tuple[TrialResult, list[dict[str, object]]]) -> Evidence:
    for each, ops in trials:
        write_part(folder / each.parts[0], each.trial.index, ops)
    return Evidence(
        targets=(target("btrfs"),),
        results=tuple(each for each, _ in trials),
        parts=tuple(folder / each.parts[0] for each, _ in trials),
    )


@pytest.mark.parametrize(
    ("found", "why"),
    [("fuse-overlayfs", "says nothing"), ("overlayfs", "image store"), ("vfs", "no other driver"), ("zfs", "data root")],
)
def test_a_driver_taken_silently_is_explained(found: str, why: str) -> None:
    (finding,) = before(driver_in_use.CHECK, target("a", planned_driver="overlay2", storage_driver=found))

    assert finding.level == "error"
    assert f"in use is {found}" in finding.text
    assert why in finding.text


@pytest.mark.parametrize(
    ("machine_image", "kernel", "found"),
    [
        ("debian-12-linux-6.1", "6.1.0-18-amd64", False),
        ("debian-12-linux-6.1", "6.12.3", True),
        ("kernel_5.10.0", "5.10.0-33", False),
        ("this-host", "6.18.44", False),
        ("debian-12", "6.1.0", False),
    ],
)
def test_a_stated_kernel_is_compared_up_to_the_digits_it_states(machine_image: str, kernel: str, found: bool) -> None:  # noqa: FBT001 - expected value
    assert bool(before(kernel_in_use.CHECK, target("a", planned_machine_image=machine_image, kernel=kernel))) is found


def test_one_machine_image_with_two_kernels_is_a_warning() -> None:
    (finding,) = before(kernel_in_use.CHECK, target("a", kernel="6.1.0-18"), target("b", kernel="6.1.0-25"))

    assert (finding.level, finding.cell) == ("warning", "")
    assert "6.1.0-18, 6.1.0-25" in finding.text


def test_an_engine_without_a_stated_version_may_be_any() -> None:
    assert before(engine_in_use.CHECK, target("a", engine_version="29.1.0")) == ()
    assert before(engine_in_use.CHECK, target("a", planned_engine="docker_ce-29.1", engine_version="29.1.0")) == ()
    assert before(engine_in_use.CHECK, target("a", planned_engine="docker_ce-29.1", engine_version="29.10.0")) != ()


def test_the_ext_family_is_known_by_the_name_that_the_engine_gives_it() -> None:
    assert before(filesystem_in_use.CHECK, target("a", planned_backing_filesystem="ext4", backing_filesystem="extfs")) == ()
    assert before(filesystem_in_use.CHECK, target("a", planned_backing_filesystem="xfs:ftype=1", backing_filesystem="xfs")) == ()


def test_a_filesystem_without_directory_entry_types_is_an_error() -> None:
    (finding,) = before(filesystem_in_use.CHECK, target("a", driver_status={"Supports d_type": "false"}))

    assert finding.level == "error"
    assert "mkfs.btrfs -q -f" in finding.text


def test_the_image_that_most_cells_run_is_the_one_that_is_meant() -> None:
    (finding,) = before(same_image.CHECK, target("a", content_digest="sha256:1"), target("b"), target("c"))

    assert (finding.cell, finding.level) == ("a", "error")


def test_other_servers_and_other_instance_types_may_have_other_images() -> None:
    other_server = target("b", planned_server="seaweedfs", content_digest="sha256:1")
    other_type = target("c", planned_instance_type="arm", content_digest="sha256:2")

    assert before(same_image.CHECK, target("a"), other_server) == ()
    (finding,) = before(same_image.CHECK, target("a"), other_type)
    assert (finding.level, finding.cell) == ("warning", "")


@pytest.mark.parametrize("endpoint", ["ftp://127.0.0.1", "http://", "http://127.0.0.1:port", "127.0.0.1:80"])
def test_an_endpoint_that_is_no_address_is_said_to_be_none(endpoint: str) -> None:
    (finding,) = before(server_answers.CHECK, target("a", endpoint=endpoint))

    assert "is not an" in finding.text


def test_a_server_that_accepts_and_says_nothing_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_answers, "_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (finding,) = before(server_answers.CHECK, target("a", endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"))

    assert "does not answer within 0.2 s" in finding.text


@pytest.mark.parametrize(
    ("answer", "found"), [(b"HTTP/1.1 503 Busy\r\n\r\n", "status 503"), (b"SSH-2.0-OpenSSH\r\n", "does not answer")]
)
def test_an_answer_that_is_no_good_is_told(answer: bytes, found: str) -> None:
    import threading  # noqa: PLC0415 - of this test alone

    def answer_once(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_once, args=(server,))
        thread.start()
        (finding,) = before(server_answers.CHECK, target("a", endpoint=f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join(10)

    assert found in finding.text


def test_failures_are_counted_per_cell_and_class_over_its_trials(tmp_path: Path) -> None:
    good: list[dict[str, object]] = [{}] * 7
    bad: list[dict[str, object]] = [{"error": "timeout/read/ReadTimeoutError"}, {"error": "s3/full/InsufficientStorage"}]
    evidence = measured(
        tmp_path,
        (result(trial(0), parts=("a.parquet",)), good + bad),
        (result(trial(1, workload="get"), parts=("b.parquet",)), good + bad[:1]),
    )
    read, full = failures.CHECK.look(evidence)

    assert read.text.startswith(
        "2 of 17 ops (11.76%) failed with timeout/read/ReadTimeoutError, in get, put (2 trials): the server did not"
    )
    assert full.text.startswith("1 of 17 ops (5.88%) failed with s3/full/InsufficientStorage, in put (1 trial): ")
    assert (read.trials, full.trials) == ((0, 1), (0,))
    assert read.level == "warning"


def test_ops_outside_the_window_and_the_generator_s_own_are_not_counted(tmp_path: Path) -> None:
    bad = "network/reset/ECONNRESET"
    ops: list[dict[str, object]] = [
        {"start_ns": SECOND_NS - 1, "error": bad},
        {"start_ns": 2 * SECOND_NS, "error": bad},
        {"op": "prepare", "error": bad},
        {"op": "verify", "error": bad},
        {"start_ns": 2 * SECOND_NS - 1, "lasts_ns": 9 * SECOND_NS, "error": bad},
        {},
    ]
    (finding,) = failures.CHECK.look(measured(tmp_path, (result(trial(), parts=("a.parquet",)), ops)))

    assert finding.text.startswith("1 of 2 ops (50.00%)")
    assert finding.level == "error"


def test_trials_without_samples_are_told_with_the_first_problem() -> None:
    ended = [result(trial(index), problem="prepare failed: no space left on device" if index else "") for index in range(3)]
    (finding,) = failures.CHECK.look(Evidence(targets=(), results=tuple(ended)))

    assert finding.text.startswith("2 of 3 trials have no samples, the first: prepare failed: no space left on device: ")
    assert knowledge.explain("no space left on device")[0].cure == finding.fix
    assert finding.trials == (1, 2)


def test_the_failure_within_a_problem_s_sentence_is_explained() -> None:
    problem = "prepare failed: no bucket: network/refused/ECONNREFUSED. See /var/log/server."
    (finding,) = failures.CHECK.look(Evidence(targets=(), results=(result(trial(), problem=problem),)))

    assert finding.text.endswith("See /var/log/server: nobody listened at the endpoint: the server had ended or was starting")


def test_an_unknown_failure_still_gets_a_next_step() -> None:
    (finding,) = failures.CHECK.look(Evidence(targets=(), results=(result(trial(), problem="something new"),)))

    assert finding.text.endswith("the first: something new")
    assert "log" in finding.fix


def test_a_wrong_object_is_an_error_also_outside_the_window_and_is_no_plain_failure(tmp_path: Path) -> None:
    ops: list[dict[str, object]] = [{}] * 99 + [
        {"op": "verify", "start_ns": 5 * SECOND_NS, "error": "integrity/wrong_size/short"}
    ]
    evidence = measured(tmp_path, (result(trial(), parts=("a.parquet",)), ops))
    (finding,) = integrity.CHECK.look(evidence)

    assert finding.level == "error"
    assert finding.text == "objects came back shorter or longer than they were stored: 1, in put (1 trial)"
    assert failures.CHECK.look(evidence) == ()


@pytest.mark.parametrize("error", ["s3/not_found/NoSuchKey", "http/internal/500", "timeout/read/ReadTimeoutError"])
def test_an_object_that_cannot_be_read_back_is_an_error_whatever_the_server_says(tmp_path: Path, error: str) -> None:
    lost: dict[str, object] = {"op": "verify", "start_ns": 5 * SECOND_NS, "error": error}
    evidence = measured(
        tmp_path,
        (result(trial(0), parts=("a.parquet",)), [{}] * 9 + [lost] * 2),
        (result(trial(1, workload="mixed"), parts=("b.parquet",)), [{}, lost]),
        (result(trial(2), parts=("c.parquet",)), [{}, {"op": "clean_up", "error": error}]),
    )
    (finding,) = integrity.CHECK.look(evidence)

    assert (finding.level, finding.trials) == ("error", (0, 1))
    assert finding.text == f"objects were stored, then not readable ({error}): 3, in mixed, put (2 trials)"
    assert failures.CHECK.look(evidence) == ()


HEALTH = ClientHealth(
    cpu_share=0.97,
    hub_lag_p99_ns=12_000_000,
    hub_lag_max_ns=30_000_000,
    start_lag_p99_ns=1,
    host_cpu_share=0.5,
    host_steal_share=0.3,
)


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (client_bound.CHECK, "the load generator was the limit, it used up to 97% of a core"),
        (held_up.CHECK, "the load generator was kept waiting for a CPU by others, one wake-up in a hundred up to 12 ms late"),
        (stolen.CHECK, "the hypervisor gave the host's cores to others, up to 30% of the time"),
        (ran_out.CHECK, "the objects that stood ready were used up before the trial's end"),
    ],
)
def test_stamped_trials_are_told_with_what_was_seen_and_are_an_error_from_half_of_them_on(check: Check, told: str) -> None:
    bad = result(trial(0), stamps=(check.name,), health=HEALTH)
    others = [result(trial(index, block=index)) for index in (1, 2, 3)]
    elsewhere = result(trial(4, cell="vfs"))

    (few,) = check.look(Evidence(targets=(), results=(bad, *others, elsewhere)))
    (many,) = check.look(Evidence(targets=(), results=(bad, others[0], elsewhere)))

    assert (few.level, few.cell, few.trials) == ("warning", "btrfs", (0,))
    assert few.text == f"1 of 4 trials of put (25%): {told}"
    assert many.level == "error"


def test_trials_that_were_measured_again_are_told_once_for_the_run() -> None:
    again = [result(trial(index), repeats=index) for index in range(3)]
    (finding,) = held_up.CHECK.look(Evidence(targets=(), results=tuple(again)))

    assert (finding.level, finding.cell, finding.trials) == ("info", "", (1, 2))
    assert finding.text == (
        "2 of 3 trials were measured again, because the generator's host had been disturbed or a disk was not yet quiet"
    )


def test_ops_are_spread_evenly_over_their_own_time() -> None:
    rng = np.random.default_rng(1)
    start = rng.uniform(-1e9, 1e10, 400)
    end = start + rng.uniform(1, 3e9, 400)
    moved = rng.uniform(1, 100, 400)
    times = np.linspace(0, 1e10, 41)
    expected = [(moved * np.clip((time - start) / (end - start), 0, 1)).sum() for time in times]

    assert steady._moved_until(times, start, end, moved) == pytest.approx(expected)


@pytest.mark.parametrize(("factor", "sign"), [(1.3, 1), (0.7, -1)])
def test_a_step_in_the_middle_of_a_trial_is_drift_with_its_sign(factor: float, sign: int) -> None:
    rates = np.random.default_rng(2).normal(100, 3, 120) * np.repeat([1, factor], 60)

    assert steady._drift(rates) == pytest.approx(factor - 1, abs=0.05)
    assert np.sign(steady._drift(rates)) == sign


def test_noise_that_hangs_together_is_rarely_called_drift() -> None:
    rng = np.random.default_rng(3)

    def noisy() -> np.ndarray:
        values = [rng.normal(0, 0.2)]
        for _ in range(119):
            values.append(0.7 * values[-1] + rng.normal(0, 0.2 * np.sqrt(1 - 0.49)))
        return 100 * (1 + np.array(values))

    assert sum(bool(steady._drift(noisy())) for _ in range(200)) <= 10


def test_mser_cuts_a_ramp_at_the_start_and_nothing_of_a_level_series() -> None:
    level = np.array([10.0, 10.1, 9.9, 10.0, 10.1, 9.9, 10.0, 10.1, 9.9, 10.0])

    assert steady._mser_cut(level) <= 1
    assert steady._mser_cut(np.concatenate(([1.0, 5.0, 8.0], level))) == 3


def slowing(folder: Path, blocks: int) -> Evidence:
    """Trials of a second, each with a tenth of the first one's ops less than the one before."""
    ops: list[dict[str, object]] = [{"start_ns": SECOND_NS + number} for number in range(200)]
    trials = [(result(trial(n, block=n), parts=(f"{n}.parquet",)), ops[: 200 - 20 * n]) for n in range(blocks)]
    return measured(folder, *trials)


def test_short_trials_that_slow_down_block_by_block_are_found(tmp_path: Path) -> None:
    (finding,) = steady.CHECK.look(slowing(tmp_path, 8))

    assert finding.text == "throughput of put changed by -47% from the first half of the blocks to the second"
    assert finding.trials == tuple(range(8))


def test_five_blocks_are_too_few_to_speak_of_a_trend(tmp_path: Path) -> None:
    assert steady.CHECK.look(slowing(tmp_path, 5)) == ()


def test_ops_without_bytes_are_counted_instead(tmp_path: Path) -> None:
    listed: list[dict[str, object]] = [{"op": "list", "bytes": 0, "start_ns": SECOND_NS + n * 250_000_000} for n in range(4)]
    evidence = measured(tmp_path, (result(trial(), parts=("a.parquet",)), listed))

    assert steady._series(evidence, evidence.results[0]) == pytest.approx([1, 1, 1, 1])


def test_a_query_sees_the_trial_of_each_op_and_nothing_without_parts(tmp_path: Path) -> None:
    evidence = measured(tmp_path, (result(trial(4, block=2), parts=("a.parquet",)), [{}, {"error": "x"}]))

    assert query(evidence, "SELECT DISTINCT trial, cell, workload, block FROM samples") == [(4, "btrfs", "put", 2)]
    assert query(replace(evidence, parts=()), "SELECT 1") == []


def test_successes_are_of_one_trial_only_and_relative_to_its_window(tmp_path: Path) -> None:
    evidence = measured(tmp_path, (result(trial(), parts=("a.parquet",)), [{}, {"error": "x"}, {"op": "verify"}]))
    stranger = result(trial(1), parts=("a.parquet",))

    assert successes(evidence, evidence.results[0]).tolist() == [[0.0, 1e6, 4096.0]]
    assert successes(evidence, stranger).shape == (0, 3)


@pytest.mark.parametrize(
    ("planned", "facts", "found"),
    [
        ("containerd-overlayfs", {"storage_driver": "overlayfs", "image_store": "containerd"}, ""),
        (
            "containerd-overlayfs",
            {"storage_driver": "overlayfs", "image_store": "graphdriver"},
            "overlayfs (graphdriver image store)",
        ),
        ("overlay2", {"storage_driver": "overlay2", "image_store": "containerd"}, "overlay2 (containerd image store)"),
        ("devicemapper", {"driver_status": {"Data loop file": "/var/lib/cowbench/host/m/devicemapper/data"}}, ""),
        ("devicemapper", {"driver_status": {"Pool Name": "docker-thinpool"}}, "devicemapper (direct-lvm)"),
        ("devicemapper-direct", {"driver_status": {"Pool Name": "docker-thinpool"}}, ""),
        ("devicemapper-direct", {"driver_status": {"Data loop file": "/data"}}, "devicemapper (loop-lvm)"),
        ("overlay2", {"storage_driver": "overlay"}, "in use is overlay (engine"),
    ],
)
def test_a_variant_of_a_driver_is_told_from_its_kin(planned: str, facts: dict[str, Any], found: str) -> None:
    findings = before(driver_in_use.CHECK, target("a", planned_driver=planned, **{"storage_driver": "devicemapper", **facts}))

    assert bool(findings) == bool(found)
    assert all(found in finding.text for finding in findings)


@pytest.mark.parametrize(
    ("planned", "mkfs", "found"),
    [
        ("xfs-ftype0", "mkfs.xfs -m crc=0 -n ftype=0", ""),
        ("xfs-ftype0", "mkfs.xfs -q", "planned xfs-ftype0, the filesystem has directory entry types"),
        ("xfs", "mkfs.xfs -m crc=0 -n ftype=0", "xfs has no d_type"),
        ("xfs", "mkfs.xfs -q -n ftype=1", ""),
    ],
)
def test_a_filesystem_without_entry_types_is_right_only_where_it_was_asked_for(planned: str, mkfs: str, found: str) -> None:
    findings = before(
        filesystem_in_use.CHECK, target("a", planned_backing_filesystem=planned, backing_filesystem="xfs", mkfs=mkfs)
    )

    assert bool(findings) == bool(found)
    assert all(finding.text.startswith(found) for finding in findings)


def test_the_file_name_of_a_user_s_own_image_states_no_kernel() -> None:
    own = f"https://mirror.example/rocky-linux-9.4.qcow2#sha256={'a' * 64}"

    assert before(kernel_in_use.CHECK, target("a", planned_machine_image=own, kernel="5.14.0-427.el9")) == ()
    (finding,) = before(
        kernel_in_use.CHECK,
        target("a", planned_machine_image=own, kernel="5.14.0-427.el9"),
        target("b", planned_machine_image=own, kernel="5.14.0-503.el9"),
    )
    assert finding.text.startswith("hosts of machine image rocky-linux-9.4.qcow2 run different kernels")


def test_a_server_behind_a_firewall_is_not_asked_from_here() -> None:
    closed = replace(target("a", endpoint=""), private_endpoint="http://10.77.0.9:8333")

    assert before(server_answers.CHECK, closed) == ()
    (finding,) = before(server_answers.CHECK, target("a", endpoint=""))
    assert "is not an http or https address" in finding.text


def test_an_emulated_server_is_given_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_answers, "_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (finding,) = before(server_answers.CHECK, target("a", endpoint=endpoint, emulated=True))

    assert "does not answer within 0.2 s" in finding.text


def after(now: dict[str, HostFacts | str], *targets: Target) -> tuple[Finding, ...]:
    return engine_survived.CHECK.look(Evidence(targets=targets, now=now))


def test_an_engine_that_died_under_its_containers_is_an_error_for_each_cell_of_its_host() -> None:
    one, other, elsewhere = target("a"), target("b"), target("c")
    shared = replace(other, cell=replace(other.cell, host=one.cell.host))
    found = after({one.cell.host: "the engine does not answer\n(refused)", "host-c": elsewhere.host}, one, shared, elsewhere)

    assert [(finding.cell, finding.level) for finding in found] == [("a", "error"), ("b", "error")]
    assert "host host-a could not be asked (the engine does not answer (refused))" in found[0].text


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"kernel": "6.12.1"}, "the kernel of host host-a was 6.1.0-18-amd64 before the load and 6.12.1 after it"),
        ({"mount_options": "ro,noatime"}, "the mount options of host host-a was rw,noatime before the load and ro,noatime after"),
        ({"memory_bytes": 1}, ""),
    ],
)
def test_what_must_not_change_during_a_run_is_told_when_it_did(changed: dict[str, Any], told: str) -> None:
    one = target("a")
    found = after({"host-a": replace(one.host, **changed)}, one)

    assert [finding.text.startswith(told) for finding in found] == [True] * bool(told)


def test_each_cell_is_looked_at_again_and_a_host_that_cannot_be_is_told_why() -> None:
    looked: list[str] = []

    def refresh(one: Target) -> Target:
        looked.append(one.cell.name)
        if one.cell.name == "b":
            raise DeployError("the engine does not answer", where="host host-b", next_step="cowbench down, then up again")
        return replace(one, host=replace(one.host, kernel="6.12"))

    volume = replace(target("a-volume"), cell=replace(target("a-volume").cell, host="host-a"))
    found = look_again((target("a"), volume, target("b")), refresh)

    assert looked == ["a", "a-volume", "b"]
    assert found.hosts == {"host-a": replace(target("a").host, kernel="6.12"), "host-b": "the engine does not answer"}
    assert found.servers == {"a": target("a").server, "a-volume": volume.server}


def test_the_hosts_that_load_came_from_are_looked_at_again_too() -> None:
    def refresh(one: GeneratorHost) -> GeneratorHost:
        if one.name == "load-b":
            raise DeployError("the engine does not answer", where="host load-b", next_step="cowbench down, then up again")
        return replace(one, host=replace(one.host, boot_id="2"))

    loads = tuple(generator_host(name) for name in ("load-a", "load-b"))
    found = look_again((), lambda one: one, loads, refresh)
    told = engine_survived.CHECK.look(
        Evidence(targets=(), generators=(replace(loads[0], host=replace(loads[0].host, boot_id="1")), loads[1]), now=found.hosts)
    )

    assert [(finding.cell, finding.text.split(" (")[0].split(":")[0]) for finding in told] == [
        ("", "host load-a was booted anew during the run"),
        ("", "after the load the engine of host load-b could not be asked"),
    ]


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (
            {"started_at": "1"},
            {"started_at": "2"},
            "the server of a was restarted during the run (started at 1 before the load, at 2",
        ),
        ({}, {"container_id": "fedc"}, "the container of a was made anew during the run"),
        ({}, {"container_id": ""}, "the container of a was removed during the run"),
        ({}, {"started_at": "2"}, ""),
    ],
)
def test_a_server_that_was_restarted_or_replaced_is_told(before: dict[str, Any], now: dict[str, Any], told: str) -> None:
    plain = target("a")
    one = replace(plain, server=replace(plain.server, **before))
    found = engine_survived.CHECK.look(Evidence(targets=(one,), servers_now={"a": replace(one.server, **now)}))

    assert [(finding.cell, finding.text.startswith(told)) for finding in found] == [("a", True)] * bool(told)


def test_a_host_that_was_booted_anew_is_told_rather_than_what_followed_from_it() -> None:
    one = target("a", boot_id="1")
    now = replace(one.host, boot_id="2", kernel="6.12")
    servers = {"a": replace(one.server, started_at="2")}
    (finding,) = engine_survived.CHECK.look(Evidence(targets=(one,), now={"host-a": now}, servers_now=servers))

    assert finding.text.startswith("host host-a was booted anew during the run")
    assert "cowbench logs" in finding.fix


def test_lost_connections_are_counted_over_the_run() -> None:
    results = (result(trial(0), reconnects=2), result(trial(1)), result(trial(2), reconnects=1))
    (finding,) = reconnected.CHECK.look(Evidence(targets=(), results=results))

    assert (finding.level, finding.trials) == ("info", (0, 2))
    assert finding.text.startswith(
        "3 connections to load generators were lost and made again, in 2 of 3 trials; the load went on"
    )
