"""Matrix → cells, and what is known about them before anything is created: which cannot work and why, which need a warning."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench import knowledge
from bench.errors import InputError
from bench.records import AXES, Cell, Finding, Generators, LeftOut
from stacks import axes, cell_names, clouds, drivers, engines, host_setup, hosts, kernels
from stacks import engine as engine_sources
from stacks import matrix as matrix_file

if TYPE_CHECKING:
    from bench.knowledge import Judgement
    from stacks.kernels import Choice
    from stacks.matrix import Matrix, Point

FactsOf = Callable[[Cell], Mapping[str, object]]

_ENOUGH_BLOCKS = 6
_SHOWN_REASONS = 5


def hindrance(cell: Cell) -> LeftOut | None:
    """Why this one cell cannot work, or None when nothing that is known speaks against it."""
    facts = _facts(cell, facts_of)
    judged = knowledge.judge(facts)
    return _hindrance(cell, facts, tuple(judgement for judgement in judged if judgement.outcome == "matched"))


_OTHER_VALUE = "choose a value that goes with the others, or exclude the cell"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be built, what will not, and what to keep in mind. `facts` are those that were judged, by cell name.

    `kernels` is what became of each wish for a kernel, on each cloud.
    """

    cells: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[Finding, ...]
    facts: Mapping[str, Mapping[str, object]]
    kernels: tuple[Choice, ...] = ()

    def kernel(self, cell: Cell) -> str:
        """The kernel that the cell's machine image is expected to boot; empty where that is not known."""
        return str(self.facts.get(cell.name, {}).get("kernel") or "")

    def vms_here(self, generators: Generators | None) -> Counter[str]:
        """How many VMs of each size share this machine's memory; what is rented is in the cost."""
        found: Counter[str] = Counter()
        for cloud, requests in hosts.by_cloud("", self.cells, generators).items():
            features = clouds.load(cloud).features
            if features.on_this_machine and features.chooses_kernel:
                found.update(request.instance_type for request in requests)
        return found


def facts_of(cell: Cell) -> Mapping[str, object]:
    """What the cell's cloud knows, before anything is created, about the host it would make."""
    return clouds.load(cell.cloud).facts(cell)


def plan(matrix: Matrix, facts_of: FactsOf) -> Plan:
    """The cells of the matrix that can work, as far as is known; a fact that is missing never keeps a cell out.

    Raises InputError when nothing is left to build, and for a type in `deploy.instead_of` that no host could become.
    """
    cells, choices = _expanded(matrix)
    judge, facts_of = _judged_once(), _asked_once(facts_of)
    facts: dict[str, Mapping[str, object]] = {}
    left_out: list[LeftOut] = []
    warnings: dict[str, tuple[Judgement, ...]] = {}
    for cell in cells:
        if impossible := _impossible(cell, choices):
            left_out.append(impossible)
            continue
        facts[cell.name] = _facts(cell, facts_of)
        matched = judge(facts[cell.name])
        if hindrance := _hindrance(cell, facts[cell.name], matched):
            left_out.append(hindrance)
        else:
            warnings[cell.name] = tuple(judgement for judgement in matched if judgement.level == "warning")
    kept = tuple(cell for cell in cells if cell.name in warnings)
    if not kept:
        raise _nothing_left(matrix, left_out)
    _refuse_unfit_types(matrix, kept)
    findings = (*_of_the_run(matrix, kept), *_of_the_knowledge(warnings))
    return Plan(cells=kept, left_out=tuple(left_out), warnings=findings, facts=facts, kernels=choices)


def _asked_once(facts_of: FactsOf) -> FactsOf:
    """A cloud may read files to answer, and what it says of a host hangs on its own axes alone."""
    known: dict[tuple[str, ...], Mapping[str, object]] = {}

    def facts(cell: Cell) -> Mapping[str, object]:
        place = (cell.cloud, *(getattr(cell, axis) for axis in axes.OF_THE_CLOUD))
        if place not in known:
            known[place] = facts_of(cell)
        return known[place]

    return facts


def _judged_once() -> Callable[[Mapping[str, object]], tuple[Judgement, ...]]:
    """What matches on some facts. Most cells of a large matrix have the same ones, and judging takes a millisecond."""
    known: dict[str, tuple[Judgement, ...]] = {}

    def judge(facts: Mapping[str, object]) -> tuple[Judgement, ...]:
        key = repr(facts)
        if key not in known:
            known[key] = tuple(judgement for judgement in knowledge.judge(facts) if judgement.outcome == "matched")
        return known[key]

    return judge


def _facts(cell: Cell, facts_of: FactsOf) -> dict[str, object]:
    """What is known of a host because it is made so (an empty data root, the driver set explicitly), and of what it is made."""
    made = host_setup.facts(drivers.load(cell.driver), cell.backing_filesystem)
    found = engine_sources.facts(engines.load(cell.engine), facts_of(cell))
    return {**made, "data_on_volume": cell.data_placement == "volume", **found}


def _impossible(cell: Cell, choices: tuple[Choice, ...]) -> LeftOut | None:
    """A cell that its cloud does not have at all."""
    if kernels.is_unmet(cell.machine_image):
        choice = next(each for each in choices if (each.cloud, each.machine_image) == (cell.cloud, cell.machine_image))
        fix = "ask for a kernel that there is, or name a machine_image"
        return LeftOut(cell=cell, reason=choice.reason, fix=fix, source="stacks.kernels")
    reason, fix = axes.impossible(_values(cell))
    if reason:
        return LeftOut(cell=cell, reason=reason, fix=fix or _OTHER_VALUE, source=f"stacks.clouds.{cell.cloud}")
    return None


def _hindrance(cell: Cell, facts: Mapping[str, object], matched: tuple[Judgement, ...]) -> LeftOut | None:
    errors = [judgement for judgement in matched if judgement.level == "error"]
    if errors:
        reason, fix = ("; ".join(dict.fromkeys(texts)) for texts in ([e.text for e in errors], [e.fix for e in errors]))
        return LeftOut(cell=cell, reason=reason, fix=fix, source=", ".join(error.rule for error in errors))
    if reason := axes.unfit(_values(cell)):
        return LeftOut(cell=cell, reason=reason, fix=_OTHER_VALUE, source=f"stacks.drivers, stacks.clouds.{cell.cloud}")
    if reason := engine_sources.lacking(engines.load(cell.engine), facts):
        fix = f"use another engine ({', '.join(engines.ENGINES)}), or another machine image"
        return LeftOut(cell=cell, reason=reason, fix=fix, source=f"stacks.engines.{cell.engine}")
    return None


def _of_the_knowledge(warnings: Mapping[str, tuple[Judgement, ...]]) -> Iterator[Finding]:
    """One finding per rule and cell; one for the whole run when it concerns every cell."""
    concerned: dict[Judgement, list[str]] = {}
    for cell, judgements in warnings.items():
        for judgement in judgements:
            concerned.setdefault(judgement, []).append(cell)
    for judgement, names in concerned.items():
        for cell in ("",) if len(names) == len(warnings) > 1 else names:
            yield Finding(check=judgement.rule, level="warning", cell=cell, text=judgement.text, fix=judgement.fix)


def _of_the_run(matrix: Matrix, kept: tuple[Cell, ...]) -> Iterator[Finding]:
    if not any(_matches(_values(cell), _as_point(matrix)) for cell in kept):
        text = f"the reference ({_reference(matrix)}) is left out, so nothing can be compared with it"
        yield Finding(check="reference", level="warning", cell="", text=text, fix="name a reference that this plan builds")
    if matrix.load.blocks < _ENOUGH_BLOCKS:
        text = f"with fewer than {_ENOUGH_BLOCKS} blocks, here {matrix.load.blocks}, no comparison is possible"
        yield Finding(check="blocks", level="warning", cell="", text=text, fix=f"set load.blocks to {_ENOUGH_BLOCKS} or more")


def _nothing_left(matrix: Matrix, left_out: list[LeftOut]) -> InputError:
    shown = "".join(f"\n  {each.cell.name}: {each.reason}" for each in left_out[:_SHOWN_REASONS])
    more = f"\n  and {len(left_out) - _SHOWN_REASONS} more" if len(left_out) > _SHOWN_REASONS else ""
    return InputError(
        f"no cell of this matrix can work here:{shown}{more}", where=matrix.place("axes"), next_step=left_out[0].fix
    )


def _refuse_unfit_types(matrix: Matrix, kept: tuple[Cell, ...]) -> None:
    """A type that is to take the place of another was written down by hand: it is a mistake, and not left out."""
    if not matrix.terms.instead_of:
        return
    rented = [cell for cell in kept if clouds.load(cell.cloud).features.needs_account]
    for cloud, requests in hosts.by_cloud("plan", rented, matrix.load.generators).items():
        for request in requests:
            for other in matrix.terms.instead_of.get(request.instance_type, ()):
                reason, fix = axes.impossible({"cloud": cloud, **axes.of_host(replace(request, instance_type=other))})
                if reason:
                    what = f"deploy.instead_of has {other} for {request.instance_type}: {reason}"
                    raise InputError(what, where=matrix.place("deploy"), next_step=fix or "name another type, or leave it out")


def expand(matrix: Matrix) -> tuple[Cell, ...]:
    """Every cell of the matrix, in its order: the combinations of the axes, the last changing fastest, then what `include` adds.

    Two wishes for a kernel that one image fulfils are one cell. Raises InputError for a cell that is written down twice, an
    exclusion that drops nothing, a reference that no cell has, or no cell.
    """
    return _expanded(matrix)[0]


def _expanded(matrix: Matrix) -> tuple[tuple[Cell, ...], tuple[Choice, ...]]:
    """The cells, and what the wishes for kernels gave."""
    chosen: dict[tuple[str, str], Choice] = {}
    points = (
        ("axes", matrix.axes),
        *((f"include[{i}]", matrix_file.over(matrix.axes, one)) for i, one in enumerate(matrix.include)),
    )
    combined = {place: list(_combinations(matrix, place, point, chosen)) for place, point in points}
    combined["axes"] = _without_excluded(matrix, combined["axes"])
    cells: dict[Cell, None] = {}
    cell_of = _cell_of(matrix)
    for place, point in points:
        for cell in map(cell_of, combined[place]):
            if cell in cells and kernels.AXIS not in point:
                raise InputError(f"the cell {cell.name} is there already", where=matrix.place(place), next_step="remove it here")
            cells[cell] = None
    _refuse_unusable(matrix, tuple(cells))
    return tuple(cells), tuple(chosen.values())


def _without_excluded(matrix: Matrix, chosen: list[dict[str, str]]) -> list[dict[str, str]]:
    for index, exclusion in enumerate(matrix.exclude):
        if not any(_matches(values, exclusion) for values in chosen):
            where = matrix.place(f"exclude[{index}]")
            raise InputError("no combination of the axes matches this", where=where, next_step="correct the entry, or remove it")
    return [values for values in chosen if not any(_matches(values, exclusion) for exclusion in matrix.exclude)]


def _combinations(matrix: Matrix, place: str, point: Point, chosen: dict[tuple[str, str], Choice]) -> Iterator[dict[str, str]]:
    """Each combination with a value on every axis. `chosen` gets what each wish for a kernel gave."""
    names = [axis for axis in matrix_file.AXES_OR_KERNEL if axis in point]
    for combination in itertools.product(*(point[axis] for axis in names)):
        values = dict(zip(names, combination, strict=True))
        if kernels.AXIS in values:
            wanted = (values.get("cloud", axes.default_cloud()), values.pop(kernels.AXIS))
            if wanted not in chosen:
                chosen[wanted] = kernels.choose(*wanted)
            values["machine_image"] = chosen[wanted].machine_image
        try:
            yield axes.filled(values, matrix.disk_size)
        except LookupError as missing:
            where, axis = matrix.place(place), missing.args[0]
            raise InputError(f"the cloud has no default for {axis}", where=where, next_step=f"name the axis {axis}") from None


def _cell_of(matrix: Matrix) -> Callable[[Mapping[str, str]], Cell]:
    usual: dict[str, dict[str, str]] = {}

    def cell(values: Mapping[str, str]) -> Cell:
        cloud = values["cloud"]
        if cloud not in usual:
            usual[cloud] = axes.usual(cloud, matrix.disk_size)
        name, host = cell_names.cell_name(values, usual[cloud]), cell_names.host_name(values, usual[cloud])
        fields: dict[str, Any] = dict(values)  # one value per axis: exactly the fields of a cell
        return Cell(name=name, host=host, **fields)

    return cell


def _refuse_unusable(matrix: Matrix, cells: tuple[Cell, ...]) -> None:
    if not cells:
        where = matrix.place("exclude")
        raise InputError(
            "every combination is excluded; no cell is left", where=where, next_step="exclude less, or include a cell"
        )
    if not any(_matches(_values(cell), _as_point(matrix)) for cell in cells):
        raise InputError(
            f"no cell has what the reference names: {_reference(matrix)}",
            where=matrix.place("reference"),
            next_step=f"name values of one of the cells, such as {cells[0].name}",
        )


def _as_point(matrix: Matrix) -> Point:
    return {axis: (value,) for axis, value in matrix.reference.axes.items()}


def _reference(matrix: Matrix) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in matrix.reference.axes.items())


def _values(cell: Cell) -> dict[str, str]:
    return {axis: getattr(cell, axis) for axis in AXES}


def _matches(values: Mapping[str, str], point: Point) -> bool:
    return all(values[axis] in wanted for axis, wanted in point.items())
