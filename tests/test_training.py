import keras
import numpy as np
import pytest
from keras import layers

from helpers.training import learning_rate_range_test, restarts

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


def classifier(optimizer="sgd"):
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_the_rate_rises_geometrically_and_losses_are_those_of_the_batches():
    model = classifier()
    model.layers[-1].kernel.assign(np.zeros((64, 3)))
    rates, losses = learning_rate_range_test(model, images, labels, low=1e-9, high=1e-7, steps=3)
    assert np.allclose(rates, [1e-9, 1e-8, 1e-7])
    assert np.allclose(losses, np.log(3), atol=1e-5)  # such rates leave the weights at zero
    model = classifier()
    model.layers[1].rate = 0.0  # dropout would change the losses
    rates, losses = learning_rate_range_test(model, images, labels, batch_size=64, low=0.01, high=0.3, steps=3)
    for rate, loss in zip(rates, losses):
        assert loss == pytest.approx(model.evaluate(images, labels, batch_size=64, verbose=0), rel=1e-5)
        model.optimizer.learning_rate = rate
        model.train_on_batch(images, labels)


def test_afterwards_all_is_as_it_was():
    model = classifier(keras.optimizers.Adam(0.01))
    train(model)
    variables = [*model.variables, *model.optimizer.variables]
    before = [keras.ops.convert_to_numpy(each).copy() for each in variables]
    first = learning_rate_range_test(model, images, labels, steps=10)
    assert all(np.array_equal(old, keras.ops.convert_to_numpy(new)) for old, new in zip(before, variables))
    again, other = (learning_rate_range_test(model, images, labels, steps=10, seed=seed)[1] for seed in (0, 1))
    assert np.allclose(first[1], again) and not np.allclose(again, other)


def test_the_range_test_stops_where_the_loss_explodes():
    rates, losses = learning_rate_range_test(classifier(), images, labels, high=1e6, steps=30, stop=3)
    assert 1 < len(rates) == len(losses) < 30
    assert losses[-1] > 3 * losses[:-1].min() and (losses[:-1] <= 3 * np.minimum.accumulate(losses[:-1])).all()


def test_a_loss_that_is_no_number_ends_it():
    broken = np.full_like(images, np.nan)
    rates, losses = learning_rate_range_test(classifier(), broken, labels, steps=5)
    assert len(rates) == 1 and losses[0] == np.inf


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0.1, "high": 0.01}, "low=0.1, high=0.01"),
        ({"low": 0}, "low=0"),
        ({"steps": 1}, "steps=1"),
        ({"batch_size": 65}, "batch_size=65, 64 images"),
    ],
)
def test_a_range_that_does_not_rise_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        learning_rate_range_test(classifier(), images, labels, **options)


def test_a_schedule_or_a_model_not_compiled_is_refused():
    with pytest.raises(ValueError, match="built and compiled"):
        learning_rate_range_test(keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()]), images, labels)
    falling = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        learning_rate_range_test(classifier(keras.optimizers.SGD(falling)), images, labels)
