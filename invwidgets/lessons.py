"""The tasks of the lessons: their right answers, hints for wrong answers, and reasons.

>>> check("5.1", 83)
Task 5.1: right. Neighboring cells are 8 pixels apart, ...
>>> check("5.1", 201)
Task 5.1: not yet. The receptive fields of neighboring cells overlap. ...

The right answers are measured when an answer is checked, so they are those of the reader's own run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import comb
from typing import Any

import torch
from torch import Tensor

from .analysis.fields import EffectiveField
from .analysis.matching import recomposition
from .arguments import as_real
from .errors import BadSettingError, shown
from .images import read_photo
from .inversion.result import Reconstruction
from .representations.registry import representation
from .sweeps.sweep import Sweep

__all__ = ["Answer", "check", "tasks"]

_NETWORK = "efficientnet_lite0"


@dataclass(frozen=True)
class Answer:
    """The verdict of ``check`` on an answer: right or not, with a reason or a hint.

    >>> check("5.1", None).right is None
    True

    Attributes
    ----------
    task : str
        Its number.
    right : bool or None
        None as long as there is no answer.
    text : str
        The reason if the answer is right, a hint if it is not.
    """

    task: str
    right: bool | None
    text: str

    def __repr__(self) -> str:
        state = {True: "right", False: "not yet", None: "no answer yet"}[self.right]
        return f"Task {self.task}: {state}. {self.text}"


@dataclass(frozen=True)
class _Key:
    """The right answer of a task with its reason, and hints for wrong answers.

    ``mistakes`` are wrong answers whose cause is known, with their hints.
    """

    right: float | str
    why: str
    hint: str
    mistakes: Sequence[tuple[float | str, str]] = ()


@dataclass(frozen=True)
class _Task:
    key: Callable[[Any], _Key]
    choices: tuple[str, ...] = ()
    within: float = 0.03  # of the right number
    needs: str = field(default="")  # the names in the lesson that ``check`` gets as third argument


def check(task: str, answer: Any, measured: Any = None) -> Answer:
    """Check an answer to a task of a lesson; a wrong answer gets a hint.

    >>> check("5.1", 67 + 3 * 8)
    Task 5.1: not yet. Three cells in a row have two gaps between them. ...

    Parameters
    ----------
    task : str
        The number of the task, such as ``"4.2"``; ``tasks()`` lists them.
    answer : float or str or None
        A number, or one of the words that the task offers. None is no answer yet.
    measured : object, optional
        What the lesson computed for this task. The lesson's cell passes it.

    Returns
    -------
    Answer
        It shows as one paragraph.

    Raises
    ------
    BadSettingError
        If there is no such task, or ``measured`` is missing.
    """
    if not isinstance(task, str) or task not in TASKS:
        raise BadSettingError(f"task {shown(task)}: the tasks are {', '.join(TASKS)}")
    entry = TASKS[task]
    if answer is None:
        words = f"one of {', '.join(map(repr, entry.choices))}" if entry.choices else "a number"
        return Answer(task, None, f"Write {words} in place of None, and run this cell again.")
    given = answer.strip().lower() if isinstance(answer, str) else as_real(answer)
    if entry.choices and given not in entry.choices:
        return Answer(task, False, f"Answer one of {', '.join(map(repr, entry.choices))}.")
    if given is None or (isinstance(given, str) and not entry.choices):
        return Answer(task, False, f"{shown(answer)} is not a number. Answer a number.")
    if entry.needs and measured is None:
        raise BadSettingError(
            f"task {task} needs what the lesson computed: check({task!r}, answer, {entry.needs})"
        )
    key = entry.key(measured)
    if _equal(given, key.right, entry.within):
        return Answer(task, True, key.why)
    for wrong, hint in key.mistakes:
        if _equal(given, wrong, entry.within):
            return Answer(task, False, hint)
    return Answer(task, False, key.hint)


def tasks() -> tuple[str, ...]:
    """The numbers of all tasks.

    >>> tasks()[:2]
    ('1.1', '1.2')

    Returns
    -------
    tuple of str
        In the order of the lessons.
    """
    return tuple(TASKS)


def _equal(given: float | str, right: float | str, within: float) -> bool:
    if isinstance(given, str) or isinstance(right, str):
        return given == right
    return abs(given - right) <= within * abs(right)


# ---- what the tasks measure


def _features(layer: str, image: Tensor) -> Tensor:
    return representation(_NETWORK, layer).target(image)


def _gray_and_cat() -> tuple[float, float, float]:
    """The feature errors of a gray image and of the cat, and the gray one by its own norm."""
    phi = representation(_NETWORK, "blocks.2")
    coffee = phi.target(read_photo("coffee", phi.size))
    cat = phi.target(read_photo("chelsea", phi.size))
    gray = phi.target(torch.full((3, *phi.size), 0.5))
    distance = float((gray - coffee).norm())
    norm = float(coffee.norm())
    return distance / norm, float((cat - coffee).norm()) / norm, distance / float(gray.norm())


def _gray_predicted(_: Any) -> _Key:
    gray, cat, _norm = _gray_and_cat()
    ratio = gray / cat
    right = "below half" if ratio < 0.5 else "above twice" if ratio > 2 else "about the same"
    return _Key(
        right,
        "Task 1.2 measures it.",
        "A gray image has no edges, so channels that respond to edges give small numbers. For the "
        "cup they give large ones. Is the distance between the two then small? Measure (task 1.2).",
    )


def _gray_measured(_: Any) -> _Key:
    gray, cat, by_its_own = _gray_and_cat()
    return _Key(
        100 * gray,
        f"A gray image has a feature error of {gray:.0%}, and the cat {cat:.0%}. An error near 100 "
        "% means that a picture has nothing in common with the photo, to this layer.",
        "Compute phi.target of an image in which every pixel is 0.5: torch.full((3, 224, 224), "
        "0.5). The feature error is the norm of the difference of both feature tensors, divided by "
        "the norm of the features of coffee.",
        [
            (gray, "This is the ratio. Give it in percent."),
            (100 * by_its_own, "You divided by the norm of the gray image's features. Divide by "
             "the norm of the features of coffee."),
            (100 * cat, "This is the feature error of the cat. Use a gray image instead."),
        ],
    )  # fmt: skip


def _shifted_by_hand(_: Any) -> _Key:
    return _Key(
        0.75 * 0.25 + 0.25 * 0.75,
        "Three quarters of the parts move by 0.25, and one quarter moves back by 0.75.",
        "Which part of the picture moves to the right, and by how much? What leaves the picture on "
        "the right comes in on the left: how far did that move?",
        [
            (0.25, "Three quarters of the picture move by this much. How far is the last quarter, "
             "which leaves on the right and comes in on the left, from its old place?"),
            (0.75 * 0.25, "This counts three quarters of the picture. The rest moved, too."),
        ],
    )  # fmt: skip


def _shifted_measured(given: Any) -> _Key:
    result: Reconstruction = given
    assert result.photo is not None
    image = result.photo.roll(result.photo.shape[-1] // 4, dims=-1)
    moved = replace(result, images=image.expand_as(result.images))
    found = recomposition(moved).displacement
    return _Key(
        found,
        f"The measure gives {found:.2f} instead of 0.375. A square of the sky resembles the sky "
        "beside it, so its best match is often nearer than the place it came from. Displacement is "
        "a cautious measure: it reports less than what moved.",
        "Make a result whose images are the shifted photo: replace(results[0], "
        "images=photo.roll(48, -1).expand_as(results[0].images)), where photo is results[0].photo. "
        "Give it to iw.analysis.recomposition, and read displacement.",
        [
            (0.375, "This is the answer by hand. What does iw.analysis.recomposition measure?"),
            (recomposition(result).displacement, "This is the displacement of results[0] itself. "
             "Replace its images by the shifted photo first."),
        ],
    )  # fmt: skip


def _roughness(image: Tensor) -> float:
    return float(image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean())


def _rough_predicted(results: Any) -> _Key:
    found, photo = _roughness(results[2].images[0]), _roughness(results[2].photo)
    return _Key(
        "rougher" if found > photo else "smoother",
        "The prior favors smooth images, and the layer has lost some of the finest details. Task "
        "3.2 measures it.",
        "Which of the three terms of the sum is smaller for a smooth image? Look at the pictures "
        "for 'none' and 'enough' again. Then measure (task 3.2).",
    )


def _rough_measured(results: Any) -> _Key:
    photo = _roughness(results[2].photo)
    every = [100 * _roughness(result.images[0]) / photo for result in results]
    return _Key(
        every[2],
        "From none to too much, the roughness is "
        + ", ".join(f"{one:.0f} %" for one in every)
        + " of the photo's. The prior knows nothing of this photo, so no weight is right for "
        "all of its parts.",
        "Add the mean absolute difference along the rows, image.diff(dim=-1).abs().mean(), and the "
        "one along the columns (dim=-2). Do this for results[2].images[0] and for the photo, and "
        "divide.",
        [
            (every[2] / 100, "This is the ratio. Give it in percent."),
            (1e4 / every[2], "Divide the other way around: the image's by the photo's."),
            (every[0], "This is the image without a prior. 'Enough' is results[2]."),
            (every[1], "This is 'too little'. 'Enough' is results[2]."),
            (every[3], "This is 'too much'. 'Enough' is results[2]."),
        ],
    )


def _rms(image: Tensor, other: Tensor) -> float:
    return float((image - other).square().mean().sqrt())


def _to_photo(result: Reconstruction) -> float:
    assert result.photo is not None
    return sum(_rms(image, result.photo) for image in result.images) / len(result.images)


def _far_predicted(result: Any) -> _Key:
    return _Key(
        "photo" if _to_photo(result) > result.diversity["pixels"] else "each other",
        "All seeds are wrong in the same way, too: look at the gray of their mean. Task 4.2 "
        "measures it.",
        "If the seeds lay around the photo on all sides, the distance between two of them would be "
        "√2 times the distance to the photo. Does their mean look like the photo, then? Measure "
        "(task 4.2).",
    )


def _far_measured(result: Any) -> _Key:
    distance, apart = _to_photo(result), result.diversity["pixels"]
    return _Key(
        100 * distance,
        f"The seeds are {distance:.1%} from the photo, and {apart:.1%} from each other. So the "
        "pre-images do not lie around the photo. The prior draws all of them to one side: to gray, "
        "smooth images.",
        "For every seed, take the root of the mean square difference between its pixels and those "
        "of result.photo. Then take the mean over the seeds.",
        [
            (distance, "This is the share of the pixel range. Give it in percent."),
            (100 * apart, "This is the distance between the seeds. Take that to result.photo."),
            (100 * _rms(result.images.mean(0), result.photo), "This is the distance of the mean "
             "image. First take the distance of each seed, then the mean of the distances."),
            (100 * distance**2, "This is the mean square difference. Take its root."),
        ],
    )  # fmt: skip


def _three_cells(_: Any) -> _Key:
    phi = representation(_NETWORK, "blocks.2")
    right = phi.receptive_field((12, 15, 12, 15)).unclipped.width
    one = phi.receptive_field((12, 13, 12, 13)).unclipped.width
    return _Key(
        right,
        "Neighboring cells are 8 pixels apart, and two gaps add 16 pixels to the receptive field "
        "of one cell.",
        "The table gives the width for one cell, and the stride: the distance in pixels between "
        "neighboring cells.",
        [
            (3 * one, "The receptive fields of neighboring cells overlap. Each further cell adds "
             "only the stride."),
            (one + 3 * 8, "Three cells in a row have two gaps between them. How many strides do "
             "these add?"),
            (one, "This is the receptive field of one cell."),
        ],
    )  # fmt: skip


def _middle(given: Any) -> _Key:
    found: EffectiveField = given
    box = found.box
    rows, columns = box.height // 4, box.width // 4
    inner = found.weight[
        box.top + rows : box.bottom - rows, box.left + columns : box.right - columns
    ]
    share = float(inner.sum() / found.weight.sum())
    return _Key(
        100 * share,
        f"{share:.0%} of the weight is in a quarter of the pixels. If all pixels weighed the same, "
        "it would be 25 %.",
        "field = fields[2]; field.weight holds one weight for each pixel, and field.box the "
        "receptive field with top, bottom, left, right, height and width. Leave out a quarter of "
        "the box on each side, add up the weights that remain, and divide by the sum of all.",
        [
            (share, "This is the ratio. Give it in percent."),
            (25, "This holds if all pixels weigh the same. Add up field.weight instead."),
            (100 * (1 - share), "This is the share outside the middle."),
        ],
    )


def _none_of_four(_: Any) -> _Key:
    return _Key(
        100 * comb(28, 16) / comb(32, 16),
        "About one half in twenty contains none of the four. Among our 20 random halves one is "
        "such a half. Its colors are off by about four times as much as those of the usual half.",
        "There are comb(32, 16) halves of 32 channels. How many of them take all of their 16 "
        "channels from the other 28?",
        [
            (100 * 0.5**4, "This holds if a coin decides for each channel. A half has exactly 16 "
             "channels, so a channel that is left out makes the next one more likely."),
            (comb(28, 16) / comb(32, 16), "This is the probability. Give it in percent."),
            (100 * (1 - comb(28, 16) / comb(32, 16)), "This is the probability that at least one "
             "of the four is there."),
        ],
    )  # fmt: skip


def _without_four(given: Any) -> _Key:
    scores, usual = given
    colorful = (4, 7, 18, 23)
    off = scores([n for n in range(32) if n not in colorful])[0]
    ratio = off / usual
    return _Key(
        "worse" if ratio > 1 else "better",
        f"The colors are off by {off:.0%}, and those of the usual random half by {usual:.0%}, "
        "although 28 channels are kept instead of 16. It matters which channels are kept, more "
        "than how many.",
        "Which channels carry the color, by the figure? Run scores([n for n in range(32) if n not "
        "in (4, 7, 18, 23)])[0] and compare it with usual.",
    )


def _half_contrast(_: Any) -> _Key:
    hog = representation("hog")
    photo = read_photo("coffee", hog.size)
    pale = 0.25 + photo / 2
    errors = {}
    for layer in hog.layers():
        stage = hog.at(layer.name)
        features = stage.target(photo)
        errors[layer.name] = float((stage.target(pale) - features).norm() / features.norm())
    names = list(errors)
    right = next(name for name in names if errors[name] < 0.05)
    before = "At this stage the pale photo still has other numbers. Which stage removes contrast?"
    after = "The features agree at this stage, but they already agree at an earlier one."
    place = names.index(right)
    return _Key(
        right,
        f"Up to {names[place - 1]}, the error is {errors[names[place - 1]]:.0%}. Then each block "
        "is scaled to the same length, so a factor has no effect. A HOG descriptor cannot tell "
        "the pale photo from the other.",
        "Read the list of stages again: what does each of them do to numbers that are all halved?",
        [(name, before if names.index(name) < place else after) for name in names if name != right],
    )


def _sift_numbers(_: Any) -> _Key:
    channels, height, width = representation("dsift").layers()[-1].shape
    rows, columns = 192, 256
    numbers, pixels = channels * height * width, rows * columns
    return _Key(
        numbers / (3 * pixels),
        f"Dense SIFT stores {numbers} numbers, more than the photo has ({3 * pixels}). It loses "
        "color and brightness all the same. The number of numbers does not decide what is kept.",
        "Multiply the three numbers of the shape of dsift's last stage. The photo has 192 × 256 "
        "pixels of three numbers each.",
        [
            (numbers / pixels, "This is per pixel. A pixel has three numbers."),
            (3 * pixels / numbers, "Divide the other way around: SIFT's numbers by the photo's."),
        ],
    )


def _digit(given: Any) -> _Key:
    reader, result, mean, std = given
    with torch.no_grad():
        seen = int(reader((result.images[:1] - mean) / std).argmax())
        raw = int(reader(result.images[:1]).argmax())
    mistakes = [] if raw == seen else [(float(raw), "Apply the preprocessing first: subtract mean, "
                                        "and divide by std.")]  # fmt: skip
    return _Key(
        float(seen),
        "The network sees the digit of the photo, because the image has nearly the same ten "
        "numbers. A network can be certain of an image in which a person sees hardly anything.",
        "result.images[0] has nearly the same ten numbers as the photo. Which digit is "
        "labels[1600]? Then measure: reader((written[3].images - mean) / std).argmax(1).",
        mistakes,
    )


def _responses(unit: Reconstruction) -> tuple[float, Tensor]:
    """Channel 12's largest response to the first seed, and those of the other channels."""
    found = _features("blocks.3", unit.images[0])[0].amax((1, 2))
    return float(found[12]), torch.cat([found[:12], found[13:]])


def _rank(unit: Any) -> _Key:
    own, others = _responses(unit)
    above = int((others > own).sum())
    right = "first" if above == 0 else "top ten" if above < 10 else "lower"
    return _Key(
        right,
        f"{above} other channels respond more strongly. Task 9.2 measures by how much.",
        "The search maximized this one channel. What would have to be true for another channel to "
        "respond even more strongly to the same image? Then measure (task 9.2).",
    )


def _runner_up(unit: Any) -> _Key:
    own, others = _responses(unit)
    second = float(others.max())
    return _Key(
        own / second,
        f"The responses are {own:.0f} and {second:.0f}. The image excites this channel and hardly "
        "any other, so it shows what is special about the channel.",
        "phi(unit.images)[0].amax((1, 2)) has the largest response of each channel to seed 0. "
        "Divide that of channel 12 by the largest of all others.",
        [
            (second / own, "Divide the other way around: channel 12 by the largest other."),
            (1.0, "You divided channel 12 by itself. Leave it out among the others."),
        ],
    )


def _new_jobs(_: Any) -> _Key:
    return _Key(
        15,
        "The larger grid has 3 × 3 × 3 = 27 jobs. Twelve of them are stored, so 15 are computed.",
        "Count the jobs of the larger grid: photos × layers × weights. Which of them are stored?",
        [
            (27, "This is the number of all jobs. Twelve of them are stored already."),
            (12, "Six jobs are new for the third photo, and six for the third weight. One "
             "combination is missing: the third photo with the third weight."),
        ],
    )  # fmt: skip


def _more_seeds(given: Any) -> _Key:
    grid, sweep = given
    options: Mapping[str, Any] = {**grid, "seeds": 2}
    found = Sweep(**options, store=sweep.store.url).status()
    return _Key(
        float(len(found.missing)),
        "The seeds are part of a job's key, because one job runs all of its seeds. So no job with "
        "one seed is a job with two, and every job is computed again.",
        "What is a job's key computed from? Read the second paragraph of this lesson again, or ask "
        "iw.Sweep(**grid | {'seeds': 2}, store=sweep.store.url).status().",
    )


TASKS = {
    "1.1": _Task(_gray_predicted, ("below half", "about the same", "above twice")),
    "1.2": _Task(_gray_measured, within=0.01),
    "2.1": _Task(_shifted_by_hand, within=0.01),
    "2.2": _Task(_shifted_measured, needs="results[0]"),
    "3.1": _Task(_rough_predicted, ("rougher", "smoother"), needs="results"),
    "3.2": _Task(_rough_measured, needs="results"),
    "4.1": _Task(_far_predicted, ("photo", "each other"), needs="result"),
    "4.2": _Task(_far_measured, needs="result"),
    "5.1": _Task(_three_cells, within=0),
    "5.2": _Task(_middle, within=0.05, needs="fields[2]"),
    "6.1": _Task(_none_of_four),
    "6.2": _Task(_without_four, ("better", "worse"), needs="(scores, usual)"),
    "7.1": _Task(_half_contrast, ("gray", "gradient", "orientation", "cells", "blocks",
                                  "normalize", "clamp", "decompose")),
    "7.2": _Task(_sift_numbers),
    "8.1": _Task(_digit, within=0, needs="(reader, written[3], mean, std)"),
    "9.1": _Task(_rank, ("first", "top ten", "lower"), needs="unit"),
    "9.2": _Task(_runner_up, needs="unit"),
    "10.1": _Task(_new_jobs, within=0),
    "10.2": _Task(_more_seeds, within=0, needs="(grid, sweep)"),
}  # fmt: skip
