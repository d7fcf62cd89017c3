"""Networks trained on ImageNet: the weights that torchvision publishes, in our networks of the same names."""

import re
from pathlib import Path

import torch

from ..checks import one_of
from ..models import create_model, list_models

OLDER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")         # how DenseNets' files spell norm1 and conv1


def published():
    """Name -> torchvision's weights, for every network that both have and that ends with one classifier."""
    from torchvision.models import get_model_weights
    from torchvision.models import list_models as theirs

    names = sorted(set(list_models()) & set(theirs()) - {"googlenet", "inception_v3"})   # these come with more heads
    return {name: get_model_weights(name).IMAGENET1K_V1 for name in names
            if hasattr(get_model_weights(name), "IMAGENET1K_V1")}


def pretrained(name, say=print):
    """`create_model(name, variant="torchvision")` with torchvision's weights for ImageNet, loaded strictly.

    torchvision looks in its own cache, else downloads, with a bar, and compares the checksum. Nothing but tensors is
    read from the file.

    Raises:
        ValueError: there are no such weights.
        OSError: no copy and no network, or a damaged file; the message names address and size.
    """
    known = published()
    weights = known[one_of("name", name, tuple(known))]
    place = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    what = f"{weights.url}, {4 * weights.meta['num_params'] / 1e6:,.0f} MB"
    if not place.exists():
        say(f"weights of {name}: downloading {what}, to {place.parent}")
    try:
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError) as error:        # the second where the checksum is another
        raise OSError(f"there are no weights of {name} at {place}, and they cannot be downloaded ({what}): {error}. "
                      "Put the file there, or begin with weights of your own.") from error
    return with_weights(name, state)


def with_weights(name, state):
    """The network with a state dict of torchvision's, also of its older files: those of DenseNets spell some names in
    another way, and have no counters of the batches that BatchNorm saw."""
    state = {OLDER.sub(r"\1\2.", key): tensor for key, tensor in state.items()}
    for key in [key for key in state if key.endswith("running_var")]:
        state.setdefault(key.replace("running_var", "num_batches_tracked"), torch.tensor(0))
    model = create_model(name, variant="torchvision")
    model.load_state_dict(state, strict=True)
    return model
