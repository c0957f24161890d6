import keras
import numpy as np
import pytest
from keras import layers

from helpers.training import restarts

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
    losses = model.fit(images, labels, batch_size=16, epochs=2, verbose=0).history["loss"]
    model.optimizer.learning_rate = 0.5  # as a callback might leave it
    return losses


def test_each_restart_trains_as_a_new_model():
    new = []
    for seed in (7, 8):
        keras.utils.set_random_seed(seed)
        new.append(train(build()))
    assert new[0] != new[1]
    seeds = [np.int64(7), 8, 7]
    assert [train(model) for model in restarts(build, seeds)] == [new[0], new[1], new[0]]


def test_variants_come_one_after_the_other_each_with_every_seed():
    stddevs, seen = [0.1, 10.0], []

    def start(stddev):
        model = keras.Sequential(
            [keras.Input((9,)), layers.Dense(99, kernel_initializer=keras.initializers.RandomNormal(stddev=stddev))]
        )
        model.compile("sgd", "mse")
        return model

    for stddev, model in restarts(start, [0, 1], stddevs):
        seen.append(model.layers[0].kernel.numpy())
        assert 0.8 < seen[-1].std() / stddev < 1.2
    assert [round(float(np.log10(kernel.std()))) for kernel in seen] == [-1, -1, 1, 1]
    assert np.allclose(100 * seen[0], seen[2]) and not np.allclose(seen[0], seen[1])


def test_the_compiled_step_is_kept():
    models, steps = set(), set()
    for model in restarts(build, [0, 1]):
        train(model)
        models.add(model)
        steps.add(model.train_function)
    assert len(models) == len(steps) == 1


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (lambda: keras.Sequential([keras.Input((2,)), layers.Dense(1)]), "built and compiled"),
        (lambda: None, "built and compiled Keras model. Received: None"),
        (lambda: (model := keras.Sequential([layers.Dense(1)])).compile() or model, "built and compiled"),
    ],
)
def test_a_model_that_cannot_train_is_refused(built, message):
    with pytest.raises(ValueError, match=message):
        next(restarts(built, [0]))


def test_another_network_is_refused():
    units = iter([3, 4])
    with pytest.raises(ValueError, match="the same network"):
        list(restarts(lambda: build(next(units)), [0, 1]))


def test_an_old_model_is_refused():
    model = build()
    with pytest.raises(ValueError, match="a new model"):
        list(restarts(lambda: model, [0, 1]))
