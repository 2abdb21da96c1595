"""A conversation with a child on another host: opened, asked, ended, through files there that a porter serves.

What is sent may be sent again: a request has a number, and the porter passes on each number once.
"""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from bench import reach
from bench.generator.replies import Replies, SessionLost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.records import GeneratorHost


_WITHDRAW_S: Final = 10.0


class Session:
    """One child on one host. No connection is needed for it to go on; `ask` is told when it is over."""

    def __init__(self, host: GeneratorHost, name: str, hello: Mapping[str, Any]) -> None:
        """Raises SessionLost where the host cannot be reached or refuses."""
        self.host, self.folder = host, f"{host.folder}/{name}"
        self._number, self._ready = 0, False
        try:
            self._open(json.dumps(hello).encode())
        except BaseException:
            self._withdraw()
            raise
        self.replies = Replies(host.reach, self.folder)

    def ask(self, request: Mapping[str, Any], on_progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Sends a request and waits for its end. Raises SessionLost."""
        if not self._ready:
            facts = self._answer(0, on_progress)
            if facts["problem"]:
                raise SessionLost(f"could not begin ({facts['problem'].rstrip('.')})")
            self._ready = True
        self._number += 1
        line = json.dumps({**request, "number": self._number}).encode()
        # Begun with a newline: what was torn before it stays a line of its own.
        self._send(f"cat >> {shlex.quote(self.folder)}/requests.jsonl", b"\n" + line + b"\n")
        return self._answer(self._number, on_progress)

    def close(self) -> None:
        """Lets the child end and removes its folder. Where the host cannot be reached, its porter does both later."""
        self.replies.close()
        folder = shlex.quote(self.folder)
        with suppress(reach.Unreachable, reach.Refused):
            reach.call(self.host.reach, f"touch {folder}/end && {_wait_for_the_end(folder)}; rm -rf {folder}", timeout_s=15)

    def _open(self, hello: bytes) -> None:
        folder = shlex.quote(self.folder)
        # Keys are in it: it is complete, and readable to nobody else, before the porter sees it under its name.
        whole = f"{{ [ $(wc -c < hello.part) = {len(hello)} ] || {{ rm -f hello.part; exit {reach.AGAIN}; }}; }}"
        make = f"umask 077 && mkdir -p {folder}/samples && cd {folder} && touch requests.jsonl replies.jsonl heartbeat"
        self._send(f"{make} && cat > hello.part && {whole} && mv hello.part hello.json", hello)

    def _withdraw(self) -> None:
        """Leaves no keys on a host that was not told all. Where it cannot be reached just now, its porter does it later."""
        with suppress(reach.Unreachable, reach.Refused):
            reach.call(self.host.reach, f"rm -rf {shlex.quote(self.folder)}", timeout_s=_WITHDRAW_S)

    def _send(self, command: str, stdin: bytes) -> None:
        try:
            reach.persist(self.host.reach, command, stdin=stdin)
        except reach.Unreachable as error:
            raise SessionLost(f"could not be reached for {reach.LOST_S:.0f} s ({error})") from None
        except reach.Refused as error:
            raise SessionLost(f"could not be told what to do ({error})") from None

    def _answer(self, number: int, on_progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        while True:
            message = self.replies.next()
            event = message.pop("event")
            if event == "done" and message.pop("number") == number:
                return message
            if event == "progress":
                on_progress(message)


def _wait_for_the_end(folder: str) -> str:
    """A shell command that waits for the porter's last word, five seconds at most."""
    return f"i=0; while [ $i -lt 25 ] && ! grep -q '\"ended\"' {folder}/replies.jsonl; do sleep 0.2; i=$((i+1)); done"
