"""The networks for images: a small one, and ResNet-18.

Group norm (Y. Wu and K. He 2018, 1803.08494), not batch norm: its result does not depend on how a batch is shared
out, so two processes train as one. It has as many parameters as the batch norm that it stands for.
"""

from torch import Tensor, nn


def small(channels: int, classes: int, width: int) -> nn.Sequential:
    """[B, channels, H, W] to logits [B, classes], for images of 8 to 64 pixels. Width 24: 43,786 parameters."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        PreActivation(width, width),
        PreActivation(width, 2 * width, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, classes),
    )


def resnet18(channels: int, classes: int, width: int) -> nn.Sequential:
    """[B, channels, H, W] to logits [B, classes], for images of 64 pixels and more.

    K. He, X. Zhang, S. Ren, J. Sun 2015 (1512.03385), table 1, column "18-layer": with width 64, 3 channels and 1,000
    classes it has 11,689,512 parameters.
    """
    stages: list[nn.Module] = []
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        stages += [PostActivation(inputs, outputs, 1 if stage == 0 else 2), PostActivation(outputs, outputs, 1)]
        inputs = outputs
    stem = [_conv(channels, width, 7, 2), _norm16(width), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


class PreActivation(nn.Module):
    """Two convolutions beside a shortcut: [B, inputs, H, W] to [B, outputs, H / stride, W / stride].

    K. He et al. 2016 (1603.05027), figure 4 (e).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            norm(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, stride, padding=1),
            norm(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        plain = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if plain else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Features of the next stage."""
        result: Tensor = self.shortcut(features) + self.body(features)
        return result


class PostActivation(nn.Module):
    """The basic block of ResNet-18: [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(inputs, outputs, 3, stride),
            _norm16(outputs),
            nn.ReLU(inplace=True),
            _conv(outputs, outputs, 3, 1),
            _norm16(outputs),
        )
        plain = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if plain else nn.Sequential(_conv(inputs, outputs, 1, stride), _norm16(outputs))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features of the next stage."""
        result: Tensor = self.activation(self.shortcut(features) + self.body(features))
        return result


def norm(channels: int) -> nn.GroupNorm:
    """Normalisation within four groups of channels, or all of them."""
    return nn.GroupNorm(4 if channels % 4 == 0 else 1, channels)


def _norm16(channels: int) -> nn.GroupNorm:
    """Sixteen channels per group, as 1803.08494 has it: few enough in a group would lose what they say."""
    return nn.GroupNorm(max(1, channels // 16) if channels % 16 == 0 else 1, channels)


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
