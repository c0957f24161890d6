"""Record of lesson 15: what augmentation brings, by operation, by strength and by the size of the training set.

    python results/15_augmentation.py "one core of an AMD EPYC, no GPU"  # half an hour to an hour on one core

It writes 15_augmentation.json beside itself after each recipe, and a stopped run goes on where it stopped. To begin
anew, delete that file.
"""

import helpers.quiet  # noqa: F401  # isort: skip

import datetime
import itertools
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score

from helpers.augmentation import RECIPES, augmenter
from helpers.backends import versions
from helpers.datasets import load_arrays
from helpers.training import restarts

PATH = Path(__file__).with_suffix(".json")
PARAMETERS = {
    "sizes": {  # training images of each class
        "digits": [5, 10, 20, 40, 80],
        "fashion_mnist": [10, 30, 100, 300],
        "goods": [5, 20],
    },
    "size": {"digits": 10, "fashion_mnist": 100, "goods": 20},  # of operations and strengths
    "recipe": {  # the first two settled on seeds 10 to 12; that of goods is the practice deck's
        "digits": {"shift": 0.1},
        "fashion_mnist": {"shift": 0.04},
        "goods": RECIPES["practice"],
    },
    "side": 48,  # pixels, of goods
    "filters": {"digits": [16, 32], "fashion_mnist": [16, 32], "goods": [16, 32, 64, 64]},
    "operations": {
        "flip": {"flip": True},
        "crop": {"crop": 0.1},
        "light": {"light": 0.3},
        "noise": {"noise": 15},
        "rotation": {"rotation": 10},
        "shift": {"shift": 0.1},
        "inversion": {"inversion": 0.5},
        "rotation to 180": {"rotation": 180},
        "tint": {"tint": 25},
        "the binary deck's recipe": RECIPES["binary"],
    },
    "shifts": [0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3],  # of the side; a pixel is 0.125 and 0.036
    "steps": {
        "digits": [256, 1024],
        "fashion_mnist": [512, 2048],
        "goods": [512, 1024],
    },  # of a training: two lengths, each side's better
    "batch_size": 32,
    "learning_rate": 0.003,  # of Adam, falling to zero as a cosine
    "validation": 500,  # images by which the length is chosen
    "test": {"digits": 797, "fashion_mnist": 5000, "goods": 442},
    "seeds": [0, 1, 2, 3, 4],  # of the images drawn, the first weights, their order and the augmentation
}
PARAMETERS = json.loads(json.dumps(PARAMETERS))  # lists for tuples, as in the file


def load(name):
    """Return images and labels to draw from, and those of the test."""
    if name == "fashion_mnist":
        tests = PARAMETERS["test"][name]
        return *load_arrays(name, "train[:10000]"), *load_arrays(name, f"test[:{tests}]")
    if name == "goods":
        size = (PARAMETERS["side"], PARAMETERS["side"])
        return *load_arrays(name, "train", image_size=size), *load_arrays(name, "validation+test", image_size=size)
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    images, labels = np.round(digits.images[order, ..., None] * (255 / 16)).astype("uint8"), digits.target[order]
    tests = PARAMETERS["test"][name]
    return images[tests:], labels[tests:], images[:tests], labels[:tests]


def network(shape, filters_of_layers, num_classes, steps):
    """Return a small compiled network."""
    images = keras.Input(shape)
    x = layers.Rescaling(1 / 128, offset=-1)(images)
    for filters in filters_of_layers:
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    model = keras.Model(images, layers.Dense(num_classes)(layers.Dropout(0.3)(layers.Flatten()(x))))
    rate = keras.optimizers.schedules.CosineDecay(PARAMETERS["learning_rate"], steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, steps_per_execution=16)
    return model


def draw(labels, count, seed):
    """Return indices of so many images of each class, and of others for validation."""
    rng = np.random.default_rng(seed)
    indices = [rng.permutation(np.flatnonzero(labels == label))[:count] for label in np.unique(labels)]
    chosen = np.concatenate(indices)
    rest = rng.permutation(np.setdiff1d(np.arange(len(labels)), chosen))
    return chosen, rest[: PARAMETERS["validation"]]


def accuracy(model, images, labels):
    """Return the balanced accuracy: the share of right answers in each class, averaged over the classes."""
    answers = model.predict(images, batch_size=500, verbose=0).argmax(axis=1)
    return round(float(balanced_accuracy_score(labels, answers)), 4)


def measure(name, steps, jobs):
    """Yield, for each (recipe, size), the balanced accuracies in validation and test of a training from each seed."""
    images, labels, tests, test_labels = load(name)
    batch_size, seeds, found = PARAMETERS["batch_size"], PARAMETERS["seeds"], {}
    filters, classes = PARAMETERS["filters"][name], int(labels.max()) + 1
    pairs = itertools.product(range(len(jobs)), seeds)
    again = restarts(lambda job: network(images.shape[1:], filters, classes, steps), seeds, range(len(jobs)))
    for (index, seed), (_, model) in zip(pairs, again):
        recipe, size = jobs[index]
        chosen, rest = draw(labels, size, seed)
        passes, rng = -(-steps * batch_size // len(chosen)), np.random.default_rng(seed)
        order = np.concatenate([rng.permutation(chosen) for _ in range(passes)])[: steps * batch_size]
        variants = augmenter(recipe, seed=seed)(images[order])
        model.fit(variants, labels[order], batch_size=batch_size, shuffle=False, verbose=0)
        found.setdefault("validation", []).append(accuracy(model, images[rest], labels[rest]))
        found.setdefault("test", []).append(accuracy(model, tests, test_labels))
        if seed == seeds[-1]:
            yield found
            found = {}


def main(hardware):
    record = {
        "command": f'python results/15_augmentation.py "{hardware}"',
        "date": str(datetime.date.today()),
        "hardware": hardware,
        "versions": versions(),
        "parameters": PARAMETERS,
        "runs": [],  # one row for each data set, length, recipe and size
        "minutes": 0,
    }
    if PATH.exists():
        stopped = json.loads(PATH.read_text(encoding="utf-8"))
        changed = [key for key in ("hardware", "versions", "parameters") if stopped[key] != record[key]]
        if changed:
            sys.exit(f"{PATH.name} was made with other {' and '.join(changed)}: delete it to begin anew.")
        record = stopped
    began = time.time() - 60 * record["minutes"]
    for name, sizes in PARAMETERS["sizes"].items():
        one_size, settled = PARAMETERS["size"][name], PARAMETERS["recipe"][name]
        jobs = [(recipe, size) for size in sizes for recipe in ({}, settled)]
        jobs += [(recipe, one_size) for recipe in PARAMETERS["operations"].values()]
        if name != "goods":  # whose trainings take longer
            jobs += [({"shift": shift}, one_size) for shift in PARAMETERS["shifts"]]
        jobs = [job for index, job in enumerate(jobs) if job not in jobs[:index]]
        for steps in PARAMETERS["steps"][name]:
            rows = [{"data": name, "steps": steps, "recipe": recipe, "size": size} for recipe, size in jobs]
            done = [{key: row[key] for key in rows[0]} for row in record["runs"]]
            left = [index for index, row in enumerate(rows) if row not in done]
            for index, found in zip(left, measure(name, steps, [jobs[index] for index in left])):
                record["runs"].append(rows[index] | found)
                record["minutes"] = round((time.time() - began) / 60, 1)
                print(f"{rows[index]}: {np.mean(found['test']):.3f}", flush=True)
                PATH.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('Say what it runs on: python results/15_augmentation.py "one core of ..., no GPU"')
    main(sys.argv[1])
