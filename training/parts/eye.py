"""From a frame to features: the convolutional part of whoever learns from pixels.

Bytes become floats once, inside the module, and brightness and contrast are divided out of every
frame by itself: what is left to learn from is where things are, not how a lamp shines on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.parts.networks import initialise
from training.worlds.vector_world import FrameShape

KERNEL, STRIDE = 3, 2
MIN_STD = 0.02
"""of a channel's values within a frame, 1 being white: one that is all alike stays at zero"""


def normalized(frame: Tensor) -> Tensor:
    """(B, H, W, C) uint8 to (B, C, H, W) float32, each channel of each frame centred and scaled."""
    values = frame.permute(0, 3, 1, 2).float() / 255.0
    mean = values.mean((2, 3), keepdim=True)
    std = (values - mean).square().mean((2, 3), keepdim=True).sqrt()
    return (values - mean) / std.clamp(min=MIN_STD)


def shifted(frame: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Every frame of (B, H, W, C) moved by up to `most` pixels either way; its edge is repeated.

    Yarats et al. 2021 (DrQ), arXiv:2004.13649: what keeps an eye that a critic teaches from fitting
    itself to single pixels.
    """
    if not most or not frame.numel():
        return frame
    batch, height, width, _ = frame.shape
    device = frame.device
    move = torch.randint(-most, most + 1, (2, batch, 1), generator=generator, device=device)
    row = (torch.arange(height, device=device) + move[0]).clamp(0, height - 1)
    column = (torch.arange(width, device=device) + move[1]).clamp(0, width - 1)
    which = torch.arange(batch, device=device)[:, None, None]
    return frame[which, row[:, :, None], column[:, None, :]]


class Eye(nn.Module):
    """Frames (B, H, W, C) uint8 to features (B, F) in (-1, 1); F is 0 in a world without a camera.

    Two convolutions that halve the frame's sides, then a linear layer, layer norm and tanh.
    """

    def __init__(
        self,
        frame_shape: FrameShape | None,
        *,
        num_channels: int,
        num_features: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_features = num_features if frame_shape is not None else 0
        if frame_shape is None:
            return
        height, width, channels = frame_shape
        sizes = (channels, num_channels, num_channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, KERNEL, STRIDE, padding=KERNEL // 2)
            for before, after in pairwise(sizes)
        )
        area = math.prod(-(-side // STRIDE ** len(self.convolutions)) for side in (height, width))
        self.last = nn.Linear(num_channels * area, num_features)
        self.norm = nn.LayerNorm(num_features)
        initialise_convolutions(self.convolutions, generator)
        initialise([self.last], generator)

    def forward(self, frame: Tensor) -> Tensor:
        if not self.num_features:
            return torch.zeros(len(frame), 0, device=frame.device)
        values = normalized(frame)
        for convolution in self.convolutions:
            values = F.relu(convolution(values))
        features: Tensor = torch.tanh(self.norm(self.last(values.flatten(1))))
        return features


@torch.no_grad()
def initialise_convolutions(layers: Iterable[nn.Module], generator: torch.Generator) -> None:
    """As He et al. 2015, from an explicit generator: activations keep their size through ReLUs."""
    for layer in layers:
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        assert layer.bias is not None
        fan_in = math.prod(layer.weight.shape[1:])
        layer.weight.normal_(0.0, math.sqrt(2.0 / fan_in), generator=generator)
        layer.bias.zero_()
