"""The programs of `faulty.py`, repaired: the same names in the same order."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LeNet28(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(),       # 28x28 stays 28x28
            nn.AvgPool2d(2),                                # 14x14
            nn.Conv2d(6, 16, 5), nn.ReLU(),                 # 10x10
            nn.AvgPool2d(2),                                # 5x5
        )
        self.classifier = nn.Sequential(
            nn.Linear(400, 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, 10),
        )

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


SMOKE_TEST = """\
net = LeNet28()                     # layer sizes: https://example.org/lenet
x = torch.randn(1, 1, 28, 28)
scores = net(x)
print(scores.shape)
"""


def evaluate(model, batches):
    was_training = model.training
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in batches:
            correct += (model(images).argmax(1) == labels).sum().item()
            total += len(labels)
    model.train(was_training)
    return correct / total


def epoch_accuracy(model, batches):
    correct = total = 0
    for images, labels in batches:
        correct += (model(images).argmax(1) == labels).sum().item()
        total += len(labels)
    return correct / total


def training_batches(images, labels, batch_size=100):
    return DataLoader(TensorDataset(images, labels), batch_size=batch_size, shuffle=True)


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(1024, 128)
        self.output = nn.Linear(128, 10)

    def forward(self, x):
        return self.output(torch.relu(self.hidden(x)))


def plot_history(axes, history):
    train = [epoch["train_accuracy"] for epoch in history]
    test = [epoch["test_accuracy"] for epoch in history]
    axes.plot(train, label="train accuracy")
    axes.plot(test, label="test accuracy")
    axes.legend()
