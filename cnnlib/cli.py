"""`python -m cnnlib train | record | bench`: the book's training from the command line."""

import argparse
import json
import sys

from . import create_model, list_models, summary


def main(argv=None):
    """Run a command; bad input ends with its message and exit status 2, not with a traceback."""
    parser = argparse.ArgumentParser(prog="python -m cnnlib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_train_parser, _record_parser, _bench_parser):
        add(commands)
    args = parser.parse_args(argv)
    try:
        args.run(args)
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(_fail(error))
    except KeyboardInterrupt:
        print("stopped; finished runs are kept.", file=sys.stderr)
        sys.exit(130)


def _fail(error):
    print(f"error: {error}", file=sys.stderr)
    return 2


def _train_parser(commands):
    p = commands.add_parser("train", help="train one network and print its history",
                            formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("model", help=f"one of: {', '.join(list_models())}")
    p.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                   help="an option of the network, e.g. --option activation=tanh; may be repeated")
    p.add_argument("--data", default="digits", help="data set: digits, mnist, folder")
    p.add_argument("--root", help="folder searched first for the data set")
    p.add_argument("--size", type=int, help="resize the images to this many pixels")
    p.add_argument("--pad", type=int, default=0, help="pixels of 0 added around each image")
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--optimizer", default="sgd", choices=("sgd", "adam"))
    p.add_argument("--lr", type=float, default=0.05, help="highest learning rate")
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--weight-decay", type=float, default=0.0)
    p.add_argument("--schedule", default="one-cycle", choices=("one-cycle", "constant"))
    p.add_argument("--seed", type=int, default=0, help="initial weights and order of the images")
    p.add_argument("--device", help="cuda, mps or cpu; the fastest if not given")
    p.add_argument("--save", metavar="FILE", help="write the trained weights here (safetensors)")
    p.set_defaults(run=_train)


def _train(args):
    import torch

    from . import data, training

    torch.manual_seed(args.seed)
    model = create_model(args.model, **dict(map(_option, args.option)))
    dataset = data.load(args.data, args.root, size=args.size, pad=args.pad)
    print(summary(model, (1, *dataset.train.images.shape[1:])))
    history = training.fit(
        model, dataset, epochs=args.epochs, batch_size=args.batch_size, optimizer=args.optimizer, lr=args.lr,
        momentum=args.momentum, weight_decay=args.weight_decay, schedule=args.schedule, seed=args.seed,
        device=args.device,
    )
    for epoch in history:
        print(f"epoch {epoch['epoch']:3d}  {epoch['seconds']:7.1f} s  train {epoch['train_loss']:.4f} "
              f"{epoch['train_error']:.2%}  test {epoch['test_loss']:.4f} {epoch['test_error']:.2%}")
    if args.save and history:
        training.save_weights(model, args.save, metadata={
            "model": {"name": args.model, "options": dict(map(_option, args.option))},
            "mean": dataset.mean, "std": dataset.std, "data": dataset.variant,
            "test_error": history.final["test_error"],
        })
        print(f"weights: {args.save}")


def _option(text):
    """NAME=VALUE, the value as JSON where it is JSON (5, true, 0.1) and as text elsewhere."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ValueError(f"--option is {text!r}, allowed: NAME=VALUE.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _record_parser(commands):
    from .experiments.grids import GRIDS

    p = commands.add_parser("record", help="write the missing runs of an experiment to data/runs/",
                            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
                            epilog="experiments: " + "; ".join(f"{k} ({g.about})" for k, g in GRIDS.items()))
    p.add_argument("experiment", help=f"one of: {', '.join(GRIDS)}")
    p.add_argument("--seeds", type=int, default=3, help="how many seeds: 0, 1, 2, ...")
    p.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    p.add_argument("--threads", type=int, help="CPU threads a run; the cores divided by the jobs if not given")
    p.add_argument("--root", help="folder searched first for the data set")
    p.add_argument("--device", help="cuda, mps or cpu; the fastest if not given")
    p.set_defaults(run=_record)


def _record(args):
    from .experiments.recording import record

    record(args.experiment, seeds=args.seeds, jobs=args.jobs, threads=args.threads, data_root=args.root,
           device=args.device)


def _bench_parser(commands):
    from .bench import BENCHES

    p = commands.add_parser("bench", help="compare our speed with our peers'",
                            epilog="benches: " + "; ".join(f"{k} ({about})" for k, about in BENCHES.items()))
    p.add_argument("bench", choices=tuple(BENCHES))
    p.add_argument("--quick", action="store_true", help="only see that it runs")
    p.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    p.set_defaults(run=_bench)


def _bench(args):
    from . import bench

    bench.main(args.bench, quick=args.quick, device=args.device)
