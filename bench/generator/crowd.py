"""Locust's users, kept over the trials: the one place that knows Locust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.runners import Runner

    from bench.errors import Failure


class Crowd:
    """Locust's users, kept over the trials: its environment and runner are made once.

    `runner` makes Locust's runner: one of its own, or one of several workers'.
    """

    def __init__(self, runner: Callable[[Environment], Runner] = Environment.create_local_runner) -> None:
        self._work: Callable[[], None] = lambda: None
        crowd = self

        class S3User(User):
            @task
            def follow_the_plan(self) -> None:
                crowd._work()
                raise StopUser

        self.environment = Environment(user_classes=[S3User])
        self._runner = runner(self.environment)

    def start(self, users: int, work: Callable[[], None]) -> None:
        """Each user does `work` once. Returns at once."""
        self._work = work
        self.environment.stats.clear_all()
        # Straight to the users: `start` would ramp them up by the second.
        self._runner.spawn_users({"S3User": users})

    def join(self, timeout_s: float) -> bool:
        """Waits for all users to be done; whether they are."""
        return bool(self._runner.user_greenlets.join(timeout=timeout_s))

    def stop(self) -> None:
        """Ends the users that are left."""
        self._runner.stop()

    def tell(self, op: str, workload: str, moved_bytes: int, took_ns: int, failure: Failure | None) -> None:
        """For Locust's live page and for what listens to its events; the report takes its numbers from the samples.

        By workload, never by key, and with the failure's few words: Locust keeps a row for each name and error for ever.
        """
        self.environment.events.request.fire(  # type: ignore[no-untyped-call] # Locust types its events in part
            request_type=op,
            name=workload,
            response_time=took_ns / 1e6,
            response_length=moved_bytes,
            exception=str(failure) if failure else None,
            context={},
        )
