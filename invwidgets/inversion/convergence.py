"""The test whether a search converged, so that its images show what a layer keeps.

>>> convergence_note(invert("coffee", layer="blocks.2"))
''
"""

from __future__ import annotations

from .result import Reconstruction

FAR = 0.3  # the feature error above which a search counts as not converged
_MOST = 1000  # steps that are suggested


def converged(result: Reconstruction) -> bool:
    """Whether the best image has a small feature error; True if the objective measures none."""
    errors = result.relative_error
    return not (result.objective.measures_error and errors and min(errors) > FAR)


def more_steps(result: Reconstruction) -> int | None:
    """How many steps to try where a search ran to its end and did not converge; else None."""
    if converged(result) or result.stopped or result.steps >= _MOST:
        return None
    return min(_MOST, 3 * result.steps)


def convergence_note(result: Reconstruction) -> str:
    """The note on a search that did not converge, with a remedy; empty if it converged.

    A search counts as converged if its feature error is at most 30 %. The default settings end at
    5 to 19 % in the table of README.md, and below 12 % on HOG and dense SIFT.
    """
    if converged(result):
        return ""
    best = min(result.relative_error or (0.0,))
    remedy = "try fewer channels or a larger region"
    if result.stopped:
        remedy = "let it run to its end"
    elif (steps := more_steps(result)) is not None:
        remedy = f"try {steps} steps or less smoothness"
    return (
        f"not converged (error {100 * best:.0f} %), so these images do not show what "
        f"{result.layer_in_words} keeps: {remedy}"
    )
