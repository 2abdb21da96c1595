"""What a person reads of plans, steps and findings. Shows, decides nothing."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from bench.host_words import image_name
from bench.report import numbers
from bench.report.axes import naming_axes
from bench.report.phrases import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.records import Cell, Finding
    from bench.terminal import Screen
    from stacks.cloud import Belonging
    from stacks.cost import Cost
    from stacks.doctor import Ability
    from stacks.lifecycle import Step
    from stacks.matrix import Matrix
    from stacks.plan import Plan


_FEW = 3


def show_plan(screen: Screen, matrix: Matrix, planned: Plan) -> None:
    """The cells, those left out with their reason (once per host), and how much load it will be."""
    load = matrix.load
    screen.say(
        f"{counted(len(planned.cells), 'cell')}, {len(planned.left_out)} left out; "
        f"{counted(len(load.workloads), 'workload')}, {counted(load.blocks, 'block')}, seed {load.seed}"
    )
    _show_kernels(screen, planned)
    telling = naming_axes([*planned.cells, *(one.cell for one in planned.left_out)])
    told = planned.kernels or len({planned.kernel(cell) for cell in planned.cells}) > 1
    if planned.cells and not told:
        _show_common_kernel(screen, planned)
    for cell in planned.cells:
        kernel = f", kernel {planned.kernel(cell) or 'not known'}" if told else ""
        placement = cell.data_placement.replace("_", " ")
        screen.say(f"  {cell.name:<50} {_host(cell, telling)}{kernel}, {cell.server}, {placement}")
    seen: set[str] = set()
    for left_out in planned.left_out:
        cell = left_out.cell
        if cell.host not in seen:
            screen.say(f"  left out: {_host(cell, telling)}: {left_out.reason} ({left_out.source})", "yellow")
            screen.say(f"            next: {left_out.fix}", "dim")
        seen.add(cell.host)
    passes = len(planned.cells) * load.blocks
    seconds = sum(workload.warm_up_s + workload.duration_s for workload in load.workloads) * passes
    screen.say(f"{counted(passes * len(load.workloads), 'trial')}, {seconds:.0f} s of load")
    for size, count in planned.vms_here(load.generators).items():
        screen.say(f"{counted(count, 'VM')} of {size} on this machine at the same time")
    if load.generators:
        screen.say(f"load from {counted(load.generators.count, 'host')} of their own in every region of a cloud")


def _show_kernels(screen: Screen, planned: Plan) -> None:
    """What each wish gives, and where."""
    given: dict[tuple[str, str], list[str]] = {}
    for choice in planned.kernels:
        given.setdefault((choice.wish, str(choice.offer or "")), []).append(choice.cloud)
    for (wish, offer), clouds in given.items():
        screen.say(f"  kernel {wish} on {', '.join(clouds)}: {offer or 'none has it, see below'}", "" if offer else "yellow")


def _show_common_kernel(screen: Screen, planned: Plan) -> None:
    """The machine images and the kernel of all cells, where that is one."""
    images = ", ".join(dict.fromkeys(image_name(cell.machine_image) for cell in planned.cells))
    screen.say(f"  all on {images}, kernel {planned.kernel(planned.cells[0]) or 'not known'}")


def show_images(screen: Screen, images: Iterable[Mapping[str, str]]) -> None:
    """The machine images of accounts with their ids, and why an id is not known."""
    unknown: dict[tuple[str, str], list[str]] = {}
    for image in images:
        if image["id"]:
            screen.say(f"  image {image['name']} on {image['cloud']}, {image['region']}: {image['id']}")
        else:
            unknown.setdefault((image["cloud"], image["unknown"]), []).append(image["name"])
    for (cloud, why), names in unknown.items():
        screen.say(f"  image {', '.join(names)} on {cloud}: its id is looked up by cowbench up; not now, since {why}", "yellow")


def show_cost(screen: Screen, matrix: Matrix, cost: Cost, over_budget: str, over_if_left: str) -> None:
    """What the plan costs: each line, each cloud's sum, what is not in it.

    `over_budget`: why it may be too much, or empty; `over_if_left` the same for a stack that is left standing.
    """
    if not cost.rented:
        return
    for line in cost.lines:
        what = f"{line.count} x {line.what} in {line.region}"
        screen.say(f"  {line.cloud:<14}{what:<44}{numbers.money(line.per_hour, line.currency)}/h", "dim")
    _show_sums(screen, matrix, cost)
    tables = dict.fromkeys(f"{line.cloud} as of {line.as_of or 'no date'}: {line.source}" for line in cost.lines)
    small_print = {"prices": tables, "assumed": cost.assumed, "not counted": [", ".join(cost.not_counted)]}
    for head, texts in small_print.items():
        for text in texts:
            screen.say(f"  {head}: {text}", "dim")
    for cloud, parts in cost.unknown.items():
        screen.say(f"no price is known on {cloud} for {', '.join(parts)}", "yellow")
    if cost.old:
        screen.say(f"warning: tables of prices are more than a year old: {', '.join(cost.old)}", "yellow")
    if cost.unknown or cost.old:
        screen.say("  next: look them up, and name them in a file: --prices FILE", "dim")
    if cost.stands_s > matrix.terms.lifetime_s:
        life = numbers.duration(matrix.terms.lifetime_s)
        screen.say(f"warning: the run is planned for {numbers.duration(cost.stands_s)}, and its hosts end after {life}", "yellow")
        screen.say("  next: raise deploy.expires, or plan fewer cells or blocks", "dim")
    if matrix.terms.budget is not None:
        budget = numbers.money(matrix.terms.budget, matrix.terms.currency)
        _show_budget(screen, budget, over_budget, over_if_left)


def _show_budget(screen: Screen, budget: str, over_budget: str, over_if_left: str) -> None:
    screen.say(f"budget {budget}: {over_budget or 'enough'}", "yellow" if over_budget else "")
    if over_if_left and not over_budget:
        screen.say(f"  but not for cowbench up, or bench --keep: {over_if_left}", "yellow")


def _show_sums(screen: Screen, matrix: Matrix, cost: Cost) -> None:
    stands, life = numbers.duration(cost.stands_s), numbers.duration(matrix.terms.lifetime_s)
    for each in cost.sums:
        least = "at least " if each.at_least else ""
        hour, run, end = (least + numbers.money(amount, each.currency) for amount in (each.per_hour, each.run, each.to_expiry))
        more = ", and more until they are deleted" if each.goes_on else ""
        screen.say(
            f"cost on {each.cloud}: {hour} per hour, {run} for the run of {stands}, {end} until they end after {life}{more}"
        )
    runs: dict[str, list[float]] = {}
    for each in cost.sums:
        runs.setdefault(each.currency, []).append(each.run)
    for currency, amounts in runs.items():
        if len(amounts) > 1:
            least = "at least " if cost.unknown else ""
            screen.say(f"cost of the run on all of them: {least}{numbers.money(sum(amounts), currency)}")


def _host(cell: Cell, telling: Sequence[str]) -> str:
    """What tells a cell's host from the others: `devicemapper on ext4, debian-bullseye`."""
    said = ("driver", "backing_filesystem", "server", "data_placement")
    others = [image_name(getattr(cell, axis)) for axis in telling if axis not in said]
    return ", ".join([f"{cell.driver} on {cell.backing_filesystem}", *others])


def show_warnings(screen: Screen, planned: Plan) -> None:
    """Each warning once, with the hosts it speaks of: what holds for a driver holds for all of its cells."""
    hosts = {cell.name: cell.host for cell in planned.cells}
    concerned: dict[tuple[str, str], dict[str, None]] = {}
    for warning in planned.warnings:
        names = concerned.setdefault((warning.text, warning.fix), {})
        if warning.cell:
            names[hosts[warning.cell]] = None
    for (text, fix), names in concerned.items():
        screen.say(f"warning: {', '.join(names)}{': ' if names else ''}{text}", "yellow")
        screen.say(f"  next: {fix}", "dim")


def show_step(screen: Screen, step: Step, cloud: str = "") -> None:
    """A finished step of Pulumi, with its cloud where several go up side by side."""
    if step.done:
        where = f"{cloud:<14}" if cloud else ""
        # A kind may be longer than its column.
        screen.say(f"     {where}{step.operation:<8}{step.kind:<{21 if cloud else 15}} {step.name}", "dim")


def first_few(things: Sequence[str]) -> str:
    """Of many only some: they share one line of a terminal."""
    more = len(things) - _FEW
    return ", ".join(things[:_FEW]) + (f" and {more} more" if more > 0 else "")


def show_findings(screen: Screen, findings: Sequence[Finding], none: str) -> None:
    """Each finding with what to do next; `none` where there is none."""
    for finding in findings:
        place = f"{finding.cell}: " if finding.cell else ""
        screen.say(f"{finding.level}: {place}{finding.text}", "red" if finding.level == "error" else "yellow")
        screen.say(f"  next: {finding.fix}", "dim")
    if not findings and none:
        screen.say(none)


def show_abilities(screen: Screen, abilities: Iterable[Ability]) -> None:
    """A line for each, and what to do about those that do not work."""
    for ability in abilities:
        screen.say(
            f"{'ok ' if ability.works else 'no '}  {ability.kind:<7}{ability.name:<36}{ability.reason}",
            "" if ability.works else "yellow",
        )
        if ability.fix:
            screen.say(f"{'':48}next: {ability.fix}", "dim")


def show_belongings(screen: Screen, found: Sequence[tuple[Belonging, str]]) -> None:
    """A table of what goes from an account: where, what, whose, since when it may go, and why it goes."""
    rows = [("cloud", "region", "kind", "name", "owner", "run", "expires", "why")]
    rows += [
        (each.cloud, each.region, each.kind, each.name or each.id, each.owner, each.run, _expires(each.expires_at), why)
        for each, why in found
    ]
    _show_rows(screen, rows)


def show_staying(screen: Screen, found: Sequence[Belonging]) -> None:
    """A table of what stays in an account, a line for each run: whose it is, how much of what it has, and its end."""
    runs: dict[tuple[str, str], list[Belonging]] = {}
    for each in found:
        runs.setdefault((each.run, each.owner), []).append(each)
    rows = [("run", "owner", "expires", "what")]
    for (run, owner), things in sorted(runs.items()):
        what = ", ".join(f"{count} x {kind}" for kind, count in Counter(each.kind for each in things).items())
        rows.append((run, owner, _expires(min(each.expires_at for each in things)), what))
    _show_rows(screen, rows)


def _show_rows(screen: Screen, rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        screen.say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _expires(at: float) -> str:
    left_s = at - time.time()
    if at == 0:
        return "no date"
    return f"in {left_s / 3600:.1f} h" if left_s > 0 else f"{-left_s / 3600:.1f} h ago"
