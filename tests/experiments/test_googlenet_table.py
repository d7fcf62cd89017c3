"""Table 1 of GoogLeNet: our counts against a closed formula of its widths, and the cells that are printed wrongly."""

from cnnlib.experiments.googlenet_table import table_1

# Side, maps in, and the six widths of the nine modules, read off the paper.
WIDTHS = {
    "3a": (28, 192, 64, 96, 128, 16, 32, 32), "3b": (28, 256, 128, 128, 192, 32, 96, 64),
    "4a": (14, 480, 192, 96, 208, 16, 48, 64), "4b": (14, 512, 160, 112, 224, 24, 64, 64),
    "4c": (14, 512, 128, 128, 256, 24, 64, 64), "4d": (14, 512, 112, 144, 288, 32, 64, 64),
    "4e": (14, 528, 256, 160, 320, 32, 128, 128), "5a": (7, 832, 256, 160, 320, 32, 128, 128),
    "5b": (7, 832, 384, 192, 384, 48, 128, 128),
}


def test_counts_are_those_of_the_widths():
    found = {row.name: (row.weights, row.macs) for row in table_1()}
    for name, (side, into, one, red3, three, red5, five, pool) in WIDTHS.items():
        weights = into * (one + red3 + red5 + pool) + 9 * red3 * three + 25 * red5 * five
        assert found[f"inception {name}"] == (weights, weights * side**2)
    assert found["convolution 7×7"] == (49 * 3 * 64, 49 * 3 * 64 * 112**2)
    assert found["convolution 3×3"] == (64 * 64 + 9 * 64 * 192, (64 * 64 + 9 * 64 * 192) * 56**2)
    assert found["linear"] == (1024 * 1000,) * 2


def test_cells_that_are_printed_wrongly():
    assert [row.name for row in table_1() if not row.weights_agree] == [
        "convolution 7×7", *(f"inception {name}" for name in ("4a", "4c", "4d", "4e", "5a", "5b"))]
    assert [row.name for row in table_1() if not row.macs_agree] == ["convolution 7×7", "inception 5a"]
