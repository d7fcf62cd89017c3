"""Table 1 of the GoogLeNet paper, each printed cell beside what the network has.

C. Szegedy et al., "Going deeper with convolutions", CVPR 2015, table 1, columns "params" and "ops".
"""

from dataclasses import dataclass

from torch import nn

from ..anatomy import of
from ..models import blueprint

# Row of the table -> (modules of the network, "params" and "ops" as printed).
PRINTED = {
    "convolution 7×7": (("conv1",), "2.7K", "34M"),
    "convolution 3×3": (("conv2", "conv3"), "112K", "360M"),
    "inception 3a": (("inception3a",), "159K", "128M"),
    "inception 3b": (("inception3b",), "380K", "304M"),
    "inception 4a": (("inception4a",), "364K", "73M"),
    "inception 4b": (("inception4b",), "437K", "88M"),
    "inception 4c": (("inception4c",), "463K", "100M"),
    "inception 4d": (("inception4d",), "580K", "119M"),
    "inception 4e": (("inception4e",), "840K", "170M"),
    "inception 5a": (("inception5a",), "1072K", "54M"),
    "inception 5b": (("inception5b",), "1388K", "71M"),
    "linear": (("fc",), "1000K", "1M"),
}


@dataclass(frozen=True)
class Row:
    """One row: weights (biases not counted, as in the table), MACs for a picture of 224×224, and the printed cells."""

    name: str
    weights: int
    macs: int
    printed_weights: str
    printed_macs: str

    @property
    def weights_agree(self):
        """Within one thousand, whichever is meant by K, 1,000 or 1,024 (which fits all rows that are right)."""
        return any(abs(self.weights / unit - float(self.printed_weights[:-1])) <= 1 for unit in (1000, 1024))

    @property
    def macs_agree(self):
        """Within one million."""
        return abs(self.macs / 1e6 - float(self.printed_macs[:-1])) <= 1


def table_1():
    """The rows of the table that have weights, from top to bottom, counted in our GoogLeNet of the paper's form."""
    network, rows = blueprint("googlenet", aux_logits=False), of("googlenet", aux_logits=False).rows

    def weights(part):
        return sum(layer.weight.numel() for layer in network.get_submodule(part).modules()
                   if isinstance(layer, (nn.Conv2d, nn.Linear)))

    def macs(part):
        return sum(row.macs for row in rows if row.name.split(".")[0] == part)

    return [Row(name, sum(map(weights, parts)), sum(map(macs, parts)), *printed)
            for name, (parts, *printed) in PRINTED.items()]
