# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 16 · Preprocessing
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/16_preprocessing.ipynb)
#
# *Subtract a mean, divide by a spread: with plain gradient descent that decides much of what a network learns,
# with Adam or batch normalisation less. Whitening goes further, until no two pixels are correlated. See what each
# does to a cloud of points, to a picture and to training, and why more of it is not always better.*
#
# You will
#
# - centre, standardise and whiten images, and check each: mean 0, variance 1, covariance the identity,
# - write whitening as a Keras layer that learns in batches and is saved with the model,
# - measure over seeds what each does to a dense and to a convolutional network, and what statistics from the
#   wrong images cost.
#
# A minute on two CPU cores · deck *practice*, "Центрирование и нормализация" (centring and normalisation),
# "Обеление PCA Whitening": titles and pictures. The sentences tested here are ours.

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
train_examples = 6000  # Fashion-MNIST images to learn from, at most 58000; with 5000 some pixels may never change
test_examples = 4000  # images of the test, at most 10000
row = 14  # of a pixel; the one below it is its neighbour
column = 6  # of both
tolerance = 0.001  # by which means, variances and covariances may miss 0 and 1
floor = 5.0  # grey levels; added to the spread of a pixel, by squares
epsilon = 1000.0  # squared grey levels, added to the eigenvalues where whitening is damped
leak_images = 200  # images with labels, where statistics come from others too
leak_tests = [500, 2000]  # test images then; with the others fewer than 784, and more
leak_seeds = [0, 1, 2, 3, 4, 5]  # of the images drawn there; three at least
validation_examples = 2000  # the last of the 60000 training images, for the choice of learning rates
epochs = 4  # passes of a training
batch_size = 100  # images per training step
search = [0.03, 0.1, 0.3, 1.0, 3.0]  # learning rates of plain gradient descent tried; a thousandth of each for 0 to 255
rates = {"0 to 255": 0.0001, "0 to 1": 0.3, "standardised": 0.1, "per pixel, floor": 0.3}  # of these the best ones
white_rates = {"ZCA": 1.0, "ZCA, epsilon": 1.0}  # likewise; by mean accuracy on validation images, on seeds 10 to 12
normalised_rates = {"0 to 255": 1.0, "standardised": 1.0}  # likewise, with batch normalisation
adam_search = [0.0003, 0.001, 0.003, 0.01, 0.03]  # learning rates of Adam tried
adam_rates = {"0 to 255": 0.003, "0 to 1": 0.01, "standardised": 0.003}  # likewise
convolution_search = [0.001, 0.003, 0.01, 0.03, 0.1]  # learning rates of Adam tried, in the network of convolutions
convolution_rates = {"0 to 1": 0.03, "standardised": 0.01, "per pixel, floor": 0.01, "ZCA, epsilon": 0.01}  # likewise
search_seeds = [100]  # of the trainings that show the search
seeds = [0, 1, 2, 3, 4]  # each training is repeated from these; with normalisation or dense Adam from three
convolution_seeds = [0, 1, 2, 3]  # the network of convolutions from these; three at least
margin = 0.01  # of accuracy: a smaller difference does not interest us

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import math
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier

from helpers.claims import claim
from helpers.datasets import class_names, load_arrays
from helpers.evaluation import is_equal, is_greater
from helpers.plots import plot_images, use_course_style
from helpers.preprocessing import image_batches
from helpers.training import restarts

use_course_style()
plt.rcParams["figure.dpi"] = 66  # this page has many pictures
keras.utils.set_random_seed(seeds[0])
rng = np.random.default_rng(seeds[0])

# %%
train_images, train_labels = load_arrays("fashion_mnist", f"train[:{train_examples}]")
validation_images, validation_labels = load_arrays("fashion_mnist", f"train[-{validation_examples}:]")
test_images, test_labels = load_arrays("fashion_mnist", f"test[:{test_examples}]")
print(f"{len(train_images)} training images and {len(test_images)} test images of 28 x 28 pixels, type "
      f"{train_images.dtype}, values {train_images.min()} to {train_images.max()}.")

# %% [markdown]
# The type is the first trap. A byte holds 0 to 255, and NumPy subtracts bytes from bytes without a word:

# %%
mean_byte = train_images.mean().astype("uint8")
black = np.zeros(1, "uint8")
print(f"Mean {mean_byte}. A black pixel minus the mean, in bytes: {(black - mean_byte)[0]}; in floats: "
      f"{(black.astype(float) - mean_byte)[0]}.")
train_images, validation_images, test_images = (
    each.astype("float32") for each in (train_images, validation_images, test_images))

# %% [markdown]
# Black has become a light grey. First make floats, then subtract.
#
# ## Two pixels
#
# Take one pixel and the one below it: each image is a point in a plane, and as neighbours are alike, the cloud is
# long and thin. One can
#
# - *centre*: subtract the mean;
# - *standardise*: divide by the standard deviation as well (we say *spread*), each axis for itself;
# - *PCA-whiten*: turn the cloud so that its long axis becomes the first, then divide by the spread along each axis;
# - *ZCA-whiten*: do that, and turn back.
#
# With eigenvalues $v$ and eigenvectors $E$ of the covariance, PCA whitening multiplies by $W = E / \sqrt v$,
# column by column, ZCA by $W E^T$. `eigh` gives the smallest eigenvalue first, so we reverse; `rank` counts those
# above rounding errors; $\varepsilon$ is for later.

# %%
def whitening_matrix(covariance, components=None, zca=False, epsilon=0.0):
    """Return the matrix W that gives centred images ``x @ W`` the identity as their covariance."""
    values, vectors = (each[..., ::-1] for each in np.linalg.eigh(covariance))  # the largest first
    rank = int(np.sum(values > values[0] * len(values) * np.finfo(float).eps))
    kept = len(values) if components is None else components
    if epsilon < 0:
        raise ValueError(f"epsilon is added to variances: give 0 or more. Received: epsilon={epsilon!r}")
    if not isinstance(kept, int | np.integer) or not 1 <= kept <= len(values):
        limits = f"a whole number from 1 to {len(values)}, or None for all"
        raise ValueError(f"components must be {limits}. Received: components={components!r}")
    if epsilon == 0 and kept > rank:
        raise ValueError(
            f"Only {rank} of {len(values)} directions vary, at most one fewer than there are images: lower components "
            f"to {rank}, or give epsilon above 0. Received: components={components!r}, epsilon={epsilon!r}"
        )
    values, vectors = np.maximum(values[:kept], 0), vectors[:, :kept]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])  # or the sign were chance
    scaled = vectors / np.sqrt(values + epsilon)
    return scaled @ vectors.T if zca else scaled


# %%
pair = train_images[:200, row:row + 2, column, 0].astype(float)  # the upper pixel and the lower one
centred = pair - pair.mean(axis=0)
covariance = np.cov(centred.T)
clouds = {
    "raw (grey levels)": pair,
    "centred (grey levels)": centred,
    "standardised": centred / np.sqrt(np.diag(covariance)),
    "PCA-whitened": centred @ whitening_matrix(covariance),
    "ZCA-whitened": centred @ whitening_matrix(covariance, zca=True),
}
numbers = {name: [*cloud.mean(axis=0), *cloud.std(axis=0, ddof=1), np.corrcoef(cloud.T)[0, 1]]
           for name, cloud in clouds.items()}
columns = ["mean, upper", "mean, lower", "spread, upper", "spread, lower", "correlation"]
pd.DataFrame.from_dict(numbers, orient="index", columns=columns).round(2) + 0.0  # so that -0.0 is 0.0

# %%
values, vectors = np.linalg.eigh(covariance)
sums, differences = centred.sum(axis=1), centred[:, 0] - centred[:, 1]
followed = {"brightest": sums.argmax(), "darkest": sums.argmin(), "most unlike": np.abs(differences).argmax()}
figure, axes = plt.subplots(2, 3, figsize=(6.8, 5.2))
for ax, (name, cloud) in zip(axes.flat, clouds.items()):
    ax.plot(*cloud.T, ".", color="0.6", ms=4, label="an image")
    for (label, index), marker in zip(followed.items(), "s^*"):
        ax.plot(*cloud[index], marker, ms=9, mec="black", ls="", clip_on=False, label=label)
    ax.set_title(name, fontsize=10)
    ax.set_box_aspect(1)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel="upper pixel", ylabel="lower pixel")
for length, direction in zip(2 * np.sqrt(values), (vectors * np.sign(vectors[1])).T):  # upwards, both
    axes.flat[1].annotate("", length * direction, (0, 0), arrowprops={"arrowstyle": "->", "lw": 2},
                          annotation_clip=False)
axes.flat[3].set(xlabel="first component", ylabel="second component")
axes.flat[5].axis("off")
axes.flat[5].legend(*axes.flat[0].get_legend_handles_labels(), loc="center",
                    title="arrows: two spreads\nalong each eigenvector")
figure.suptitle("Two neighbouring pixels of 200 images: moved, scaled, turned")
plt.show()

# %% [markdown]
# Centring moves the cloud, standardising gives both axes the same scale; only whitening removes the correlation.
# (That is not independence: the clouds still have a shape.) PCA turns the marked points to another place, ZCA
# leaves each on its side. Of all ways to whiten, ZCA moves the centred points least, in the mean square (Kessy,
# Lewin and Strimmer, 2018): a ZCA-whitened picture still looks like one.
#
# ## 784 pixels, in batches
#
# Of each batch keep the number of images, the mean and the *scatter*, the sum of $(x - \bar x)(x - \bar x)^T$. Two
# groups of $n$ and $m$ images whose means differ by $d$ join with an extra $\frac{n m}{n + m} d d^T$ (Chan, Golub
# and LeVeque, 1983). Mean square minus squared mean would subtract two large numbers and may lose all digits.

# %%
def update_moments(moments, batch):
    """Return count, mean and scatter of all images so far, from those before and a batch."""
    count, mean, scatter = moments
    batch = np.asarray(batch, "float64")
    if batch.ndim != 2 or not batch.size or (count and batch.shape[1:] != mean.shape):
        raise ValueError(f"batch must be flat images, (n, size), of one size. Received: batch.shape={batch.shape}")
    if not np.isfinite(batch).all():
        raise ValueError(f"batch must be without NaN and infinity. Received: finite={np.isfinite(batch).mean():.2%}")
    n, total, batch_mean = len(batch), count + len(batch), batch.mean(axis=0)
    shift, centred = batch_mean - mean, batch - batch_mean
    scatter = scatter + centred.T @ centred + np.outer(shift, shift) * (count * n / total)
    return total, mean + shift * (n / total), scatter


# %%
far = rng.normal(1e8, 1, (1000, 1))  # far from zero, with variance 1
moments = (0, 0.0, 0.0)
for batch in np.array_split(far, 7):
    moments = update_moments(moments, batch)
print(f"Variance by batches {moments[2].item() / 999:.4f}, at once {far.var(ddof=1):.4f}, "
      f"mean square minus squared mean {np.mean(far**2) - far.mean() ** 2:.4f}.")

# %% [markdown]
# ### The layer
#
# Keras' `Normalization` centres and standardises; no layer of Keras whitens. (The slides' `ImageDataGenerator` can,
# by `zca_whitening=True`: deprecated, left in `tf.keras` only, outside the model. scikit-learn's `PCA` is no layer
# either, and its `IncrementalPCA` keeps at most as many components as its first batch has images.) So we write
# one. Read `build`, `adapt` and `call`; the rest is for saving. `image_batches`, from the helpers, yields arrays
# from whatever one feeds to Keras.

# %%
@keras.saving.register_keras_serializable("course")
class Whitening(layers.Layer):
    """Make pixels uncorrelated, of mean 0 and variance 1, by what ``adapt`` has learned from training images."""

    def __init__(self, components=None, zca=False, epsilon=0.0, **kwargs):
        super().__init__(**kwargs)
        self.components, self.zca, self.epsilon, self.adapted = components, zca, epsilon, False

    def build(self, input_shape):
        self.image_shape = tuple(input_shape[1:])
        size, outputs = math.prod(self.image_shape), math.prod(self.compute_output_shape(input_shape)[1:])
        self.mean = self.add_weight((size,), initializer="zeros", trainable=False, name="mean")
        self.projection = self.add_weight((size, outputs), initializer="zeros", trainable=False, name="projection")

    def adapt(self, data):
        """Learn mean and covariance from training images, from scratch at each call."""
        moments = (0, 0.0, 0.0)
        for images in image_batches(data):
            moments = update_moments(moments, images.reshape(len(images), -1))
        count, mean, scatter = moments
        if count < 2:
            raise ValueError(f"data must hold two images at least. Received: count={count}")
        matrix = whitening_matrix(scatter / (count - 1), self.components, self.zca, self.epsilon)
        if not self.built:
            self.build((None, *images.shape[1:]))
        if tuple(images.shape[1:]) != self.image_shape:
            raise ValueError(f"data must be images of {self.image_shape}, as before. Received: shape={images.shape}")
        self.mean.assign(mean)
        self.projection.assign(matrix)
        self.adapted = True

    def call(self, images):
        if not self.adapted:
            raise ValueError(f"Adapt the layer to training images first. Received: adapted={self.adapted}")
        if tuple(images.shape[1:]) != self.image_shape:
            received = f"images.shape={tuple(images.shape)}"
            raise ValueError(f"images must be {self.image_shape}, as those adapted to. Received: {received}")
        pixels = ops.reshape(ops.cast(images, self.compute_dtype), (-1, self.mean.shape[0]))
        white = ops.matmul(pixels - self.mean, self.projection)
        return ops.reshape(white, (-1, *self.image_shape)) if self.zca else white

    def compute_output_shape(self, input_shape):
        pixels = math.prod(input_shape[1:])
        return tuple(input_shape) if self.zca else (input_shape[0], self.components or pixels)

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.adapted = bool(ops.any(self.projection != 0))

    def get_config(self):
        return super().get_config() | {"components": self.components, "zca": self.zca, "epsilon": self.epsilon}


# %% [markdown]
# `get_config` holds what was asked for, the weights what was learned: both are saved. Adapt it in batches of
# unequal size, and ask scikit-learn for the same:

# %%
whitening = Whitening(name="pca")
whitening.adapt(np.array_split(train_images, 7))
flat = train_images.reshape(len(train_images), -1)
reference = PCA(50, whiten=True, svd_solver="full").fit_transform(flat.astype(float))
apart = np.abs(ops.convert_to_numpy(whitening(train_images))[:, :50] - reference).max()
print(f"Of the first 50 components, no value is further than {apart:.1g} from scikit-learn's.")

# %% [markdown]
# ### As images, and checked
#
# Standardising comes in two kinds: *one* mean and spread for all pixels (of a channel), or *per pixel*. A
# convolution uses the same filter at every place, so its networks mostly take one for each channel today
# (`Normalization(axis=-1)`); AlexNet (2012) still subtracted a mean for each pixel. A test: move the picture
# before, or after.

# %%
standard = layers.Normalization(axis=-1)  # one mean and variance for each channel; here there is one
standard.adapt(train_images)
per_pixel = layers.Normalization(axis=(1, 2, 3))
per_pixel.adapt(train_images)
zca, damped = Whitening(zca=True), Whitening(zca=True, epsilon=epsilon)
zca.adapt(train_images)
damped.adapt(train_images)


def apply(layer, images):
    """Return what a layer makes of images, as an array."""
    return ops.convert_to_numpy(layer(images))


moved = np.roll(train_images[:100], 2, axis=2)  # by two pixels, what leaves on one side comes in on the other
for name, layer in {"one mean, one spread": standard, "per pixel": per_pixel, "ZCA": zca}.items():
    change = np.abs(apply(layer, moved) - np.roll(apply(layer, train_images[:100]), 2, axis=2)).mean()
    print(f"{name}: moved before or after, the values differ by {change:.2f} spreads on average.")

# %% [markdown]
# One mean and one spread do not care where things stand; the others are tied to the place.

# %%
covariance = np.cov(flat.T, dtype=float)
eigenvalues, eigenvectors = np.linalg.eigh(covariance)
leading = eigenvectors[:, :-7:-1].T.reshape(-1, 28, 28)  # of the six largest
share = eigenvalues[::-1] / eigenvalues.sum()
tiles = np.concatenate([[flat.mean(axis=0).reshape(28, 28), flat.std(axis=0).reshape(28, 28)], leading])
titles = ["mean", "spread"] + [f"vector {index + 1}\n{share[index]:.0%}" for index in range(6)]
plot_images(tiles, titles, columns=4, heading="Mean, spread, eigenvectors with their share of the variance")
plt.show()
print(f"{np.searchsorted(np.cumsum(share), 0.9) + 1} of 784 components hold 90 % of the variance. The largest "
      f"eigenvalue is {eigenvalues[-1] / eigenvalues[0]:.1g} times the smallest.")

# %%
shown = train_images[[0, 1]]
made = {"raw": shown, "one mean, one spread": apply(standard, shown), "per pixel": apply(per_pixel, shown),
        "PCA coefficients": apply(whitening, shown).reshape(-1, 28, 28, 1), "ZCA": apply(zca, shown),
        "ZCA, epsilon": apply(damped, shown)}
tiles = np.stack(list(made.values()), axis=1).reshape(-1, 28, 28)
plot_images(tiles, [name.replace(", ", ",\n") for name in made] + 6 * [""], columns=6,
            heading="Two images; each tile has a grey scale of its own")
plt.show()

# %% [markdown]
# A tenth or so of the directions holds 90 % of the variance: the long axis of the cloud again. ZCA keeps the
# edges and makes noise louder, as all directions get the same variance. PCA's 784 numbers are no picture. Now
# the numbers, on training and on test images:

# %%
def short(value):
    """Return a number as text, of two digits if it is small."""
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


rows, checked = {}, {}
for name, layer in {"one mean, one spread": standard, "per pixel": per_pixel, "PCA": whitening, "ZCA": zca}.items():
    for part, images in {"training": train_images, "test": test_images}.items():
        white = apply(layer, images).reshape(len(images), -1).astype(float)
        matrix = np.cov(white.T, ddof=int(isinstance(layer, Whitening)))  # Keras divides by n, PCA by n - 1
        means, variances = white.mean(axis=0), np.diag(matrix)
        if layer is standard:
            means, variances = white.mean(), white.var()  # over all pixels together
        found = {"mean": np.abs(means).max(), "variance": np.abs(variances - 1).max(),
                 "covariance": np.abs(matrix - np.eye(784)).max()}
        checked[name, part] = found
        rows[f"{name}: {part}"] = {f"{key}, largest deviation": short(value) for key, value in found.items()}
pd.DataFrame.from_dict(rows, orient="index")

# %%
ways = ("one mean, one spread", "per pixel")
worst = {part: max(checked[way, part][key] for way in ways for key in ("mean", "variance"))
         for part in ("training", "test")}
together = max(checked[ways[0], "test"][key] for key in ("mean", "variance"))
claim("practice-centre", measured=f"mean 0 and variance 1, for all pixels together and for each: training images to "
      f"within {short(worst['training'])}; test images together to within {short(together)}, each to within "
      f"{short(worst['test'])}", holds=worst["training"] < tolerance)
off = {each: found["covariance"] for each, found in checked.items()}
claim("practice-whitening", measured=f"largest deviation of the covariance from the identity, training images: PCA "
      f"{off['PCA', 'training']:.1g}, ZCA {off['ZCA', 'training']:.1g}, only standardised "
      f"{off['per pixel', 'training']:.2f}; test images: PCA {short(off['PCA', 'test'])}, ZCA "
      f"{short(off['ZCA', 'test'])}",
      holds=max(off["PCA", "training"], off["ZCA", "training"]) < tolerance and off["per pixel", "training"] > 0.1)

# %% [markdown]
# On the training images all is as promised, to rounding. (Of $n$ images at most $n - 1$ directions vary: with
# fewer than 785 the layer refuses.) On the test images one mean and one spread are nearly right. Per pixel, and
# much more after whitening, some variance is far from 1, for two reasons.
#
# ## What the slide leaves out
#
# ### The odd pixel
#
# Corners of Fashion-MNIST are black in nearly all images. To divide by such a pixel's spread is to wait for the
# one image in which it is not. `floor` is added to the spread of a pixel (by squares), `epsilon` to the
# eigenvalues.

# %%
floored = layers.Normalization(axis=(1, 2, 3), mean=train_images.mean(axis=0),
                               variance=train_images.var(axis=0) + floor**2)
of_thousand = layers.Normalization(axis=(1, 2, 3))
of_thousand.adapt(train_images[:1000])
constant = int((train_images[:1000].std(axis=0) == 0).sum())
for name, layer in {f"per pixel, 1000 images, {constant} pixels constant": of_thousand, "per pixel": per_pixel,
                    f"per pixel, floor of {floor:g} grey levels": floored, "ZCA": zca,
                    f"ZCA, epsilon {epsilon:g}": damped}.items():
    found = np.abs(apply(layer, test_images)).reshape(len(test_images), -1)
    print(f"{name}: largest |value| in the test {found.max():.2g}; {np.mean(found.max(axis=1) > 20):.1%} of the images "
          "have one above 20.")

# %%
strangest = np.abs(apply(per_pixel, test_images)).max(axis=(1, 2, 3)).argmax()
odd = test_images[strangest:strangest + 1]
figure, axes = plt.subplots(1, 5, figsize=(7, 2.3))
for ax, (name, layer) in zip(axes, {"raw": layers.Identity(), "per pixel": per_pixel, "floor": floored, "ZCA": zca,
                                    "ZCA, epsilon": damped}.items()):
    found = np.abs(apply(layer, odd))[0, :, :, 0]
    down, right = np.unravel_index(found.argmax(), found.shape)
    ax.imshow(np.log1p(found), cmap="gray")
    ax.plot(right, down, "o", ms=14, mfc="none", mec="C1", mew=2, clip_on=False)
    ax.set_title(f"{name}\nlargest {found.max():.0f}", fontsize=10)
    ax.axis("off")
figure.suptitle("The strangest test image, log(1 + |value|); a ring marks the largest")
plt.show()

# %% [markdown]
# In the raw picture nothing is strange; per pixel, and in ZCA without an epsilon, a pixel of the border outshines
# the garment. Where a pixel never changed, `Normalization` divides by $10^{-7}$, without a warning. A floor of this
# size lowers the largest value; the epsilon brings it down to near the others. The floor is in grey levels, the
# epsilon in squared ones.
#
# ### The identity in training, not in the world
#
# The second reason is the number of images. In the 200 directions in which the training images vary most, whiten
# by 500 of them, by 2000, by all. The eigenvalues of the *test* covariance would all be 1 if it were the
# identity. Beside it the same for random numbers, where only the finite number is to blame, and what *perfect*
# whitening would show, as the test set too is finite.

# %%
directions = eigenvectors[:, :-201:-1]
known, unseen = ((images.reshape(len(images), -1) - flat.mean(axis=0)) @ directions
                 for images in (train_images, test_images))
noise, fresh = rng.standard_normal((len(known), 200)), rng.standard_normal((len(unseen), 200))


def test_variances(learned_from, tested):
    """Return the variances of test points, whitened by others, along the axes of their own covariance."""
    white = tested @ whitening_matrix(np.cov(learned_from.T))
    return np.linalg.eigvalsh(np.cov(white.T))[::-1]


figure, ax = plt.subplots(figsize=(6, 3.6))
for count, marker in zip((500, 2000, train_examples), "os^"):
    on_test, on_noise = test_variances(known[:count], unseen), test_variances(noise[:count], fresh)
    (line,) = ax.plot(on_test, marker=marker, markevery=20, label=f"{count} images")
    ax.plot(on_noise, "--", lw=1, marker=marker, mfc="none", markevery=(10, 20), color=line.get_color(),
            label=f"{count} of noise")
    print(f"Whitened by {count} images, test variances {on_test[-1]:.2f} to {on_test[0]:.2f}; by {count} of noise "
          f"{on_noise[-1]:.2f} to {on_noise[0]:.2f}.")
perfect = np.linalg.eigvalsh(np.cov(fresh.T))[::-1]
ax.plot(perfect, color="black", lw=2, ls=":", label="perfect (noise)")
edges = [(1 + sign * math.sqrt(200 / len(fresh))) ** 2 for sign in (-1, 1)]
print(f"Perfectly white noise, {len(fresh)} test points: {perfect[-1]:.2f} to {perfect[0]:.2f}; by theory "
      f"{edges[0]:.2f} to {edges[1]:.2f}.")
ax.set(title="The more images, the whiter the test", yscale="log", ylabel="test variance along it",
       xlabel="direction, from the largest test variance to the smallest")
ax.set_yticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
ax.minorticks_off()
ax.legend(ncols=3, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2))
plt.show()

# %% [markdown]
# The fewer the images, the wider the variances, and noise shows the same fan: what counts is the number of
# images for each dimension. At the lower end the images go further than noise does. The dotted line is the
# limit; its edges are $(1 \pm \sqrt{200 / n})^2$ for $n$ test images (Marchenko and Pastur, 1967).
#
# ## Statistics from training images only
#
# How much does it cost to break this rule? We preprocess by the statistics of a few training images, of these and
# some test images, or, as a control, of these and as many *other* training images without labels. The classifier is
# the same (ridge regression, one penalty). No label of the test is used.

# %%
def accuracy_with(statistics_of, prepare, tests, seed, penalty=100.0):
    """Return a linear classifier's test accuracy; ``prepare`` learns from training, also test or other, images."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(train_images))
    others = draw.permutation(len(test_images))[:tests]
    chosen, spare = order[:leak_images], order[leak_images:leak_images + tests]
    given, spared, unseen = (images.reshape(len(images), -1) for images in (
        train_images[chosen], train_images[spare], test_images[others]))
    added = {"training": given[:0], "test": unseen, "other": spared}[statistics_of]
    transform = prepare(np.concatenate([given, added]))
    classifier = RidgeClassifier(alpha=penalty).fit(transform(given), train_labels[chosen])
    return classifier.score(transform(unseen), test_labels[others])


def standardise(images):
    """Return a function that standardises by one mean and one spread of these images."""
    mean, spread = images.mean(), images.std()
    return lambda others: (others - mean) / spread


def whiten(images, epsilon=0.0):
    """Return a function that whitens by the covariance of these images, with all components there are."""
    mean, matrix = images.mean(axis=0), np.cov(images.T, dtype=float)
    components = None if epsilon else int(np.linalg.matrix_rank(matrix, hermitian=True))
    projection = whitening_matrix(matrix, components, epsilon=epsilon)
    return lambda others: (others - mean) @ projection


# %%
few, many = leak_tests
ways = {"standardised": (standardise, few), "whitened": (whiten, few), "whitened, more tests": (whiten, many),
        "whitened, epsilon": (lambda images: whiten(images, epsilon), few)}
for name, (way, tests) in ways.items():
    alone, leaked, control = ([accuracy_with(source, way, tests, seed) for seed in leak_seeds]
                              for source in ("training", "test", "other"))
    print(f"{name}: test accuracy {np.mean(alone):.3f} by {leak_images} training images, {np.mean(leaked):.3f} by "
          f"these and {tests} test images, {np.mean(control):.3f} by these and {tests} other training images; the "
          f"leak alone (test minus other): {is_greater(leaked, control, margin)}")

# %% [markdown]
# For one mean and one spread the leak cannot be seen: two numbers know nothing of a single image. Whitening loses
# much more, but look at the control: with as many *other* images it loses nearly as much. So most of that is no leak.
# More images bring more directions that hardly vary, and whitening makes them as loud as the rest. The last
# difference is the leak alone; where its interval spans zero, none has been shown. (Keep the rule all the same. It
# costs nothing, and only then does the score say what a new picture will get.) Lowest of all is the score where
# training and test images were whitened together and are fewer than their 784 dimensions. Why?

# %%
both = np.concatenate([train_images[:leak_images], test_images[:few]]).reshape(leak_images + few, -1)
white = whiten(both)(both)
square = (white**2).sum(axis=1)
distances = np.sqrt(np.maximum(square[:, None] + square - 2 * white @ white.T, 0))[np.triu_indices(len(white), 1)]
print(f"{len(white)} images whitened together: their distances are {distances.min():.3f} to {distances.max():.3f}, "
      f"those of the raw images {np.linalg.norm(both[0] - both[1:], axis=1).min():.0f} to "
      f"{np.linalg.norm(both[0] - both[1:], axis=1).max():.0f} from the first one.")

# %% [markdown]
# No more images than dimensions, whitened together, are all equally far from each other: a shoe is as near to a
# shirt as to another shoe. Wadia, Duckworth, Schoenholz, Dyer and Sohl-Dickstein (2021, "Whitening and Second
# Order Optimization Both Make Information in the Dataset Unusable During Training, and Can Reduce or Prevent
# Generalization") prove for this case that no network generalises whose first layer is dense, begins with weights
# alike in all directions, and is trained by gradients. With more images, or an epsilon, something is left.
#
# ## Does it help training?
#
# ### In theory: a long valley
#
# Half the squared error of a linear model is a bowl, whose curvatures are the eigenvalues $\lambda$ of the inputs'
# second moments, $\frac{1}{n} \sum x x^T$. Gradient descent with the rate $1/\lambda_{max}$ leaves
# $(1-\lambda/\lambda_{max})^{2t}$ of the loss above its minimum along each direction after $t$ steps. The ratio
# of the largest to an ordinary $\lambda$ tells how long it takes (LeCun, Kanter and Solla, 1991; LeCun, Bottou,
# Orr and Müller, 1998, "Efficient BackProp"). No training is needed to draw that:

# %%
def loss_left(images, labels, steps):
    """Return the share of the loss above its minimum that gradient descent leaves, for one-hot labels."""
    x = np.column_stack([images.reshape(len(images), -1), np.ones(len(images))]).astype(float)  # the last: biases
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    gradients = vectors.T @ (x.T @ np.eye(10)[labels]) / len(x)  # at zero weights
    values, gradients = values[values > 1e-12 * values[-1]], gradients[values > 1e-12 * values[-1]]
    gain = (gradients**2).sum(axis=1) / values / 2  # the loss to be lost along each direction
    return gain @ (1 - values[:, None] / values[-1]) ** (2 * steps) / gain.sum(), values[-1] / np.median(values)


raw = {"training": train_images, "validation": validation_images, "test": test_images}
prepared = {"0 to 255": layers.Identity(), "0 to 1": layers.Rescaling(1 / 255), "standardised": standard,
            "per pixel, floor": floored, "ZCA": zca, "ZCA, epsilon": damped}
inputs = {name: {part: apply(layer, images) for part, images in raw.items()} for name, layer in prepared.items()}
steps = np.unique(np.geomspace(1, 10_000, 240).astype(int))

# %%
figure, ax = plt.subplots(figsize=(6, 3.6))
for name, marker in zip(inputs, "osD^vP"):
    left, ratio = loss_left(inputs[name]["training"], train_labels, steps)
    ax.plot(steps, np.maximum(left, 1e-3), marker=marker, markevery=22, label=name)
    needed = steps[left < 0.1][0] if (left < 0.1).any() else None
    print(f"{name:16s} largest curvature {ratio:8.3g} times the median; "
          + (f"less than a tenth is left by step {needed}." if needed else
             f"after {steps[-1]} steps {left[-1]:.2f} is left."))
ax.set(xscale="log", yscale="log", title="A linear model: the rounder the bowl, the fewer the steps", xlabel="steps",
       ylabel="share of the loss above\nits minimum (cut at 0.001)")
ax.legend(ncols=3, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2))
plt.show()

# %% [markdown]
# In a linear model a common factor changes nothing but the rate: 0 to 255 and 0 to 1 differ through the bias
# alone. One mean for all pixels shrinks the huge eigenvalue along the mean image, a mean for each pixel removes it;
# whitening also takes away the other differences.
#
# ### In a network
#
# Two hidden layers, plain gradient descent, a rate that falls from epoch to epoch. Every input gets its own, the
# best of five by validation images, found beforehand on other seeds (`rates`). ZCA stands for PCA too: they
# differ by a rotation, which random weights hardly notice (with plain gradient descent, not with Adam). We said
# beforehand what matters: more than one point of accuracy (`margin`).

# %%
def compiled(model, optimizer):
    """Return the model, compiled for ten classes."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    at_once = 1 if keras.backend.backend() == "torch" else 20  # steps; PyTorch takes one
    model.compile(optimizer, loss, steps_per_execution=at_once)
    return model


def network(rate, normalise=False, optimizer=keras.optimizers.SGD):
    """Return a network of two hidden layers of 64 units, from 28 x 28 numbers to ten logits."""
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()])
    for _ in range(2):
        model.add(layers.Dense(64, kernel_initializer="he_normal"))
        if normalise:
            model.add(layers.BatchNormalization(momentum=0.9))  # 0.99 is for more steps than we take
        model.add(layers.Activation("relu"))
    model.add(layers.Dense(10, name="logits"))
    return compiled(model, optimizer(rate))


# %% [markdown]
# First the logits before any training. Losses are in *nats* (natural logarithms): guessing costs $\ln 10 = 2.30$.
# One step with a small rate gives the gradient: what the weights have lost, divided by the rate.

# %%
rows, first_rate = {}, 0.01
for name, model in restarts(lambda name: network(first_rate), seeds[:1], inputs):
    batch = inputs[name]["training"][:1000]
    logits, before = apply(model, batch), model.get_weights()
    model.reset_metrics()
    loss = float(model.train_on_batch(batch, train_labels[:1000]))
    lost = [np.linalg.norm(old - new) / first_rate / np.linalg.norm(old)
            for old, new in zip(before, model.get_weights()) if old.ndim == 2]
    rows[name] = {"inputs: mean square": f"{np.mean(batch**2):,.2f}", "logits: spread": f"{logits.std():.2f}",
                  "first loss (nats)": f"{loss:.2f}",
                  "|gradient| / |weights|, three layers": ", ".join(f"{each:.2g}" for each in lost)}
pd.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# He's initial weights (lesson 17) suit inputs of mean square about 1. As biases begin at zero, a factor of 255
# passes through every ReLU to the logits: raw pixels start far above the loss of guessing, with gradients huge
# beside the weights, in all three layers. Which rates can they take? The search again, on one seed:

# %%
labels_of = {"validation": validation_labels, "test": test_labels}


def falling(rate):
    """Return a callback that lowers a learning rate from epoch to epoch, the last to a small part of it."""
    return keras.callbacks.LearningRateScheduler(lambda epoch: rate * (1 - epoch / epochs) ** 2)


def train(build, runs, seeds, part="test"):
    """Train from each seed on each (input, rate); return ``{run: (losses, accuracies)}`` and the last model."""
    found = {run: [] for run in runs}
    for (name, rate), model in restarts(lambda run: build(run[1]), seeds, runs):
        history = model.fit(inputs[name]["training"], train_labels, batch_size=batch_size, epochs=epochs, verbose=0,
                            callbacks=[falling(rate)]).history
        loss = np.nan_to_num(history["loss"][-1], nan=np.inf)
        right = apply(model, inputs[name][part]).argmax(axis=1) == labels_of[part]  # faster than evaluate
        found[name, rate].append((loss, right.mean()))
    return {run: np.array(pairs).T for run, pairs in found.items()}, model


# %%
def factor(name):
    """Return what the rates of plain gradient descent are multiplied by."""
    return 0.001 if name == "0 to 255" else 1


tried = {name: [(name, rate * factor(name)) for rate in search] for name in ("0 to 255", "standardised", "ZCA")}
searched, _ = train(network, sum(tried.values(), []), search_seeds, part="validation")
rows = {name: [f"{searched[run][1].mean():.3f}" for run in runs] for name, runs in tried.items()}
pd.DataFrame.from_dict(rows, orient="index", columns=[f"{rate:g}" for rate in search]).rename_axis(
    columns="validation accuracy at rate (0 to 255: a thousandth)")

# %% [markdown]
# In each row accuracy rises and falls again; from 0 to 255 the best rate is smaller by a factor of a thousand or
# more. Now all inputs, on five new seeds:

# %%
rates = rates | white_rates
runs, _ = train(network, list(rates.items()), seeds)
plain = {name: runs[name, rate] for name, rate in rates.items()}
figure, ax = plt.subplots(figsize=(6, 3.6))
for (name, (loss, accuracy)), marker in zip(plain.items(), "osD^vP"):
    ax.plot(loss, accuracy, marker, label=name, alpha=0.8, ms=7)
ax.axvline(math.log(10), color="black", lw=1, ls=":", label="loss of guessing")
ax.set(xscale="log", xlabel="training loss of the last epoch (nats)", ylabel="test accuracy",
       title="The same network, six inputs, each at its best rate")
ax.legend(ncols=3, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2))
plt.show()

# %%
def at_edge(rate, tried):
    """Return a note if a rate is the smallest or the largest of those tried."""
    low, high = min(tried) * 1.01, max(tried) / 1.01
    return "" if low < rate < high else " (at the EDGE of the rates tried: others may do better)"


def report(found, rates, tried):
    """Print loss, accuracy and rate for each input."""
    for name, (loss, accuracy) in found.items():
        print(f"{name:16s} training loss {loss.mean():5.2f}, test accuracy {accuracy.mean():.3f} (from "
              f"{accuracy.min():.3f} to {accuracy.max():.3f}), rate {rates[name]:g}{at_edge(rates[name], tried(name))}")


report(plain, rates, lambda name: [rate * factor(name) for rate in search])
gains = {name: is_greater(plain["standardised"][1], plain[name][1], margin) for name in ("0 to 255", "0 to 1")}
for name, gain in gains.items():
    print(f"standardised minus {name}, test accuracy: {gain}")
for name in ("per pixel, floor", "ZCA", "ZCA, epsilon"):
    print(f"{name} minus standardised, test accuracy: {is_greater(plain[name][1], plain['standardised'][1], margin)}")

# %% [markdown]
# Read the plot from right to left. From raw pixels the accuracy is the lowest, and the mean loss above that of
# guessing, as confident errors cost many nats: at the rate that the network can bear, these epochs do not make up
# for the start. Scaling to 0 to 1 mends most of it; what standardising adds is the second difference. A mean and a
# spread for each pixel, with the floor, come out highest here: pictures are aligned, layers are dense. The two
# whitened inputs have the *lowest* training loss, and no better test than one mean and one spread: they fit
# directions that hardly vary as readily as those that carry the picture. With an epsilon less is lost. The paper
# above finds the same where its theorem no longer applies.

# %%
holds = {gain.holds for gain in gains.values()}
claim("practice-centre-helps", measured=f"plain gradient descent, test accuracy at the best rate of each, standardised "
      f"minus 0 to 255: {gains['0 to 255']}; minus 0 to 1: {gains['0 to 1']}",
      holds=True if holds == {True} else False if False in holds else None)

# %% [markdown]
# ### With batch normalisation, and with Adam
#
# Batch normalisation behind the first layer subtracts the mean of its sums and divides by their spread: a shift of
# the inputs and a common factor drop out (but for the small number it adds to the variance). Adam divides each
# step by the size of the gradients, but what large inputs do to the first logits remains.

# %%
simple, three = ["0 to 255", "0 to 1", "standardised"], seeds[:3]
normalised, _ = train(lambda rate: network(rate, normalise=True), list(normalised_rates.items()), three)
by_adam, _ = train(lambda rate: network(rate, optimizer=keras.optimizers.Adam), list(adam_rates.items()), three)
normalised, by_adam = ({name: each for (name, _), each in found.items()} for found in (normalised, by_adam))
print(f"With batch normalisation, {len(three)} seeds:")
report(normalised, normalised_rates, lambda name: search)
print(f"With Adam, {len(three)} seeds:")
report(by_adam, adam_rates, lambda name: adam_search)

# %%
words = {True: "yes", False: "no", None: "this run cannot tell"}


def compare(title, found, others):
    """Print whether standardised inputs and others give the same test accuracy, to within the margin."""
    for name in others:
        gap = is_equal(found["standardised"][1], found[name][1], margin)
        print(f"{title}, standardised minus {name}: test accuracy {gap}; equal to within {margin}: {words[gap.holds]}.")


compare("Batch normalisation", normalised, simple[:1])
compare("Adam", by_adam, simple[:2])
largest = np.abs(normalised["0 to 255"][0] - normalised["standardised"][0]).max()
print(f"With batch normalisation, seed by seed, the training losses differ by {largest:.4f} at most.")

# %% [markdown]
# With batch normalisation the training losses nearly agree, seed by seed, and the interval says how nearly the
# tests do. (0 to 1 differs from them by a shift and a factor only, and was left out; a spread per pixel, or
# whitening, is no common factor.)
# Adam gets far with 0 to 1, and standardising adds nothing that we could see; raw pixels stay behind.
#
# ### With convolutions
#
# Two strided convolutions, trained as one would train them today, with Adam:

# %%
def convolutions(rate):
    """Return a network of two strided convolutions, of 8 and 16 filters, and ten logits."""
    filters = {"kernel_size": 3, "strides": 2, "activation": "relu", "kernel_initializer": "he_normal"}
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(8, **filters), layers.Conv2D(16, **filters),
                              layers.Flatten(), layers.Dense(10, name="logits")])
    return compiled(model, keras.optimizers.Adam(rate))


by_filters, _ = train(convolutions, list(convolution_rates.items()), convolution_seeds)
by_filters = {name: each for (name, _), each in by_filters.items()}
report(by_filters, convolution_rates, lambda name: convolution_search)
compare("Convolutions", by_filters, [name for name in by_filters if name != "standardised"])

# %% [markdown]
# No input stands out as in the dense network. "Cannot tell" does not mean equal: the interval reaches beyond the
# margin, and more seeds would be needed. The whitened one
# has the lowest training loss and not the best test. (Whitening did help where features were learned without
# labels: Coates, Lee and Ng, 2011, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning", on
# patches of 6 × 6 pixels in colour, 108 dimensions.)
#
# ## Two everyday mistakes
#
# A trained network gets new images. Should one standardise them by *their own* statistics? For a large mixed set
# that is nearly the same. But requests come one by one, or all of one kind. The hard case, a network trained per
# pixel, on batches of one class:

# %%
_, model = train(network, [("per pixel, floor", rates["per pixel, floor"])], seeds[:1])


def own_statistics(images):
    """Return images, standardised per pixel by their own mean and spread, with the floor."""
    return (images - images.mean(axis=0)) / np.sqrt(images.var(axis=0) + floor**2)


def share_right(given, labels):
    """Return the model's accuracy."""
    return np.mean(apply(model, given).argmax(axis=1) == labels)


rows = {}
for label, name in enumerate(class_names("fashion_mnist")):
    batch = test_images[test_labels == label]
    rows[name] = {"training images'": share_right(apply(floored, batch), label),
                  "the batch's own": share_right(own_statistics(batch), label)}
by_class = pd.DataFrame.from_dict(rows, orient="index")
mixed, (usual, own) = share_right(own_statistics(test_images), test_labels), by_class.mean()
print(f"By the training images' statistics {usual:.3f} are right, the mean over classes. By their own: all test images "
      f"together {mixed:.3f}, batches of one class {own:.3f}, the worst class {by_class.iloc[:, 1].min():.3f}.")

# %%
ax = by_class.plot.bar(figsize=(6.4, 3.2), rot=35, color=["C0", "C1"], edgecolor="black")
for bars, hatch in zip(ax.containers, ("", "//")):
    for bar in bars:
        bar.set_hatch(hatch)
ax.axhline(0.1, color="black", lw=1, ls=":", label="guessing")
ax.set(title="Batches of one class, standardised in two ways", xlabel="class", ylabel="share of right answers",
       ylim=(0, 1.3), yticks=np.linspace(0, 1, 6))
ax.set_xticks(range(10), by_class.index, ha="right", rotation_mode="anchor")
ax.legend(title="statistics:", ncols=3, loc="upper center", fontsize=9)
plt.show()

# %% [markdown]
# What makes a batch of boots boots is their mean, and that is what its own statistics subtract. Per pixel, of a
# single image nothing would be left. (One mean and spread for each *image*, as `tf.image.per_image_standardization`
# takes, is another method, legitimate if training did the same.) The other classic is scaling twice; lesson 12
# measured its cost.
#
# ## What pretrained networks expect
#
# The preprocessing of their training. Lesson 12 lists which family takes which; here is what each does to the
# course's goods:

# %%
goods = load_arrays("goods", "train[:100]")[0].astype("float32")
customs = {"raw": lambda images: images, "efficientnet": keras.applications.efficientnet.preprocess_input,
           "mobilenet_v2": keras.applications.mobilenet_v2.preprocess_input,
           "densenet": keras.applications.densenet.preprocess_input,
           "resnet": keras.applications.resnet.preprocess_input}
rows = {}
for name, prepare in customs.items():
    pixels = np.asarray(prepare(goods.copy()), "float64").reshape(-1, 3)  # long sums in float32 lose digits
    black, white = np.asarray(prepare(np.array([[[[0, 0, 0], [255, 255, 255]]]], "float32")))[0, 0]
    found = {"black": black, "white": white, "goods, mean": pixels.mean(axis=0), "goods, spread": pixels.std(axis=0)}
    rows[name] = {key: "  ".join(f"{value:.1f}" for value in values) for key, values in found.items()}
pd.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# `efficientnet` scales inside the network, `mobilenet_v2` maps to -1 to 1, `densenet` standardises each channel by
# ImageNet's mean and spread, `resnet` only centres, in the order blue, green, red. None whitens. The goods do not
# come out with mean 0, and should not: the weights know *ImageNet's* zero.
#
# ## Where it lives: inside the model
#
# Outside the model, preprocessing has to be written again wherever the model goes. Inside, it is saved with it: the
# trained network, behind the layer that its inputs went through.

# %%
_, model = train(network, [("ZCA, epsilon", rates["ZCA, epsilon"])], seeds[:1])
complete = keras.Sequential([keras.Input((28, 28, 1)), damped, model])
with tempfile.TemporaryDirectory() as folder:
    complete.save(Path(folder) / "model.keras")
    loaded = keras.models.load_model(Path(folder) / "model.keras")
    size = (Path(folder) / "model.keras").stat().st_size
for name, each in {"before": complete, "loaded again": loaded}.items():
    right = apply(each, test_images).argmax(axis=1) == test_labels
    print(f"{name}: accuracy on raw test images {right.mean():.4f}")
print(f"The file has {size / 1e6:.1f} MB, {784 * 785 * 4 / 1e6:.1f} of them the mean and the matrix.")

# %% [markdown]
# The file takes raw pixels. In another program import the class before loading, so that Keras knows it:
# `from helpers.preprocessing import Whitening`.
#
# ## Which to take

# %%
advice = {"0 to 255": "the network normalises inside", "0 to 1": "Adam, or no statistics are wanted",
          "standardised": "plain descent; for each channel", "per pixel, floor": "aligned pictures, dense layers",
          "ZCA": "nothing here asks for it", "ZCA, epsilon": "filters without labels, small patches"}
learned = {"0 to 255": 0, "0 to 1": 0, "standardised": 2, "per pixel, floor": 2 * 784, "ZCA": 784 + 784**2}
learned["ZCA, epsilon"] = learned["ZCA"]
pd.DataFrame.from_dict({
    name: {"dense, plain": f"{plain[name][1].mean():.3f}",
           "convolutions, Adam": f"{by_filters[name][1].mean():.3f}" if name in by_filters else "",
           "numbers learned": f"{learned[name]:,}", "take it if": advice[name]}
    for name in inputs}, orient="index").rename_axis(columns="test accuracy, numbers, advice")

# %% [markdown]
# PCA whitening does what ZCA does, turned; take it to keep few components for a small classifier. Every
# pretrained network wants its own `preprocess_input`, once.
#
# ## Summary
#
# - Centring gives mean 0, standardising variance 1, whitening the identity as covariance: on the images that the
#   statistics came from, to rounding; on others only roughly, the better the more images for each dimension.
# - `Whitening` learns in batches by joining counts, means and scatters, agrees with scikit-learn, and is saved with
#   the model. An epsilon keeps directions that hardly vary from exploding.
# - With plain gradient descent, each at its best rate, standardised inputs gain over raw ones what the claim says.
#   With Adam 0 to 1 did no worse than standardised inputs, dense or with convolutions; with batch normalisation
#   shift and factor hardly mattered. Per pixel, with a floor, did best in the dense network. Whitening lowered the
#   training loss, and its test was no better than that of one mean and one spread.
# - Statistics of test images, used by mistake, did little here by themselves; more images for the statistics than
#   for the labels did much. Images whitened together, no more of them than pixels, leave nothing to learn. No batch
#   is standardised by its own statistics.
#
# ## Exercises
#
# **Predict.** Two directions of the training images have variances of 9900 and 100 squared grey levels. They are
# PCA-whitened with an epsilon of 300. What variances do the training images have along them afterwards?

# %% tags=["exercise", "exercise-variances"]
large_variance = ...
small_variance = ...

# %% tags=["check"]
if large_variance is ... or small_variance is ...:
    print("Not answered yet: replace the dots above.")
else:
    answers = {"large_variance": large_variance, "small_variance": small_variance}
    given = rng.standard_normal((2000, 2))
    given = (given - given.mean(axis=0)) @ whitening_matrix(np.cov(given.T)) * np.sqrt([9900, 100])
    expected = dict(zip(answers, (given @ whitening_matrix(np.cov(given.T), epsilon=300)).var(axis=0, ddof=1)))
    for name, before in (("large_variance", 9900), ("small_variance", 100)):
        value = answers[name]
        assert isinstance(value, (int, float)), f"Write {name} as a number, such as 0.5 or 3 / 4."
        hints = {1.0: "1 would be right without an epsilon.", (before / (before + 300)) ** 0.5: "That is the standard "
                 "deviation.", before + 300: "That is what the root is taken of. What is divided by it?",
                 before / (before**0.5 + 300**0.5) ** 2: "Epsilon is added to the variance, before the root.",
                 1 / (before + 300): "That is the factor, squared. What does it multiply?"}
        near = [hint for wrong, hint in hints.items() if abs(value / wrong - 1) < 0.005]
        assert abs(value - expected[name]) < 0.005, near[0] if near else (
            f"{name} is another number: values are divided by the root of variance plus epsilon.")
    print(f"Right: {expected['large_variance']:.2f} and {expected['small_variance']:.2f}. The large direction is "
          "whitened, the small one stays small.")

# %% [markdown]
# **Modify.** Train with another epsilon, 100 or 10,000 squared grey levels, and search its rate again:
#
# ```python
# mine = Whitening(zca=True, epsilon=10_000.0)
# mine.adapt(train_images)
# inputs["mine"] = {part: apply(mine, images) for part, images in raw.items()}
# runs = [("mine", rate) for rate in search]
# runs += [(name, rates[name]) for name in ("ZCA", "ZCA, epsilon", "per pixel, floor")]
# found, _ = train(network, runs, seeds[:1], part="validation")
# for (name, rate), (loss, accuracy) in found.items():
#     print(f"{name}, rate {rate:g}: training loss {loss[0]:.2f}, validation accuracy {accuracy[0]:.3f}")
# ```
#
# Between which two of the other inputs do loss and accuracy come to lie? What does $W$ become for a huge epsilon?
#
# **Extend.** Whiten the goods in colour by *channels* only: a covariance of 3 × 3, adapted to pixels instead of
# images (reshape the images to `(n, 3)` first). A convolution of 1 × 1 can do the multiplication: which kernel
# and which bias has it? Does it help the network of lesson 3?
