"""The options of the two programs that the chapter's sources use, and what takes their place here."""

from ...markup import html_table

# (their option, what it meant, ours, why another or none). A test holds that our options exist.
TRAIN = (
    ("--dataset", "Flower, Oxford-IIIT or CIFAR-10", "--data", "flowers, pets, pets30, cifar10, digits, any folder"),
    ("--dataset_root", "where the data lie", "--root", "theirs was overwritten; ours is searched first"),
    ("--model", "ResNet or DenseNet", "MODEL", "any network of the library, with --option for its options"),
    ("--pretrained", "ImageNet weights, frozen, a new head", "--weights, --freeze, --head",
     "three decisions, three options; weights load whole or not at all"),
    ("--crop_size", "side of the random part", "--size, --crop", "--crop resized cuts like theirs, in training only"),
    ("--shuffle", "make a new split", "--split-seed", "a number, so that the split can be made again"),
    ("--batch_size", "pictures a step", "--batch-size", ""),
    ("--num_workers", "processes that load", "--workers", ""),
    ("--epoch_size", "number of epochs", "--epochs", "their name means something else"),
    ("--cuda", "use the GPU", "--device", "the fastest there is if not given; theirs stopped where there is none"),
    ("--lr, --learning-rate", "of Adam", "--lr, --learning-rate", "with --optimizer and --schedule beside it"),
    ("--save_folder", "folder of the weights", "--save", "a file: two runs never share a name unless you say so"),
    ("--photo_folder", "folder of the curves", "--figure", "loss and error on axes of their own"),
)
TEST = (
    ("--dataset", "which data", "--data", "only needed for others than those of training"),
    ("--dataset_root", "where the data lie", "--root", ""),
    ("--model", "ResNet or DenseNet", "", "the file of weights says which network it belongs to"),
    ("--crop_size", "side of a random part", "", "the file says; a test cuts out the middle, nothing is random"),
    ("--batch_size", "pictures a step", "--batch-size", "the result does not depend on it"),
    ("--num_workers", "processes that load", "--workers", ""),
    ("--weight", "file of weights", "WEIGHTS", "always named: no default to be surprised by"),
    ("--cuda", "use the GPU", "--device", ""),
    ("--pretrained", "which head the file has", "", "the file says; theirs could not be switched off"),
    ("-f", "nothing: it swallowed a word that notebooks add", "", "call the command from a notebook as this page does"),
)


def show(command):
    """The table of "train" or "evaluate", to be shown in a notebook."""
    from IPython.display import HTML  # this runs in notebooks only

    rows = {"train": TRAIN, "evaluate": TEST}[command]
    return HTML('<div class="cnnlib-html">' + html_table(
        f"Options of the sources' program, and of {command}", ["theirs", "meaning", "ours", "why"],
        [(theirs, meaning, ours or "none", why) for theirs, meaning, ours, why in rows]) + "</div>")
