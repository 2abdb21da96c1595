"""What a simulated cloud does when it is asked to create, change, read or delete: rules, faults, delays, the table, the VMs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulator import addresses, faults, machines, settings
from tests.simulator.member import Refused, Row
from tests.simulator.table import CloudTable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.simulator.faults import Fault
    from tests.simulator.member import Kind, SimulatedCloud


class Failed(Exception):  # noqa: N818 - what a cloud does
    """Something goes wrong that is nobody's mistake; `failure` is one of `SimulatedCloud.failures`, the text its words."""

    def __init__(self, failure: str, text: str) -> None:
        super().__init__(text)
        self.failure, self.text = failure, text


@dataclass(frozen=True, kw_only=True)
class CloudSide:
    """One simulated cloud, seen from a process that speaks for it. What takes time ends early once `cancelled` is set."""

    directory: Path
    member: SimulatedCloud
    table: CloudTable
    cancelled: threading.Event = field(default_factory=threading.Event)

    def kind(self, token: str) -> Kind:
        """The member's rules for a type token. Raises Refused for one that it does not simulate."""
        if token not in self.member.kinds:
            raise Refused("NotSimulated", f"the simulated {self.member.name} has no {token}: add it to the member's `kinds`")
        return self.member.kinds[token]

    def check(self, token: str, name: str, urn: str, inputs: Mapping[str, Any]) -> None:
        """Raise Refused for what the real API refuses of these inputs; what now exists of the resource itself is not asked."""
        self.kind(token).check(self.table.without(urn), name, inputs)

    def create(self, token: str, name: str, urn: str, inputs: Mapping[str, Any]) -> Row:
        """Something new. Raises Refused or Failed; then nothing was made, unless a fault wanted it half done."""
        kind = self.kind(token)
        half = self._goes_wrong(token, "create", inputs)
        kind.check(self.table, name, inputs)
        id_, made = kind.make(self.table, name, inputs)
        outputs = {**inputs, **addresses.apart(self._second_number(), made)}
        row = Row(id=id_, cloud=self.member.name, kind=token, name=name, inputs=inputs, outputs=outputs, created_at=time.time())
        # It exists before it is ready, as real ones do: who is killed while waiting leaves it behind.
        self.table.insert(row, urn)
        self._take_time(kind)
        machines.wait_for_turn(self.directory, self.member.name, id_, self.cancelled)
        if half:
            raise half
        # Making it may have told others about it, and they it.
        return self.table.row(id_) or row

    def update(self, token: str, id_: str, urn: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change in place; the outputs then. Raises Refused or Failed."""
        kind = self.kind(token)
        half = self._goes_wrong(token, "update", inputs)
        row = self._existing(token, id_)
        kind.check(self.table.without(urn), row.name, inputs)
        changed = {name: value for name, value in inputs.items() if row.inputs.get(name) != value}
        removed = row.inputs.keys() - inputs.keys()
        outputs = {name: value for name, value in row.outputs.items() if name not in removed} | changed
        self.table.update(id_, inputs, outputs)
        self._take_time(kind)
        if half:
            raise half
        return outputs

    def delete(self, token: str, id_: str, inputs: Mapping[str, Any]) -> None:
        """It goes; fine when it is gone. Raises Refused while something else needs it, and Failed."""
        half = self._goes_wrong(token, "delete", inputs)
        self.table.remove(id_)
        self._take_time(self.kind(token))
        if half:
            raise half

    def read(self, token: str, id_: str) -> Row | None:
        """What exists of that id, None for nothing, or nothing yet."""
        half = self._goes_wrong(token, "read", {})
        if half:
            raise half
        return self._seen().row(id_)

    def invoke(self, token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer of a look-up. Raises Refused or Failed."""
        if token not in self.member.invokes:
            raise Refused("NotSimulated", f"the simulated {self.member.name} has no {token}: add it to the member's `invokes`")
        half = self._goes_wrong(token, "invoke", arguments)
        if half:
            raise half
        return self.member.invokes[token](self._seen(), arguments)

    def table_of_api(self, path: str) -> CloudTable:
        """What the cloud's own API shows. Raises Failed when a request to this path is to go wrong."""
        half = self._goes_wrong(path, "api", {"path": path})
        if half:
            raise half
        return self._seen()

    def _seen(self) -> CloudTable:
        return self.table.after(settings.read(self.directory).eventual_s)

    def _second_number(self) -> int:
        return addresses.of_cloud(self.directory, settings.read(self.directory).clouds.index(self.member.name))

    def _existing(self, token: str, id_: str) -> Row:
        row = self.table.row(id_)
        if row is None:
            raise Refused("NotFound", f"{token} {id_} does not exist")
        return row

    def _goes_wrong(self, kind: str, op: str, inputs: Mapping[str, Any]) -> Failed | None:
        """Fails or hangs as was asked for; gives what is to be raised once the thing is done, if it is to be half done."""
        fault = faults.take(self.directory, cloud=self.member.name, kind=kind, op=op, inputs=inputs)
        if fault is None:
            return None
        if fault.failure == faults.HANG:
            self.cancelled.wait(fault.seconds)
            return None
        if fault.failure == faults.HALF:
            return self._failed("internal")
        raise self._failed(fault.failure)

    def _failed(self, failure: str) -> Failed:
        return Failed(failure, self.member.failures[failure])

    def _take_time(self, kind: Kind) -> None:
        self.cancelled.wait(kind.slow_s * settings.read(self.directory).pace)


def open_cloud(directory: Path, cloud: str) -> CloudSide:
    """A simulated cloud, from any process. Raises FileNotFoundError where no simulator was started."""
    member = settings.read(directory).member(cloud)

    def changed() -> None:
        machines.follow(directory, member, table)

    table = CloudTable(directory=directory, cloud=cloud, kinds=member.kinds, changed=changed)
    return CloudSide(directory=directory, member=member, table=table)


def check_fault(directory: Path, fault: Fault) -> None:
    """Raise ValueError when no cloud that the fault concerns has words for it."""
    known = settings.read(directory)
    for cloud in [fault.cloud] if fault.cloud else known.clouds:
        words = known.member(cloud).failures
        if fault.failure not in {*words, faults.HANG, faults.HALF}:
            raise ValueError(f"{cloud} cannot fail with {fault.failure!r}: choose of {', '.join(words)}, hang, half")
