"""Images augmented per second, by operation and recipe: Keras layers, tf.image, imgaug and albumentations.

    python -m venv peers && peers/bin/pip install -r requirements-cpu.txt albumentations==2.0.8
    peers/bin/python benchmarks/augmentation.py "two cores of an AMD EPYC"   # some ten minutes

albumentations brings an OpenCV of its own, so it wants an environment of its own; without it, its column is left out.
Writes results/15_augmentation_speed.json and prints it as a table. Every rate is the best of several interleaved
rounds.

Keras layers and tf.image run in ``tf.data``, with as many parallel calls as cores: whole batches, and single images,
as tf.image draws once for a batch. imgaug gets batches, albumentations single images; on two cores with two threads,
as in Keras' ``PyDataset(workers=2)``, and again with two processes, the way there and back included.

The libraries draw alike but for this. Of the Keras column flip, rotation and shift are Keras' own layers, the rest
this course's; its light multiplies R, G and B, where tf.image and imgaug go to HSV and back, and albumentations'
``ColorJitter`` multiplies without keeping the hue of what ends at 255. imgaug's crop and albumentations' crop and
shift go by whole pixels.
"""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks the network for its newest version

import helpers.quiet  # noqa: F401  # isort: skip

import argparse
import datetime
import functools
import importlib.metadata
import importlib.util
import itertools
import json
import math
import shlex
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from helpers.augmentation import RECIPES, imgaug_augmentation, keras_augmentation
from helpers.backends import versions
from helpers.datasets import load_arrays

PATH = Path(__file__).resolve().parent.parent / "results" / "15_augmentation_speed.json"
OPERATIONS = {
    "flip": {"flip": True},
    "crop": {"crop": 0.15},
    "rotation": {"rotation": 15},
    "shift": {"shift": 0.1},
    "light": {"light": (0.6, 1.4)},
    "tint": {"tint": 25},
    "noise": {"noise": 10},
    "inversion": {"inversion": 0.2},
    "the practice deck's recipe": RECIPES["practice"],
    "the binary deck's recipe": RECIPES["binary"],
}
LIBRARIES = ["Keras layers", "tf.image", "imgaug", "albumentations"]
PROCESSES = ", two processes"  # behind the name of a library
SIDES = (28, 128)  # pixels
BATCH_SIZE = 64


def tf_image(recipe):
    """Return a function of one image, by ``tf.image`` and plain TensorFlow; None where it has no such operation."""
    import tensorflow as tf

    def crop(image, share):
        cut = tf.random.uniform((4,), 0, share)
        box = [[cut[0], cut[1], 1 - cut[2], 1 - cut[3]]]
        return tf.image.crop_and_resize(image[None], box, [0], image.shape[:2])[0]

    def light(image, ends):
        hsv = tf.image.rgb_to_hsv(image / 255)
        value = tf.minimum(hsv[..., 2:] * tf.random.uniform((), *ends), 1)
        return tf.image.hsv_to_rgb(tf.concat([hsv[..., :2], value], -1)) * 255

    def tint(image, size):
        return tf.clip_by_value(image + tf.random.uniform((3,), -size, size), 0, 255)

    def noise(image, deviation):
        return tf.clip_by_value(image + tf.random.normal(image.shape, stddev=deviation), 0, 255)

    def invert(image, probability):
        return tf.where(tf.random.uniform((3,)) < probability, 255 - image, image)

    known = {"crop": crop, "light": light, "tint": tint, "noise": noise, "inversion": invert}
    known["flip"] = lambda image, _: tf.image.random_flip_left_right(image)
    if not set(recipe) <= set(known):
        return None  # it cannot rotate by 15 degrees, nor shift

    def augment(image):
        image = tf.cast(image, "float32")
        for operation, strength in recipe.items():
            image = known[operation](image, strength)
        return tf.cast(tf.round(image), "uint8")

    return augment


def albumentation(recipe):
    """Return a function of one image."""
    import albumentations
    import cv2

    edge = {"border_mode": cv2.BORDER_REPLICATE, "p": 1}

    def invert(probability):
        inversion = [albumentations.InvertImg(p=1)]
        return [albumentations.SelectiveChannelTransform(inversion, [each], p=probability) for each in range(3)]

    known = {
        "flip": lambda _: albumentations.HorizontalFlip(p=0.5),
        "crop": lambda share: albumentations.CropAndPad(percent=(-share, 0), p=1),
        "rotation": lambda degrees: albumentations.Affine(rotate=(-degrees, degrees), **edge),
        "shift": lambda share: albumentations.Affine(translate_percent=(-share, share), **edge),
        "light": lambda ends: albumentations.ColorJitter(ends, (1, 1), (1, 1), (0, 0), p=1),
        "tint": lambda size: albumentations.RGBShift(size, size, size, p=1),
        "noise": lambda deviation: albumentations.GaussNoise(std_range=(deviation / 255,) * 2, p=1),
        "inversion": lambda probability: albumentations.Sequential(invert(probability), p=1),
    }
    chain = albumentations.Compose([known[operation](strength) for operation, strength in recipe.items()])
    return lambda image: chain(image=image)["image"]


@functools.cache
def images_of(side):
    """Return 512 goods of this side, uint8."""
    return load_arrays("goods", "train[:512]", image_size=(side, side))[0]


def batch_augmenter(library, operation):
    """Return a function from a batch to its augmented batch, by a library without a pipeline of its own."""
    if library == "imgaug":
        pipeline = imgaug_augmentation(OPERATIONS[operation])
        return lambda batch: pipeline(images=batch)
    augment = albumentation(OPERATIONS[operation])
    return lambda batch: np.stack([augment(image) for image in batch])


def augmented(library, operation, batch):
    """Augment a batch in a process of its own, which keeps its augmenter."""
    return kept_augmenter(library, operation)(batch)


kept_augmenter = functools.cache(batch_augmenter)


@functools.cache
def processes(cores):
    """Return a pool of processes, the same at each call."""
    return ProcessPoolExecutor(cores, get_context("spawn"), limit, (cores,))


def close(cores):
    """End this process' pool, which would keep it from ending."""
    processes(cores).shutdown()


@functools.cache
def consumer(library, operation, side, cores):
    """Return a function that augments so many batches, one after the other as a trainer takes them, or None."""
    batches = images_of(side).reshape(-1, BATCH_SIZE, side, side, 3)
    if library in ("Keras layers", "tf.image"):
        iterator = pipeline(library, operation, batches, cores)
        return iterator and (lambda count: [next(iterator) for _ in range(count)])
    loaded = itertools.cycle(batches)
    if library.endswith(PROCESSES):
        augment = functools.partial(augmented, library.removesuffix(PROCESSES), operation)
        return lambda count: list(processes(cores).map(augment, itertools.islice(loaded, count)))
    augmenters = [batch_augmenter(library, operation) for _ in range(cores)]  # each thread its own
    pool = ThreadPoolExecutor(cores)

    def work(augment, batches):
        return [augment(batch) for batch in batches]

    def consume(count):
        shares = [list(itertools.islice(loaded, count // cores)) for _ in range(cores)]
        return list(pool.map(work, augmenters, shares))

    return consume


def pipeline(library, operation, batches, cores):
    """Return the iterator of an endless ``tf.data`` pipeline of augmented batches, or None."""
    import tensorflow as tf

    if library == "tf.image":
        function = tf_image(OPERATIONS[operation])
        if function is None:
            return None
        dataset = tf.data.Dataset.from_tensor_slices(batches.reshape(-1, *batches.shape[2:])).repeat()
        dataset = dataset.map(function, num_parallel_calls=cores).batch(BATCH_SIZE)
    else:
        layers = keras_augmentation(OPERATIONS[operation])

        def function(batch):
            return tf.cast(tf.round(layers(batch, training=True)), "uint8")

        dataset = tf.data.Dataset.from_tensor_slices(batches).repeat().map(function, num_parallel_calls=cores)
    options = tf.data.Options()
    options.threading.private_threadpool_size = cores
    return iter(dataset.prefetch(1).with_options(options))


def limit(cores):
    """Keep this process to so many cores."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # Linux and Windows
        process.cpu_affinity(process.cpu_affinity()[:cores])
    import cv2
    import tensorflow as tf

    cv2.setNumThreads(1)  # its threads are for one large image
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(cores)


def rate(library, operation, side, cores, seconds):
    """Return images per second, measured over at least so many seconds, or None."""
    consume = consumer(library, operation, side, cores)
    if consume is None:
        return None
    consume(6 * cores)  # also what lay ready
    batches, taken = 4 * cores, 0
    while taken < seconds:
        batches *= 2 if not taken else max(2, math.ceil(seconds / taken))  # stays a multiple of the cores
        start = time.perf_counter()
        consume(batches)
        taken = time.perf_counter() - start
    return batches * BATCH_SIZE / taken


def main(command, hardware, rounds, seconds):
    installed = [each for each in LIBRARIES if each != "albumentations" or importlib.util.find_spec(each)]
    found = {}
    for cores in (1, 2):
        libraries = installed + [each + PROCESSES for each in installed[2:] if cores == 2]
        workers = {  # a process for each, so that none has another's threads; they take turns
            library: ProcessPoolExecutor(1, get_context("spawn"), limit, (cores,)) for library in libraries
        }
        for side in SIDES:
            for operation in OPERATIONS:
                for _ in range(rounds):
                    for library, worker in workers.items():
                        value = worker.submit(rate, library, operation, side, cores, seconds).result()
                        key = (cores, side, operation, library)
                        found[key] = value and max(value, found.get(key, 0))
                row = ", ".join(f"{name} {found[cores, side, operation, name] or 0:,.0f}" for name in libraries)
                print(f"{cores} cores, {side} px, {operation}: {row}", flush=True)
        for worker in workers.values():
            worker.submit(close, cores).result()
            worker.shutdown()
    rows = [
        dict(zip(("cores", "side", "operation", "library"), key), images_per_second=value and round(value))
        for key, value in found.items()
    ]
    record = {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "hardware": hardware,
        "versions": versions() | {each: importlib.metadata.version(each) for each in [*installed[2:], "opencv-python"]},
        "parameters": {"batch_size": BATCH_SIZE, "rounds": rounds, "seconds": seconds, "operations": OPERATIONS},
        "rates": rows,
    }
    PATH.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    table = pd.DataFrame(rows).pivot_table("images_per_second", ["side", "operation"], ["cores", "library"], sort=False)
    print(table.to_string(float_format="{:,.0f}".format, na_rep="-"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hardware", help="what it runs on, for the record")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement, at least")
    options = parser.parse_args()
    command = shlex.join(["python", "benchmarks/augmentation.py", *sys.argv[1:]])
    main(command, options.hardware, options.rounds, options.seconds)
