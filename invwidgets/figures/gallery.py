"""The gallery of a run: the photo and the images of all seeds with their errors, saved or live."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..images import rgb_note, to_uint8
from ..inversion.progress import last_frame
from ..inversion.result import Reconstruction, steps_in_words
from .canvas import LIGHT, Theme
from .contrast import STRETCHED, stretched
from .grid import EDGE, Plan, plan_grid, without_orphan
from .sheet import Sheet

_HEAD = 66
_EDGE = 14  # the margin of a saved picture
SILENT = " · silent"  # after a seed's response, see ``Reconstruction.silent``
OUTLIER = " · outlier"  # after a seed's error, see ``Reconstruction.outliers``
SPREAD = (1e-4, 0.5)  # standard deviations, of the range, drawn black and white; 0.5 is the largest
MEAN_SAYS = "of all seeds"
SPREAD_SAYS = "dark where they agree · black 0.01 %, white 50 %"


class Gallery:
    """A sheet with the photo, the images of the seeds, their mean and their spread.

    ``place`` maps a seed's index, or ``"photo"``, ``"mean"``, ``"spread"``, to its cell.
    With ``stretch`` the contrast of the seeds' images and of their mean is stretched. The spread is
    the standard deviation across seeds at each pixel, on the same logarithmic scale in every
    picture: black is 0.01 % of the range or less, white is 50 %, the maximum.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: tuple[int, int],
        *,
        photo: bool = True,
        width: int = 900,
        theme: Theme = LIGHT,
        scale: float = 1.0,
        columns: int | None = None,
        heading: tuple[str, str] | None = None,
        stretch: bool = False,
    ) -> None:
        self.seeds = tuple(seeds)
        self.stretch = stretch
        keys: list[int | str] = ["photo"] if photo else []
        keys += range(len(self.seeds))
        keys += ["mean", "spread"] if len(self.seeds) > 1 else []
        self.place = {key: cell for cell, key in enumerate(keys)}
        head, edge = (_HEAD, _EDGE) if heading else (0, EDGE)
        self.plan: Plan = plan_grid(len(keys), shape, width, columns=columns, head=head, edge=edge)
        self.sheet = Sheet(self.plan, theme, scale)
        for index, seed in enumerate(self.seeds):
            self.sheet.caption(self.place[index], f"seed {seed}")
        if "mean" in self.place:
            self.sheet.caption(self.place["mean"], "mean", MEAN_SAYS)
            self.sheet.caption(self.place["spread"], "spread", SPREAD_SAYS)
        if heading is not None:
            self.sheet.head(*heading)

    def show_photo(
        self, photo: NDArray[np.uint8], name: str, field: tuple[int, int, int, int] | None = None
    ) -> None:
        """Show the photo (H, W, 3) and a region's receptive field (top, left, bottom, right)."""
        cell = self.place["photo"]
        self.sheet.show(cell, photo, name, photo_says(field is not None, self.stretch))
        if field is not None:
            height, width = photo.shape[:2]
            top, left, bottom, right = field
            parts = (top / height, left / width, bottom / height, right / width)
            self.sheet.frame_field(cell, parts)

    def show_seeds(
        self,
        images: NDArray[np.uint8],
        captions: Sequence[tuple[str, str]],
        best: int,
        spread: NDArray[np.float32] | None = None,
    ) -> None:
        """Show the images of the seeds (S, H, W, 3) with captions, and mark the best one.

        ``spread`` (H, W) is the standard deviation across seeds; see ``metrics.spread``.
        """
        shown = stretched if self.stretch else _unchanged
        for index, (first, second) in zip(range(len(self.seeds)), captions, strict=False):
            cell = self.place[index]
            if self.plan.spots[cell].lines == 1:  # a narrow one has room for the number
                first = first.removeprefix("error ")
            self.sheet.show(cell, shown(images[index]), first, second)
        if best in self.place and "mean" in self.place:
            self.sheet.mark(self.place[best])
        if "mean" in self.place:
            mean = np.round(images.mean(0, dtype=np.float32)).astype(np.uint8)
            self.sheet.show(self.place["mean"], shown(mean), "mean", MEAN_SAYS)
        if "spread" in self.place and spread is not None:
            self.sheet.show(self.place["spread"], heat(spread), "spread", SPREAD_SAYS)


def gallery(
    result: Reconstruction,
    columns: int | None = None,
    limit: int = 64,
    theme: Theme = LIGHT,
    width: int | None = None,
    rgb: Sequence[int] | None = None,
) -> Figure:
    """Draw the gallery of a result: the photo, up to ``limit`` seeds, their mean and spread.

    >>> gallery(invert("coffee", layer="blocks.2")).savefig("coffee.png")

    Frames mark the best seed and, on the photo, a region's receptive field. Weights that are not
    pretrained are named. Images with one channel are drawn in gray. Of images with neither one nor
    three channels, the channels ``rgb`` are drawn as red, green and blue, by default the first
    three; the heading names them.
    """
    return gallery_of(result, columns, limit, theme, width, rgb=rgb).sheet.figure


def gallery_of(
    result: Reconstruction,
    columns: int | None = None,
    limit: int = 64,
    theme: Theme = LIGHT,
    width: int | None = None,
    scale: float = 1.25,
    said: str = "",
    rgb: Sequence[int] | None = None,
) -> Gallery:
    """The gallery of a result, ready to be drawn or saved; ``said`` is added to its heading."""
    frame = last_frame(result, rgb)
    images = frame.images
    count = min(limit, len(images))
    cells = count + (result.photo is not None) + (2 if count > 1 else 0)
    if width is None:
        columns = columns or _columns(cells, count + (result.photo is not None))
        width = max(480, 210 * columns - 14 + 2 * _EDGE)
    drawn = Gallery(
        result.seeds[:count],
        images.shape[1:3],
        photo=result.photo is not None,
        width=width,
        theme=theme,
        scale=scale,
        columns=columns,
        heading=(title_of(result), " · ".join(filter(None, (picture_note(result, rgb), said)))),
        stretch=result.handcrafted,
    )
    if result.photo is not None:
        drawn.show_photo(to_uint8(result.photo, rgb), result.photo_name, result.field_box)
    captions = [caption(result, index) for index in range(count)]
    drawn.show_seeds(images, captions, best_seed(result), frame.spread)
    return drawn


def _columns(cells: int, pictures: int) -> int:
    """The number of columns: few pictures are in one row with mean and spread below."""
    if pictures <= 5:
        return pictures
    return without_orphan(cells, min(8, math.ceil(math.sqrt(cells * 1.6))), range(3, 10))


def title_of(result: Reconstruction) -> str:
    """The heading of a result's gallery, in one line."""
    channels = result.selection.channels
    channel = int(channels[0]) if channels else None
    return result.objective.title(result.layer_in_words, result.photo_name, channel)


def note_of(result: Reconstruction) -> str:
    """The line about model, preset and steps; random weights are always named."""
    parts = [result.model]
    if result.note:
        parts.append(result.note)
    if result.selection.in_words():
        parts.append(result.selection.in_words())
    parts.append(steps_in_words(result.steps))
    if result.stopped:
        parts.append("stopped early")
    return " · ".join(parts)


def picture_note(result: Reconstruction, rgb: Sequence[int] | None = None) -> str:
    """The line of ``note_of`` with notes on stretched contrast or chosen channels."""
    stretch = STRETCHED if result.handcrafted else ""
    drawn = rgb_note(result.images.shape[1], rgb)
    return " · ".join(filter(None, (note_of(result), stretch, drawn)))


def best_seed(result: Reconstruction) -> int:
    """The index of the seed with the best score."""
    return last_frame(result).best


def caption(result: Reconstruction, seed: int) -> tuple[str, str]:
    """The two lines below a seed's image: its score, and its number with other scores."""
    scores = result.scores
    score = "" if scores is None else result.objective.score_text(scores[seed])
    psnr = None if result.psnr is None else result.psnr[seed]
    ssim = None if result.ssim is None else result.ssim[seed]
    number = result.seeds[seed]
    if number in result.silent:
        score += SILENT
    return seed_caption(number, score, psnr, ssim, number in result.outliers)


def seed_caption(
    seed: int,
    score: str,
    psnr: float | None = None,
    ssim: float | None = None,
    outlier: bool = False,
) -> tuple[str, str]:
    """The two lines below a seed's image, for live and saved pictures."""
    first = f"{score}{OUTLIER if outlier else ''}"
    second = [f"seed {seed}"]
    if psnr is not None:
        second.append(f"{psnr:.1f} dB")
    if ssim is not None:
        second.append(f"SSIM {ssim:.2f}")
    return first, " · ".join(second)


def heat(spread: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Standard deviations (H, W) as colors (H, W, 3), dark to bright, on the scale ``SPREAD``."""
    black, white = SPREAD
    values = np.log(np.maximum(spread, black) / black) / math.log(white / black)
    index = np.clip(np.round(values * 255), 0, 255).astype(np.uint8)
    return _heat_table()[index]


def _unchanged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels


def photo_says(field: bool, stretch: bool) -> str:
    """The line below the photo: the part that is scored, and notes on the other pictures."""
    parts = ["dB and SSIM: in the frame" if field else "the photo"]
    if stretch:
        parts.append("others stretched")
    return " · ".join(parts)


def _heat_table() -> NDArray[np.uint8]:
    from matplotlib import colormaps

    table: NDArray[np.uint8] = colormaps["magma"](np.arange(256), bytes=True)[:, :3]
    return table
