"""Counts are compared with published ones and with loops that count, fields with what an output answers to."""

import keras
import numpy as np
import pytest
from keras import layers

from helpers.complexity import layer_table, receptive_field


@pytest.fixture
def unset(monkeypatch):
    """Weights of zero: drawn at random, those of VGG16 alone take five seconds."""
    zeros = keras.initializers.Zeros()
    for initializer in (keras.initializers.GlorotUniform, keras.initializers.VarianceScaling):
        monkeypatch.setattr(initializer, "__call__", lambda self, *args, **options: zeros(*args, **options))


@pytest.mark.parametrize(
    ("name", "parameters", "trainable", "multiply_adds"),
    [
        ("MobileNet", 4_253_864, 4_231_976, "0.569"),
        ("MobileNetV2", 3_538_984, 3_504_872, "0.301"),
        ("ResNet50", 25_636_712, 25_583_592, "3.86"),
        ("VGG16", 138_357_544, 138_357_544, "15.47"),
        ("InceptionV3", 23_851_784, 23_817_352, "5.71"),
        ("InceptionResNetV2", 55_873_736, 55_813_192, "13.16"),
        ("DenseNet121", 8_062_504, 7_978_856, "2.83"),
    ],
)
def test_counts_are_the_published_ones(unset, name, parameters, trainable, multiply_adds):
    table = layer_table(getattr(keras.applications, name)(weights=None))
    assert table.parameters.sum() == parameters and table.trainable.sum() == trainable
    assert f"{table.multiply_adds.sum() / 1e9:.{len(multiply_adds.split('.')[1])}f}" == multiply_adds  # billions
    assert table.weight_bytes.sum() == 4 * parameters


def convolved(images, kernel, strides, dilation, padding, groups):
    """Return images convolved by loops, and how often those of one image multiply."""
    rows, columns, depth, filters = kernel.shape
    reach = [(side - 1) * dilation + 1 for side in (rows, columns)]
    if padding == "same":
        sides = [-(-side // strides) for side in images.shape[1:3]]
        missing = [max(0, (n - 1) * strides + r - s) for n, r, s in zip(sides, reach, images.shape[1:3])]
        images = np.pad(images, [(0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)])
    sides = [(side - r) // strides + 1 for side, r in zip(images.shape[1:3], reach)]
    output, count = np.zeros((len(images), *sides, filters)), 0
    for y, x, filter_ in np.ndindex(*sides, filters):
        first = filter_ // (filters // groups) * depth
        for i, j, channel in np.ndindex(rows, columns, depth):
            seen = images[:, y * strides + i * dilation, x * strides + j * dilation, first + channel]
            output[:, y, x, filter_] += kernel[i, j, channel, filter_] * seen
            count += 1
    return output, count


@pytest.mark.parametrize(
    ("layer", "groups"),
    [
        (layers.Conv2D(4, 3, use_bias=False), 1),
        (layers.Conv2D(4, (3, 2), padding="same", strides=2, use_bias=False), 1),
        (layers.Conv2D(2, 3, padding="same", dilation_rate=2, use_bias=False), 1),
        (layers.Conv2D(4, 3, groups=2, use_bias=False), 2),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), 4),
        (layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False), 4),
    ],
)
def test_multiply_adds_are_what_loops_count(layer, groups):
    model = keras.Sequential([keras.Input((7, 6, 4)), layer])
    images = np.random.default_rng(0).normal(size=(2, 7, 6, 4)).astype("float32")
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    if "Depthwise" in type(layer).__name__:
        kernel = kernel.reshape(3, 3, 1, -1)
    output, count = convolved(images, kernel, layer.strides[0], np.max(layer.dilation_rate), layer.padding, groups)
    np.testing.assert_allclose(model.predict_on_batch(images), output, atol=1e-5)
    assert layer_table(model).multiply_adds.sum() == count


@pytest.mark.parametrize(
    ("shape", "layer", "multiply_adds"),
    [
        ((9, 5), layers.Conv1D(7, 3), 7 * 3 * 5 * 7),  # positions, kernel, channels, filters
        ((5, 5, 5, 2), layers.Conv3D(3, 3), 27 * 27 * 2 * 3),
        ((9, 5), layers.DepthwiseConv1D(3), 7 * 3 * 5),
        ((9, 9, 4), layers.SeparableConv2D(6, 3, strides=2, depth_multiplier=2), 16 * (9 * 8 + 8 * 6)),
        ((5, 4, 3), layers.Conv2DTranspose(6, 3, strides=2), 20 * 9 * 3 * 6),  # each pixel meets the kernel once
        ((5, 4, 3), layers.Dense(6), 20 * 3 * 6),
        ((3,), layers.Dense(6), 18),
        ((5, 4, 3), layers.BatchNormalization(), 0),
        ((5, 4, 3), layers.PReLU(), 0),
        ((5, 4, 3), layers.AveragePooling2D(2), 0),
        ((5, 4, 3), layers.Lambda(keras.ops.square, output_shape=(5, 4, 3)), 0),
    ],
)
def test_multiply_adds_of_other_layers(shape, layer, multiply_adds):
    assert layer_table(keras.Sequential([keras.Input(shape), layer])).multiply_adds.sum() == multiply_adds


def test_channels_may_come_first():
    first, last = (
        layers.Conv2D(5, 3, strides=2, data_format=f"channels_{order}")(keras.Input(shape))
        for order, shape in (("first", (3, 9, 8)), ("last", (9, 8, 3)))
    )
    counts = [layer_table(keras.Model(each._keras_history.operation.input, each)).iloc[1] for each in (first, last)]
    assert counts[0].multiply_adds == counts[1].multiply_adds == 4 * 3 * 27 * 5
    assert counts[0]["shape"] == (5, 4, 3) and counts[1]["shape"] == (4, 3, 5)


def test_bytes_by_hand():
    images = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, name="conv")(images)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dense(5, dtype="mixed_float16", name="half")(layers.Flatten(name="flat")(x))
    table = layer_table(keras.Model(images, keras.ops.argmax(x, -1)))
    assert table.activation_bytes.tolist() == [4 * 108, 4 * 64, 4 * 64, 4 * 64, 2 * 5, 4]
    assert table.weight_bytes.tolist() == [0, 4 * 112, 4 * 16, 0, 4 * (64 * 5 + 5), 0]
    assert table.trainable.tolist() == [0, 112, 8, 0, 325, 0]
    assert table.kind.tolist()[1:] == ["Conv2D", "BatchNormalization", "Flatten", "Dense", "Argmax"]
    assert table["shape"].tolist() == [(6, 6, 3), (4, 4, 4), (4, 4, 4), (64,), (5,), ()]


def test_weights_have_bytes_of_their_own_type():
    model = keras.Sequential([keras.Input((16,)), layers.Dense(64, dtype="float16"), layers.Dense(8, dtype="bfloat16")])
    assert layer_table(model).weight_bytes.tolist() == [0, 2 * 17 * 64, 2 * 65 * 8]


def test_frozen_weights_are_not_trainable():
    layer = layers.Dense(4)
    layer.trainable = False
    table = layer_table(keras.Sequential([keras.Input((3,)), layer]))
    assert table.parameters.sum() == 16 and table.trainable.sum() == 0


def test_a_layer_called_twice_has_its_weights_once():
    images, layer = keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same", use_bias=False, name="shared")
    row = layer_table(keras.Model(images, layer(layer(images)))).loc["shared"]
    assert (row.parameters, row.weight_bytes) == (144, 4 * 144)
    assert (row.multiply_adds, row.activation_bytes) == (2 * 64 * 144, 2 * 4 * 256)


def nested():
    inner = keras.Sequential([keras.Input((9, 9, 2)), layers.Conv2D(2, 3, padding="same", name="conv")], name="inner")
    images = keras.Input((9, 9, 2), name="image")
    once = inner(images)
    return keras.Model(images, layers.Dense(3, name="head")(layers.Add(name="add")([inner(once), once])))


def test_a_model_within_a_model_is_opened():
    table, field = layer_table(nested()), receptive_field(nested())
    assert table.index.tolist() == field.index.tolist() == ["image", "inner/conv", "add", "head"]
    assert table.parameters.sum() == nested().count_params() == 38 + 9
    assert table.multiply_adds.tolist() == [0, 2 * 81 * 36, 0, 81 * 6]
    assert field.field.tolist() == [(1, 1), (5, 5), (5, 5), (5, 5)]


class Scaled(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],))

    def call(self, inputs):
        return inputs * self.scale


class Special(layers.Conv2D):
    """Something else than its parent, maybe."""


@pytest.mark.parametrize("layer", [Scaled(name="own"), Special(3, 3, name="own"), layers.LSTM(4, name="own")])
def test_an_unknown_layer_is_named(layer):
    shape = (7, 3) if isinstance(layer, layers.LSTM) else (7, 7, 3)
    model = keras.Sequential([keras.Input(shape), layer])
    with pytest.raises(ValueError, match=f"known=.* Received: layer own of class {type(layer).__name__}$"):
        layer_table(model)
    counted = layer_table(model, known={type(layer): lambda layer, shape: 1000 * shape[-1]})
    assert counted.multiply_adds["own"] == 1000 * model.output_shape[-1]


def test_products_without_weights_are_named():
    x = keras.Input((4, 4))
    for product in (layers.Dot(1)([x, x]), keras.ops.matmul(x, x), layers.Attention()([x, x])):
        with pytest.raises(ValueError, match="Received: layer .* of class (Dot|Matmul|Attention)$"):
            layer_table(keras.Model(x, product))


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def test_a_model_without_graph_or_size_is_refused():
    for measure in (layer_table, receptive_field):
        for model in (Subclassed(), keras.Sequential([layers.Dense(3)])):
            with pytest.raises(ValueError, match="Received: model=<(Subclassed|Sequential)"):
                measure(model)
    open_size = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3, name="conv")])
    with pytest.raises(ValueError, match="fixed input size. Received: layer .* with output shape"):
        layer_table(open_size)
    assert receptive_field(open_size).field["conv"] == (3, 3)
    with pytest.raises(ValueError, match="model of images"):
        receptive_field(keras.Sequential([keras.Input((3,)), layers.Dense(3)]))


def plain(x):
    x = layers.Conv2D(2, 3, strides=2)(x)
    x = layers.MaxPooling2D(3, 2)(layers.ReLU()(layers.BatchNormalization()(x)))
    return layers.Conv2D(1, 3, padding="same")(x)


def dilated(x):
    x = layers.Conv2D(2, 3, dilation_rate=2)(x)
    return layers.DepthwiseConv2D(3, dilation_rate=3)(layers.ZeroPadding2D(1)(x))


def inception(x):
    wide = layers.Conv2D(2, (1, 7), padding="same")(layers.Conv2D(2, 1)(x))
    high = layers.Conv2D(2, (5, 1), padding="same", activation="relu")(x)
    x = layers.Concatenate()([wide, high, layers.AveragePooling2D(3, 1, padding="same")(x)])
    return layers.SeparableConv2D(2, 3, strides=2)(x)


def residual(x):
    y = layers.Conv2D(1, 3, strides=2, padding="same")(x)
    y = layers.Conv2D(1, 3, padding="same")(keras.ops.relu(y)) + x[:, ::2, ::2]
    return layers.Conv2D(1, 3, padding="same")(y)


def squeezed(x):
    scale = layers.Dense(1)(layers.Reshape((1, 1, 2))(layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(x))))
    return layers.Conv2D(1, 5)(x) * scale


def flat(x):
    return layers.Reshape((1, 1, 3))(layers.Dense(3)(layers.Flatten()(layers.Conv2D(1, 4, strides=3)(x))))


@pytest.mark.parametrize("build", [plain, dilated, inception, residual, squeezed, flat])
def test_the_field_is_what_an_output_answers_to(build):
    image = keras.Input((33, 33, 1))
    model = keras.Model(image, build(image))
    model.set_weights([np.abs(each) + 0.1 * (each.ndim > 1) for each in model.get_weights()])
    brighter = 1 + np.eye(33 * 33, dtype="float32").reshape(-1, 33, 33, 1)  # one pixel in each
    base = model.predict_on_batch(np.ones((1, 33, 33, 1)))
    answers = (np.abs(model.predict(brighter, verbose=0, batch_size=363) - base) > 1e-5 * base).any(axis=-1)
    height, width = answers.shape[1:]
    last = receptive_field(model).iloc[-1]

    def seen(row, column):
        return [np.flatnonzero(answers[:, row, column].reshape(33, 33).any(axis)) for axis in (1, 0)]

    fields = seen(height // 2, width // 2)
    assert last.field == tuple(each.max() - each.min() + 1 for each in fields)
    if build is squeezed:  # its scale sees all, and its map decides
        assert last.stride == (1, 1)
    elif height > 1:
        following = seen(height // 2 + 1, width // 2 + 1)
        assert last.stride == tuple(after.min() - before.min() for before, after in zip(fields, following))


@pytest.mark.parametrize("deep_first", [True, False])
def test_the_largest_field_of_a_layer_called_twice_counts(deep_first):
    image, shared = keras.Input((9, 9, 1)), layers.Conv2D(1, 3, padding="same", name="shared")
    deep = layers.Conv2D(1, 5, padding="same")(image)
    calls = [shared(each) for each in ((deep, image) if deep_first else (image, deep))]
    field = receptive_field(keras.Model(image, layers.Add(name="add")(calls))).field
    assert field["shared"] == field["add"] == (7, 7)


@pytest.mark.parametrize(
    ("name", "side"), [("VGG16", 212), ("MobileNet", 315), ("ResNet50", 483), ("InceptionV3", 1311)]
)
def test_fields_are_the_published_ones(unset, name, side):  # in the table of Araujo, Norris and Sim
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(96, 96, 3))
    assert receptive_field(model).iloc[-1].tolist() == [(side, side), (32, 32)]


@pytest.mark.parametrize(
    "layer", [layers.UpSampling2D(name="own"), layers.Conv2DTranspose(3, 3, name="own"), Scaled(name="own")]
)
def test_a_layer_of_unknown_field_is_named(layer):
    model = keras.Sequential([keras.Input((7, 7, 3)), layers.Conv2D(3, 3), layer])
    with pytest.raises(ValueError, match=f"known=.* Received: layer own of class {type(layer).__name__}$"):
        receptive_field(model)
    assert receptive_field(model, known={type(layer): (3, 2)}).loc["own"].tolist() == [(5, 5), (2, 2)]
