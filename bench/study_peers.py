"""The study's trials in PyTorch, with Keras's initializers and defaults: what test accuracy they come to.

    python3 bench/study_peers.py TRIAL [SEEDS [EPOCHS [bf16]]]

TRIAL is 1 to 9, SEEDS (3) how many runs, EPOCHS how many, where not as many as in the study; bf16 is autocast's. Prints
the test accuracy after each epoch, run after run, then the mean and the standard deviation of the last ones. To be set
beside `lua5.4 examples/study.lua --trials TRIAL --seeds SEEDS`, and with EPOCHS beside bench/mixed_accuracy.lua.
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


def outputs(model, images, precision):
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        return model(images).float()


def accuracy(model, precision, images, labels):
    model.eval()
    with torch.no_grad():
        parts = zip(images.split(1000), labels.split(1000))
        hits = sum((outputs(model, x, precision).argmax(1) == y).sum().item() for x, y in parts)
    model.train()
    return hits / len(labels)


def run(trial, seed, epochs, precision, train, test):
    torch.manual_seed(seed)
    batch, model, optimizer = make(f"trial{trial}")
    reached = []
    for _ in range(epochs):
        for index in torch.randperm(len(train[0])).split(batch):
            loss = cross_entropy(outputs(model, train[0][index], precision), train[1][index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        reached.append(accuracy(model, precision, *test))
        print(f"{reached[-1]:.4f}", end=" ", flush=True)
    print()
    return reached[-1]


def main(trial, seeds=3, epochs=0, precision="float32"):
    trial, seeds, epochs = int(trial), int(seeds), int(epochs) or EPOCHS[int(trial)]
    train, test = load("train"), load("t10k")
    last = [run(trial, seed, epochs, precision, train, test) for seed in range(1, seeds + 1)]
    spread = f" ± {statistics.stdev(last):.4f}" if seeds > 1 else ""
    print(f"trial {trial}: {statistics.mean(last):.4f}{spread}")


main(*sys.argv[1:])
