"""The faulty programs of the LeNet chapter, each re-created by us, as short as possible.

`repaired.py` holds the same names in the same order: compare the two files to see every repair.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LeNet28(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            # 5x5 kernels, padding 2: 28x28 stays 28x28
            nn.Conv2d(1, 6, 3, padding=1),
            # average pooling: 14x14
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            # average pooling: 5x5
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(400, 120),
            nn.Linear(120, 84),
            nn.Linear(84, 10),
        )

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


SMOKE_TEST = """\
net = LeNet28()
x = torch.randn(1, 1, 28, 28) scores = net(x) https://example.org/lenet print(scores.shape)
"""


def evaluate(model, batches):
    correct = total = 0
    with torch.no_grad():
        for images, labels in batches:
            correct += (model(images).argmax(1) == labels).sum().item()
            total += len(labels)
    return correct / total


def epoch_accuracy(model, batches):
    accuracy = 0.0
    for images, labels in batches:
        correct = (model(images).argmax(1) == labels).sum().item()
        accuracy += correct / 100
    return accuracy / len(batches)


def training_batches(images, labels, batch_size=100):
    return DataLoader(TensorDataset(images, labels), batch_size=batch_size)


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(1024, 128)
        self.output = nn.Linear(128, 10)

    def forward(self, x):
        return self.output(self.hidden(x))


def plot_history(axes, history):
    loss1 = [epoch["train_accuracy"] for epoch in history]
    loss2 = [epoch["test_accuracy"] for epoch in history]
    axes.plot(loss1, label="train loss")
    axes.plot(loss2, label="test loss")
    axes.legend()
