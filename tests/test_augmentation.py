"""Augmentations against NumPy, SciPy and scikit-image, and the same recipe in Keras and in imgaug."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage, stats
from skimage.color import hsv2rgb, rgb2hsv

from helpers import augmentation
from helpers.augmentation import RECIPES, RandomOperation, augmenter, imgaug_augmentation, keras_augmentation
from helpers.datasets import load_arrays

LIBRARIES = ["keras", "imgaug"]


@pytest.fixture(scope="module")
def images():
    """Return a few goods, blurred: what differs in a warp's rounding then differs little in grey."""
    loaded = load_arrays("goods", "validation[:12]")[0]
    return np.stack([ndimage.gaussian_filter(image, (2, 2, 0)) for image in loaded])


def turned(images, degrees):
    return ndimage.rotate(images.astype(float), degrees, axes=(1, 2), reshape=False, order=1, mode="nearest")


def lit(images, factor):
    hsv = rgb2hsv(images)
    return hsv2rgb(np.concatenate([hsv[..., :2], np.minimum(1, factor * hsv[..., 2:])], axis=-1)) * 255


def shifted(images, share):
    pixels = round(share * images.shape[1])
    return np.pad(images, ((0, 0), (pixels, 0), (pixels, 0), (0, 0)), mode="edge")[:, :-pixels, :-pixels]


def middle(images, share):
    side = images.shape[1]
    coordinates = share * side + (np.arange(side) + 0.5) * (1 - 2 * share) - 0.5
    grid = np.meshgrid(coordinates, coordinates, indexing="ij")
    warp = [[ndimage.map_coordinates(x[..., c].astype(float), grid, order=1) for c in range(3)] for x in images]
    return np.moveaxis(np.array(warp), 1, -1)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "recipe, expected, tolerance",
    [
        ({"rotation": (30, 30)}, lambda x: turned(x, 30), 0.5),
        ({"rotation": (-90, -90)}, lambda x: np.rot90(x, -1, axes=(1, 2)), 0.5),
        ({"shift": (0.25, 0.25)}, lambda x: shifted(x, 0.25), 0.1),
        ({"crop": (0.25, 0.25)}, lambda x: middle(x, 0.25), 0.5),
        ({"light": (0.6, 0.6)}, lambda x: lit(x, 0.6), 0.6),
        ({"light": (1.5, 1.5)}, lambda x: lit(x, 1.5), 0.6),
        ({"tint": (20, 20)}, lambda x: np.clip(x + 20.0, 0, 255), 0.01),
        ({"inversion": 1}, lambda x: 255 - x, 0.01),
        ({"flip": False}, lambda x: x, 0),
        ({"rotation": (90, 90), "shift": (0.25, 0.25)}, lambda x: shifted(np.rot90(x, axes=(1, 2)), 0.25), 0.5),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, dict) else "",
)
def test_fixed_strength(images, library, recipe, expected, tolerance):
    answer, wanted = augmenter(recipe, library)(images), expected(images)
    assert answer.dtype == "uint8" and answer.shape == images.shape
    assert np.abs(answer - np.asarray(wanted, float)).mean() <= tolerance


def drawn(library, recipe, images, seed=0):
    return augmenter(recipe, library, seed)(images).astype(float)


@pytest.mark.parametrize("library", LIBRARIES)
def test_light_and_tint_are_uniform(library):
    grey = np.full((2000, 4, 4, 3), 100, "uint8")
    factors = drawn(library, {"light": (0.5, 2)}, grey).mean(axis=(1, 2)) / 100
    assert stats.kstest(factors[:, 0], stats.uniform(0.5, 1.5).cdf).pvalue > 1e-4
    assert np.ptp(factors, axis=1).max() < 0.02, "the three channels alike"
    tints = drawn(library, {"tint": 40}, grey) - 100
    assert np.ptp(tints, axis=(1, 2)).max() == 0, "all over the image alike"
    tints = tints[:, 0, 0]
    assert stats.kstest(tints.ravel(), stats.uniform(-40.5, 81).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(tints.T) - np.eye(3)).max() < 0.1, "each channel by itself"


@pytest.mark.parametrize("library", LIBRARIES)
def test_noise(library):
    noise = drawn(library, {"noise": 10}, np.full((20, 32, 32, 3), 128, "uint8")) - 128
    assert abs(noise.mean()) < 0.2 and abs(noise.std() - 10) < 0.2
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.05, "each channel by itself"
    assert stats.kstest(noise.ravel()[::7], stats.norm(0, 10).cdf).statistic < 0.03  # grey levels are steps


@pytest.mark.parametrize("library", LIBRARIES)
def test_inversion_and_flip_come_as_often_as_they_should(library):
    black = np.zeros((1000, 4, 4, 3), "uint8")
    inverted = drawn(library, {"inversion": 0.2}, black)[:, 0, 0] / 255
    assert set(np.unique(inverted)) == {0, 1}
    assert stats.binomtest(int(inverted.sum()), 3000, 0.2).pvalue > 1e-4
    assert len(np.unique(inverted, axis=0)) > 4, "each channel by itself"
    black[:, :, 0] = 255
    flipped = drawn(library, {"flip": True}, black)
    assert np.array_equal(flipped[:, :, 0] == 0, flipped[:, :, -1] == 255)
    assert stats.binomtest(int((flipped[:, 0, 0, 0] == 0).sum()), 1000, 0.5).pvalue > 1e-4


@pytest.mark.parametrize("library", LIBRARIES)
def test_crop_takes_from_each_border_by_itself(library):
    ramp = np.broadcast_to(np.arange(200, dtype="uint8"), (400, 200, 200))
    ramps = np.stack([ramp, ramp.transpose(0, 2, 1)], axis=-1)
    ramps = np.concatenate([ramps, ramps[..., :1]], axis=-1)
    answer = drawn(library, {"crop": 0.3}, ramps) / 200
    cut = [answer[:, 0, 0, 0], 1 - answer[:, 0, -1, 0], answer[:, 0, 0, 1], 1 - answer[:, -1, 0, 1]]
    for share in cut:
        assert stats.kstest(share, stats.uniform(-0.005, 0.31).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(cut) - np.eye(4)).max() < 0.2


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("operation, strength", [("rotation", 20), ("shift", 0.2)])
def test_warps_use_the_whole_range(library, operation, strength):
    """A bright dot to the right of the centre tells the angle; in the centre, the shift."""
    dots = np.zeros((400, 101, 101, 1), "uint8")
    x = 90 if operation == "rotation" else 50
    dots[:, 48:53, x - 2 : x + 3] = 255
    found = np.array([ndimage.center_of_mass(dot[..., 0]) for dot in drawn(library, {operation: strength}, dots)])
    if operation == "rotation":
        values = [np.degrees(np.arctan2(50 - found[:, 0], found[:, 1] - 50))]
    else:
        values = (found - 50).T / 101
        assert abs(np.corrcoef(values)[0, 1]) < 0.2, "height and width by themselves"
    for value in values:
        assert stats.kstest(value, stats.uniform(-strength, 2 * strength).cdf).pvalue > 1e-4


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("recipe", [*RECIPES.values(), {"noise": 5, "rotation": 10}], ids=[*RECIPES, "noise"])
@pytest.mark.parametrize("channels", [1, 3])
def test_seed(images, library, recipe, channels):
    same = np.repeat(images[:1, ..., :channels], 4, axis=0)
    before = same.copy()
    first, again, other = (augmenter(recipe, library, seed) for seed in (1, 1, 2))
    one, two = first(same), first(same)
    assert np.array_equal(same, before), "what it is given stays"
    assert np.array_equal(one, again(same)) and np.array_equal(two, again(same))
    assert not np.array_equal(one, two) and not np.array_equal(one, other(same))
    assert all(not np.array_equal(one[0], each) for each in one[1:])


def test_imgaug_does_not_listen_to_the_global_state(images):
    import imgaug

    answers = []
    for seed in (1, 2):
        imgaug.seed(seed)
        answers.append(drawn("imgaug", RECIPES["practice"], images))
    assert np.array_equal(*answers)


def test_layers_rest_outside_training_and_are_saved(images, tmp_path):
    recipe = RECIPES["practice"] | RECIPES["binary"] | {"noise": 5}
    model = keras.Sequential([keras.Input(images.shape[1:]), *keras_augmentation(recipe, seed=3).layers])
    assert np.array_equal(model.predict(images.astype("float32"), verbose=0), images)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    answers = [keras.ops.convert_to_numpy(each(images.astype("float32"), training=True)) for each in (model, loaded)]
    assert np.array_equal(*answers) and not np.allclose(answers[0], images, atol=5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_layers_under_mixed_precision(images, policy):
    recipe, before = RECIPES["practice"] | RECIPES["binary"] | {"noise": 5}, keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        half, whole = keras_augmentation(recipe, seed=3), augmenter(recipe, seed=3)(images)
        answer = half(images.astype("float32"), training=True)
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(answer.dtype) == policy.removeprefix("mixed_")
    assert np.abs(whole.astype(float) - augmenter(recipe, seed=3)(images)).mean() < 10


def test_layers_in_tf_data(images):
    pipeline = keras_augmentation(RECIPES["practice"] | RECIPES["binary"] | {"noise": 5}, seed=3)
    dataset = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=tf.TensorSpec((None, None, 3)))
    dataset = dataset.batch(5).map(lambda batch: pipeline(batch, training=True))  # no side is known before the run
    runs = [np.concatenate(list(dataset.as_numpy_iterator())) for _ in range(2)]
    assert runs[0].shape == images.shape and not np.allclose(runs[0], runs[1])


@pytest.mark.parametrize("layer", RandomOperation.__subclasses__())
def test_layers_want_batches(images, layer):
    strength = 0.1 if layer.__name__ in ("RandomNoise", "RandomChannelInversion") else (0, 0.1)
    with pytest.raises(ValueError, match=r"Batch the images first: .* Received: shape=\(128, 128, 3\)"):
        layer(strength)(images[0])


def test_every_operation_is_a_layer_of_its_own():
    for layer in RandomOperation.__subclasses__():
        assert layer.__name__ in inspect.getsource(keras_augmentation)


def test_boxes_follow(images):
    from imgaug.augmentables.bbs import BoundingBox, BoundingBoxesOnImage

    box = BoundingBoxesOnImage([BoundingBox(10, 20, 40, 60)], shape=images.shape[1:])
    _, answer = imgaug_augmentation({"shift": (0.25, 0.25)})(images=images[:1], bounding_boxes=[box])
    assert np.allclose(answer[0].to_xyxy_array(), [[42, 52, 72, 92]])


@pytest.mark.parametrize(
    "recipe, message",
    [
        ({"zoom": 2}, "Operations: flip .True or False., crop, .* Received: zoom=2"),
        ({"flip": 0.5}, "flip .True or False"),
        ("practice", "Give {operation: strength}, such as RECIPES.'practice'.. Received: recipe='practice'"),
        ({"crop": 0.5}, "the ends 0 and s: all from 0 to 0.499. Received: crop=0.5"),
        ({"rotation": -20}, "a number s for the ends -s and s: all from -360 to 360. Received: rotation=-20"),
        ({"rotation": True}, "rotation takes"),
        ({"rotation": [1, [2, 3]]}, "rotation takes"),
        ({"rotation": (20, 10)}, "in order"),
        ({"shift": (0, 0.1, 0.2)}, "two ends in order"),
        ({"light": 2}, "light takes .* ends 1 - s and 1 [+] s: all from 0 to 10. Received: light=2"),
        ({"light": (0.5, float("nan"))}, "light"),
        ({"noise": (1, 2)}, "noise takes a number from 0 to 255"),
        ({"inversion": 1.5}, "inversion takes a number from 0 to 1"),
        ({"tint": "much"}, "tint takes .* Received: tint='much'"),
    ],
)
def test_bad_recipes(recipe, message):
    for library in LIBRARIES:
        with pytest.raises(ValueError, match=message):
            augmenter(recipe, library)


def test_bad_library_and_images(images):
    with pytest.raises(ValueError, match="Libraries: keras, imgaug. Received: library='torchvision'"):
        augmenter({"flip": True}, "torchvision")
    for library in LIBRARIES:
        for seed in (-1, 1.5, None, True):
            with pytest.raises(ValueError, match=f"A seed is an integer from 0. Received: seed={seed}"):
                augmenter({"flip": True}, library, seed)
        for bad in (images / 255, images[0], images[:0], images[..., :2]):
            with pytest.raises(ValueError, match="Give uint8 images from 0 to 255.* Received: dtype="):
                augmenter({"flip": True}, library)(bad)
    with pytest.raises(ValueError, match="crop"):
        keras_augmentation({"crop": 1})
    with pytest.raises(ValueError, match="crop"):
        imgaug_augmentation({"crop": 1})


MENDED = """
import numpy as np
from helpers.augmentation import load_imgaug
assert not hasattr(np, "sctypes"), "NumPy has it again: the shim can go"
iaa = load_imgaug().augmenters
image = (np.arange(64 * 64 * 3) % 251).astype("uint8").reshape(64, 64, 3)
for augment in (iaa.BlendAlphaFrequencyNoise(foreground=iaa.Add(30)), iaa.SomeOf(1, [iaa.Add(30), iaa.Invert(1.0)]),
                iaa.Clouds(), iaa.RandAugment(n=2), iaa.PiecewiseAffine(scale=0.05), iaa.Superpixels(0.5)):
    augment.seed_(1)
    assert not np.array_equal(augment(image=image), image), augment.name
"""


def test_imgaug_runs_on_numpy_2():
    """In a fresh process: names are looked up when imgaug is imported, and again when it works."""
    done = subprocess.run([sys.executable, "-c", MENDED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_missing_libraries_are_named(monkeypatch):
    def fails(error):
        def import_module(name):
            raise error

        return import_module

    monkeypatch.setattr(augmentation.importlib, "import_module", fails(ModuleNotFoundError(name="imgaug")))
    with pytest.raises(ImportError, match="imgaug is missing: python -m pip install imgaug==0.4.0"):
        augmenter({"flip": True}, "imgaug")
    monkeypatch.setattr(augmentation.importlib, "import_module", fails(ImportError("libGL.so.1: cannot open")))
    with pytest.raises(ImportError, match="pip install .* opencv-python-headless.* Received: libGL.so.1"):
        augmenter({"flip": True}, "imgaug")
