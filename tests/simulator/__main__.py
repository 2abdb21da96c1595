"""The simulator by hand: `python -m tests.simulator start DIR`, then `table`, `fault`, `reclaim`, `stop`."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

from tests.simulator import clouds, faults, place, settings, table
from tests.simulator.cloud_side import check_fault
from tests.simulator.faults import Fault
from tests.simulator.settings import Settings

_ALL = "all"


def _start(given: argparse.Namespace) -> None:
    chosen = tuple(given.clouds.split(",")) if given.clouds else clouds.CLOUDS
    machines = chosen if given.machines == _ALL else tuple(filter(None, given.machines.split(",")))
    place.start(given.directory, Settings(clouds=chosen, machines=machines, pace=given.pace, eventual_s=given.eventual_s))
    for name, value in place.environment(given.directory).items():
        _say(f"export {name}={shlex.quote(value)}")


def _table(given: argparse.Namespace) -> None:
    events = table.history(given.directory)
    for event in events:
        end = f"{event.ended} {_clock(event.deleted_at)}" if event.deleted_at else "exists"
        _say(f"{event.cloud:14}{event.kind:60}{event.name:40}{event.id:40}created {_clock(event.created_at)}  {end}")
    left = sum(event.deleted_at is None for event in events)
    _say(f"{len(events)} created, {len(events) - left} gone, {left} left")


def _fault(given: argparse.Namespace) -> None:
    names = ("cloud", "kind", "op", "having", "failure", "seconds", "times")
    fault = Fault(**{name: getattr(given, name) for name in names})
    check_fault(given.directory, fault)
    faults.add(given.directory, fault)


def _set(given: argparse.Namespace) -> None:
    chosen = {"pace": given.pace, "eventual_s": given.eventual_s}
    settings.change(given.directory, **{name: value for name, value in chosen.items() if value is not None})


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    verbs = parser.add_subparsers(required=True)

    def verb(name: str, run: object, what: str) -> argparse.ArgumentParser:
        each = verbs.add_parser(name, help=what)
        each.set_defaults(run=run)
        each.add_argument("directory", type=lambda text: Path(text).absolute())
        return each

    start = verb("start", _start, "start a simulator; prints the environment, for eval")
    start.add_argument("--clouds", default="", help="of those simulated, with commas between; all by default")
    start.add_argument("--machines", nargs="?", const=_ALL, default="", help="boot VMs, for all clouds or for these")
    start.add_argument("--pace", type=float, default=0.0, help="how slow, as a factor on the real clouds' times")
    start.add_argument("--eventual-s", type=float, default=0.0, help="how long something new is not found by reads")
    change = verb("set", _set, "make a running simulator slower or faster")
    change.add_argument("--pace", type=float)
    change.add_argument("--eventual-s", type=float)
    verb("table", _table, "what exists, and what was created and deleted")
    fault = verb("fault", _fault, "let the next operations of a kind go wrong")
    fault.add_argument("failure", help="one of the cloud's failures, `half` or `hang`")
    for option, default in (("--cloud", ""), ("--kind", ""), ("--op", ""), ("--having", "")):
        fault.add_argument(option, default=default)
    fault.add_argument("--seconds", type=float, default=0.0)
    fault.add_argument("--times", type=int, default=1)
    taken = verb("reclaim", lambda given: place.reclaim(given.directory, given.cloud, given.id), "take a spot VM away")
    taken.add_argument("--cloud", required=True)
    taken.add_argument("--id", required=True)
    verb("stop", lambda given: place.stop(given.directory), "end it, with everything that was started for it")
    return parser


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    chosen = _arguments().parse_args()
    try:
        chosen.run(chosen)
    except (RuntimeError, ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        sys.exit(f"{error}")
