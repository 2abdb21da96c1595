"""VMs behind instances: booted with the program's user-data, open where its firewall is open, gone with their instance."""

from __future__ import annotations

import fcntl
import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.errors import CowbenchError
from stacks import vm_process
from tests.simulator import addresses, boot_queue, machine_boot, settings
from tests.simulator.member import Refused

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.simulator.member import Machine, Row, SimulatedCloud
    from tests.simulator.settings import Settings
    from tests.simulator.table import CloudTable

_POLL_S = 0.5


def follow(directory: Path, member: SimulatedCloud, table: CloudTable) -> None:
    """Bring the VMs of a cloud in line with its table: boot, open, close, end. Raises Refused when one cannot be booted."""
    known = settings.read(directory)
    if member.name not in known.machines:
        return
    with _locked(directory, member.name):
        second = addresses.of_cloud(directory, known.clouds.index(member.name))
        wanted = {row.id: (row, machine) for row, machine in _machines(second, member, table)}
        there = _folders(directory, member.name)
        for id_ in there.keys() - wanted.keys():
            end(there[id_])
        for id_, (row, machine) in wanted.items():
            _bring_in_line(directory, known, there.get(id_), row, machine)


def wait_for_turn(directory: Path, cloud: str, id_: str, cancelled: threading.Event) -> None:
    """Until the VM behind an instance runs: a cloud's answer comes when its VM does. At once where there is none."""
    folder = _folders(directory, cloud).get(id_)
    while folder is not None and boot_queue.is_waiting(folder) and not cancelled.wait(_POLL_S):
        pass


def notice_ended(directory: Path, member: SimulatedCloud, table: CloudTable) -> None:
    """What a VM that ended by itself means to its cloud: the instance is gone, or it is stopped and still costs."""
    if member.name not in settings.read(directory).machines:
        return
    with _locked(directory, member.name):
        ended_folders = {id_: folder for id_, folder in _folders(directory, member.name).items() if _ended_by_itself(folder)}
        crashed = [id_ for id_, folder in ended_folders.items() if vm_process.emulator_broke(folder)]
        for id_ in crashed:
            # Made anew below: as if somebody had been killed while making it.
            (ended_folders[id_] / "booted").unlink()
        ended = [id_ for id_ in ended_folders if id_ not in crashed]
        for id_ in ended:
            (ended_folders[id_] / "stopped").touch()
    if crashed:
        follow(directory, member, table)
    for id_ in ended:
        if _ends_vms(member.name):
            table.end(id_, "ended itself", insist=True)
        else:
            table.change(id_, {"status": "stopped"})


def end(folder: Path) -> None:
    """A VM's power goes, and its files with it."""
    if vm_process.running(folder):
        vm_process.pull_the_plug(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _machines(second: int, member: SimulatedCloud, table: CloudTable) -> Iterator[tuple[Row, Machine]]:
    for row in table.rows():
        machine = member.kinds[row.kind].machine(table, row) if row.kind in member.kinds else None
        if machine is not None:
            yield row, machine_boot.at(machine, addresses.apart(second, machine.public_address))


def _bring_in_line(directory: Path, known: Settings, folder: Path | None, row: Row, machine: Machine) -> None:
    if folder is not None and not (folder / "booted").exists():
        # Somebody was killed while making it.
        end(folder)
        folder = None
    try:
        if folder is None:
            machine_boot.boot(_new_folder(directory, row), row, machine, known.most_memory_bytes)
        elif vm_process.running(folder):
            machine_boot.bring_in_line(folder, machine)
    except CowbenchError as error:
        if folder is None or vm_process.running(folder):
            raise Refused("NoMachine", f"the VM behind {row.name}: {error}") from error
        # Else it powered itself off just now, which is noticed elsewhere.


def _new_folder(directory: Path, row: Row) -> Path:
    numbers = [int(each.name.rpartition("-")[2]) for each in (directory / "vms").glob(f"{row.cloud}-*")]
    folder = directory / "vms" / f"{row.cloud}-{max(numbers, default=0) + 1}"
    folder.mkdir(parents=True)
    (folder / "row.json").write_text(json.dumps({"id": row.id, "name": row.name}))
    return folder


def _folders(directory: Path, cloud: str) -> Mapping[str, Path]:
    """The VMs of a cloud by the id of their instance."""
    found = {}
    for folder in (directory / "vms").glob(f"{cloud}-*"):
        try:
            found[json.loads((folder / "row.json").read_text())["id"]] = folder
        except (OSError, ValueError):
            end(folder)
    return found


def _ended_by_itself(folder: Path) -> bool:
    return (folder / "booted").exists() and not (folder / "stopped").exists() and not vm_process.running(folder)


def _ends_vms(cloud: str) -> bool:
    """What the program's side says of this cloud; one that it does not have ends nothing."""
    from stacks import clouds  # noqa: PLC0415 - a plugin without VMs need not wait for it

    try:
        return clouds.load(cloud).features.ends_vms
    except ModuleNotFoundError:
        return False


@contextmanager
def _locked(directory: Path, cloud: str) -> Iterator[None]:
    """One process at a time: two would boot two VMs behind one instance. The kernel lets go when the holder dies."""
    with (directory / f"{cloud}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
