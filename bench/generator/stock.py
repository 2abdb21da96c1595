"""The objects of one workload on one target, outside of any measured window: filled before, topped up, cleared away."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Final

import gevent
from gevent.pool import Pool

from bench.client import Listing, Outcome
from bench.generator.bound import LATE, bounded
from bench.workload import Op, WorkloadKind, prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.records import Workload
    from bench.workload import Item, Session

FILLERS: Final = 8
"""Objects put or deleted at once while nothing is measured."""

_LISTED_KEYS: Final = 1000
"""The most keys of one page, by the S3 API."""

_DELETED_KEYS: Final = 50
"""Keys of one DeleteObjects (at most 1000): servers work them off one after another, so several requests go side by side."""

_PATIENCE_S: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Waits between tries of what prepares: a server that answers may still be making its first volumes."""

_HOPELESS: Final = frozenset({"denied", "refused", "invalid", "not_found"})
"""Kinds of failures that another try does not cure."""

_FIRST_OPS_PER_S: Final = 1500
"""What one boto3 process can do at most on one core: objects enough for a first trial that uses them up."""

_FIRST_BYTES, _MOST_BYTES = 1 << 29, 1 << 30
"""Bounds on what is put there for a trial to use up, unless the matrix asks for more."""


class Stock:
    """What stands ready in a bucket for one workload. Methods give "" or the problem in a sentence."""

    def __init__(self, session: Session, kind: WorkloadKind, workload: Workload, op_timeout_s: float) -> None:
        self._session, self._kind, self._op_timeout_s = session, kind, op_timeout_s
        self.workload = replace(workload, objects=_first_objects(workload)) if kind.uses_up else workload
        self._present: set[str] | None = None

    def prepare(self) -> str:
        """Makes the bucket and leaves exactly the ready objects under the workload's prefix. Does nothing the second time."""
        if problem := self._kind.problem(self.workload):
            return problem
        if self._present is not None:
            return self._fill()
        client, bucket = self._session.client, self._session.bucket
        made = self._persist(lambda: client.make_bucket(bucket))
        if made.failure:
            return _problem("the bucket could not be made", made)
        wanted = {item.key: item.size_bytes for item in self._kind.ready(self.workload)}
        found, listed = self._list()
        if listed.failure:
            return _problem("the bucket could not be listed", listed)
        self._present = {key for key, size in found.items() if wanted.get(key) == size}
        strangers = [key for key in found if key not in self._present]
        problem = self._delete_all(strangers) or self._first_write() or self._fill()
        if problem:
            self._present = None
        return problem

    def used(self, ops: Sequence[Op], *, ran_out: bool) -> None:
        """Takes note of what a trial used up, so that the next one has enough."""
        if self._present is None or not self._kind.uses_up:
            return
        self._present -= {op.key for op in ops}
        enough = 2 * self.workload.objects if ran_out else ceil(1.3 * len(ops))
        most = max(self.workload.objects, _MOST_BYTES // self.workload.object_size_bytes)
        self.workload = replace(self.workload, objects=min(most, max(self.workload.objects, enough)))

    def remove(self, keys: Iterable[str], *, uploads: bool) -> str:
        """Deletes what a trial created, and gives up the uploads that it left."""
        if uploads:
            self._abort_uploads()
        return self._delete_all(list(keys))

    def clear(self) -> str:
        """Deletes everything of the workload, and the bucket when it was the last one in it."""
        self._present = None
        self._abort_uploads()
        found, listed = self._list()
        if listed.failure:
            absent = listed.failure.kind == "not_found"
            return "" if absent else _problem("the bucket could not be listed", listed)
        if problem := self._delete_all(list(found)):
            return problem
        return self._remove_empty_bucket()

    def _remove_empty_bucket(self) -> str:
        """Looks before it removes: SeaweedFS removes a bucket with everything in it, and other workloads share this one."""
        client, bucket = self._session.client, self._session.bucket
        if self._page("", "", 1).entries:
            return ""
        removed = self._persist(lambda: client.remove_bucket(bucket))
        return _problem("the bucket could not be removed", removed) if removed.failure else ""

    def _fill(self) -> str:
        present = self._present if self._present is not None else set()
        missing = [item for item in self._kind.ready(self.workload) if item.key not in present]
        pool = Pool(FILLERS)
        try:
            for item, outcome in zip(missing, pool.imap(self._put, missing), strict=True):
                if outcome.failure:
                    return _problem(f"{len(missing)} objects of {item.size_bytes} bytes could not be put", outcome)
                present.add(item.key)
        finally:
            # After a failure the others must not go on behind the back of what comes next.
            pool.kill()
        return ""

    def _first_write(self) -> str:
        """Servers that make room at the first write of a bucket do so now and not in the first trial.

        One write alone: SeaweedFS answers InternalError to writes that arrive while it makes its first volumes.
        """
        key = prefix(self.workload) + "first"
        body = self._session.content.body(key, 1)
        outcome = self._persist(lambda: self._session.client.put(self._session.bucket, key, body))
        return _problem("no object could be put", outcome) if outcome.failure else self._delete_all([key])

    def _put(self, item: Item) -> Outcome:
        body = self._session.content.body(item.key, item.size_bytes)
        return self._persist(lambda: self._session.client.put(self._session.bucket, item.key, body))

    def _list(self) -> tuple[dict[str, int], Outcome]:
        found: dict[str, int] = {}
        after = ""
        while True:
            page = self._page(prefix(self.workload), after, _LISTED_KEYS)
            found.update(page.entries)
            if page.outcome.failure or not page.more or not page.entries:
                return found, page.outcome
            after = page.entries[-1][0]

    def _delete_all(self, keys: Sequence[str]) -> str:
        batches = [keys[at : at + _DELETED_KEYS] for at in range(0, len(keys), _DELETED_KEYS)]
        pool = Pool(FILLERS)
        try:
            return next(filter(None, pool.imap_unordered(self._delete_batch, batches)), "")
        finally:
            pool.kill()

    def _delete_batch(self, keys: Sequence[str]) -> str:
        """Not every server has DeleteObjects, and it may do only a part of its work: then one by one."""
        client, bucket = self._session.client, self._session.bucket
        if not self._within(lambda: client.delete_many(bucket, keys)).failure:
            return ""
        failed = next((outcome for outcome in map(self._delete, keys) if outcome.failure), None)
        return _problem("objects could not be deleted", failed) if failed else ""

    def _delete(self, key: str) -> Outcome:
        return self._persist(lambda: self._session.client.delete(self._session.bucket, key))

    def _abort_uploads(self) -> None:
        client, bucket, under = self._session.client, self._session.bucket, prefix(self.workload)
        nothing: tuple[tuple[str, str], ...] = ()
        for key, upload in bounded(self._op_timeout_s, lambda: client.list_uploads(bucket, under), lambda: nothing):
            self._within(partial(client.abort_upload, bucket, key, upload))

    def _page(self, under: str, after: str, limit: int) -> Listing:
        client, bucket = self._session.client, self._session.bucket
        call = partial(client.list_page, bucket, under, after, limit)
        return bounded(self._op_timeout_s, call, lambda: Listing(outcome=Outcome(failure=LATE)))

    def _persist(self, call: Callable[[], Outcome]) -> Outcome:
        outcome = self._within(call)
        for pause_s in _PATIENCE_S:
            if not outcome.failure or outcome.failure.layer == "timeout" or outcome.failure.kind in _HOPELESS:
                break
            gevent.sleep(pause_s)
            outcome = self._within(call)
        return outcome

    def _within(self, call: Callable[[], Outcome]) -> Outcome:
        return bounded(self._op_timeout_s, call, lambda: Outcome(failure=LATE))


def _first_objects(workload: Workload) -> int:
    window_s = workload.warm_up_s + workload.duration_s
    return max(workload.objects, min(ceil(_FIRST_OPS_PER_S * window_s), _FIRST_BYTES // workload.object_size_bytes))


def _problem(what: str, outcome: Outcome) -> str:
    return f"{what}: {outcome.failure}. See the log of the server's container, and whether its disk has space left."
