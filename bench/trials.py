"""The networks of the study's nine trials in PyTorch, trained for a while: prints images/s, one line a trial.

    python3 bench/trials.py [TRIAL ...]     needs torch (measured with 2.13.0)

The peer of bench/trials.lua: the same networks, batches, optimizers and data in memory, as floats.
"""
import gzip
import os
import sys
import time

import numpy
import torch
from torch import nn

FOLDER = os.environ.get("FMNISTNN_DATA", "/usr/share/datasets/fashion-mnist")
SECONDS = float(os.environ.get("FMNISTNN_BENCH_SECONDS", 3))


def conv(filters, kernel, padding, activation):
    act = nn.ReLU() if activation == "relu" else nn.Tanh()
    return [nn.LazyConv2d(filters, kernel, padding=padding), act]


def pool():
    return [nn.MaxPool2d(2)]


SAME_64_32_16 = (conv(64, 3, "same", "relu") + pool() + conv(32, 5, "same", "relu") + pool()
                 + conv(16, 3, "same", "tanh") + pool())
TRIALS = {
    1: (16, "Adam", conv(32, 3, "same", "relu") + pool() + conv(16, 3, "same", "relu") + pool(), [64]),
    2: (8, "Adam", conv(32, 3, "same", "relu") + pool() + conv(32, 5, "same", "relu") + pool(), [128]),
    3: (16, "Adam", conv(64, 3, "same", "relu") + pool() + conv(32, 5, "same", "relu") + pool(), [128]),
    4: (32, "RMSprop", SAME_64_32_16, [128]),
    5: (64, "Adam", SAME_64_32_16, [128]),
    6: (128, "Adam", conv(32, 3, "same", "relu") + pool() + conv(32, 5, "valid", "relu") + pool()
        + conv(16, 5, "same", "relu") + conv(8, 3, "valid", "relu") + conv(8, 3, "same", "tanh") + pool(), [256, 128]),
    7: (128, "Adam", conv(32, 3, "same", "relu") + conv(32, 3, "valid", "relu") + pool(), [256]),
    8: (128, "Adam", conv(35, 3, "valid", "relu") + conv(50, 3, "valid", "relu") + pool(), [256]),
    9: (128, "Adam", conv(35, 3, "valid", "relu") + [nn.LazyBatchNorm2d()] + conv(50, 3, "valid", "relu")
        + [nn.LazyBatchNorm2d()] + pool() + [nn.Dropout(0.7)], [256]),
}


def load():
    with gzip.open(FOLDER + "/train-images-idx3-ubyte.gz") as file:
        images = numpy.frombuffer(file.read(), numpy.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(FOLDER + "/train-labels-idx1-ubyte.gz") as file:
        labels = numpy.frombuffer(file.read(), numpy.uint8, offset=8)
    return torch.from_numpy(images.copy()).float() / 255, torch.from_numpy(labels.astype(numpy.int64))


def measure(number, images, labels):
    torch.manual_seed(1)
    batch, optimizer_name, layers, hidden = TRIALS[number]
    layers = layers + [nn.Flatten()]
    for units in hidden:
        layers += [nn.LazyLinear(units), nn.ReLU()]
    model = nn.Sequential(*layers, nn.LazyLinear(10))
    model(images[:2])
    optimizer = getattr(torch.optim, optimizer_name)(model.parameters(), lr=0.001)
    loss_function = nn.CrossEntropyLoss()
    done, steps, started = 0, 0, None
    while True:
        order = torch.randperm(len(images))
        for first in range(0, len(images) - batch + 1, batch):
            index = order[first:first + batch]
            loss = loss_function(model(images[index]), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            if steps == 10:
                started = time.monotonic()
            elif started:
                done += batch
                if time.monotonic() - started > SECONDS:
                    return done / (time.monotonic() - started)


if sys.argv[1:] == ["info"]:
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
else:
    data = load()
    for trial in [int(text) for text in sys.argv[1:]] or TRIALS:
        print(f"{trial} {measure(trial, *data):.1f}", flush=True)
