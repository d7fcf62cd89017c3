"""Squeeze-and-excitation: a network looks at its own channels and decides how loud each may be.

Source: J. Hu, L. Shen, S. Albanie, G. Sun, E. Wu, "Squeeze-and-excitation networks", CVPR 2018,
section 3, figures 2 and 3. The networks that use the block are ResNets with `se_reduction`
(`se_resnet50`, `se_resnext50_32x4d`, `se_resnet20`, ...): see `resnet.py`.
"""

from torch import nn

from ..checks import at_least


class SqueezeExcite(nn.Module):
    """Scale every channel by a gate in (0, 1) computed from the averages of all channels.

    (N, C, H, W) -> (N, C, H, W). 2 C h + C + h parameters, h = max(1, C // reduction).

    Args:
        channels: C.
        reduction: r of the paper, how much narrower the hidden layer is; 16 in most of its tables.
    """

    def __init__(self, channels, reduction=16):
        super().__init__()
        at_least("channels", channels, 1)
        at_least("reduction", reduction, 1)
        hidden = max(1, channels // reduction)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Linear(channels, hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, channels)
        self.sigmoid = nn.Sigmoid()
        # Averages after BatchNorm scatter around zero: without a bias no hidden unit starts dead for all images.
        nn.init.zeros_(self.fc1.bias)

    def gates(self, x):
        """The gates alone, (N, C): what the network thinks of its channels for these images."""
        squeezed = self.avgpool(x).flatten(1)               # (N, C), squeeze: one number a map
        excited = self.fc2(self.relu(self.fc1(squeezed)))   # (N, C/r), then (N, C): who with whom
        return self.sigmoid(excited)

    def forward(self, x):
        return x * self.gates(x)[:, :, None, None]          # (N, C, H, W), scale


MODELS = {}
