"""Lesion bench: click blocks of a trained residual network away, and those of a plain one beside it."""

from functools import lru_cache
from itertools import product

import traitlets as t

from ..anatomy import of
from ..checks import one_of
from ..experiments import lesion, lesion_records
from .base import BookWidget, html_table

PICTURES = {"digits": "digits", "CIFAR-10": "cifar10-short"}        # what is read, and the grid of its networks
DEPTHS = (20, 56)
KINDS = {"residual": "resnet", "plain": "plain"}


class LesionBench(BookWidget):
    """Shows the test error of a trained network without the blocks that the reader has clicked away.

    A residual and a plain network of one depth stand beside each other, trained on the same pictures by the same
    recipe; the same blocks are deleted in both. What a page shows was evaluated with exactly these blocks deleted and
    with either statistics: on the digits every set of them for the networks of 20 layers, every one and every two for
    those of 56; on CIFAR-10, where an evaluation takes seconds, up to three of 20 layers, one of 56. With a kernel
    any other set is evaluated on the digits when it is asked for.

    Attributes:
        pictures: "digits", or "CIFAR-10", where networks of the published widths stand.
        depth: 20 or 56 layers.
        deleted: the positions of the deleted blocks, rising, with spaces between: "" for none, "0", "3 17".
        restat: BatchNorm's running statistics are estimated anew on the training images, with the blocks gone.
        drawn: pictures -> depth -> what is drawn: one dict a block with name, stage, channels, side (pixels of its
            maps), and plain (can it be deleted in the plain network?).
        records: pictures -> depth -> kind -> statistics -> set -> wrong answers, all that was recorded, over the
            positions above.
        images: pictures -> how many were asked about.
    """

    page_origin = "recorded"
    inputs = {"pictures": list(PICTURES), "depth": list(DEPTHS), "restat": [False, True], "deleted": []}
    pictures = t.Unicode("digits").tag(sync=True)
    depth = t.Int(56).tag(sync=True)
    deleted = t.Unicode("").tag(sync=True)
    restat = t.Bool(False).tag(sync=True)
    drawn = t.Dict().tag(sync=True)
    records = t.Dict().tag(sync=True)
    images = t.Dict().tag(sync=True)

    def __init__(self, **values):
        positions(values.get("deleted", ""), len(blocks_of(one_of("depth", values.get("depth", 56), DEPTHS))))
        one_of("pictures", values.get("pictures", "digits"), tuple(PICTURES))
        records, drawn, images = ({each: {} for each in PICTURES} for _ in range(3))
        for pictures, depth in product(PICTURES, DEPTHS):
            names = blocks_of(depth)
            drawn[pictures][str(depth)] = drawing(pictures, depth)
            of_depth = records[pictures][str(depth)] = {}
            for kind in KINDS:
                found = lesion_records.recorded(network_name(pictures, depth, kind))
                at, images[pictures] = [names.index(name) for name in found.blocks], found.images
                of_depth[kind] = {
                    statistics: {lesion_records.key(at[int(i)] for i in each.split()): wrong
                                 for each, wrong in sets.items()}
                    for statistics, sets in found.wrong.items()}
        sets = {each: None for of_pictures in records.values() for of_depth in of_pictures.values()
                for each in of_depth["residual"]["kept"]}
        self.inputs = {**self.inputs, "deleted": list(sets)}
        super().__init__(records=records, drawn=drawn, images=images, **values)

    def compute(self, pictures, depth, restat, deleted):
        """For `residual` and `plain`: `_wrong`, how many of the `images` are answered wrongly, `_error`, the share of
        them, and `_paths`, how many paths are left; "" where a plain network cannot do without one of the blocks, and
        `unfit` then names these. `evaluated` is "recorded", or "now".

        Raises:
            ValueError: other pictures, another depth, no positions of its blocks; on CIFAR-10, and for a page, a set
                that was not recorded.
        """
        one_of("pictures", pictures, tuple(PICTURES))
        one_of("depth", depth, DEPTHS)
        names = blocks_of(depth)
        gone = positions(deleted, len(names))
        fixed = [names[i] for i in gone if not self.drawn[pictures][str(depth)][i]["plain"]]
        answer = {"count": len(gone), "residual_paths": f"{2 ** (len(names) - len(gone)):,}", "plain_paths": "1",
                  "unfit": ", ".join(fixed), "evaluated": "recorded"}
        for kind in KINDS:
            if kind == "plain" and fixed:
                answer |= {"plain_wrong": "", "plain_error": "", "plain_paths": ""}
                continue
            wrong = self.records[pictures][str(depth)][kind]["reestimated" if restat else "kept"].get(deleted)
            if wrong is None:
                if self._for_a_page or pictures != "digits":
                    raise ValueError("These blocks together were not evaluated.")
                wrong, answer["evaluated"] = evaluated(depth, kind, deleted, restat), "now"
            answer |= {f"{kind}_wrong": wrong, f"{kind}_error": round(wrong / self.images[pictures], 6)}
        return answer

    _for_a_page = False

    def static_spec(self):
        self._for_a_page = True
        try:
            return super().static_spec()
        finally:
            self._for_a_page = False

    def fallback_html(self):
        """The error without each block, as a table."""
        images = self.images[self.pictures]
        wrong = {kind: of_kind["kept"] for kind, of_kind in self.records[self.pictures][str(self.depth)].items()}
        rows = [(block["name"], *(f"{wrong[kind][str(i)] / images:.1%}" if str(i) in wrong[kind]
                                  else "cannot be deleted" for kind in KINDS))
                for i, block in enumerate(self.drawn[self.pictures][str(self.depth)])]
        rows.insert(0, ("none", *(f"{wrong[kind][''] / images:.1%}" for kind in KINDS)))
        return html_table(f"Test error on {self.pictures} of trained networks of {self.depth} layers without one block",
                          ["deleted", "residual", "plain"], rows)


def positions(deleted, count):
    """"3 17" -> [3, 17]; a ValueError for anything that is not written so, or beyond `count` blocks."""
    words = deleted.split(" ") if isinstance(deleted, str) and deleted else []
    gone = [int(word) if word.isdecimal() else -1 for word in words]
    if " ".join(map(str, sorted(set(gone)))) != deleted or any(not 0 <= i < count for i in gone):
        raise ValueError(f"deleted is {deleted!r}, allowed: a text of numbers of blocks, rising from 0 to {count - 1}, "
                         "with spaces.")
    return gone


def blocks_of(depth):
    """The names of the blocks of a ResNet of 6n+2 layers, also of those that a plain one cannot do without."""
    return [f"layer{stage}.{i}" for stage in (1, 2, 3) for i in range((depth - 2) // 6)]


def network_name(pictures, depth, kind):
    """("CIFAR-10", 20, "plain") -> "cifar10-short-plain20", a name in `data/weights`."""
    return f"{PICTURES[pictures]}-{KINDS[kind]}{depth}"


@lru_cache(maxsize=4)
def drawing(pictures, depth):
    """What is drawn of each block, from the network's summary."""
    shape, options = ((1, 1, 8, 8), {"in_channels": 1, "width": 8}) if pictures == "digits" else ((1, 3, 32, 32), {})
    parts = {block.name: block for block in of(f"resnet{depth}", shape, **options).blocks}
    return [{"name": name, "stage": int(name[5]), "channels": parts[name].output_shape[1],
             "side": parts[name].output_shape[2], "plain": not (name[5] in "23" and name.endswith(".0"))}
            for name in blocks_of(depth)]


@lru_cache(maxsize=4)
def network(name):
    return lesion.load(name)


@lru_cache(maxsize=4096)
def evaluated(depth, kind, deleted, restat):
    """Wrong answers of a network of the digits without these blocks, evaluated here."""
    model, dataset = network(network_name("digits", depth, kind))
    names = blocks_of(depth)
    gone = [names[i] for i in positions(deleted, len(names))]
    error = lesion.test_error(model, dataset.test, delete=gone, restat=dataset.train if restat else None)
    return round(error * len(dataset.test))
