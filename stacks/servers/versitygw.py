"""Versity S3 Gateway on a POSIX directory: one file per object, metadata in extended attributes."""

from stacks.server import NOT_FLUSHED, Credential, Server


def _command(address: str, shift: int) -> tuple[str, ...]:
    # Without --keep-alive every request opens a connection of its own, and the bench would measure connects;
    # without --quiet each one is a line in the engine's log, and it would measure logging.
    return ("--quiet", "--port", f"{address}:{7070 + shift}", "--health", "/health", "--keep-alive", "posix", "/data")


def _environment(credential: Credential) -> dict[str, str]:
    return {"ROOT_ACCESS_KEY": credential.access_key, "ROOT_SECRET_KEY": credential.secret_key}


SERVER = Server(
    name="versitygw",
    version="1.8.0",
    image="versitygw",
    layout="one file per object, metadata in extended attributes",
    feels_driver=True,
    port=7070,
    ready_path="/health",
    command=_command,
    environment=_environment,
    files=lambda _: {},
    quirks=(
        NOT_FLUSHED,
        "An error answer closes the connection, so the op after a failure also pays for a connect.",
    ),
    # backend/posix of 1.8.0 calls no fsync, on files nor on directories, and has no option for it.
    flushes_before_answer=False,
)
