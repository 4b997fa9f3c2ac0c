"""Combinations of a user's module, a custom part, a state of the process, and other threads.

>>> case = draw("states", 0, random.Random(0))
>>> case.module, case.part, case.state, case.beside
>>> ask(case)
("result", [])

Each case is compared with a plain run: the same module and part in a fresh state, without other
threads. A problem begins with ``raw:`` if an error or a warning is not one of this package's
messages. It begins with ``differs:`` if a result, a module or the process is not as after the
plain run.
"""

from __future__ import annotations

import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from statistics import mode
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import invwidgets as iw
from invwidgets.models import zoo
from tests.foreign_modules import FOREIGN, SIZE
from tests.small_networks import HALF

from .hostile_parts import PARTS, Theirs

KINDS = ("modules", "parts", "states", "threads")
NAMED: dict[str, tuple[str | None, str]] = {  # networks by name: layer and weights
    "efficientnet_lite0": ("blocks.0", "pretrained"),
    "timm/test_resnet": ("layer1", "random"),
    "hog": (None, "pretrained"),
    "dsift": (None, "pretrained"),
}


@dataclass(frozen=True)
class Case:
    """One combination: an entry of each table, and the other options of the run."""

    module: str = "plain"
    part: str = "nothing of one's own"
    state: str = "plain"
    beside: str = "alone"
    options: tuple[tuple[str, Any], ...] = (("seeds", 1), ("steps", 3))

    @property
    def plain(self) -> Case:
        return replace(self, state="plain", beside="alone")


def draw(kind: str, index: int, rng: random.Random) -> Case:
    """A case with entry ``index`` of the table ``kind`` and random entries of the other tables."""
    chosen = {name: rng.choice([*table]) for name, table in entries().items()}
    if rng.random() < 0.4:  # else most are refused for their part
        chosen["part"] = "nothing of one's own"
    for name, plain in (("state", "plain"), ("beside", "alone")):
        if rng.random() < 0.25:
            chosen[name] = plain
    if rng.random() < 0.25:
        chosen["module"] = rng.choice(["plain", *NAMED])
    name = dict(zip(KINDS, entries(), strict=True))[kind]
    listed = [*entries()[name]]
    chosen[name] = listed[index % len(listed)]
    options: dict[str, Any] = {
        "seeds": rng.choice((1, 2, 2, (3, 1))),
        "steps": rng.choice((2, 3, 4)),
        "micro_batch": rng.choice((1, 1, 2)),
        "threads": rng.choice((1, 1, 1, 2)),
        "preset": rng.choice(("default", "default", "cvpr2015", "ijcv2016")),
        "frames": rng.choice((0, 2)),
    }
    if PARTS[chosen["part"]].counts:
        options["threads"] = 1
    if rng.random() < 0.15:
        options["region"] = rng.choice(("0:1,0:1", "0:2,1:2"))
    if rng.random() < 0.15:
        options["channels"] = rng.choice(("0:2", "group:0/2"))
    return Case(**chosen, options=tuple(options.items()))


def entries() -> dict[str, Any]:
    """The tables of entries, in the order of ``KINDS``."""
    return {"module": FOREIGN | NAMED, "part": PARTS, "state": STATES, "beside": BESIDE}


# ---- states of the process


@contextmanager
def put(get: Callable[[], Any], put: Callable[[Any], Any], value: Any) -> Iterator[None]:
    """Change a setting of the whole process inside the block."""
    before = get()
    put(value)
    try:
        yield
    finally:
        put(before)


@contextmanager
def seeded() -> Iterator[None]:
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        random.seed(99)
        np.random.seed(99)  # noqa: NPY002
        yield
    random.setstate(kept[0])
    np.random.set_state(kept[1])  # noqa: NPY002


@contextmanager
def another_thread(state: Callable[[], Any]) -> Iterator[None]:
    """Keep another thread in a state during the block."""
    entered, leave = threading.Event(), threading.Event()

    def wait() -> None:
        with state():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    entered.wait()
    try:
        yield
    finally:
        leave.set()
        thread.join()


@contextmanager
def strict_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="invwidgets")
        yield


@contextmanager
def heard() -> Iterator[None]:
    """Add a hook to all modules of the process during the block; it changes nothing."""
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def all_at_once() -> Iterator[None]:
    with torch.autocast("cpu"), torch.device("meta"), torch.inference_mode():
        yield


class Looking(TorchFunctionMode):
    """A user's function mode, which changes nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class Dispatched(TorchDispatchMode):
    """A user's dispatch mode, which changes nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def dtype_of(kind: torch.dtype) -> Callable[[], Any]:
    return lambda: put(torch.get_default_dtype, torch.set_default_dtype, kind)


@dataclass(frozen=True)
class State:
    """A state of torch: ``process`` is entered once, ``thread`` by each thread with a run."""

    process: Callable[[], Any] = nullcontext
    thread: Callable[[], Any] = nullcontext


STATES: dict[str, State] = {
    "plain": State(),
    "default dtype float64": State(dtype_of(torch.float64)),
    "default dtype bfloat16": State(dtype_of(torch.bfloat16)),
    "default dtype float16": State(dtype_of(torch.float16)),
    "autocast": State(thread=lambda: torch.autocast("cpu")),
    "autocast to float16": State(thread=lambda: torch.autocast("cpu", torch.float16)),
    "device meta": State(thread=lambda: torch.device("meta")),
    "default device meta": State(
        thread=lambda: put(lambda: None, torch.set_default_device, "meta")
    ),
    "no_grad": State(thread=torch.no_grad),
    "inference_mode": State(thread=torch.inference_mode),
    "all at once": State(dtype_of(torch.float64), all_at_once),
    "deterministic algorithms": State(
        lambda: put(
            torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
        )
    ),
    "one thread": State(lambda: put(torch.get_num_threads, torch.set_num_threads, 1)),
    "three threads": State(lambda: put(torch.get_num_threads, torch.set_num_threads, 3)),
    "generators seeded otherwise": State(seeded),
    "no_grad in another thread": State(lambda: another_thread(torch.no_grad)),
    "device meta in another thread": State(lambda: another_thread(lambda: torch.device("meta"))),
    "anomalies detected": State(lambda: torch.autograd.set_detect_anomaly(True)),
    "saved tensors packed": State(
        thread=lambda: torch.autograd.graph.saved_tensors_hooks(torch.clone, torch.clone)
    ),
    "a function mode": State(thread=Looking),
    "a dispatch mode": State(thread=Dispatched),
    "modules heard": State(heard),
    "numpy raises": State(thread=lambda: np.errstate(all="raise")),
    "warnings are errors": State(strict_warnings),
}


def process_state() -> dict[str, Any]:
    """The state of the process that a run must not change, as the calling thread sees it.

    An abandoned run changes the number of threads of new threads until it ends, so the most
    frequent of five readings counts.
    """
    threads: list[int] = []
    for _ in range(5):
        fresh = threading.Thread(target=lambda: threads.append(torch.get_num_threads()))
        fresh.start()
        fresh.join()
        time.sleep(0.01)
    return {
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"),
                     torch.is_autocast_cache_enabled()),
        "threads": torch.get_num_threads(),
        "a new thread's threads": mode(threads),
        "deterministic": (torch.are_deterministic_algorithms_enabled(),
                          torch.is_deterministic_algorithms_warn_only_enabled()),
        "anomaly mode": torch.is_anomaly_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "oneDNN": torch.backends.mkldnn.enabled,
        "modes": (torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()),
        "numpy's errors": np.geterr(),
    }  # fmt: skip


def shared_state() -> dict[str, Any]:
    """The state that all threads share, which can be compared only while no run is active."""
    return {
        "torch's generator": torch.get_rng_state(),
        "numpy's generator": np.random.get_state()[1:],  # noqa: NPY002
        "Python's generator": random.getstate(),
        "nn.Module": (nn.Module.__call__, nn.Module.__getattr__),
        "modules' hooks": len(nn.modules.module._global_forward_hooks),
    }


def module_state(module: Any) -> dict[str, Any]:
    """The state of a user's module that a run could change; empty for a network by name."""
    if not isinstance(module, nn.Module):
        return {}
    found: dict[str, Any] = {}
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if name in ("_parameters", "_buffers"):
                for key, tensor in value.items():
                    found[f"{path}.{key}"] = _tensor_state(tensor)
            elif name == "_modules":
                found[f"{path}.{name}"] = [*value]
            elif name.endswith(("hooks", "hooks_with_kwargs", "hooks_always_called")):
                found[f"{path}.{name}"] = [*value.items()] if isinstance(value, dict) else value
            elif isinstance(value, Tensor):
                found[f"{path}.{name}"] = _tensor_state(value)
            elif isinstance(value, bool | int | float | str | list | type(None)):
                found[f"{path}.{name}"] = value if not isinstance(value, list) else len(value)
    return found


def _tensor_state(tensor: Tensor | None) -> Any:
    if tensor is None or torch.nn.parameter.is_lazy(tensor) or tensor.device.type == "meta":
        return type(tensor)
    kept = [tensor.dtype, tensor.requires_grad, tensor.data_ptr(), tensor.stride()]
    return [*kept, tensor.is_leaf and tensor.grad is None, tensor.detach().clone()]


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in type and in every bit."""
    if isinstance(one, Tensor):
        if not isinstance(other, Tensor) or one.dtype != other.dtype or one.shape != other.shape:
            return False
        alike = torch.equal if not one.is_floating_point() else _same_numbers
        return alike(one, other)
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)


def _same_numbers(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.nan_to_num(0), other.nan_to_num(0)) and torch.equal(
        one.isnan(), other.isnan()
    )


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names of what changed."""
    names = [*before, *(name for name in after if name not in before)]
    return [n for n in names if n not in before or n not in after or not same(before[n], after[n])]


# ---- runs


@dataclass
class Ended:
    """The end of a run: the result's numbers, an error of this package, or another error."""

    how: str
    words: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    note: str = ""


def module_of(case: Case) -> Any:
    return case.module if case.module in NAMED else FOREIGN[case.module].make()


def representation_of(case: Case, module: Any) -> iw.Representation:
    if case.module in NAMED:
        layer, weights = NAMED[case.module]
        return iw.representation(module, layer, weights)
    layer = FOREIGN[case.module].layer
    return iw.representation(module, layer, mean=HALF, std=HALF, size=SIZE)


def arguments(case: Case, model: Any) -> dict[str, Any]:
    """The arguments of a run, whose model is the user's module or a representation of it."""
    given: dict[str, Any] = {"photo": "coffee", "model": model, "precision": "float32"}
    if case.module in NAMED:
        layer, weights = NAMED[case.module]
        given |= {"layer": layer, "weights": weights, "size": (40, 48)}
        if isinstance(model, iw.Representation):
            del given["layer"], given["weights"]
    elif not isinstance(model, iw.Representation):
        given |= {"layer": FOREIGN[case.module].layer, "mean": HALF, "std": HALF, "size": SIZE}
    options = dict(case.options)
    if isinstance(options["seeds"], tuple):
        options["seeds"] = list(options["seeds"])
    return given | options | PARTS[case.part].make()


def invert(case: Case, model: Any, how: Callable[..., iw.Reconstruction] = iw.invert) -> Ended:
    """Do a run in the thread's part of the state, and return how it ended."""
    theirs = ("callback", "knobs", "on_ready")
    given: dict[str, Any] = {}
    try:
        with STATES[case.state].thread():
            before = process_state()
            try:
                given = arguments(case, model)
                ended = _ended(how(**given))
            except iw.errors.InvwidgetsError as error:
                ended = Ended("refused", f"{type(error).__name__}: {error}")
            changed = changes(before, process_state())
    except Theirs as error:
        return Ended("theirs" if given.keys() & {*theirs} else "raw", _words(error))
    except BaseException as error:
        return Ended("raw", _words(error))
    if changed:
        ended.numbers["changed"] = changed
    return ended


def _words(error: BaseException) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    at = "" if place is None else f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
    return f"{type(error).__name__}: {str(error)[:300]} ({at})"


def _ended(result: iw.Reconstruction) -> Ended:
    with torch.inference_mode(False), torch.device("cpu"):
        kept = ("images", "scores", "relative_error", "raw_relative_error", "psnr", "ssim",
                "diversity", "energies", "steps", "stopped", "digest", "reverted", "frames",
                "note", "photo", "layer", "model")  # fmt: skip
        numbers = {name: getattr(result, name) for name in kept}
        numbers["settings"] = result.settings.to_dict()
        ended = Ended("result", note=result.note, numbers=numbers)
        if not bool(result.images.isfinite().all()):
            ended.how, ended.words = "raw", "images that are no numbers"
    return ended


# ---- what goes on beside a run


Found = tuple[list[Ended], list[str]]


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Call functions at the same time, each in its own thread, and return their values."""
    barrier, given = threading.Barrier(len(calls)), [None] * len(calls)

    def call(place: int) -> None:
        barrier.wait()
        given[place] = calls[place]()

    threads = [threading.Thread(target=call, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


@contextmanager
def meanwhile(again: Callable[[], Any]) -> Iterator[list[str]]:
    """Repeat ``work`` in a thread during the block, and collect the messages of its errors."""
    ends, errors = threading.Event(), list[str]()
    began = threading.Event()

    def work() -> None:
        while not ends.is_set():
            try:
                again()
            except Exception as error:
                errors.append(f"raw: beside the run: {_words(error)}")
                ends.set()
            began.set()
            time.sleep(0.002)  # the run is to have most of the processor

    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    try:
        yield errors
    finally:
        ends.set()
        thread.join()


def made(case: Case, module: Any) -> iw.Representation | None:
    """The representation, made in the case's state; None if this package refuses the module."""
    try:
        with STATES[case.state].thread():
            return representation_of(case, module)
    except iw.errors.InvwidgetsError:
        return None


def alone(case: Case, module: Any, twin: Any) -> Found:
    return [invert(case, module)], []


def new_thread(case: Case, module: Any, twin: Any) -> Found:
    return together(lambda: invert(case, module)), []


def two_of_a_module(case: Case, module: Any, twin: Any) -> Found:
    return together(*[lambda: invert(case, module)] * 2), []


def two_of_a_representation(case: Case, module: Any, twin: Any) -> Found:
    phi = made(case, module) or module
    return together(*[lambda: invert(case, phi)] * 2), []


def beside_another(case: Case, module: Any, twin: Any) -> Found:
    """Run the case while another thread makes and inverts another module repeatedly."""
    other = FOREIGN["a hook that edits"].make()
    with meanwhile(lambda: alone(Case(module="a hook that edits"), other, other)) as bad:
        ended = invert(case, module)
    return [ended], bad


def moved(case: Case, module: Any, twin: Any) -> Found:
    phi = made(case, module)
    if phi is None:
        return alone(case, module, twin)

    def move() -> None:
        for kind in (torch.float64, torch.bfloat16, torch.float32):
            phi.to(kind)
        phi.to("meta")
        phi.double().half()

    with meanwhile(move) as bad:
        ended = invert(case, phi)
    return [ended], bad


def abandoned(case: Case, module: Any, twin: Any) -> Found:
    """Run the case after other runs were started and never ended."""
    with suppress(iw.errors.InvwidgetsError, Theirs), STATES[case.state].thread():
        given = arguments(case, module)
        for name in ("callback", "knobs", "on_ready"):
            given.pop(name, None)
        session = iw.Session()
        session.start(**given)
        steps = iw.prepare(**given).steps()
        next(steps)
        session.close(wait=False)
        del session, steps
    found = alone(case, module, twin)
    for thread in threading.enumerate():
        if thread.name == "invwidgets-session":
            thread.join()
    return found


def in_session(case: Case, module: Any, twin: Any) -> Found:
    """Do the same run in the background by a session."""

    def run(**given: Any) -> iw.Reconstruction:
        if given.keys() & {"callback", "knobs", "on_ready"}:
            return iw.invert(**given)
        with iw.Session() as session:
            return session.start(**given).result()

    return [invert(case, module, run)], []


def trained(case: Case, module: Any, twin: Any) -> Found:
    """Invert a representation while the module it was made from is trained."""
    phi = made(case, module)
    if phi is None or not trainable(case.module):
        return alone(case, module, twin)
    step, steps = trainer(module), 0

    def train() -> None:
        nonlocal steps
        step()
        steps += 1

    with meanwhile(train) as bad:
        ended = invert(case, phi)
    if trainable(case.module) == "same twice":
        step = trainer(twin)
        for _ in range(steps):
            step()
        same_weights = same(weights(module), weights(twin))
        bad += [] if same_weights or bad else ["differs: the weights that training came to"]
    return [ended], bad


def made_while_trained(case: Case, module: Any, twin: Any) -> Found:
    """Make a representation while its module is trained; an error is allowed."""
    if not trainable(case.module):
        return alone(case, module, twin)
    with meanwhile(trainer(module)) as bad:
        ended = invert(case, module)
    ended.numbers = {name: ended.numbers[name] for name in ended.numbers if name == "changed"}
    return [replace(ended, note="trained")], bad


def trainer(module: nn.Module) -> Callable[[], None]:
    """A function that does a training step on fixed images."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(2, 3, *SIZE, generator=generator, dtype=torch.float32)
    found = [p for p in module.parameters() if not torch.nn.parameter.is_lazy(p)]
    images = images.to(found[0].dtype) if found else images
    rule = torch.optim.SGD(module.parameters(), lr=1e-4)
    nn.Module.train(module)

    def step() -> None:
        rule.zero_grad()
        given = module(images)
        given = given["logits"] if isinstance(given, dict) else given
        given.float().square().mean().backward()
        rule.step()

    return step


def weights(module: nn.Module) -> list[Tensor]:
    return [t.detach().clone() for t in [*module.parameters(), *module.buffers()]]


_trainable: dict[str, str] = {}


def trainable(name: str) -> str:
    """Whether a module can be trained here and gets the same weights each time."""
    if name not in _trainable:
        found = []
        with suppress(Exception):
            for _ in range(2):
                module = FOREIGN[name].make()
                step = trainer(module)
                for _ in range(2):
                    step()
                found.append(weights(module))
        alike = len(found) == 2 and same(*found)
        _trainable[name] = "" if len(found) < 2 else "same twice" if alike else "random"
    return _trainable[name]


BESIDE: dict[str, Callable[[Case, Any, Any], Found]] = {
    "alone": alone,
    "in a new thread": new_thread,
    "in a session": in_session,
    "two runs of a module at once": two_of_a_module,
    "two runs of a representation at once": two_of_a_representation,
    "beside runs of another module": beside_another,
    "its representation is moved": moved,
    "after runs that were abandoned": abandoned,
    "its module is trained": trained,
    "made while its module is trained": made_while_trained,
}
TRAINED = ("its module is trained", "made while its module is trained")


# ---- guards of the package, taken away


class _Idle:
    """A replacement for ``ExitStack`` that enters no context."""

    def __enter__(self) -> _Idle:
        return self

    def __exit__(self, *_: object) -> None: ...

    def enter_context(self, _: Any) -> None: ...


def _no_random(*_: Any) -> Any:
    return nullcontext()


_NO_LOCKS = SimpleNamespace(Lock=nullcontext, get_ident=threading.get_ident)
UNDONE: dict[str, dict[str, Any]] = {
    "": {},
    "isolation": {"models.zoo.isolate": lambda module, *_: module},
    "state": {"torch_state.ExitStack": _Idle},
    "generators": {
        f"{place}.own_random": _no_random
        for place in ("models.isolate", "models.zoo", "models.sources", "representations.network")
    },
    "hooks' lock": {"representations.network.threading": _NO_LOCKS},
}


@contextmanager
def undone(name: str) -> Iterator[None]:
    """Remove a guard of the package inside the block, so that cases must fail; "" removes none."""
    with ExitStack() as stack:
        for place, instead in UNDONE[name].items():
            stack.enter_context(mock.patch(f"invwidgets.{place}", instead))
        yield


# ---- a case


_plain: dict[Case, Ended] = {}
_network: list[Ended] = []
ORDINARY = Case(module="efficientnet_lite0", options=(("seeds", 1), ("steps", 2), ("threads", 1)))


def ask(case: Case) -> tuple[str, list[str]]:
    """Run a case, and return how it ended and its problems."""
    if not _network:
        representation_of(ORDINARY, ORDINARY.module)  # loaded: the run itself is what is compared
        _network.append(invert(ORDINARY, ORDINARY.module))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        if case.plain not in _plain:
            _plain[case.plain] = invert(case.plain, module_of(case))
        wanted, module, twin = _plain[case.plain], module_of(case), module_of(case)
        before = module_state(module)
        forget(case.module)
        draws = PARTS[case.part].random
        if case.beside in TRAINED:
            draws |= trainable(case.module) == "random"
        with STATES[case.state].process():
            shared = shared_state()
            found, problems = BESIDE[case.beside](case, module, twin)
            changed = [] if draws else changes(shared, shared_state())
    if changed:
        problems.append(f"differs: the process's {', '.join(changed)}")
    problems += [
        f"raw: {w.category.__name__}: {w.message} ({w.filename}:{w.lineno})"
        for w in warned if "/invwidgets/" in w.filename
    ]  # fmt: skip
    for ended in found:
        problems += compared(case, ended, wanted)
    if case.beside not in TRAINED and (changed := changes(before, module_state(module))):
        problems.append(f"differs: the module's {', '.join(changed)}")
    after = invert(ORDINARY, ORDINARY.module)
    if names := changes(_network[0].numbers, after.numbers):
        problems.append(f"differs: a plain run afterwards, in {', '.join(names)} {after.words}")
    return wanted.how if not problems else "problem", problems


def forget(name: str) -> None:
    """Remove a named network from the cache, so that the case makes it again in its state."""
    for kept in (zoo.networks_kept, zoo.networks_held):
        for key in [key for key in kept if key[0] == name]:
            kept.pop(key, None)


def compared(case: Case, ended: Ended, wanted: Ended) -> list[str]:
    """The problems of a run, compared with the plain run of the same case."""
    problems = []
    if changed := ended.numbers.pop("changed", None):
        problems.append(f"differs: the process's {', '.join(changed)}")
    if ended.how == "raw":
        return [*problems, f"raw: {ended.words}"]
    if PARTS[case.part].random or ended.note == "trained" or "each call" in ended.note:
        return problems
    if "random" in ended.note and case.beside in TRAINED:
        return problems  # training draws of the same generator
    if ended.how != wanted.how:
        return [*problems, f"differs: {ended.how} {ended.words}, plainly {wanted.how} "
                f"{wanted.words}"]  # fmt: skip
    if ended.words != wanted.words:
        return [*problems, f"differs: {ended.words}, plainly {wanted.words}"]
    numbers = {k: v for k, v in wanted.numbers.items() if k != "changed"}
    if names := changes(numbers, ended.numbers):
        problems.append(f"differs: its {', '.join(names)}")
    return problems
