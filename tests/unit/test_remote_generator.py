"""A load generator on a host of its own, here without one: a real porter and a real child, reached over a link that breaks."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from bench import reach
from bench.generator import Progress, RemoteGenerator, fetch, replies
from bench.records import GeneratorHost
from tests.fakes import fake_s3
from tests.unit.test_generator import load, nobody, rows, target, trial, until, workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.generator.session import Session
    from bench.records import Load, TrialResult
    from tests.fakes import FakeS3

SECRET = "not-to-be-found-in-any-file"  # a throw-away value that the tests look for

LINK = """
exec 3<&0
[ -e {place}/cut ] && exit 255
sh -c "$1" <&3 &
command=$!
while kill -0 $command 2>/dev/null; do
    [ -e {place}/cut ] && kill -9 0
    sleep 0.05
done
wait $command
status=$?
case "$1" in *requests.jsonl*) [ -e {place}/lie ] && rm {place}/lie && exit 255;; esac
exit $status
"""
"""A reach that fails as ssh does while `cut` exists, also amid a command; with `lie`, a request arrives but nobody is told."""

PORTER = """
import sys
from pathlib import Path
from bench.generator import porter, process
process.SILENCE_S, porter.ALONE_S, porter.GREETING_S = map(float, sys.argv[2:])
porter.serve(Path(sys.argv[1]))
"""


class Place:
    """A host for a load generator, with its porter, and the link to it."""

    def __init__(self, place: Path, samples: Path) -> None:
        self.place, self.work, self.samples, self.log = place, place / "work", samples, place / "log"
        self.work.mkdir(parents=True)
        self.samples.mkdir(exist_ok=True)
        (place / "link").write_text(LINK.format(place=place))
        self.porter: psutil.Popen | None = None
        self.made: list[RemoteGenerator] = []

    def start(self, silence_s: float = 30.0, alone_s: float = 600.0, greeting_s: float = 300.0) -> None:
        command = [sys.executable, "-c", PORTER, str(self.work), str(silence_s), str(alone_s), str(greeting_s)]
        self.porter = psutil.Popen(command, cwd=Path(__file__).parents[2])

    def end_porter(self) -> None:
        if self.porter:
            self.porter.kill()
            self.porter.wait(10)

    def end(self) -> None:
        self.mend()
        for generator in self.made:
            generator.close()
        self.end_porter()

    def host(self, name: str = "generator-1", address: str = "127.0.0.1") -> GeneratorHost:
        return GeneratorHost(
            name=name, cloud="any", region="any", address=address, engine_url="", folder=str(self.work), image_id="",
            reach=("sh", str(self.place / "link")), host=target(NOWHERE).host,
        )  # fmt: skip

    def generator(self, plan: Load, hosts: tuple[GeneratorHost, ...] = ()) -> RemoteGenerator:
        credentials = {"root": ("access", SECRET)}
        there = hosts or (self.host(),)
        self.made.append(RemoteGenerator(hosts=there, load=plan, credentials=credentials, samples=self.samples, log=self.log))
        return self.made[-1].__enter__()

    def cut(self) -> None:
        (self.place / "cut").touch()

    def mend(self) -> None:
        (self.place / "cut").unlink(missing_ok=True)

    def child(self) -> psutil.Process:
        assert self.porter is not None
        (child,) = self.porter.children()
        return child

    def sessions(self) -> list[Path]:
        return list(self.work.iterdir())

    def files(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.place.rglob("*") if path.is_file())


class Nowhere:
    """A server that is not there."""

    endpoint = "http://127.0.0.1:1"


NOWHERE: Any = Nowhere()


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3() as fake:
        yield fake


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, tmp_path / "samples")
    try:
        yield made
    finally:
        made.end()


def session_of(generator: RemoteGenerator) -> Session:
    (session,) = generator._sessions.values()
    return session


def followers(folder: Path) -> list[psutil.Process]:
    """The `tail` processes that read the replies in this folder."""
    return [
        each
        for each in psutil.process_iter(["name"])
        if each.info["name"] == "tail" and each.is_running() and _cwd(each).parent == folder
    ]


def _cwd(each: psutil.Process) -> Path:
    try:
        return Path(each.cwd())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return Path("/")


def whole(place: Place, result: TrialResult) -> bool:
    """Whether all samples of the trial arrived."""
    return result.problem == "" and result.samples == len(rows(place.samples, result)) > 0


def test_a_trial_is_measured_over_there_and_its_samples_come_here(server: FakeS3, place: Place) -> None:
    place.start()
    get = workload("get", duration_s=1.0)
    generator = place.generator(load(get))
    seen: list[Progress] = []
    reached = replace(target(NOWHERE), private_endpoint=server.endpoint)
    assert generator.prepare(reached, get) == ""
    result = generator.measure(trial("get", 3), reached, seen.append)
    over_there = list(place.work.glob("*/samples/*"))

    assert whole(place, result)
    assert result.reconnects == 0
    assert [part.name for part in place.samples.iterdir()] == list(result.parts) == ["part-00003-00.parquet"]
    assert over_there == [], "what is here is not kept there"
    assert all(isinstance(each, Progress) for each in seen)
    assert 0 < seen[-1].ops <= result.samples
    assert generator.clean_up(reached, get) == ""
    assert server.buckets == {}
    generator.close()
    assert place.sessions() == []
    assert until(lambda: place.porter is not None and not place.porter.children())


def test_keys_are_in_the_childs_environment_and_nowhere_else(server: FakeS3, place: Place) -> None:
    place.start()
    get = workload("get")
    generator = place.generator(load(get))
    assert generator.prepare(target(server), get) == ""

    assert SECRET in place.child().environ()["COWBENCH_GENERATOR_CREDENTIALS"]
    assert SECRET not in " ".join(place.child().cmdline())
    assert SECRET.encode() not in place.files()


def test_the_greeting_is_readable_to_its_owner_only(place: Place) -> None:
    place.generator(load(workload("get")))
    (greeting,) = place.work.glob("*/hello.json")

    assert SECRET in greeting.read_text()
    assert greeting.stat().st_mode & 0o077 == greeting.parent.stat().st_mode & 0o077 == 0


def test_a_connection_that_is_cut_costs_nothing_and_the_trial_is_picked_up_again(server: FakeS3, place: Place) -> None:
    place.start()
    get = workload("get", duration_s=3.0)
    generator = place.generator(load(get))
    seen: list[Progress] = []
    assert generator.prepare(target(server), get) == ""

    def cut_once(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 2:
            place.cut()
            threading.Timer(0.7, place.mend).start()

    result = generator.measure(trial("get"), target(server), cut_once)

    assert whole(place, result)
    assert result.reconnects >= 1
    assert len(seen) > 2, "what is said after the cut is heard"
    assert [each.ops for each in seen] == sorted(each.ops for each in seen)


def test_a_reader_that_is_killed_over_there_is_replaced(server: FakeS3, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.start()
    monkeypatch.setattr(replies, "STALL_S", 1.5)
    get = workload("get", duration_s=4.0)
    generator = place.generator(load(get))
    assert generator.prepare(target(server), get) == ""
    killed: list[psutil.Process] = []

    def kill_once(_: Progress) -> None:
        if not killed:
            killed.extend(followers(place.work))
            for each in killed:
                each.kill()

    result = generator.measure(trial("get"), target(server), kill_once)

    assert len(killed) == 1
    assert whole(place, result)
    assert result.reconnects >= 1


def test_a_request_of_which_nobody_knows_whether_it_arrived_is_done_once(server: FakeS3, place: Place) -> None:
    place.start()
    put = workload("put")
    generator = place.generator(load(put))
    (place.place / "lie").touch()
    assert generator.prepare(target(server), put) == ""
    (place.place / "lie").touch()
    assert whole(place, generator.measure(trial("put"), target(server), nobody))
    (session,) = place.sessions()
    sent = (session / "requests.jsonl").read_text()
    said = [json.loads(line) for line in (session / "replies.jsonl").read_text().splitlines()]

    assert not (place.place / "lie").exists()
    assert sent.count('"number": 1') == sent.count('"number": 2') == 2, "both were sent twice"
    assert [each["number"] for each in said if each["event"] == "done"] == [0, 1, 2]


def test_a_request_that_was_torn_on_the_way_harms_none_after_it(server: FakeS3, place: Place) -> None:
    place.start()
    get = workload("get")
    generator = place.generator(load(get))
    assert generator.prepare(target(server), get) == ""
    (session,) = place.sessions()
    with (session / "requests.jsonl").open("a") as requests:
        requests.write('\n{"do": "clean_up", "number": 2, "endpo')

    assert whole(place, generator.measure(trial("get"), target(server), nobody))


def test_a_child_that_is_killed_costs_one_trial(server: FakeS3, place: Place) -> None:
    place.start()
    put, get = workload("put", duration_s=20.0), workload("get")
    generator = place.generator(load(put, get))
    assert generator.prepare(target(server), put) == ""

    result = generator.measure(trial("put", 3), target(server), lambda _: place.child().kill())
    after = generator.measure(trial("get", 4), target(server), nobody)

    assert "generator-1 was killed by signal 9" in result.problem
    assert f"See its log, {place.log}, and whether its host still runs; then measure again." in result.problem
    assert (result.samples, result.parts) == (0, ())
    assert whole(place, after)
    assert [part.name for part in place.samples.iterdir()] == ["part-00004-00.parquet"]


def test_a_child_that_hangs_is_killed_over_there(server: FakeS3, place: Place) -> None:
    place.start(silence_s=3.0)
    put = workload("put", duration_s=20.0)
    generator = place.generator(load(put))
    assert generator.prepare(target(server), put) == ""
    child = place.child()

    result = generator.measure(trial("put"), target(server), lambda _: child.suspend())

    assert "said nothing for 3 s and was killed" in result.problem
    assert not child.is_running()


def test_a_porter_that_is_killed_costs_one_trial_and_leaves_no_child(server: FakeS3, place: Place) -> None:
    place.start()
    put, get = workload("put", duration_s=20.0), workload("get")
    generator = place.generator(load(put, get))
    assert generator.prepare(target(server), put) == ""
    child = place.child()
    killed: list[psutil.Process] = []

    def kill_once(_: Progress) -> None:
        if not killed:
            killed.append(child)
            place.end_porter()
            place.start()

    result = generator.measure(trial("put"), target(server), kill_once)
    after = generator.measure(trial("get", 1), target(server), nobody)

    assert "its container was started anew" in result.problem
    # Its parent is gone: it may wait a moment for somebody to take note of its end.
    assert until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert whole(place, after)


def test_a_host_that_stays_away_is_given_up_and_taken_up_again_when_it_is_back(
    server: FakeS3, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start()
    put, get = workload("put", duration_s=30.0), workload("get")
    generator = place.generator(load(put, get))
    assert generator.prepare(target(server), put) == ""
    child = place.child()
    with monkeypatch.context() as patch:
        patch.setattr(reach, "LOST_S", 2.0)
        result = generator.measure(trial("put"), target(server), lambda _: place.cut())
    going_on = child.is_running()
    place.mend()
    after = generator.measure(trial("get", 1), target(server), nobody)

    assert "could not be reached for 2 s" in result.problem
    assert going_on, "nobody could tell it to stop"
    assert whole(place, after)
    assert not child.is_running(), "the new sitting ended the old one"
    assert len(place.sessions()) == 1


def test_a_run_that_is_resumed_ends_what_a_killed_operator_left(server: FakeS3, place: Place) -> None:
    place.start()
    put = workload("put", duration_s=0.3)
    first = place.generator(load(put))
    assert first.prepare(target(server), put) == ""
    left = place.child()
    session_of(first).replies.close()

    assert whole(place, place.generator(load(put)).measure(trial("put"), target(server), nobody))
    assert not left.is_running()
    assert len(place.sessions()) == 1


def test_a_child_whose_operator_is_gone_is_ended(server: FakeS3, place: Place) -> None:
    place.start(alone_s=6.0)
    get = workload("get")
    generator = place.generator(load(get))
    assert generator.prepare(target(server), get) == ""
    child = place.child()
    session_of(generator).replies.close()

    assert until(lambda: not child.is_running())
    assert "nothing was heard of its operator" in (place.sessions()[0] / "replies.jsonl").read_text()


def test_a_greeting_larger_than_any_pipe_arrives_whole(server: FakeS3, place: Place) -> None:
    place.start()
    many = tuple(workload("get", name=f"get-{number:04d}" + "x" * 60) for number in range(700))
    generator = place.generator(load(*many))

    assert len(json.dumps([str(each) for each in many])) > 1 << 17
    assert generator.prepare(target(server), many[-1]) == ""


def test_two_hosts_share_one_trial_and_all_samples_come_here(server: FakeS3, place: Place) -> None:
    second = Place(place.place / "second", place.samples)
    try:
        for each in (place, second):
            each.start()
        get = workload("get", duration_s=1.0)
        first = place.host(address="127.77.211.1")
        generator = place.generator(load(get), (first, second.host(name="generator-2", address="127.77.211.2")))
        assert generator.prepare(target(server), get) == ""
        result = generator.measure(trial("get"), target(server), nobody)
        generator.close()

        assert whole(place, result)
        assert {row["worker"] for row in rows(place.samples, result)} == {0, 1}
        assert place.sessions() == second.sessions() == []
    finally:
        second.end()


def test_another_thread_can_end_the_wait(server: FakeS3, place: Place) -> None:
    place.start()
    put = workload("put", duration_s=30.0)
    generator = place.generator(load(put))
    assert generator.prepare(target(server), put) == ""
    timer: list[threading.Timer] = []

    def abandon_soon(_: Progress) -> None:
        if not timer:
            timer.append(threading.Timer(0.1, generator.abandon))
            timer[0].start()

    assert "was abandoned" in generator.measure(trial("put"), target(server), abandon_soon).problem


def test_an_interrupted_trial_ends_the_child_and_passes_on(server: FakeS3, place: Place) -> None:
    place.start()
    put = workload("put", duration_s=30.0)
    generator = place.generator(load(put))
    assert generator.prepare(target(server), put) == ""
    child = place.child()

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generator.measure(trial("put"), target(server), interrupt)

    assert not child.is_running()
    assert place.sessions() == []


def test_a_host_that_was_never_there_is_the_problem_of_what_it_is_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "LOST_S", 0.5)
    place.cut()
    generator = place.generator(load(workload("get")))

    assert "could not be reached" in generator.prepare(target(NOWHERE), workload("get"))


def held(tmp_path: Path, content: bytes, damage: str) -> fetch.Part:
    """A part whose way here does `damage`, a shell command, to what it carries."""
    (tmp_path / "there" / "samples").mkdir(parents=True)
    (tmp_path / "there" / "samples" / "part").write_bytes(content)
    (tmp_path / "link").write_text(f'case "$1" in cat*) echo >> {tmp_path}/asked; {damage};; *) sh -c "$1";; esac')
    link = ("sh", str(tmp_path / "link"))
    return fetch.Part(name="part", sha256=hashlib.sha256(content).hexdigest(), host=link, folder=str(tmp_path / "there"))


def asked(tmp_path: Path) -> int:
    return (tmp_path / "asked").read_text().count("\n")


CONTENT = os.urandom(1 << 21)
FIRST = "[ $(wc -l < {place}/asked) = 1 ]"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param('sh -c "$1"', id="none"),
        pytest.param(f'if {FIRST}; then sh -c "$1" | head -c 99999; else sh -c "$1"; fi', id="an end that came too early"),
        pytest.param(f'if {FIRST}; then sh -c "$1" | head -c 99999; exit 255; fi; sh -c "$1"', id="a cut amid it"),
        pytest.param(f'if {FIRST}; then sh -c "$1" | tr a b; else sh -c "$1"; fi', id="other bytes"),
    ],
)
def test_a_part_arrives_as_it_was_written(tmp_path: Path, damage: str) -> None:
    part = held(tmp_path, CONTENT, damage.format(place=tmp_path))
    fetch.fetch(part, tmp_path)

    assert (tmp_path / "part").read_bytes() == CONTENT
    assert not (tmp_path / "there" / "samples" / "part").exists()


def test_a_part_that_never_verifies_is_a_problem_and_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(fetch.PartLost, match=r"damaged 3 times\. See whether the disk .* is well"):
        fetch.fetch(held(tmp_path, CONTENT, 'sh -c "$1" | tr a b'), tmp_path)

    assert asked(tmp_path) == 3
    assert not list(tmp_path.glob("part*"))
    assert (tmp_path / "there" / "samples" / "part").exists()


def test_a_part_that_is_gone_is_not_asked_for_again_and_again(tmp_path: Path) -> None:
    part = held(tmp_path, CONTENT, 'sh -c "$1"')
    (tmp_path / "there" / "samples" / "part").unlink()
    with pytest.raises(fetch.PartLost, match=r"No such file.*then measure again\."):
        fetch.fetch(part, tmp_path)

    assert asked(tmp_path) == 1


def test_a_part_is_on_the_disk_here_before_it_is_removed_over_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = held(tmp_path, CONTENT, 'sh -c "$1"')
    there = tmp_path / "there" / "samples" / "part"
    flushed: list[tuple[str, bool]] = []

    def fsync(handle: int) -> None:
        flushed.append((Path(f"/proc/self/fd/{handle}").readlink().name, there.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    fetch.fetch(part, tmp_path)

    assert flushed[0] == ("part.partial", True), "its bytes, before it has its name"
    assert flushed[-1] == (tmp_path.name, True), "its name"
    assert not there.exists()


def test_whatever_ends_the_reader_of_replies_ends_the_wait(server: FakeS3, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.start()
    put = workload("put", duration_s=30.0)
    generator = place.generator(load(put))
    assert generator.prepare(target(server), put) == ""

    def breaks(*_: object) -> None:
        raise ZeroDivisionError("by nobody's wish")

    result = generator.measure(trial("put"), target(server), lambda _: monkeypatch.setattr(replies.Replies, "_take", breaks))

    assert "could not be followed any more (ZeroDivisionError: by nobody's wish)" in result.problem


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_log_that_cannot_be_kept_leaves_no_session_open(
    error: BaseException, server: FakeS3, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start()
    get = workload("get")
    generator = place.generator(load(get))
    assert generator.prepare(target(server), get) == ""
    child, thread = place.child(), session_of(generator).replies._thread

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(fetch, "append_log", fails)
    # A full disk is told where samples are written; an interruption passes on.
    with nullcontext() if isinstance(error, OSError) else pytest.raises(KeyboardInterrupt):
        generator.close()

    assert not thread.is_alive()
    assert until(lambda: not child.is_running())
    assert place.sessions() == []


def test_a_greeting_that_fails_on_its_way_leaves_no_keys(place: Place) -> None:
    place.work.chmod(0o700)
    # The host takes the bytes, and then it cannot give them their name.
    (place.place / "link").write_text('mv() { echo no >&2; return 5; }; eval "$1"')
    generator = place.generator(load(workload("get")))

    assert "could not be told what to do (no)" in generator.prepare(target(NOWHERE), workload("get"))
    assert SECRET.encode() not in place.files()
    assert place.sessions() == []


def test_a_greeting_whose_operator_is_gone_is_removed_by_the_porter(place: Place) -> None:
    left = place.work / "20260101-000000-abcdef.solo" / "hello.part"
    left.parent.mkdir()
    left.write_text(SECRET)
    place.start(greeting_s=0.3)

    assert until(lambda: not left.exists())


@pytest.mark.parametrize(
    ("command", "error"),
    [("exit 255", reach.Unreachable), ("kill -9 $$", reach.Unreachable), ("echo no >&2; exit 3", reach.Refused)],
)
def test_no_answer_is_told_from_a_refusal(command: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        reach.call(reach.HERE, command)


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    with pytest.raises(reach.Unreachable, match="no answer within"):
        reach.call(reach.HERE, f"sh -c 'echo $$ > {tmp_path}/pid; sleep 60' & wait", timeout_s=1.0)

    assert until(lambda: not psutil.pid_exists(int((tmp_path / "pid").read_text())))


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(reach.Refused, match="no-such-program"):
        reach.call(("no-such-program",), "true")


def test_a_session_that_is_just_being_opened_is_not_taken_for_an_old_one(server: FakeS3, place: Place) -> None:
    get = workload("get")
    generator = place.generator(load(get))
    (session,) = place.sessions()
    (session / "hello.json").rename(session / "hello.part")
    last = place.work / "z-was-there-before.solo"
    last.mkdir()
    (last / "begun").touch()
    place.start()
    assert until((last / "replies.jsonl").exists), "the porter has looked at all that it found"
    (session / "hello.part").rename(session / "hello.json")

    assert generator.prepare(target(server), get) == ""
