"""Spoils one thing in every Python process of a test, provider hosts too: on PYTHONPATH, Python imports this when it starts.

The fault is real from there on: a real engine refuses a real option, a real server ends by itself.
"""

from __future__ import annotations

import os
from dataclasses import replace

fault = os.environ.get("COWBENCH_TEST_FAULT", "")

if fault == "engine refuses an option":
    from stacks.drivers import overlay2

    overlay2.DRIVER = replace(overlay2.DRIVER, storage_options=("overlay2.no_such_option=1",))
elif fault == "filesystem without file types":
    from stacks.filesystem import FILESYSTEMS

    FILESYSTEMS["ext4"] = replace(FILESYSTEMS["ext4"], mkfs=FILESYSTEMS["ext4"].mkfs + " -O ^filetype")
elif fault == "server ends by itself":
    from stacks.servers import versitygw

    versitygw.SERVER = replace(versitygw.SERVER, command=lambda _address, _shift: ("--no-such-flag",))
elif fault:
    raise SystemExit(f"no fault is called {fault!r}")
