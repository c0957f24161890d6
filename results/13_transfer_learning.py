"""Record of lesson 13: six ways to learn, with little and with much data, on a similar and on a different task.

    python results/13_transfer_learning.py "one core of an AMD EPYC, no GPU"  # some two hours on one core

It writes 13_transfer_learning.json beside itself after each way, so that a stopped run leaves what it has.
"""

import helpers.quiet  # noqa: F401  # isort: skip

import datetime
import json
import math
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from helpers.backends import versions
from helpers.datasets import load_arrays
from helpers.training import restarts
from helpers.transfer import as_head, backbone, cached_features, freeze_before

PATH = Path(__file__).with_suffix(".json")
PARAMETERS = {
    "sides": {"goods": 96, "fashion_mnist": 64},  # pixels
    "training": {"goods": "train", "fashion_mnist": "train[:14000]"},
    "test": {"goods": "validation+test", "fashion_mnist": "test[:2000]"},
    "per_class": {"little": 10, "much": 1000},  # training pictures
    "share": 0.8,  # of a class, at most; a thousand of the rest are held out to choose learning rates
    "steps": {"little": 120, "goods, much": 200, "fashion_mnist, much": 939},
    "scratch_longer": {"goods": 2, "fashion_mnist, little": 2, "fashion_mnist, much": 1},  # times the steps
    "batch_size": 32,
    "learning_rates": {
        "last layers": [0.0001, 0.0003, 0.001],
        "little": [0.00003, 0.0001, 0.0003],
        "much": [0.0001, 0.0003, 0.001],
        "fashion_mnist, much": [0.0001, 0.0003],
        "fashion_mnist, much, all": [0.0003],  # the one chosen for "all but the first"
        "scratch": [0.001, 0.004],
    },
    "selection_seed": 100,  # of the pictures and the training by which a learning rate is chosen
    "seeds": [0, 1, 2],
}
STACKS = ["stack4_block3_add", "stack5_block3_add", "stack6_block4_add", "stack7_block1_project_normalization"]
FIRST_TRAINED = {
    "last layers": "stack7_block1_expand",
    "all but the first": "stack4_block1_expand",
    "all": "rescaling",
    "scratch": "rescaling",
}


def load_colour(task, split):
    """Return the pictures of a split in colour, of the task's side, and their labels."""
    side = PARAMETERS["sides"][task]
    images, labels = load_arrays(task, split, image_size=(side, side))
    return images if images.shape[-1] == 3 else np.repeat(images, 3, axis=-1), labels


def draw(labels, count, seed):
    """Return the places of so many pictures of each class, and of up to a thousand others."""
    rng = np.random.default_rng(seed)
    places = [rng.permutation(np.flatnonzero(labels == each)) for each in np.unique(labels)]
    counts = [min(count, int(PARAMETERS["share"] * len(each))) for each in places]
    rest = np.concatenate([each[count:] for each, count in zip(places, counts)])
    return np.concatenate([each[:count] for each, count in zip(places, counts)]), rng.permutation(rest)[:1000]


def linear(features, labels):
    """Fit a linear classifier: standardise, then logistic regression with a strong weight decay."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)).fit(features, labels)


def network_from(first, side, num_classes, learning_rate, weights="imagenet"):
    """Return the network from a layer on, with a head, and the part before it."""
    whole = backbone(input_shape=(side, side, 3), pooling="avg", weights=weights)
    if weights:
        freeze_before(whole, first)
    for layer in whole.layers:
        if isinstance(layer, layers.BatchNormalization) and not weights:
            layer.momentum = 0.9  # few steps
    start = whole.get_layer(first).input
    model = keras.Model(start, layers.Dense(num_classes, name="logits")(whole.output))
    model.compile(keras.optimizers.Adam(learning_rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, keras.Model(whole.inputs[0], start)


class Falling(keras.callbacks.Callback):
    """Let the learning rate fall as a cosine, anew with each epoch or after 40 steps, whichever is sooner."""

    def __init__(self, learning_rate, epochs, steps_per_epoch):
        super().__init__()
        self.learning_rate, self.every, self.done = learning_rate, min(40, steps_per_epoch), 0
        self.total = epochs * steps_per_epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self.done % self.every == 0:
            self.model.optimizer.learning_rate = self.learning_rate * (1 + np.cos(np.pi * self.done / self.total)) / 2
        self.done += 1


def balanced(labels, answers):
    return round(float(balanced_accuracy_score(labels, answers)), 4)


def train_by_steps(way, task, amount, drawn, heads, images, labels, tests, test_labels):
    """Choose a learning rate on pictures held out, train from each seed, and return what came out."""
    weights, first = None if way == "scratch" else "imagenet", FIRST_TRAINED[way]
    side, batch_size, seeds = PARAMETERS["sides"][task], PARAMETERS["batch_size"], PARAMETERS["seeds"]
    rates = PARAMETERS["learning_rates"]
    fields = (f"{task}, {amount}, {way}", way if way == "scratch" else f"{task}, {amount}", way, amount)
    rates = next(rates[each] for each in fields if each in rates)
    steps = PARAMETERS["steps"].get(amount) or PARAMETERS["steps"][f"{task}, {amount}"]
    longer = PARAMETERS["scratch_longer"]
    steps *= (longer.get(task) or longer[f"{task}, {amount}"]) if way == "scratch" else 1
    selection_seed = PARAMETERS["selection_seed"]
    epochs = max(1, round(steps * batch_size / len(drawn[selection_seed][0])))
    num_classes = int(labels.max()) + 1
    if first != "rescaling":
        before = network_from(first, side, num_classes, rates[0], weights)[1]
        images, tests = cached_features(before, images), cached_features(before, tests)

    def build(rate):
        return network_from(first, side, num_classes, rate, weights)[0]

    def train(model, rate, seed):
        if weights:
            model.get_layer("logits").set_weights(heads[seed])
        chosen = drawn[seed][0]
        falling = Falling(rate, epochs, math.ceil(len(chosen) / batch_size))
        model.fit(images[chosen], labels[chosen], batch_size, epochs, callbacks=[falling], verbose=0)

    selection, rest = {}, drawn[selection_seed][1]
    for rate, model in restarts(build, [selection_seed], rates if len(rates) > 1 else []):
        train(model, rate, selection_seed)
        selection[rate] = balanced(labels[rest], model.predict(images[rest], verbose=0).argmax(axis=1))
    best, accuracies, began = max(selection, key=selection.get, default=rates[0]), [], time.time()
    for seed, (_, model) in zip(seeds, restarts(build, seeds, [best])):
        train(model, best, seed)
        accuracies.append(balanced(test_labels, model.predict(tests, verbose=0).argmax(axis=1)))
    seconds = round((time.time() - began) / len(seeds), 1)
    keras.backend.clear_session()
    return {
        "balanced_accuracy": accuracies,
        "learning_rate": best,
        "selection": selection,
        "epochs": epochs,
        "seconds_per_training": seconds,
    }


def record_field(task, amount, images, labels, tests, test_labels):
    """Yield each way to learn and what came out of it."""
    side, count, seeds = PARAMETERS["sides"][task], PARAMETERS["per_class"][amount], PARAMETERS["seeds"]
    whole = backbone(input_shape=(side, side, 3), pooling="avg")
    pools = [layers.GlobalAveragePooling2D(name=name.split("_")[0])(whole.get_layer(name).output) for name in STACKS]
    reader = keras.Model(whole.inputs[0], [*pools, whole.output])
    *several, last = cached_features(reader, images)
    *test_several, test_last = cached_features(reader, tests)
    several, test_several = np.concatenate(several, axis=1), np.concatenate(test_several, axis=1)
    drawn = {seed: draw(labels, count, seed) for seed in [*seeds, PARAMETERS["selection_seed"]]}
    on_last = {seed: linear(last[chosen], labels[chosen]) for seed, (chosen, _) in drawn.items()}
    on_several = {seed: linear(several[chosen], labels[chosen]) for seed, (chosen, _) in drawn.items()}
    for way, fitted, features in (("last features", on_last, test_last), ("several layers", on_several, test_several)):
        yield way, {"balanced_accuracy": [balanced(test_labels, fitted[seed].predict(features)) for seed in seeds]}
    heads = {seed: as_head(each) for seed, each in on_last.items()}
    for way in FIRST_TRAINED:
        yield way, train_by_steps(way, task, amount, drawn, heads, images, labels, tests, test_labels)


def main(hardware):
    threadpool_limits(1, user_api="blas")  # scikit-learn's matrices here are small: threads would wait for each other
    record = {
        "command": f'python results/13_transfer_learning.py "{hardware}"',
        "date": str(datetime.date.today()),
        "hardware": hardware,
        "versions": versions(),
        "parameters": PARAMETERS,
        "quadrants": {},
    }
    for task in PARAMETERS["sides"]:
        images, labels = load_colour(task, PARAMETERS["training"][task])
        tests, test_labels = load_colour(task, PARAMETERS["test"][task])
        for amount, count in PARAMETERS["per_class"].items():
            field = record["quadrants"][f"{task}, {amount}"] = {"pictures": len(draw(labels, count, 0)[0])}
            for way, result in record_field(task, amount, images, labels, tests, test_labels):
                field[way] = result
                print(f"{task}, {amount}, {way}: {result['balanced_accuracy']}", flush=True)
                PATH.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('Say what it runs on: python results/13_transfer_learning.py "one core of ..., no GPU"')
    main(sys.argv[1])
