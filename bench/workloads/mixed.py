"""Several ops by their shares, as `mix` says: gets and overwrites of objects that stand ready, puts of new ones."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from bench import ops
from bench.workload import Op, WorkloadKind, draw, needs_objects, new_key, ready_object, ready_objects
from bench.workloads import MIXABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.client import Outcome
    from bench.records import Workload
    from bench.workload import Session

_PERFORM = {"get": ops.get, "put": ops.put, "overwrite": ops.put, "range": ops.get_range}


def _plan(workload: Workload, seed: int) -> Iterator[Op]:
    chance = draw(seed)
    # In a fixed order, so that the same shares give the same ops however the matrix lists them.
    names = sorted(workload.mix)
    shares = [workload.mix[name] for name in names]
    size = workload.object_size_bytes
    span = max(1, min(workload.part_size_bytes, size // 4))
    for number in count():
        name = chance.choices(names, shares)[0]
        # Drawn for every op, also for those that need neither: a changed share then changes no other choice.
        item = ready_object(workload, chance.randrange(workload.objects))
        start = chance.randrange(size - span + 1)
        if name == "put":
            yield Op(name=name, key=new_key(workload, seed, number), size_bytes=size)
        elif name == "range":
            yield Op(name=name, key=item.key, size_bytes=span, start=start)
        else:
            yield Op(name=name, key=item.key, size_bytes=size)


def _perform(session: Session, op: Op) -> Outcome:
    return _PERFORM[op.name](session, op)


def _problem(workload: Workload) -> str:
    if unknown := sorted(set(workload.mix) - set(MIXABLE)):
        return f"workload {workload.name!r} cannot mix {', '.join(unknown)}: `mix` takes {', '.join(MIXABLE)}."
    if not workload.mix or min(workload.mix.values()) < 0 or sum(workload.mix.values()) <= 0:
        return f"workload {workload.name!r} mixes nothing: give `mix` shares above 0, as in {{get: 0.7, put: 0.3}}."
    return needs_objects(workload)


KIND = WorkloadKind(name="mixed", ready=ready_objects, plan=_plan, perform=_perform, creates=("put",), problem=_problem)
