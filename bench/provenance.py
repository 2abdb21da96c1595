"""What measured: versions of the software, and the machine that drives the load. Never a name of a host or a user."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("cowbench", "boto3", "botocore", "locust", "gevent", "pyarrow", "duckdb", "pulumi")


def versions() -> dict[str, str]:
    """What measures, by name and version; read from the installed packages' metadata, nothing is imported."""
    return {"python": platform.python_version(), **{package: _version(package) for package in _PACKAGES}}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def operator() -> dict[str, str]:
    """The machine that drives the load: kernel, processor, cores it may use, memory, distribution. No name of host or user."""
    return {
        "kernel": platform.release(),
        "cpu": _first_value("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": _memory(),
        "distribution": _distribution(),
    }


def _memory() -> str:
    kib, _, _ = _first_value("/proc/meminfo", "MemTotal").partition(" ")
    return f"{int(kib) / 2**20:.1f} GiB" if kib.isdigit() else "unknown"


def _first_value(path: str, key: str) -> str:
    """The value of the first `key : value` line of a file of the kernel; empty where there is no such file or line."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
