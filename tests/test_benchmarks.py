"""Benchmarks run, and what they put side by side does the same."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

PATH = Path(__file__).resolve().parent.parent / "benchmarks" / "augmentation.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_of_augmentation", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("library", ["Keras layers", "tf.image", "imgaug"])
def test_rates(benchmark, library):
    assert 100 < benchmark.rate(library, "flip", 28, 1, 0.01) < 1e7
    if library == "tf.image":
        assert benchmark.rate(library, "rotation", 28, 1, 0.01) is None, "it has none"


@pytest.mark.parametrize("operation", ["flip", "crop", "light", "tint", "noise", "inversion"])
def test_tf_image_does_what_the_others_do(benchmark, operation):
    """Means and spreads over many variants of a few pictures agree."""
    recipe = benchmark.OPERATIONS[operation]
    images = np.repeat(benchmark.images_of(28)[:2], 2000, axis=0)
    dataset = tf.data.Dataset.from_tensor_slices(images).map(benchmark.tf_image(recipe)).batch(len(images))
    found = [next(dataset.as_numpy_iterator()), benchmark.imgaug_augmentation(recipe, seed=1)(images=images)]
    for moment in (np.mean, np.std):
        one, two = (moment(each.reshape(2, 2000, -1).astype(float), axis=1) for each in found)
        assert np.abs(one - two).mean() < 4, "grey levels"
    assert two.mean() > 2, "the variants differ"
