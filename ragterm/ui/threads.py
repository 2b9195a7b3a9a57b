"""How the interface's threads share the processor with its event loop."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

NICENESS = 10
"""Of every thread that works for the interface. The loop's own is 0."""


def step_back() -> None:
    """Let the calling thread, and those it will start, yield to the event loop's when both want to run. On Linux niceness
    belongs to a thread and is inherited; elsewhere it belongs to the process, and nothing is done."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
