import keras
import numpy as np
import pytest
from keras import layers

from helpers.training import restart

rng = np.random.default_rng(0)
images, labels = rng.normal(size=(64, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 64)


def build(units=3):
    model = keras.Sequential([
        keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.BatchNormalization(), layers.Dropout(0.5),
        layers.Flatten(), layers.Dense(units),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    return model


def train(model):
    return model.fit(images, labels, batch_size=16, epochs=2, verbose=0).history["loss"]


def test_a_restarted_model_trains_as_a_new_one():
    keras.utils.set_random_seed(7)
    fresh = train(build())
    model = build()
    train(model)
    model.optimizer.learning_rate = 0.5  # as a callback might leave it
    assert train(restart(model, build, 7)) == fresh
    assert train(restart(model, build, 8)) != fresh
    assert train(restart(model, build, 7)) == fresh


def test_the_compiled_step_is_kept():
    model = build()
    train(model)
    step = model.train_function
    assert restart(model, build, 1) is model and model.train_function is step


def test_another_network_is_refused():
    with pytest.raises(ValueError, match="the same network. Received"):
        restart(build(), lambda: build(units=4), 0)


def test_an_uncompiled_model_is_refused():
    with pytest.raises(ValueError, match="compiled model. Received"):
        restart(build(), lambda: keras.Sequential([keras.Input((2,)), layers.Dense(1)]), 0)
