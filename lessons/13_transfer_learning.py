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
# # 13 · Transfer learning
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/13_transfer_learning.ipynb)
#
# *Ten pictures of each class, and a network that has seen a million others. What do you train: a classifier on its
# features, its last layers, all of it? A famous table of two by two gives advice. Here you measure how far a task is
# from ImageNet, and put each of the four fields to the test.*
#
# You will
#
# - give a pretrained network a new head, freeze it up to any layer, and know what `trainable` and `training` do,
# - compare frozen, fine-tuned and from scratch over seeds, in accuracy and in time,
# - test the table field by field, and see where it holds.
#
# A minute and a half on two CPU cores · decks: *practice*, "Transfer Learning", and *goods*, "Передача знань".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
side = 128  # pixels of the goods where only features are computed; this and the next a multiple of 32
small_side = 64  # pixels of Fashion-MNIST, and of the goods where anything is trained by steps
few = 10  # training pictures of each class, where data are little
more = 40  # of each class of Fashion-MNIST, for one comparison
goods_pictures = 600  # training pictures of the goods to draw from
fashion_pictures = 750  # training pictures of Fashion-MNIST to draw from
fashion_tests = 600  # of its test pictures
probes = 50  # random pictures by which the distance of a task is measured
seeds = [0, 1, 2]  # of whatever is trained by steps, and of the pictures drawn for it; three at least
draws = [0, 1, 2, 3, 4, 5, 6, 7]  # seeds of the pictures drawn for linear classifiers, which cost little
selection_seed = 100  # of pictures and weights by which learning rates are chosen
batch_size = 30  # pictures per training step
batches = 4  # that pass while statistics move
momentum = 0.85  # of these statistics
steps = 16  # of a fine-tuning
last_rate = 0.0003  # learning rate of Adam for the last layers
all_rate = 0.0001  # for all layers
shares = {"stack7": 0.1, "last": 0.3}  # of the learning rate, by the beginning of a variable's path
dense_epochs = 20  # passes, for two dense layers on kept features
dense_rates = [0.0003, 0.001]  # of Adam, to choose from
scratch_epochs = 16  # passes, from scratch
scratch_rates = [0.001, 0.003]  # of Adam, to choose from
margin = 0.02  # of balanced accuracy: a smaller difference does not interest us

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import time
from collections import namedtuple

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from keras import layers, ops
from scipy.stats import gmean
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from helpers.claims import claim, read_result
from helpers.complexity import layer_table
from helpers.datasets import class_names, load_arrays
from helpers.evaluation import is_greater
from helpers.plots import plot_by_seed, plot_images, use_course_style
from helpers.training import restarts
from helpers.transfer import backbone, cached_features

use_course_style()
threadpool_limits(1, user_api="blas")  # scikit-learn's matrices here are small: threads would wait for each other
keras.utils.set_random_seed(seeds[0])
rng = np.random.default_rng(seeds[0])

# %% [markdown]
# ## Two tasks, and few pictures
#
# The *goods* of this course are drawings and photographs of things that one could sell, in twelve classes;
# Fashion-MNIST is small, grey and cut out. We fix now, before any measurement: goods at 128 pixels are the *similar*
# task, Fashion-MNIST is the *different* one. On goods of 128 pixels this page only computes features; whatever is
# trained by steps, which costs more, gets them at 64, as a third task. The network is EfficientNet-Lite0 of lesson
# 12, trained on ImageNet. It wants colour, so grey is repeated three times.

# %%
Task = namedtuple("Task", "images labels test_images test_labels")  # images (n, side, side, 3), 0 to 255


def load_task(name, training, test, side):
    """Load two splits of a data set, resized, in colour."""
    loaded = []
    for split in (training, test):
        images, labels = load_arrays(name, split, image_size=(side, side))
        loaded += [images if images.shape[-1] == 3 else np.repeat(images, 3, axis=-1), labels]
    return Task(*loaded)


similar, small, different = f"goods, {side} pixels", f"goods, {small_side} pixels", "Fashion-MNIST"
tasks = {
    similar: load_task("goods", f"train[:{goods_pictures}]", "validation+test", side),
    small: load_task("goods", f"train[:{goods_pictures}]", "validation+test", small_side),
    different: load_task("fashion_mnist", f"train[:{fashion_pictures}]", f"test[:{fashion_tests}]", small_side),
}
goods, num_classes = tasks[small], len(class_names("goods"))

# %%
def draw(labels, count, seed):
    """Return indices of so many pictures of each class; at most 80 % of a class, so that some are held out."""
    rng = np.random.default_rng(seed)
    indices = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    return np.concatenate([each[: min(count, int(0.8 * len(each)))] for each in indices])


chosen = {seed: draw(goods.labels, few, seed) for seed in [*seeds, selection_seed]}
first = chosen[seeds[0]]
for name, task in tasks.items():
    drawn = len(draw(task.labels, few, seeds[0]))
    print(f"{name}: {drawn} pictures to learn from, {len(task.test_images)} for the test.")
shown = [first[goods.labels[first] == label][0] for label in range(num_classes)]
ax = plt.subplots(figsize=(4.2, 1.9))[1]
plot_images(goods.images[shown], class_names("goods"), columns=6, heading="Goods, one of each class", ax=ax)
plt.show()

# %% [markdown]
# Classes of the goods differ in size, in the test too, so accuracy here is *balanced*: the share of right answers in
# each class, averaged over the classes. Guessing gives 0.08 for goods and 0.10 for Fashion-MNIST.
#
# ## How far is a task from ImageNet?
#
# The deck's table asks whether a task is *similar*. Who decides? One could ask the network: it was trained on
# ImageNet, and it still holds what its maps looked like there. Each batch normalisation keeps a moving mean and
# variance of each channel: $\mu$ and $v$. Show it pictures of a new task, and take the mean $m$ and the variance $w$
# that come in now. As two normal distributions they lie apart by half the symmetric Kullback-Leibler divergence,
#
# $$\frac{1}{4} \left( \frac{v}{w} + \frac{w}{v} - 2 + (m - \mu)^2 \left( \frac{1}{v} + \frac{1}{w} \right) \right).$$
#
# It is 0 if nothing has changed, and 0.5 if the mean has moved by a standard deviation. A layer's distance is the
# median over its channels, a task's the geometric mean over the layers, so that no layer drowns the others. Not one
# picture of ImageNet is needed. Handwritten digits are there for scale, and each set is measured on two halves
# without a picture in common.

# %%
network, large = (backbone("efficientnet_lite0", (pixels, pixels, 3), pooling="avg") for pixels in (small_side, side))
network.trainable = large.trainable = False


def distances(network, images):
    """Return how far the inputs of each batch normalisation are from those on ImageNet."""
    normalizations = [layer for layer in network.layers if isinstance(layer, layers.BatchNormalization)]
    moments = [[ops.mean(layer.input, axis=(1, 2)), ops.mean(ops.square(layer.input), axis=(1, 2))]
               for layer in normalizations]
    answers, found = keras.Model(network.inputs[0], moments)(images.astype("float32"), training=False), []
    for layer, answer in zip(normalizations, answers):
        m, square = (ops.convert_to_numpy(each).mean(axis=0) for each in answer)
        mu, v = ops.convert_to_numpy(layer.moving_mean), ops.convert_to_numpy(layer.moving_variance)
        w, used = np.maximum(square - m**2, 1e-6 * v + 1e-12), v > 1e-4  # some channels were silent on ImageNet
        m, mu, v, w = m[used], mu[used], v[used], w[used]
        found.append(np.median(v / w + w / v - 2 + (m - mu) ** 2 * (1 / v + 1 / w)) / 4)
    return pd.Series(found, index=[layer.name.split("_")[0] for layer in normalizations])  # its stack


# %%
digits = np.repeat(load_digits().images[..., None] * (255 / 16), 3, axis=-1).astype("float32")
digits = ops.convert_to_numpy(ops.image.resize(digits, (small_side, small_side)))
sets = {name: task.images for name, task in tasks.items()} | {"handwritten digits": digits}
apart, halves = {}, {}
for name, images in sets.items():
    parts = np.array_split(rng.permutation(len(images))[:probes], 2)
    found = [distances(large if name == similar else network, images[part]) for part in parts]
    apart[name] = np.sqrt(found[0] * found[1])
    halves[name] = [gmean(half) for half in found]

# %%
figure, ax = plt.subplots(figsize=(5.6, 3.1))
for (name, values), marker in zip(apart.items(), "os^D"):
    values.groupby(level=0, sort=False).apply(gmean).plot(ax=ax, marker=marker, label=name)
ax.set(title="Distance from ImageNet by depth", xlabel="layers", ylabel="distance\n(geometric mean of a stack)",
       yscale="log")
ax.set_xticks(range(9), ["stem", *(f"stack\n{stack}" for stack in range(1, 8)), "last"])
ax.margins(y=0.3)
ax.legend(ncols=2, fontsize=9)
plt.show()
apart = {name: gmean(values) for name, values in apart.items()}
for name in sorted(apart, key=apart.get):
    print(f"{name}: distance {apart[name]:.2f}; the two halves alone {halves[name][0]:.2f} and {halves[name][1]:.2f}.")
print(f"Of the two that were fixed, the nearer is {min(similar, different, key=apart.get)}.")

# %% [markdown]
# Layer by layer the curves may cross; we go by the mean. Where two sets differ by no more than their halves do, their
# order may be chance. Two cautions. Size counts: the network learned from 224 pixels, and the same goods have two
# distances. And a distance of the inputs knows nothing of the question: whether a shirt or a pullover is far from any
# question that ImageNet asks.
#
# ## A new head
#
# The slide: as a rule ("Как правило") the output layer has to be changed, for another number of classes; architecture
# and weights are copied. Keras copies when you ask for a network without its top. Is what you get really the same
# network?

# %%
imagenet = backbone("efficientnet_lite0", (small_side, small_side, 3), include_top=True)
with_top = {layer.name: layer.get_weights() for layer in imagenet.layers if layer.weights}
without = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
same = all(np.array_equal(old, new) for name, weights in without.items() for old, new in zip(with_top[name], weights))
dropped = [name for name in with_top if name not in without]
print(f"{len(without)} layers with weights in both, all equal: {same}. Only with the top: {', '.join(dropped)}.")
claim("practice-transfer-head", measured=f"{imagenet.output.shape[-1]} logits there, {num_classes} here; all other "
      "weights are copied", holds=same and dropped == ["logits"] and imagenet.output.shape[-1] != num_classes)

# %% [markdown]
# The rest is a recipe of two stages, as most people write it. First the backbone is frozen and the head learns.
# `training=False` keeps the batch normalisation inside at its statistics, whatever comes later.

# %%
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

base = backbone("efficientnet_lite0", (small_side, small_side, 3))
base.trainable = False
images = keras.Input((small_side, small_side, 3))
x = layers.GlobalAveragePooling2D()(base(images, training=False))
recipe = keras.Model(images, layers.Dense(num_classes, name="logits")(x))
recipe.compile(keras.optimizers.Adam(0.001), loss)
recipe.fit(goods.images[first], goods.labels[first], batch_size=batch_size, epochs=1, verbose=0)
print(f"Stage one trains {layer_table(recipe)['trainable'].sum():,} of {recipe.count_params():,} parameters.")


# %% [markdown]
# Then the last layers are thawed, all but their batch normalisation, and trained on at a small rate:

# %%
def freeze_before(model, layer_name):
    """Freeze all layers of a model that come before the named one, and every batch normalisation; train the rest."""
    names = [layer.name for layer in model.layers]
    if layer_name not in (None, *names):
        raise ValueError(f"Layers of {model.name}: {', '.join(names)}. Received: layer_name={layer_name!r}")
    first = len(names) if layer_name is None else names.index(layer_name)
    model.trainable = True  # whatever was frozen before
    for index, layer in enumerate(model.layers):
        layer.trainable = index >= first and not isinstance(layer, layers.BatchNormalization)
        if layer.trainable and isinstance(layer, keras.Model):
            freeze_before(layer, layer.layers[0].name)


freeze_before(base, "stack7_block1_expand")
recipe.compile(keras.optimizers.Adam(last_rate), loss)
recipe.fit(goods.images[first], goods.labels[first], batch_size=batch_size, epochs=1, verbose=0)
print(f"Stage two trains {layer_table(recipe)['trainable'].sum():,}.")

# %% [markdown]
# After changing `trainable`, call `compile` again: what is trained is settled there. Layers of augmentation would
# stand between `images` and `base`. One epoch each shows how it runs; how well it does is measured below.
#
# ## `trainable` is not `training`
#
# Two switches that sound alike. `layer.trainable` says whether the optimiser may change weights. The argument
# `training` says whether this call is part of a training: dropout drops, batch normalisation takes its mean and
# variance from the batch, and moves those that it keeps. In batch normalisation the two meet. All four cases, on
# pictures whose mean is far from the moving mean:

# %%
batch = 5 + rng.standard_normal((64, 3)).astype("float32")
cases = []
for trainable in (True, False):
    for training in (True, False):
        layer = layers.BatchNormalization()
        layer.build(batch.shape)
        layer.trainable = trainable
        output = ops.convert_to_numpy(layer(batch, training=training))
        moved = ops.convert_to_numpy(layer.moving_mean).any()  # it starts at 0
        cases.append({"trainable": trainable, "training": training, "weights to train": len(layer.trainable_variables),
                      "mean used": "the batch's" if abs(output.mean()) < 0.01 else "the moving mean",
                      "moving mean": "moved" if moved else "unchanged"})
pd.DataFrame(cases).set_index(["trainable", "training"])

# %% [markdown]
# In Keras a frozen batch normalisation keeps its statistics even while the rest is trained. (That is Keras' own
# choice. In PyTorch `requires_grad=False` freezes weights only, and statistics move on until you call `eval()`.
# Dropout, which has no weights, listens to `training` alone.)
#
# Does it matter? Here no weight is trained at all. A linear classifier is fitted on the features of a few goods. Then
# some of the same pictures go through the network with `training=True`: only moving means and variances change. For
# the classifier we need features; we keep those of each depth at once, averaged over the positions, and the pixels
# themselves, 16 × 16 of them, as a rival that needs no network.

# %%
depths = {"stack 1": "stack1_block1_project_normalization", "stack 2": "stack2_block2_add",
          "stack 3": "stack3_block2_add", "stack 4": "stack4_block3_add", "stack 5": "stack5_block3_add",
          "stack 6": "stack6_block4_add", "stack 7": "stack7_block1_project_normalization"}


def reader_of(network):
    """Return a model that answers with the averaged maps of each depth, the last inner layer's at the end."""
    maps = [network.get_layer(name).output for name in depths.values()]
    return keras.Model(network.inputs[0], [*[layers.GlobalAveragePooling2D()(each) for each in maps], network.output])


def features_of(reader, images):
    """Return the pixels as features, those of each depth, and those of four stacks joined."""
    pixels = images.reshape(len(images), 16, images.shape[1] // 16, 16, -1, 3).mean(axis=(2, 4))
    found = {"pixels": pixels.reshape(len(images), -1)} | dict(zip([*depths, "last"], cached_features(reader, images)))
    return found | {"4 to 7": np.concatenate([found[f"stack {stack}"] for stack in (4, 5, 6, 7)], axis=1)}


readers = {small: reader_of(network), similar: reader_of(large)}
features, test_features = {}, {}
for name, task in tasks.items():
    reader = readers.get(name, readers[small])
    features[name], test_features[name] = features_of(reader, task.images), features_of(reader, task.test_images)


# %%
def linear(features, labels, c=0.01):
    """Fit a linear classifier: standardise, then logistic regression with a strong L2 penalty, which is 1 / c."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=500)).fit(features, labels)


def accuracy(task, answers):
    """Return the share of right answers in each class, averaged over the classes."""
    return balanced_accuracy_score(task.test_labels, answers)


pretrained, drift = network.get_weights(), {"before": [], "the head as it was": [], "the head fitted anew": []}
network.trainable = True  # or nothing would move
for layer in network.layers:
    if isinstance(layer, layers.BatchNormalization):
        layer.momentum = momentum
for seed in draws[:5]:
    indices = draw(goods.labels, few, seed)
    images, labels = goods.images[indices], goods.labels[indices]
    head = linear(features[small]["last"][indices], labels)
    drift["before"].append(accuracy(goods, head.predict(test_features[small]["last"])))
    for _ in range(batches):
        network(images[rng.choice(len(images), batch_size, replace=False)].astype("float32"), training=True)
    moved, moved_tests = (network.predict(each, batch_size=64, verbose=0) for each in (images, goods.test_images))
    drift["the head as it was"].append(accuracy(goods, head.predict(moved_tests)))
    drift["the head fitted anew"].append(accuracy(goods, linear(moved, labels).predict(moved_tests)))
    network.set_weights(pretrained)

# %%
print(f"{batches} batches, accuracy before {np.mean(drift['before']):.3f}.")
for way in ("the head as it was", "the head fitted anew"):
    print(f"{way}: {np.mean(drift[way]):.3f}, a loss of {is_greater(drift['before'], drift[way], margin)}")
slower = batches * np.log(momentum) / np.log(0.99)
print(f"The statistics have moved by {1 - momentum**batches:.0%}. With Keras' default momentum of 0.99, as far takes "
      f"{slower:.0f} batches, or {slower * batch_size / len(first):.0f} epochs of these {len(first)} pictures.")

# %% [markdown]
# Compare the two losses. A head stands on features as they were; if it loses more than one fitted anew, they have
# moved away from under it. So freeze the statistics where a head is to stay valid. What moving statistics do to a
# whole fine-tuning, in which the head can follow, is not measured here (see Extend).
#
# ## Frozen, from scratch, fine-tuned
#
# Seven ways to learn from ten pictures a class, all on goods of 64 pixels: a linear classifier on *pixels*; *from
# scratch*, a small network made for few pictures; a *frozen* network and on its features a *linear* classifier or,
# for the *goods* deck adds several, *two dense layers*; from the linear head on, the *last layers*, also with *rates
# by depth*; and *all layers* but batch normalisation.
#
# Both decks' statements get the same rule: an adapted network must be better than one from scratch by more than
# `margin`, with the whole 95 % interval. For the *goods* deck it is the frozen one with dense layers; for *practice*,
# every adapted one. The two that begin with random weights get a fair chance: a learning rate chosen on pictures held
# out, from another seed.

# %%
def over_seeds(build, rates, epochs, inputs, test_inputs):
    """Choose a learning rate on pictures held out, train from each seed, and return accuracies in the test."""
    def fit(model, indices):
        model.fit(inputs[indices], goods.labels[indices], batch_size=batch_size, epochs=epochs, verbose=0)

    rest, selection = np.setdiff1d(np.arange(len(inputs)), chosen[selection_seed]), {}
    for rate, model in restarts(build, [selection_seed], rates):
        fit(model, chosen[selection_seed])
        answers = model.predict(inputs[rest], verbose=0).argmax(axis=1)
        selection[rate] = balanced_accuracy_score(goods.labels[rest], answers)
    best, tested, trained = max(selection, key=selection.get), [], []
    for seed, (_, model) in zip(seeds, restarts(build, seeds, [best])):
        fit(model, chosen[seed])
        tested.append(accuracy(goods, model.predict(test_inputs, verbose=0).argmax(axis=1)))
        answers = model.predict(inputs[chosen[seed]], verbose=0).argmax(axis=1)
        trained.append(np.mean(answers == goods.labels[chosen[seed]]))
    table = ", ".join(f"{rate}: {value:.3f}" for rate, value in selection.items())
    print(f"{build.__name__}, accuracy on pictures held out by learning rate {table}; at {best} it gets "
          f"{np.mean(trained):.0%} of its training pictures right.")
    return tested


# %%
def small_network(rate):
    """Build a small network for few pictures: four convolutions, each with batch normalisation."""
    images = keras.Input((small_side, small_side, 3))
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(images)
    for filters in (16, 32, 64, 128):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(images, layers.Dense(num_classes)(x))
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


def two_dense_layers(rate):
    """Build two dense layers for features."""
    head = [layers.Dense(128, activation="relu"), layers.Dropout(0.3), layers.Dense(num_classes)]
    model = keras.Sequential([keras.Input((1280,)), *head])
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


# %%
on_last, last_tests = features[small]["last"], test_features[small]["last"]
linears = {seed: linear(on_last[chosen[seed]], goods.labels[chosen[seed]]) for seed in seeds}
on_pixels = {seed: linear(features[small]["pixels"][chosen[seed]], goods.labels[chosen[seed]]) for seed in seeds}
ways = {
    "pixels": [accuracy(goods, on_pixels[seed].predict(test_features[small]["pixels"])) for seed in seeds],
    "from scratch": over_seeds(small_network, scratch_rates, scratch_epochs, goods.images, goods.test_images),
    "frozen, linear": [accuracy(goods, linears[seed].predict(last_tests)) for seed in seeds],
    "frozen, two dense layers": over_seeds(two_dense_layers, dense_rates, dense_epochs, on_last, last_tests),
}

# %% [markdown]
# Fine-tuning needs a start for its head. Random logits send random gradients into good weights, and some of what was
# learned is lost before the head is any use (Kumar et al., 2022, "Fine-Tuning can Distort Pretrained Features"). The
# recipe above trains the head first; we have a good one already, the linear classifier, whose standardisation folds
# into the kernel. And what is frozen gives the same maps in each epoch. So they are computed once, and the model
# begins where training begins. (Kept maps rule out augmentation: pictures that change in each epoch have to go the
# whole way.)

# %%
def as_head(classifier):
    """Return kernel and bias of the dense layer that answers as the classifier does."""
    scaler, model = classifier[0], classifier[1]
    kernel = model.coef_.T / scaler.scale_[:, None]
    return [kernel.astype("float32"), (model.intercept_ - scaler.mean_ @ kernel).astype("float32")]


def part_from(layer_name, optimizer, num_classes):
    """Return the network from a layer on, with a head, and the frozen part before it."""
    whole = backbone("efficientnet_lite0", (small_side, small_side, 3), pooling="avg")
    freeze_before(whole, layer_name)
    start = whole.get_layer(layer_name).input
    model = keras.Model(start, layers.Dense(num_classes, name="logits")(whole.output))
    model.compile(optimizer, loss)
    return model, keras.Model(whole.inputs[0], start)


last, frozen = part_from("stack7_block1_expand", keras.optimizers.Adam(last_rate), num_classes)
everything, _ = part_from("rescaling", keras.optimizers.Adam(all_rate), num_classes)
maps, test_maps = cached_features(frozen, goods.images), cached_features(frozen, goods.test_images)

# %% [markdown]
# Between frozen and trained there are shades: early layers may learn more slowly than late ones. Keras has one
# learning rate per optimiser, but an optimiser is told all its variables in `build`, and then updates one at a time.

# %%
class AdamByDepth(keras.optimizers.Adam):
    """Adam that gives a variable a share of the learning rate, by the beginning of its path."""

    def __init__(self, learning_rate, shares):
        super().__init__(learning_rate)
        self.shares = shares

    def build(self, variables):
        super().build(variables)
        self.rates = [next((share for start, share in self.shares.items() if variable.path.startswith(start)), 1.0)
                      for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        share = self.rates[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * share)


by_depth, _ = part_from("stack7_block1_expand", AdamByDepth(last_rate, shares), num_classes)
pretrained = by_depth.get_weights()
before = {each.path: ops.convert_to_numpy(each).copy() for each in by_depth.trainable_variables}
by_depth.fit(maps[first][:batch_size], goods.labels[first][:batch_size], batch_size=batch_size, verbose=0)
for variable in by_depth.trainable_variables:
    moved = np.median(np.abs(ops.convert_to_numpy(variable) - before[variable.path]))
    print(f"{variable.path}: one step has moved a weight by {moved:.6f}")
by_depth.set_weights(pretrained)

# %% [markdown]
# The first step of Adam moves a weight by the learning rate, whatever its gradient: so the shares can be read off.
# Freezing is the share 0. (Howard and Ruder, 2018, "Universal Language Model Fine-tuning", divide by 2.6 from layer
# to layer.) Does it help? One loop trains all three; one compiled model serves all seeds, its variables set back
# before each.

# %%
def fine_tune(model, weights, classifier, rate, inputs, labels):
    """Train from these weights on, with the classifier for a head, at a falling learning rate."""
    model.set_weights(weights)
    model.get_layer("logits").set_weights(as_head(classifier))
    for variable in model.optimizer.variables:  # Adam begins with zeros; the schedule sets its rate
        variable.assign(np.zeros(variable.shape))
    epochs = max(1, round(steps * batch_size / len(labels)))
    falling = keras.callbacks.LearningRateScheduler(lambda epoch: rate * (1 + np.cos(np.pi * epoch / epochs)) / 2)
    model.fit(inputs, labels, batch_size=batch_size, epochs=epochs, callbacks=[falling], verbose=0)


trainings = {"last layers": (last, last_rate, maps, test_maps),
             "last layers, rates by depth": (by_depth, last_rate, maps, test_maps),
             "all layers": (everything, all_rate, goods.images, goods.test_images)}
keras.utils.set_random_seed(seeds[0])  # once: after each call TensorFlow prepares its functions anew
for way, (model, rate, inputs, test_inputs) in trainings.items():
    weights, ways[way] = model.get_weights(), []
    for seed in seeds:
        fine_tune(model, weights, linears[seed], rate, inputs[chosen[seed]], goods.labels[chosen[seed]])
        ways[way].append(accuracy(goods, model.predict(test_inputs, verbose=0).argmax(axis=1)))

# %%
ax = plot_by_seed(ways, "balanced accuracy (guessing: dotted)", f"Goods of {small_side} pixels, {few} pictures a class")
ax.axvline(1 / num_classes, color="0.4", ls=":")
ax.set_xlim(0, None)
plt.show()
adapted = [way for way in ways if way not in ("pixels", "from scratch")]
gains = {way: is_greater(ways[way], ways["from scratch"], margin) for way in adapted}
for way, gain in gains.items():
    print(f"{way}, minus from scratch: {gain}")
for way in ("frozen, two dense layers", "last layers", "all layers"):
    print(f"{way}, minus frozen, linear: {is_greater(ways[way], ways['frozen, linear'], margin)}")
print(f"Frozen, linear, minus pixels: {is_greater(ways['frozen, linear'], ways['pixels'], margin)}")
print(f"Rates by depth, minus one rate: {is_greater(ways['last layers, rates by depth'], ways['last layers'], margin)}")

# %%
claim("goods-transfer", measured=f"{few} pictures a class, balanced accuracy: frozen network and two dense layers "
      f"{np.mean(ways['frozen, two dense layers']):.2f}, one linear layer {np.mean(ways['frozen, linear']):.2f}, "
      f"from scratch {np.mean(ways['from scratch']):.2f}", holds=gains["frozen, two dense layers"].holds)
verdicts = [gain.holds for gain in gains.values()]
claim("practice-transfer-scratch", measured=f"from scratch {np.mean(ways['from scratch']):.2f}; "
      + ", ".join(f"{way} {np.mean(ways[way]):.2f}" for way in adapted),
      holds=False if False in verdicts else None if None in verdicts else True)

# %% [markdown]
# A point is a seed, a line their mean. Compare a network from scratch with the pixels before you compare it with the
# others: few pictures are learned by heart and tell little about new ones. And how much does fine-tuning add to a
# linear classifier, beside the spread of the points? So few steps at a falling rate move weights little: this tests a
# short fine-tuning. The record below has longer ones, and EfficientNet-Lite0 itself from random weights.
#
# ## What it costs
#
# A frozen layer saves the backward pass: its gradients are not computed. Of three multiply-adds per weight and
# position (forward, gradient of the input, gradient of the weights) one is left. And if its maps are kept, none. Other
# work on the machine comes and goes, so we time five rounds, and judge by the one in the middle: the claim holds if a
# step that trains all layers takes at least twice as long as one behind a frozen backbone, and is refuted if it does
# so in no round.

# %%
behind = backbone("efficientnet_lite0", (small_side, small_side, 3), pooling="avg")
freeze_before(behind, None)
behind = keras.Model(behind.inputs[0], layers.Dense(num_classes, name="logits")(behind.output))
alone = keras.Sequential([keras.Input((1280,)), layers.Dense(num_classes, name="logits")])
for model in (behind, alone):
    model.compile(keras.optimizers.Adam(last_rate), loss)
timed = {  # model, what it gets
    "all layers": (everything, goods.images), "last layers": (recipe, goods.images),
    "frozen backbone, head": (behind, goods.images), "last layers, maps kept": (last, maps),
    "head, features kept": (alone, on_last)}
some, seconds = first[: 2 * batch_size], {name: [] for name in timed}  # two steps
for _ in range(6):
    for name, (model, inputs) in timed.items():
        start = time.perf_counter()
        model.fit(inputs[some], goods.labels[some], batch_size=batch_size, verbose=0)
        seconds[name].append(time.perf_counter() - start)
seconds = {name: np.array(values[1:]) for name, values in seconds.items()}  # the first round compiles

# %%
display(pd.DataFrame.from_dict({name: {
    "parameters trained": f"{layer_table(model)['trainable'].sum():,}",
    "million multiply-adds forward": f"{layer_table(model)['multiply_adds'].sum() / 1e6:.2f}",
    "pictures a second": round(len(some) / seconds[name].min())}
    for name, (model, _) in timed.items()}, orient="index"))
ratios = {name: seconds["all layers"] / values for name, values in seconds.items()}
spread = {name: f"{ratio.min():.1f} to {ratio.max():.1f}" for name, ratio in ratios.items()}
slow = ratios["frozen backbone, head"]
claim("practice-transfer-compute", measured=f"over five rounds a step with all layers takes "
      f"{spread['frozen backbone, head']} times as long as one behind a frozen backbone (median "
      f"{np.median(slow):.1f}), {spread['last layers']} times as long as one of the last layers, "
      f"{spread['last layers, maps kept']} times as long as that on kept maps",
      holds=True if np.median(slow) >= 2 else False if slow.max() < 2 else None)

# %% [markdown]
# Read the table downwards. Freezing what is before the last layers takes away the backward pass; keeping their maps
# takes away the forward pass too. What is left in the last row is mostly what Keras does around each step. The whole
# bill has fewer steps as well: a frozen network needs one pass for its features, and the classifier on them is fitted
# in a fraction of a second.
#
# ## The table of two by two
#
# Now to the table. It goes back to Stanford's course CS231n, the joke included:
#
# | | similar task | very different task |
# |---|---|---|
# | **little data** | a linear classifier on the last inner layer | "problems :)": a classifier on several layers |
# | **much data** | fine-tune the last inner layers | freeze the first layers, train the rest |
#
# Features "of several layers" can be read in two ways: several joined, as we do, or one layer that lies earlier, as
# the notes of that course say (cs231n.github.io/transfer-learning). We judge the first and show the second. When is
# advice borne out? Our rule for all four fields, before we look. It has *rivals*, the other ways, and where it costs
# more than a linear classifier on the last features, a *cheap* one.
#
# - *Refuted*: a rival is better by more than `margin`, with the whole interval; or the cheap one is better than the
#   advice, with the whole interval.
# - *Holds*: each rival is better by less than `margin`, with the whole interval; and the advice beats the cheap one,
#   if there is one, by more than `margin`, with the whole interval.
# - *Undecided* otherwise.
#
# With little data the deck speaks of features, so the rivals are linear classifiers on other features, over eight
# draws, and the cheap one is that on the last. With much data the rivals are all ways of the record, and the cheap
# one is the better of two linear classifiers, on the last features or on several layers.

# %%
def verdict(rivals, advised, cheap=None):
    """Tell by the rule whether advice is borne out, from accuracies over the same seeds."""
    found = [is_greater(rival, advised, margin) for rival in rivals]
    worth = None if cheap is None else is_greater(advised, cheap, margin)
    if any(each.holds for each in found) or (worth and worth.holds is False):
        return False
    return True if all(each.high < margin for each in found) and (worth is None or worth.holds) else None


# %% [markdown]
# ### Little data
#
# Features are in hand, so this is cheap: each depth, four stacks joined, and the pixels, with fresh pictures for
# every draw. Goods at 64 pixels are shown beside the two tasks that were fixed.

# %%
def over_draws(name, depth, count, c=0.01):
    """Return the accuracies of linear classifiers on features of a depth, one for each draw."""
    task, given, tests, found = tasks[name], features[name][depth], test_features[name][depth], []
    for indices in (draw(task.labels, count, seed) for seed in draws):
        found.append(accuracy(task, linear(given[indices], task.labels[indices], c).predict(tests)))
    return found


little = {name: {depth: over_draws(name, depth, few) for depth in features[name]}
          for name in sorted(tasks, key=apart.get)}

# %%
figure, ax = plt.subplots(figsize=(5.8, 3.6))
for (name, found), marker, shift in zip(little.items(), "os^", (-0.15, 0, 0.15)):
    values = np.array(list(found.values()))
    mean, low, high = values.mean(axis=1), values.min(axis=1), values.max(axis=1)
    (line,) = ax.plot(range(1, 9), mean[1:-1], marker=marker, label=f"{name}: distance {apart[name]:.2f}")
    ax.fill_between(range(1, 9), low[1:-1], high[1:-1], color=line.get_color(), alpha=0.2, lw=0)
    for x, index in ((0, 0), (9, -1)):
        bar = [[mean[index] - low[index]], [high[index] - mean[index]]]
        ax.errorbar(x + shift, mean[index], bar, marker=marker, mfc="none", capsize=3, color=line.get_color())
ax.set(title=f"Linear classifiers, {few} pictures a class", ylabel="balanced accuracy", ylim=(0, 1.1))
ax.set_xticks(range(10), ["pixels", *range(1, 8), "last", "4 to 7"])
ax.set_xlabel("features: pixels, after a stack, after the last layer, stacks 4 to 7 joined")
ax.legend(fontsize=9, loc="upper left")
plt.show()

# %%
rows, best = {}, {}
for name, found in little.items():
    best[name] = max([*depths, "last"], key=lambda depth: np.mean(found[depth]))
    rows[name] = {"distance": f"{apart[name]:.2f}", "pixels": f"{np.mean(found['pixels']):.3f}",
                  "last": f"{np.mean(found['last']):.3f}",
                  "best single": f"{np.mean(found[best[name]]):.3f}, {best[name]}",
                  "4 to 7": f"{np.mean(found['4 to 7']):.3f}",
                  "4 to 7 minus last": str(is_greater(found["4 to 7"], found["last"], margin))}
display(pd.DataFrame.from_dict(rows, orient="index"))
judged, measured, advice = {}, {}, {similar: "last", different: "4 to 7"}
for name in advice:
    found, cheap = little[name], None if advice[name] == "last" else little[name]["last"]
    rivals = [values for depth, values in found.items() if depth != advice[name]]
    judged[name] = verdict(rivals, found[advice[name]], cheap)
    measured[name] = (f"{name}: linear classifier on the last inner layer {np.mean(found['last']):.3f}, on stacks 4 to "
                      f"7 joined {np.mean(found['4 to 7']):.3f}, on the best single depth ({best[name]}) "
                      f"{np.mean(found[best[name]]):.3f}")
claim("practice-transfer-little-similar", measured=measured[similar], holds=judged[similar])
claim("practice-transfer-little-different", measured=measured[different], holds=judged[different])

# %% [markdown]
# Bands and bars reach from the lowest to the highest draw. Early stacks see edges and spots, and no task is solved
# there. Look at the left end first: what does the network add to the pixels? Find the best single depth of each row,
# and compare how much is lost from there to the last layer. That the last layers have turned to the 1000 classes is a
# likely reason for a loss, not a measured one. The interval knows the luck of draw and training, not that of the test
# or of the task: each row is one data set.
#
# Two checks. One penalty need not suit features of different length: is the comparison the same for others? And how
# does the choice of layers weigh against more pictures?

# %%
rows = {}
for name in (similar, different):
    for c in (0.001, 0.01, 0.1):
        last_layer, joined = (over_draws(name, depth, few, c) for depth in ("last", "4 to 7"))
        rows[name, c] = {"last": f"{np.mean(last_layer):.3f}", "4 to 7": f"{np.mean(joined):.3f}",
                         "4 to 7 minus last": str(is_greater(joined, last_layer, margin))}
gain = np.mean(over_draws(different, "last", more)) - np.mean(little[different]["last"])
print(f"{different}: {more} pictures a class instead of {few} bring {gain:+.3f} to the last layer; four stacks instead "
      f"of it bring {np.mean(little[different]['4 to 7']) - np.mean(little[different]['last']):+.3f}.")
pd.DataFrame.from_dict(rows, orient="index").rename_axis(index=["", "C"])

# %% [markdown]
# ### Much data, from a record
#
# Thousands of pictures and trainings of all layers take longer than this page has. The record has six ways to learn
# in all four fields. *Last layers* are those from stack 7 on, *all but the first* those from stack 4 on, and
# *scratch* is EfficientNet-Lite0 itself with random weights. Each learning rate was chosen first, of two or three, on
# training pictures held out.

# %%
record = read_result("13_transfer_learning")
settings, quadrants = record["parameters"], record["quadrants"]
print(f"{record['command']}: {record['date']}, {record['hardware']}, seeds {settings['seeds']}. Goods at "
      f"{settings['sides']['goods']} pixels, Fashion-MNIST at {settings['sides']['fashion_mnist']}.")
strategies = ["last features", "several layers", "last layers", "all but the first", "all", "scratch"]  # by cost
tips = {"goods, little": "last features", "fashion_mnist, little": "several layers", "goods, much": "last layers",
        "fashion_mnist, much": "all but the first"}
titles = {}
for key in tips:
    data, amount = key.split(", ")
    per_class = quadrants[key]["pictures"] / len(class_names(data))
    titles[key] = f"{amount}, {'similar' if data == 'goods' else 'different'}: {per_class:.0f} a class"
scores = {key: {way: np.array(quadrants[key][way]["balanced_accuracy"]) for way in strategies} for key in tips}
trained = {key: ", ".join(f"{way} {quadrants[key][way]['epochs']}" for way in strategies[2:]) for key in tips}
for key in tips:
    print(f"{titles[key]}: epochs of {trained[key]}.")
pd.DataFrame({titles[key]: {way: f"{values.mean():.3f}" + " ←" * (way == tips[key]) for way, values in found.items()}
              for key, found in scores.items()})

# %%
for key in ("goods, much", "fashion_mnist, much"):
    found = scores[key]
    cheap = max(strategies[:2], key=lambda way: found[way].mean())
    winner = max(strategies, key=lambda way: found[way].mean())
    judged[key] = verdict([values for way, values in found.items() if way != tips[key]], found[tips[key]], found[cheap])
    ahead = is_greater(found[tips[key]], found[cheap], margin)
    print(f"{titles[key]}; {tips[key]} minus {cheap}, the cheap rival: {ahead}")
    measured[key] = (f"{quadrants[key]['pictures']:,} pictures: {tips[key]} {found[tips[key]].mean():.3f}, linear "
                     f"classifier ({cheap}) {found[cheap].mean():.3f}, best ({winner}) {found[winner].mean():.3f}")
claim("practice-transfer-much-similar", measured=measured["goods, much"], holds=judged["goods, much"])
claim("practice-transfer-much-different", measured=measured["fashion_mnist, much"], holds=judged["fashion_mnist, much"])

# %% [markdown]
# The arrow marks the deck's advice. Two things make *holds* rare here: three seeds leave wide intervals, and no class
# of the goods has a thousand pictures, so that *much* is there at most 80 % of a class. The columns of little data got
# their verdict above; they show what training by steps adds.
#
# ## What to do when
#
# One row for each field: the verdict, and from the record the cheapest way whose mean is within `margin` of the best
# mean. Seconds are those of one training on one core; of linear classifiers none were recorded.

# %%
judged |= {"goods, little": judged[similar], "fashion_mnist, little": judged[different]}
rows = {}
for key, found in scores.items():
    means = {way: found[way].mean() for way in strategies}
    cheapest = next(way for way in strategies if means[way] > max(means.values()) - margin)
    rows[titles[key]] = {
        "advice": tips[key], "verdict": {True: "holds", False: "refuted", None: "undecided"}[judged[key]],
        "its accuracy": f"{means[tips[key]]:.3f}", "cheapest within the margin": cheapest,
        "accuracy": f"{means[cheapest]:.3f}",
        "seconds": str(quadrants[key][cheapest].get("seconds_per_training", "–")),
        "seconds, all layers": str(quadrants[key]["all"]["seconds_per_training"])}
pd.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# As a rule of work, go from cheap to dear, and stop where it is good enough: a linear classifier on features, of the
# last inner layer and of several; last layers on kept maps, the classifier as their head; all layers or all but the
# first, statistics frozen, at a rate chosen on pictures held out. From scratch only if there are very many pictures,
# or nothing pretrained fits the input.
#
# ## Summary
#
# - A new head is one dense layer or two. `trainable` decides what the optimiser may change, `training` what dropout
#   and batch normalisation do; in Keras a frozen normalisation keeps its statistics. After changing `trainable`,
#   compile again.
# - With ten pictures a class of goods, begin with a linear classifier on frozen features, fitted in a fraction of a
#   second; the plot over seeds shows what a network from scratch lacks and what fine-tuning adds.
# - Similarity can be measured, from the statistics that the network keeps, and the table's fields can be tested like
#   any other statement, one by one. Where ways lie within the margin, take the cheapest.
#
# ## Exercises
#
# **Predict.** Freeze everything before the layer `last`, a 1 × 1 convolution without biases from 320 maps to 1280,
# with `freeze_before`. Behind it stand its batch normalisation, the average, and a new head for the 12 classes of
# goods. How many parameters are trained? And how many variables (arrays) of this part are not, and why?

# %% tags=["exercise", "exercise-frozen"]
parameters_to_train = ...
variables_not_trained = ...

# %% tags=["check"]
if parameters_to_train is ... or variables_not_trained is ...:
    print("Not answered yet: replace the dots above.")
else:
    answered, _ = part_from("last", "adam", 12)
    right = int(layer_table(answered)["trainable"].sum())
    kernel, head = 320 * 1280, 1280 * 12 + 12
    hints = {
        kernel + head + 2 * 1280: "Nearly: freeze_before freezes batch normalisation too, with its gamma and beta.",
        kernel + head + 4 * 1280: "Batch normalisation is frozen, all four numbers of each map.",
        kernel + head - 12: "Nearly: the head has a bias for each class.",
        kernel + head + 1280: "Nearly: the convolution has no biases.",
        head: "That is the head. The layer `last` is the first that is trained, not the last that is frozen.",
        kernel: "That is the convolution. The head is trained as well.",
    }
    assert isinstance(parameters_to_train, int), "Write a whole number without a comma, such as 100000."
    assert parameters_to_train == right, hints.get(
        parameters_to_train, "Not this. Count a 1 x 1 kernel from 320 maps to 1280 and a dense layer from 1280 to 12."
    )
    hints = {2: "Two are never trained by gradients, the moving mean and variance. freeze_before freezes two more."}
    assert variables_not_trained == len(answered.non_trainable_variables), hints.get(
        variables_not_trained, "Not this many variables. Ask which layer of this part is frozen, and what it holds."
    )
    print(f"Right: {right:,}, {right / answered.count_params():.0%} of what is left of the network there. Gamma and "
          "beta are frozen, and the moving mean and variance come from batches, not from gradients.")

# %% [markdown]
# **Modify.** Fashion-MNIST is light on black, photographs of goods are not. Does `255 - images` bring it nearer to
# ImageNet by the distance above, and is the linear classifier better for it? Then set `small_side` to 96: what does
# size do to the distances, and to the lead of several layers over the last?
#
# **Extend.** Let the statistics of batch normalisation move while you fine-tune the last layers: set `trainable` of
# these layers to True after `freeze_before`, compile again, and compare over the same seeds by `is_greater`. Is the
# head able to follow?
