# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 · LeNet
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/03_lenet.ipynb)
#
# *Three ideas made convolutional networks work: look at small patches, look for the same thing
# everywhere, and care less and less about where it was. Here you build the network that joined
# them, watch it sort clothes, look inside, and measure what thirty years have added.*
#
# You will
#
# - build LeNet-5 layer by layer and tell each shape and parameter count before Keras does,
# - train it, and read its curves, its feature maps and its mistakes,
# - measure, over several seeds, what changed from the network of 1989 to the one of today.
#
# A minute on two CPU cores · decks: *practice*, "LeNet, 1989", and *speed*, "LeNet-5".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
train_examples = 12000  # images to train on, of 60000
epochs = 5  # passes over them
batch_size = 64  # images per training step
learning_rate = 0.005  # of Adam at the first step; it falls to zero along a cosine
seeds = [0, 1, 2]  # each network is trained once from each; three at least
margin = 0.005  # test accuracy: a smaller difference between two networks does not interest us

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from helpers.claims import claim, read_result
from helpers.datasets import class_names, load_arrays
from helpers.evaluation import is_greater
from helpers.plots import plot_by_seed, plot_curves, plot_images, use_course_style
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])

# %% [markdown]
# ## Load the data
#
# LeNet was made for handwritten digits. Today those are too easy to tell two networks apart, so we
# take Fashion-MNIST, which has the same form: 28 × 28 grey pixels, ten classes, and goods from a
# shop instead of digits. The last 4000 training images are kept aside for validation.

# %%
train_images, train_labels = load_arrays("fashion_mnist", f"train[:{train_examples}]")
validation_images, validation_labels = load_arrays("fashion_mnist", "train[-4000:]")
test_images, test_labels = load_arrays("fashion_mnist", "test")
names = class_names("fashion_mnist")
print(f"{len(train_images)} images to train on, {len(validation_images)} to watch, {len(test_images)} to judge.")
print(f"One image has shape {train_images[0].shape} and values from {train_images.min()} to {train_images.max()}.")

# %%
shown = np.concatenate([np.flatnonzero(train_labels == label)[:2] for label in range(10)])
plot_images(train_images[shown], [names[label] for label in train_labels[shown]], columns=10,
            heading="Two of each class")
plt.show()

# %% [markdown]
# ## Build the model
#
# A dense layer would connect each of the 784 pixels with each unit. LeNet's first layer, C1, makes
# six maps of 28 × 28 units too, but a unit sees only a patch of 5 × 5 pixels, and all units of a map
# share the same 25 weights and one bias. Count what these two restrictions save.

# %%
units = 28 * 28 * 6
print(f"Dense: every unit has its own weight for every pixel, {units * (28 * 28 + 1):,} parameters.")
print(f"Patches of 5 x 5, each unit with weights of its own: {units * (5 * 5 + 1):,} parameters.")
print(f"One set of weights per map, a convolution: {6 * (5 * 5 + 1):,} parameters.")

# %% [markdown]
# The third idea is subsampling: S2 halves the maps by averaging 2 × 2 squares, so that the next layer
# sees twice as far and a little less exactly. Convolve and subsample twice, and what is left of the
# image is 16 maps of 5 × 5, small enough for dense layers.
#
# The names C1 to F6 are those of the paper (LeCun et al., 1998, "Gradient-Based Learning Applied to
# Document Recognition", section II.B). There the images had a border of 2 pixels, 32 × 32 in all:
# `padding="same"` does that for us. The first layer turns pixel values of 0 to 255 into 0 to 1; it is
# part of the model, so nobody can forget it.


# %%
def lenet5(activation="relu", padding="same"):
    """Build LeNet-5 for grey images of 28 x 28 pixels and ten classes.

    Args:
        activation: Keras activation of all layers but the last; "tanh" is nearest to 1998.
        padding: padding of C1; "same" keeps 28 x 28.

    Returns:
        Keras model from uint8 images ``(batch, 28, 28, 1)`` to logits ``(batch, 10)``.

    Source: LeCun et al., 1998, "Gradient-Based Learning Applied to Document Recognition", section II.B.
    """
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255, name="rescaling"),
        layers.Conv2D(6, kernel_size=5, padding=padding, activation=activation, name="C1"),
        layers.AveragePooling2D(pool_size=2, name="S2"),
        layers.Conv2D(16, kernel_size=5, activation=activation, name="C3"),
        layers.AveragePooling2D(pool_size=2, name="S4"),
        layers.Flatten(name="flatten"),
        layers.Dense(120, activation=activation, name="C5"),
        layers.Dense(84, activation=activation, name="F6"),
        layers.Dense(10, name="logits"),
    ], name="lenet5")


# %% [markdown]
# Before you run the next cell, try to tell the shape after each layer. Without padding a filter of
# 5 × 5 takes 4 pixels off each side; a layer has one weight per filter pixel, input map and output
# map, and one bias per output map. The multiply-adds are the weights times the places where they
# are used.


# %%
def layer_costs(model):
    """Return ``{layer: (output shape, parameters, multiply-adds for one image)}`` of a plain network."""
    costs = {}
    for layer in model.layers:
        shape = layer.output.shape[1:]
        weights = sum(int(np.prod(kernel.shape)) for kernel in layer.weights if len(kernel.shape) > 1)
        costs[layer.name] = shape, layer.count_params(), int(np.prod(shape[:-1])) * weights
    return costs


# %%
costs = layer_costs(lenet5())
for name, (shape, parameters, multiply_adds) in costs.items():
    print(f"{name:10s} gives {str(shape):12s} with {parameters:6,} parameters and {multiply_adds:7,} multiply-adds")
_, parameters, multiply_adds = np.array(list(costs.values()), dtype=object).T
print(f"LeNet-5 has {parameters.sum():,} parameters and needs {multiply_adds.sum():,} multiply-adds per image.")

# %% [markdown]
# Where do the parameters sit, and where is the work done? Not in the same place.

# %%
bars = pd.DataFrame({"parameters": parameters, "multiply-adds": multiply_adds}, index=list(costs)).astype(float)
bars = bars.loc[["C1", "C3", "C5", "F6", "logits"]]
ax = (100 * bars / bars.sum()).plot.bar(rot=0, color=["C0", "C1"], figsize=(6, 3))
for patch in ax.containers[1]:
    patch.set_hatch("//")
ax.set(title="The work is in front, the parameters are behind", ylabel="share (%)", xlabel="layer")
ax.grid(axis="x", visible=False)
ax.legend()
plt.show()

# %%
shares, work = bars.loc[["C1", "C3"]].sum() / bars.sum()
print(f"The two convolutions have {shares:.0%} of the parameters and do {work:.0%} of the work.")

# %% [markdown]
# The *speed* deck describes LeNet-5 as a plain sequence of alternating convolution and pooling layers,
# with the average for pooling. We check both halves: the order of the layers, and that S2 returns
# nothing but means of four neighbours.

# %%
model = lenet5()
look = keras.Model(model.inputs, [model.get_layer("C1").output, model.get_layer("S2").output])
convolved, pooled = look.predict(test_images[:100], verbose=0)
means = convolved.reshape(100, 14, 2, 14, 2, 6).mean(axis=(2, 4))
difference = float(np.abs(pooled - means).max())
kinds = [type(layer).__name__ for layer in model.layers if layer.name[0] in "CSF"]
print(f"{' - '.join(kinds)}; S2 differs from the means by at most {difference:.1g}.")

# %%
claim("speed-lenet", measured=f"{model.count_params():,} parameters; S2 is the mean to within {difference:.1g}",
      holds=kinds[:4] == ["Conv2D", "AveragePooling2D"] * 2 and difference < 1e-5 and model.count_params() == 61706)

# %% [markdown]
# ## Train
#
# The recipe is one of today: cross-entropy of the logits, Adam, and a learning rate that falls to
# zero along a cosine (lesson 18 shows why). `steps_per_execution` lets Keras take 16 steps at a time,
# which changes nothing but the time: the steps of so small a network cost less than starting them.


# %%
def compiled(network):
    """Return the network with the recipe that all networks of this lesson share."""
    steps = epochs * -(-len(train_images) // batch_size)
    network.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=16,
    )
    return network


# %% [markdown]
# One run tells little: another seed means other first weights and another order of the images, and
# so another accuracy. We train once per seed and keep every score. `restarts` draws the weights of one
# network anew from each seed, so that Keras does not have to compile it again.


# %%
def train_over_seeds(build):
    """Train ``build()`` from each seed; return the last model, the histories and the test accuracies."""
    histories, accuracies = [], []
    for model in restarts(build, seeds):
        history = model.fit(train_images, train_labels, batch_size=batch_size, epochs=epochs, verbose=0,
                            validation_data=(validation_images, validation_labels), validation_batch_size=500)
        histories.append(history.history)
        accuracies.append(model.evaluate(test_images, test_labels, batch_size=500, verbose=0)[1])
    return model, histories, accuracies


# %%
model, histories, relu = train_over_seeds(lambda: compiled(lenet5()))
print(f"Test accuracy after {epochs} epochs: {', '.join(f'{accuracy:.4f}' for accuracy in relu)}.")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
for ax, quantity, unit in zip(axes, ("loss", "accuracy"), ("loss (nats)", "accuracy")):
    curves = {"training": [history[quantity] for history in histories],
              "validation": [history[f"val_{quantity}"] for history in histories]}
    plot_curves(curves, "epoch", unit, f"The {quantity} over {len(seeds)} seeds", ax=ax)
plt.show()

# %% [markdown]
# The line is the mean over the seeds and the band reaches from the lowest to the highest. Training
# values are averages *during* an epoch, while the network still improves; validation comes at its
# end, and so may look the better of the two at first.
#
# ## Evaluate
#
# With this recipe expect between 0.85 and 0.87 on the test images. People who are not in the trade
# reach 0.835 on a thousand of these images (the data set's authors had three of them vote on each).

# %%
print(f"LeNet-5, {len(train_images)} training images, {epochs} epochs, {len(seeds)} seeds:")
print(f"test accuracy {np.mean(relu):.3f} on average, from {min(relu):.3f} to {max(relu):.3f}.")

# %%
logits = model.predict(test_images, batch_size=500, verbose=0)
predictions = logits.argmax(axis=1)
ax = plt.subplots(figsize=(6.2, 5.4))[1]
ConfusionMatrixDisplay.from_predictions(test_labels, predictions, display_labels=names, cmap="Blues", ax=ax,
                                        xticks_rotation=45, colorbar=False, text_kw={"fontsize": 7.5})
ax.set(title="What is taken for what, of 1000 each", xlabel="predicted class", ylabel="true class")
ax.grid(False)
plt.show()

# %%
wrong = confusion_matrix(test_labels, predictions) * (1 - np.eye(10, dtype=int))
true, taken = np.unravel_index(wrong.argmax(), wrong.shape)
tops = [names.index(name) for name in ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")]
print(f"The most frequent mistake: {wrong[true, taken]} of 1000 of class {names[true]} are taken for {names[taken]}.")
print(f"{wrong[np.ix_(tops, tops)].sum() / wrong.sum():.0%} of all mistakes are made among five classes: "
      f"{', '.join(names[top] for top in tops)}.")

# %% [markdown]
# Mistakes are best looked at. These are the ones that the network was surest of; the number is the
# probability it gave to its answer.

# %%
probabilities = np.asarray(ops.convert_to_numpy(ops.softmax(logits)))
confidence = probabilities.max(axis=1)
mistakes = np.flatnonzero(predictions != test_labels)
surest = mistakes[np.argsort(-confidence[mistakes])[:18]]
titles = [f"{names[test_labels[i]]}:\n{names[predictions[i]]}? {confidence[i]:.2f}" for i in surest]
plot_images(test_images[surest], titles, columns=6, heading="Surest mistakes (true class: answer?)")
plt.show()

# %% [markdown]
# Ask yourself, image by image, whether you would have done better. Some are the network's fault; at
# 28 pixels some cannot be told at all; and on some the shop's label looks wrong.
#
# ## Look inside
#
# What do the six filters of C1 look for? A model that ends at an inner layer shows the maps of one
# image.

# %%
boot = test_images[:1]
inner = ["C1", "S2", "C3", "S4"]
look = keras.Model(model.inputs, [model.get_layer(name).output for name in inner])
maps = look.predict(boot, verbose=0)
kernels = ops.convert_to_numpy(model.get_layer("C1").kernel)  # (5, 5, 1, 6)
ax = plt.subplots(figsize=(6.5, 1.6))[1]
filters = np.moveaxis(kernels[:, :, 0], -1, 0)  # (6, 5, 5)
plot_images(filters, columns=6, heading="The filters of C1: white adds, black takes away", ax=ax)
plt.show()

# %%
figure, axes = plt.subplots(4, 1, figsize=(7.5, 5.6), height_ratios=[1.6, 1.6, 0.7, 0.7])
for ax, name, values in zip(axes, inner, maps):
    side, channels = values.shape[1], values.shape[-1]
    plot_images(np.moveaxis(values[0], -1, 0), columns=min(channels, 16),
                heading=f"{name}: {channels} maps of {side} x {side}", ax=ax)
plt.show()

# %% [markdown]
# Each map shows where its filter found what it looks for, white for much. In C1 you still see the
# boot; S2 is the same at half the size; in C3 a map answers to combinations of edges; and S4 is so
# coarse that only the rough place is left.
#
# ### What subsampling is for
#
# That coarseness is meant. A boot is a boot also one pixel further to the right, and the classifier
# should see nearly the same. We shift the test images by one pixel and measure how much the maps
# change, as a share of how much they differ between images anyway.


# %%
def relative_change(before, after):
    """Return the size of ``after - before`` as a share of the spread of ``before`` between images."""
    return float(np.linalg.norm(after - before) / np.linalg.norm(before - before.mean(axis=0)))


# %%
sample, shifted = test_images[:1000], np.roll(test_images[:1000], 1, axis=2)
pairs = zip(look.predict(sample, verbose=0), look.predict(shifted, verbose=0))
changes = [relative_change(before, after) for before, after in pairs]
ax = plt.subplots(figsize=(5, 2.8))[1]
ax.bar(inner, changes, color=["C0", "C1", "C0", "C1"], hatch=["", "//", "", "//"])
ax.set(title="One pixel to the right", ylabel="relative change", xlabel="layer")
plt.show()

# %%
for convolution, pooling, before, after in zip(inner[::2], inner[1::2], changes[::2], changes[1::2]):
    print(f"The shift changes {convolution} by {before:.2f} of the spread, and {pooling} after it by {after:.2f}.")

# %% [markdown]
# Each subsampling layer takes part of the shift away. It takes no more than a part: pooling makes a
# network less sensitive to small shifts, not blind to them.
#
# ## From 1989 to today
#
# The *practice* deck dates LeNet to 1989 and describes it as convolution and subsampling followed by
# a classifier. Two networks share that name. The first (LeCun et al., 1989, "Backpropagation Applied
# to Handwritten Zip Code Recognition") looked at 16 × 16 pixels and had no layer for subsampling:
# its convolutions move on by two pixels and so halve the maps themselves. Its units share weights but
# not biases, and a map of H2 sees only eight of the twelve maps of H1. The paper does not say which
# eight; we take two thirds of them in turn. It is a small network to write down, and a strange one.


# %%
class Bias(layers.Layer):
    """Add a learned bias to each unit, one for every position and channel."""

    def build(self, input_shape):
        self.bias = self.add_weight(shape=input_shape[1:], initializer="zeros", name="bias")

    def call(self, inputs):
        return inputs + self.bias


def lenet_1989():
    """Build the network of LeCun et al., 1989, for grey images of any size and ten classes."""
    strided = {"kernel_size": 5, "strides": 2, "padding": "same", "use_bias": False}
    images = keras.Input((28, 28, 1))
    x = layers.Resizing(16, 16)(layers.Rescaling(1 / 127.5, offset=-1)(images))  # values from -1 to 1
    h1 = layers.Activation("tanh")(Bias()(layers.Conv2D(12, **strided)(x)))  # (8, 8, 12)
    a, b, c = ops.split(h1, 3, axis=-1)  # four maps each
    pairs = [ops.concatenate(pair, axis=-1) for pair in ((a, b), (b, c), (c, a))]  # eight maps each
    h2 = ops.concatenate([layers.Conv2D(4, **strided)(pair) for pair in pairs], axis=-1)
    h2 = layers.Activation("tanh")(Bias()(h2))  # (4, 4, 12)
    h3 = layers.Dense(30, activation="tanh")(layers.Flatten()(h2))
    return keras.Model(images, layers.Dense(10, name="logits")(h3), name="lenet_1989")


# %%
oldest = lenet_1989()
h1, h2 = 12 * 25 + 8 * 8 * 12, 12 * 8 * 25 + 4 * 4 * 12  # shared weights + a bias per unit
h3, output = 4 * 4 * 12 * 30 + 30, 30 * 10 + 10
by_hand = h1 + h2 + h3 + output
print(f"By hand: {h1:,} + {h2:,} + {h3:,} + {output} = {by_hand:,}; Keras counts {oldest.count_params():,}.")

# %% [markdown]
# The second, LeNet-5 of 1998, is the network that the deck describes and everyone draws. It too was
# not quite what is built today under its name: subsampling had a weight and a bias per map, a map of
# C3 saw only some maps of S2, and the outputs measured the distance to drawn digits.

# %%
paper = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48120, "F6": 10164, "logits": 0}
paper = pd.Series(paper, name="paper, 1998")
today = pd.Series({name: costs[name][1] for name in paper.index}, name="here")
print(pd.concat([paper, today], axis=1).T.assign(total=[paper.sum(), today.sum()]).to_string())

# %%
claim("practice-lenet", measured=f"LeNet-5 of 1998: {model.count_params():,} parameters; the network of 1989: "
      f"{oldest.count_params():,}, its convolutions subsample by their stride",
      holds=kinds == ["Conv2D", "AveragePooling2D"] * 2 + ["Dense"] * 2
      and (model.count_params(), oldest.count_params()) == (61706, 9760))

# %% [markdown]
# So the deck's sentence holds for the network it shows; only the year belongs to its ancestor.
#
# How much did the changes bring? Three networks get the same images, the same recipe and the same
# seeds: that of 1989, LeNet-5 with the tanh of its time, and LeNet-5 with the ReLU of today. What
# counts is the difference seed by seed. We say beforehand that less than half a percentage point would
# not interest us (`margin`), and call a network better only if the whole 95 % interval lies above that.

# %%
_, _, first = train_over_seeds(lambda: compiled(lenet_1989()))
_, _, tanh = train_over_seeds(lambda: compiled(lenet5(activation="tanh")))
scores = {"1989": first, "LeNet-5, tanh": tanh, "LeNet-5, ReLU": relu}
for network, accuracies in scores.items():
    print(f"{network:14s} {' '.join(f'{accuracy:.4f}' for accuracy in accuracies)}")

# %% [markdown]
# A few seeds and a few seconds of training tell only large differences. So we put beside them a record
# of this same page with nearly all the images and four times the epochs (the values of
# `lessons/full/03_lenet.yaml`).

# %%
record = read_result("03_lenet")
size = record["parameters"]
print(f"The record: {record['date']}, {record['hardware']}, by `{record['command']}`.")
figure, axes = plt.subplots(1, 2, figsize=(8.4, 2.5), sharey=True)
plot_by_seed(scores, "test accuracy", f"Here: {train_examples} images, {epochs} epochs", ax=axes[0])
plot_by_seed(record["test_accuracy"], "test accuracy",
             f"Record: {size['train_examples']} images, {size['epochs']} epochs", ax=axes[1])
plt.show()

# %%
words = {True: "better", False: "worse", None: "cannot be told"}
for name, accuracies in (("here", scores), ("record", record["test_accuracy"])):
    for newer, older in (("LeNet-5, tanh", "1989"), ("LeNet-5, ReLU", "LeNet-5, tanh"), ("LeNet-5, ReLU", "1989")):
        result = is_greater(accuracies[newer], accuracies[older], margin)
        print(f"{name:6s} {newer} minus {older}: {result}: {words[result.holds]}")

# %% [markdown]
# Each point is a seed and the black line is the mean. Where the interval reaches below the margin, the
# honest answer is that these runs cannot tell: an interval from three seeds is wide, and one lucky seed
# would have told you anything.
#
# Trained alike on few images, the oldest network is close behind, with less than a sixth of the
# parameters; with more images and epochs the distance grows. Note what the comparison does not
# separate: between 1989 and 1998 the image grew, the maps grew, pooling came, and the number of
# parameters rose, all at once. Between the two LeNet-5 only the activation differs.
#
# ## Which to take

# %%
pd.DataFrame({
    "input": ["16 × 16", "28 × 28", "28 × 28"],
    "parameters": [oldest.count_params(), 61706, 61706],
    "float32 weights": ["39 KB", "247 KB", "247 KB"],
    "test accuracy": [f"{np.mean(values):.3f}" for values in scores.values()],
    "over seeds": [f"{min(values):.3f} to {max(values):.3f}" for values in scores.values()],
    "take it": ["for a few KB", "to repeat the paper", "as the first baseline"],
}, index=list(scores))

# %% [markdown]
# ## Summary
#
# - LeNet-5 is convolution, average, convolution, average, three dense layers: 61,706 parameters, most of
#   them in C5, while most of the work is in C1 and C3.
# - Trained on a sixth of the data for a few seconds it sorts about six of seven test images rightly, and
#   most of its mistakes are made among shirts, tops and coats. Pooling makes it less sensitive to a
#   shift, and its maps coarser.
# - The network of 1989 had 9,760 parameters and let the stride subsample. On few images and with today's
#   recipe it comes close to LeNet-5; with all of them first LeNet-5 and then ReLU lead by more, and it
#   takes several seeds to say by how much.
#
# ## Exercises
#
# **Predict.** Leave out the padding of C1 and give the network the bare 28 × 28 image. How many parameters
# does LeNet-5 have then? Follow the shapes to the flat layer with a pencil first.

# %% tags=["exercise", "exercise-unpadded"]
unpadded_parameters = ...

# %% tags=["check"]
if unpadded_parameters is ...:
    print("Not answered yet: replace the dots above.")
else:
    unpadded = lenet5(padding="valid")
    side = unpadded.get_layer("S4").output.shape[1]
    assert unpadded_parameters != 61706, "C1 is not the only layer that changes: what is the side of S4 now?"
    assert unpadded_parameters == unpadded.count_params(), (
        f"{unpadded_parameters:,} is not it. S4 gives {side} x {side} x 16 numbers, and C5 has 120 units."
    )
    print(f"Right: {unpadded_parameters:,}. Only C5 changes, for it sees {side} x {side} x 16 numbers.")

# %% [markdown]
# **Modify.** Replace both `AveragePooling2D` by `MaxPooling2D`, train over the same seeds, and let
# `is_greater` with this page's `margin` decide. Is the average still a good choice, and does the
# network become less or more sensitive to the shift by a pixel?
#
# **Extend.** LeNet was made for handwritten digits, and scikit-learn brings 1797 real ones of 8 × 8
# pixels: `sklearn.datasets.load_digits()`. Bring them to 28 × 28, keep a fifth aside, and train the
# network of 1989 on the rest. The paper reports 5.0 % errors on its own digits after 23 epochs.
