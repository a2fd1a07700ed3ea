#!/usr/bin/env python3
"""Writes spec/data/callbacks.json: what Keras 3's callbacks make of sequences of values.

    pip install keras torch; KERAS_BACKEND=torch scripts/keras_reference.py

Each case has the values of an epoch each, the options as ours are named, and what Keras did: for EarlyStopping the epoch
after which training stopped (0: it did not), the best epoch and whose weights the model had at the end; for
ReduceLROnPlateau the learning rate after each epoch. Epochs count from 1.
"""

import json
import os
import random

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras  # noqa: E402

OUTPUT = os.path.join(os.path.dirname(__file__), "..", "spec", "data", "callbacks.json")


class Model:
    """As much of a model as the callbacks look at; its weights are the number of the epoch."""

    def __init__(self, lr):
        self.stop_training = False
        self.weights = 0
        self.metrics = []
        self.optimizer = keras.optimizers.SGD(learning_rate=lr)

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights


def run(callback, values, lr):
    model = Model(lr)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    stopped = 0
    for epoch, value in enumerate(values):
        model.weights = epoch + 1
        callback.on_epoch_end(epoch, {"val_loss": value})
        rates.append(float(model.optimizer.learning_rate.value.detach()))
        if model.stop_training:
            stopped = epoch + 1
            break
    callback.on_train_end()
    return model, stopped, rates


def early_stopping(values, options):
    names = {"restore_best": "restore_best_weights"}
    callback = keras.callbacks.EarlyStopping(**{names.get(k, k): v for k, v in options.items()})
    model, stopped, _ = run(callback, values, 0.5)
    return {"values": values, "options": options, "stopped": stopped, "weights": model.weights}


def reduce_lr(values, options):
    callback = keras.callbacks.ReduceLROnPlateau(**options)
    _, _, rates = run(callback, values, 0.5)
    return {"values": values, "options": options, "rates": rates}


def main():
    generator = random.Random(1)

    def sequence():
        level, values = 2.0, []
        for _ in range(16):
            level *= generator.choice([0.8, 0.95, 1.0, 1.02])
            values.append(round(level + generator.choice([0, 0, 0.05]), 3))
        return values

    cases = {"early_stopping": [], "reduce_lr": []}
    for _ in range(60):
        options = {
            "patience": generator.choice([0, 1, 2, 3]),
            "min_delta": generator.choice([0.0, 0.05, 0.2]),
            "mode": generator.choice(["auto", "min", "max"]),
            "restore_best": generator.choice([True, False]),
            "start_from_epoch": generator.choice([0, 0, 3]),
        }
        if generator.random() < 0.4:
            options["baseline"] = generator.choice([1.0, 1.8, 2.5])
        cases["early_stopping"].append(early_stopping(sequence(), options))
    for _ in range(40):
        options = {
            "patience": generator.choice([0, 1, 2, 3]),
            "factor": generator.choice([0.1, 0.5]),
            "min_delta": generator.choice([0.0001, 0.05, 0.2]),
            "mode": generator.choice(["auto", "min", "max"]),
            "cooldown": generator.choice([0, 1, 3]),
            "min_lr": generator.choice([0.0, 0.03]),
        }
        cases["reduce_lr"].append(reduce_lr(sequence(), options))
    with open(OUTPUT, "w") as file:
        lines = ",\n".join(
            f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in group) + "\n]" for name, group in cases.items()
        )
        file.write("{\n" + lines + "\n}\n")


main()
