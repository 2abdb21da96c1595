"""What every suite needs before its first test."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import sys
import tempfile

# A shell without job control starts its background jobs with SIGINT ignored, nohup with SIGHUP, and their children inherit that:
# those that tests interrupt would not notice.
for _signal, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _usual)

if "COWBENCH_STATE" not in os.environ:
    # Labels are made of what the state directory keeps, by modules of tests already: not of the user's own.
    os.environ["COWBENCH_STATE"] = tempfile.mkdtemp(prefix="cb", dir="/tmp")
    atexit.register(shutil.rmtree, os.environ["COWBENCH_STATE"], ignore_errors=True)

with contextlib.suppress(ImportError):
    from google.rpc import status_pb2

    # Pulumi's plugin side, which the simulator is, brings a copy of this message, and a process can have it only once. The
    # program itself never has both: its plugins are processes of their own.
    sys.modules["pulumi.runtime.proto.status_pb2"] = status_pb2
