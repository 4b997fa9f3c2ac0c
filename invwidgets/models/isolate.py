"""The function that makes a frozen copy of a user's module, which shares nothing with it.

>>> module = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU())
>>> copied = isolate(module, (64, 64))
>>> copied.training, next(copied.parameters()).requires_grad
(False, False)
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from ..errors import RepresentationError, own_words
from ..torch_state import own_random, own_state
from .refusals import check_module, words_of_failures

if TYPE_CHECKING:
    from .forward import ForwardArguments

_SEED = 0  # the seed of random numbers while a copy is made, such as lazy weights
LIBRARIES = ("torch", "torchvision", "timm", "invwidgets")  # their functions hold no user's state
Memo = dict[int, Any]
_FORWARD_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
_BACKWARD_HOOKS = ("_backward_pre_hooks", "_backward_hooks")
_HOOK_FLAGS = (
    "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs", "_forward_hooks_always_called",
)  # fmt: skip
_REPARAMETRIZED: tuple[Any, ...] = (WeightNorm, SpectralNorm, BasePruningMethod)


def isolate(
    module: nn.Module,
    size: tuple[int, int],
    load: Callable[[nn.Module], Any] | None = None,
    channels: int = 3,
    arguments: ForwardArguments | None = None,
) -> nn.Module:
    """A copy of a module in eval mode with frozen float32 parameters, which shares nothing with it.

    Wrappers that compile a module or run it on several devices are removed. A forward hook that
    changes the output of its module is copied together with the objects it refers to. Forward hooks
    that change nothing, and all backward hooks, are left out. Lazy parameters get their shapes and
    seeded values from a pass of one image of ``size`` (height, width) and ``channels``. Weights
    that a hook computes before each call (``weight_norm``, ``spectral_norm``, pruning) are computed
    once. ``load`` may set other weights of the copy before that. ``arguments`` are the further
    arguments of its forward.

    Raises ``RepresentationError`` for a module that cannot be run or copied.
    """
    module = unwrapped(module)
    check_module(module, arguments.names if arguments else ())
    with own_state():
        copied = _copied(module)
        for part in copied.modules():
            _drop_backward_hooks(part)
        if load is not None:
            load(copied)
        with own_random(device_of(copied), _SEED):
            _set_eval(copied)
            if any(isinstance(p, LazyModuleMixin) for p in copied.modules()):
                _try(copied, size, channels, arguments)
            for part in copied.modules():
                _bake(part)
            if any(_hooks(part) for part in copied.modules()):
                _drop_onlookers(copied, size, channels, arguments)
        return frozen(nn.Module.float(copied))


def frozen(module: nn.Module) -> nn.Module:
    """The given module, set to eval mode, with frozen weights in channels-last layout.

    Nobody else may use it.
    """
    _set_eval(module)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return module


def module_copy(module: nn.Module, *, share: bool) -> nn.Module:
    """A copy of a module, whose functions refer to the copy's parts.

    With ``share`` it has the same parameters and buffers.
    """
    if share:
        return _deepcopy(module, {id(t): t for t in [*module.parameters(), *module.buffers()]})
    held = [value for part in module.modules() for value in vars(part).values()]
    derived = [t for t in held if isinstance(t, Tensor) and not t.is_leaf]  # deepcopy refuses them
    return _deepcopy(module, {id(tensor): tensor.detach().clone() for tensor in derived})


def unwrapped(module: nn.Module) -> nn.Module:
    """The module within ``torch.compile``, ``DataParallel`` or ``DistributedDataParallel``."""
    while (inner := _wrapped(module)) is not None:
        module = inner
    return module


def written_tensors(module: nn.Module, run: Callable[[], Any]) -> tuple[str, ...]:
    """The names of the parameters and buffers that ``run`` changes."""
    before = {name: _sums(tensor) for name, tensor in _tensors(module)}
    run()
    return tuple(name for name, tensor in _tensors(module) if before.get(name) != _sums(tensor))


# ---- copying


def _copied(module: nn.Module) -> nn.Module:
    """A deep copy of a module, including the objects that its functions refer to."""
    memo: Memo = {}
    seen: set[int] = set()
    for part in module.modules():
        for value in vars(part).values():
            copy_tensors(value, memo, seen)
    try:
        for part in reversed([*module.modules()]):
            if (inner := _wrapped(part)) is not None:
                memo[id(part)] = copy.deepcopy(unwrapped(inner), memo)
        copied = _deepcopy(module, memo)
    except Exception as error:
        raise RepresentationError(
            f"{type(module).__name__} cannot be copied ({own_words(error)}); give a module "
            "that copy.deepcopy can copy, without open files or locks in its attributes"
        ) from error
    theirs = {id(part) for part in module.modules()}
    if any(id(part) in theirs for part in copied.modules()):
        raise RepresentationError(
            f"{type(module).__name__} cannot be copied: its __deepcopy__ returns the module itself "
            "instead of a copy, so a run would change it; remove its __deepcopy__"
        )
    return copied


def _deepcopy(module: nn.Module, memo: Memo) -> nn.Module:
    copied: nn.Module = copy.deepcopy(module, memo)
    for part in copied.modules():
        _own_functions(part, memo)
    return copied


def _wrapped(module: nn.Module) -> nn.Module | None:
    """The module within a wrapper that only changes how it is run; None for other modules."""
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    inner = module._modules.get("module") if isinstance(module, parallel) else None
    if type(module).__name__ == "OptimizedModule":  # importing its class would load the compiler
        inner = module._modules.get("_orig_mod")
    return inner


def copy_tensors(value: Any, memo: Memo, seen: set[int] | None = None) -> None:
    """Enter a detached copy of every tensor into ``memo``, so that deepcopy uses it.

    Without this, deepcopy refuses tensors with a gradient history, as ``weight_norm`` leaves them.
    """
    seen = set() if seen is None else seen
    if isinstance(value, Tensor):
        if id(value) not in memo and not torch.nn.parameter.is_lazy(value):
            memo[id(value)] = _copy_tensor(value)
    elif isinstance(value, dict | list | tuple | set) and id(value) not in seen:
        seen.add(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            copy_tensors(item, memo, seen)


def _copy_tensor(tensor: Tensor) -> Tensor:
    real = tensor.is_floating_point() and not tensor.is_quantized
    kind = torch.float32 if real else tensor.dtype
    plain = tensor.detach().to("cpu", copy=True).to(kind)  # tracing and fusion run on the CPU
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(plain, requires_grad=False)
    return plain


# ---- functions that a user put on a module


def _own_functions(module: nn.Module, memo: Memo) -> None:
    """Make the functions among a module's attributes and hooks refer to the copy's parts."""
    for name, value in [*vars(module).items()]:
        if isinstance(value, types.FunctionType):
            module.__dict__[name] = own_function(value, memo)
    for kind in _FORWARD_HOOKS:
        hooks = getattr(module, kind)
        for key, hook in [*hooks.items()]:
            if isinstance(hook, types.FunctionType):
                hooks[key] = own_function(hook, memo)


def own_function(function: types.FunctionType, memo: Memo) -> types.FunctionType:
    """A copy of a function that refers to copies of its closure and of the globals it changes.

    Without this, deepcopy shares a function together with the user's module in its closure. A
    function that refers only to constants is returned unchanged.
    """
    if id(function) in memo:
        return memo[id(function)]  # type: ignore[no-any-return]
    own_globals, given = function.__globals__, function.__closure__ or ()
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    changing = [name for name in names & own_globals.keys() if _can_change(function, name)]
    library = function.__module__ is None or function.__module__.split(".")[0] in LIBRARIES
    if library or not (changing or given or function.__defaults__ or function.__kwdefaults__):
        return function
    own_globals, cells = dict(own_globals), tuple(types.CellType() for _ in given)
    made = types.FunctionType(
        function.__code__, own_globals, function.__name__, None, cells or None
    )
    memo[id(function)] = made
    made.__dict__.update(vars(function))
    made.__qualname__ = function.__qualname__
    made.__defaults__ = _copy_of(function.__defaults__, memo)
    made.__kwdefaults__ = _copy_of(function.__kwdefaults__, memo)
    for cell, theirs in zip(cells, given, strict=True):
        cell.cell_contents = _copy_of(theirs.cell_contents, memo)
    for name in changing:
        own_globals[name] = _copy_of(own_globals[name], memo)
    return made


def _can_change(function: types.FunctionType, name: str) -> bool:
    """Whether a global of a function has state, or is a function of the same file that may."""
    value = function.__globals__[name]
    if isinstance(value, types.FunctionType):
        return value.__globals__ is function.__globals__
    return isinstance(value, nn.Module | Tensor | list | dict | set)


def _copy_of(value: Any, memo: Memo) -> Any:
    if isinstance(value, types.FunctionType):
        return own_function(value, memo)
    copy_tensors(value, memo)
    return copy.deepcopy(value, memo)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code objects of a function and of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


# ---- hooks


def _hooks(module: nn.Module) -> list[tuple[str, int, Any]]:
    return [(kind, key, hook) for kind in _FORWARD_HOOKS
            for key, hook in getattr(module, kind).items()]  # fmt: skip


def _drop_backward_hooks(module: nn.Module) -> None:
    for kind in _BACKWARD_HOOKS:
        getattr(module, kind).clear()
    module._is_full_backward_hook = None


def _bake(module: nn.Module) -> None:
    """Compute once the weights that torch's hooks compute before every call."""
    for key, hook in [*module._forward_pre_hooks.items()]:
        if isinstance(hook, _REPARAMETRIZED):
            hook(module, ())
            with torch.no_grad():
                hook.remove(module)
            module._forward_pre_hooks.pop(key, None)


def _drop_onlookers(
    module: nn.Module,
    size: tuple[int, int],
    channels: int,
    arguments: ForwardArguments | None,
) -> None:
    """Remove the forward hooks that change nothing, as determined by one pass.

    They are kept if the network returns what they have recorded, or fails without them.
    """
    changing: set[int] = set()

    def watched(key: int, hook: Any) -> Any:
        def watch(of: nn.Module, *args: Any, **kwargs: Any) -> Any:
            before = [t._version for t in _tensors_in(args)]
            given = hook(of, *args, **kwargs)
            same = given is None or given is args[-1]  # args[-1] is the unchanged output
            if not same or before != [t._version for t in _tensors_in(args)]:
                changing.add(key)
            return given

        return watch

    kept = [
        (part, kind, key, hook) for part in module.modules() for kind, key, hook in _hooks(part)
    ]
    places = [(part, name) for part in module.modules() for name in (*_FORWARD_HOOKS, *_HOOK_FLAGS)]
    before = [(part, name, dict(getattr(part, name))) for part, name in places]
    for part, kind, key, hook in kept:
        getattr(part, kind)[key] = watched(key, hook)
    try:
        expected = _shapes(_try(module, size, channels, arguments))
    finally:
        for part, kind, key, hook in kept:
            getattr(part, kind)[key] = hook
            if key not in changing:
                del getattr(part, kind)[key]
                for flags in _HOOK_FLAGS:
                    getattr(part, flags).pop(key, None)
    try:
        same = expected == _shapes(_try(module, size, channels, arguments))
    except RepresentationError:
        same = False
    for part, name, hooks in before if not same else ():
        getattr(part, name).clear()
        getattr(part, name).update(hooks)


def _shapes(returned: Any) -> list[torch.Size]:
    return [tensor.shape for tensor in _tensors_in(returned)]


def _tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list | tuple):
        return [tensor for item in items for tensor in _tensors_in(item)]
    return []


# ---- running


def _set_eval(module: nn.Module) -> None:
    """Set a module to eval mode, whatever its own ``train`` does or returns."""
    try:
        module.eval()
    except Exception as error:
        raise RepresentationError(
            f"{type(module).__name__} has an eval() or a train() of its own that fails "
            f"({own_words(error)}); give a module that can be set to eval mode"
        ) from error
    for part in module.modules():
        part.training = False


def _try(
    module: nn.Module,
    size: tuple[int, int],
    channels: int,
    arguments: ForwardArguments | None,
) -> Any:
    """The output of one pass of an image."""
    parameters = [p for p in module.parameters() if not torch.nn.parameter.is_lazy(p)]
    image = torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(0))
    with words_of_failures(module, size, channels), torch.no_grad():
        image = image.to(parameters[0]) if parameters else image
        return module(image, **(arguments.given() if arguments else {}))


def device_of(module: nn.Module) -> torch.device:
    """The device of a module's first tensor."""
    for tensor in [*module.parameters(), *module.buffers()]:
        return tensor.device
    return torch.device("cpu")


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _sums(tensor: Tensor) -> tuple[Any, ...]:
    """Checksums of a tensor, which differ after a change of it."""
    values = tensor.detach().float()
    weights = torch.arange(1, 1 + min(values.numel(), 997), device=values.device)
    first = values.flatten()[: len(weights)] @ weights.float() if values.numel() else values.sum()
    return tuple(tensor.shape), float(values.sum()), float(values.square().sum()), float(first)
