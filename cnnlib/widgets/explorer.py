"""The Explorer: any network's anatomy under the reader's hand, and its recorded training curves."""

import contextlib
import json
from dataclasses import replace
from itertools import chain, product

import traitlets as t

from .. import data
from ..anatomy import of
from ..models import standard_input
from ..records import runs
from ..records.grids import GRIDS, grid
from .base import html_table
from .families import FAMILIES, Knob, colour_of
from .recorded_curves import MEASURES, by, curve, pictures, provenance
from .trainer import page_plan
from .training_here import TrainsHere

PAGE_BUDGET = 200_000                                # bytes of a widget on a page
NOT_OPTIONS = ("batch", "size")                      # knobs that leave the network as it is
BY_THE_DATA = ("in_channels", "num_classes", "image_size")      # options that follow from the pictures
UNIT = ("name", "type", "channels", "height", "width", "layers", "params", "macs", "kept", "field", "jump",
        "adds", "concats", "shortcut", "branches")
STAGE = ("name", "channels", "height", "width", "layers", "params", "macs", "kept", "field", "jump",
         "params_share", "macs_share", "kept_share", "units")


class Explorer(TrainsHere):
    """Turns the knobs of a family and shows what becomes of the network.

    ``Explorer("densenet-cifar", {"growth_rate": [12, 24, 40], "depth": None}, recorded=["digits-densenet"],
    depth=100)``: a knob with the page's values, one with the family's, and the depth to open with.

    Args:
        family: a name of FAMILIES, or a Family.
        knobs: the knobs shown: name -> values for the page, a Knob, or None for the family's. None: all of them.
            Knobs that are left out stay as the family has them, or as `values` says.
        recorded: experiments of `data/runs` that trained networks of this family.
        title: heads the widget; the family's name if not given.
        options: further options of `create_model`, the same for all configurations.
        train_data: arguments of `cnnlib.data.load` for *Train here*; size and channels follow the network.
        recipe: arguments of `cnnlib.training.fit` for *Train here*.
        root: another folder of experiments than `data/runs`.
        values: the configuration to open with, and any trait below.

    Attributes:
        source: position in `sources` of the experiment whose curves are shown.
        measure: one of MEASURES. x_axis: "epochs" or "seconds" (mean training time on the recording machine).
        pinned: a configuration kept to compare with: label (with the picture and the batch), knobs, and of its answer
            the totals, `recorded` and the stages' names and shares; empty if none.
        curves: as in RecordedCurves, with the knobs that lead there and the experiment's place in `sources`.
        sources: one dict an experiment: name, about, data, on (the data in a few words), provenance.

    Raises:
        ValueError: unknown family, knob or experiment, or values that make no network.
    """

    title = t.Unicode().tag(sync=True)
    colour = t.Unicode().tag(sync=True)
    knobs = t.List(help="one dict a knob: name, label, and whether any value may be typed").tag(sync=True)
    curves = t.List().tag(sync=True)
    sources = t.List().tag(sync=True)
    source = t.Int(0, min=0).tag(sync=True)
    measure = t.Enum(list(MEASURES), "test_error").tag(sync=True)
    x_axis = t.Enum(["epochs", "seconds"], "epochs").tag(sync=True)
    log_scale = t.Bool(True).tag(sync=True)
    pinned = t.Dict().tag(sync=True)

    def __init__(self, family="all", knobs=None, *, recorded=(), title=None, options=None, train_data=None,
                 recipe=None, root=None, **values):
        self.family = _family(family, knobs)
        shown = list(self.family.knobs if knobs is None else knobs)
        self.inputs = {name: list(self.family.knobs[name].values) for name in shown}
        self.fixed = {name: values.pop(name, knob.start) for name, knob in self.family.knobs.items()
                      if name not in shown}
        self.options, self._data = dict(options or {}), {"name": "digits", **(train_data or {})}
        self._recipe = {"batch_size": 32, "lr": 0.05, **(recipe or {})}
        for name in shown:
            start = values.get(name, self.family.knobs[name].start)
            self.add_traits(**{name: t.Any(start).tag(sync=True)})
        self._known = self._configurations()
        curves, sources = self._recordings(recorded, root)
        super().__init__(
            title=title or self.family.title, colour=self.family.colour, curves=curves, sources=sources,
            knobs=[{"name": name, "label": self.family.knobs[name].label, "typed": self.family.knobs[name].live
                    is not None} for name in shown], **values)

    # ---------------------------------------------------------------- anatomy

    def plan(self, **knobs):
        """(name, options) of `create_model` for a configuration."""
        knobs = {**self.fixed, **knobs}
        name, options = self.family.network(**{k: v for k, v in knobs.items() if k not in NOT_OPTIONS})
        return name, {**options, **self.options}

    def compute(self, **knobs):
        """The network of a configuration as columns: the lists `stage_...` run in parallel, and so do `unit_...`.

        A unit is what the diagram draws as one: a block of the summary, with the normalisation and activation that
        belong to it. MACs are those of one picture, `kept` the bytes kept for the backward pass of a whole batch.
        `recorded` and `nearest` are positions in `curves`, one a source, -1 if there is none.

        Raises:
            ValueError: a knob out of range, or knobs that make no network.
        """
        everything = {**self.fixed, **knobs}
        for name, value in everything.items():
            self.family.knobs[name].check(name, value)
        name, options = self.plan(**knobs)
        channels, height, width = standard_input(name, **options)
        height, width = everything.get("size", height), everything.get("size", width)
        batch = everything["batch"]
        parts = of(name, (batch, channels, height, width), **options)
        groups = [_units(stage) for stage in parts.stages]
        stages = [_stage(stage, units, parts, batch) for stage, units in zip(parts.stages, groups, strict=True)]
        units = [_unit(unit, batch) for unit in chain(*groups)]
        arguments = "".join(f", {key}={value!r}" for key, value in options.items())
        recorded = [self._recorded(source, name, options) for source in range(len(self.sources))]
        return {
            "network": name, "label": self.label(knobs) or name, "code": f'cnnlib.create_model("{name}"{arguments})',
            "colour": colour_of(name), "batch": batch, "input": [channels, height, width],
            "params": parts.total_params, "macs": parts.total_macs // batch, "kept": parts.total_kept_bytes,
            "layers": sum(stage.layers for stage in parts.stages),
            **{f"stage_{key}": [stage[key] for stage in stages] for key in STAGE},
            **{f"unit_{key}": [unit[key] for unit in units] for key in UNIT},
            "recorded": recorded,
            "nearest": [self._nearest(source, knobs) if found < 0 else found
                        for source, found in enumerate(recorded)],
        }

    # ---------------------------------------------------------------- recordings

    def _key(self, name, options):
        """What tells recorded networks apart: the name and the options that are not as they are anyway."""
        return name, tuple(sorted((key, value) for key, value in options.items() if key not in BY_THE_DATA
                                  and (key not in self.family.standard or self.family.standard[key] != value)))

    def _configurations(self):
        """Key of a network -> the knobs that lead there; the page's values of all knobs but batch and size."""
        grid = {name: values for name, values in self.inputs.items() if name not in NOT_OPTIONS}
        found = {}
        for values in product(*grid.values()):
            knobs = dict(zip(grid, values, strict=True))
            with contextlib.suppress(ValueError):           # knobs that make no network
                found.setdefault(self._key(*self.plan(**knobs)), knobs)
        return found

    def _recordings(self, experiments, root):
        """`curves` and `sources`: the runs of the experiments whose networks the knobs can reach."""
        curves, sources = [], []
        for source, experiment in enumerate([experiments] if isinstance(experiments, str) else experiments):
            found = runs.load(experiment, root)
            if not found:
                grid(experiment)        # is it declared at least?
            groups = {}
            for run in found:
                key = self._key(run.model["name"], run.model["options"])
                if key in self._known:
                    groups.setdefault(key, []).append(run)
            kept = [run for group in groups.values() for run in group]
            sources.append({
                "name": experiment, "about": GRIDS[experiment].about if experiment in GRIDS else experiment,
                "data": kept[0].data["variant"] if kept else "", "on": pictures(kept), "provenance": provenance(kept)})
            order = list(self._known)
            for key in sorted(groups, key=order.index):
                knobs = self._known[key]
                curves.append({**curve(sorted(groups[key], key=lambda run: run.seed)), "source": source,
                               "knobs": knobs, "name": self.label(knobs)})
        return curves, sources

    def label(self, knobs):
        """A configuration in words: "depth 20, shortcut A"."""
        return ", ".join(_words(self.family.knobs[name].label, value) for name, value in knobs.items()
                         if name not in NOT_OPTIONS)

    def _recorded(self, source, name, options):
        key = self._key(name, options)
        return next((i for i, each in enumerate(self.curves) if each["source"] == source
                     and self._key(each["model"]["name"], each["model"]["options"]) == key), -1)

    def _nearest(self, source, knobs):
        """The recorded configuration that differs in the fewest knobs, and then in the shortest steps; of several that
        are equally near, but for rounding, the first."""
        def far(i):
            pairs = [(name, value, knobs[name]) for name, value in self.curves[i]["knobs"].items()]
            steps = [_steps(self.inputs[name], a, b) for name, a, b in pairs]
            return sum(a != b for _, a, b in pairs), round(sum(steps), 6), i

        return min((i for i, each in enumerate(self.curves) if each["source"] == source), key=far, default=-1)

    # ---------------------------------------------------------------- training here

    def to_train(self):
        name, options = self.plan(**self.answered)
        channels, height, _ = self.answer["input"]
        load = {"size": height, "channels": None if channels == 1 else channels, **self._data}
        return self.answer["label"], (name, options), lambda: data.load(**load), self._recipe

    def in_page(self):
        """Networks of grey digits: as an experiment of `recorded` on digits had them and by its recipe, or if there is
        none as large as the network takes them."""
        on_digits = [i for i, source in enumerate(self.sources) if _on_digits(source["name"])]
        at = on_digits[0] if on_digits else -1
        declared = GRIDS[self.sources[at]["name"]] if on_digits else None
        recipe = declared.recipe if declared else self._recipe
        side = declared.data.get("size", 8) if declared else None

        def networks():
            for knobs in self._combinations():
                try:
                    name, options = self.plan(**knobs)
                    channels, standard, _ = standard_input(name, **options)
                except ValueError:
                    continue                                # knobs that make no network
                grey = {} if channels == 1 else {"in_channels": 1}
                yield list(knobs.values()), name, {**options, **grey}, side or standard

        names = {name: self.family.knobs[name].label for name in self.inputs if name not in NOT_OPTIONS}
        ranges = {name: {"label": names[name], "values": values} for name, values in self._ranges().items()}
        return page_plan(networks(), recipe, names, ranges, self.title, at)

    def _ranges(self):
        """Knob -> all whole numbers that it may be in the page's training, of knobs that are typed with a kernel."""
        found = {}
        for name, values in self.inputs.items():
            live = self.family.knobs[name].live
            if name not in NOT_OPTIONS and live and type(live[0]) is int:
                found[name] = list(range(live[0], max(values) + 1))
        return found

    def _combinations(self):
        """Knobs to train with: first the page's grid, then one number of a range at a time beside values of the grid,
        those first that are like the widget as it opens in what is no number."""
        grid = {name: values for name, values in self.inputs.items() if name not in NOT_OPTIONS}
        everything = [grid, *({**grid, name: [n for n in values if n not in grid[name]]}
                              for name, values in self._ranges().items())]
        numbers = set(self._ranges())

        def strange(knobs):
            return sum(value != getattr(self, name) for name, value in knobs.items() if name not in numbers)

        for place, choices in enumerate(everything):
            combinations = [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]
            yield from sorted(combinations, key=strange) if place else combinations

    # ---------------------------------------------------------------- the page

    def fallback_html(self):
        """The stages of the network as it opens, as a table."""
        answer = self.answer
        rows = [(name, by([n for n in (channels, height, width) if n]), layers, params, macs, kept)
                for name, channels, height, width, layers, params, macs, kept
                in zip(*(answer[f"stage_{key}"] for key in STAGE[:8]), strict=True)]
        rows.append(("total", "", answer["layers"], answer["params"], answer["macs"], answer["kept"]))
        return html_table(f"{self.title}: {answer['code']}",
                          ["stage", "output", "layers", "parameters", "MACs", "bytes kept for training"], rows)

    def to_html(self):
        """The widget for a page; ValueError if it is larger than PAGE_BUDGET, with what each knob contributes."""
        page = super().to_html()
        if (large := len(page.encode())) > PAGE_BUDGET:
            raise ValueError(f"the page's part of {self!r} has {large:,} bytes, allowed: {PAGE_BUDGET:,}. "
                             f"Thin out one of its knobs: {self._weights()}.")
        return page

    def _weights(self):
        """What would be left if a knob had its present value alone, the heaviest first."""
        full, left = self.inputs, {}
        for name in full:
            self.inputs = {**full, name: [getattr(self, name)]}
            left[name] = len(json.dumps(self.static_spec(), separators=(",", ":")))
        self.inputs = full
        return "; ".join(f"{name} has {len(full[name])} values, with one {left[name]:,} bytes would be left"
                         for name in sorted(left, key=left.get))


def _family(family, knobs):
    """The Family with the author's knobs in it; ValueError for names that do not exist."""
    if isinstance(family, str):
        if family not in FAMILIES:
            raise ValueError(f"family is {family!r}, allowed: {', '.join(FAMILIES)}.")
        family = FAMILIES[family]
    known = dict(family.knobs)
    for name, given in (knobs if isinstance(knobs, dict) else dict.fromkeys(knobs or ())).items():
        if name not in known and not isinstance(given, Knob):
            raise ValueError(f"knobs names {name!r}, allowed: {', '.join(known)}, or a Knob of your own.")
        if isinstance(given, Knob):
            known[name] = given
        elif given is not None:
            start = known[name].start
            known[name] = replace(known[name], values=tuple(given), default=start if start in given else given[0])
    return replace(family, knobs=known)


def _on_digits(experiment):
    """Did it train on the digits as they are split usually?"""
    known = GRIDS.get(experiment)
    return known is not None and known.data["name"] == "digits" and set(known.data) <= {"name", "size"}


def _words(label, value):
    if isinstance(value, bool):
        return label if value else f"no {label}"
    return f"{label} {value}"


def _steps(values, a, b):
    """How far two values of a knob lie apart, 0 to 1: numbers by their order, others just differ."""
    if a == b or not all(type(v) in (int, float) for v in (a, b)):
        return float(a != b)
    order = sorted({*values, a, b})
    return abs(order.index(a) - order.index(b)) / (len(order) - 1)


def _units(stage):
    """The stage's blocks in groups: normalisation and activation go with the convolution of the same module."""
    groups, waiting = [], []
    parent = lambda block: block.name.rpartition(".")[0]            # noqa: E731
    for block in stage.blocks:
        if groups and not waiting and not (block.params or block.macs or block.kept_bytes):      # an empty Sequential
            groups[-1].append(block)
            continue
        first_with_pixels = not groups and not waiting and len(block.output_shape) == 4
        if block.layers or block.adds or block.concats or first_with_pixels:
            groups.append([*waiting, block])
            waiting = []
        elif groups and not waiting and _single(groups[-1]) and parent(groups[-1][-1]) == parent(block):
            groups[-1].append(block)
        else:
            waiting.append(block)
    return [*groups, waiting] if waiting else groups


def _single(group):
    return not any(block.adds or block.concats for block in group)


def _head(group):
    """The block that gives a unit its name."""
    return next((b for b in group if b.layers or b.adds or b.concats), group[0])


def _size(shape):
    """(channels, height, width) of an output (N, C, H, W); 0 where there are no pixels."""
    return {"channels": shape[1] if len(shape) in (2, 4) else shape[-1],
            "height": shape[2] if len(shape) == 4 else 0, "width": shape[3] if len(shape) == 4 else 0}


def _reach(part):
    return {key: by(reach) if isinstance(reach, tuple) else reach or 0
            for key, reach in (("field", part.receptive_field), ("jump", part.jump))}


def _unit(group, batch):
    head = _head(group)
    return {"name": head.name, "type": " + ".join(dict.fromkeys(block.type for block in group)),
            **_size(head.output_shape), **_reach(group[-1]),
            "layers": sum(b.layers for b in group), "params": sum(b.params for b in group),
            "macs": sum(b.macs for b in group) // batch, "kept": sum(b.kept_bytes for b in group),
            "adds": sum(b.adds for b in group), "concats": sum(b.concats for b in group),
            "shortcut": head.shortcut or "", "branches": head.branches}


def _stage(stage, units, parts, batch):
    share = lambda part, whole: round(1000 * part / whole) / 10 if whole else 0.0          # noqa: E731
    return {"name": stage.name, **_size(stage.output_shape), **_reach(stage), "layers": stage.layers,
            "params": stage.params, "macs": stage.macs // batch, "kept": stage.kept_bytes, "units": len(units),
            "params_share": share(stage.params, parts.total_params),
            "macs_share": share(stage.macs, parts.total_macs),
            "kept_share": share(stage.kept_bytes, parts.total_kept_bytes)}
