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
# # 06 · GoogLeNet
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/06_googlenet.ipynb)
#
# *In 2014 two networks went deep. VGG paid for it with 138 million parameters; GoogLeNet went deeper
# still with 7 million. Here you build it on one screen, take its savings away one by one, and see
# which of them pays for what, in operations and in parameters.*
#
# You will
#
# - write an inception module in six lines of Keras, and see what each of its four branches sees,
# - tell what a 1 × 1 convolution computes, measure what it saves, and ask whether it costs accuracy,
# - build all 22 layers, account for their 7 million parameters, and find out what the auxiliary heads do.
#
# A minute on two CPU cores · deck *practice*, "GoogleNet *Inception*, 2014".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
train_examples = 3072  # Fashion-MNIST images for the small networks, at most 56000
epochs = 2  # passes over them
batch_size = 32  # images per training step
learning_rates = {"with 1 × 1": [0.02], "without": [0.02]}  # to try, of Adam
seeds = [0, 1, 2]  # each network is trained once from each; three at least
margin = 0.02  # test accuracy: a smaller difference between two networks does not interest us
timed_images = 32  # in the batch whose time is measured
rounds = 5  # timed calls of each kind
head_weight = 0.3  # factor on the loss of each auxiliary head

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import gc
import math
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops

from helpers.architectures import build
from helpers.claims import claim
from helpers.complexity import layer_table
from helpers.datasets import class_names, load_arrays
from helpers.drawings import plot_block, plot_layers
from helpers.evaluation import is_equal, is_greater
from helpers.plots import plot_by_seed, plot_curves, plot_images, use_course_style
from helpers.profiling import interleaved_times, latency
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])
rng = np.random.default_rng(seeds[0])


# %% [markdown]
# ## One input, four branches
#
# Should the next layer look at 3 × 3 pixels or at 5 × 5? What it has to find comes in several sizes,
# so Szegedy et al. (2014, "Going Deeper with Convolutions") did not choose: an *inception module* does
# both, and 1 × 1 and a pooling besides, and lays the answers side by side as maps for the next one.
# Here is the first of nine, which the paper calls 3a.

# %%
plot_block([
    ("maps from before", "28 × 28 × 192"),
    [[("1 × 1", "64")], [("1 × 1", "96"), ("3 × 3", "128")], [("1 × 1", "16"), ("5 × 5", "32")],
     [("pool 3 × 3", "192"), ("1 × 1", "32")]],
    ("concatenate", "28 × 28 × 256"),
], "Inception module 3a: maps after each step")
plt.show()


# %% [markdown]
# In Keras a branch is a line. Padding keeps the side of the maps, also in the pooling, which moves by
# one pixel only, so that the four answers fit together.

# %%
def conv(x, filters, kernel_size, strides=1, name=None):
    """Convolve with padding, and apply ReLU."""
    return layers.Conv2D(filters, kernel_size, strides, padding="same", activation="relu", name=name)(x)


def inception(x, ones, reduce3, threes, reduce5, fives, pooled, name=None):
    """Look at the same maps with four branches, and lay their answers side by side."""
    branch1 = conv(x, ones, 1)
    branch3 = conv(conv(x, reduce3, 1), threes, 3)
    branch5 = conv(conv(x, reduce5, 1), fives, 5)
    branch_pool = conv(layers.MaxPooling2D(3, strides=1, padding="same")(x), pooled, 1)
    return layers.Concatenate(name=name)([branch1, branch3, branch5, branch_pool])


# %% [markdown]
# The deck says that filters of several sizes are applied to the same data. Build module 3a and ask it:
# which of its layers read the incoming maps, and is what comes out just their answers, channel by
# channel?

# %%
maps = keras.Input((28, 28, 192), name="maps")
module = keras.Model(maps, inception(maps, 64, 96, 128, 16, 32, 32, name="3a"))
readers = [layer for layer in module.layers[1:] if layer.input is maps]
for layer in readers:
    height, width = layer.kernel_size if isinstance(layer, layers.Conv2D) else layer.pool_size
    print(f"{type(layer).__name__} of {height} x {width} reads the maps themselves, gives {layer.output.shape[-1]}.")

# %%
branches = module.get_layer("3a").input  # the four that are laid side by side
look = keras.Model(maps, [*branches, module.output])
noise = rng.standard_normal((1, 28, 28, 192)).astype("float32")
*answers, joined = (ops.convert_to_numpy(each) for each in look(noise))
exact = bool(np.array_equal(np.concatenate(answers, axis=-1), joined))
print(" + ".join(str(answer.shape[-1]) for answer in answers), f"= {joined.shape[-1]} maps; the output is the four "
      f"answers, to the last bit: {exact}.")

# %% [markdown]
# No convolution of 3 × 3 or 5 × 5 reads the maps themselves: a 1 × 1 stands before each (the next
# section says why). So what do the branches see? Change one pixel of the incoming maps, and look which
# units of each branch notice.

# %%
touched = noise.copy()
touched[0, 14, 14] += 10.0  # all 192 channels of one pixel
*after, _ = (ops.convert_to_numpy(each) for each in look(touched))
noticed = [(np.abs(new - old).max(axis=-1)[0] > 1e-3) for old, new in zip(answers, after)]  # (28, 28), by branch
sides = [int(max(each.any(axis=0).sum(), each.any(axis=1).sum())) for each in noticed]
kinds = ["1 × 1", "1 × 1, 3 × 3", "1 × 1, 5 × 5", "pool, 1 × 1"]
plot_images(np.array(noticed)[:, 10:19, 10:19].astype(float), kinds, columns=4, value_range=(0, 1),
            heading="White: units that notice the pixel in the middle", ax=plt.subplots(figsize=(6, 1.9))[1])
plt.show()

# %%
claim("practice-googlenet-parallel", measured=f"{len(readers)} branches read one and the same tensor; they see "
      f"{', '.join(f'{side} x {side}' for side in sides)} of it, and are laid side by side unchanged: {exact}",
      holds=len(readers) == 4 and sides == [1, 3, 5, 3] and exact)

# %% [markdown]
# So the deck is right about what the branches *see*: windows of 1, 3 and 5 pixels on the same maps, and
# a pooling of 3. A 1 × 1 in front does not widen a window; it only changes what comes through it.
#
# ## What a 1 × 1 convolution is
#
# A filter of 1 × 1 sees no neighbours. It sees all *channels* of one pixel and makes one number of them,
# so 16 filters are a dense layer from 192 numbers to 16, the same at every pixel. Give a dense layer the
# weights of the convolution, and compare.

# %%
pointwise, dense = layers.Conv2D(16, kernel_size=1), layers.Dense(16)
convolved = ops.convert_to_numpy(pointwise(noise))
dense.build((None, 192))
kernel, bias = pointwise.get_weights()  # (1, 1, 192, 16) and (16,)
dense.set_weights([kernel[0, 0], bias])
difference = np.abs(ops.convert_to_numpy(dense(noise)) - convolved).max()
by_hand = np.abs(noise[0, 5, 7] @ kernel[0, 0] + bias - convolved[0, 5, 7]).max()
print(f"From {noise.shape[1:]} to {convolved.shape[1:]}: the dense layer differs by {difference:.1g}, "
      f"and a matrix product at row 5, column 7 by {by_hand:.1g}.")


# %% [markdown]
# The maps keep their size and lose *depth*, from 192 channels to 16, by a mixture that is learned. What
# does that save? The multiply-adds of a convolution are the pixels of its output times its filters times the
# weights of one filter.

# %%
def multiply_adds(side, kernel_size, depth, filters):
    """Return the multiply-adds of a convolution that keeps maps of side x side pixels, for one image."""
    return side**2 * kernel_size**2 * depth * filters


fewer = {}
for kernel_size, reduced, filters in ((3, 96, 128), (5, 16, 32)):  # in module 3a
    direct = multiply_adds(28, kernel_size, 192, filters)
    first, then = multiply_adds(28, 1, 192, reduced), multiply_adds(28, kernel_size, reduced, filters)
    fewer[kernel_size] = direct / (first + then)
    print(f"{kernel_size} x {kernel_size}, 192 to {filters}: {direct / 1e6:5.1f} million multiply-adds. By way of "
          f"{reduced}: {first / 1e6:.1f} + {then / 1e6:.1f} = {(first + then) / 1e6:.1f} million, "
          f"{fewer[kernel_size]:.1f} times fewer.")


# %% [markdown]
# The 5 × 5 gains most, for its input is reduced most: from 192 maps to 16.
#
# ### And in time?
#
# Count is not time. Here are both convolutions of 3a, and the 5 × 5 of 4a and 5a, whose maps are smaller and
# deeper, with and without the 1 × 1 on this machine: the two in turn, and of each the fastest of several calls.

# %%
def reduction_times(side, kernel_size, depth, reduced, filters):
    """Return the seconds of a convolution, of the same after a 1 x 1, and of the 1 x 1 alone."""
    images = ops.convert_to_tensor(rng.standard_normal((timed_images, side, side, depth)).astype("float32"))
    direct, after = (layers.Conv2D(filters, kernel_size, padding="same", activation="relu") for _ in range(2))
    reduction = layers.Conv2D(reduced, kernel_size=1, activation="relu")
    return interleaved_times({
        "direct": lambda: ops.convert_to_numpy(direct(images)),
        "reduced": lambda: ops.convert_to_numpy(after(reduction(images))),
        "1 x 1": lambda: ops.convert_to_numpy(reduction(images)),
    }, rounds)


# %%
cases = {"3a, 3 × 3": (28, 3, 192, 96, 128), "3a, 5 × 5": (28, 5, 192, 16, 32),
         "4a, 5 × 5": (14, 5, 480, 16, 48), "5a, 5 × 5": (7, 5, 832, 32, 128)}
measured = {}
for name, (side, kernel_size, depth, reduced, filters) in cases.items():
    seconds = reduction_times(side, kernel_size, depth, reduced, filters)
    first = multiply_adds(side, 1, depth, reduced)
    work = {"direct": multiply_adds(side, kernel_size, depth, filters),
            "reduced": first + multiply_adds(side, kernel_size, reduced, filters)}
    rate = {kind: timed_images * work[kind] / seconds[kind] / 1e9 for kind in work}
    measured[name] = {"multiply-adds": work["direct"] / work["reduced"], "time": seconds["direct"] / seconds["reduced"]}
    print(f"{name}: {1e3 * seconds['direct']:5.1f} ms directly, {1e3 * seconds['reduced']:5.1f} ms after the 1 x 1, "
          f"{1e3 * seconds['1 x 1']:.1f} of them for it; at {rate['direct']:.0f} and {rate['reduced']:.0f} billion "
          "multiply-adds per second")

# %%
bars = pd.DataFrame(measured).T
ax = bars.plot.bar(rot=0, figsize=(6, 3.2), color=["C0", "C1"])
for patch in ax.containers[1]:
    patch.set_hatch("//")
for container in ax.containers:
    ax.bar_label(container, fmt="%.1f", fontsize=9)
ax.set(title="Work and time saved by the 1 × 1", ylabel="times fewer, times faster", xlabel="module, convolution")
ax.margins(y=0.12)
ax.grid(axis="x", visible=False)
ax.legend()
plt.show()

# %% [markdown]
# Before the 3 × 3, where it leaves half of the maps, the 1 × 1 saves about as much time as work. Before the 5 ×
# 5, where it leaves few, the time falls less than the count: the 1 × 1 still has to read all the maps, and with
# 16 or 32 filters a machine gets through fewer multiply-adds per second, as the printed rates say.

# %%
claim("practice-googlenet-1x1", measured=f"in module 3a {fewer[5]:.1f} times fewer multiply-adds for the 5 x 5 and "
      f"its 1 x 1, {fewer[3]:.1f} times fewer for the 3 x 3 and its own; {bars['time']['3a, 5 × 5']:.1f} and "
      f"{bars['time']['3a, 3 × 3']:.1f} times faster here",
      holds=bool((bars["multiply-adds"] > 1).all()))


# %% [markdown]
# ### Does it cost accuracy?
#
# Two channels for 32 is a narrow gate: something may be lost. Compare two small networks that differ
# in the reductions alone: a convolution, then modules 3a and 4a with an eighth of their filters, on
# 28 × 28 pixels of Fashion-MNIST. GoogLeNet learns slowly at first, so we add batch normalisation, which came
# a year later. The last 2000 training images are kept aside for validation.

# %%
if train_examples > 56000:
    raise ValueError(f"Only 56000 images are for training. Received: train_examples={train_examples}")
train_images, train_labels = load_arrays("fashion_mnist", f"train[:{train_examples}]")
validation = load_arrays("fashion_mnist", "train[-2000:]")
test = load_arrays("fashion_mnist", "test[:4000]")
names = class_names("fashion_mnist")
print(f"{train_examples} images to train on, {len(validation[0])} to choose by, {len(test[0])} to judge.")


# %%
def unreduced(x, ones, reduce3, threes, reduce5, fives, pooled, name=None):
    """Look with the four branches of ``inception``, but without the 1 x 1 before the 3 x 3 and the 5 x 5."""
    branch_pool = conv(layers.MaxPooling2D(3, strides=1, padding="same")(x), pooled, 1)
    return layers.Concatenate(name=name)([conv(x, ones, 1), conv(x, threes, 3), conv(x, fives, 5), branch_pool])


loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
cosine = keras.optimizers.schedules.CosineDecay


def normalise(x):
    """Bring each channel to mean 0 and variance 1 over the batch."""
    return layers.BatchNormalization(momentum=0.9)(x)  # 0.99 is for more steps than we take


def small_network(module, learning_rate):
    """Return a compiled network of two modules for images of 28 x 28 pixels and ten classes."""
    images = keras.Input((28, 28, 1))
    x = normalise(conv(layers.Rescaling(1 / 255)(images), 32, kernel_size=3, strides=2))  # (14, 14, 32)
    x = normalise(module(x, 8, 12, 16, 2, 4, 4, name="3a"))  # (14, 14, 32)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = normalise(module(x, 24, 12, 26, 2, 6, 8, name="4a"))  # (7, 7, 64)
    model = keras.Model(images, layers.Dense(10, name="logits")(layers.GlobalAveragePooling2D()(x)))
    steps = epochs * math.ceil(train_examples / batch_size)
    model.compile(keras.optimizers.Adam(cosine(learning_rate, steps)), loss, metrics=["accuracy"],
                  steps_per_execution=1 if keras.backend.backend() == "torch" else 16)  # PyTorch takes one at a time
    return model


# %% [markdown]
# `restarts` draws the weights of one network anew from each seed, without compiling it again. Where
# `learning_rates` lists several, the one best on the validation images is kept; here it lists the one
# kept when 0.005, 0.01 and 0.02 were tried.

# %%
def train_over_seeds(module, learning_rate):
    """Train a small network from each seed; return per seed its accuracies, seconds and weights."""
    runs = []
    for model in restarts(lambda: small_network(module, learning_rate), seeds):
        start = time.perf_counter()
        model.fit(train_images, train_labels, batch_size=batch_size, epochs=epochs, verbose=0)
        seconds = time.perf_counter() - start
        found = [model.evaluate(*data, batch_size=500, verbose=0)[1] for data in (validation, test)]
        runs.append({"validation": found[0], "test": found[1], "seconds": seconds, "weights": model.get_weights()})
    return runs


runs, size = {}, {}
for name, module in (("with 1 × 1", inception), ("without", unreduced)):
    tried = [train_over_seeds(module, rate) for rate in learning_rates[name]]
    runs[name] = max(tried, key=lambda found: np.mean([run["validation"] for run in found]))
    size[name] = layer_table(small_network(module, 0.01))

# %%
scores = {name: [run["test"] for run in found] for name, found in runs.items()}
plot_by_seed(scores, "test accuracy", "Two modules, a point per seed")
plt.show()
for name, found in runs.items():
    print(f"{name:10s} {size[name].parameters.sum():6,} parameters, {size[name].multiply_adds.sum() / 1e6:.1f} million "
          f"multiply-adds; test accuracy {np.mean(scores[name]):.3f}; trained in "
          f"{min(run['seconds'] for run in found):.1f} s")
result = is_equal(scores["with 1 × 1"], scores["without"], margin)
words = {True: "within", False: "outside", None: "not shown to be within or outside"}
print(f"With minus without: {result}; {words[result.holds]} the margin of {margin}.")

# %% [markdown]
# If the interval reaches beyond the margin, these few seeds cannot tell; a network without reductions
# may well be the better one for as many filters. (Nor do the two differ in the width of the gate alone: each 1 × 1
# brings a ReLU with it.) The paper's bet was another: that the work saved is better spent on more modules and
# more filters.
#
# And what do the branches make of an image? Here are maps of 3a in the trained network of the last seed,
# four of each branch.

# %%
model = small_network(inception, 0.01)
model.set_weights(runs["with 1 × 1"][-1]["weights"])
look = keras.Model(model.input, model.get_layer("3a").input)
image, label = test[0][:1], names[test[1][0]]
answers = [ops.convert_to_numpy(each)[0] for each in look(image)]  # (14, 14, filters) of each branch
tiles, titles = [], []
for kind, answer in zip(kinds, answers):
    strongest = np.argsort(-answer.mean(axis=(0, 1)), kind="stable")[:4]
    tiles.extend(np.moveaxis(answer[..., strongest], -1, 0))
    titles.extend([kind] * len(strongest))
plot_images(np.array(tiles), titles, columns=8, heading=f"{label}: four maps of each branch, the strongest first")
plt.show()

# %% [markdown]
# Each map has its own grey scale; white is where a filter found much, and one that is black all over found
# nothing. The 1 × 1 can only mix what the first convolution found at the same pixel; the 3 × 3 and the 5 × 5
# answer to arrangements of it; the pooling passes on the largest of nine. The next module gets all of that at once.
#
# ## The whole network
#
# A stem that shrinks the image, nine modules with a pooling before the third and the eighth, the mean of each
# map, one dense layer. The numbers are the rows of the paper's table 1; the rest fits on the same screen. (Left
# out are the stem's two local response normalisations, as in AlexNet, which have no weights.
# `build("googlenet", ...)` makes the same network, with options such as width and batch normalisation.)

# %%
modules = {  # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, 1x1 after the pooling
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


# %%
def halve(x, name=None):
    """Halve the side of the maps by a maximum of 3 x 3."""
    return layers.MaxPooling2D(3, strides=2, padding="same", name=name)(x)


def nine_modules(module=inception, ending=layers.GlobalAveragePooling2D):
    """Build GoogLeNet with a module and an ending of your choice, for 224 x 224 pixels and 1000 classes."""
    images = keras.Input((224, 224, 3), name="image")
    x = halve(conv(layers.Rescaling(1 / 255)(images), 64, kernel_size=7, strides=2, name="conv1"))
    x = halve(conv(conv(x, 64, kernel_size=1), 192, kernel_size=3, name="conv2"), name="stem")
    for name, filters in modules.items():
        x = module(halve(x) if name in ("4a", "5a") else x, *filters, name=name)
    x = layers.Dropout(0.4)(ending(name="mean")(x))
    return keras.Model(images, layers.Dense(1000, name="logits")(x), name="googlenet")


# %%
googlenet = nine_modules()
rows = layer_table(googlenet)
ends = ["stem", *modules, "logits"]  # a part ends with the layer of its name
part = np.searchsorted([rows.index.get_loc(name) for name in ends], np.arange(len(rows)))
table = rows.groupby(np.array(ends)[part], sort=False).agg(
    output=("shape", "last"), parameters=("parameters", "sum"), multiply_adds=("multiply_adds", "sum"))
print(table.to_string(formatters={"parameters": "{:,}".format, "multiply_adds": "{:,}".format}))

# %%
shown = ["image", "conv1", "conv2", "4e", "mean", "logits"]
plot_layers({name: googlenet.get_layer(name).output.shape[1:] for name in shown},
            "The stem shrinks the maps fast, the modules add more of them")
plt.show()


# %% [markdown]
# The stem does 30 % of the work with 2 % of the parameters; 5a and 5b do 8 % with 36 %. As in LeNet, large maps
# cost work, and many maps cost parameters.
#
# "22 layers deep", says the paper, and counts the layers with weights on the longest way from image to
# logits. Follow it: a layer stands one deeper than the deepest layer that it reads.

# %%
def depth_of(model):
    """Return how many layers with weights stand on the longest way through a model."""
    depth = {id(model.input): 0}
    for layer in model.layers[1:]:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        depth[id(layer.output)] = max(depth[id(each)] for each in inputs) + bool(layer.weights)
    return depth[id(model.output)]


weighted = sum(bool(layer.weights) for layer in googlenet.layers)
parameters = googlenet.count_params()
print(f"{depth_of(googlenet)} layers deep, {weighted} layers with weights in all, {parameters:,} parameters.")

# %%
with_heads = build("googlenet", (224, 224, 3), 1000, auxiliary=True).count_params()
claim("practice-googlenet-params", measured=f"{parameters:,} parameters, {with_heads:,} while training with the "
      "auxiliary heads", holds=round(parameters / 1e6) == 7)

# %% [markdown]
# The deck is right, and the number is worth a closer look, as several are about.
#
# - *12 times fewer than AlexNet*, says the paper (section 1), which would be 5 million, as its successor
#   says (Szegedy et al., 2015, "Rethinking the Inception Architecture", section 1). Its own table of
#   filters gives seven.
# - *6,624,904*, says torchvision. It took over TensorFlow's version, in which by mistake the 5 × 5 is a
#   3 × 3 ([issue 906](https://github.com/pytorch/vision/issues/906)), and which has batch normalisation:
#   two parameters for each filter instead of a bias. We can tell to the last one.

# %%
smaller = sum(16 * reduce5 * fives for _, _, _, reduce5, fives, _ in modules.values())  # 25 - 9 weights of each
filters = sum(layer.filters for layer in googlenet.layers if isinstance(layer, layers.Conv2D))
print(f"{parameters:,} - {smaller:,} for 3 x 3 + {filters:,} for batch normalisation = "
      f"{parameters - smaller + filters:,}.")

# %% [markdown]
# ### What pays for what
#
# Two things make it small: the reductions, and the mean of each map before the dense layer, which comes
# from Lin et al. (2013, "Network In Network"). AlexNet and VGG flatten their last maps instead and give
# every place its own weights. Take the two away in turn.

# %%
variants = {
    "GoogLeNet": lambda: googlenet,
    "without 1 × 1\nreductions": lambda: nine_modules(module=unreduced),
    "flattened,\nnot averaged": lambda: nine_modules(ending=layers.Flatten),
    "AlexNet": lambda: build("alexnet", (227, 227, 3), 1000),
    "VGG16": lambda: build("vgg16", (224, 224, 3), 1000),
}
costs, seconds = {}, {}
for name, make in variants.items():
    network = make()
    costs[name] = layer_table(network)
    if name in ("GoogLeNet", "AlexNet", "VGG16"):  # for the table at the end
        seconds[name] = latency(network, batch_sizes=[1], rounds=rounds)[1]
    del network
    gc.collect()  # VGG16 alone takes half a gigabyte

# %%
bill = pd.DataFrame({name: {
    "convolutions": table.parameters[table.kind == "Conv2D"].sum() / 1e6,
    "dense layers": table.parameters[table.kind == "Dense"].sum() / 1e6,
    "multiply-adds": table.multiply_adds.sum() / 1e9,
} for name, table in costs.items()}).T
ax = bill[["convolutions", "dense layers"]].plot.barh(stacked=True, figsize=(6.5, 3.2), color=["C0", "C1"])
for patch in ax.containers[1]:
    patch.set_hatch("//")
for row, (dense_end, work) in enumerate(zip(bill.iloc[:, :2].sum(axis=1), bill["multiply-adds"])):
    ax.text(dense_end + 1, row, f"{work:.1f} billion multiply-adds", va="center", fontsize=9)
ax.invert_yaxis()
ax.set(title="Averages save parameters, reductions save work", xlabel="parameters (millions)", xlim=(0, 200))
ax.grid(axis="x")
ax.grid(axis="y", visible=False)
ax.legend(loc="upper right")
plt.show()

# %%
for name, row in bill.iloc[1:].iterrows():
    total, ratio = row.iloc[:2].sum(), row["multiply-adds"] / bill["multiply-adds"].iloc[0]
    print(f"{' '.join(name.split()):26s} {total:5.1f} million parameters, {1e6 * total / parameters:4.1f} times "
          f"GoogLeNet's, {row['dense layers'] / total:3.0%} in dense layers; {ratio:.1f} times the multiply-adds")

# %% [markdown]
# So the deck's four points belong together: filters of several sizes are affordable because the 1 × 1
# makes their input thin. But the 7 million owe more to the average than to the 1 × 1. Of AlexNet and VGG
# most parameters sit in dense layers that GoogLeNet does not have. (The paper found the average 0.6 %
# better in top-1 accuracy, too.)
#
# Let it answer a picture of `goods`, enlarged to the size it expects.

# %%
pictures, picture_labels = load_arrays("goods", "test[:6]")
batch = ops.image.resize(ops.convert_to_tensor(pictures.astype("float32")), (224, 224))
probabilities = ops.convert_to_numpy(ops.softmax(googlenet(batch[:1])))[0]
plot_images(pictures[:1], [class_names("goods")[picture_labels[0]]])
plt.show()
print(f"Of 1000 classes it gives {probabilities.max():.3%} to the likeliest, {probabilities.min():.3%} to the "
      "unlikeliest; guessing gives each 0.100%.")

# %% [markdown]
# It has learned nothing yet, so that is a guess. Its authors trained it on a cluster of CPUs, and estimated
# a week on a few good GPUs (section 6).
#
# ## Auxiliary heads
#
# Would the gradient get through so many layers to the front? The authors doubted it and hung two more
# classifiers on modules 4a and 4d: an average of 5 × 5, a 1 × 1, two dense layers. In training their losses
# are added with a weight of 0.3 each; afterwards the heads are thrown away. `build` gives their logits too.

# %%
headed = build("googlenet", (224, 224, 3), 1000, auxiliary=True)
headed.compile(keras.optimizers.SGD(1.0), loss=[loss] * 3, run_eagerly=keras.backend.backend() == "tensorflow")
heads = headed.count_params() - parameters
print(f"Its outputs are {', '.join(headed.output_names)}. The two heads have {heads:,} parameters, "
      f"{heads / parameters:.0%} of what the network has without them.")


# %% [markdown]
# Do they bring more gradient to the front? Take one step of plain gradient descent with a learning rate of
# 1: what each weight has lost is its gradient. Then put the weights back. (For a single step TensorFlow need
# not compile the network, hence `run_eagerly`.)

# %%
def gradient_by_layer(model, images, labels, head_weight):
    """Return the RMS of the gradient of each layer's kernel, with so much weight on the losses of the heads."""
    start = model.get_weights()
    weights = [np.full(len(images), weight, "float32") for weight in (1.0, head_weight, head_weight)]
    model.train_on_batch(images, [labels] * 3, sample_weight=weights)
    lost = [before - after for before, after in zip(start, model.get_weights())]
    model.set_weights(start)
    names_of_layers = [weight.path.split("/")[-2] for weight in model.weights]
    return {name: float(np.sqrt(np.mean(each**2))) for name, each in zip(names_of_layers, lost) if each.ndim > 1}


# %%
batch = ops.convert_to_numpy(batch)  # the six pictures, enlarged
front_to_back = ["conv1", "conv2", *(f"inception_{name}_3x3" for name in modules), "logits"]
weighting = {"without heads": 0.0, "with heads": head_weight}
gradients = {name: [] for name in weighting}
for seed in seeds:
    keras.utils.set_random_seed(seed)
    headed.set_weights(build("googlenet", (224, 224, 3), 1000, auxiliary=True).get_weights())  # drawn anew
    for name, weight in weighting.items():
        found = gradient_by_layer(headed, batch, picture_labels, weight)
        gradients[name].append([found[layer] for layer in front_to_back])
gradients = {name: np.array(found) for name, found in gradients.items()}  # (seeds, layers)

# %%
shown = ["conv1", "conv2", *modules, "logits"]
ax = plot_curves(gradients, "layer (of a module: its 3 × 3)", "RMS of the weights' gradient",
                 "The heads raise the gradient of what stands before them")
ax.set_yscale("log")
ax.set_xticks(range(1, len(shown) + 1), shown, rotation=45)
for module in ("4a", "4d"):
    ax.axvline(shown.index(module) + 1.5, color="black", ls=":", lw=1)
    ax.text(shown.index(module) + 1.55, ax.get_ylim()[1], "head", va="top", fontsize=9)
plt.show()

# %%
ratios = gradients["with heads"] / gradients["without heads"]  # (seeds, layers)
for first, last in (("conv1", "4a"), ("4b", "4d"), ("4e", "logits")):
    factors = ratios[:, shown.index(first):shown.index(last) + 1]
    print(f"From {first} to {last} the heads make the gradient {np.exp(np.log(factors).mean()):.1f} times as large "
          f"({factors.min():.1f} to {factors.max():.1f} over layers and seeds).")
front = np.log2(ratios[:, :shown.index("4a") + 1]).mean(axis=1)  # doublings of what stands before both, by seed
result = is_greater(front, np.zeros(len(seeds)), margin=1)
words = {True: "more than doubled", False: "not doubled", None: "not shown to be doubled"}
print(f"Before both heads it is {words[result.holds]}: {result} doublings.")

# %% [markdown]
# The line is the mean over the seeds. Each head adds to the layers before it and leaves those behind it
# alone, but for the other values that dropout drops each time. A larger loss alone would not do that: the three
# losses weigh 1.6 together, and to count the main loss 1.6 times would raise the gradient 1.6 times at every layer,
# the logits included. So the heads do what they were made for. Look at the lower curve, too: from 3a to the
# logits it is nearly level, and higher still in front. At the start, and from Glorot's weights, which are Keras'
# default, the front is not short of gradient.
#
# And in training? That takes days, so we can only report. The authors' later control experiments found an
# effect of about half a percent, and one head as good as two (section 5 of the paper). A year later they wrote that
# heads did not speed up the start, that they helped a little near the end, and that they think of them as
# regularisers (Szegedy et al., 2015, section 4). Batch normalisation and the shortcuts of lesson 07 keep
# gradients alive at less expense. Today classifiers mostly do without heads; some later networks, Inception v3
# among them, were still trained with one.
#
# ## Which to take

# %%
published = {  # layers deep, top-1 and top-5 accuracy on ImageNet, when to take it
    "AlexNet": (8, "57.1 %", "80.2 %", "for its place in history: least work, least accurate"),
    "VGG16": (16, "71.3 %", "90.1 %", "as a plain backbone, where memory is plenty"),
    "GoogLeNet": (depth_of(googlenet), "68.7 %", "88.9 %", "of these three, where memory is scarce"),
}
pd.DataFrame.from_dict({name: {
    "layers deep": depth,
    "parameters": f"{costs[name].parameters.sum() / 1e6:.1f} million",
    "float32 weights": f"{costs[name].weight_bytes.sum() / 1e6:.0f} MB",
    "multiply-adds": f"{costs[name].multiply_adds.sum() / 1e9:.2f} billion",
    "one image, here": f"{1e3 * seconds[name]:.0f} ms",
    "top-1": top1,
    "top-5": top5,
    "take it": reason,
} for name, (depth, top1, top5, reason) in published.items()}, orient="index")

# %% [markdown]
# Multiply-adds do not tell the time: for one image AlexNet does half of GoogLeNet's work, but has nine times
# the weights to read. Accuracies are for one crop of the
# middle: AlexNet and GoogLeNet as [retrained in Caffe](https://github.com/BVLC/caffe/tree/master/models), VGG16
# as [Keras ships it](https://keras.io/api/applications/). In the contest of 2014 GoogLeNet won with 6.67 % of
# top-5 errors, ahead of VGG with 7.32 %, both with several networks and many crops of each image. Today none of
# the three is the first choice: lessons 07, 10 and 11 have networks that are better at each price.
#
# ## Summary
#
# - An inception module sends the same maps through four branches, which see windows of side 1, 3, 5 and 3,
#   and lays their answers side by side.
# - A 1 × 1 convolution is a dense layer at every pixel. Before the 5 × 5 of module 3a it leaves a tenth of
#   the multiply-adds; the time falls by less, as thin convolutions are slower work. Whether that costs accuracy,
#   a few seeds on two small modules need not tell.
# - 22 layers with weights, 6,998,552 parameters. The reductions save work above all, the average before
#   the dense layer parameters above all. The auxiliary heads nearly double the network while it trains.
#
# ## Exercises
#
# **Predict.** The paper draws a naive module first (figure 2a): no 1 × 1 before the 3 × 3 and the 5 × 5, and
# none after the pooling, so that the pooled maps come out as many as they went in. If all nine modules were
# like that, with the filters of `modules` and 192 maps from the stem, how many maps would leave 5b?

# %% tags=["exercise", "exercise-naive"]
naive_maps = ...

# %% tags=["check"]
if naive_maps is ...:
    print("Not answered yet: replace the dots above.")
else:
    added = [ones + threes + fives for ones, _, threes, _, fives, _ in modules.values()]
    right = 192 + sum(added)
    narrow = {name: googlenet.get_layer(name).output.shape[-1] for name in ("5a", "5b")}
    hints = {
        narrow["5b"]: "That is GoogLeNet: its 1 x 1 after the pooling keeps the depth down.",
        sum(added): "Nearly: the maps of the stem are passed on by every pooling, too.",
        narrow["5a"] + added[-1]: "That is a naive 5b after eight modules of GoogLeNet.",
        added[-1]: "That is what 5b adds; its pooling passes on all that came in.",
        192 + added[0]: "That is what leaves 3a: eight modules follow.",
    }
    assert isinstance(naive_maps, int | np.integer), "Write a whole number without a comma, such as 1024."
    assert naive_maps == right, hints.get(
        naive_maps, "Not this. Which maps does a naive module hand on, and which does it add?"
    )
    ones, _, threes, _, fives, _ = modules["5b"]
    weights = (right - added[-1]) * (ones + 9 * threes + 25 * fives)
    print(f"Right: {right:,}. Pooling never takes a map away. The filters of 5b alone would have "
          f"{weights / 1e6:.0f} million weights, {weights / parameters:.1f} times those of all GoogLeNet.")

# %% [markdown]
# **Modify.** The paper's bet was that work saved is better spent elsewhere. Multiply the filters of
# `small_network` by a factor, choose it so that `layer_table` shows as many multiply-adds with the
# reductions as `unreduced` needs without, and train over the seeds. Does `is_greater` with this page's
# `margin` say that the bet was good?
#
# **Extend.** Train `build("googlenet", (28, 28, 1), 10, width=0.25, stem="small", auxiliary=True)` on a GPU, with a
# weight of 0.3 on the heads and with 0, over five seeds, once as it is and once with
# `normalization=layers.BatchNormalization`. When do the heads help: early, late, or not at all?
