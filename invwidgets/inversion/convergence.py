"""Whether a search came near enough for its images to show what a layer knows.

>>> convergence_note(invert("coffee", layer="blocks.2"))
''
"""

from __future__ import annotations

from .result import Reconstruction

FAR = 0.3  # relative error: what a layer's features are off by is no longer a small part of them


def converged(result: Reconstruction) -> bool:
    """Whether the best image is near, as the layer sees it; True where nearness is not asked."""
    errors = result.relative_error
    return not (result.objective.measures_error and errors and min(errors) > FAR)


def convergence_note(result: Reconstruction) -> str:
    """What to say of a search that did not come near, and what to do; empty if it did.

    Near is a relative error of at most 30 %. The default settings end at 5 to 17 % in the table of
    README.md, and below 12 % on HOG and dense SIFT.
    """
    if converged(result):
        return ""
    best = min(result.relative_error or (0.0,))
    remedy = "try fewer channels or a larger region"
    if result.stopped:
        remedy = "let it run to its end"
    elif result.steps < 1000:
        remedy = f"try {min(1000, 3 * result.steps)} steps or less smoothness"
    return (
        f"the search did not come near ({100 * best:.0f} % is left), so these images do not show "
        f"what {result.layer_in_words} knows: {remedy}"
    )
