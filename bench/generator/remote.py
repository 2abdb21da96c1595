"""The load generator on hosts of its own, steered from here: what `Generator` is on this machine, with the same methods.

A trial runs over there whatever becomes of the connection; it is picked up again where it stands. Nothing that crosses the link
between here and there is measured: window and samples are timed by the generator's own clock.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

from bench.generator import answers, fetch
from bench.generator.answers import Progress
from bench.generator.fetch import Part, PartLost
from bench.generator.replies import SessionLost
from bench.generator.session import Session
from bench.records import CREW_PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from bench.records import GeneratorHost, Load, Target, Trial, TrialResult, Workload


class RemoteGenerator:
    """Prepares targets and measures trials from `hosts`: one alone, or several with the first one as their master.

    Arguments, and what the methods promise, are as of `Generator`. Targets are reached by their `private_endpoint`.
    """

    def __init__(
        self,
        *,
        hosts: Sequence[GeneratorHost],
        load: Load,
        credentials: Mapping[str, tuple[str, str]],
        samples: Path,
        log: Path,
    ) -> None:
        self._hosts, self._load, self._credentials = tuple(hosts), load, dict(credentials)
        self._samples, self._log = samples.resolve(), log
        self._sessions: dict[str, Session] = {}
        self._reconnects = 0

    def __enter__(self) -> Self:
        # A host that does not answer now is a problem of what it is asked first, and told there.
        with suppress(SessionLost):
            self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def prepare(self, target: Target, workload: Workload) -> str:
        """Makes the bucket and puts the objects that must stand before a trial. "" or the problem; harmless to repeat."""
        return str(self._ask("prepare", target, workload)["problem"])

    def measure(self, trial: Trial, target: Target, on_progress: Callable[[Progress], None]) -> TrialResult:
        """One trial. Calls back a few times a second while connected; an exception of the callback passes through."""
        workload = next(each for each in self._load.workloads if each.name == trial.workload)
        started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        before = self.reconnects
        answer = self._ask("measure", target, workload, trial=asdict(trial), on_progress=on_progress)
        problem = str(answer["problem"]) or self._fetch(answer["parts"])
        reconnects = self.reconnects - before
        if not problem:
            return answers.result(trial, answer["result"], reconnects=reconnects)
        for part in self._samples.glob(f"part-{trial.index:05d}-*"):
            part.unlink()
        return answers.without_samples(trial, started_at, problem, reconnects=reconnects)

    def clean_up(self, target: Target, workload: Workload) -> str:
        """Deletes everything that the workload has in the target. "" or the problem; harmless to repeat."""
        return str(self._ask("clean_up", target, workload)["problem"])

    def abandon(self) -> None:
        """Ends what another thread is waiting for: its call returns with a problem."""
        for session in tuple(self._sessions.values()):
            session.replies.abandon()

    def close(self) -> None:
        """Ends the children and fetches their logs; does nothing when there are none."""
        self._reconnects = self.reconnects
        sessions, self._sessions = self._sessions, {}
        with ExitStack() as farewells:
            # Whatever happens meanwhile: a session that stays open goes on telling its host that somebody needs it.
            for session in sessions.values():
                farewells.callback(session.close)
            for session in sessions.values():
                with suppress(OSError):
                    # A disk that is full here is told where samples are written.
                    fetch.append_log(session.host.reach, session.folder, self._log)

    @property
    def reconnects(self) -> int:
        """How often a connection was lost and made again so far."""
        return self._reconnects + sum(max(0, each.replies.connections - 1) for each in self._sessions.values())

    def _ask(
        self,
        do: str,
        target: Target,
        workload: Workload,
        *,
        trial: dict[str, Any] | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> dict[str, Any]:
        endpoint = target.private_endpoint or target.endpoint
        request = {"do": do, "endpoint": endpoint, "credential": target.credential, "workload": asdict(workload), "trial": trial}
        try:
            if not self._sessions:
                self._begin()
            return self._spokesman().ask(request, lambda plain: on_progress(Progress(**plain)))
        except SessionLost as lost:
            self.close()
            what = f"the load generator on {self._hosts[0].name} {lost} while it was to {do.replace('_', ' ')}"
            return {"problem": f"{what}. See its log, {self._log}, and whether its host still runs; then measure again."}
        except BaseException:
            # It is in the middle of something that nobody waits for any more.
            self.close()
            raise

    def _begin(self) -> None:
        """Opens the sessions of a new sitting; it takes the place of any sitting before it. Raises SessionLost."""
        sitting = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(3)}"
        try:
            for host, role in _roles(self._hosts):
                name = "-".join(str(role[key]) for key in ("kind", "index") if key in role)
                hello = {"load": asdict(self._load), "credentials": self._credentials, "role": role}
                self._sessions[name] = Session(host, f"{sitting}.{name}", hello)
        except BaseException:
            # A crew that is not whole from the start would not be what was asked for.
            self.close()
            raise

    def _spokesman(self) -> Session:
        """The session that is asked: the master, or the only one."""
        return next(iter(self._sessions.values()))

    def _fetch(self, parts: Sequence[Mapping[str, Any]]) -> str:
        """Brings the parts here. "" or the problem."""
        try:
            for part in parts:
                session = self._sessions.get(f"worker-{part['worker']}") or self._spokesman()
                found = Part(name=Path(part["name"]).name, sha256=part["sha256"], host=session.host.reach, folder=session.folder)
                fetch.fetch(found, self._samples)
        except PartLost as error:
            return f"the trial's samples are not whole: {error}"
        except OSError as error:
            return f"the trial's samples could not be kept here ({error}). Make room in {self._samples}, then measure again."
        return ""


def _roles(hosts: Sequence[GeneratorHost]) -> list[tuple[GeneratorHost, dict[str, Any]]]:
    """Who does what where; the one that is asked comes first."""
    if len(hosts) == 1:
        return [(hosts[0], {"kind": "solo"})]
    first = hosts[0]
    master = {"kind": "master", "bind": first.address, "port": CREW_PORT, "workers": len(hosts)}
    worker = {"kind": "worker", "master": first.address, "port": CREW_PORT}
    return [(first, master), *((host, {**worker, "index": index}) for index, host in enumerate(hosts))]
