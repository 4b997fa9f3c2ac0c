"""The class ``Sweep``, a grid of runs that is described once and never computes anything twice.

>>> sweep = Sweep(photos=["coffee", "rocket"], layers=["blocks.2", "blocks.4"], store="sweep")
>>> sweep.run(workers=2)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import OutputError, shown, shown_path
from .executors import Control
from .grid import Grid, Point, read_plan
from .run import Status, SweepProgress, run_sweep, status_of
from .store import Store, needs_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..inversion.result import Reconstruction
    from .jobs import Job


__all__ = ["Status", "Sweep", "SweepProgress", "status_of"]


class Sweep:
    """A grid of runs over photos, networks, layers, regions, channels, settings and seeds.

    >>> sweep = Sweep(
    ...     photos=["coffee", "rocket"], layers=["blocks.2", "blocks.4"],
    ...     settings={"steps": 100, "tv_weight": [0.002, 0.02]}, seeds=2, store="sweep",
    ... )
    >>> sweep.run().describe()
    '8 jobs: 8 stored'

    Each axis is a value or a list of values, and the jobs are all combinations. Every job runs on
    one CPU thread, so that its result is the same wherever it runs.

    Parameters
    ----------
    photos : str or path, or a list of them
        Paths of photos, or names of bundled ones; none for an objective that needs no photo.
    targets : str or path, or a list of them
        Files of features (.npy, .safetensors), which are inverted instead of photos.
    models : str, or a list of them
        Names of networks: from ``list_models()``, ``"timm/NAME"``, or
        ``"package.module:function"``, your own function, which every worker can import and which
        returns a representation.
    layers : str, a list of them, or dict
        Names of layers; a dict gives the layers of each model. By default the network's output if
        it is a map, else a stage at about a third of the depth.
    regions : str or (int, int, int, int), or a list of them
        The cells to invert, ``"R0:R1,C0:C1"`` or (r0, r1, c0, c1), half-open; all by default.
    channels : str, int or list of int, or a list of them
        The channels to invert, such as ``"0,3,8:16"``; all by default. ``[0, 1]`` is one selection
        of two channels, ``[[0, 1], [2]]`` are two selections.
    settings : dict
        Keyword arguments of ``invert`` by name (``preset``, ``steps``, ``tv_weight``, …), each a
        value or a list of values. The defaults differ for ``precision`` (float32) and ``frames``
        (0).
    seeds : int or list of int, or a list of lists
        The number of random starts of each job (seeds 0 …), or a list of seeds. In a list of lists,
        each list is a value of the axis.
    weights : str or path, a list of them, or dict
        ``"pretrained"``, ``"random"`` (seeded), or the path of a state dict; a dict gives the
        weights of each model.
    size : int, (height, width) or str, optional
        The size of the images in pixels; by default the network's.
    fit : str
        How a photo is brought to that size: ``"crop"`` or ``"stretch"``.
    store : path or str, optional
        A folder or a URL of fsspec. A job that is stored there, with the same photo, weights and
        settings, is not computed again.

    Raises
    ------
    InvwidgetsError
        For an axis that is empty or misspelt, a name that does not exist, or a store that cannot be
        used.
    """

    def __init__(
        self,
        photos: Any = (),
        models: Any = None,
        layers: Any = None,
        *,
        targets: Any = (),
        regions: Any = None,
        channels: Any = None,
        settings: Any = None,
        seeds: Any = 4,
        weights: Any = None,
        size: Any = None,
        fit: str = "crop",
        store: Any = None,
        **misspelt: Any,
    ) -> None:
        given = {"photos": photos, "targets": targets, "layers": layers, "regions": regions,
                 "channels": channels, "seeds": seeds, "weights": weights, "size": size,
                 "fit": fit}  # fmt: skip
        given |= {} if models is None else {"models": models}
        given |= {} if settings is None else {"settings": settings}
        self.grid = Grid.of(**given, **misspelt)
        self._place = store
        self._known_keys: list[str] | None = None

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], store: Any = None) -> Sweep:
        """The sweep in a TOML file, whose keys are the names of the axes.

        Raises ``BadSettingError`` for a file that is not TOML.
        """
        return cls._of(read_plan(path), store)

    @classmethod
    def reopen(cls, store: Any) -> Sweep:
        """The sweep for which a store was last used, to look at its results or to continue it.

        Raises ``OutputError`` if there is none.
        """
        opened = store if isinstance(store, Store) else Store(store, create=False)
        plans = opened.plans()
        if not plans:
            raise OutputError(f"no sweep was run with the store {shown_path(opened.url)} yet")
        sweep = cls._of(Grid.of(**plans[-1]["grid"]), opened)
        sweep._known_keys = plans[-1]["keys"]
        return sweep

    @classmethod
    def _of(cls, grid: Grid, store: Any) -> Sweep:
        sweep = cls.__new__(cls)
        sweep.grid, sweep._place, sweep._known_keys = grid, store, None
        return sweep

    def __len__(self) -> int:
        return len(self.grid)

    @cached_property
    def store(self) -> Store:
        """The store of the results."""
        return needs_store(self._place)

    @cached_property
    def points(self) -> list[Point]:
        """The combinations of the axes' values, one per job."""
        return self.grid.points()

    @cached_property
    def jobs(self) -> list[Job]:
        """The jobs, one per point. The first call loads the networks."""
        from .jobs import resolve

        return resolve(self.grid)

    @property
    def keys(self) -> list[str]:
        """The jobs' keys, in the order of ``points``."""
        return self._known_keys or [job.key for job in self.jobs]

    def status(self) -> Status:
        """The state of the jobs; every record is read and its digests are compared."""
        return status_of(self.store, self.keys)

    def run(
        self,
        workers: int | None = 1,
        *,
        scheduler: Any = None,
        on_progress: Callable[[SweepProgress], Any] | None = None,
        control: Control | None = None,
    ) -> Status:
        """Do the jobs that the store does not have; stored results are always kept.

        ``workers`` is the number of local processes; with 1 the jobs are done in this process, and
        None means as many as the machine has cores and memory for. ``scheduler`` is a Dask
        scheduler, given by its address or by a ``distributed.Client``, whose workers are used
        instead. ``on_progress`` is called with a ``SweepProgress`` before the first job and after
        each job.

        Raises ``OutputError`` if the store cannot be written to, ``InvwidgetsError`` if the
        scheduler cannot be reached.
        """
        self.__dict__.pop("jobs", None)  # a photo may have changed since
        self._known_keys = None
        return run_sweep(
            self.store, self.grid, lambda: self.jobs, workers, scheduler, on_progress,
            control or Control(),
        )  # fmt: skip

    def result(self, place: int | str) -> Reconstruction:
        """The result of a job, given by its index in ``points`` or by its key.

        Raises ``OutputError`` if it is missing or damaged.
        """
        key = self.keys[place] if isinstance(place, int) else place
        try:
            return self.store.result(key)
        except FileNotFoundError:
            raise OutputError(
                f"job {shown(place)} is not in the store {shown_path(self.store.url)} yet: run the "
                "sweep"
            ) from None

    def pictures(self, rows: str | None = None, columns: str | None = None, **held: Any) -> Figure:
        """A grid of the finished jobs' pictures over two axes, as a matplotlib figure.

        >>> sweep.pictures(rows="tv_weight", columns="layer", photo="coffee")

        Keywords give the values of the other axes, by default the first value of each.
        """
        from ..figures.sweep_grid import sweep_grid

        return sweep_grid(self, rows, columns, **held)

    def error_map(
        self,
        rows: str | None = None,
        columns: str | None = None,
        measure: str = "relative_error",
    ) -> Figure:
        """A heat map over two axes, averaged over all others and the seeds, as a matplotlib figure.

        >>> sweep.error_map(rows="tv_weight", columns="layer", measure="ssim")
        """
        from ..figures.error_map import error_map

        return error_map(self, rows, columns, measure)

    def table(self) -> list[dict[str, Any]]:
        """One row per stored job, with its point and the means over its seeds."""
        from .table import rows

        return rows(self)
