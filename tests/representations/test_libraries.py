"""Tests of networks of transformers and open_clip with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invwidgets as iw
from invwidgets.errors import BadSettingError, RepresentationError
from invwidgets.models.torchvision_import import import_torchvision
from invwidgets.representations.stages import default_layer, stages
from tests.small_networks import HALF, picture

import_torchvision()  # first: the libraries need it
timm, open_clip, T = map(import_module, ("timm", "open_clip", "transformers"))

WIDE = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
VIT = {**WIDE, "num_hidden_layers": 4, "image_size": 32, "patch_size": 8}
DINO = {name: value for name, value in VIT.items() if name != "intermediate_size"}
CNN = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
SWIN = {"image_size": 64, "patch_size": 4, "embed_dim": 8, "window_size": 4,
        "depths": [1, 1, 2], "num_heads": [1, 1, 2]}  # fmt: skip
RESNET = {**CNN, "embedding_size": 8, "layer_type": "basic"}
SEGFORMER = {**CNN, "num_attention_heads": [1, 1, 2, 2], "decoder_hidden_size": 16}
TOWER = {"width": 32, "head_width": 16, "layers": 4, "patch_size": 8, "image_size": 32}


def hidden(number: int) -> Callable[[Any, Tensor], Tensor]:
    """The hidden states of a transformers network after some blocks."""
    return lambda module, x: module(x, output_hidden_states=True).hidden_states[number]


def intermediate(number: int) -> Callable[[Any, Tensor], Tensor]:
    """The output of open_clip's own function after a block."""
    return lambda module, x: module.forward_intermediates(
        x, indices=[number], intermediates_only=True
    )["image_intermediates"][0]


def tower(width: int = 16, **changes: Any) -> nn.Module:
    config = open_clip.CLIPVisionCfg(**{**TOWER, **changes})
    module: nn.Module = open_clip.model._build_vision_tower(width, config)
    return module


@dataclass
class Case:
    """A network, its expected stages, and its library's features of a layer and of the whole."""

    make: Callable[[], nn.Module]
    default: str
    stages: str  # with numbers as 0-3
    own: tuple[str, Callable[[Any, Tensor], Tensor]]
    whole: tuple[str, Callable[[Any], Tensor]]
    tokens: tuple[int, int, int] | None = None
    side: int = 32


def pooled(out: Any) -> Tensor:
    features: Tensor = out.pooler_output
    return features


POOLED = ("output.pooler_output", pooled)
LOGITS = ("output.logits", lambda out: out.logits)
CASES = {
    "ViT": Case(
        lambda: T.ViTModel(T.ViTConfig(**VIT)),
        "layers.0", "embeddings.patch_embeddings layers.0-3 pooler",
        ("layers.1", hidden(2)), POOLED, (1, 4, 4),
    ),
    "ViT with its classes": Case(
        lambda: T.ViTForImageClassification(T.ViTConfig(**VIT, num_labels=7)),
        "vit.layers.0", "vit.layers.0-3 classifier",
        ("vit.layers.3", hidden(4)), LOGITS, (1, 4, 4),
    ),
    "DINOv2": Case(
        lambda: T.Dinov2Model(T.Dinov2Config(**DINO)),
        "encoder.layer.0", "embeddings.patch_embeddings encoder.layer.0-3 output.pooler_output",
        ("encoder.layer.2", hidden(3)), POOLED, (1, 4, 4),
    ),
    "DINOv2 with registers": Case(
        lambda: T.Dinov2WithRegistersModel(T.Dinov2WithRegistersConfig(**DINO)),
        "encoder.layer.0", "embeddings.patch_embeddings encoder.layer.0-3 output.pooler_output",
        ("encoder.layer.2", hidden(3)), POOLED, (5, 4, 4),
    ),
    "CLIP": Case(
        lambda: T.CLIPVisionModel(T.CLIPVisionConfig(**VIT)),
        "encoder.layers.0", "embeddings.patch_embedding encoder.layers.0-3 post_layernorm",
        ("encoder.layers.1", hidden(2)), POOLED, (1, 4, 4),
    ),
    "SigLIP": Case(
        lambda: T.SiglipVisionModel(T.SiglipVisionConfig(**VIT)),
        "encoder.layers.0", "encoder.layers.0-3 head",
        ("encoder.layers.1", hidden(2)), POOLED, (0, 4, 4),
    ),
    "ConvNeXt": Case(
        lambda: T.ConvNextModel(T.ConvNextConfig(**CNN)),
        "encoder.stages.1", "encoder.stages.0-3 layernorm",
        ("encoder.stages.2", hidden(3)), POOLED, side=64,
    ),
    "SegFormer": Case(
        lambda: T.SegformerForSemanticSegmentation(T.SegformerConfig(**SEGFORMER)),
        "decode_head", "",
        ("segformer.stages.1", hidden(1)), LOGITS, side=64,
    ),
    "ResNet": Case(
        lambda: T.ResNetForImageClassification(T.ResNetConfig(**RESNET)),
        "resnet.encoder.stages.0", "resnet.encoder.stages.0-3 classifier.0 classifier.1",
        ("resnet.encoder.stages.1", hidden(2)), LOGITS, side=64,
    ),
    "Swin": Case(
        lambda: T.SwinModel(T.SwinConfig(**SWIN)),
        "encoder.layers.0[0]", "embeddings encoder.layers.0-2[0] pooler",
        ("encoder.layers.1[0]", hidden(2)), POOLED, (0, 4, 4), side=64,
    ),
    "Swin v2": Case(
        lambda: T.Swinv2Model(T.Swinv2Config(**SWIN)),
        "encoder.layers.0[0]", "embeddings encoder.layers.0-2[0] pooler",
        ("encoder.layers.1[0]", hidden(2)), POOLED, (0, 4, 4), side=64,
    ),
    "DINOv2 as a backbone": Case(
        lambda: T.Dinov2Backbone(T.Dinov2Config(**DINO, out_features=["stage2", "stage4"])),
        "output.feature_maps[1]", "",
        ("encoder.layer.1", lambda module, x: hidden(2)(module, x)),
        ("output.feature_maps[0]", lambda out: out.feature_maps[0]), (1, 4, 4),
    ),
    "open_clip's ViT": Case(
        tower,
        "transformer.resblocks.0", "conv1 transformer.resblocks.0-3 output",
        ("transformer.resblocks.1", intermediate(1)), ("output", lambda out: out), (1, 4, 4),
    ),
    "open_clip's ViT that pools by attention": Case(
        lambda: tower(attentional_pool=True, attn_pooler_heads=2, attn_pooler_queries=6),
        "transformer.resblocks.0", "conv1 transformer.resblocks.0-3 ln_post output",
        ("transformer.resblocks.1", intermediate(1)), ("output", lambda out: out), (1, 4, 4),
    ),
    "open_clip's ResNet": Case(
        lambda: tower(layers=(1, 1, 1, 1), width=8, image_size=64),
        "layer1", "conv2 conv3 avgpool layer1 layer2 layer3 layer4 attnpool",
        ("layer2", intermediate(2)), ("attnpool", lambda out: out), side=64,
    ),
    "open_clip's towers of timm": Case(
        lambda: tower(timm_model_name="test_vit", timm_pool="", timm_proj="linear", image_size=64),
        "trunk.blocks.1", "",
        ("trunk.blocks.1", intermediate(1)), ("head.proj", lambda out: out), (1, 4, 4), side=64,
    ),
}  # fmt: skip


def made(case: Case) -> nn.Module:
    torch.manual_seed(0)
    return case.make().eval()


def numbered(names: str) -> list[str]:
    """The names that ``a.0-2 b`` abbreviates."""
    found = []
    for name in names.split():
        head, _, rest = name.partition("0-")
        last, tail = rest[:1], rest[1:]
        found += [f"{head}{n}{tail}" for n in range(int(last) + 1)] if rest else [name]
    return found


def arranged(own: Tensor, tokens: tuple[int, int, int] | None) -> Tensor:
    """A library's features (N, L, D), (N, C, h, w) or (N, D) in the form to compare."""
    return own if tokens is None or own.ndim != 3 else own.transpose(1, 2)


def flat(features: Tensor, tokens: tuple[int, int, int] | None, own: Tensor) -> Tensor:
    """A representation's map in the library's form, with prefix tokens first."""
    if tokens is None or features.ndim != 4:
        return features.reshape(own.shape)
    prefix, rows, _ = tokens
    patches, below = features[:, :, :rows], features[:, :, rows:]
    if own.ndim == 4:
        return patches
    return torch.cat([below.flatten(2)[:, :, :prefix], patches.flatten(2)], 2)


@pytest.mark.parametrize("name", CASES)
def test_a_network_of_a_library_opens(name: str) -> None:
    case = CASES[name]
    module, size = made(case), (case.side, case.side)
    image = picture(size)[None]
    normal = (image - 0.5) / 0.5
    layer, own_way = case.own
    with torch.no_grad():
        own = arranged(own_way(module, normal), case.tokens)
        whole = case.whole[1](module(normal))
    phi = iw.representation(module, layer, mean=0.5, std=0.5, size=size)
    info = phi.layer_info()
    assert info.tokens == case.tokens
    if case.stages:
        assert [stage.short_name for stage in stages(phi.layers())] == numbered(case.stages)
    torch.testing.assert_close(flat(phi(image), case.tokens, own), own, rtol=1e-5, atol=1e-5)
    output = phi.at(case.whole[0])(image)
    torch.testing.assert_close(output.reshape(whole.shape), whole, rtol=1e-5, atol=1e-5)
    assert float((phi(image) - phi(image.flip(-1))).norm()) > 1e-3 * float(own.norm())
    assert default_layer(phi.layers()).short_name == case.default
    result = iw.invert(image[0], phi, region=(1, 3, 0, 2), seeds=1, steps=5, frames=0)
    data = result.energies["data"]
    assert bool(data.isfinite().all())
    assert float(data[-1]) < float(data.max())
    assert result.receptive_field is not None
    assert result.receptive_field.clipped.height > 0


@pytest.mark.parametrize(
    ("name", "layer"),  # the first part of what it returns; of a vector, a stage
    [("ViT", "layernorm"), ("Swin", "layernorm"), ("open_clip's ViT", None)],
)
def test_a_module_alone_is_inverted(name: str, layer: str | None) -> None:
    case = CASES[name]
    size = (case.side, case.side)
    result = iw.invert(
        picture(size), made(case), mean=0.5, std=0.5, size=size, seeds=1, steps=3, frames=0
    )
    assert result.layer == (layer or case.default)
    assert result.relative_error is not None


def vit(**changes: Any) -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = T.ViTModel(T.ViTConfig(**{**VIT, **changes})).eval()
    return module


def test_forward_kwargs_of_a_library() -> None:
    module, image = vit(), picture((48, 40))[None]
    with pytest.raises(RepresentationError, match="Input image size"):
        iw.representation(module, mean=0.5, std=0.5, size=(48, 40))
    given = {"interpolate_pos_encoding": True, "output_hidden_states": True}
    phi = iw.representation(
        module, "output.hidden_states[2]", mean=0.5, std=0.5, size=(48, 40), forward_kwargs=given
    )
    assert phi.layer_info().name == "layers.1"
    with torch.no_grad():
        own = module((image - 0.5) / 0.5, **given).hidden_states[2].transpose(1, 2)
    assert phi.layer_info().tokens == (1, 6, 5)
    torch.testing.assert_close(flat(phi(image), (1, 6, 5), own), own, rtol=1e-5, atol=1e-5)


def test_clip_of_transformers_says_which_part_takes_images() -> None:
    text = {**WIDE, "num_hidden_layers": 1, "vocab_size": 20, "bos_token_id": 0, "eos_token_id": 1}
    module = T.CLIPModel(T.CLIPConfig(vision_config=VIT, text_config=text))
    with pytest.raises(RepresentationError, match=r"input_ids before pixel_values: .*vision_model"):
        iw.representation(module, mean=0.5, std=0.5)
    assert iw.representation(module.vision_model, mean=0.5, std=0.5).size == (32, 32)


@pytest.fixture(scope="module")
def whole_clip(tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """A complete network of open_clip with both towers."""
    folder: Path = tmp_path_factory.mktemp("open_clip")
    text = {"context_length": 4, "vocab_size": 20, "width": 16, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": TOWER, "text_cfg": text}
    (folder / "of-a-test.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    module: nn.Module = open_clip.create_model("of-a-test").eval()
    return module


@pytest.mark.parametrize("part", ["", "visual"])
def test_the_preprocessing_is_read_off_open_clip(whole_clip: Any, part: str) -> None:
    module = whole_clip.visual if part else whole_clip
    phi = iw.representation(module)
    mean, std = (torch.tensor(values)[:, None, None] for values in
                 (whole_clip.visual.image_mean, whole_clip.visual.image_std))  # fmt: skip
    assert phi.size == (32, 32)
    assert "size (32, 32) read off its " in phi.preprocessing
    assert f"{'' if part else 'visual.'}preprocess_cfg" in repr(phi)
    image = picture((32, 32))[None]
    with torch.no_grad():
        own = whole_clip.encode_image((image - mean) / std, normalize=not part)
    end = phi.at(phi.layers()[-1].name)
    torch.testing.assert_close(end(image), own, rtol=1e-5, atol=1e-5)


def test_the_preprocessing_is_read_off_timm() -> None:
    module = timm.create_model("test_vit").eval()
    phi = iw.representation(module, "blocks.1")
    assert phi.size == (160, 160)
    assert phi.preprocessing == (
        "mean (0.5, 0.5, 0.5), std (0.5, 0.5, 0.5), size (160, 160) read off its pretrained_cfg"
    )
    other = iw.representation(module, "blocks.1", mean=0.25, std=0.5, size=(160, 160))
    assert other.preprocessing == ""
    assert other.mean_color.tolist() == [0.25] * 3


def test_the_size_is_read_off_transformers_and_the_rest_is_asked_for() -> None:
    module = vit(image_size=[48, 40])
    phi = iw.representation(module, mean=HALF, std=HALF)
    assert phi.size == (48, 40)
    assert phi.preprocessing == "size (48, 40) read off its config"
    with pytest.raises(
        BadSettingError, match=r"config contains only the size; .*processor.image_me"
    ):
        iw.representation(module)
    module.config.image_mean, module.config.image_std = [0.4] * 3, [0.2] * 3
    assert "mean (0.4, 0.4, 0.4), std (0.2" in iw.representation(module).preprocessing
