"""Where a run stands: what whoever listens to a session is told.

>>> told = []
>>> with Session(told.append) as session:
...     session.start("coffee", layer="blocks.2")
...     result = session.wait()
>>> told[-1].state, told[-1].result is result
('finished', True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .frame import Frame
from .result import Reconstruction
from .run import Job

State = Literal["idle", "preparing", "running", "paused", "finished", "stopped", "failed"]
BUSY = ("preparing", "running", "paused")


@dataclass(frozen=True)
class Progress:
    """Where a run stands: what a listener is told.

    ``run`` counts the runs of the session; ``step`` steps are done of ``steps``, in ``seconds`` of
    search. ``frame`` is there when a new picture is due, ``result`` once the run has been measured,
    ``error`` in words if it failed. ``job`` is there from the moment the run is made ready.
    """

    run: int
    state: State
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    frame: Frame | None = None
    result: Reconstruction | None = None
    error: str = ""
    job: Job | None = None
