"""Recorded curves: the training curves of an experiment's runs, with the spread over the seeds."""

from statistics import fmean

import traitlets as t

from .. import data
from ..anatomy import summary
from ..models import create_model
from ..records import runs
from ..records.grids import GRIDS, grid
from .base import html_table
from .trainer import page_plan
from .training_here import TrainsHere

MEASURES = {"test_error": "test error", "train_error": "training error",
            "test_loss": "test loss", "train_loss": "training loss"}


class RecordedCurves(TrainsHere):
    """Compares the configurations of an experiment: a curve is the mean over seeds, its band lowest to highest.

    The options that differ between the runs become the inputs: ``RecordedCurves("lenet-activation-pooling",
    activation="tanh", pooling="avg")``. With a kernel the chosen network can be trained on the spot, on `digits`.

    Args:
        experiment: folder of `data/runs`.
        root: another folder of experiments than `data/runs`.
        input_size: input of the network (N, C, H, W), for the table of its shapes.
        values: the configuration to open with, and any trait below.

    Attributes:
        measure: one of MEASURES. x_axis: "epochs" or "seconds" (mean training time on the recording machine).
        compare: position in `curves` of a second configuration to show, or -1.
        curves: one dict a configuration: name, model, seeds, seconds, and for each measure the lists
            mean, min, max over the seeds, one value an epoch. Errors are fractions.

    Raises:
        ValueError: an experiment that is neither recorded nor declared, or values that it does not have.
    """

    page_origin = "recorded"

    experiment = t.Unicode().tag(sync=True)
    curves = t.List().tag(sync=True)
    provenance = t.List(help="pairs of label and text").tag(sync=True)
    measure = t.Enum(list(MEASURES), "test_error").tag(sync=True)
    x_axis = t.Enum(["epochs", "seconds"], "epochs").tag(sync=True)
    log_scale = t.Bool(True).tag(sync=True)
    compare = t.Int(-1).tag(sync=True)

    def __init__(self, experiment="lenet-activation-pooling", *, root=None, input_size=(1, 1, 28, 28), **values):
        recorded = runs.load(experiment, root)
        if not recorded:
            grid(experiment)            # is it declared at least?
        self.inputs = option_axes(recorded, experiment)
        self.input_size = tuple(input_size)
        self._recipe = recorded[0].recipe if recorded else {}
        self.add_traits(**{name: t.Enum(allowed, allowed[-1]).tag(sync=True) for name, allowed in self.inputs.items()})
        super().__init__(experiment=experiment, curves=[curve(group) for group in grouped(recorded, self.inputs)],
                         provenance=provenance(recorded), **values)

    def compute(self, **options):
        """The chosen configuration: its place in `curves` and what its network is made of, layer by layer."""
        chosen = next((i for i, each in enumerate(self.curves)
                       if options.items() <= each["model"]["options"].items()), -1)
        if chosen < 0:
            what = " and ".join(map(str, options.values())) or "this experiment"
            return {"chosen": -1, "layers": [], "parameters": 0, "macs": 0,
                    "reason": f"No runs of {what} are recorded yet. To record them: "
                              f"python -m cnnlib record {self.experiment} --seeds 3"}
        model = self.curves[chosen]["model"]
        parts = summary(create_model(model["name"], **model["options"]), self.input_size)
        layers = [[row.name, row.type, by(row.output_shape[1:]), row.params, row.macs, by(row.receptive_field)]
                  for row in parts.rows]
        return {"chosen": chosen, "layers": layers, "parameters": parts.total_params, "macs": parts.total_macs,
                "reason": ""}

    def fallback_html(self):
        """The final values of every configuration, as a table."""
        if not self.curves:
            return html_table(self.experiment, ["", ""], [("no runs", self.answer["reason"])])
        rows = []
        for each in self.curves:
            final = [f"{each['test_error'][key][-1]:.2%}" for key in ("mean", "min", "max")]
            rows.append((each["name"], len(each["seeds"]), *final, each["model"]["parameters"]))
        return html_table(f"Test error after the last epoch, {self.experiment}",
                          ["configuration", "seeds", "mean", "lowest", "highest", "parameters"], rows)

    def to_train(self):
        if not self.answer or self.answer["chosen"] < 0:
            return None
        chosen = self.curves[self.answer["chosen"]]
        return (chosen["name"], (chosen["model"]["name"], chosen["model"]["options"]),
                lambda: data.load("digits", size=self.input_size[-1]), {**self._recipe, "batch_size": 32})

    def in_page(self):
        """The recorded networks, on digits of the size that they take."""
        networks = [([curve["model"]["options"][name] for name in self.inputs], curve["model"]["name"],
                     curve["model"]["options"], self.input_size[-1]) for curve in self.curves]
        if not networks:
            return None
        title = self.curves[0]["name"]
        return page_plan(networks, {**self._recipe, "batch_size": 32}, dict.fromkeys(self.inputs, ""), title=title)


def option_axes(recorded, experiment):
    """Model options that differ between runs -> their values, in the order of the experiment's declaration."""
    declared = [case.options for case in GRIDS[experiment].cases] if experiment in GRIDS else []
    options = [run.model["options"] for run in recorded]
    values = {name: list(dict.fromkeys(each[name] for each in [*declared, *options] if name in each))
              for name in dict.fromkeys(name for each in options for name in each)}
    found = {name: [v for v in allowed if any(each.get(name) == v for each in options)]
             for name, allowed in values.items()}
    return {name: allowed for name, allowed in found.items() if len(allowed) > 1}


def grouped(recorded, axes):
    """Runs of the same configuration, in the order of the axes' values."""
    groups = {}
    for run in recorded:
        place = tuple(allowed.index(run.model["options"][name]) for name, allowed in axes.items())
        groups.setdefault(place, []).append(run)
    return [sorted(groups[place], key=lambda run: run.seed) for place in sorted(groups)]


def curve(group):
    """What the page needs of the runs of one configuration; see RecordedCurves.curves."""
    if len({len(run.epochs) for run in group}) > 1:
        raise ValueError(f"the runs {[run.run for run in group]} have different numbers of epochs")

    def over_seeds(key, digits):
        columns = list(zip(*(run.column(key) for run in group), strict=True))
        return {"mean": [round(fmean(column), digits) for column in columns],
                "min": [round(min(column), digits) for column in columns],
                "max": [round(max(column), digits) for column in columns]}

    model = group[0].model
    return {"name": ", ".join(map(str, model["options"].values())) or model["name"], "model": model,
            "seeds": [run.seed for run in group], "seconds": over_seeds("seconds", 2)["mean"],
            **{key: over_seeds(key, 6) for key in MEASURES}}


def provenance(recorded):
    """(label, text) pairs: on what, with what and when the runs were made; equal values are said once."""
    def distinct(text):
        return "; ".join(dict.fromkeys(text(run) for run in recorded))

    if not recorded:
        return []
    dates = sorted(run.date[:10] for run in recorded)
    return [
        ["data", distinct(lambda run: run.data["variant"])],
        ["recipe", distinct(lambda run: ", ".join(f"{name} {value}" for name, value in run.recipe.items()))],
        ["seeds", ", ".join(str(seed) for seed in sorted({run.seed for run in recorded}))],
        ["device", distinct(lambda run: f"{run.device_name} ({run.device}, threads: {run.threads}, {run.precision})")],
        ["software", distinct(lambda run: f"PyTorch {run.torch}, cnnlib {run.cnnlib}")],
        ["commit", distinct(lambda run: run.commit or "not recorded")],
        ["command", distinct(lambda run: run.command)],
        ["date", dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"],
    ]


def pictures(recorded):
    """What the runs were trained on in a few words: "digits, 8×8 enlarged to 16×16"."""
    def words(run):
        title, (_, *before), _ = data.PICTURES[run.data["name"]]
        after = run.shape[1:]
        change = "" if after == before else f" {'enlarged' if after > before else 'reduced'} to {by(after)}"
        return f"{title}, {by(before)}{change}"

    return "; ".join(dict.fromkeys(map(words, recorded)))


def by(shape):
    """(6, 28, 28) -> "6×28×28"; a single number stays one."""
    return "×".join(map(str, shape)) if isinstance(shape, (tuple, list)) else str(shape)
