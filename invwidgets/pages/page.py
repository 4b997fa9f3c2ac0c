"""The functions ``page``, which writes results into an HTML file, and ``load_page``.

>>> page([invert("coffee", layer=f"blocks.{k}", seeds=2) for k in range(4)], "coffee.html")
<Page coffee.html: 4 results over layer, 0 holes, 0.4 MB>
>>> load_page("coffee.html").results[0].settings.steps
200
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from .. import __version__
from ..analysis.fields import EffectiveField
from ..arguments import real_number
from ..errors import BadSettingError, InvwidgetsError, OutputError, own_words, shown, shown_path
from ..files import as_path, check_place, written_whole
from ..inversion.hardware.threads import cpu_threads
from ..inversion.result import Reconstruction
from ..inversion.settings import InversionSettings
from ..representations.base import Representation
from ..sweeps.sweep import Sweep
from .content import Describer, pixels_key
from .document import DATA, Still, document
from .effective import Measured, checked
from .entries import Entry, Table, table_of
from .pictures import EFFORTS, Effort, Pictures, encoded, photo_picture

IN_NOTEBOOK = "invwidgets-page"  # the class of the frame around a page
FORMAT, VERSION = "invwidgets.page", 1
MEGABYTES = 6.0
_SAMPLES = 6  # the number of results from which the size of a page is estimated
_LABELS = {"model": "network", "tv_weight": "λ (total variation)", "alpha_weight": "λ (α-norm)"}
_BARE = ("layer", "photo", "model", "weights")  # axes whose values need no name
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class PageResult:
    """The data of one result in a page.

    ``at`` maps each axis to its value in words. ``summary`` is ``Reconstruction.summary()`` without
    the seconds. ``code`` is the Python code that repeats the run.
    """

    at: dict[str, str]
    settings: InversionSettings
    summary: dict[str, Any]
    code: str


@dataclass(frozen=True)
class Shown:
    """A page in a frame, as a notebook shows it."""

    text: str
    title: str
    height: str

    def _repr_html_(self) -> str:
        text = self.text.replace("&", "&amp;").replace("'", "&#39;")
        return (
            f'<iframe class="{IN_NOTEBOOK}" title="{escape(self.title)}" loading="lazy"\n'
            f'style="width: 100%; height: {escape(self.height)}; border: 0" '
            f"srcdoc='{text}'></iframe>"
        )


@dataclass(frozen=True)
class Page:
    """The data of a page, without its pictures.

    ``axes`` maps each axis to its values in words. ``holes`` lists the combinations without a
    result, each with the reason. ``date`` is the day of the latest result, empty if unknown.
    """

    path: str
    title: str
    date: str
    axes: dict[str, tuple[str, ...]]
    results: tuple[PageResult, ...]
    holes: tuple[tuple[dict[str, str], str], ...]
    bytes: int

    def show(self, height: str = "46rem") -> Shown:
        """The page as an output of a notebook, in a frame that needs no server.

        >>> page(results, "coffee.html").show()

        The output holds the whole page, so a stored notebook grows by ``bytes``.

        Parameters
        ----------
        height : str
            The height of the frame, as CSS has it.

        Returns
        -------
        Shown
            It shows as HTML.

        Raises
        ------
        OutputError
            If the file is gone.
        """
        return Shown(_text(self.path), self.title, height)

    def __repr__(self) -> str:
        over = f" over {', '.join(self.axes)}" if self.axes else ""
        return (
            f"<Page {self.path}: {len(self.results)} results{over}, {len(self.holes)} holes, "
            f"{self.bytes / 1e6:.1f} MB>"
        )


def page(
    results: (
        Reconstruction
        | Sequence[Reconstruction]
        | Mapping[str, Reconstruction]
        | Sweep
        | Sequence[Sweep]
    ),
    path: str | os.PathLike[str],
    title: str = "",
    *,
    date: str = "",
    network: Representation | None = None,
    megabytes: float = MEGABYTES,
    plays: bool = False,
    effective_fields: Mapping[str, Sequence[EffectiveField]] | None = None,
) -> Page:
    """Write one HTML file in which a reader explores results, without a kernel or a network.

    >>> results = [invert("coffee", layer=f"blocks.{k}", seeds=2) for k in range(4)]
    >>> page(results, "coffee.html", "Coffee").axes["layer"]
    ('blocks.0', 'blocks.1', 'blocks.2', 'blocks.3')

    The file loads nothing from elsewhere. It has a slider for the layers, a control for every other
    axis on which the results differ, the seeds with their mean and spread, playback if the results
    have frames, the numbers with their definitions, and the Python code of every picture. The same
    store and arguments give the same bytes.

    Parameters
    ----------
    results : Reconstruction or Sweep, or a sequence of either
        Results of ``invert``, the ``results`` of a strip, or sweeps that were run. Combinations
        that a sweep has not stored are shown as holes, with the reason.
    path : path
        The path of the file. An old file is replaced only by a complete new one.
    title : str
        The heading; by default it names the photo.
    date : str
        The day that the page shows, such as ``"2026-01-31"``. By default the day on which the
        latest job was stored; results of ``invert`` have no day.
    network : Representation, optional
        The network of the results, if it is your own. The page then has its receptive fields and
        the sizes of its layers.
    megabytes : float
        The largest size of the file. The quality of the pictures is as high as it allows.
    plays : bool
        Whether the page moves along its slider by itself until a reader touches it.
    effective_fields : mapping of str to sequence of EffectiveField, optional
        By layer, the measured effective receptive fields of single cells, one for each combination
        of some rows and some columns. Where a reader points, the page fades the pixels that have
        little weight in the field of the nearest of these cells.

    Returns
    -------
    Page
        The data of the page, as ``load_page`` reads it.

    Raises
    ------
    BadSettingError
        For no results, for results that differ in nothing, for a size too small for the
        pictures, or for effective fields of other layers, of other sizes or not of a grid of cells.
    OutputError
        If the path cannot be written to, or if no job of the sweeps is stored.
    """
    place = check_place(path)
    text = page_text(
        results, title, date=date, network=network, megabytes=megabytes, plays=plays,
        effective_fields=effective_fields,
    )  # fmt: skip
    with written_whole(place) as partial:
        partial.write_bytes(text.encode())
    return load_page(place)


def page_text(
    results: Any,
    title: str = "",
    *,
    date: str = "",
    network: Representation | None = None,
    megabytes: float = MEGABYTES,
    plays: bool = False,
    photo: str | None = None,
    effective_fields: Any = None,
) -> str:
    """The text of the file that ``page`` writes.

    ``photo`` is the Python expression for the photo of all results; by default each result names
    its own.
    """
    if not isinstance(title, str):
        raise BadSettingError(f"title {shown(title)}: give text")
    if not isinstance(date, str) or (date and not _DAY.fullmatch(date)):
        raise BadSettingError(f"date {shown(date)}: give a day such as '2026-01-31'")
    if network is not None and not isinstance(network, Representation):
        raise BadSettingError(f"network {shown(network)}: give what iw.representation returns")
    budget = 1e6 * real_number(megabytes, "megabytes", 0.01, 1000)
    with cpu_threads(1):  # the same results give the same bytes on any number of cores
        table = table_of(results, network, photo)
        made = _Made(table, title, date or table.finished, bool(plays), effective_fields)
        return made.within(budget)


def load_page(path: str | os.PathLike[str]) -> Page:
    """Read the data of a page: title, day, axes, and the settings of every result.

    >>> written = page(invert("coffee", layer="blocks.2"), "coffee.html")
    >>> load_page("coffee.html").results[0].settings.tv_weight == 0
    False

    Nothing in the file is executed.

    Parameters
    ----------
    path : path
        The path of a file that ``page`` wrote.

    Returns
    -------
    Page
        The data of the page, without its pictures.

    Raises
    ------
    OutputError
        If the file cannot be read or is not such a page.
    """
    name = as_path(path)
    text = _text(name)
    try:
        begin = f'<script type="application/json" id="{DATA}">'
        start = text.index(begin) + len(begin)
        content = json.loads(text[start : text.index("</script>", start)])
        found = re.fullmatch(rf"{FORMAT}/(\d{{1,9}})", content["format"])
        if found is None:
            raise ValueError("its format has another name")
        if int(found[1]) > VERSION:
            raise OutputError(
                f"{shown_path(name)} was written by a newer version of invwidgets (format "
                f"{found[1]}, this one reads up to {VERSION}): pip install -U invwidgets"
            )
        return _page_of(name, content, len(text.encode()))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{shown_path(name)} is not a page ({own_words(error)}): give a file that iw.page wrote"
        ) from None


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or own_words(error)
        raise OutputError(
            f"{shown_path(name)} cannot be read ({words}): give a file that iw.page wrote"
        ) from None


def _page_of(name: str, content: dict[str, Any], size: int) -> Page:
    axes = {axis["name"]: tuple(axis["values"]) for axis in content["axes"]}

    def at(places: Sequence[int]) -> dict[str, str]:
        return {axis: axes[axis][place] for axis, place in zip(axes, places, strict=True)}

    results, holes = [], []
    for entry in content["entries"]:
        told = entry["told"]
        if told is None:
            holes.append((at(entry["at"]), str(entry["reason"])))
            continue
        settings = InversionSettings.from_dict(told["summary"]["settings"])
        results.append(PageResult(at(entry["at"]), settings, told["summary"], told["code"]))
    return Page(name, content["title"], content["date"], axes, tuple(results), tuple(holes), size)


class _Made:
    """A page in the making: descriptions, computed once; pictures, computed for each quality."""

    def __init__(self, table: Table, title: str, date: str, plays: bool, effective: Any) -> None:
        self.table, self.date = table, date if _DAY.fullmatch(date) else ""
        self.plays = plays
        self.described: list[dict[str, Any] | None] = []
        self.reasons = [entry.reason for entry in table.entries]
        self.photos: dict[
            str, tuple[str, int]
        ] = {}  # by pixels: the name and an entry with this photo
        self.photo_of: list[int | None] = []
        describer = Describer()
        for place, entry in enumerate(table.entries):
            result = self._loaded(place, entry)
            self.described.append(None if result is None else describer.of(entry, result))
            self.photo_of.append(None)
            if result is not None and result.photo is not None:
                key = pixels_key(result.photo)
                self.photos.setdefault(key, (result.photo_name, place))
                self.photo_of[-1] = list(self.photos).index(key)
        self.axes = {
            name: self._short_names() or values if name == "layer" else values
            for name, values in table.axes.items()
        }
        self.fields = _shared_once(self.described)
        self.there = [place for place, told in enumerate(self.described) if told is not None]
        if not self.there:
            raise OutputError(f"a page of no results: {self.reasons[0]}")
        self.effective = self._effective_fields(effective)
        self.title = title or self._default_title()

    def _effective_fields(self, given: Any) -> dict[str, Measured]:
        """The measured fields by layer; a description has the place of its layer's."""
        told = [one for one in self.described if one is not None]
        layers = [one["summary"]["layer"] for one in told]
        found = checked(given, layers)
        for one, layer in zip(told, layers, strict=True):
            one["effective"] = list(found).index(layer) if layer in found else None
            if layer not in found:
                continue
            if one["field"] is None:
                raise BadSettingError(
                    f"effective_fields of {layer}: the receptive fields of this layer are unknown; "
                    "if the network is your own, give it as network=…"
                )
            if found[layer].size != tuple(one["size"]):
                raise BadSettingError(
                    "effective_fields of {}: they were measured at {} × {} pixels, and the results "
                    "have {} × {}".format(layer, *found[layer].size, *one["size"])
                )
        return found

    def _short_names(self) -> tuple[str, ...]:
        """The short names of the layers in their networks; empty if they are not known."""
        names = list(self.table.axes["layer"])
        for told in self.described:
            if told is not None and told["shape"] is not None and told["layer"] in names:
                names[names.index(told["layer"])] = told["shape"]["name"]
        return tuple(names) if len(set(names)) == len(names) else ()

    def within(self, budget: float) -> str:
        """The text of the file, with pictures of the best quality that ``budget`` bytes allow.

        Raises ``BadSettingError`` if they do not fit at any quality.
        """
        text = ""
        for effort in EFFORTS:
            last = effort is EFFORTS[-1]
            if not last and self._estimate(effort) > 1.1 * budget:
                continue
            text = self._document(effort)
            if len(text.encode()) <= budget:
                return text
        raise BadSettingError(
            f"megabytes={budget / 1e6:g}: this page needs {len(text.encode()) / 1e6:.1f} with its "
            "smallest pictures; give at least that, or fewer results"
        )

    def _estimate(self, effort: Effort) -> float:
        """The estimated bytes of the whole file, from a few results."""
        count = len(self.there)
        step = max(1, count // _SAMPLES)
        sample = self.there[::step][:_SAMPLES]
        size = 0
        for place in sample:
            pictures = self._pictures(place, effort)
            if pictures is not None:
                each = [
                    *pictures.seeds,
                    *pictures.films,
                    pictures.mean or b"",
                    pictures.spread or b"",
                ]
                size += sum(len(one) for one in each)
        text = len(json.dumps(self.described))
        return text + 4 / 3 * size * count / len(sample)

    def _pictures(self, place: int, effort: Effort) -> Pictures | None:
        result = self._loaded(place, self.table.entries[place])
        return None if result is None else encoded(result, effort)

    def _loaded(self, place: int, entry: Entry) -> Reconstruction | None:
        if entry.load is None:
            return None
        try:
            return entry.load()
        except InvwidgetsError as error:  # it was damaged meanwhile
            self.reasons[place] = str(error)
            return None

    def _document(self, effort: Effort) -> str:
        stills, photos = [], []
        for place, told in enumerate(self.described):
            pictures = None if told is None else self._pictures(place, effort)
            words = self._words(place)
            stills.append(Still(words, told, pictures, self.reasons[place]))
        for name, place in self.photos.values():
            result = self._loaded(place, self.table.entries[place])
            if result is not None and result.photo is not None:
                height, width = result.photo.shape[-2:]
                photos.append((name, photo_picture(result.photo, effort), (height, width)))
        return document(self._content(stills, effort), stills, photos, self.title)

    def _words(self, place: int) -> str:
        """The values of an entry on the axes, in words."""
        entry = self.table.entries[place]
        words = [
            ("" if name in _BARE else f"{_LABELS.get(name, name)} ") + values[entry.places[name]]
            for name, values in self.axes.items()
        ]
        told = self.described[place]
        return " · ".join(words) or ("" if told is None else told["layer"])

    def _default_title(self) -> str:
        told = [self.described[place] or {} for place in self.there]
        titles = list(dict.fromkeys(one["title"] for one in told))
        if len(titles) == 1:
            return str(titles[0])
        names = [name for name, _ in self.photos.values()]
        errors = all(one["summary"]["relative_error"] is not None for one in told)
        if errors and names:
            of = names[0] if len(set(names)) == 1 else "each photo"
            layer = "each layer" if "layer" in self.table.axes else told[0]["layer"]
            return f"What {layer} keeps of {of}"
        return "Reconstructions"

    def _content(self, stills: Sequence[Still], effort: Effort) -> dict[str, Any]:
        told = [still.described for still in stills if still.pictures is not None]
        summaries = [one["summary"] for one in told if one is not None]
        return {
            "format": f"{FORMAT}/{VERSION}",
            "version": __version__,
            "title": self.title,
            "date": self.date,
            "about": self._about(summaries),
            "axes": [
                {"name": name, "label": _LABELS.get(name, name), "bare": name in _BARE,
                 "values": list(values)}
                for name, values in self.axes.items()
            ],
            "main": self.table.main,
            "plays": self.plays,
            "fields": self.fields,
            "effective": [measured.content(effort) for measured in self.effective.values()],
            "photos": [name for name, _ in self.photos.values()],
            "made": self._made(summaries, effort),
            "entries": [
                {
                    "at": list(entry.places.values()),
                    "told": None if still.pictures is None else still.described,
                    "reason": still.reason,
                    "photo": photo,
                    "mean": still.pictures is not None and still.pictures.mean is not None,
                    "films": [] if still.pictures is None or not still.pictures.films
                    else list(still.pictures.film_steps),
                }
                for entry, still, photo in zip(
                    self.table.entries, stills, self.photo_of, strict=True
                )
            ],
        }  # fmt: skip

    def _about(self, summaries: Sequence[dict[str, Any]]) -> str:
        """A line with what is true of all results."""
        shared = [
            _shared(s["photo"] for s in summaries) if "photo" not in self.table.axes else "",
            _shared(s["model"] for s in summaries),
            _shared(s["note"] for s in summaries) if "weights" not in self.table.axes else "",
            _shared(s["layer"] for s in summaries),
            _shared(s["selection"]["shown"] for s in summaries),
            _shared(f"{s['steps']} steps" for s in summaries),
            _shared("{} × {} px".format(*s["settings"]["size"]) for s in summaries),
        ]
        return " · ".join(filter(None, shared))

    def _made(self, summaries: Sequence[dict[str, Any]], effort: Effort) -> list[tuple[str, str]]:
        def every(values: Any) -> str:
            return "; ".join(dict.fromkeys(str(value) for value in values))

        versions = {f"{k} {v}" for s in summaries for k, v in s["versions"].items()}
        rows = [
            ("Date", self.date),
            ("Network", every(f"{s['model']}, {s['weights']}" for s in summaries)),
            ("Weights' digest", every(s["digest"] for s in summaries)),
            ("Photo", every(s["photo"] for s in summaries)),
            ("Preset", every(s["settings"]["preset"] for s in summaries)),
            ("Steps", every(s["steps"] for s in summaries)),
            ("Seeds", every(", ".join(map(str, s["seeds"])) for s in summaries)),
            ("Versions", ", ".join(sorted(versions))),
            ("Pictures", f"WebP, quality {effort.quality}; the numbers are of the originals"),
        ]
        return [(name, value) for name, value in rows if value]


def _shared_once(described: Sequence[dict[str, Any] | None]) -> list[Any]:
    """The fields of all results without repetition; a description has the index of its field."""
    places: dict[int, int] = {}
    fields: list[Any] = []
    for told in described:
        if told is None or told["field"] is None:
            continue
        key = id(told["field"])
        if key not in places:
            places[key] = len(fields)
            fields.append(told["field"])
        told["field"] = places[key]
    return fields


def _shared(values: Any) -> str:
    found = set(values)
    return str(found.pop()) if len(found) == 1 else ""
