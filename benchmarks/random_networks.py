"""Small random networks of every operator that moves pixels, for the test of receptive fields."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Shape = tuple[int, int, int]  # channels, height, width


class Apply(nn.Module):
    """A module that applies a function."""

    def __init__(self, about: str, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.about, self.function = about, function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def extra_repr(self) -> str:
        return self.about


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x) + x
        return y


class Concat(nn.Module):
    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Squeeze(nn.Module):
    """Squeeze and excitation, which scales every cell by a function of all cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.sigmoid(self.mix(x.mean((2, 3), keepdim=True)))
        return (x + 1) * scale  # not x alone: a padded zero stays zero at any scale


class ChannelNorm(nn.Module):
    """LayerNorm over channels, as in ConvNeXt."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return y


class ColumnMix(nn.Module):
    """A linear layer along rows or columns."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.linear = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x.transpose(self.dim, -1)).transpose(self.dim, -1)
        return y


class Attention(nn.Module):
    """Self-attention, over all cells or within each row."""

    def __init__(self, channels: int, rows: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, 1, batch_first=True)
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        tokens = x.permute(0, 2, 3, 1).reshape(n * h if self.rows else n, -1, c)
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return tokens.reshape(n, h, w, c).permute(0, 3, 1, 2)


class Overwritten(nn.Module):
    """A module that writes a convolution of a part of an image into a copy of the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        y[:, :, 0] = self.conv(x)[:, :, -1]
        y[:, :1] += x[:, -1:].flip(3)
        return y


def _conv(rng: Random, c: int, transposed: bool = False) -> nn.Module:
    kernel = (rng.randint(1, 4), rng.randint(1, 4))
    dilation = (rng.randint(1, 2), rng.randint(1, 2))
    padding = tuple(rng.randint(0, (k - 1) * d) for k, d in zip(kernel, dilation, strict=True))
    stride = (rng.randint(1, 3), rng.randint(1, 3))
    groups = rng.choice([g for g in (1, 2, c) if c % g == 0])
    out = groups * rng.randint(1, max(1, 6 // groups))
    if transposed:
        extra = tuple(rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True))
        return nn.ConvTranspose2d(
            c,
            out,
            kernel,
            stride,
            padding,
            extra,
            groups,
            dilation=dilation,  # type: ignore[arg-type]
        )
    mode = rng.choice(["zeros", "zeros", "reflect", "replicate", "circular"])
    return nn.Conv2d(
        c,
        out,
        kernel,
        stride,
        padding,
        dilation,
        groups,
        padding_mode=mode,  # type: ignore[arg-type]
    )


def _pool(rng: Random) -> nn.Module:
    kernel = (rng.randint(1, 4), rng.randint(1, 3))
    stride = (rng.randint(1, 3), rng.randint(1, 3))
    padding = (rng.randint(0, kernel[0] // 2), rng.randint(0, kernel[1] // 2))
    ceil = rng.random() < 0.4
    if rng.random() < 0.5:
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil)
    dilation = rng.choice([1, 1, 2])
    return nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil)


def _same(rng: Random, c: int, out: int) -> nn.Module:
    k = rng.choice([1, 3, 5])
    return nn.Conv2d(c, out, k, padding=k // 2)


def _upsample(rng: Random, h: int, w: int) -> nn.Module:
    size = (rng.randint(max(1, h // 2), 2 * h + 1), rng.randint(max(1, w // 2), 2 * w + 1))
    mode = rng.choice(["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
    corners = rng.random() < 0.5 if mode in ("bilinear", "bicubic") else None
    antialias = mode in ("bilinear", "bicubic") and not corners and rng.random() < 0.3
    about = f"{mode} {h}x{w} to {size}, align_corners={corners}, antialias={antialias}"
    return Apply(about, lambda x: F.interpolate(
        x, size=size, mode=mode, align_corners=corners, antialias=antialias))  # fmt: skip


def random_layer(rng: Random, shape: Shape) -> nn.Module:
    """A random layer for an input of ``shape``."""
    c, h, w = shape
    group = rng.choice([g for g in (1, 2, 3) if c % g == 0 and c // g > 1] or [1])
    shifts = (rng.randint(-2, 2), rng.randint(-2, 2))
    cut = (rng.randint(0, h // 3), rng.randint(0, w // 3))
    dims = rng.choice([(2,), (3,), (2, 3), (1,)])
    makers: list[Callable[[], nn.Module]] = [
        *[lambda: _conv(rng, c)] * 6,
        *[lambda: _pool(rng)] * 4,
        lambda: _conv(rng, c, transposed=True),
        lambda: Residual(_same(rng, c, c)),
        lambda: Concat(_same(rng, c, 1), _same(rng, c, 2), nn.Identity()),
        lambda: nn.AdaptiveAvgPool2d((rng.randint(1, h), rng.randint(1, w))),
        lambda: nn.AdaptiveMaxPool2d((rng.randint(1, h), rng.randint(1, w))),
        lambda: nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(inplace=True)),
        lambda: nn.Sequential(nn.GELU(), nn.SiLU()),
        lambda: Apply(f"flip {dims}", lambda x: x.flip(dims)),
        lambda: Apply(f"roll {shifts}", lambda x: x.roll(shifts, (2, 3))),
        lambda: Apply(f"crop {cut}", lambda x: x[:, :, cut[0] :, : w - cut[1]]),
        lambda: Apply("every other", lambda x: x[:, :, ::2, 1::2] if w > 1 else x),
        lambda: _upsample(rng, h, w),
        lambda: _upsample(rng, h, w),
        lambda: ChannelNorm(c) if c > 1 else nn.Identity(),
        lambda: nn.GroupNorm(group, c),
        lambda: nn.InstanceNorm2d(c),
        lambda: Squeeze(c),
        lambda: ColumnMix(h, 2),
        lambda: ColumnMix(w, 3),
        lambda: Attention(c, rng.random() < 0.5),
        lambda: Overwritten(c),
        lambda: nn.LayerNorm([c, h, w]),
        lambda: nn.PixelUnshuffle(2) if h % 2 == w % 2 == 0 else nn.Identity(),
        lambda: nn.PixelShuffle(2) if c % 4 == 0 else nn.ZeroPad2d((1, 0, 2, 1)),
        lambda: Apply("gate", lambda x: torch.sigmoid(x) * x.mean(1, keepdim=True)),
        lambda: Apply("softmax of rows", lambda x: x.softmax(2) if h > 1 else x),
        lambda: Apply("sums", lambda x: x.cumsum(3)),
        lambda: Apply("mean of columns", lambda x: x.mean(3, keepdim=True) + x),
    ]
    return rng.choice(makers)()


def random_network(rng: Random, depth: int = 5) -> tuple[nn.Sequential, tuple[int, int]]:
    """A network of up to ``depth`` random layers, and a size (height, width) it accepts."""
    size = (rng.randint(9, 22), rng.randint(9, 22))
    layers: list[nn.Module] = []
    x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    tries = 0
    while len(layers) < depth and tries < 3 * depth:
        tries += 1
        layer = random_layer(rng, (x.shape[1], x.shape[2], x.shape[3])).eval()
        try:
            with torch.no_grad():
                y = layer(x.clone())
        except (RuntimeError, ValueError):  # too small an image for this window
            continue
        if y.numel() and y.shape[1] <= 24 and y.shape[-1] * y.shape[-2] <= 1600:
            layers.append(layer)
            x = y
    return nn.Sequential(*layers), size
