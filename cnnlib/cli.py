"""`python -m cnnlib train | evaluate | predict | record | bench | assign | grade`: the book from the command line.

Begin with:  python -m cnnlib train resnet20 --data digits --epochs 6
Your own:    python -m cnnlib train resnet20 --data folder --root photos --size 64 --save net.safetensors
             python -m cnnlib predict net.safetensors new/*.jpg
Teachers:    python -m cnnlib assign vgg --to homework.ipynb
             python -m cnnlib grade handed-in/*.ipynb --like homework.ipynb --csv grades.csv
"""

import argparse
import csv
import inspect
import json
import shutil
import sys
import tempfile
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import get_args

from . import __version__, create_model, models, summary
from .checks import at_least, one_of
from .training import Recipe


def main(argv=None):
    """Run a command; bad input ends with its message and exit status 2, not with a traceback."""
    parser = argparse.ArgumentParser(prog="python -m cnnlib", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"cnnlib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_train_parser, _evaluate_parser, _predict_parser, _record_parser, _bench_parser, _assign_parser,
                _grade_parser):
        add(commands)
    args = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")       # names of files that a terminal cannot show
    try:
        args.run(args)
    except (ValueError, OSError, FloatingPointError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; what was finished is kept.", file=sys.stderr)
        sys.exit(130)


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults, where there are any, and the examples below the options as they are written."""

    def _get_help_string(self, action):
        shown = action.default is not None and action.default is not False and action.default != []
        return super()._get_help_string(action) if shown else action.help


# -- train ----------------------------------------------------------------------------------------------------------


def _train_parser(commands):
    p = commands.add_parser(
        "train", help="train one network and print its history", formatter_class=_Help, epilog="""examples:
  python -m cnnlib train resnet20 --data digits --epochs 6
  python -m cnnlib train lenet5_modern --data mnist --optimizer adam --lr 0.003 --save lenet.safetensors
  python -m cnnlib train resnet56 --data cifar10 --crop 4 --flip --weight-decay 5e-4 --lr 0.1 --epochs 30 \\
      --checkpoint resnet56.checkpoint          # run the same line again after a crash: it goes on where it was
  torchrun --nproc-per-node=4 -m cnnlib train resnet56 --data cifar10 ...      # four GPUs, or CPU processes
  python -m cnnlib train resnet50 --weights imagenet --head hidden --freeze --data flowers

Several GPUs: torchrun starts one process a GPU, and each works on its share of every batch. On several machines run the
same line on each, with `--nnodes=2 --rdzv-backend=c10d --rdzv-endpoint=HOST:29500` before -m, HOST being one of them
that all others reach. Every machine needs the data set, and a checkpoint must lie in a folder that all of them see:
process 0 writes it, all read it. --batch-size is that of a step over all processes, so the curve stays that of one
process; BatchNorm averages over each process's share, which should not become tiny.""")
    p.add_argument("model", help="its name, such as lenet5_modern, resnet20, densenet_cifar; a wrong one lists all")
    p.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                   help="an option of the network, e.g. --option activation=tanh; may be repeated. num_classes and "
                        "in_channels follow from the data")
    p.add_argument("--weights", metavar="FILE", help="begin with these weights (safetensors) instead of random ones; "
                   "'imagenet' takes those that torchvision publishes, which are downloaded")
    _data_arguments(p, data="digits")
    group = p.add_argument_group("transfer", "use a network again, for other classes")
    group.add_argument("--head", choices=("hidden", "linear"), help="a new head in place of the last layer: with a "
                       "hidden layer, or one linear layer")
    group.add_argument("--freeze", action="store_true", help="train the new head only; the rest stands still, "
                       "BatchNorm's averages, too")
    group.add_argument("--lr-factor", type=float, default=1.0, help="learning rate of the rest as a part of the head's")
    group = p.add_argument_group("training images")
    group.add_argument("--limit", type=int, help="train on so many images only")
    group.add_argument("--crop", type=_number_or_text, default=0,
                       help="augmentation: pixels by which training images may shift, or 'resized'")
    group.add_argument("--flip", action="store_true", help="augmentation: mirror training images at random")
    _recipe_arguments(p)
    group = p.add_argument_group("machine")
    group.add_argument("--device", help="cuda, mps or cpu; the fastest if not given")
    group.add_argument("--compile", action="store_true", help="translate the network first; pays in long GPU runs")
    group = p.add_argument_group("results")
    group.add_argument("--save", metavar="FILE", help="write the trained weights here (safetensors)")
    group.add_argument("--checkpoint", metavar="FILE", help="go on from here if it exists; written after every epoch")
    group.add_argument("--checkpoint-seconds", type=float, help="write it within epochs, too, so often")
    group.add_argument("--figure", metavar="FILE", help="draw loss and error over the epochs (png, svg, pdf)")
    group.add_argument("--log", "--write-log", metavar="FILE", help="add a row an epoch to this file (csv, jsonl); "
                       "torchrun takes --log to be its own, there say --write-log")
    group.add_argument("--tensorboard", metavar="FOLDER", help="write a log for TensorBoard")
    p.set_defaults(run=_train)


def _recipe_arguments(parser):
    """An option for every field of a `Recipe`, with its default and what is allowed."""
    group = parser.add_argument_group("recipe")
    for each in fields(Recipe):
        names = ["--" + each.name.replace("_", "-")] + ["--learning-rate"] * (each.name == "lr")
        kind = next(iter(get_args(each.type)), each.type)           # of `float | None`, float
        how = ({"action": argparse.BooleanOptionalAction} if kind is bool else
               {"type": kind, "choices": each.metadata["allowed"]})
        group.add_argument(*names, default=each.default, help=each.metadata["about"], **how)


def _train(args):
    import torch

    from . import training
    from .models import transfer
    from .training import checkpoints, distributed, evaluation

    recipe = Recipe(**{each.name: getattr(args, each.name) for each in fields(Recipe)})
    checkpoints.check_interval(args.checkpoint, args.checkpoint_seconds)
    with distributed.processes(training.device_of(args.device)) as device:
        say = print if distributed.place()[0] == 0 else lambda *text: None
        _check_files(args.save, args.figure, args.log)
        load, dataset = _load(args, limit=args.limit, crop=args.crop, flip=args.flip)
        torch.manual_seed(args.seed)
        model, described = _begun(args, dataset)
        model.to(device)
        say(_summary(model, dataset, args.model, described["options"]))
        say("{:,} of {:,} parameters train".format(*transfer.trainable_share(model)))
        say(_counts(dataset))
        _check_room(model, args.save)
        callbacks = [training.tensorboard(args.tensorboard)] if args.tensorboard else []
        if args.log and distributed.place()[0] == 0:
            callbacks.append(_log(args.log, goes_on=args.checkpoint and Path(args.checkpoint).exists()))
        history = training.fit(
            model, dataset, recipe, device=device, compile=args.compile,
            checkpoint=args.checkpoint, checkpoint_seconds=args.checkpoint_seconds,
            callback=lambda epoch: any([callback(epoch) for callback in callbacks]),
        )
        for epoch in history:
            say(f"epoch {epoch['epoch']:3d}  {epoch['seconds']:7.1f} s  train {epoch['train_loss']:.4f} "
                f"{epoch['train_error']:.2%}  test {epoch['test_loss']:.4f} {epoch['test_error']:.2%}  "
                f"{epoch['images_per_second']:,.0f} images/s")
        if distributed.place()[0] > 0:
            return
        if history.interrupted:
            say(f"stopped after {len(history)} of {args.epochs} epochs")
        place = args.save and _save(model, args.save, checkpoints.header(model, described, dataset, load))
        if place:
            say(f"weights: {place}")
        if args.log:
            log = _log(args.log, goes_on=False)     # a run killed between checkpoint and row lacks one
            for epoch in history:
                log(epoch)
        if args.figure and history:
            evaluation.draw_history(history, args.figure)
            say(f"figure: {args.figure}")
        if place and place != Path(args.save):
            raise OSError(f"{args.save} could not be written; the weights are safe in {place}.")
        if history.interrupted:
            sys.exit(130)


def _begun(args, dataset):
    """(the network as training begins, how a file of its weights describes it)."""
    from . import training
    from .experiments import imagenet
    from .models.transfer import Transfer

    options = dict(map(_option, args.option))
    if args.head is None:
        if args.freeze or args.lr_factor != 1 or args.weights == "imagenet":
            raise ValueError("--freeze, --lr-factor and --weights imagenet are about a network that gets a new head; "
                             "add --head hidden or --head linear.")
        options = _options(args.model, options, dataset)
        model = create_model(args.model, **options)
        if args.weights:
            training.load_weights(model, args.weights)
        return model, {"name": args.model, "options": options}
    if args.weights and options:
        raise ValueError(f"--option is {', '.join(args.option)}; with --weights and --head it is the weights that say "
                         "how the network is made.")
    if args.weights == "imagenet":
        backbone, options = imagenet.pretrained(args.model), {"variant": "torchvision"}
    elif args.weights:
        backbone, header = _trained(args.weights)
        one_of("model of these weights", args.model, (header["model"]["name"],))
        one_of("new head of these weights", "transfer" in header["model"], (False,))
        options = header["model"]["options"]
    else:
        options = _options(args.model, options, dataset)
        backbone = create_model(args.model, **options)
    head = {"hidden": args.head == "hidden", "lr_factor": 0.0 if args.freeze else args.lr_factor}
    return (Transfer(backbone, len(dataset.classes), **head),
            {"name": args.model, "options": options, "transfer": head})


def _counts(dataset):
    """How many images each class has, in lines of at most 120 characters."""
    train, test = (split.labels.bincount(minlength=len(dataset.classes)).tolist() for split in dataset)
    counts = (f"{name} {n:,} + {m:,}".replace(" ", "\N{NO-BREAK SPACE}")
              for name, n, m in zip(dataset.classes, train, test, strict=True))
    text = textwrap.fill(f"images a class, training + test: {', '.join(counts)}", 120, subsequent_indent="  ",
                         break_long_words=False, break_on_hyphens=False)
    return text.replace("\N{NO-BREAK SPACE}", " ")


def _check_room(model, file):
    """Raise before training if the disk has no room for the weights."""
    if file is not None:
        needed = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
        free = shutil.disk_usage(Path(file).absolute().parent).free
        if free < needed:
            raise OSError(f"{file} will have {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free on its disk. "
                          "Make room, or name a file on another disk.")


def _save(model, file, metadata):
    """Write the weights to `file`, or, rather than lose what was learned, to another folder; return where they are."""
    from . import training

    refused = made = None
    for folder in (Path(file).parent, Path.home(), Path(tempfile.gettempdir())):
        try:
            if refused is not None:         # in a folder of its own: nothing of that name is overwritten
                made = folder = Path(tempfile.mkdtemp(prefix="cnnlib-", dir=folder))
            training.save_weights(model, folder / Path(file).name, metadata=metadata)
            return folder / Path(file).name
        except OSError as error:
            refused = refused or error
            if made:
                shutil.rmtree(made, ignore_errors=True)
    raise OSError(f"{file} could not be written, and no copy in another folder: {refused}") from refused


def _log(file, goes_on):
    """A callback for `fit` that adds a row an epoch to the file, JSON or CSV; it begins anew unless a run goes on."""
    if not goes_on:
        Path(file).write_text("", encoding="utf-8")

    def add(epoch):
        with open(file, "a", newline="", encoding="utf-8") as rows:
            if Path(file).suffix == ".jsonl":
                rows.write(json.dumps(epoch) + "\n")
                return
            table = csv.DictWriter(rows, list(epoch))
            if rows.tell() == 0:
                table.writeheader()
            table.writerow(epoch)

    def log(epoch):
        try:
            add(epoch)
        except OSError as error:            # no reason to lose the training
            print(f"{file} cannot be written: {error}", file=sys.stderr)

    return log


def _check_files(save, figure, log=None):
    """Raise before any work what would be raised after it: a file that cannot be written, a picture of unknown kind."""
    from .training.evaluation import picture_format

    if figure is not None:
        picture_format(figure)
    if log is not None:
        one_of("the end of the log's name", Path(log).suffix, (".csv", ".jsonl"))
    for file in (save, figure, log):
        if file is not None:
            if Path(file).is_dir():
                raise ValueError(f"{file} is a folder, allowed: a file to write.")
            try:
                Path(file).parent.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=Path(file).parent).close()
            except OSError as error:
                raise OSError(f"{file} cannot be written: {error.strerror}.") from error


def _options(model, options, dataset):
    """The options with the number of classes and of colour channels that the data has, if the network can be told."""
    if "num_classes" in options:
        at_least("num_classes", options["num_classes"], len(dataset.classes))
    allowed = inspect.signature(models._factory(model)).parameters
    fitting = {"num_classes": len(dataset.classes), "in_channels": dataset.train.shape[0]}
    return {**{k: v for k, v in fitting.items() if k in allowed and allowed[k].default != v}, **options}


def _summary(model, dataset, name, options):
    """What the network is made of for these images; where it cannot take them, ValueError with what would help."""
    channels, height, width = dataset.train.shape
    try:
        return summary(model, (1, channels, height, width))
    except ValueError as error:
        wanted_channels, *wanted = models.standard_input(name, **options)
        helps = ["--channels 3"] * (channels == 1 and wanted_channels == 3)
        helps += [f"--size {wanted[0]}"] * (wanted != [height, width])
        raise ValueError(f"{error}" + (f" Try {' '.join(helps)}." if helps else "")) from error


def _option(text):
    """NAME=VALUE, the value as JSON where it is JSON (5, true, 0.1) and as text elsewhere."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ValueError(f"--option is {text!r}, allowed: NAME=VALUE.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _number_or_text(text):
    return int(text) if text.isdigit() else text


def _data_arguments(parser, data):
    group = parser.add_argument_group("data")
    group.add_argument("--data", default=data, help="digits, mnist, cifar10, flowers, pets, pets30 or folder")
    group.add_argument("--root", help="folder searched first for the data set; for 'folder' the folder itself")
    group.add_argument("--size", type=int, help="resize the images to this many pixels")
    group.add_argument("--pad", type=int, help="pixels of 0 added around each image")
    group.add_argument("--channels", type=int, choices=(3,), help="3 repeats grey images to RGB")
    group.add_argument("--test-fraction", type=float, help="share for testing, where the data has no split of its own")
    group.add_argument("--split-seed", type=int, help="another choice of the images for testing, there")
    group.add_argument("--jpeg", type=int, help="save every image once more as JPEG of this quality, 1 to 100")
    group.add_argument("--workers", type=int, help="processes that open photos; one a core if not given")


def _load(args, **more):
    """(the arguments of `cnnlib.data.load`, the data set): those of the command line, in place of `more`."""
    from . import data

    given = {"name": args.data, "size": args.size, "pad": args.pad, "channels": args.channels,
             "test_fraction": args.test_fraction, "split_seed": args.split_seed, "jpeg": args.jpeg}
    given = {**more, **{k: v for k, v in given.items() if v is not None}}
    if args.workers is not None:
        at_least("workers", args.workers, 0)
    dataset = data.load(**given, root=args.root)
    if args.workers is not None and isinstance(dataset.train, data.Photos):
        dataset.train.workers = dataset.test.workers = args.workers
    return given, dataset


# -- evaluate -------------------------------------------------------------------------------------------------------


def _evaluate_parser(commands):
    p = commands.add_parser(
        "evaluate", help="test trained weights: loss, accuracy, every class with its interval, confusion matrix",
        formatter_class=_Help, epilog="""example:
  python -m cnnlib evaluate lenet.safetensors --figure confusion.png

The weights say which network and which data set they belong to. Every image of the test split is shown once, without
augmentation, so that two evaluations agree. The intervals (Wilson, 95 %) say how much the number of images lets one
know. In the figure a row is a true class and a column an answer.""")
    p.add_argument("weights", help="file written by `train --save` or kept by `record`")
    _data_arguments(p, data=None)
    p.add_argument("--batch-size", type=int, help="1000 small images if not given, fewer large ones")
    p.add_argument("--device", help="cuda, mps or cpu; the fastest if not given")
    p.add_argument("--figure", metavar="FILE", help="draw the confusion matrix here (png, svg, pdf)")
    p.set_defaults(run=_evaluate)


def _evaluate(args):
    from . import training
    from .training import evaluation

    device = training.device_of(args.device)
    _check_files(None, args.figure)
    model, header = _trained(args.weights)
    load = header.get("load", {})
    if args.data is None and not load:
        raise ValueError(f"{args.weights} was trained on {header.get('data', 'some data')}; name it with --data.")
    if args.root is None and (args.data or load["name"]) == "folder":
        raise ValueError(f"{args.weights} was trained on {header.get('data', 'a folder')}; say with --root where the "
                         "pictures are.")
    _, dataset = _load(args, **(load if args.data in (None, load.get("name")) else {}))
    if dataset.classes != header.get("classes", dataset.classes):
        raise ValueError(f"{args.weights} knows the classes {', '.join(header['classes'])}; "
                         f"these data have {', '.join(dataset.classes)}.")
    if dataset.variant != header.get("data"):
        print(f"trained on other data: {header.get('data')}")
    _summary(model, dataset, header["model"]["name"], header["model"]["options"])      # can it take them?
    dataset.test.mean, dataset.test.std = header["mean"], header["std"]         # as in training
    result = training.evaluate(model.to(device), dataset.test, args.batch_size)
    if (highest := result["predictions"].max().item()) >= len(dataset.classes):
        raise ValueError(f"{args.weights} answers with class {highest}, these data have {len(dataset.classes)}.")
    low, high = evaluation.wilson(result["correct"], result["total"])
    print(f"{header['model']['name']} on {dataset.variant}: loss {result['loss']:.4f}, accuracy "
          f"{result['accuracy']:.2%} ({low:.2%} to {high:.2%}), {result['correct']:,} of {result['total']:,}")
    labels, classes = dataset.test.labels, dataset.classes
    for row in evaluation.per_class(labels, result["predictions"], classes):
        share = "no images" if row["accuracy"] is None else f"{row['accuracy']:.2%}"
        print(f"  {row['class']:20} {share:>9} ({row['low']:.2%} to {row['high']:.2%}), "
              f"{row['correct']:,} of {row['total']:,}")
    if args.figure:
        matrix = evaluation.confusion_matrix(labels, result["predictions"], classes)
        evaluation.draw_confusion(matrix, classes, args.figure)
        print(f"figure: {args.figure}")


def _trained(weights):
    """(the network, the header of the file) of weights that say which network they belong to."""
    from . import training
    from .models.transfer import Transfer
    from .training.checkpoints import read

    _, header = read(weights)
    if not {"model", "mean", "std"} <= set(header):
        raise ValueError(f"{weights} does not say which network it belongs to; write it with `train --save`.")
    model = create_model(header["model"]["name"], **header["model"]["options"])
    if "transfer" in header["model"]:
        model = Transfer(model, len(header["classes"]), **header["model"]["transfer"])
    training.load_weights(model, weights)
    return model, header


# -- predict --------------------------------------------------------------------------------------------------------


def _predict_parser(commands):
    p = commands.add_parser(
        "predict", help="say what is in pictures: the five likeliest classes of each", formatter_class=_Help,
        epilog="""examples:
  python -m cnnlib predict net.safetensors new/*.jpg
  python -m cnnlib predict net.safetensors new/001.jpg --json
  python -m cnnlib predict net.safetensors new/*.jpg --map maps       # maps/001.png: where the first class was seen

The weights say how pictures are prepared: as those of the test split were in training. Nothing else is read, least of
all from the network. A file that holds no picture is named at the end, and the others are answered.""")
    p.add_argument("weights", help="file written by `train --save` or kept by `record`")
    p.add_argument("files", nargs="+", metavar="FILE", help="a picture")
    p.add_argument("--json", action="store_true", help="answer with a list of {file, classes} or {file, error}")
    p.add_argument("--map", metavar="FOLDER", help="draw there, for each picture, its class activation map: which "
                   "places speak for the likeliest class (blue) and which against it (orange)")
    p.add_argument("--device", help="cuda, mps or cpu; the fastest if not given")
    p.set_defaults(run=_predict)


def _predict(args):
    from . import training

    device = training.device_of(args.device)
    model, header = _trained(args.weights)
    if not {"load", "classes"} <= set(header):
        raise ValueError(f"{args.weights} does not say on which data it was trained; write it with `train --save`.")
    drawings = _drawings(args.files, args.map)
    model.to(device).eval()
    answers, errors = [], []
    for file, drawing in zip(args.files, drawings, strict=True):
        try:
            answers.append({"file": file, "classes": _likeliest(model, header, file, device, drawing)})
        except (ValueError, OSError) as error:
            answers.append({"file": file, "error": str(error)})
            errors.append(str(error))
        if not args.json and "classes" in answers[-1]:
            shares = (f"{each['class']} {each['probability']:.2%}" for each in answers[-1]["classes"])
            print(f"{file}: {', '.join(shares)}", flush=True)
    if args.json:
        print(json.dumps(answers, indent=1))
    if errors:
        raise ValueError("\nerror: ".join(errors))


def _drawings(files, folder):
    """The file of each picture's map, or None; a ValueError where two pictures would have the same."""
    if folder is None:
        return [None] * len(files)
    drawings = [Path(folder) / f"{Path(file).stem}.png" for file in files]
    if taken := [str(drawing) for drawing in drawings if drawings.count(drawing) > 1]:
        raise ValueError(f"two pictures would have the map {taken[0]}; give pictures of one name one by one.")
    _check_files(None, drawings[0])
    if over := {Path(file).absolute() for file in files} & {drawing.absolute() for drawing in drawings}:
        raise ValueError(f"a map would be written over the picture {min(over)}; name another folder with --map.")
    return drawings


def _likeliest(model, header, file, device, drawing=None):
    """The five likeliest classes of a picture, with their probabilities; the map of the first goes into `drawing`."""
    import torch

    from .experiments import activation_map

    split = _prepared(header, file).to(device)
    x = next(iter(split.batches(1)))[0]
    with torch.no_grad():
        probabilities = model(x).softmax(1)[0].tolist()
    names = dict(enumerate(header["classes"]))
    best = sorted(range(len(probabilities)), key=lambda i: -probabilities[i])[:5]
    answers = [{"class": names.get(i, f"class {i}"), "probability": probabilities[i]} for i in best]
    if drawing:
        mean, std = (torch.tensor(header[name], device=x.device).view(-1, 1, 1) for name in ("mean", "std"))
        activation_map.draw_activation_map(
            x[0] * std + mean, activation_map.activation_map(model, x, best[0]),
            f"{answers[0]['class']}, {answers[0]['probability']:.0%}", drawing)
    return answers


def _prepared(header, file):
    """A picture as a split of one, prepared as those of the test split were in training."""
    from . import data

    if not Path(file).is_file():
        raise ValueError(f"file is {file!r}, allowed: a picture that is there.")
    arguments = ("name", "size", "pad", "channels", "crop", "jpeg")
    load = {name: value for name, value in header["load"].items() if name in arguments}
    split = data.like_test([file], mean=tuple(header["mean"]), std=tuple(header["std"]), **load)
    shape = header.get("shape", list(split.shape))
    if list(split.shape) != shape:
        raise ValueError(f"{file} becomes an image of shape {split.shape}, allowed as in training: {tuple(shape)}.")
    return split


# -- record ---------------------------------------------------------------------------------------------------------


def _record_parser(commands):
    from .records.grids import GRIDS

    p = commands.add_parser(
        "record", help="write the missing runs of an experiment to data/runs/", formatter_class=_Help,
        epilog="experiments:\n" + "\n".join(f"  {name} ({grid.about})" for name, grid in GRIDS.items()) + """

examples:
  python -m cnnlib record --list
  python -m cnnlib record digits-degradation --seeds 3
  python -m cnnlib record degradation --seeds 1 --jobs 4 --resume      # four runs share the GPU
  python -m cnnlib record --again data/runs/digits-degradation/plain56-seed0.json
  python -m cnnlib record --tables                                     # after new runs""")
    p.add_argument("experiment", nargs="?", help="one of those below, which declare networks, data and recipe")
    p.add_argument("--list", action="store_true", help="show what is recorded, on which device, and what is missing")
    p.add_argument("--again", metavar="FILE",
                   help="train a recorded run again and say whether the result is one that another seed might have had")
    p.add_argument("--tables", action="store_true", help="write the tables in data/README.md anew, from all runs")
    p.add_argument("--seeds", type=int, help="how many seeds: 0, 1, 2, ...; as many as the grid wants if not given")
    p.add_argument("--case", action="append", metavar="NAME", help="only this one of its networks; may be repeated")
    p.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    p.add_argument("--threads", type=int, help="CPU threads a run; the cores divided by the jobs if not given")
    p.add_argument("--resume", action="store_true", help="keep checkpoints, and go on with runs that were cut off")
    p.add_argument("--root", help="folder searched first for the data set")
    p.add_argument("--device", help="cuda, mps or cpu; the fastest if not given")
    p.set_defaults(run=_record)


def _record(args):
    from .records import recording, tables

    if args.tables:
        print(f"tables: {tables.write()}")
    elif args.list:
        recording.show(args.seeds, args.device, [args.experiment] if args.experiment else None)
    elif args.again:
        recording.again(args.again, data_root=args.root, device=args.device)
    elif args.experiment:
        recording.record(args.experiment, seeds=args.seeds, cases=args.case, jobs=args.jobs, threads=args.threads,
                         data_root=args.root, device=args.device, resume=args.resume)
    else:
        raise ValueError("experiment is missing: name one, or use --list, --tables or --again FILE.")


# -- bench ----------------------------------------------------------------------------------------------------------


def _bench_parser(commands):
    from .bench import BENCHES

    p = commands.add_parser(
        "bench", help="measure speed against the peers a reader would use instead", formatter_class=_Help,
        epilog="benches:\n" + "\n".join(f"  {name} ({about})" for name, about in BENCHES.items()),
    )
    p.add_argument("bench", choices=tuple(BENCHES), help="one of those below; ratios count, seconds differ by machine")
    p.add_argument("--quick", action="store_true", help="tiny sizes: says that it runs, not how fast")
    p.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    p.set_defaults(run=_bench)


def _bench(args):
    from . import bench

    bench.main(args.bench, quick=args.quick, device=args.device)


# -- assign ---------------------------------------------------------------------------------------------------------


def _assign_parser(commands):
    p = commands.add_parser(
        "assign", help="write exercises of the book into a notebook for students, or one with solutions",
        formatter_class=_Help, epilog="""examples:
  python -m cnnlib assign --list
  python -m cnnlib assign vgg resnet/block resnet/delete --to homework.ipynb
  python -m cnnlib assign vgg resnet/block resnet/delete --to solutions.ipynb --solutions

The notebook has the texts and stubs of the chapters, in the order of the book; each stub ends in the check that tells
students what is wrong. `grade` marks what they hand in. The solutions stand in the chapters for all to read: these
exercises are for learning, not for exams.""")
    p.add_argument("names", nargs="*", metavar="EXERCISE",
                   help="a key such as vgg/stack, a page such as vgg/index, or a chapter such as vgg")
    p.add_argument("--list", action="store_true", help="show the exercises (of these names) instead, page by page")
    p.add_argument("--to", metavar="FILE", help="the notebook to write")
    p.add_argument("--solutions", action="store_true", help="with each solution in the place of the stub")
    p.add_argument("--nbgrader", action="store_true", help="with a cell behind each answer in which nbgrader gives a "
                                                           "point, which you may change there")
    p.add_argument("--force", action="store_true", help="overwrite FILE")
    p.set_defaults(run=_assign)


def _assign(args):
    from .course import assignments

    if args.list:
        print(assignments.listing(args.names))
    elif args.names and args.to:
        chosen = assignments.assign(args.names, args.to, args.solutions, args.nbgrader, args.force)
        print(f"{args.to}: {len(chosen)} exercise{'s' * (len(chosen) != 1)}{', solved' * args.solutions}")
    else:
        raise ValueError("exercises or --to FILE is missing: `assign vgg --to homework.ipynb`, or use --list.")


# -- grade ----------------------------------------------------------------------------------------------------------


def _grade_parser(commands):
    p = commands.add_parser(
        "grade", help="run notebooks that students handed in and say which answers are right", formatter_class=_Help,
        epilog="""examples:
  python -m cnnlib grade homework-*.ipynb --like homework.ipynb
  python -m cnnlib grade */homework.ipynb --for vgg resnet/block --csv grades.csv --feedback pages --jobs 2

Every notebook is run from top to bottom in a fresh process and an empty folder; the file stays as it is, and outputs
stored in it are ignored. Verdicts: correct, wrong, open (the dots are still there), error (the cell stopped) and
missing (no check was run). If an exercise is checked several times, the last verdict counts. A cell that fails, takes
too long or ends Python does not stop the others. Imports, and cells that do nothing but set up, have no limit but five
minutes, and do not count as the student's time.

Say which exercises were asked, with --for or --like. Otherwise it is all that `assign` noted in any of the files.

The table has a row a student, a column an exercise with 1 for a correct answer, `points`, `total` and `remarks`.

Handed-in programs run with YOUR rights: they can read and delete what you can. Python's connections to other machines
are refused, output goes nowhere, and the processes that a notebook leaves behind are ended, but this is no sandbox, and
a program written to deceive the check can. Grade strangers' notebooks in a container, where they see nothing but
themselves and reach no network, and look into what seems too good. With an image made as TEACHING.md says:

  mkdir -p grades
  docker run --rm --network none --memory 4g --pids-limit 256 --read-only --tmpfs /tmp --env HOME=/tmp \\
      --user "$(id -u)" -v "$PWD/handed-in:/in:ro" -v "$PWD/grades:/out" cnnlib \\
      sh -c 'python -m cnnlib grade /in/*.ipynb --for vgg --csv /out/grades.csv --feedback /out/pages'""")
    p.add_argument("files", nargs="+", metavar="FILE", help="a notebook, written by `assign` and filled in")
    asked = p.add_mutually_exclusive_group()
    asked.add_argument("--for", dest="names", nargs="+", metavar="EXERCISE", default=[],
                       help="what was asked: keys, pages and chapters, as `assign` takes them")
    asked.add_argument("--like", metavar="FILE", help="the notebook that you gave to the students: what it asks")
    p.add_argument("--csv", metavar="FILE", help="write a table of all marks here, over what was there")
    p.add_argument("--feedback", metavar="FOLDER", help="write a page for each student here, to hand back")
    p.add_argument("--seconds", type=int, default=120, help="limit for one cell, of work; 4 times that by the clock")
    p.add_argument("--total-seconds", type=int, default=600, help="limit for all cells of a notebook, by the clock")
    p.add_argument("--jobs", type=int, default=1, help="notebooks at the same time; as many as you have cores")
    p.set_defaults(run=_grade)


def _grade(args):
    from .course import gradebook, grading

    for name in ("seconds", "total_seconds", "jobs"):
        at_least(name, getattr(args, name), 1)
    if absent := [file for file in args.files if not Path(file).is_file()]:
        raise ValueError(f"file is {absent[0]!r}, allowed: a notebook that is there.")
    _check_files(args.csv, None)
    if args.feedback:
        Path(args.feedback).mkdir(parents=True, exist_ok=True)
    files = list(dict.fromkeys(args.files))
    keys = grading.asked(args.names, args.like, map(grading.read, files))
    students, book = gradebook.students(files), {}
    try:
        marked = grading.grade_all(files, keys, jobs=args.jobs, seconds=args.seconds, total_seconds=args.total_seconds)
        for file, marks in marked:
            book[students[file]] = marks
            _show_marks(file, marks, gradebook.problem(marks))
    finally:                # Ctrl-C, too, leaves what was graded
        if args.csv and book:
            gradebook.write_csv(book, args.csv)
            print(f"table: {args.csv}")
        if args.feedback and book:
            print(f"pages: {gradebook.write_feedback(book, args.feedback)} in {args.feedback}")


def _show_marks(file, marks, problem):
    """The marks of a notebook, a line each; or the one problem of a file that is none."""
    if problem:
        print(f"{file}: {problem}", flush=True)
        return
    print(file)
    for mark in marks:
        print(f"  {mark.key:26} {mark.status:8} {mark.message}")
    print(f"  {sum(mark.status == 'correct' for mark in marks)} of {len(marks)} correct", flush=True)
