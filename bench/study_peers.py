"""The study's trials in PyTorch, with Keras's initializers and defaults: what test accuracy they come to.

    python3 bench/study_peers.py TRIAL [SEEDS]

TRIAL is 1 to 9, SEEDS (3) how many runs. Prints the test accuracy after each epoch, run after run, then the mean and
the standard deviation of the last ones. To be set beside `lua5.4 examples/study.lua --trials TRIAL --seeds SEEDS`.
"""
import statistics
import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fashion_mnist import load
from networks import NETWORKS

EPOCHS = {1: 5, 2: 5, 3: 5, 4: 5, 5: 10, 6: 10, 7: 10, 8: 8, 9: 12}


def like_keras(module):
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.BatchNorm2d):
        module.momentum, module.eps = 0.01, 1e-3


def make(name):
    batch, build, make_optimizer = NETWORKS[name]
    model = build()
    model(torch.zeros(batch, 1, 28, 28))
    model = model.apply(like_keras).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model.parameters())
    for group in optimizer.param_groups:
        group["eps"] = 1e-7
        if "alpha" in group:  # RMSprop's
            group["alpha"] = 0.9
    return batch, model, optimizer


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        hits = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(1000), labels.split(1000)))
    model.train()
    return hits / len(labels)


def run(trial, seed, train, test):
    torch.manual_seed(seed)
    batch, model, optimizer = make(f"trial{trial}")
    reached = []
    for _ in range(EPOCHS[trial]):
        for index in torch.randperm(len(train[0])).split(batch):
            loss = cross_entropy(model(train[0][index]), train[1][index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        reached.append(accuracy(model, *test))
        print(f"{reached[-1]:.4f}", end=" ", flush=True)
    print()
    return reached[-1]


def main(trial, seeds=3):
    train, test = load("train"), load("t10k")
    last = [run(trial, seed, train, test) for seed in range(1, seeds + 1)]
    spread = f" ± {statistics.stdev(last):.4f}" if seeds > 1 else ""
    print(f"trial {trial}: {statistics.mean(last):.4f}{spread}")


main(*map(int, sys.argv[1:]))
