"""Benchmarks run, and what they put side by side does the same."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

PATH = Path(__file__).resolve().parent.parent / "benchmarks" / "augmentation.py"


@pytest.fixture(scope="module")
def peers():
    spec = importlib.util.spec_from_file_location("benchmark_of_augmentation", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("library", ["Keras layers", "tf.image", "imgaug"])
def test_rates(peers, library):
    assert 100 < peers.rate(library, "flip", 28, 1, 0.01) < 1e7
    if library == "tf.image":
        assert peers.rate(library, "rotation", 28, 1, 0.01) is None, "it has none"


@pytest.mark.parametrize("operation", ["flip", "rotation", "noise", "inversion"])
def test_albumentations_does_what_the_others_do(peers, operation):
    """Its crop, shift and light do otherwise, as the benchmark says."""
    pytest.importorskip("albumentations")
    recipe = peers.OPERATIONS[operation]
    images = np.repeat(peers.images_of(28)[:2], 2000, axis=0)
    agree(peers.batch_augmenter("albumentations", operation)(images), imgaug_variants(peers, recipe, images))


@pytest.mark.parametrize("operation", ["flip", "crop", "light", "tint", "noise", "inversion"])
def test_tf_image_does_what_the_others_do(peers, operation):
    recipe = peers.OPERATIONS[operation]
    images = np.repeat(peers.images_of(28)[:2], 2000, axis=0)
    dataset = tf.data.Dataset.from_tensor_slices(images).map(peers.tf_image(recipe)).batch(len(images))
    agree(next(dataset.as_numpy_iterator()), imgaug_variants(peers, recipe, images))


def imgaug_variants(peers, recipe, images):
    return peers.imgaug_augmentation(recipe, seed=1)(images=images)


def agree(first, second):
    """Means and spreads over many variants of two pictures agree."""
    for moment in (np.mean, np.std):
        one, two = (moment(each.reshape(2, 2000, -1).astype(float), axis=1) for each in (first, second))
        assert np.abs(one - two).mean() < 4, "grey levels"
    assert two.mean() > 2, "the variants differ"
