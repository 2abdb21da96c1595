"""Matrix → cells, and what is known about them before anything is created: which cannot work and why, which need a warning."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import knowledge
from bench.errors import InputError
from bench.records import AXES, Cell, Finding, LeftOut
from stacks import axes, cell_names, clouds, drivers, host_setup

if TYPE_CHECKING:
    from bench.knowledge import Judgement
    from stacks.matrix import Matrix, Point

FactsOf = Callable[[Cell], Mapping[str, object]]

_ENOUGH_BLOCKS = 6
_SHOWN_REASONS = 5


def hindrance(cell: Cell) -> LeftOut | None:
    """Why this one cell cannot work, or None when nothing that is known speaks against it."""
    judged = knowledge.judge({**_planned(cell), **facts_of(cell)})
    return _hindrance(cell, tuple(judgement for judgement in judged if judgement.outcome == "matched"))


_OTHER_VALUE = "choose a value that goes with the others, or exclude the cell"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be built, what will not, and what to keep in mind. `facts` are those that were judged, by cell name."""

    cells: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[Finding, ...]
    facts: Mapping[str, Mapping[str, object]]


def facts_of(cell: Cell) -> Mapping[str, object]:
    """What the cell's cloud knows, before anything is created, about the host it would make."""
    return clouds.load(cell.cloud).facts(cell)


def plan(matrix: Matrix, facts_of: FactsOf) -> Plan:
    """The cells of the matrix that can work, as far as is known; a fact that is missing never keeps a cell out.

    Raises InputError when nothing is left to build.
    """
    cells = expand(matrix)
    facts: dict[str, Mapping[str, object]] = {}
    left_out: list[LeftOut] = []
    warnings: dict[str, tuple[Judgement, ...]] = {}
    for cell in cells:
        if reason := axes.impossible(_values(cell)):
            left_out.append(LeftOut(cell=cell, reason=reason, fix=_OTHER_VALUE, source=f"stacks.clouds.{cell.cloud}"))
            continue
        facts[cell.name] = {**_planned(cell), **facts_of(cell)}
        matched = tuple(judgement for judgement in knowledge.judge(facts[cell.name]) if judgement.outcome == "matched")
        if hindrance := _hindrance(cell, matched):
            left_out.append(hindrance)
        else:
            warnings[cell.name] = tuple(judgement for judgement in matched if judgement.level == "warning")
    kept = tuple(cell for cell in cells if cell.name in warnings)
    if not kept:
        raise _nothing_left(matrix, left_out)
    findings = (*_of_the_run(matrix, kept), *_of_the_knowledge(warnings))
    return Plan(cells=kept, left_out=tuple(left_out), warnings=findings, facts=facts)


def _planned(cell: Cell) -> dict[str, object]:
    """What is known of a host because it is made so: an empty data root, the driver set explicitly."""
    made = host_setup.facts(drivers.load(cell.driver), cell.backing_filesystem)
    return {**made, "data_on_volume": cell.data_placement == "volume"}


def _hindrance(cell: Cell, matched: tuple[Judgement, ...]) -> LeftOut | None:
    errors = [judgement for judgement in matched if judgement.level == "error"]
    if errors:
        reason, fix = ("; ".join(dict.fromkeys(texts)) for texts in ([e.text for e in errors], [e.fix for e in errors]))
        return LeftOut(cell=cell, reason=reason, fix=fix, source=", ".join(error.rule for error in errors))
    if reason := axes.unfit(_values(cell)):
        return LeftOut(cell=cell, reason=reason, fix=_OTHER_VALUE, source=f"stacks.drivers, stacks.clouds.{cell.cloud}")
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


def expand(matrix: Matrix) -> tuple[Cell, ...]:
    """Every cell of the matrix, in its order: the combinations of the axes, the last changing fastest, then what `include` adds.

    Raises InputError for a cell that is there twice, an exclusion that drops nothing, a reference that no cell has, or no cell.
    """
    chosen = tuple(_combinations(matrix, "axes", matrix.axes))
    for index, exclusion in enumerate(matrix.exclude):
        if not any(_matches(values, exclusion) for values in chosen):
            where = matrix.place(f"exclude[{index}]")
            raise InputError("no combination of the axes matches this", where=where, next_step="correct the entry, or remove it")
    kept = [values for values in chosen if not any(_matches(values, exclusion) for exclusion in matrix.exclude)]
    cells: dict[Cell, None] = {}
    for place, combinations in (("axes", kept), *_additions(matrix)):
        for cell in map(_cell_of(matrix), combinations):
            if cell in cells:
                raise InputError(f"the cell {cell.name} is there already", where=matrix.place(place), next_step="remove it here")
            cells[cell] = None
    _refuse_unusable(matrix, tuple(cells))
    return tuple(cells)


def _additions(matrix: Matrix) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for index, addition in enumerate(matrix.include):
        place = f"include[{index}]"
        yield place, list(_combinations(matrix, place, {**matrix.axes, **addition}))


def _combinations(matrix: Matrix, place: str, point: Point) -> Iterator[dict[str, str]]:
    names = [axis for axis in AXES if axis in point]
    for combination in itertools.product(*(point[axis] for axis in names)):
        try:
            yield axes.filled(dict(zip(names, combination, strict=True)), matrix.disk_size)
        except LookupError as missing:
            where, axis = matrix.place(place), missing.args[0]
            raise InputError(f"the cloud has no default for {axis}", where=where, next_step=f"name the axis {axis}") from None


def _cell_of(matrix: Matrix) -> Callable[[Mapping[str, str]], Cell]:
    def cell(values: Mapping[str, str]) -> Cell:
        usual = axes.usual(values["cloud"], matrix.disk_size)
        name, host = cell_names.cell_name(values, usual), cell_names.host_name(values, usual)
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
