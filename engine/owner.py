"""Who holds a lease: a text that names process and thread, so that their claims can be told when they end."""

import os
import socket
import threading
import uuid

GROUP_VARIABLE = "OST_WORKER_GROUP"  # the watchdog names its group to the processes that it starts
WATCHDOG_VARIABLE = "OST_WATCHDOG"  # and itself: its process id


def group() -> str:
    """The worker group this process belongs to; "" outside of one."""
    return os.environ.get(GROUP_VARIABLE, "")


def guarded() -> bool:
    """Whether the watchdog that started this process still is its parent; a process without one needs none."""
    return os.environ.get(WATCHDOG_VARIABLE) in (None, str(os.getppid()))


def owner() -> str:
    """host:group:process:thread:claim, another at each call; at most 80 characters."""
    return f"{claimant()}{uuid.uuid4().hex[:24]}"


def claimant() -> str:
    """What all claims of this thread begin with: another thread's are not its own to hand back."""
    return f"{socket.gethostname()[:26]}:{group()[:12]}:{os.getpid()}:{threading.get_native_id()}:"
