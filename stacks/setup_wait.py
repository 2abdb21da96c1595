"""Waiting for a host elsewhere to be ready: its cloud-init done, its engine answering. Says who failed, in their own words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stacks import reach as reaching
from stacks import setup_failure, user_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.errors import DeployError

_POLL_S = 0.2


def wait(
    reach: Sequence[str], host: str, *, limit_s: float, is_gone: Callable[[], bool], give_up: Callable[[str, str], DeployError]
) -> None:
    """Wait until the set-up has ended well.

    Raises DeployError with the set-up's words, or what `give_up` makes of (what happened, cloud-init's complaints).
    """
    deadline = time.monotonic() + limit_s
    while (left_s := deadline - time.monotonic()) > 0:
        done = reaching.run(reach, user_data.wait_until_set_up(limit_s=int(left_s) + 1), timeout_s=left_s + 60)
        if done.stdout.strip() == "0":
            return
        if status := done.stdout.strip():
            said = reaching.run(reach, f"cat {user_data.ROOT}/up.log", timeout_s=60).stdout
            raise setup_failure.explained(said.strip() or f"the set-up ended with status {status}", host=host)
        if is_gone():
            raise give_up("the VM ended while it was being set up", "")
        # A connection that broke is made anew: what happens on the VM does not depend on it.
        time.sleep(_POLL_S)
    log = reaching.run(reach, "grep -E 'WARN|ERROR|Traceback' /var/log/cloud-init.log | tail -n 12", timeout_s=60).stdout
    words = done.stderr.strip() or "SSH said nothing"
    raise give_up(f"cloud-init was not done within {limit_s:.0f} s ({words})", log)
