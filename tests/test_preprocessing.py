"""Whitening against NumPy, SciPy and scikit-learn, in batches, saved, and given what it cannot whiten."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy.linalg import sqrtm
from sklearn.decomposition import PCA

from helpers.datasets import load_arrays
from helpers.preprocessing import Whitening, update_moments, whitening_matrix

SHAPE, SIZE = (4, 3, 2), 24


@pytest.fixture(scope="module")
def images():
    """Correlated pixels, far from zero, of very different spreads."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(500, SIZE)) @ rng.normal(size=(SIZE, SIZE)) * np.geomspace(1, 50, SIZE) + 1000
    return mixed.reshape(-1, *SHAPE).astype("float32")


def adapted(data, **options):
    layer = Whitening(**options)
    layer.adapt(data)
    return layer


def whitened(layer, images):
    return ops.convert_to_numpy(layer(images)).astype(float)


def flat(images):
    return images.reshape(len(images), -1).astype(float)


@pytest.mark.parametrize("zca", [False, True])
def test_covariance_becomes_the_identity(images, zca):
    white = whitened(adapted(images, zca=zca), images)
    assert white.shape == (500, *(SHAPE if zca else (SIZE,)))
    assert np.abs(flat(white).mean(axis=0)).max() < 1e-3
    assert np.abs(np.cov(flat(white).T) - np.eye(SIZE)).max() < 1e-3


@pytest.mark.parametrize("components", [None, SIZE, 5, 1])
def test_it_is_scikit_learns_signs_included(images, components):
    pca = PCA(components, whiten=True, svd_solver="full").fit(flat(images))
    new = images[:50] + 3
    assert np.allclose(whitened(adapted(images, components=components), new), pca.transform(flat(new)), atol=1e-3)


def test_it_is_scikit_learns_on_real_images():
    clothes = load_arrays("fashion_mnist", "train[:3000]")[0]
    pca = PCA(50, whiten=True, svd_solver="full").fit(flat(clothes))
    assert np.abs(whitened(adapted(clothes, components=50), clothes) - pca.transform(flat(clothes))).max() < 1e-4


def test_zca_is_the_inverse_root_and_nearest_to_the_images(images):
    covariance = np.cov(flat(images).T)
    zca, pca = whitening_matrix(covariance, zca=True), whitening_matrix(covariance)
    assert np.allclose(zca, zca.T) and np.allclose(zca, np.linalg.inv(sqrtm(covariance).real), rtol=1e-6)
    centred, rng = flat(images) - flat(images).mean(axis=0), np.random.default_rng(1)
    nearest = np.mean((centred @ zca - centred) ** 2)
    for _ in range(5):  # any other whitening is a rotation of it
        rotation = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0]
        assert np.mean((centred @ zca @ rotation - centred) ** 2) > nearest
    assert np.mean((centred @ pca - centred) ** 2) > nearest


def test_epsilon_is_added_to_the_eigenvalues():
    assert np.allclose(whitening_matrix(np.diag([4.0, 1.0]), epsilon=5), np.diag([1 / 3, 6**-0.5]))
    assert np.allclose(whitening_matrix(np.diag([4.0, 0.0]), epsilon=1, zca=True), np.diag([5**-0.5, 1]))


def batches_of(images):
    """The same images in every form that ``adapt`` takes, in batches of unequal sizes."""
    labels, parts = np.arange(len(images)), np.split(images, [7, 8, 300])

    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return len(parts)

        def __getitem__(self, index):
            return parts[index], labels[: len(parts[index])]

    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    return {
        "arrays": parts,
        "generator": (part for part in parts),
        "dataset": dataset.batch(64),
        "images only": dataset.map(lambda image, label: image).batch(33),
        "sequence": Sequence(),
        "tensor": ops.convert_to_tensor(images),
    }


@pytest.mark.parametrize("form", batches_of(np.zeros((500, *SHAPE))))
def test_batches_equal_the_whole(images, form):
    layer, whole = adapted(batches_of(images)[form]), adapted(images)
    for part, one in zip(layer.get_weights(), whole.get_weights()):
        assert np.allclose(part, one, rtol=1e-4, atol=1e-6)


def test_moments_keep_their_digits_far_from_zero():
    batch = np.random.default_rng(0).normal(1e8, 1, (1000, 3))
    moments = (0, 0.0, 0.0)
    for part in np.array_split(batch, 7):
        moments = update_moments(moments, part)
    assert moments[0] == 1000 and np.allclose(moments[1], batch.mean(axis=0), rtol=1e-14)
    assert np.allclose(moments[2] / 999, np.cov(batch.T), rtol=1e-6, atol=1e-6)


def test_a_thousand_at_a_time_is_all_of_them():
    many = np.random.default_rng(0).normal(size=(2345, 3)).astype("float32")
    assert np.abs(np.cov(whitened(adapted(many), many).T) - np.eye(3)).max() < 1e-4


def test_adapting_again_starts_anew(images):
    layer = adapted(images[:250])
    layer.adapt(images[250:])
    for again, once in zip(layer.get_weights(), adapted(images[250:]).get_weights()):
        assert np.array_equal(again, once)


@pytest.mark.parametrize("options", [{}, {"components": 5}, {"zca": True, "epsilon": 0.5}])
def test_it_is_saved_with_the_model(tmp_path, images, options):
    layer = adapted(images, name="white", **options)
    model = keras.Sequential([keras.Input(SHAPE), layer, keras.layers.Flatten(), keras.layers.Dense(3)])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(model.predict(images[:9], verbose=0), loaded.predict(images[:9], verbose=0))
    assert loaded.get_layer("white").get_config() == layer.get_config()
    assert len(model.trainable_variables) == 2 and len(model.non_trainable_variables) == 2


def test_training_leaves_it_alone(images):
    layer = adapted(images, components=4)
    model = keras.Sequential([keras.Input(SHAPE), layer, keras.layers.Dense(1)])
    before = layer.get_weights()
    model.compile("sgd", "mse")
    model.fit(images, np.ones((500, 1)), verbose=0)
    assert all(np.array_equal(old, new) for old, new in zip(before, layer.get_weights()))


def test_bytes_and_floats_are_whitened_alike():
    clothes = load_arrays("fashion_mnist", "train[:300]")[0]
    layer = adapted(clothes, components=20)
    assert np.allclose(whitened(layer, clothes), whitened(layer, clothes.astype("float32")), atol=1e-5)


def test_not_adapted_yet(tmp_path, images):
    layer = Whitening()
    model = keras.Sequential([keras.Input(SHAPE), layer])
    with pytest.raises(ValueError, match="Adapt the layer.*first.*Received: adapted=False"):
        layer(images)
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="Adapt the layer"):
        keras.models.load_model(tmp_path / "model.keras")(images)
    layer.adapt(images)
    assert np.isfinite(ops.convert_to_numpy(model(images))).all()


@pytest.mark.parametrize("options", [{}, {"components": 20}, {"zca": True}])
def test_too_few_images(images, options):
    with pytest.raises(ValueError, match="Only 9 of 24 .* one fewer than there are images.*Received: components="):
        adapted(images[:10], **options)
    assert np.isfinite(whitened(adapted(images[:10], epsilon=1.0, **options), images)).all()
    white = whitened(adapted(images[:10], components=9), images[:10])
    assert np.abs(np.cov(white.T) - np.eye(9)).max() < 1e-3


def test_pixels_that_never_change():
    changing = np.random.default_rng(0).normal(size=(100, 6))
    changing[:, 2] = 7
    with pytest.raises(ValueError, match="Only 5 of 6"):
        adapted(changing)
    assert np.abs(whitened(adapted(changing, zca=True, epsilon=1e-6), changing)[:, 2]).max() < 1e-3


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (np.ones((1, 4)), {}, "data must hold two images.*count=1"),
        ([], {}, "two images.*count=0"),
        (np.full((9, 4), np.nan), {}, "NaN.*Received: finite=0"),
        (np.arange(4.0), {}, r"data must be.*\(n, ...\).*shape=\(4,\)"),
        ([np.eye(4), np.eye(5)], {}, r"batch must be.*one size.*shape=\(5, 5\)"),
        (np.eye(4), {"components": 4}, "Only 3 of 4.*lower components to 3.*components=4"),
        (np.eye(4), {"components": 5}, "components must be a whole number from 1 to 4.*components=5"),
        (np.eye(4), {"components": 5, "epsilon": 1.0}, "components must be a whole number from 1 to 4"),
        (np.eye(4), {"components": 0}, "whole number.*components=0"),
        (np.eye(4), {"components": 2.5}, "whole number.*components=2.5"),
        (np.eye(4), {"epsilon": -1.0}, "epsilon is added to variances.*epsilon=-1.0"),
    ],
    ids="one image,nothing,NaN,one row,two sizes,rank,too many,too many damped,none,a half,negative".split(","),
)
def test_errors_say_what_would_do(data, options, words):
    layer = Whitening(**options)
    with pytest.raises(ValueError, match=words):
        layer.adapt(data)
    assert not layer.adapted


def test_another_shape(images):
    layer = adapted(images)
    with pytest.raises(ValueError, match=r"images must be \(4, 3, 2\).*shape=\(500, 24\)"):
        layer(flat(images))
    with pytest.raises(ValueError, match=r"as before.*shape=\(500, 24\)"):
        layer.adapt(flat(images))
