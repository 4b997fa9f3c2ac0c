"""The EfficientNet-Lite networks: inverted residuals with ReLU6, without squeeze-and-excitation.

They are defined here so that the default network needs neither timm nor torchvision, whose imports
take longer than torch's. The modules have timm's names, so timm's state dicts fit.
Sources: Tan & Le, *EfficientNet*, ICML 2019; the Lite variants of the authors' reference
implementation (``tensorflow/tpu``, ``efficientnet/lite``).
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

_STEM, _HEAD, _CLASSES, _EXPANSION = 32, 1280, 1000, 6
_STAGES = (  # blocks, kernel, stride and channels of each stage of Lite0
    (1, 3, 1, 16),
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
    (4, 5, 2, 192),
    (1, 3, 1, 320),
)


def efficientnet_lite(width: float = 1.0, depth: float = 1.0) -> nn.Module:
    """The network with random weights, from normalized images (N, 3, H, W) to (N, 1000).

    >>> [name for name, _ in efficientnet_lite().named_children()]
    ['conv_stem', 'bn1', 'blocks', 'conv_head', 'bn2', 'global_pool', 'classifier']

    ``width`` multiplies the channels of the stages, ``depth`` the blocks of all but the first
    and the last stage: (1, 1) is Lite0, (1, 1.1) Lite1, (1.1, 1.2) Lite2.
    """
    network = EfficientNetLite(width, depth)
    for part in network.modules():  # the initialization of the reference implementation
        if isinstance(part, nn.Conv2d):
            fan_out = part.kernel_size[0] * part.kernel_size[1] * part.out_channels // part.groups
            nn.init.normal_(part.weight, 0, math.sqrt(2 / fan_out))
        elif isinstance(part, nn.Linear):
            limit = 1 / math.sqrt(part.out_features)
            nn.init.uniform_(part.weight, -limit, limit)
            nn.init.zeros_(part.bias)
    return network


class EfficientNetLite(nn.Module):
    """The network: stem, seven stages of blocks, a 1 x 1 convolution, pooling, classifier."""

    def __init__(self, width: float, depth: float) -> None:
        super().__init__()
        self.conv_stem = _conv(3, _STEM, 3, stride=2)
        self.bn1 = BatchNormAct2d(_STEM)
        self.blocks = nn.Sequential()
        channels = _STEM
        for index, (blocks, kernel, stride, unscaled) in enumerate(_STAGES):
            wanted = _rounded(width * unscaled)
            inner = 0 < index < len(_STAGES) - 1
            stage = nn.Sequential()
            for place in range(math.ceil(depth * blocks) if inner else blocks):
                kind = InvertedResidual if index else DepthwiseSeparableConv
                stage.append(kind(channels, wanted, kernel, 1 if place else stride))
                channels = wanted
            self.blocks.append(stage)
        self.conv_head = _conv(channels, _HEAD, 1)
        self.bn2 = BatchNormAct2d(_HEAD)
        self.global_pool = nn.Sequential()
        self.global_pool.add_module("pool", nn.AdaptiveAvgPool2d(1))
        self.global_pool.add_module("flatten", nn.Flatten(1))
        self.classifier = nn.Linear(_HEAD, _CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        features = self.blocks(self.bn1(self.conv_stem(images)))
        features = self.global_pool(self.bn2(self.conv_head(features)))
        scores: Tensor = self.classifier(features)
        return scores


class BatchNormAct2d(nn.BatchNorm2d):
    """A batch normalization with running statistics, followed by ReLU6 or nothing."""

    def __init__(self, channels: int, act: bool = True) -> None:
        super().__init__(channels)
        if act:
            self.act = nn.ReLU6(inplace=True)
        self.acts = act

    def forward(self, input: Tensor) -> Tensor:
        """Normalize by a function, because torch's module cannot be traced symbolically."""
        statistics = self.running_mean, self.running_var, self.weight, self.bias
        normal = F.batch_norm(input, *statistics, False, 0.0, self.eps)
        return self.act(normal) if self.acts else normal


class DepthwiseSeparableConv(nn.Module):
    """A depthwise and a pointwise convolution: the block of the first stage."""

    def __init__(self, channels: int, wanted: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.skips = stride == 1 and channels == wanted
        self.conv_dw = _conv(channels, channels, kernel, stride, groups=channels)
        self.bn1 = BatchNormAct2d(channels)
        self.conv_pw = _conv(channels, wanted, 1)
        self.bn2 = BatchNormAct2d(wanted, act=False)

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.bn1(self.conv_dw(features))
        found = self.bn2(self.conv_pw(found))
        return found + features if self.skips else found


class InvertedResidual(nn.Module):
    """A pointwise convolution to six times the channels, a depthwise one, a pointwise one back."""

    def __init__(self, channels: int, wanted: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.skips = stride == 1 and channels == wanted
        many = _EXPANSION * channels
        self.conv_pw = _conv(channels, many, 1)
        self.bn1 = BatchNormAct2d(many)
        self.conv_dw = _conv(many, many, kernel, stride, groups=many)
        self.bn2 = BatchNormAct2d(many)
        self.conv_pwl = _conv(many, wanted, 1)
        self.bn3 = BatchNormAct2d(wanted, act=False)

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.bn1(self.conv_pw(features))
        found = self.bn2(self.conv_dw(found))
        found = self.bn3(self.conv_pwl(found))
        return found + features if self.skips else found


def _conv(channels: int, wanted: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, wanted, kernel, stride, kernel // 2, groups=groups, bias=False)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8, or the next larger one if that is more than a tenth too small."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
