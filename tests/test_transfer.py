"""Backbones know what they see, take pictures as they are, and keep what was frozen."""

import inspect
import urllib.error
from functools import partial

import keras
import numpy as np
import pytest
import skimage.data
from keras import layers, ops
from PIL import Image

from helpers import embedded
from helpers.embedded import embedded_file, embedded_names
from helpers.transfer import backbone, cached_features, freeze_before, imagenet_classes


@pytest.fixture(autouse=True)
def forget_networks():
    yield
    keras.backend.clear_session()


def middle_square(image, side=224):
    height, width = image.shape[:2]
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    square = Image.fromarray(image[top : top + size, left : left + size])
    return np.asarray(square.resize((side, side), Image.BICUBIC))


def test_photographs_are_named():
    images = np.stack([middle_square(getattr(skimage.data, name)()) for name in ("chelsea", "coffee", "rocket")])
    logits = backbone(include_top=True).predict(images, verbose=0)
    assert logits.argmax(axis=1).tolist() == [285, 967, 657]
    assert [imagenet_classes()[index] for index in logits.argmax(axis=1)] == ["Egyptian cat", "espresso", "missile"]
    surest = ops.convert_to_numpy(ops.softmax(logits)).max(
        axis=1
    )  # other preprocessings give .33 .87 .16, or .36 .82 .15
    np.testing.assert_allclose(surest, [0.39, 0.94, 0.22], atol=0.015)


def test_classes_are_imagenets():
    names = imagenet_classes()
    assert len(names) == 1000
    assert [names[index] for index in (0, 9, 954, 999)] == ["tench", "ostrich", "banana", "toilet tissue"]


def test_weights_are_those_of_the_card():
    model = backbone(include_top=True)
    trained = sum(int(np.prod(each.shape)) for each in model.trainable_weights)
    assert (trained, model.count_params()) == (4_652_008, 4_694_024)
    first = model.get_layer("stem").kernel
    assert first.dtype == "float32", "kept in half precision, computed in single"
    assert "weights" not in embedded_names(), "it is no data set"


def test_without_the_top_come_maps_or_features():
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3)).astype("uint8")
    maps = backbone(input_shape=(64, 96, 3)).predict(images, verbose=0)
    assert maps.shape == (2, 2, 3, 1280)
    for pooling, pooled in (("avg", maps.mean(axis=(1, 2))), ("max", maps.max(axis=(1, 2)))):
        features = backbone(input_shape=(64, 96, 3), pooling=pooling).predict(images, verbose=0)
        np.testing.assert_allclose(features, pooled, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("VGG16", "vgg16"),  # blue first, means subtracted
        ("MobileNetV2", "mobilenet_v2"),  # -1 to 1
        ("DenseNet121", "densenet"),  # means and deviations
        ("EfficientNetB0", "efficientnet"),  # inside the network
        ("MobileNetV3Small", "mobilenet_v3"),
    ],
)
def test_networks_of_keras_applications_bring_their_preprocessing(name, module):
    model = backbone(name, (64, 64, 3), pooling="avg", weights=None)
    twin = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg")
    twin.set_weights(model.get_weights())
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")
    pixels = getattr(keras.applications, module).preprocess_input(images.copy())
    expected = ops.convert_to_numpy(twin(pixels, training=False))
    answer = ops.convert_to_numpy(model(images, training=False))
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.abs(expected).max())
    if not np.array_equal(pixels, images):
        raw = ops.convert_to_numpy(twin(images, training=False))
        assert np.abs(raw - expected).max() > 1e-2 * np.abs(expected).max(), "this test would not see it missing"


def test_every_network_of_keras_applications_has_a_preprocessing_or_needs_none():
    modules = [each for each in vars(keras.applications).values() if inspect.ismodule(each)]
    names = [name for name, each in vars(keras.applications).items() if inspect.isfunction(each)]
    without = {name for name in names if not any(hasattr(module, name) for module in modules)}
    assert without == {"MobileNetV3Large", "MobileNetV3Small"}, "their preprocessing is inside"


def test_the_top_ends_in_logits():
    model = backbone("MobileNetV2", include_top=True, weights=None)
    assert model.output_shape == (None, 1000)
    assert model.layers[-1].activation is keras.activations.linear


def test_without_a_network_the_error_names_the_embedded_one(monkeypatch, tmp_path):
    def unreachable(*_, **__):
        raise urllib.error.URLError("no network here")

    monkeypatch.setattr(inspect.getmodule(keras.utils.get_file), "urlretrieve", unreachable)
    monkeypatch.setattr(inspect.getmodule(keras.utils.get_file).config, "keras_home", lambda: str(tmp_path))
    with pytest.raises(ConnectionError, match="efficientnet_lite0 come with the course.*name='MobileNetV2'"):
        backbone("MobileNetV2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "resnet50"}, "one of efficientnet_lite0, .*ResNet50.*name='resnet50'"),
        ({"input_shape": (28, 28, 1)}, r"Trained on colour.*\(28, 28, 1\)"),
        ({"input_shape": 224}, "Trained on colour.*224"),
        ({"input_shape": (16, 224, 3)}, r"32 pixels or more.*\(16, 224, 3\)"),
        ({"input_shape": (64.0, 64.0, 3)}, "input_shape="),
        ({"weights": np.ones(3)}, "weights=array"),
        ({"weights": "noisy-student"}, "weights='noisy-student'"),
        ({"pooling": "mean"}, "pooling='mean'"),
        ({"pooling": "avg", "include_top": True}, "pooling='avg'"),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        backbone(**options)


def test_channels_first_are_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="set_image_data_format"):
            backbone()
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("file", ["efficientnet_lite0.weights.h5", "imagenet_classes.txt"])
def test_damaged_weights_are_refused(tmp_path, monkeypatch, file):
    card = (embedded.DATA / "weights" / "README.md").read_bytes()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "README.md").write_bytes(card)
    content = embedded_file("weights", file).read_bytes()
    (tmp_path / "weights" / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setattr(embedded, "DATA", tmp_path)
    with pytest.raises(ValueError, match=f"{file} is not the file .*git checkout -- data/weights"):
        backbone() if file.endswith("h5") else imagenet_classes()


@pytest.mark.parametrize("folder", ["weights", "goods", "nowhere"])
def test_a_file_without_a_card_is_refused(folder):
    with pytest.raises(ValueError, match=f"listed in data/{folder}: .*name='b7.h5'"):
        embedded_file(folder, "b7.h5")


def small_network():
    """Convolution, normalisation, twice."""
    images = keras.Input((8, 8, 3), name="images")
    x = layers.BatchNormalization(name="first_norm")(layers.Conv2D(4, 3, name="first")(images))
    x = layers.BatchNormalization(name="second_norm")(layers.Conv2D(4, 3, name="second")(x))
    return keras.Model(images, layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D(name="average")(x)))


@pytest.mark.parametrize(
    ("first_trained", "changed"),
    [(None, set()), ("logits", {"logits"}), ("second", {"second", "logits"}), ("first", {"first", "second", "logits"})],
)
def test_what_is_frozen_stays(first_trained, changed):
    model = small_network()
    freeze_before(model, first_trained)
    before = {layer.name: layer.get_weights() for layer in model.layers}
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    images, labels = rng.normal(3, 5, (32, 8, 8, 3)).astype("float32"), rng.integers(0, 2, 32)
    if changed:
        model.fit(images, labels, verbose=0)
    else:
        assert not model.trainable_weights
        model(images, training=True)
    after = {layer.name: layer.get_weights() for layer in model.layers}
    moved = {name for name in before if any((old != new).any() for old, new in zip(before[name], after[name]))}
    assert moved == changed


@pytest.mark.parametrize("was_frozen", [False, True])
def test_a_network_within_a_model_is_trained_but_for_its_normalisations(was_frozen):
    inner = small_network()
    inner.trainable = not was_frozen
    model = keras.Sequential([keras.Input((8, 8, 3)), inner, layers.Dense(3, name="head")])
    freeze_before(model, inner.name)
    trained = {each.path.split("/")[-2] for each in model.trainable_weights}
    assert trained == {"first", "second", "logits", "head"}
    freeze_before(model, "head")
    assert len(model.trainable_weights) == 2


def test_a_layer_to_freeze_before_must_be_there():
    with pytest.raises(ValueError, match="first, first_norm, .*layer_name='third'"):
        freeze_before(small_network(), "third")


@pytest.fixture
def calls(monkeypatch):
    """A list that grows with every call of ``predict``."""
    calls, predict = [], keras.Model.predict
    monkeypatch.setattr(keras.Model, "predict", lambda *args, **kwargs: calls.append(1) or predict(*args, **kwargs))
    return calls


@pytest.fixture
def features(tmp_path):
    """``cached_features`` with a folder of its own."""
    return partial(cached_features, folder=tmp_path)


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype("uint8")


def test_features_are_computed_once(features, calls, tmp_path):
    model = small_network()
    first = features(model, IMAGES)
    np.testing.assert_allclose(first, ops.convert_to_numpy(model(IMAGES, training=False)), atol=1e-4)
    twin = small_network()
    twin.set_weights(model.get_weights())
    freeze_before(twin, "second")
    for again in (features(model, IMAGES.copy()), features(twin, IMAGES, batch_size=2)):
        np.testing.assert_array_equal(again, first)
    assert len(calls) == 1 and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "build",
    [
        lambda: keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.ReLU(6), layers.Flatten()]),
        lambda: backbone("MobileNetV2", (32, 32, 3), pooling="avg", weights=None),
    ],
)
def test_a_cell_that_runs_again_finds_its_features(features, calls, build):
    model, again = build(), build()
    again.set_weights(model.get_weights())
    images = np.zeros((2, *model.input_shape[1:]), "uint8")
    np.testing.assert_array_equal(features(model, images), features(again, images))
    assert len(calls) == 1, "the names of layers count those of the session"


def test_features_follow_model_and_images(features, calls):
    model = small_network()
    first = features(model, IMAGES)
    features(model, IMAGES[:4])
    features(model, IMAGES.astype("float32"))
    features(keras.Model(model.inputs, model.get_layer("average").output), IMAGES)
    features(keras.Model(model.inputs, layers.ReLU()(model.output)), IMAGES)
    features(keras.Model(model.inputs, layers.ReLU(6)(model.output)), IMAGES)
    model.get_layer("first").kernel.assign(-model.get_layer("first").kernel)
    assert np.abs(features(model, IMAGES) - first).max() > 1e-3
    assert len(calls) == 7


def test_code_of_ones_own_is_refused(features, calls):
    class Double(layers.Layer):
        def call(self, x):
            return 2 * x

    def cube(x):
        return x**3

    for layer in (Double(), layers.Lambda(cube), layers.Activation(cube)):
        model = keras.Sequential([keras.Input((8, 8, 3)), layer])
        nested = keras.Sequential([keras.Input((8, 8, 3)), model])
        for each in (model, nested):
            with pytest.raises(ValueError, match="would not be seen: use model.predict"):
                features(each, IMAGES)
    assert not calls


def test_several_outputs_come_as_a_list(features):
    model = small_network()
    both = keras.Model(model.inputs, [model.get_layer("first").output, model.output])
    for _ in range(2):
        assert [each.shape for each in features(both, IMAGES)] == [(5, 6, 6, 4), (5, 2)]


def test_low_precision_is_kept_too(features, calls):
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3, dtype="bfloat16")])
    first, again = features(model, IMAGES), features(model, IMAGES)
    assert first.dtype == again.dtype == "float32" and len(calls) == 1
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("damage", [lambda content: content[:-30], lambda content: b"", lambda content: b"no archive"])
def test_damaged_features_are_computed_anew(features, calls, tmp_path, damage):
    model = small_network()
    first = features(model, IMAGES)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(features(model, IMAGES), first)
    np.testing.assert_array_equal(features(model, IMAGES), first)
    assert len(calls) == 2 and list(tmp_path.iterdir()) == [path], "and nothing half-written beside it"


def test_an_interruption_leaves_nothing_and_a_full_disk_loses_nothing(features, tmp_path, monkeypatch):
    def stop(error):
        def savez(path, *_):
            path.write_bytes(b"half")
            raise error

        monkeypatch.setattr(np, "savez", savez)

    stop(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        features(small_network(), IMAGES)
    stop(OSError("No space left on device"))
    with pytest.warns(UserWarning, match="not kept: No space"):
        assert features(small_network(), IMAGES).shape == (5, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (8, 8, 3), (2, 9, 8, 3)])
def test_images_of_another_shape_are_refused(features, shape):
    with pytest.raises(ValueError, match=r"images of shape .*None, 8, 8, 3"):
        features(small_network(), np.zeros(shape, "uint8"))


def test_models_that_cannot_be_told_apart_are_refused(features):
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    model = small_network()
    for each in (Subclassed(), keras.Model(model.inputs, {"logits": model.output})):
        with pytest.raises(ValueError, match="functional model of one input"):
            features(each, IMAGES)
