"""Lesion bench: click blocks of a trained residual network away, and those of a plain one beside it."""

from functools import lru_cache

import traitlets as t

from ..experiments import lesion, lesion_records
from ..models.checks import one_of
from ..summary import of
from .base import BookWidget, html_table

DEPTHS = (20, 56)
KINDS = {"residual": "resnet", "plain": "plain"}


class LesionBench(BookWidget):
    """Shows the test error of a trained network without the blocks that the reader has clicked away.

    A residual and a plain network of one depth stand beside each other, trained on the digits by the same recipe; the
    same blocks are deleted in both. What a page shows was evaluated with exactly these blocks deleted and with either
    statistics: every set of them for the networks of 20 layers, every one and every two for those of 56. With a kernel
    any other set is evaluated when it is asked for.

    Attributes:
        depth: 20 or 56 layers.
        deleted: the positions of the deleted blocks, rising, with spaces between: "" for none, "0", "3 17".
        restat: BatchNorm's running statistics are estimated anew on the training images, with the blocks gone.
        drawn: depth -> what is drawn: one dict a block with name, stage, channels, side (pixels of its maps), and
            plain (can it be deleted in the plain network?).
        records: depth -> kind -> statistics -> set -> wrong answers, all that was recorded, over the positions above.
    """

    page_origin = "recorded"
    inputs = {"depth": list(DEPTHS), "restat": [False, True], "deleted": []}
    depth = t.Int(56).tag(sync=True)
    deleted = t.Unicode("").tag(sync=True)
    restat = t.Bool(False).tag(sync=True)
    drawn = t.Dict().tag(sync=True)
    records = t.Dict().tag(sync=True)
    images = t.Int().tag(sync=True)

    def __init__(self, **values):
        positions(values.get("deleted", ""), len(blocks_of(one_of("depth", values.get("depth", 56), DEPTHS))))
        records, drawn = {}, {}
        for depth in DEPTHS:
            names = blocks_of(depth)
            drawn[str(depth)], records[str(depth)] = drawing(depth), {}
            for kind, family in KINDS.items():
                found = lesion_records.recorded(f"digits-{family}{depth}")
                at = [names.index(name) for name in found.blocks]
                records[str(depth)][kind] = {
                    statistics: {lesion_records.key(at[int(i)] for i in each.split()): wrong
                                 for each, wrong in sets.items()}
                    for statistics, sets in found.wrong.items()}
        sets = {each: None for depth in DEPTHS for each in records[str(depth)]["residual"]["kept"]}
        self.inputs = {**self.inputs, "deleted": list(sets)}
        super().__init__(records=records, drawn=drawn, images=found.images, **values)

    def compute(self, depth, restat, deleted):
        """For `residual` and `plain`: `_wrong`, how many of the `images` are answered wrongly, `_error`, the share of
        them, and `_paths`, how many paths are left; "" where a plain network cannot do without one of the blocks, and
        `unfit` then names these. `evaluated` is "recorded", or "now".

        Raises:
            ValueError: another depth, or no positions of its blocks.
        """
        one_of("depth", depth, DEPTHS)
        names = blocks_of(depth)
        gone = positions(deleted, len(names))
        fixed = [names[i] for i in gone if not self.drawn[str(depth)][i]["plain"]]
        answer = {"count": len(gone), "residual_paths": f"{2 ** (len(names) - len(gone)):,}", "plain_paths": "1",
                  "unfit": ", ".join(fixed), "evaluated": "recorded"}
        for kind in KINDS:
            if kind == "plain" and fixed:
                answer |= {"plain_wrong": "", "plain_error": "", "plain_paths": ""}
                continue
            wrong = self.records[str(depth)][kind]["reestimated" if restat else "kept"].get(deleted)
            if wrong is None:
                if self._for_a_page:
                    raise ValueError("These blocks together were not evaluated; run the notebook to do it.")
                wrong, answer["evaluated"] = evaluated(f"digits-{KINDS[kind]}{depth}", deleted, restat), "now"
            answer |= {f"{kind}_wrong": wrong, f"{kind}_error": round(wrong / self.images, 6)}
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
        tables = self.records[str(self.depth)]
        rows = [(block["name"], *(f"{tables[kind]['kept'][str(i)] / self.images:.1%}" if str(i) in tables[kind]["kept"]
                                  else "cannot be deleted" for kind in KINDS))
                for i, block in enumerate(self.drawn[str(self.depth)])]
        rows.insert(0, ("none", *(f"{tables[kind]['kept'][''] / self.images:.1%}" for kind in KINDS)))
        return html_table(f"Test error of trained networks of {self.depth} layers without one block",
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


@lru_cache(maxsize=4)
def drawing(depth):
    """What is drawn of each block, from the network's summary."""
    parts = {block.name: block for block in of(f"resnet{depth}", (1, 1, 8, 8), in_channels=1, width=8).blocks}
    return [{"name": name, "stage": int(name[5]), "channels": parts[name].output_shape[1],
             "side": parts[name].output_shape[2], "plain": not (name[5] in "23" and name.endswith(".0"))}
            for name in blocks_of(depth)]


@lru_cache(maxsize=4)
def network(name):
    return lesion.load(name)


@lru_cache(maxsize=4096)
def evaluated(name, deleted, restat):
    """Wrong answers of a network of `data/weights` without these blocks, evaluated here."""
    model, dataset = network(name)
    depth = int(name.removeprefix("digits-").lstrip("abcdefghijklmnopqrstuvwxyz"))
    names = blocks_of(depth)
    gone = [names[i] for i in positions(deleted, len(names))]
    error = lesion.test_error(model, dataset.test, delete=gone, restat=dataset.train if restat else None)
    return round(error * len(dataset.test))
