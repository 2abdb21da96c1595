"""What `cowbench sweep` does: find what killed runs left on this machine or in an account, show it, remove it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench import cli_steps as steps
from bench import display
from bench.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.terminal import Screen


def of_machine(screen: Screen, *, everything: bool, dry_run: bool) -> tuple[dict[str, list[str]], list[DeployError]]:
    """Take away the stacks of this machine that nobody will come back for: their hosts by stack, and what resisted."""
    from stacks import parts
    from stacks import sweep as sweeping

    found = sweeping.stacks() if everything else sweeping.abandoned_stacks()
    doomed = sorted({parts.stack_of(name) for name in found})
    traces = {name: [host.host for part in (parts.names(name) or (name,)) for host in sweeping.hosts(part)] for name in doomed}
    stuck: list[DeployError] = []
    for name, hosts in traces.items():
        screen.say(f"{name}: {', '.join(hosts) or 'no host left, only its state'}")
        if not dry_run:
            try:
                steps.bring_down(screen, name)
            except DeployError as error:
                # One stack that resists must not keep the others.
                stuck.append(error)
    sweeping.remove_orphans(dry_run=dry_run)
    return traces, stuck


def of_account(
    screen: Screen, cloud: str, regions: Sequence[str], *, run: str, everything: bool, dry_run: bool
) -> dict[str, list[dict[str, Any]]]:
    """Show and remove what of ours is left in an account; gives what goes and what stays as JSON has it.

    Raises DeployError naming what resisted, or what is missing to ask at all; of a region that is none too.
    """
    from stacks import account_sweep

    account = account_sweep.account_of(cloud)
    steps.insist_on_access(cloud)
    for region in regions:
        # Nothing is found in a region that is none, and that would read as if all were clean.
        account.zones(region)
    found = account.belongings(tuple(regions))
    doomed = account_sweep.doomed(found, account_sweep.mine(), run=run, everything=everything)
    if doomed:
        display.show_belongings(screen, [(each.belonging, each.why) for each in doomed])
    going = {id(each.belonging) for each in doomed}
    stays = [each for each in found if id(each) not in going]
    if stays:
        screen.say("these carry our labels and stay: others', or still in use; to remove a run all the same: --run RUN")
        display.show_staying(screen, stays)
    if not dry_run:
        stuck = account_sweep.remove(
            [each.belonging for each in doomed],
            lambda each: screen.say(f"     delete  {each.kind:<16}{each.name or each.id}", "dim"),
        )
        account_sweep.insist_on_all(stuck, f"cowbench sweep --cloud {cloud}")
    if not doomed:
        screen.say(f"nothing to sweep in {cloud}{'' if stays else ': nothing there carries our labels'}")
    goes = [{**asdict(each.belonging), "why": each.why} for each in doomed]
    return {"goes": goes, "stays": [asdict(each) for each in stays]}


def insist_on_no_lost_state(stack: str) -> None:
    """Raise DeployError where accounts that can be asked still have something of a stack that this machine knows nothing of."""
    from stacks import account_sweep

    if left := account_sweep.of_lost_state(stack):
        runs = dict.fromkeys((each.cloud, each.run) for each in left)
        found = ", ".join(dict.fromkeys(f"{each.cloud} (of {each.owner or 'nobody'})" for each in left))
        commands = "; ".join(f"cowbench sweep --cloud {cloud} --run {run}" for cloud, run in runs)
        raise DeployError(
            f"nothing is known of it here, and {len(left)} things of a stack of that name are in the accounts of {found}",
            where=f"stack {stack}",
            next_step=f"take away what is yours: {commands}",
        )
