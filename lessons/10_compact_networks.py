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
# # 10 · Compact networks
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/10_compact_networks.ipynb)
#
# *Three blocks made networks small enough for a telephone: the fire module, the depthwise separable
# convolution and the inverted residual. Here you write each in five lines, count what it saves on
# paper, measure what it saves on your machine, and see why the second is less than the first.*
#
# You will
#
# - write the three blocks, and rebuild SqueezeNet and both MobileNets to the last parameter,
# - show that a separable convolution is a plain one with a simple kernel, and what a ReLU destroys where
#   channels are few,
# - draw the roofline of your machine, and read from it which layers its memory holds back.
#
# A minute on two CPU cores · decks: *goods*, "Використані підходи. SqueezeNet" and "Використані підходи MobileNet",
# *speed*, "MobileNetV1", and *binary*, "Выбранные архитектурь".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
side = 56  # pixels of the maps on which layers are timed
channels = 128  # of those maps
timed_images = 16  # maps of so many images at once
step_side = 32  # pixels of the images in a training step
step_images = 32  # images in a training step
rounds = 3  # timed calls of each network in training; of shorter work twice as many
matrices = 2000  # random matrices for each number of channels
seed = 0  # of weights, maps and matrices

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
from scipy import stats

from helpers.architectures import build
from helpers.claims import claim
from helpers.complexity import layer_table
from helpers.datasets import load_arrays
from helpers.drawings import plot_block
from helpers.plots import use_course_style
from helpers.profiling import interleaved_times

use_course_style()
keras.utils.set_random_seed(seed)
rng = np.random.default_rng(seed)

# %% [markdown]
# ## SqueezeNet: the fire module
#
# In 2016 Iandola and his colleagues asked how few parameters give AlexNet's accuracy. Their block squeezes the
# channels by a 1 × 1 convolution, as GoogLeNet does (lesson 06), and expands them again by filters of two sizes
# side by side: half of them 1 × 1, half 3 × 3. Only few filters look at neighbours, and what they look at is thin.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.9), width_ratios=[1, 2])
plot_block([("x", "128 maps"), ("3 × 3 conv, 128", "128 maps"), ""], "Plain", ax=axes[0])
plot_block([("x", "128 maps"), ("1 × 1 conv, 16", "16 maps"), [["1 × 1 conv, 64"], ["3 × 3 conv, 64"]],
            ("side by side", "128 maps"), ""], "Fire module", ax=axes[1])
plt.show()


# %%
def plain(x, filters):
    """Convolve by 3 x 3."""
    return layers.Conv2D(filters, 3, padding="same", activation="relu")(x)


def fire(x, filters):
    """Squeeze the channels to an eighth of the filters, then expand them by 1 x 1 and 3 x 3 side by side."""
    x = layers.Conv2D(filters // 8, 1, activation="relu")(x)
    ones = layers.Conv2D(filters // 2, 1, activation="relu")(x)
    threes = layers.Conv2D(filters // 2, 3, padding="same", activation="relu")(x)
    return layers.Concatenate()([ones, threes])


def cost(block, *arguments, shape=(side, side, channels)):
    """Return parameters and multiply-adds of a block on maps of a shape, for one image."""
    maps = keras.Input(shape)
    return layer_table(keras.Model(maps, block(maps, *arguments)))[["parameters", "multiply_adds"]].sum()


# %%
of_plain, of_fire = cost(plain, channels), cost(fire, channels)
print(f"From {channels} to {channels} maps of {side} x {side}: a plain 3 x 3 has {of_plain.parameters:,} parameters, "
      f"a fire module {of_fire.parameters:,}.")
print(f"The multiply-adds fall from {of_plain.multiply_adds / 1e6:.0f} to {of_fire.multiply_adds / 1e6:.0f} million, "
      f"{of_plain.multiply_adds / of_fire.multiply_adds:.1f} times fewer.")


# %% [markdown]
# Without biases it is exactly twelve times: of $9 c^2$ weights remain
# $\frac{c}{8} (c + \frac{c}{2} + 9 \frac{c}{2}) = \frac{3}{4} c^2$.
#
# Eight such modules make the network, with poolings between them. It ends in the average of each map, as GoogLeNet
# does, but of 1000 maps, one for each class: no dense layer follows.

# %%
def build_squeezenet(module, image_shape=(227, 227, 3), num_classes=1000):
    """Build SqueezeNet 1.0 of fire modules, or of what else is given for them."""
    images = keras.Input(image_shape)
    x = layers.Conv2D(96, 7, strides=2, activation="relu")(layers.Rescaling(1 / 255)(images))
    for number, filters in enumerate((128, 128, 256, 256, 384, 384, 512, 512), start=2):
        if number in (2, 5, 9):
            x = layers.MaxPooling2D(3, strides=2)(x)
        x = module(x, filters)
    x = layers.Conv2D(num_classes, 1)(layers.Dropout(0.5)(x))
    return keras.Model(images, layers.GlobalAveragePooling2D(name="logits")(x))


# %%
full = {"AlexNet": build("alexnet", (227, 227, 3), 1000), "SqueezeNet": build_squeezenet(fire),
        "SqueezeNet 1.1": build("squeezenet_1_1", (227, 227, 3), 1000)}
tables = {name: layer_table(network) for name, network in full.items()}
size = {name: int(table["parameters"].sum()) for name, table in tables.items()}
work = {name: int(table["multiply_adds"].sum()) for name, table in tables.items()}
dense = tables["AlexNet"].query("kind == 'Dense'")["parameters"].sum()
with_plain = build_squeezenet(plain).count_params()
bare = size["AlexNet"] - dense + 257 * 1000  # averaged maps, 256 of them, and one dense layer to the classes
print(f"AlexNet has {size['AlexNet']:,} parameters, {dense / size['AlexNet']:.0%} of them in dense layers; SqueezeNet "
      f"has {size['SqueezeNet']:,}, {size['AlexNet'] / size['SqueezeNet']:.1f} times fewer.")
print(f"With a plain 3 x 3 for each fire module it would have {with_plain:,}, {with_plain / size['SqueezeNet']:.1f} "
      "times as many.")
print(f"AlexNet with averaged maps and one dense layer of 1000 units would have {bare:,}, "
      f"{bare / size['SqueezeNet']:.1f} times as many as SqueezeNet.")

# %% [markdown]
# So the famous fifty is not the block's alone. Within SqueezeNet, fire modules save a factor above six. But
# most of AlexNet's weights go with its dense layers, as Lin et al. had shown in 2013; after that, little more
# than a factor of two is left. (48.8 is for the AlexNet of 2012 with its groups, lesson 04. Torchvision's, with
# 61,100,840, gives 48.9. The paper says 50: 240 MB of weights against 4.8.)
#
# ### Is that little computation?
#
# The *goods* deck says so, beside DenseNet and Inception v3, its other two. That is its standard, and ours: the
# statement holds if SqueezeNet does fewer multiply-adds than both, for one image of the size that each expects.
# But the paper's standard is AlexNet, and there parameters are one thing, work another. Time is a third: one
# image, on this machine.

# %%
def times_of(networks, number):
    """Return the seconds per image that each network takes for so many images at once."""
    def call(network):
        images = rng.integers(0, 256, (number, *network.input.shape[1:])).astype("uint8")
        return lambda: network.predict_on_batch(images)

    seconds = interleaved_times({name: call(network) for name, network in networks.items()}, 2 * rounds)
    return {name: each / number for name, each in seconds.items()}


# %%
alone, in_batch = times_of(full, 1), times_of(full, timed_images)
for name in full:
    print(f"{name:14s} {4 * size[name] / 1e6:3.0f} MB of weights, {work[name] / 1e6:.0f} million multiply-adds: "
          f"{1e3 * alone[name]:4.1f} ms for one image alone, {1e3 * in_batch[name]:.1f} ms each for {timed_images}")

# %%
others = {name: layer_table(build(name, (pixels, pixels, 3), 1000))["multiply_adds"].sum()
          for name, pixels in (("densenet121", 224), ("inception_v3", 299))}
fewer = size["AlexNet"] / size["SqueezeNet"]
claim("goods-squeezenet", measured=f"{size['SqueezeNet']:,} parameters, {fewer:.1f} times fewer than AlexNet; "
      f"{work['SqueezeNet'] / 1e6:.0f} million multiply-adds, {others['densenet121'] / work['SqueezeNet']:.1f} times "
      f"fewer than DenseNet-121, but {work['SqueezeNet'] / work['AlexNet']:.2f} times AlexNet's; one image takes it "
      f"{1e3 * alone['SqueezeNet']:.0f} ms and AlexNet {1e3 * alone['AlexNet']:.0f} ms",
      holds=work["SqueezeNet"] < min(others.values()))

# %% [markdown]
# A fiftieth of the parameters, and *more* work than AlexNet: a weight of a convolution is used at every pixel,
# one of a dense layer once. Time follows neither count. For one image AlexNet must fetch a quarter of a
# gigabyte of weights; several at once can share that. (And AlexNet's convolutions in two groups may meet slow
# code: lesson 04.) What SqueezeNet saves for certain is the file, and the memory for weights. Its authors soon
# brought version 1.1: with 64 first filters of 3 × 3 for 96 of 7 × 7, and pooling earlier, it is as accurate,
# they say, with less than half the work. (The deck's date, 4 November 2016, is that of the paper's last
# revision; it came out on 24 February.)
#
# ## MobileNet: depthwise, then pointwise
#
# A plain 3 × 3 does two things at once: it looks at neighbours, and it mixes channels. Do one after the other.
# A *depthwise* convolution gives each channel one filter of its own; it is the convolution in groups of lesson
# 04 with as many groups as channels. A *pointwise* one, 1 × 1, mixes. Behind each stand batch normalisation and
# a ReLU, cut off at 6 as in the authors' code (ReLU6). The pair is a *depthwise separable* convolution.

# %%
figure, axes = plt.subplots(1, 2, figsize=(6, 2.9))
plot_block([("x", "128 maps"), "3 × 3 conv, 128", ("batch norm., ReLU6", "128 maps"), ""], "Plain", ax=axes[0])
plot_block([("x", "128 maps"), "3 × 3 depthwise", ("batch norm., ReLU6", "128 maps"), "1 × 1 conv, 128",
            ("batch norm., ReLU6", "128 maps"), ""], "Depthwise separable", ax=axes[1])
plt.show()


# %%
def normalise(x):
    """Normalise over the batch, then cut off below 0 and above 6."""
    return layers.Activation("relu6")(layers.BatchNormalization()(x))


def plain_normalised(x, filters, strides=1):
    """Look at neighbours and mix channels at once."""
    return normalise(layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x))


def separable(x, filters, strides=1):
    """Look at neighbours in each channel alone, then mix the channels at each pixel alone."""
    x = normalise(layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(x))
    return normalise(layers.Conv2D(filters, 1, use_bias=False)(x))


# %% [markdown]
# For each pixel a plain 3 × 3 from c to f channels needs $9 c f$ multiply-adds, the pair $9 c + c f$. The ratio is
#
# $$\frac{9 c + c f}{9 c f} = \frac{1}{f} + \frac{1}{9}$$
#
# With many filters the pair saves nearly a factor of nine, and never more: the 1 × 1 remains.

# %%
for filters in (16, 128, 1024):
    of_whole, of_pair = cost(plain_normalised, filters), cost(separable, filters)
    print(f"{filters:4d} filters: {of_whole.multiply_adds / of_pair.multiply_adds:.2f} times fewer multiply-adds; the "
          f"formula says {1 / (1 / filters + 1 / 9):.2f}.")

# %% [markdown]
# ### What is given up
#
# Without normalisation and ReLU between them, the pair is *one* plain convolution. Its kernel is a product,
# $K_{ijcf} = D_{ijc} P_{cf}$: every filter sees a channel through the same 3 × 3 pattern, only stronger or weaker.
# Compose that kernel, and compare.

# %%
maps = rng.standard_normal((2, 12, 12, 32)).astype("float32")
depthwise, pointwise = layers.DepthwiseConv2D(3, use_bias=False), layers.Conv2D(64, 1, use_bias=False)
composed = layers.Conv2D(64, 3, use_bias=False)
pair = ops.convert_to_numpy(pointwise(depthwise(maps)))
with_relu = ops.convert_to_numpy(pointwise(ops.relu(depthwise(maps))))
composed.build(maps.shape)
kernel = depthwise.get_weights()[0] * pointwise.get_weights()[0]  # (3, 3, 32, 1) times (1, 1, 32, 64)
composed.set_weights([kernel])
at_once = ops.convert_to_numpy(composed(maps))
print(f"Depthwise, then pointwise, and one 3 x 3 with the composed kernel differ by "
      f"{np.abs(pair - at_once).max():.0e}, for values up to {np.abs(at_once).max():.1f}.")
print(f"With a ReLU between the two they differ by {np.abs(with_relu - at_once).max():.1f}.")

# %%
patterns = {"composed": kernel, "drawn freely": rng.standard_normal(kernel.shape)}
for name, each in patterns.items():
    ranks = np.linalg.matrix_rank(each.reshape(9, 32, 64).transpose(1, 0, 2), tol=1e-4)  # (32, 9, 64)
    print(f"Kernel {name}: the patterns of the 64 filters on one channel are mixtures of {ranks.max()}.")


# %% [markdown]
# A plain kernel may use nine patterns on each channel, as many as there are pixels; the separable one has one.
# That is what is given up, and the ReLU between is what is gained. The paper's own comparison of the two
# networks, on ImageNet: 71.7 % with plain convolutions, 70.6 % with separable ones (table 4). Here are both,
# without their dropout, which has no weights.

# %%
def build_mobilenet_v1(block, image_shape=(224, 224, 3), num_classes=1000, stem_strides=2, width=1.0):
    """Build MobileNetV1 of separable blocks, or of what else is given for them."""
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    x = normalise(layers.Conv2D(int(32 * width), 3, stem_strides, padding="same", use_bias=False)(x))
    for filters, strides in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *5 * [(512, 1)],
                             (1024, 2), (1024, 1)]:
        x = block(x, int(filters * width), strides)
    return keras.Model(images, layers.Dense(num_classes, name="logits")(layers.GlobalAveragePooling2D()(x)))


# %%
full["MobileNetV1"] = build_mobilenet_v1(separable)
tables["MobileNetV1"] = table = layer_table(full["MobileNetV1"])
size["MobileNetV1"], work["MobileNetV1"] = (int(table[column].sum()) for column in ("parameters", "multiply_adds"))
for name, counts in (("separable", table), ("plain", layer_table(build_mobilenet_v1(plain_normalised)))):
    parameters, multiply_adds = counts["parameters"].sum(), counts["multiply_adds"].sum()
    print(f"MobileNetV1 with {name} convolutions has {parameters:,} parameters and needs {multiply_adds / 1e6:,.0f} "
          "million multiply-adds.")
print(f"That is {parameters / size['MobileNetV1']:.1f} times the parameters, {multiply_adds / work['MobileNetV1']:.1f} "
      "times the work.")
print(f"The MobileNet that Keras ships has {keras.applications.MobileNet(weights=None).count_params():,} parameters.")

# %%
claim("goods-mobilenet", measured=f"MobileNetV1: {size['MobileNetV1']:,} parameters, {work['MobileNetV1'] / 1e6:.0f} "
      f"million multiply-adds, {others['densenet121'] / work['MobileNetV1']:.1f} times fewer than DenseNet-121",
      holds=work["MobileNetV1"] < min(others.values()))

# %% [markdown]
# (17 April 2017 is the paper's date indeed.) Two dials make it smaller still: the size of the images, and a
# *width*, a factor on all filters. Parameters and work fall with its square, nearly.

# %%
share = table.query("kind == 'DepthwiseConv2D'")["multiply_adds"].sum() / work["MobileNetV1"]
print(f"The depthwise convolutions do {share:.0%} of the work, the 1 x 1 nearly all the rest.")
for width in (0.5, 0.25):
    narrow = layer_table(build_mobilenet_v1(separable, width=width))
    parameters, multiply_adds = narrow["parameters"].sum(), narrow["multiply_adds"].sum()
    print(f"Width {width:4}: {parameters / 1e6:.2f} million parameters, {multiply_adds / 1e6:.0f} million "
          f"multiply-adds, {multiply_adds / work['MobileNetV1']:.2f} of them all, where the square is {width**2:.2f}.")

# %% [markdown]
# ## MobileNetV2: the inverted residual
#
# If the 1 × 1 does nearly all the work, the channels are what costs. Nine months later Sandler and his colleagues
# passed few channels from block to block, and gave each block many to work in. ResNet's bottleneck is wide,
# narrow, wide, with the shortcut between the wide ends (lesson 07). Theirs is narrow, wide, narrow: hence
# *inverted*.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 4))
plot_block([("x", "256 maps"), [[("1 × 1 conv, 64", "64 maps"), ("3 × 3 conv, 64", "64 maps"), "1 × 1 conv, 256"], []],
            ("+", "256 maps"), "ReLU"], "Bottleneck of ResNet", ax=axes[0])
plot_block([("x", "24 maps"), [[("1 × 1 conv, 144", "144 maps"), ("3 × 3 depthwise", "144 maps"), "1 × 1 conv, 24"],
                               []], ("+", "24 maps"), ""], "Inverted residual", ax=axes[1])
plt.show()


# %% [markdown]
# (Normalisation and the ReLU6 behind the first two convolutions are left out of the drawing.) Behind the last
# convolution there is normalisation, but no ReLU: the narrow ends are *linear*.

# %%
def inverted(x, filters, strides=1, expansion=6):
    """Expand the channels, look at neighbours in each, project them back; add the input where it fits."""
    y = x
    if expansion > 1:
        y = normalise(layers.Conv2D(expansion * x.shape[-1], 1, use_bias=False)(y))
    y = normalise(layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(y))
    y = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(y))  # no ReLU
    return layers.Add()([x, y]) if strides == 1 and x.shape[-1] == filters else y


# %%
thin = (side, side, 24)  # as in the second stack of MobileNetV2
of_inverted, of_wide = cost(inverted, 24, shape=thin), cost(plain_normalised, 144, shape=(side, side, 144))
of_pair, same = cost(separable, channels), cost(inverted, channels)
print(f"Inverted residual, 24 to 144 to 24 maps: {of_inverted.multiply_adds / 1e6:.0f} million multiply-adds; a plain "
      f"3 x 3 among the 144 would need {of_wide.multiply_adds / 1e6:.0f} million.")
print(f"Separable block among {channels} maps: {of_pair.multiply_adds / 1e6:.0f} million.")
print(f"Inverted residual on {channels} maps: {same.multiply_adds / 1e6:.0f} million. A plain 3 x 3: "
      f"{cost(plain_normalised, channels).multiply_adds / 1e6:.0f} million.")

# %% [markdown]
# Mind the last line. On as many maps as a plain convolution has, an inverted residual saves nothing: $12 c^2 +
# 54 c$ multiply-adds for each pixel stand against $9 c^2$. It saves because the maps between the blocks may be
# few. Are they enough?
#
# ### Why no ReLU where channels are few
#
# Put points of a spiral, two numbers each, into n channels by a random matrix, apply a ReLU, and ask for the
# points back. Where two channels or more are alive, two equations give the two numbers, exactly. Where the ReLU
# has cut off all but one, or all, the point is lost. A random channel is alive with a chance of one half, so
# that the share of lost ones should be $(n + 1) / 2^n$.

# %%
turn = np.linspace(0.5, 3 * math.pi, 400)
points = np.stack([turn * np.cos(turn), turn * np.sin(turn)]) / turn[-1]  # (2, 400)


def recover(matrix):
    """Send the points through a matrix and a ReLU; return what can be had back, and which points are lost."""
    values = np.maximum(0, matrix @ points)
    found = [np.linalg.pinv(matrix[each > 0]) @ each[each > 0] for each in values.T]
    return np.array(found).T, (values > 0).sum(axis=0) < len(points)


# %%
figure, axes = plt.subplots(1, 4, figsize=(8, 2.5), sharex=True, sharey=True)
for ax, n in zip(axes, (2, 3, 5, 15)):
    found, lost = recover(rng.standard_normal((n, 2)))
    ax.scatter(*found[:, ~lost], s=4, color="C0", label="exact")
    ax.scatter(*found[:, lost], s=10, color="C3", marker="x", lw=0.8, label="lost")
    ax.set(title=f"{n} channels", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal", xticks=[], yticks=[])
axes[0].legend(loc="lower left", fontsize=8, handletextpad=0.1, borderpad=0)
figure.suptitle("What comes back of a spiral after a ReLU", x=0.01, ha="left", fontweight="bold", fontsize=11)
plt.show()

# %%
for n in (2, 3, 5, 15):
    alive = [(rng.standard_normal((n, 2)) @ points > 0).sum(axis=0) for _ in range(matrices)]  # channels, by point
    print(f"{n:2d} channels: {np.mean(np.array(alive) < 2):6.2%} of the points are lost, mean of {matrices} matrices; "
          f"expected {(n + 1) / 2**n:6.2%}.")


# %% [markdown]
# The spiral has two dimensions and is safe among fifteen channels. The narrow end of a block has 24, and
# suppose what it carries fills them all. The same reasoning then wants 24 channels alive among those that the
# ReLU is applied to.

# %%
for expansion in (1, 2, 3, 4, 6):
    lost = stats.binom.cdf(23, 24 * expansion, 0.5)
    print(f"24 channels expanded {expansion} times, then a ReLU: {lost:.2%} of the inputs cannot be had back exactly.")

# %% [markdown]
# By this count a ReLU on the narrow end itself would leave no input whole; after an expansion by six all but none
# is lost. So: ReLU where the block is wide, none where it is narrow. That is a picture, not a proof. Trained
# matrices are not random; we leave out the cut at 6; and a network need not get its input back: the squeezed
# end of the fire module has just such a ReLU, and works. The paper trained both ways, and found the linear end the
# better (section 6.4, figure 6a). The spiral is its idea too (figure 1), though it lets one inverse matrix
# serve all points.
#
# The whole network is a table of seven rows. (`build("mobilenet_v2", ...)` makes the same one, with options; so it
# does for the other two.)

# %%
def build_mobilenet_v2(image_shape=(224, 224, 3), num_classes=1000):
    """Build MobileNetV2: expansion, filters, repeats and first strides of each stack."""
    stacks = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    images = keras.Input(image_shape)
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(layers.Rescaling(1 / 255)(images))
    x = normalise(x)
    for expansion, filters, repeats, strides in stacks:
        for index in range(repeats):
            x = inverted(x, filters, strides if index == 0 else 1, expansion)
    x = layers.GlobalAveragePooling2D()(normalise(layers.Conv2D(1280, 1, use_bias=False)(x)))
    return keras.Model(images, layers.Dense(num_classes, name="logits")(x))


# %%
full["MobileNetV2"], full["ResNet-18"] = build_mobilenet_v2(), build("resnet18", (224, 224, 3), 1000)
for name in ("MobileNetV2", "ResNet-18"):
    tables[name] = layer_table(full[name])
    size[name], work[name] = (int(tables[name][column].sum()) for column in ("parameters", "multiply_adds"))
    print(f"{name} has {size[name]:,} parameters and needs {work[name] / 1e6:,.0f} million multiply-adds.")
print(f"The MobileNetV2 that Keras ships has {keras.applications.MobileNetV2(weights=None).count_params():,}.")

# %% [markdown]
# (As everywhere in the course, moving means and variances count as parameters; the paper leaves them out and
# has 3.4 million.)
#
# ## On this machine
#
# Now take the parts of these blocks alone, on maps of one size, and time them beside the plain 3 × 3. A
# machine does two things for a layer: it computes, and it moves numbers between memory and processor. So ask it
# two questions first: how many multiply-adds a second, in a large matrix product, and how many bytes a second,
# in an addition too large for its caches.

# %%
def done(tensor):
    """Wait for a result, and bring back one number of it."""
    return ops.convert_to_numpy(tensor[(0,) * len(tensor.shape)])


square = ops.convert_to_tensor(rng.standard_normal((2048, 2048)).astype("float32"))
long, large = ops.ones((2**25,)), ops.ones((timed_images, side, side, channels))
calls = {"product": lambda: done(ops.matmul(square, square)), "addition": lambda: done(ops.add(long, 1.0)),
         "nothing": lambda: done(layers.Identity()(large))}

# %%
candidates = {  # layer, maps that it gets
    "plain 3 × 3": (layers.Conv2D(channels, 3, padding="same", use_bias=False), channels),
    "1 × 1": (layers.Conv2D(channels, 1, use_bias=False), channels),
    "1 × 1, to an eighth": (layers.Conv2D(channels // 8, 1, use_bias=False), channels),
    "1 × 1, 24 to 144": (layers.Conv2D(144, 1, use_bias=False), 24),
    "3 × 3 depthwise": (layers.DepthwiseConv2D(3, padding="same", use_bias=False), channels),
}
roofline = {}
for name, (layer, depth) in candidates.items():
    given = ops.convert_to_tensor(rng.standard_normal((timed_images, side, side, depth)).astype("float32"))
    maps = keras.Input(given.shape[1:])
    costs = layer_table(keras.Model(maps, layer(maps)))
    calls[name] = lambda layer=layer, given=given: done(layer(given))
    roofline[name] = {"work": timed_images * costs["multiply_adds"].sum(),
                      "bytes": timed_images * costs["activation_bytes"].sum() + costs["weight_bytes"].sum()}
seconds = interleaved_times(calls, 2 * rounds)

# %%
peak = 2048**3 / seconds["product"]
bandwidth = 2 * 4 * 2**25 / seconds["addition"]  # 4 bytes each, read and written
print(f"This machine does {peak / 1e9:.0f} billion multiply-adds a second, and moves {bandwidth / 1e9:.0f} GB. "
      f"For each byte that it moves, it could do {peak / bandwidth:.1f} multiply-adds.")
print(f"A layer that does nothing takes {1e3 * seconds['nothing']:.1f} ms.")

# %% [markdown]
# That quotient is the machine's balance. A layer with fewer multiply-adds per byte cannot keep the arithmetic
# busy, however well it is written: memory decides. Drawn over the multiply-adds per byte, the *intensity*, the
# best possible speed is a slope that ends in a flat top, the *roofline* (Williams et al., 2009). Where do the
# layers lie?

# %%
roofline = pd.DataFrame(roofline).T
roofline["seconds"] = pd.Series(seconds)
roofline["best"] = np.maximum(roofline["work"] / peak, roofline["bytes"] / bandwidth)
for name, row in roofline.iterrows():
    bound = "memory" if row["bytes"] / bandwidth > row["work"] / peak else "arithmetic"
    print(f"{name:20s}{row['work'] / row['bytes']:6.1f} multiply-adds per byte, so bound by {bound}: "
          f"{1e3 * row['best']:.1f} ms at best; it took {1e3 * row['seconds']:.1f} ms")
dearer = roofline.loc["plain 3 × 3"] / roofline.loc["3 × 3 depthwise"]
print(f"The plain 3 x 3 has {dearer['work']:.0f} times the work of the depthwise one. By the ceilings it should take "
      f"{dearer['best']:.0f} times as long; it took {dearer['seconds']:.0f} times as long.")

# %%
figure, ax = plt.subplots(figsize=(6.5, 3.8))
intensity = np.geomspace(0.5, 500, 200)
ax.plot(intensity, np.minimum(peak, bandwidth * intensity) / 1e9, color="black", label="roofline of this machine")
for (name, row), marker in zip(roofline.iterrows(), "os^DX"):
    ax.plot(row["work"] / row["bytes"], row["work"] / row["seconds"] / 1e9, marker, ls="none", ms=8, label=name)
ax.set(title="Depthwise: too little to compute for what it moves", xscale="log", yscale="log",
       xlabel="multiply-adds per byte moved", ylabel="billion multiply-adds per second")
ax.set_xticks([1, 10, 100], ["1", "10", "100"])
ax.set_yticks([1, 10, 100], ["1", "10", "100"])
ax.set_ylim(0.5 * roofline["work"].div(roofline["seconds"]).min() / 1e9, 2 * peak / 1e9)
ax.yaxis.set_minor_formatter("")
ax.grid(axis="x")
ax.legend(fontsize=9, loc="lower right")
plt.show()

# %% [markdown]
# With c channels the plain 3 × 3 uses each number 9 c times, the depthwise convolution 9 times. To read a
# number and write one takes 8 bytes: so they have about 9 c / 8 and 9 / 8 multiply-adds per byte. The one
# stands far to the right, under the flat top, the other on the left, under the slope. On paper the depthwise
# one is cheaper by the number of channels; the slope alone takes much of that away. The 1 × 1 is in between:
# more channels move it to the right, fewer to the left. A mark below the line had a slower program, or too
# little to do: each call also pays the price of the layer that does nothing. So the narrow 1 × 1 is far from its
# best, too. (A mark a little above the line is no error: numbers may come from a cache, and times waver.)
#
# ### The program matters, too
#
# A roofline is what can be had; somebody has to write the code that gets it. Here is the same depthwise convolution
# under another name: `Conv2D` with as many groups as channels. The answers must agree. And the times?

# %%
depthwise = candidates["3 × 3 depthwise"][0]
grouped = layers.Conv2D(channels, 3, padding="same", use_bias=False, groups=channels)
grouped.build(large.shape)
grouped.set_weights([np.transpose(depthwise.get_weights()[0], (0, 1, 3, 2))])  # (3, 3, 1, channels)
difference = float(ops.max(ops.abs(grouped(large) - depthwise(large))))
two = {}
for name, layer in (("depthwise", depthwise), ("grouped", grouped), ("plain", candidates["plain 3 × 3"][0])):
    maps = keras.Input(large.shape[1:])
    model = keras.Model(maps, layers.GlobalAveragePooling2D()(layer(maps)))  # averaged: little to bring back
    two[name] = lambda model=model: model.predict_on_batch(large)
two = interleaved_times(two, rounds)
print(f"The answers differ by {difference:.0e} at most.")
print(f"Depthwise {1e3 * two['depthwise']:.1f} ms, as a grouped convolution {1e3 * two['grouped']:.1f} ms, "
      f"a plain 3 x 3 {1e3 * two['plain']:.1f} ms, each in a compiled model.")

# %% [markdown]
# Whoever meets the wrong program may find a depthwise convolution slower than the plain one that it should
# replace. (On a CPU, Keras hands groups to the compiler XLA if it runs on TensorFlow. On JAX everything
# goes through it: with JAX 0.10 both names were slow, and a training step of MobileNetV2 took as long as one
# of ResNet-18. That is a fact of these versions, not of the idea: measure yours.)
#
# ### Blocks
#
# Now whole blocks, each beside a plain 3 × 3: the fire module and the separable block among as many maps, the
# inverted residual from 24 maps to 24 beside the plain one among all the 144 that it has inside.

# %%
blocks = {  # block and maps that it gets, plain block and maps that it gets
    "fire module": (lambda x: fire(x, channels), channels, lambda x: plain(x, channels), channels),
    "separable": (lambda x: separable(x, channels), channels, lambda x: plain_normalised(x, channels), channels),
    "inverted\nresidual": (lambda x: inverted(x, 24), 24, lambda x: plain_normalised(x, 144), 144),
}
saved = {}
for name, (small, small_depth, big, big_depth) in blocks.items():
    work_of, calls_of = {}, {}
    for which, block, depth in (("small", small, small_depth), ("big", big, big_depth)):
        given = ops.convert_to_tensor(rng.standard_normal((timed_images, side, side, depth)).astype("float32"))
        maps = keras.Input(given.shape[1:])
        model = keras.Model(maps, layers.GlobalAveragePooling2D()(block(maps)))
        work_of[which] = layer_table(model)["multiply_adds"].sum()
        calls_of[which] = lambda model=model, given=given: model.predict_on_batch(given)
    seconds = interleaved_times(calls_of, 2 * rounds)
    saved[name] = {"multiply-adds": work_of["big"] / work_of["small"], "time": seconds["big"] / seconds["small"]}

# %%
bars = pd.DataFrame(saved).T
ax = bars.plot.bar(rot=0, figsize=(6, 3.2), color=["C0", "C1"])
for patch in ax.containers[1]:
    patch.set_hatch("//")
for container in ax.containers:
    ax.bar_label(container, fmt="%.1f", fontsize=9)
ax.set(title="What a block saves on paper and here", ylabel="times fewer, times faster", xlabel="")
ax.margins(y=0.12)
ax.grid(axis="x", visible=False)
ax.legend()
plt.show()

# %% [markdown]
# No block saved as much time as work. Two layers in the place of one also mean that the maps between them are
# written and read again, and normalised and cut off twice: bytes that no count of multiply-adds shows. And
# where the depthwise convolution has met slow code, as above, little is left, or nothing.
#
# ## Networks in training
#
# Last, whole networks: the time of one training step, and of inference, for the goods at 32 × 32 pixels, the
# size of CIFAR-10, on which two of the decks trained. The first convolution keeps that size (`stem="small"`).
# ResNet-18 is what the *binary* deck compares with. ResNet-20 is there because it needs about as many
# multiply-adds as SqueezeNet and MobileNetV1 do, all of them in plain 3 × 3; and MobileNetV1 is there a second
# time, with plain convolutions.

# %%
images, labels = load_arrays("goods", f"train[:{step_images}]", image_size=(step_side, step_side))
shape, num_classes = images.shape[1:], 12
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
networks = {
    "SqueezeNet": build("squeezenet", shape, num_classes, stem="small"),
    "MobileNetV1": build_mobilenet_v1(separable, shape, num_classes, stem_strides=1),
    "MobileNetV1, plain": build_mobilenet_v1(plain_normalised, shape, num_classes, stem_strides=1),
    "MobileNetV2": build("mobilenet_v2", shape, num_classes, stem="small"),
    "ResNet-20": build("resnet20", shape, num_classes),
    "ResNet-18": build("resnet18", shape, num_classes, stem="small"),
}
training, inferring = {}, {}
for name, network in networks.items():
    network.compile(keras.optimizers.SGD(0.01), loss)
    training[name] = lambda network=network: network.train_on_batch(images, labels)
    inferring[name] = lambda network=network: network.predict_on_batch(images)

# %%
small = {}
for name, network in networks.items():
    table = layer_table(network)
    kept = table.query("kind != 'Activation'")  # whose output may take the place of its input
    small[name] = {"parameters": table["parameters"].sum(), "multiply_adds": table["multiply_adds"].sum(),
                   "outputs": kept["activation_bytes"].sum()}
small = pd.DataFrame(small).T
small["training"], small["inference"] = (pd.Series(interleaved_times(each, rounds)) for each in (training, inferring))
pd.DataFrame({
    "parameters (million)": small["parameters"] / 1e6,
    "multiply-adds per image (million)": small["multiply_adds"] / 1e6,
    "outputs per image (MB)": small["outputs"] / 1e6,
    "training step (ms)": 1e3 * small["training"],
    "inference (ms)": 1e3 * small["inference"],
}).round(1)

# %%
compact = ["SqueezeNet", "MobileNetV1", "MobileNetV2", "ResNet-20"]
shares = 100 * (small.loc[compact] / small.loc["ResNet-18"])[["multiply_adds", "training", "outputs"]]
ax = shares.rename(columns={"multiply_adds": "multiply-adds", "training": "time of a training step",
                            "outputs": "bytes of outputs"}).plot.bar(rot=0, figsize=(6.5, 3.4), width=0.75)
for container, hatch in zip(ax.containers, ("", "//", "..")):
    for patch in container:
        patch.set_hatch(hatch)
    ax.bar_label(container, fmt="%.0f", fontsize=9)
ax.set(title="Work, time and bytes, as shares of ResNet-18's", ylabel="share (%)", xlabel="")
ax.margins(y=0.25)
ax.grid(axis="x", visible=False)
ax.legend(ncols=3, fontsize=9, loc="upper left")
plt.show()

# %% [markdown]
# The compact networks have little work and take little time; that far the count is right. But it does not tell
# one from another: MobileNetV2 has half of MobileNetV1's multiply-adds and takes about as long, and ResNet-20,
# with nearly as many as MobileNetV1, is quicker. Unless slow code takes more, the time lies between work and
# bytes: each network takes a larger share of ResNet-18's time than of its work, and a smaller one than of the
# bytes that its layers put out. The dearer a machine's arithmetic, the nearer the time is to the work; the
# cheaper, the nearer to the bytes.
#
# ### What the decks say
#
# Three statements, three rules. *Train quickly* holds if a step of SqueezeNet and of MobileNetV1 is shorter
# than ResNet-18's (the step of a DenseNet takes minutes to compile here). *Saves parameters by separable
# convolutions* holds if MobileNetV1 has fewer than with plain ones: that is settled by counting, and the time
# we add. *ResNet needs much computation, MobileNetV2 is efficient and light* holds if V2 has fewer parameters,
# fewer multiply-adds and a shorter step, and is refuted if it has more of all three.

# %%
ratio = {name: small.loc["ResNet-18"] / small.loc[name] for name in small.index}
quick = [ratio[name]["training"] for name in ("SqueezeNet", "MobileNetV1")]
claim("goods-compact-fast", measured=f"a training step of ResNet-18 takes {quick[0]:.1f} times as long as SqueezeNet's "
      f"and {quick[1]:.1f} times as long as MobileNetV1's, with {ratio['SqueezeNet']['multiply_adds']:.0f} and "
      f"{ratio['MobileNetV1']['multiply_adds']:.0f} times the multiply-adds", holds=min(quick) > 1)

# %%
fewer = small.loc["MobileNetV1, plain"] / small.loc["MobileNetV1"]
claim("speed-mobilenet", measured=f"{fewer['parameters']:.1f} times fewer parameters than with plain convolutions, "
      f"{fewer['multiply_adds']:.1f} times fewer multiply-adds; a training step is {fewer['training']:.1f} times, "
      f"inference {fewer['inference']:.1f} times faster", holds=bool(fewer["parameters"] > 1))

# %%
light = ratio["MobileNetV2"]
signs = [light[column] > 1 for column in ("parameters", "multiply_adds", "training")]
claim("binary-models", measured=f"ResNet-18 has {light['parameters']:.1f} times the parameters of MobileNetV2, "
      f"{light['multiply_adds']:.0f} times its multiply-adds, {light['outputs']:.1f} times its bytes of outputs; a "
      f"training step takes {light['training']:.1f} times as long, an answer {light['inference']:.1f} times",
      holds=True if all(signs) else None if any(signs) else False)

# %% [markdown]
# Now what the decks leave out.
#
# - The *speed* deck calls MobileNetV1 the more economical model beside ResNet-56, and its answers came four
#   times sooner (24.1 against 6.1 s on CIFAR-10). It was not the parameters: ResNet-56 has 853,018 (lesson 07),
#   and MobileNetV1, with ten classes, nearly four times as *many*. What fell is the work: lesson 11 counts and
#   times the two.
# - The *binary* deck's own table contradicts its slide: 3 billion operations for MobileNetV2, 2.7 billion for
#   ResNet-18. Neither fits images of 32 × 32 pixels, as the counts above show. Its epochs are the better
#   witness: 49.5 s at least for MobileNetV2, 25.9 s for ResNet-18, on a GPU that it does not name. V2 took twice as
#   *long* there. That can well be: a GPU has arithmetic in plenty, so that bytes and the number of layers
#   decide; and in bytes, says our count, the two are not far apart. (Versions for CIFAR-10 often leave out more
#   strides than ours, and move more.)
# - A whole network may gain more from separable convolutions than the block above did. Most blocks of MobileNetV1
#   have 256 to 1024 channels, and there the 1 × 1, which is bound by arithmetic, does nearly everything.
# - The time of a step is not the time of a training. How many steps a network needs, and for which accuracy, is the
#   subject of lesson 11.
#
# Operations, bytes, programs: Ma et al. (2018, "ShuffleNet V2") measured all this on GPUs and telephones, and
# concluded that the count of operations is an indirect measure. Measure the time, on the machine that will do
# the work.
#
# ## Which to take
#
# Accuracy is published, top-1 on ImageNet, of different trainings (SqueezeNet and AlexNet: Iandola et al., table 2;
# MobileNets: Howard et al., table 6, and Sandler et al., table 4, with times on a Pixel 1 telephone; ResNet-18:
# torchvision). One image of 224 × 224 pixels (227 for the first three) is timed here.

# %%
full["MobileNetV1, width 0.5"] = build_mobilenet_v1(separable, width=0.5)
tables["MobileNetV1, width 0.5"] = layer_table(full["MobileNetV1, width 0.5"])
outputs = {name: table.query("kind != 'Activation'")["activation_bytes"].sum() for name, table in tables.items()}
one_image = times_of(full, 1)
chosen = {
    "AlexNet": ("57.2 %", "", "no longer"),
    "SqueezeNet": ("57.5 %", "", "no longer"),
    "SqueezeNet 1.1": ("as 1.0", "", "no longer: a narrow MobileNet is as small and more accurate"),
    "MobileNetV1, width 0.5": ("63.7 %", "", "where every megabyte of the file counts"),
    "MobileNetV1": ("70.6 %", "113 ms", "to learn from; its layers put out fewer bytes than V2's"),
    "MobileNetV2": ("72.0 %", "75 ms", "on telephones and other small devices"),
    "ResNet-18": ("69.8 %", "", "where plain layers are wanted, and weights may be many"),
}
pd.DataFrame.from_dict({name: {
    "parameters": f"{tables[name]['parameters'].sum() / 1e6:.2f} M",
    "float32 weights": f"{tables[name]['weight_bytes'].sum() / 1e6:.0f} MB",
    "multiply-adds": f"{tables[name]['multiply_adds'].sum() / 1e6:,.0f} M",
    "outputs": f"{outputs[name] / 1e6:.0f} MB",
    "one image, here": f"{1e3 * one_image[name]:.0f} ms",
    "on a telephone": telephone,
    "top-1": accuracy,
    "take it": reason,
} for name, (accuracy, telephone, reason) in chosen.items()}, orient="index")

# %% [markdown]
# On that telephone V2 answers faster than V1. Compare the two rows in the column of this machine: the same two
# networks, another machine, and it may be a tie.
#
# ## Summary
#
# - A fire module squeezes, then expands by 1 × 1 and 3 × 3: $\frac{3}{4} c^2$ weights for $9 c^2$. SqueezeNet
#   has 1,248,424 parameters, most of AlexNet's being gone with its dense layers, and does more work than AlexNet.
# - A separable convolution is a plain one with one pattern per channel, at $\frac{1}{f} + \frac{1}{9}$ of the work.
#   MobileNetV1 has 4,253,864 parameters and 569 million multiply-adds.
# - An inverted residual is wide only inside. A ReLU at its narrow end would destroy what a wide one keeps.
#   MobileNetV2 has 3,538,984 parameters and 301 million multiply-adds.
# - On paper a depthwise convolution costs nearly nothing; in time it costs, for it moves as many bytes as a
#   plain one. No block saved as much time as work. How much it saves is a matter of the machine and of the
#   program: measure it.
#
# Lesson 11 sets time against accuracy.
#
# ## Exercises
#
# **Predict.** A separable block has 512 channels before and after, on maps of 14 × 14. Give its depthwise
# convolution 5 × 5 pixels instead of 3 × 3. How many multiply-adds has the block then, for one image?

# %% tags=["exercise", "exercise-five"]
five_by_five = ...

# %% tags=["check"]
if five_by_five is ...:
    print("Not answered yet: replace the dots above.")
else:
    pixels, before = 14**2, 14**2 * (9 * 512 + 512**2)
    right = pixels * (25 * 512 + 512**2)
    hints = {
        before: "That is with 3 x 3. Each of the 512 channels now has a filter of 25 weights.",
        right // pixels: "That is for one pixel, and there are 14 x 14.",
        pixels * 25 * 512: "That is the depthwise convolution. The 1 x 1 has its share as well.",
        pixels * 25 * 512**2: "That is a plain 5 x 5. A depthwise one does not mix the channels.",
        pixels * 26 * 512: "Nearly: the 1 x 1 has 512 x 512 weights, for each filter sees all the channels.",
    }
    assert isinstance(five_by_five, int), "Write a whole number without a comma, such as 1000000."
    assert five_by_five == right, hints.get(
        five_by_five, "Not this. For each pixel: 512 filters of 25 weights, then 512 filters of 512 weights."
    )
    print(f"Right: {right:,}, only {right / before - 1:.0%} more than with 3 x 3. Large windows are cheap if they are "
          "depthwise, and later networks make use of that.")

# %% [markdown]
# **Modify.** Set `channels` to 32 and to 512 and run the page again. Which marks move along the roofline, and
# to which side? How much time does the separable block save then?
#
# **Extend.** With `depth_multiplier=9` a depthwise convolution makes nine maps of each channel. Show that any
# plain 3 × 3 can be written so, exactly: take the singular value decomposition of its kernel, channel by
# channel. How good is the best approximation with one map, two, three? Try it with a kernel of a trained
# network.
