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
# # 08 · InceptionV3 and Inception-ResNet
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/08_inception_resnet.ipynb)
#
# *GoogLeNet's modules met two ideas of 2015: filters split into a row and a column, and the shortcut of
# ResNet. The result has 56 million parameters and an odd number in all but one of its blocks: 0.2 or less.
# Here you take the filters apart, write the block, and find out what that number is for.*
#
# You will
#
# - split a filter into a row and a column, measure what that saves, and see what it gives up,
# - write the block that adds a small part of an inception module to its input, and look into Inception-ResNet-v2,
#   which has forty of them,
# - switch the scale off, watch maps die, and tell why: is it the start, or the steps?
#
# A minute and a half on two CPU cores · decks: *goods*, "Використані підходи. InceptionV3", and *practice*,
# "INCEPTION RESNET".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
timed_images = 8  # in the batch whose time is measured
rounds = 5  # timed calls of each kind
data = "fashion_mnist"  # embedded, or any name of TensorFlow Datasets, such as cifar10
image_side = 14  # pixels to which the images are resized
train_examples = 256  # images to train on
epochs = 2  # passes over them
batch_size = 32  # images per training step
blocks = 3  # residual blocks of the small network
width = 0.125  # of their filters, as a share of the published network's
narrow_width = 0.015625  # the same for a narrow network to compare with
scale = 0.2  # of the residual branches, from 0.1 to 0.3 in the paper
learning_rates = [0.0005, 0.002, 0.008, 0.03]  # of Adam, in rising order; the last is meant to be too high
seeds = [10, 11, 12, 13, 14]  # each network is trained once from each; three at least
margin = 0.2  # nats of training loss: a smaller difference does not interest us
dead_margin = 10  # percentage points of dead maps: likewise

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import math

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops

from helpers.architectures import build
from helpers.architectures.inception import activate, conv_chain, conv_unit
from helpers.claims import claim
from helpers.complexity import layer_table
from helpers.datasets import load_arrays
from helpers.drawings import plot_block
from helpers.evaluation import is_equal, is_greater
from helpers.plots import plot_curves, plot_images, use_course_style
from helpers.profiling import interleaved_times
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])
rng = np.random.default_rng(seeds[0])

# %% [markdown]
# ## A row, then a column
#
# Lesson 06 made large filters affordable by giving them fewer maps to read. A year later Szegedy and others
# made the filters themselves thinner (December 2015, "Rethinking the Inception Architecture for Computer
# Vision"). To see n × n pixels, look along a row of n first, then down a column of n of what was found: a 1 × n
# convolution and an n × 1. For as many maps all the way that takes 2n weights where n × n takes n²:
#
# $$\frac{n + n}{n^2} = \frac{2}{n}$$
#
# Two 3 × 3 see 5 × 5 pixels and cost 18/25 of one 5 × 5, as lesson 05 found. Count all of it where the paper uses
# it, on maps of 17 × 17, and time it: the kinds in turn, of each the fastest of several calls.

# %%
chains = {
    "3 × 3": [(3, 3)], "1 × 3, 3 × 1": [(1, 3), (3, 1)],
    "5 × 5": [(5, 5)], "3 × 3, 3 × 3": [(3, 3), (3, 3)], "1 × 5, 5 × 1": [(1, 5), (5, 1)],
    "7 × 7": [(7, 7)], "1 × 7, 7 × 1": [(1, 7), (7, 1)],
}


def chain(kernel_sizes, side=17, filters=192):
    """Return a model of convolutions one after the other, which keep size and number of the maps."""
    maps = x = keras.Input((side, side, filters))
    for kernel_size in kernel_sizes:
        x = layers.Conv2D(filters, kernel_size, padding="same", activation="relu")(x)
    return keras.Model(maps, x)


# %%
models = {name: chain(kernel_sizes) for name, kernel_sizes in chains.items()}
maps = ops.convert_to_tensor(rng.standard_normal((timed_images, 17, 17, 192)).astype("float32"))
seconds = interleaved_times(
    {name: lambda model=model: ops.convert_to_numpy(model(maps)) for name, model in models.items()}, rounds
)
costs = pd.DataFrame({name: {
    "weights": layer_table(model)["parameters"].sum() / 1e6,
    "multiply-adds": layer_table(model)["multiply_adds"].sum() / 1e6,
    "milliseconds": 1e3 * seconds[name] / timed_images,
} for name, model in models.items()}).T

# %%
for square, thin in (("3 × 3", "1 × 3, 3 × 1"), ("5 × 5", "3 × 3, 3 × 3"), ("5 × 5", "1 × 5, 5 × 1"),
                     ("7 × 7", "1 × 7, 7 × 1")):
    row = costs.loc[thin] / costs.loc[square]
    print(f"{thin:13s} instead of {square}: {row['multiply-adds']:4.0%} of {costs['multiply-adds'][square]:3.0f} "
          f"million multiply-adds, {row['milliseconds']:4.0%} of {costs['milliseconds'][square]:.1f} ms an image here.")

# %% [markdown]
# The count is the formula's, 2/n: two thirds for n = 3, two sevenths for n = 7. The time falls too, but usually
# by less: two layers are two calls, and both read and write all the maps. The larger the filter, the more there
# is to save.
#
# ### What it gives up
#
# By way of *one* map between, a row and a column make a kernel whose rows are multiples of each other: 7 + 7
# numbers instead of 49, a matrix of rank one. Each further map adds another such matrix. How many does a
# diagonal line need? The singular value decomposition gives the best choice for each number.

# %%
line = np.eye(7) + (np.eye(7, k=1) + np.eye(7, k=-1)) / 2  # the kernel that we want
columns, sizes, rows = np.linalg.svd(line)
middles = (1, 2, 3, 7)
kernels = [columns[:, :middle] * sizes[:middle] @ rows[:middle] for middle in middles]
titles = [f"{middle} between:\n{np.sum(sizes[:middle] ** 2) / np.sum(sizes**2):.0%} kept" for middle in middles]
plot_images(np.array(kernels), titles, columns=4, heading="The best that a row and a column can make of a diagonal",
            ax=plt.subplots(figsize=(6.4, 2.4))[1])
plt.show()

# %% [markdown]
# (Kept: the share of the line's squares.) One map makes a blot, seven make the line. InceptionV3 has 128 or more
# between, but shared: all the 7 × 7 kernels from 128 maps to 192, laid out as one matrix of (128 · 7) × (7 · 192),
# have rank 128 at most, where 896 is possible. How much of kernels drawn at random survives that?

# %%
shared = rng.standard_normal((128 * 7, 7 * 192))  # (inputs x places in the row, places in the column x outputs)
squares = np.linalg.svd(shared, compute_uv=False) ** 2
print(f"The best row and column with 128 maps between keep {squares[:128].sum() / squares.sum():.0%} of the squares.")

# %% [markdown]
# Most of what a 7 × 7 could be is out of reach, though trained kernels are not random, and a ReLU between the
# two adds what no single kernel can do. That this does little harm on 17 × 17 is the authors' experience, not
# algebra.
#
# The authors kept the activation: with it, in one network, 77.2 % of answers were right, without it 76.2 % (figure
# 2, for a 5 × 5 made of two 3 × 3). They also say where not to do it: rows and columns work badly in early
# layers, and very well on maps of 12 to 20 pixels a side, with n = 7 (section 3.2).
#
# ## InceptionV3
#
# So its three kinds of module differ by the size of their maps. On 35 × 35 a 5 × 5 is left, and another becomes
# two 3 × 3; on 17 × 17 there are rows and columns of seven; on 8 × 8, the last, a row and a column of three
# stand *side by side*, to make more maps. (Every convolution is followed by batch normalisation and ReLU.) To halve
# the maps, strided convolutions and a pooling stand side by side; an auxiliary classifier and label smoothing help
# in training (sections 4, 5 and 7).

# %%
figure, axes = plt.subplots(2, 1, figsize=(6.6, 6.6), height_ratios=[1.5, 1.1])
plot_block([("", "17 × 17 × 768"), [
    ["1 × 1, 192"], ["1 × 1, 128", "1 × 7, 128", "7 × 1, 192"],
    ["1 × 1, 128", "7 × 1, 128", "1 × 7, 128", "7 × 1, 128", "1 × 7, 192"], ["average 3 × 3", "1 × 1, 192"],
], ("concatenate", "17 × 17 × 768")], "The first module on 17 × 17 (mixed4)", ax=axes[0])
plot_block([("", "8 × 8 × 2048"), [
    ["1 × 1, 320"], ["1 × 1, 384", [["1 × 3, 384"], ["3 × 1, 384"]]],
    ["1 × 1, 448", "3 × 3, 384", [["1 × 3, 384"], ["3 × 1, 384"]]], ["average 3 × 3", "1 × 1, 192"],
], ("concatenate", "8 × 8 × 2048")], "The last module", ax=axes[1])
plt.show()

# %%
v3 = layer_table(build("inception_v3", (299, 299, 3), 1000))
places = {"stem": "stem", **{f"mixed{index}": "35 × 35" for index in range(3)}, "mixed3": "to 17 × 17",
          **{f"mixed{index}": "17 × 17" for index in range(4, 8)}, "mixed8": "to 8 × 8", "mixed9": "8 × 8",
          "mixed10": "8 × 8", "logits": "logits"}
part = v3.index.str.extract(r"^(stem|mixed\d+|logits)", expand=False).map(places)
bill = v3.groupby(part, sort=False)[["parameters", "multiply_adds"]].sum()
for name, count, work in bill.itertuples():
    print(f"{name:10s} {count:10,} parameters, {count / v3.parameters.sum():3.0%}; {work / 1e6:5,.0f} million "
          f"multiply-adds, {work / v3.multiply_adds.sum():3.0%}")
print(f"in all     {v3.parameters.sum():10,} parameters; {v3.multiply_adds.sum() / 1e9:.2f} billion multiply-adds")

# %% [markdown]
# The modules on 17 × 17, with the filters of seven pixels, have more than a quarter of the parameters and do a
# third of the work. What would they have if each row and column were one 7 × 7?

# %%
thin, square = 0, 0
for filters in (128, 160, 160, 192):  # of the four modules on 17 x 17
    for before, between, after in ((filters, filters, 192), (filters, filters, filters), (filters, filters, 192)):
        thin += 7 * before * between + 7 * between * after
        square += 7 * 7 * before * after
total = v3.parameters.sum()
print(f"Rows and columns of the four modules: {thin:,} weights. As 7 × 7: {square:,}, and InceptionV3 would have "
      f"{(total - thin + square) / 1e6:.1f} million parameters instead of {total / 1e6:.1f} million.")

# %% [markdown]
# ### What it won
#
# The slide of *goods* dates it rightly: Google, December 2015. But it says that it "won ImageNet in 2015 (error
# 4.2 %)", and that joins two things that do not belong together.
#
# - The contest of 2015 was won by ResNet, with 3.57 % of top-5 errors on the test images (lesson 07). An entry of
#   InceptionV3 came close: four networks together, with many crops, 3.6 % (the paper's abstract).
# - 4.2 % is *one* InceptionV3 at its best: 144 crops of each validation image, whose answers are averaged
#   (table 4). With one crop, as one would use it, the paper has 5.6 %, and of top-1 errors 21.2 %. (The weights
#   that Keras ships are from another training: 77.9 % right, hence 22.1 % errors.)
#
# An error is worth little without its conditions: which images, how many crops, how many networks.
#
# ## A small part of a module, added to the input
#
# In February 2016 three of the authors and a colleague asked whether their modules would gain by ResNet's shortcut
# (Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
# Learning"). Their answer: training becomes much faster, and the result, on some evidence, better by a thin margin
# (abstract).
#
# To be added, the answers of the branches need the shape of the input. So a 1 × 1 follows their
# concatenation, which gives as many maps as came in; it has no activation, since what is added may well be
# negative. And before the addition all is multiplied by a small number, the *scale* s:
#
# $$y = \mathrm{ReLU}(x + s\,g(x))$$

# %%
plot_block([("x", "17 × 17 × 1088"), [
    [[["1 × 1, 192"], ["1 × 1, 128", "1 × 7, 160", "7 × 1, 192"]], ("concatenate", "17 × 17 × 384"),
     ("1 × 1, 1088, no activation", "g(x)"), "× 0.1"], [],
], "+", "ReLU"], "A block of Inception-ResNet-v2")
plt.show()


# %%
def scaled_residual(x, branches, scale, activation="relu", convolution=layers.Conv2D, name="residual", **kinds):
    """Add to the input a small part of what an inception module makes of it: x + s g(x)."""
    kinds |= {"activation": activation, "convolution": convolution}
    y = [conv_chain(x, units, f"{name}_branch{index + 1}", **kinds) for index, units in enumerate(branches)]
    y = layers.Concatenate(name=f"{name}_joined")(y)
    y = convolution(x.shape[-1], 1, padding="same", name=f"{name}_conv")(y)
    return layers.Add(name=f"{name}_add")([x, layers.Rescaling(scale, name=f"{name}_scale")(y)])


# %% [markdown]
# (`conv_chain` puts convolutions one after the other, each with batch normalisation and activation; `branches`
# lists filters and kernel size of each. The ReLU after the sum comes later, as the very last block of the
# network has none.)
#
# The deck says that Inception-ResNet joins inception blocks and shortcuts. Check it on a block of the size 8 ×
# 8, an eighth as wide: are these the branches of an inception module, and is what comes out the input plus s
# times what they say? Two copies with the same weights, one with s = 0:

# %%
branches = [(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]  # (filters, kernel size), on maps of 8 x 8


def one_block(scale):
    """Return a block for maps of 8 x 8 x 260 as a model, which also gives g(x)."""
    x = keras.Input((8, 8, 260))
    block = keras.Model(x, scaled_residual(x, branches, scale, width=1 / 8))
    return keras.Model(x, [block.output, block.get_layer("residual_conv").output])


noise = rng.standard_normal((2, 8, 8, 260)).astype("float32")
block, silent = one_block(scale), one_block(0.0)
silent.set_weights(block.get_weights())
answer, branch = (ops.convert_to_numpy(each) for each in block(noise))
copied = np.array_equal(ops.convert_to_numpy(silent(noise)[0]), noise)
gap = np.abs(answer - (noise + scale * branch)).max()
readers = [layer.name for layer in block.layers[1:] if layer.input is block.input]
added = block.get_layer("residual_add").input[0] is block.input
print(f"{len(readers)} convolutions read the input itself, and so does the addition: {added}.")
print(f"With s = 0 the block answers with its input, bit for bit: {copied}.")
print(f"With s = {scale} the answer differs from x + {scale} g(x) by {gap:.1g}; g(x) goes down to {branch.min():.1f}.")

# %% [markdown]
# ## The whole network
#
# Five, ten and five such blocks are in the paper's drawing, on maps of 35 × 35, 17 × 17 and 8 × 8. Its authors
# published a network with twice as many, [10, 20 and
# 10](https://github.com/tensorflow/models/blob/master/research/slim/nets/inception_resnet_v2.py), with scales
# of 0.17, 0.1 and 0.2 and the stem of InceptionV3; only the very last block has neither scale nor ReLU. This is
# what TF-slim and Keras call Inception-ResNet-v2. Between the stacks a *reduction* halves the size.

# %%
network = build("inception_resnet_v2", (299, 299, 3), 1000)
v2 = layer_table(network)
part = v2.index.str.extract("^(stem|mixed|stack.|reduction.|last|logits)", expand=False)
bill = v2.groupby(part, sort=False).agg(
    output=("shape", "last"), parameters=("parameters", "sum"), work=("multiply_adds", "sum"))
for name, shape, count, work in bill.itertuples():
    size = " × ".join(map(str, shape))
    print(f"{name:10s} gives {size:14s} {count:10,} parameters, {work / 1e6:5,.0f} million multiply-adds")
parameters = int(v2["parameters"].sum())
print(f"in all {parameters:,} parameters and {v2['multiply_adds'].sum() / 1e9:.2f} billion multiply-adds; "
      f"{(v2['kind'] == 'Conv2D').sum()} convolutions")
published_parameters = keras.applications.InceptionResNetV2(weights=None).count_params()
print(f"The network of that name in keras.applications has {published_parameters:,} parameters.")

# %%
claim("practice-inception-resnet", measured=f"{parameters:,} parameters; a block is {len(readers)} branches of "
      "convolutions on its input, whose answers are added to it by a shortcut, times the scale",
      holds=bool(parameters == published_parameters == 55_873_736
                 and len(readers) == 2 and added and copied and gap < 1e-5))

# %% [markdown]
# The forty blocks have four fifths of the parameters; the twenty in the middle alone do half of the work.
#
# ## Why the scale?
#
# The authors say what happened without it (section 3.3): with more than 1000 filters the networks "died" early
# in training. After a few tens of thousands of steps the last layer before the average gave nothing but zeros,
# whatever the image. A lower learning rate did not prevent it, nor did one more batch normalisation. Scales of
# 0.1 to 0.3 did. They do not say why. Let us look.
#
# ### Is it the start?
#
# Every block adds something, so the sum grows along the network. Does it grow too much? Batch normalisation
# brings each map to variance 1, and after ReLU its mean square is one half. Of these h the last 1 × 1 makes
# g(x), with weights which Keras draws with a variance of $2 / (n_{in} + n_{out})$, so the variance of g(x)
# should be
#
# $$n_{in} \cdot \frac{2}{n_{in} + n_{out}} \cdot \frac{1}{2} = \frac{n_{in}}{n_{in} + n_{out}},$$
#
# however large x has become: a *sum* over the blocks, not a product. Measure it in the full network, freshly
# drawn, with four pictures. To take the scale away we need no other network: dividing the weights of each last
# 1 × 1 by s gives the same as s = 1.

# %%
pictures, _ = load_arrays("goods", "test[:4]", image_size=(299, 299))
names = [f"stack{stack}_block{index + 1}" for stack, count in ((1, 10), (2, 20), (3, 10)) for index in range(count)]
look = keras.Model(network.inputs[0], [network.get_layer(f"{name}_{kind}").output
                                       for kind in ("conv", "add") for name in names])


def sizes():
    """Return the RMS of every block's g(x) and of every sum, with the batch's own statistics."""
    rms = [float(np.sqrt(np.mean(ops.convert_to_numpy(each) ** 2))) for each in look(pictures, training=True)]
    return np.array(rms[:len(names)]), np.array(rms[len(names):])


branch_sizes, sums = {}, {}
branch_sizes["as published"], sums["as published"] = sizes()
for name in names:
    convolution = network.get_layer(f"{name}_conv")
    convolution.kernel.assign(convolution.kernel / network.get_layer(f"{name}_scale").scale)
branch_sizes["with s = 1"], sums["with s = 1"] = sizes()

# %%
for stack in (1, 2, 3):
    first = names.index(f"stack{stack}_block1")
    *_, n_in, n_out = network.get_layer(f"{names[first]}_conv").kernel.shape
    print(f"Stack {stack}: g(x) of the first block has an RMS of {branch_sizes['as published'][first]:.2f}, "
          f"expected: {math.sqrt(n_in / (n_in + n_out)):.2f}.")
ax = plot_curves(sums, "block, from the image on", "RMS of the sum", "The size of the sums before training")
for start in (10.5, 30.5):
    ax.axvline(start, color="black", ls=":", lw=1)
    ax.text(start, 0.1, " reduction")
ax.set(ylim=(0, None))
plt.show()
for name, values in sums.items():
    print(f"{name:12s}: from {values[0]:.2f} after the first block to {values.max():.2f} at most")

# %% [markdown]
# With the published scales the sums hardly change within a stack; without them they grow from block to block,
# about as the square root of a sum of equal parts does. (A reduction passes on the largest of nine values. The
# last step of the lower curve is the block without a scale.) In the end that is a few times as much, which the
# next normalisation takes back. So far nothing looks deadly; the training below decides.
#
# ### Or is it the steps?
#
# The last 1 × 1 of each block is the only convolution here without normalisation. Adam in its first steps moves
# each of its weights by about the learning rate, however small the gradient. And these moves add up: behind a
# ReLU no h is negative, so where the loss wants a map lower, all the weights of this map go down together. One
# step can then move g(x) by as much as
#
# $$\text{learning rate} \times \sum h,$$
#
# and the more filters, the longer the sum. Behind batch normalisation and ReLU the mean of h is about
# $1 / \sqrt{2 \pi} = 0.4$. Compare with the size that g(x) has at the start, in the last stack of the published
# network and in blocks with fewer filters, as in the networks we train.

# %%
def push(share, rate, factor=1.0):
    """Return how far one step can move factor times g(x), where the filters are a share of the published ones."""
    n_in = round(192 * share) + round(256 * share)  # the ends of both branches
    return factor * rate * n_in / math.sqrt(2 * math.pi)


for share in (narrow_width, width / 2, width, 1.0):
    n_in, n_out = round(192 * share) + round(256 * share), round(2080 * share)
    step, rms = push(share, learning_rates[-1]), math.sqrt(n_in / (n_in + n_out))
    print(f"{n_out:4d} maps from {n_in:3d} inputs: a step at a rate of {learning_rates[-1]:g} can move g(x) by "
          f"{step:.2f}; at the start it has an RMS of {rms:.2f}.")

# %% [markdown]
# g(x) is as large as ever, and the step grows with the width. All blocks push the same total at once. A map
# that is pushed below zero for all images is cut by the ReLU: it gives zeros, gets no gradient through this
# sum, and hardly comes back. A scale makes each such push smaller. If that is the reason,
#
# 1. without the scale maps should die at learning rates at which they live with it;
# 2. a narrow network should bear more than a wide one;
# 3. to *start* with a small g(x) should help less than the scale does.
#
# The third is the sharpest test. To multiply by 0.2, or to divide the weights of the last 1 × 1 by five, gives the
# same answers before the first step. The two differ only in how far a step of this 1 × 1 moves the sum.
#
# Test that on a small network: two convolutions, a few blocks as on 8 × 8 with an eighth of the filters, the
# average. The scale is a variable like the learning rate, so that one compiled network serves for all.

# %%
images, labels = load_arrays(data, f"train[:{train_examples}]", image_size=(image_side, image_side))
num_classes, loss = int(labels.max()) + 1, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
recipes = {"no scale": (1.0, 1.0), f"scale {scale}": (scale, 1.0), "small start": (1.0, scale),
           "s = 0.5": (0.5, 1.0)}  # scale, start
print(f"{len(images)} images of shape {images.shape[1:]}, {epochs * math.ceil(len(images) / batch_size)} steps, "
      f"{round(2080 * width)} maps in the sum, {round(2080 * narrow_width)} in the narrow network.")


def normalization(name):
    """Normalise with moving statistics that follow a short training."""
    return layers.BatchNormalization(momentum=0.9, name=name)


# %%
def small_network(width):
    """Return a compiled network of a few residual blocks, which share one variable for their scale."""
    inputs, factor = keras.Input(images.shape[1:]), keras.Variable(1.0, trainable=False)
    x = conv_unit(layers.Rescaling(1 / 255)(inputs), 32, 3, 2, normalization=normalization, name="stem1")
    x = conv_unit(x, round(2080 * width), 3, 2, normalization=normalization, name="stem2")
    for index in range(blocks):
        name = f"block{index + 1}"
        x = scaled_residual(x, branches, factor, name=name, width=width, normalization=normalization)
        x = activate(x, "relu", name=f"{name}_activation")
    model = keras.Model(inputs, layers.Dense(num_classes, name="logits")(layers.GlobalAveragePooling2D()(x)))
    steps_at_once = 1 if keras.backend.backend() == "torch" else math.ceil(len(images) / batch_size)
    model.compile(keras.optimizers.Adam(), loss, steps_per_execution=steps_at_once)  # PyTorch takes one step at a time
    return model


def set_recipe(model, recipe, learning_rate):
    """Set the scale and the learning rate, and multiply the last weights of each branch by the start."""
    factor, start = recipes[recipe]
    model.get_layer("block1_scale").scale.assign(factor)
    model.optimizer.learning_rate = learning_rate
    for index in range(blocks):
        kernel = model.get_layer(f"block{index + 1}_conv").kernel
        kernel.assign(start * kernel)


# %% [markdown]
# `restarts` draws the weights anew from each seed. From these same weights each recipe is trained, at each
# rate, with the same batches in the same order: so the differences are due to the recipe alone.

# %%
def dead_maps(look):
    """Return which percentage of the maps is zero everywhere, on all of 128 images."""
    last = ops.convert_to_numpy(look(images[:128], training=True))  # (images, height, width, maps)
    return 100 * np.mean(np.all(last == 0, axis=(0, 1, 2)))


def train_all(width, variants):
    """Train each variant (recipe, learning rate) from each seed; return last losses and dead maps before and after."""
    found, look = {variant: {"loss": [], "before": [], "dead": []} for variant in variants}, None
    for model in restarts(lambda: small_network(width), seeds):
        look = look or keras.Model(model.inputs[0], model.get_layer(f"block{blocks}_activation").output)
        variables = [*model.variables, *model.optimizer.variables]
        first = [ops.convert_to_numpy(variable).copy() for variable in variables]
        for variant in variants:
            for variable, value in zip(variables, first):
                variable.assign(value)
            set_recipe(model, *variant)
            found[variant]["before"].append(dead_maps(look))
            history = model.fit(images, labels, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)
            found[variant]["loss"].append(history.history["loss"][-1])
            found[variant]["dead"].append(dead_maps(look))
    return found


# %% [markdown]
# The rule, before we look, seed by seed and with the whole 95 % interval, at the highest learning rate: a
# recipe does worse than the scaled one if its training loss is higher by more than `margin`; it kills maps if
# more than `dead_margin` points more of them are dead; and width matters if that is so of the wide network
# against the narrow one. And each at its own best rate: are the networks with and without scale equal to within
# the margin? (Rates, widths and blocks were settled on the seeds 0 to 4; the page has others. The lowest rate
# and the right picture came later.)

# %%
highest, scaled = learning_rates[-1], f"scale {scale}"
variants = [(recipe, rate) for recipe in ("no scale", scaled) for rate in learning_rates]
wide = train_all(width, [*variants, ("small start", highest), ("s = 0.5", highest)])
half, narrow = (train_all(share, [("no scale", highest)]) for share in (width / 2, narrow_width))
before = [value for runs in (wide, half, narrow) for run in runs.values() for value in run["before"]]
print(f"Before training at most {max(before):.1f} % of the maps are dead, in any network and from any seed.")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 4))
curves = {recipe: np.transpose([wide[recipe, rate]["loss"] for rate in learning_rates])  # (seeds, rates)
          for recipe in ("no scale", scaled)}
plot_curves(curves, "learning rate of Adam", "training loss (nats)", "Loss after training, by learning rate",
            ax=axes[0])
axes[0].set_xticks(range(1, len(learning_rates) + 1), [f"{rate:g}" for rate in learning_rates])
dead = {recipe: wide[recipe, highest]["dead"] for recipe in recipes}
pushes = {recipe: push(width, highest, factor) for recipe, (factor, start) in recipes.items()}
narrower = {"half the width": (width / 2, half), f"{round(2080 * narrow_width)} maps": (narrow_width, narrow)}
for name, (share, runs) in narrower.items():
    dead[name], pushes[name] = runs["no scale", highest]["dead"], push(share, highest)
for name, marker in zip(dead, "os^DvP"):
    aside = 0.02 * (name in ("small start", "half the width"))  # to lie beside those with as long a step
    axes[1].plot(np.full(len(seeds), pushes[name] + aside), dead[name], marker, alpha=0.7, label=name)
lower = [(push(width, rate, recipes[recipe][0]), np.mean(wide[recipe, rate]["dead"]))
         for recipe, rate in variants if rate < highest]
axes[1].plot(*np.transpose(lower), "x", color="black", label="lower rates, means")
axes[1].set(title=f"Dead maps at a rate of {highest:g}", xlabel="how far one step can move the sum",
            ylabel="maps that are zero everywhere (%)", ylim=(-5, 105))
axes[1].legend()
plt.show()

# %%
words = {True: "beyond the margin", False: "the other way round", None: "not surely beyond the margin"}


def tell(names, unit, result):
    """Print a comparison over seeds."""
    print(f"{names}: {result.mean:+.2f} {unit}, 95 % interval {result.low:+.2f} to {result.high:+.2f}; "
          f"{words[result.holds]}.")


for recipe, other in (("no scale", scaled), ("small start", scaled), ("no scale", "small start")):
    names = f"{recipe} minus {other}"
    tell(names, "nats of loss", is_greater(wide[recipe, highest]["loss"], wide[other, highest]["loss"], margin))
    tell(names, "points of dead maps", is_greater(dead[recipe], dead[other], dead_margin))
tell(f"no scale, {round(2080 * width)} maps minus {round(2080 * narrow_width)}", "points of dead maps",
     is_greater(dead["no scale"], narrow["no scale", highest]["dead"], dead_margin))

# %%
best = {recipe: min(learning_rates, key=lambda rate: np.mean(wide[recipe, rate]["loss"])) for recipe in curves}
result = is_equal(*(wide[recipe, rate]["loss"] for recipe, rate in best.items()), margin)
words = {True: "equal to within the margin", False: "different by more than the margin", None: "this run cannot tell"}
if result.holds and result.low * result.high > 0:
    words[True] = "different, but by less than the margin"
print(f"Each at its best rate, {best['no scale']:g} and {best[scaled]:g}, no scale minus {scaled}: {result} nats; "
      f"{words[result.holds]}.")

# %% [markdown]
# Read the pictures first. On the left (line: mean; band: lowest to highest seed) the plain sum pays more for
# the highest rate; at the lowest it is ahead: a longer step may help there. On the right (a marker for each
# seed, some moved aside) the plain sum kills a good part of its maps. A scale of a fifth keeps most of them
# alive, the narrow network needs no scale, and the small start lies near no scale: its steps are as long. That
# is what the three predictions said. To halve the scale or the width shortens the step alike, and kills about
# alike. But this step is not all: lower rates (crosses) kill hardly a map, even with a step as long as that of
# the scaled network. The rate also moves all other weights, and no scale shortens that.
#
# Seeds differ much in how many maps die, so with five not every interval need lie beyond its margin. With ten
# (`-p seeds "[10, 11, 12, 13, 14, 15, 16, 17, 18, 19]"`) the comparisons with the scaled network and that of
# the widths all did.
#
# Each at its best rate, the two are much nearer to each other (last line). What we measured of the scale is
# this: at a high rate fewer maps die, and the loss is lower. The paper found no more: scaling never seemed to
# harm the final accuracy, and it steadied the training.
#
# What we have *not* shown is the paper's own case: 16 steps are not tens of thousands, here a lower learning
# rate does help, and for them even a warm-up at 0.00001 was not enough. Nor did they use Adam, but RMSProp with
# an ε of 1, which leaves small gradients small. The zeros, the cure and the part of the width are the same;
# that the cause is, too, is likely, not proved.
#
# The number outlived its network. EDSR, which enlarges images and has no normalisation at all, multiplies its
# residual branches by 0.1 (Lim et al., 2017, "Enhanced Deep Residual Networks for Single Image
# Super-Resolution"), and deep image transformers learn a scale for every map, tiny at first (Touvron et al.,
# 2021, "Going deeper with Image Transformers": *LayerScale*).
#
# ## Which to take

# %%
published = {  # side of the images, top-1 accuracy on ImageNet, when to take these weights
    "googlenet": (224, "68.7 %", "(has none) for its place in history"),
    "resnet50": (224, "74.9 %", "first: plain and fast"),
    "inception_v3": (299, "77.9 %", "for 3 points more: as many weights, half more work"),
    "inception_resnet_v2": (299, "80.3 %", "for another 2.4 points, at 2.3 times the price"),
}
tables = {"inception_v3": v3, "inception_resnet_v2": v2}
tables |= {name: layer_table(build(name, (224, 224, 3), 1000)) for name in ("googlenet", "resnet50")}
pd.DataFrame.from_dict({name: {
    "images": f"{side} pixels",
    "parameters": f"{tables[name].parameters.sum() / 1e6:.1f} M",
    "float32 weights": f"{tables[name].weight_bytes.sum() / 1e6:.0f} MB",
    "multiply-adds": f"{tables[name].multiply_adds.sum() / 1e9:.1f} billion",
    "published top-1": top1,
    "with the weights that Keras ships": reason,
} for name, (side, top1, reason) in published.items()}, orient="index")

# %% [markdown]
# (One crop of each validation image. GoogLeNet as [retrained in
# Caffe](https://github.com/BVLC/caffe/tree/master/models), the others as [Keras ships
# them](https://keras.io/api/applications/).) Their training differs as well as their design. With a recipe of 2021
# ResNet-50 reaches 80.4 % at 224 × 224 without extra data (Wightman et al., "ResNet strikes back"): as much as the
# last row, for less than a third of its multiply-adds. If you train yourself, begin there. Lesson 11 compares
# quality with time.
#
# ## Summary
#
# - A row and a column cost 2/n of an n × n filter. By way of one map they make kernels of rank one only; a hundred
#   maps between are shared by all outputs. What is given up did little harm in the authors' networks.
# - InceptionV3 has 23,851,784 parameters. Its 4.2 % of top-5 errors are one network and 144 crops; ResNet won
#   the contest of 2015.
# - A block of Inception-ResNet adds s times an inception module's answer to its input, and a 1 × 1 without
#   activation gives that the right shape. Forty of them make most of the 55,873,736 parameters.
# - Before training the sums look harmless with or without the scale. In training the scale shortens the steps
#   of the only convolutions without normalisation. In our small network fewer maps died with it at a high rate,
#   and the loss was lower; a narrower network needed no scale, and a small start helped less.
#
# ## Exercises
#
# **Predict.** Suppose the blocks had no normalisation, and each g(x) came out as large as its x: the same
# variance, and independent of it. x has variance 1 before the first block, and there is no ReLU after the sum.
# What is its variance after ten blocks with s = 0.3?

# %% tags=["exercise", "exercise-variance"]
variance_after_ten = ...

# %% tags=["check"]
if variance_after_ten is ...:
    print("Not answered yet: replace the dots above.")
else:
    right = (1 + 0.3**2) ** 10
    hints = {
        1 + 10 * 0.3**2: "That is with normalisation: each block adds the same. Here g(x) grows with x.",
        1.3**10: "Nearly: of independent numbers the variances add up, so square the scale.",
        (1 + 0.3**2) ** 5: "That is the standard deviation. Its square was asked for.",
        2.0**10: "That is without the scale. What is the variance of 0.3 g(x)?",
        1.0: "Each block adds 0.3 g(x) to x, and independent numbers do not cancel: the variance grows.",
    }
    assert isinstance(variance_after_ten, int | float | np.number), "Write a number, such as 1.5, or a formula for it."
    hint = [text for value, text in hints.items() if math.isclose(variance_after_ten, value, rel_tol=0.004)]
    assert math.isclose(variance_after_ten, right, rel_tol=0.004), (
        hint[0] if hint else "Not this. By what factor does one block multiply the variance of x?"
    )
    x = rng.standard_normal(100_000)
    for _ in range(10):
        x = x + 0.3 * x.std() * rng.standard_normal(len(x))
    print(f"Right: {right:.2f}; with 100,000 random numbers it is {x.var():.2f}. Without the scale it would be "
          f"{2**10:,}, after forty blocks a million million: there normalisation is what tames the start.")

# %% [markdown]
# **Modify.** Is 0.2 a magic number? Set `scale` to 0.5, then to 0.05, and run the page again. Which share of the
# maps dies at each rate, and what becomes of the best loss?
#
# **Extend.** The paper's own case, on a GPU: `width = 1.0`, ten blocks, a learning rate of 0.0001 and as many steps
# as you can pay for, with a look at the dead maps every thousand. Do they come? If they do, is it
# Adam's stride? Try `keras.optimizers.SGD` with momentum as well, and `keras.optimizers.RMSprop(epsilon=1.0)`, the
# paper's.
