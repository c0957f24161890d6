"""Devices, as each backend would name them."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from helpers.parallel import find_devices


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (["cpu:0"], ["cpu"]),
        (["cuda:0", "cuda:1"], ["cpu", "gpu:0", "gpu:1"]),  # JAX
        (["gpu:0"], ["cpu", "gpu:0"]),
        (["LogicalDevice(name='/device:GPU:0', device_type='GPU')"], ["cpu", "gpu:0"]),  # TensorFlow
        (["tpu:0"], ["cpu"]),
    ],
)
def test_gpus_are_counted_where_keras_lists_them(monkeypatch, listed, found):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: listed)
    assert find_devices() == found


def test_gpus_of_pytorch_are_counted_by_itself(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: 2)))
    assert find_devices() == ["cpu", "gpu:0", "gpu:1"]


def test_a_model_trains_on_the_device_of_that_name():
    with keras.device(find_devices()[0]):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        assert model.train_on_batch(np.ones((1, 2)), np.zeros((1, 1))) >= 0
