"""How the Pulumi CLI is called: which binary, which backend, which passphrase, which environment. No prompt, no update check."""

from __future__ import annotations

import hashlib
import logging
import os
import pwd
import secrets
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pulumi import automation

from bench.errors import DeployError
from stacks import image, state
from stacks.pulumi_process import PulumiProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROJECT = "cowbench"
STACK_MARK = "COWBENCH_STACK"
"""Set for every process that Pulumi starts for a stack, so that orphans are found again."""

_SELECTING = threading.Lock()
"""Parts of a stack go up side by side. What follows their selection may; imports and the CLI's notes are made one at a time."""

CHECKOUT = Path(__file__).resolve().parent.parent
"""Where the program and its packages lie: provider hosts import them from here."""


def environment(stack: str = "") -> dict[str, str]:
    """The variables that make the `pulumi` command work on Cowbench's stacks. The user's own ones win."""
    ours = {
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_PYTHON_CMD": sys.executable,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH", "")])),
        **_backend(),
        **_passphrase(),
    }
    if bundled := bundled_cli():
        # Built from modules: nothing can be downloaded, and trying would only wait for time-outs.
        ours["PATH"] = f"{bundled.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    if stack:
        ours[STACK_MARK] = mark(stack)
    return ours


def mark(stack: str) -> str:
    """The value of `STACK_MARK` for a stack: the state directory and the name."""
    return f"{state.root()}:{stack}"


def bundled_cli() -> Path | None:
    """The CLI that the bootstrap put into the cache, or None when the one on PATH is used."""
    path = image.cache_directory() / "bin" / "pulumi"
    return path if path.exists() else None


def selection_file(stack: str) -> Path:
    """Where the CLI notes which stack is selected in our work directory: it makes one for each directory, and removes none.

    Its home is the account's, whatever HOME says; the name is that of `projectWorkspace.settingsPath` in its source.
    """
    home = Path(os.environ.get("PULUMI_HOME") or Path(pwd.getpwuid(os.getuid()).pw_dir) / ".pulumi")
    project = hashlib.sha1(os.fsencode(_directory(stack) / "Pulumi.yaml"), usedforsecurity=False).hexdigest()
    return home / "workspaces" / f"{PROJECT}-{project}-workspace.json"


def _directory(stack: str) -> Path:
    return state.stack_dir(stack) / "work"


def has_own_backend() -> bool:
    """Whether stacks are kept in the state directory, and not in a backend of the user's."""
    return "PULUMI_BACKEND_URL" not in os.environ


def _backend() -> Mapping[str, str]:
    if not has_own_backend():
        return {}
    state.backend().mkdir(parents=True, exist_ok=True)
    return {"PULUMI_BACKEND_URL": f"file://{state.backend()}"}


def _passphrase() -> Mapping[str, str]:
    if os.environ.keys() & {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}:
        return {}
    path = state.passphrase_file()
    state.make_once(path, secrets.token_urlsafe(32))
    return {"PULUMI_CONFIG_PASSPHRASE_FILE": str(path)}


def command() -> automation.PulumiCommand:
    """The Pulumi CLI. Raises DeployError when there is none."""
    bundled = bundled_cli()
    try:
        return PulumiProcess(root=str(bundled.parent.parent) if bundled else None)
    except Exception as error:
        raise DeployError(
            f"no usable Pulumi CLI ({error})", next_step="run make setup; or install it from https://www.pulumi.com/docs/install/"
        ) from error


def select(stack: str, program: Callable[[], None]) -> automation.Stack:
    """The stack, created if it is not there yet, with a work directory of its own: two stacks never write the same file."""
    directory = _directory(stack)
    directory.mkdir(parents=True, exist_ok=True)
    options = automation.LocalWorkspaceOptions(
        work_dir=str(directory),
        pulumi_command=command(),
        project_settings=automation.ProjectSettings(name=PROJECT, runtime="python"),
        env_vars=environment(stack),
    )
    _hush()
    with _SELECTING:
        return automation.create_or_select_stack(stack_name=stack, project_name=PROJECT, program=program, opts=options)


def _hush() -> None:
    """An engine that has ended, and its inline program, cannot tell one another anything more: pages that are no news."""
    logging.getLogger("grpc._server").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", message="coroutine '.*' was never awaited", category=RuntimeWarning)
    warnings.filterwarnings("ignore", message="Error in event stream", category=UserWarning)
