"""Small modules as users have them, each with one special property and the expected outcome.

A factory is seeded: it makes the same module at every call. ``FOREIGN`` maps a name to it.
"""

from __future__ import annotations

import threading
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

SIZE = (24, 28)


def called(module: nn.Module, images: Tensor) -> Tensor:
    """The output of a module in eval mode, when its owner calls it."""
    module.eval()
    with torch.no_grad():
        features: Tensor = module(images)
    return features


def called_inside(module: nn.Module, images: Tensor, layer: str) -> Tensor:
    """The output of a layer at its first call, in eval mode."""
    found: list[Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(
        lambda _, __, output: found.append(output.clone())
    )
    module.eval()
    with torch.no_grad():
        module(images)
    handle.remove()
    return found[0]


@dataclass(frozen=True)
class Foreign:
    """A module and the expected outcome: it runs, or it is refused with a matching message.

    ``own`` gives the features that its owner would see for images with the preprocessing done;
    None where there is nothing to compare with. ``fails`` are the promises that it cannot keep.
    """

    make: Callable[[], nn.Module]
    layer: str | None = None
    refused: str = ""
    own: Callable[[nn.Module, Tensor], Tensor] | None = called
    fails: tuple[str, ...] = ()


FOREIGN: dict[str, Foreign] = {}


def foreign(name: str, **expected: Any) -> Callable[[Any], Any]:
    """Register a factory, or a module class without arguments, under a name."""

    def enter(make: Any) -> Any:
        def seeded() -> nn.Module:
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch deprecates what users still have
                torch.manual_seed(0)
                module: nn.Module = make()
            return module

        FOREIGN[name] = Foreign(seeded, **expected)
        return make

    return enter


def plain() -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            first=nn.Conv2d(3, 6, 5, stride=2),
            norm=nn.BatchNorm2d(6),
            act=nn.ReLU(inplace=True),
            second=nn.Conv2d(6, 8, 3),
            end=nn.ReLU(),
        )
    )


class Around(nn.Module):
    """A stem, followed by a subclass's function of its features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.end = nn.Conv2d(6, 4, 1)

    def middle(self, x: Tensor) -> Tensor:
        return x

    def forward(self, images: Tensor) -> Any:
        return self.end(self.middle(self.stem(images)))


# --- wrapped, built late, switched oddly --------------------------------------------------------


@foreign("plain")
def _plain() -> nn.Module:
    return plain()


@foreign("compiled", own=lambda m, x: called(m._orig_mod, x))  # type: ignore[arg-type]
def _compiled() -> nn.Module:
    return torch.compile(plain())  # type: ignore[return-value]


@foreign("compiled in place", own=lambda m, x: called(m[:], x))  # type: ignore[index]
def _compiled_in_place() -> nn.Module:
    module = plain()
    module.compile()
    return module


@foreign("a compiled part", own=lambda m, x: called(m[1], called(m[0]._orig_mod, x)))  # type: ignore[index,union-attr,arg-type]
def _compiled_part() -> nn.Module:
    return nn.Sequential(torch.compile(plain()), nn.Conv2d(8, 2, 1))  # type: ignore[arg-type]


@foreign("DataParallel")
def _parallel() -> nn.Module:
    return nn.DataParallel(plain())


@foreign("DistributedDataParallel", own=lambda m, x: called(m.module, x))  # type: ignore[arg-type]
def _distributed() -> nn.Module:
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    try:
        return nn.parallel.DistributedDataParallel(plain())
    finally:
        torch.distributed.destroy_process_group()


@foreign("an average of weights", own=lambda m, x: called(m.module, x))  # type: ignore[arg-type]
def _averaged() -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(plain())


@foreign("a traced graph")
def _graph() -> nn.Module:
    return torch.fx.symbolic_trace(plain().eval())


@foreign("lazy", own=None)
def _lazy() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(6, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5))


@foreign("train gives None", own=lambda m, x: called(m.train(False) or plain_of(m), x))
class TrainNone(Around):
    def train(self, mode: bool = True) -> None:  # type: ignore[override]
        super().train(mode)


def plain_of(module: Any) -> nn.Module:
    """The stem and the end without the subclass's function."""
    return nn.Sequential(module.stem, module.end)


# --- weights that are computed ------------------------------------------------------------------


@foreign("weight_norm")
def _weight_norm() -> nn.Module:
    return nn.Sequential(weight_norm(nn.Conv2d(3, 6, 3)), nn.ReLU(), nn.Conv2d(6, 4, 1))


@foreign("weight_norm after a step")
def _weight_norm_trained() -> nn.Module:
    module = _weight_norm()
    module(torch.rand(1, 3, 9, 9)).sum().backward()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1
    return module


@foreign("spectral_norm")
def _spectral_norm() -> nn.Module:
    return nn.Sequential(spectral_norm(nn.Conv2d(3, 6, 3)), nn.ReLU(), nn.Conv2d(6, 4, 1))


@foreign("parametrized spectral_norm")
def _parametrized_spectral_norm() -> nn.Module:
    return nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 6, 3)), nn.ReLU())


@foreign("parametrized weight_norm")
def _parametrized_weight_norm() -> nn.Module:
    return nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 6, 3)), nn.ReLU())


class Symmetric(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight + weight.flip(-1)


@foreign("a parametrization of one's own")
def _parametrized() -> nn.Module:
    convolution = nn.Conv2d(3, 6, 3)
    parametrize.register_parametrization(convolution, "weight", Symmetric())
    return nn.Sequential(convolution, nn.ReLU())


@foreign("pruned")
def _pruned() -> nn.Module:
    module = plain()
    prune.l1_unstructured(module.first, "weight", 0.5)
    prune.random_structured(module.second, "weight", 0.3, dim=0)
    return module


@foreign("tied weights")
def _tied() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3))
    module[2].weight = module[0].weight
    return module


@foreign("one convolution under two names")
class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3)
        self.again = self.first

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.again(self.first(images).relu())
        return y


@foreign("channels last", own=called)
def _channels_last() -> nn.Module:
    return plain().to(memory_format=torch.channels_last)


@foreign("float64", own=lambda m, x: called(m.float(), x))
def _double() -> nn.Module:
    return plain().double()


@foreign("half", own=lambda m, x: called(m.float(), x))
def _half() -> nn.Module:
    return plain().half()


@foreign("bfloat16", own=lambda m, x: called(m.float(), x))
def _bfloat16() -> nn.Module:
    return plain().bfloat16()


@foreign("made in inference mode")
def _inference() -> nn.Module:
    with torch.inference_mode():
        return plain()


@foreign("frozen in part")
def _frozen() -> nn.Module:
    module = plain()
    module.first.requires_grad_(False)
    return module.train()


# --- hooks and patches --------------------------------------------------------------------------


@foreign("a backward hook before an in-place ReLU")
def _backward_hook() -> nn.Module:
    module = plain()
    module.norm.register_full_backward_hook(lambda *_: None)
    module.first.register_full_backward_pre_hook(lambda *_: None)
    return module


@foreign("hooks that look")
def _observed() -> nn.Module:
    module = plain()
    kept: list[Tensor] = []
    module.second.register_forward_hook(lambda _, __, output: kept.append(output))
    module.first.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    module.kept = kept  # type: ignore[assignment]
    return module


@foreign("a hook that edits")
def _edited() -> nn.Module:
    module = plain()
    module.first.register_forward_hook(lambda _, __, output: output * 2 + 1)
    return module


@foreign("a hook that edits in place")
def _edited_in_place() -> nn.Module:
    module = plain()
    module.first.register_forward_hook(lambda _, __, output: (output.mul_(2), None)[1])
    return module


@foreign("a hook before, with keywords")
def _edited_before() -> nn.Module:
    module = plain()

    def darker(_: nn.Module, args: Any, kwargs: Any) -> Any:
        return (args[0] * 0.5, *args[1:]), kwargs

    module.second.register_forward_pre_hook(darker, with_kwargs=True)
    return module


@foreign("forward patched by a closure")
def _patched() -> nn.Module:
    module = plain()
    before = module.forward
    module.forward = lambda images: before(images * 3)  # type: ignore[method-assign]
    return module


@foreign("forward patched by a method")
def _patched_method() -> nn.Module:
    module = plain()

    def doubled(self: nn.Sequential, images: Tensor) -> Tensor:
        y: Tensor = self.end(2 - self.second(self.act(self.norm(self.first(images)))))  # type: ignore[operator]
        return y

    module.forward = types.MethodType(doubled, module)  # type: ignore[method-assign]
    return module


@foreign("a part patched")
def _patched_part() -> nn.Module:
    module = plain()
    before = module.second.forward
    module.second.forward = lambda x: before(x).tanh()  # type: ignore[method-assign,operator]
    return module


# --- state written when called ------------------------------------------------------------------


@foreign("a counter")
class Counter(Around):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def middle(self, x: Tensor) -> Tensor:
        self.calls += 1  # type: ignore[operator,assignment]
        return x


@foreign("a counter that matters")
class Growing(Around):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def middle(self, x: Tensor) -> Tensor:
        self.calls += 1  # type: ignore[operator,assignment]
        return x * self.calls


@foreign("running statistics in eval")
class Running(Around):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(6))

    def middle(self, x: Tensor) -> Tensor:
        y = x - self.mean[:, None, None]  # type: ignore[index]
        self.mean.lerp_(x.detach().mean((0, 2, 3)), 0.1)  # type: ignore[operator,union-attr]
        return y


@foreign("a codebook", fails=("gradient right",))
class Codebook(Around):
    """Features replaced by the nearest code; the codes move towards the features."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(5, 6))

    def middle(self, x: Tensor) -> Tensor:
        flat = x.movedim(1, -1)
        nearest = torch.cdist(flat.flatten(0, 2), self.codes).argmin(1)
        quantized = self.codes.detach()[nearest].view_as(flat).movedim(-1, 1)
        with torch.no_grad():
            self.codes[nearest[0]] += 0.01
        return x + (quantized - x).detach()


@foreign("a count in plain Python")
class Counting(Around):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def middle(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x


@foreign("a kept activation")
def _kept() -> nn.Module:
    class Keeping(Around):
        def middle(self, x: Tensor) -> Tensor:
            self.last = x
            return x

    module = Keeping()
    module(torch.rand(1, 3, 9, 9))
    return module


# --- random, and mixing a batch -----------------------------------------------------------------


@foreign("dropout left on", own=None)
class Dropping(Around):
    def middle(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.3)


@foreign("noise in forward", own=None)
class Noisy(Around):
    def middle(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x)


@foreign("BatchNorm without running statistics")
def _no_statistics() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, track_running_stats=False))


@foreign("divided by the batch's maximum")
class ByMaximum(Around):
    def middle(self, x: Tensor) -> Tensor:
        return x / x.abs().max()


@foreign("trained when called", own=None)
class Training(Around):
    """A module that sets its own norm to training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(6)

    def middle(self, x: Tensor) -> Tensor:
        self.norm.train()
        y: Tensor = self.norm(x)
        return y


# --- what is inside -----------------------------------------------------------------------------


@foreign("a ViT with registers", layer="block", own=lambda m, x: called_inside(m, x, "block"))
class Registers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.tokens = nn.Parameter(torch.randn(1, 9, 8))
        self.positions = nn.Parameter(torch.randn(1, 42, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2) + self.positions
        x = self.block(torch.cat([self.tokens.expand(len(x), -1, -1), x], 1))
        y: Tensor = self.head(x[:, 0])
        return y


@foreign("a GRU over patches", layer="head")
class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 6, 6, stride=6)
        self.gru = nn.GRU(6, 5, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, 4)

    def forward(self, images: Tensor) -> Tensor:
        x, _ = self.gru(self.patch(images).flatten(2).transpose(1, 2))
        y: Tensor = self.head(x[:, -1])
        return y


@foreign("a Fourier transform")
class Fourier(Around):
    def middle(self, x: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(x) * 0.5, s=x.shape[-2:])


class Cubed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 3 * x**2 * gradient


@foreign("an autograd function of one's own")
class Cubing(Around):
    def middle(self, x: Tensor) -> Tensor:
        y: Tensor = Cubed.apply(x)
        return y


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return -gradient


@foreign("a gradient of another function", fails=("gradient right",))
class Reversing(Around):
    def middle(self, x: Tensor) -> Tensor:
        y: Tensor = Reversed.apply(x)
        return y


@foreign("checkpointed")
class Checkpointed(Around):
    def middle(self, x: Tensor) -> Tensor:
        y: Tensor = checkpoint(torch.tanh, x, use_reentrant=False)
        return y


@foreign("checkpointed, reentrant")
class Reentrant(Around):
    def middle(self, x: Tensor) -> Tensor:
        y: Tensor = checkpoint(torch.tanh, x, use_reentrant=True)
        return y


@foreign("tuples inside", layer="end")
class Tuples(nn.Module):
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            y = self.inner(x)
            return y, {"mean": y.mean()}

    def __init__(self) -> None:
        super().__init__()
        self.pair = self.Pair()
        self.end = nn.Conv2d(4, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.end(self.pair(images)[0])
        return y


@foreign("gives a dict", layer="end", own=lambda m, x: called_inside(m, x, "end"))
class GivesDict(Around):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        y = super().forward(images)
        return {"logits": y, "loss": y.mean()}


@foreign("gives a dict, no layer named", own=lambda m, x: m.eval()(x)["logits"].detach())
def _gives_dict() -> nn.Module:
    return GivesDict()


@foreign("names that look like counts", layer="conv_1",
         own=lambda m, x: called_inside(m, x, "conv_1"))  # fmt: skip
class Named(nn.Module):
    """A module whose ``conv`` is called twice, next to a child named ``conv_1``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.conv_1 = nn.Conv2d(3, 5, 3)

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.conv_1(self.conv(self.conv(images)))
        return y


@foreign("slots and properties")
class Slotted(Around):
    __slots__ = ("factor",)

    def __init__(self) -> None:
        super().__init__()
        self.gain = 2.0

    @property
    def scale(self) -> float:
        return self.gain * 1.5

    def middle(self, x: Tensor) -> Tensor:
        return x * self.scale


@foreign("a tensor that is no buffer")
class Loose(Around):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.rand(6, 1, 1)
        self.more = {"shift": [torch.rand(6, 1, 1)]}

    def middle(self, x: Tensor) -> Tensor:
        return x * self.scale + self.more["shift"][0]


@foreign("finds attributes itself")
class Finding(Around):
    def __getattr__(self, name: str) -> Any:
        if name == "gain":
            return 3.0
        return super().__getattr__(name)

    def middle(self, x: Tensor) -> Tensor:
        return x * self.gain


@foreign("an optimizer inside")
class Owning(Around):
    def __init__(self) -> None:
        super().__init__()
        self.optimizer = torch.optim.Adam(self.parameters())


@foreign("autocast inside", fails=("gradient right",))
class Mixed(Around):
    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y: Tensor = super().forward(images)
        return y.float()


@foreign("keywords of its own")
class Keywords(Around):
    def forward(self, images: Tensor, *, gain: float = 2.0, **more: Any) -> Tensor:
        y: Tensor = super().forward(images) * gain
        return y


@foreign("frames made of images")
class Filming(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.film = nn.Conv3d(3, 4, 3, padding=1)
        self.end = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.end(self.film(images[:, :, None].expand(-1, -1, 4, -1, -1)).mean(2))
        return y


@foreign("skips and upsampling")
class Skipping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 6, 3, 2, 1)
        self.norm = nn.GroupNorm(2, 6)
        self.up = nn.ConvTranspose2d(6, 4, 2, 2)
        self.end = nn.Conv2d(7, 4, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.up(F.silu(self.norm(self.down(images))))
        y: Tensor = self.end(torch.cat([images, x], 1))
        return y


@foreign("instances normalized")
def instance_normalized() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6), nn.PReLU(6))


@foreign("without modules")
class Bare(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images * 2


@foreign("more at the end")
class Ending(Around):
    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = F.softmax(super().forward(images), 1)
        return y


# --- refused ------------------------------------------------------------------------------------


@foreign("an open file", refused=r"cannot be copied.*open files or locks")
def _open_file() -> nn.Module:
    module = plain()
    module.log = open(__file__)  # type: ignore[assignment]  # noqa: SIM115
    return module


@foreign("a lock", refused=r"cannot be copied.*open files or locks")
def _lock() -> nn.Module:
    module = plain()
    module.lock = threading.Lock()  # type: ignore[assignment]
    return module


@foreign("a copy that is none", refused="__deepcopy__")
class Selfish(Around):
    def __deepcopy__(self, memo: Any) -> Any:
        return self


@foreign("an eval that fails", refused=r"eval\(\).*use freeze")
class NoEval(Around):
    def eval(self) -> Any:
        raise RuntimeError("use freeze()")


@foreign("complex weights", refused="complex")
def _complex() -> nn.Module:
    module = plain()
    module.register_buffer("filter", torch.ones(3, dtype=torch.complex64))
    return module


@foreign("NaN in a weight", refused="second.weight contains NaN")
def _nan() -> nn.Module:
    module = plain()
    with torch.no_grad():
        module.second.weight[0] = float("nan")
    return module


@foreign("TorchScript", refused="is TorchScript.*Python module")
def _script() -> nn.Module:
    return torch.jit.trace(plain().eval(), torch.rand(1, 3, *SIZE))  # type: ignore[no-any-return]


@foreign("on the meta device", refused="on the meta device.*load its weights")
def _meta() -> nn.Module:
    with torch.device("meta"):
        return plain()


@foreign("quantized", refused="quantized.*float network")
def _quantized() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(3, 2, 5, 5), nn.Flatten(), nn.Linear(50, 3))
    dynamic: nn.Module = torch.ao.quantization.quantize_dynamic(module, {nn.Linear})
    return dynamic


@foreign("clips", refused="takes clips")
def _clips() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU())


@foreign("clips of one channel", refused="takes clips")
def _clips_of_one() -> nn.Module:
    return nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU())


@foreign("a mask besides images", refused="needs mask besides images")
class Masked(Around):
    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        y: Tensor = super().forward(images) * mask
        return y


@foreign("one channel", refused="images with 1 channels, but mean and std")
def _one_channel() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3))


@foreign("too small an image", refused="larger one with size=")
def _large_kernels() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 31))


@foreign("of one size", refused="of certain sizes.*size=")
def _one_size() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(77, 3))


@foreign("detached", refused="without a gradient")
class Detached(Around):
    def middle(self, x: Tensor) -> Tensor:
        return x.detach()


@foreign("through numpy", refused="without a gradient|numpy")
class Numpy(Around):
    def middle(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() * 2)


@foreign("through numpy, not detached", refused="without a gradient")
class NumpyToo(Around):
    def middle(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.numpy() * 2)


@foreign("checkpointed, reentrant, by its data", refused="no gradient that can be computed")
class ReentrantByData(Around):
    def middle(self, x: Tensor) -> Tensor:
        y: Tensor = checkpoint(torch.tanh if x.sum() < 1e9 else torch.relu, x, use_reentrant=True)
        return y


@foreign("under inference mode", refused="inference_mode|without a gradient")
class Inferring(Around):
    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = super().forward(images)
        return y


@foreign("whole numbers", refused="not one tensor of features: give a layer")
class Labels(Around):
    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = super().forward(images).argmax(1)
        return y


@foreign("the same for all images", refused="the same features for every image")
class Constant(Around):
    def middle(self, x: Tensor) -> Tensor:
        return x * 0 + 1


@foreign("without forward", refused="no forward")
def _list() -> nn.Module:
    return nn.ModuleList([nn.Conv2d(3, 4, 3)])
