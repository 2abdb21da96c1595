"""What every suite needs before its first test."""

from __future__ import annotations

import signal

# A shell without job control starts its background jobs with SIGINT ignored, and their children inherit that: those that
# tests interrupt would not notice.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
