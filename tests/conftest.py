"""One thread for all tests: equal results everywhere, and no threads that wait on one another.

A shell that starts the tests in its background has them ignore Ctrl-C, and so would every process
that a test starts and interrupts: it would never end.
"""

from __future__ import annotations

import signal

import torch
from hypothesis import settings

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("fixed")
