"""Networks have the published counts, and twins in Keras Applications that give the same logits."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers

from helpers.architectures import (
    NETWORKS,
    SMALLEST,
    alexnet,
    build,
    googlenet,
    inception,
    mobilenet,
    resnet,
    squeezenet,
    vgg,
)
from helpers.complexity import layer_table


@pytest.fixture(autouse=True)
def forget_networks():
    yield
    keras.backend.clear_session()


IMAGENET = {  # published: all parameters at 1000 classes, moving statistics included; image side
    "alexnet": (60_965_224, 227),
    "vgg16": (138_357_544, 224),
    "vgg19": (143_667_240, 224),
    "googlenet": (6_998_552, 224),
    "inception_v3": (23_851_784, 299),
    "inception_resnet_v2": (55_873_736, 299),
    "resnet50": (25_636_712, 224),
    "resnet152": (60_419_944, 224),
    "densenet121": (8_062_504, 224),
    "squeezenet": (1_248_424, 224),
    "squeezenet_1_1": (1_235_496, 224),
    "mobilenet_v1": (4_253_864, 224),
    "mobilenet_v2": (3_538_984, 224),
}
TRAINABLE = {  # published, without moving statistics; image shape, classes
    "lenet5": (61_706, (28, 28, 1), 10),
    "resnet18": (11_689_512, (224, 224, 3), 1000),
    "resnet20": (269_722, (32, 32, 3), 10),
    "resnet38": (561_370, (32, 32, 3), 10),
    "resnet56": (853_018, (32, 32, 3), 10),
    "resnet110": (1_727_962, (32, 32, 3), 10),
    "densenet121": (7_978_856, (224, 224, 3), 1000),
    "densenet_bc_100_12": (769_162, (32, 32, 3), 10),
    "mobilenet_v2": (3_504_872, (224, 224, 3), 1000),
    "efficientnet_lite0": (4_652_008, (224, 224, 3), 1000),
}


def test_every_network_has_a_published_count():
    assert {*IMAGENET, *TRAINABLE} == {*NETWORKS} == {*SMALLEST}


@pytest.mark.parametrize("name", IMAGENET)
def test_parameters(name):
    count, side = IMAGENET[name]
    assert build(name, (side, side, 3), 1000).count_params() == count


@pytest.mark.parametrize("name", TRAINABLE)
def test_trainable_parameters(name):
    count, shape, num_classes = TRAINABLE[name]
    assert sum(int(np.prod(each.shape)) for each in build(name, shape, num_classes).trainable_weights) == count


applications = keras.applications
TWINS = {  # a small image side that both take
    "vgg16": (applications.VGG16, 32),
    "vgg19": (applications.VGG19, 32),
    "resnet50": (applications.ResNet50, 64),
    "resnet152": (applications.ResNet152, 64),
    "inception_v3": (applications.InceptionV3, 96),
    "inception_resnet_v2": (applications.InceptionResNetV2, 96),
    "densenet121": (applications.DenseNet121, 64),
    "mobilenet_v1": (applications.MobileNet, 64),
    "mobilenet_v2": (applications.MobileNetV2, 64),
}


def draw_variables(model, rng):
    """Give every variable, moving statistics included, values of its own that keep the signal's size."""
    for layer in model.layers:
        inputs = slice(2) if isinstance(layer, layers.DepthwiseConv2D) else slice(-1)
        for variable in layer.weights:
            if variable.name == "kernel":
                values = rng.normal(0, np.sqrt(2 / np.prod(variable.shape[inputs])), variable.shape)
            elif variable.name in ("gamma", "moving_variance"):
                values = rng.uniform(0.5, 1.5, variable.shape)
            else:  # bias, beta, moving_mean
                values = rng.normal(0, 0.1, variable.shape)
            variable.assign(values.astype("float32"))


def with_weights(model):
    return [layer for layer in model.layers if layer.weights]


def spread_apart(first, second):
    return float(np.abs(first - second).max() / first.std())


@pytest.mark.parametrize("name", TWINS)
def test_twins_give_the_same_logits(name):
    application, side = TWINS[name]
    twin = application(weights=None, input_shape=(side, side, 3), classes=20, classifier_activation=None)
    model = build(name, (side, side, 3), 20, rescaling=1.0)
    rng = np.random.default_rng(0)
    draw_variables(twin, rng)
    for ours, theirs in zip(with_weights(model), with_weights(twin), strict=True):
        # MobileNet of Keras ends in a 1 x 1 convolution where ours has a dense layer
        ours.set_weights([values.reshape(old.shape) for old, values in zip(ours.weights, theirs.get_weights())])
    images = rng.uniform(-1, 1, (8, side, side, 3)).astype("float32")
    expected = keras.ops.convert_to_numpy(twin(images, training=False)).reshape(8, 20)
    assert spread_apart(expected, keras.ops.convert_to_numpy(model(images, training=False))) < 1e-4

    kernels = [each for each in model.weights if "kernel" in each.name]
    middle = kernels[len(kernels) // 2]
    middle.assign(-keras.ops.convert_to_numpy(middle))
    assert spread_apart(expected, keras.ops.convert_to_numpy(model(images, training=False))) > 1e-3


FLEXIBLE = [name for name in NETWORKS if name != "lenet5"]  # lenet5 is for one size
NARROW = {name: {"width": 0.1, "stem": "small"} for name in FLEXIBLE} | {"lenet5": {}}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_narrow_network_for_small_images(name):
    model = build(name, (28, 28, 1), 10, **NARROW[name])
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1), dtype="uint8")
    logits = keras.ops.convert_to_numpy(model(images))
    assert logits.shape == (2, 10) and np.isfinite(logits).all() and np.ptp(logits) > 0
    assert model.layers[-1].name == "logits"


@pytest.mark.parametrize("stem", ["imagenet", "small"])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "resnet152"])
def test_the_smallest_images(name, stem):
    options = {"stem": stem, "width": 0.05} if name != "lenet5" else {}
    side = SMALLEST[name][stem == "small"]
    model = build(name, (side, side + 1, 3), 2, **options)
    shapes = [layer.output.shape[1:3] for layer in model.layers if len(layer.output.shape) == 4]
    assert min(min(shape) for shape in shapes) >= 1
    with pytest.raises(ValueError, match=f"{name} needs images of .*{side} x {side}.*Received: input_shape"):
        build(name, (side + 1, side - 1, 3), 2, **options)


@pytest.mark.parametrize("name", [name for name in FLEXIBLE if name not in ("vgg19", "resnet152")])  # as others
def test_layers_are_arguments(name):
    made = []

    def convolution(*arguments, **options):
        made.append(layers.Conv2D(*arguments, **options))
        return made[-1]

    model = build(
        name, (28, 28, 1), 10, **NARROW[name], activation=layers.PReLU, convolution=convolution, normalization=None
    )
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(layers.Conv2D) == len(made) + ("squeezenet" in name) > 1, "every convolution but that of logits"
    assert all(layer.use_bias for layer in made), "without normalisation a convolution has a bias"
    assert layers.PReLU in kinds and layers.Activation not in kinds and layers.BatchNormalization not in kinds
    normalized = build(
        name, (28, 28, 1), 10, **NARROW[name], normalization=partial(layers.BatchNormalization, epsilon=2)
    )
    found = [layer.epsilon for layer in normalized.layers if isinstance(layer, layers.BatchNormalization)]
    assert found and set(found) == {2}


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("resnet", (28, 28, 1), 10), {}, ValueError, "one of lenet5, alexnet.*Received: name='resnet'"),
        (("resnet20", (28, 28, 1), 10), {"depth": 3}, TypeError, "resnet20 has the options stacks, .*Received: depth"),
        (("resnet20", (28, 28), 10), {}, ValueError, "Received: input_shape"),
        (("resnet20", (28, None, 1), 10), {}, ValueError, "Received: input_shape"),
        (("resnet20", (28, 28, 1), 0), {}, ValueError, "Received: num_classes=0"),
        (("resnet20", (28, 28, 1), 2.0), {}, ValueError, "Received: num_classes=2.0"),
        (("resnet20", (28, 28, 1), 10), {"width": 0}, ValueError, "Received: width=0"),
        (("resnet20", (28, 28, 1), 10), {"activation": None}, ValueError, "An activation is a name"),
        (("resnet20", (28, 28, 1), 10), {"activation": layers.PReLU()}, ValueError, "An activation is a name"),
        (("alexnet", (227, 227, 3), 10), {"groups": 3}, ValueError, "Received: groups=3"),
        (("googlenet", (32, 32, 3), 10), {"auxiliary": True}, ValueError, "maps of 5 x 5"),
        (("resnet18", (28, 28, 1), 10), {}, ValueError, 'of 8 x 8 with stem="small"'),
        (("resnet20", (28, 28, 1), 10), {"shortcut": "identity"}, ValueError, "Received: shortcut='identity'"),
        (("squeezenet", (64, 64, 1), 10), {"version": "2"}, ValueError, "Received: version='2'"),
        *(((name, (96, 96, 3), 10), {"stem": "large"}, ValueError, "Received: stem='large'") for name in FLEXIBLE),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        build(*arguments, **options)


PUBLISHED_WORK = {  # multiply-adds of one image, side
    "alexnet": (724e6, 227),
    "googlenet": (1.58e9, 224),
    "resnet18": (1.81e9, 224),
    "resnet20": (40.6e6, 32),
    "resnet56": (125.5e6, 32),
    "squeezenet": (0.83e9, 227),
    "squeezenet_1_1": (0.35e9, 227),
}


@pytest.mark.parametrize("name", PUBLISHED_WORK)
def test_multiply_adds(name):
    """Those with a twin have their strides and poolings compared by it; these by their work."""
    work, side = PUBLISHED_WORK[name]
    table = layer_table(build(name, (side, side, 3), 10 if side == 32 else 1000))
    assert table["multiply_adds"].sum() == pytest.approx(work, rel=0.01)


@pytest.mark.parametrize("name", [name for name in FLEXIBLE if name not in ("vgg19", "resnet152")])
def test_the_small_stem_keeps_the_side_and_width_saves_parameters(name):
    wide, narrow = (build(name, (32, 32, 3), 10, stem="small", width=width) for width in (0.2, 0.1))
    first = next(layer for layer in wide.layers if isinstance(layer, layers.Conv2D))
    assert first.output.shape[1:3] == (32, 32)
    assert narrow.count_params() < 0.6 * wide.count_params()


@pytest.mark.parametrize(("name", "alpha"), [("v1", 0.5), ("v2", 0.35), ("v2", 0.5), ("v2", 1.4)])
def test_mobilenets_of_other_widths(name, alpha):
    application = {"v1": applications.MobileNet, "v2": applications.MobileNetV2}[name]
    twin = application(weights=None, input_shape=(32, 32, 3), classes=10, alpha=alpha)
    assert build(f"mobilenet_{name}", (32, 32, 3), 10, width=alpha).count_params() == twin.count_params()


def test_dropout_and_depthwise_layers_are_arguments():
    made = []

    def depthwise(*arguments, **options):
        made.append(layers.DepthwiseConv2D(*arguments, **options))
        return made[-1]

    for name, dropped in (("alexnet", 2), ("vgg16", 2), ("googlenet", 1), ("squeezenet", 1), ("mobilenet_v1", 1)):
        model = build(name, (32, 32, 3), 10, stem="small", width=0.1, dropout=0.123)
        assert [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)] == dropped * [0.123]
    for name in ("mobilenet_v1", "mobilenet_v2"):
        made.clear()
        model = build(name, (32, 32, 3), 10, stem="small", width=0.1, depthwise=depthwise)
        assert len(made) == sum(isinstance(layer, layers.DepthwiseConv2D) for layer in model.layers) > 10


def test_units_without_a_name_can_be_put_together():
    inputs = keras.Input((8, 8, 4))
    for family in (alexnet, vgg, googlenet, resnet, inception, squeezenet, mobilenet):
        outputs = family.conv_unit(family.conv_unit(inputs, 4, 3), 4, 3)
        assert keras.Model(inputs, outputs).count_params() > 0  # Keras refuses a name used twice


def test_googlenet_has_two_auxiliary_heads():
    model = build("googlenet", (64, 64, 3), 12, stem="small", width=0.1, auxiliary=True)
    assert model.output_names == ["logits", "auxiliary_4a", "auxiliary_4d"]
    assert [output.shape for output in model.outputs] == 3 * [(None, 12)]


def test_plain_networks_differ_only_in_the_shortcut():
    plain, residual = (build("resnet20", (28, 28, 1), 10, shortcut=kind) for kind in (None, "padding"))
    assert plain.count_params() == residual.count_params()
    assert sum(isinstance(layer, layers.Add) for layer in residual.layers) == 9
    assert not any(isinstance(layer, layers.Add) for layer in plain.layers)


def test_local_response_normalization():
    inputs = np.random.default_rng(0).normal(0, 30, (2, 3, 4, 7)).astype("float32")
    expected = np.empty_like(inputs)
    for i in range(7):
        total = np.sum(inputs[..., max(0, i - 2) : i + 3] ** 2, axis=-1)
        expected[..., i] = inputs[..., i] / (2 + 1e-4 * total) ** 0.75
    np.testing.assert_allclose(alexnet.LocalResponseNormalization()(inputs), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="Received: size=4"):
        alexnet.LocalResponseNormalization(size=4)


def test_a_shortcut_without_weights():
    inputs = np.arange(2 * 4 * 4 * 3, dtype="float32").reshape(2, 4, 4, 3)
    outputs = keras.ops.convert_to_numpy(
        resnet.shortcut_branch(keras.ops.array(inputs), 5, strides=2, shortcut="padding")
    )
    np.testing.assert_array_equal(outputs[..., :3], inputs[:, ::2, ::2])
    assert outputs.shape == (2, 2, 2, 5) and not outputs[..., 3:].any()


@pytest.mark.parametrize("name", ["alexnet", "resnet20"])
def test_a_saved_network_comes_back(name, tmp_path):
    model = build(name, (28, 28, 1), 10, **NARROW[name])
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1), dtype="uint8")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    answers = [keras.ops.convert_to_numpy(each(images)) for each in (loaded, model)]
    np.testing.assert_array_equal(*answers)
