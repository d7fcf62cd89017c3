"""What a blog post prints of the training of `mnist_cnn` on MNIST, typed in once: right answers after each epoch.

The claim `lenet/three-epochs` judges it; a figure of the chapter draws it beside the recorded runs `mnist-cnn`.
"""

RIGHT = {"train": (57_877, 59_195, 59_502), "test": (9_869, 9_909, 9_880)}
IMAGES = {"train": 60_000, "test": 10_000}


def accuracy(split):
    """Percent of the images, an epoch each."""
    return [100 * right / IMAGES[split] for right in RIGHT[split]]
