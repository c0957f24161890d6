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
# # 07 · ResNet
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/07_resnet.ipynb)
#
# *By 2015 networks had stopped getting better by getting deeper: more layers made them worse, even at
# the images they were trained on. One addition per block changed that. Here you see it go wrong, put
# it right, and measure what the addition does to the gradient.*
#
# You will
#
# - write the residual block, and check that it can copy its input exactly,
# - train plain and residual networks of two depths and compare what depth does to each,
# - build ResNet-56 and ResNet-50 and account for their parameters.
#
# A minute and a half on two CPU cores · decks: *practice*, "ResNet, 2015", and *speed*, "ResNet-56".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
data = "fashion_mnist"  # embedded, or any name of TensorFlow Datasets, such as cifar10
image_side = 14  # pixels to which the images are resized
train_examples = 1024  # images to train on
epochs = 3  # passes over them
batch_size = 64  # images per training step
learning_rate = 0.005  # of Adam
depths = [14, 32]  # layers with weights, 6n + 2 each
filters = 8  # of the first stack; the paper has 16
seeds = [0, 1, 2]  # each network is trained once from each; three at least
margin = 0.2  # nats of training loss: a smaller difference does not interest us
step_sizes = [0.001, 0.003, 0.01, 0.03, 0.1]  # of trial steps, as a share of each layer's weights

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
from helpers.architectures.resnet import activate, conv_unit
from helpers.claims import claim, read_result
from helpers.complexity import layer_table
from helpers.datasets import load_arrays
from helpers.drawings import plot_block
from helpers.evaluation import is_greater
from helpers.plots import plot_curves, use_course_style
from helpers.profiling import latency
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])

# %% [markdown]
# ## The revolution of depth
#
# Each year from 2010 to 2017 the best programs met at the ImageNet challenge: 1000 classes, and an
# answer counted as right if the true class was among the first five. The slide shows how the error fell
# as the networks grew deeper. Layers are counted as their authors count them: those with weights, on
# the longest way from the image to the answer.

# %%
winners = pd.DataFrame([  # top-5 error in percent on the test images, layers with weights
    ("2010", "no network", 28.2, np.nan),
    ("2011", "no network", 25.8, np.nan),
    ("2012", "AlexNet", 16.4, 8),
    ("2013", "ZFNet", 11.7, 8),
    ("2014", "VGG", 7.3, 19),
    ("2014", "GoogLeNet", 6.7, 22),
    ("2015", "ResNet", 3.57, 152),
], columns=["year", "network", "error", "depth"])
names = winners["network"] + "\n" + winners["year"]
figure, axes = plt.subplots(2, 1, figsize=(7, 4.6), sharex=True)
axes[0].bar(names, winners["error"], color="C0")
axes[0].set(title="The error fell ...", ylabel="top-5 error (%)", ylim=(0, 33))
axes[1].bar(names, winners["depth"], color="C1", hatch="//")
axes[1].set(title="... as the networks grew deeper", ylabel="layers", ylim=(0, 180))
for ax, values in zip(axes, (winners["error"], winners["depth"])):
    ax.bar_label(ax.containers[0], ["" if np.isnan(value) else f"{value:g}" for value in values], fontsize=9)
    ax.grid(axis="x", visible=False)
plt.show()

# %% [markdown]
# Depth is not all: from 2012 to 2013 the error fell without it. (Sources: Russakovsky et al., 2015,
# "ImageNet Large Scale Visual Recognition Challenge", and He et al., 2015, "Deep Residual Learning for
# Image Recognition", whose authors drew this figure. Several networks together made most of these
# entries: six of different depths for the 3.57 %. VGG came second in 2014; ZFNet stands for the winner of 2013, which
# grew out of it.)
#
# The slide calls ResNet the first architecture with more than 100 layers. It was the first to *win*
# with them. Half a year earlier, *Highway Networks* (Srivastava et al., May 2015) had been trained with a hundred
# layers, and their authors speak of hundreds: dense layers, on handwritten digits, with two gates each, one for the
# layer's input and one for what it makes of it. A residual block is one with both gates held open.
#
# ## A block, with and without a shortcut
#
# With batch normalisation, of 2015, networks of dozens of layers could at last be trained. Then a new
# trouble showed: with more layers they got *worse*, even at their own training images. That is strange,
# because a deeper network contains every shallower one: let its further blocks copy their input, and both
# are the same function. He and his colleagues supposed that copying is hard to learn for convolutions that start from
# random weights, and made it easy. Let a block learn only what is to be *added* to its input x,
# the *residual* F(x):
#
# $$y = \mathrm{ReLU}(x + F(x))$$
#
# To copy, a block need only learn $F = 0$. The input reaches the sum by a *shortcut*, which has nothing
# to learn as long as the sum has the shape of the input. Where it has not, because the size is halved and
# the maps are doubled, the paper tries two ways: take every second row and column and
# add maps of zeros, without any weights (its option A); or a *projection*, a 1 × 1 convolution (option B).

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 4.6), width_ratios=[1, 1.4, 2])
branch = ["3 × 3 conv, 16", "batch norm., ReLU", "3 × 3 conv, 16", "batch norm."]
halving = ["3 × 3 conv, 32,\nstrides 2", branch[1], "3 × 3 conv, 32", branch[3]]
zeros = ["every 2nd pixel,\nand 16 maps of zeros"]
plot_block([("x", "16 maps"), *branch, "ReLU"], "Plain", ax=axes[0])
plot_block([("x", "16 maps"), [branch, []], "+", "ReLU"], "Residual", ax=axes[1])
plot_block([("x", "16 maps"), [halving, zeros], "+", "ReLU"], "Residual, halving the size", ax=axes[2])
plt.show()


# %%
def shortcut_branch(x, filters, strides=1, shortcut="projection", name="shortcut", **kinds):
    """Give the input the shape of the residual branch: as it is where that fits, else by the kind of shortcut."""
    if strides == 1 and x.shape[-1] == filters:
        return x
    if shortcut == "padding":
        return ops.pad(x[:, ::strides, ::strides], [[0, 0], [0, 0], [0, 0], [0, filters - x.shape[-1]]])
    return conv_unit(x, filters, 1, strides, activation=None, name=name, **kinds)


def basic_block(x, filters, strides=1, shortcut="projection", activation="relu", name="block", **kinds):
    """Add two 3 x 3 convolutions of the input to the input itself; without a shortcut, take them alone."""
    y = conv_unit(x, filters, 3, strides, activation=activation, name=f"{name}_conv1", **kinds)
    y = conv_unit(y, filters, 3, activation=None, name=f"{name}_conv2", **kinds)
    if shortcut:
        x = shortcut_branch(x, filters, strides, shortcut, name=f"{name}_shortcut", **kinds)
        y = layers.Add(name=f"{name}_add")([x, y])
    return activate(y, activation, name=f"{name}_activation")


# %% [markdown]
# (`conv_unit` is a convolution, batch normalisation, and the activation if there is one; `kinds` may
# exchange their layers.) With `shortcut=None` the block is plain, and nothing else differs.
#
# Check that the block can copy. Batch normalisation ends by multiplying each map with a number that it
# learns, $\gamma$, and adding another, which starts at zero. Set $\gamma$ to zero behind the last convolution, and give
# the block some maps as a ReLU leaves them: not negative.

# %%
def silent_block(**options):
    """Return a block for 8 maps of 6 x 6 as a model, the last gamma of its residual branch zero."""
    x = keras.Input((6, 6, 8))
    block = keras.Model(x, basic_block(x, **options))
    block.get_layer("block_conv2_normalization").gamma.assign(np.zeros(options["filters"]))
    return block


maps = np.maximum(0, np.random.default_rng(seeds[0]).standard_normal((4, 6, 6, 8))).astype("float32")
residual, halved, plain = (
    ops.convert_to_numpy(silent_block(**options)(maps))
    for options in ({"filters": 8, "shortcut": "padding"}, {"filters": 16, "strides": 2, "shortcut": "padding"},
                    {"filters": 8, "shortcut": None})
)
copied = np.array_equal(residual, maps)
thinned = np.array_equal(halved[..., :8], maps[:, ::2, ::2]) and not halved[..., 8:].any()
print(f"The residual block answers with its input, bit for bit: {copied}.")
print(f"Where it halves the size, it answers with every second pixel and eight empty maps: {thinned}.")
print(f"The largest value that the plain block answers with: {plain.max():.0f}.")

# %%
claim("practice-resnet-skip", measured="with a silent residual branch the block gives its input, bit for bit; "
      "the plain block gives zeros", holds=bool(copied and thinned and not plain.any()))

# %% [markdown]
# That is the deck's parallel branch with the input itself.
#
# ## Deeper is worse, and then it is not
#
# Now the paper's own experiment, in small. Three stacks of blocks, each stack at half the size and with twice the
# filters of the one before; then the average of each map, and the logits. With $n$ blocks in each
# stack, two layers in a block, one convolution before them and the logits, that makes $6n + 2$ layers.

# %%
if any(depth < 8 or (depth - 2) % 6 for depth in depths):
    raise ValueError(f"Give depths of 6n + 2 layers, such as 14, 20, 56. Received: depths={depths}")
images, labels = load_arrays(data, f"train[:{train_examples}]", image_size=(image_side, image_side))
num_classes, loss = int(labels.max()) + 1, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
print(f"{len(images)} images of shape {images.shape[1:]}, {num_classes} classes, and "
      f"{epochs * math.ceil(len(images) / batch_size)} training steps.")


# %%
def network(depth, shortcut):
    """Return a compiled network of ``depth`` layers, plain if the shortcut is None."""
    inputs = keras.Input(images.shape[1:])
    x = conv_unit(layers.Rescaling(1 / 255)(inputs), filters, 3, name="stem")
    for stack in range(3):
        for index in range((depth - 2) // 6):
            strides = 2 if stack > 0 and index == 0 else 1
            x = basic_block(x, filters * 2**stack, strides, shortcut, name=f"stack{stack + 1}_block{index + 1}")
    model = keras.Model(inputs, layers.Dense(num_classes, name="logits")(layers.GlobalAveragePooling2D()(x)))
    steps_at_once = 1 if keras.backend.backend() == "torch" else 16  # PyTorch takes one at a time
    model.compile(keras.optimizers.Adam(learning_rate), loss, steps_per_execution=steps_at_once)
    return model


# %% [markdown]
# The loss on the *training* images is what counts: overfitting cannot raise it. All networks take the same steps at
# the same learning rate, from the same seeds; `restarts` draws the weights of one network anew from each.
# The shortcut is the one without weights, so that a plain and a residual network have the very same parameters.

# %%
def train_over_seeds(depth, shortcut):
    """Train from each seed; return the training loss, ``(seeds, epochs)``, the first weights and the network."""
    losses, starts = [], []
    for model in restarts(lambda: network(depth, shortcut), seeds):
        starts.append(model.get_weights())
        history = model.fit(images, labels, batch_size=batch_size, epochs=epochs, verbose=0)
        losses.append(history.history["loss"])
    return {"loss": np.array(losses), "starts": starts, "model": model}


# %% [markdown]
# The rule, before we look. We say that depth does harm if the last loss of the deep network exceeds that of the shallow
# one by more than `margin`: the whole 95 % interval of the differences, seed by seed, must lie above it.
# The deck's statement holds if depth harms the plain networks, and if for the residual ones the whole
# interval lies below the margin. It is refuted if depth does plain networks good, or harms the residual ones.

# %%
shallow, deep = depths
runs = {(kind, depth): train_over_seeds(depth, shortcut)
        for kind, shortcut in (("plain", None), ("residual", "padding")) for depth in depths}
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for ax, kind in zip(axes, ("plain", "residual")):
    curves = {f"{depth} layers": runs[kind, depth]["loss"] for depth in depths}
    plot_curves(curves, "epoch", "training loss (nats)", f"{kind.capitalize()} networks", ax=ax)
plt.show()

# %%
harm = {kind: is_greater(runs[kind, deep]["loss"][:, -1], runs[kind, shallow]["loss"][:, -1], margin)
        for kind in ("plain", "residual")}
for kind, difference in harm.items():
    print(f"{kind:8s}: {deep} layers minus {shallow} layers, {difference.mean:+.2f} nats, 95 % interval "
          f"{difference.low:+.2f} to {difference.high:+.2f}")

# %%
mended = harm["plain"].holds is True and harm["residual"].high < margin
refuted = harm["plain"].holds is False or harm["residual"].holds is True
claim("practice-resnet-depth", measured=f"{deep} instead of {shallow} layers: {harm['plain'].mean:+.2f} nats plain, "
      f"{harm['residual'].mean:+.2f} nats with shortcuts", holds=True if mended else False if refuted else None)

# %% [markdown]
# Lines are means over the seeds, bands reach from the lowest to the highest. The deeper plain network has more
# parameters and more layers to bend with, and has learned less of the very images it was trained on. The deeper
# residual network begins worse and catches up.
#
# A few dozen steps at one learning rate are a short training: another rate may narrow the gap, and the
# paper took 64,000 steps. So we put beside it a record with the paper's depths and filters and more steps.

# %%
record = read_result("07_resnet")
size = record["parameters"]
print(f"Record of {record['date']} on {record['hardware']}: {size['train_examples']} images, {size['epochs']} epochs, "
      f"{len(size['seeds'])} seeds.")
print(record["command"])
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for ax, kind in zip(axes, ("plain", "residual")):
    curves = {f"{depth} layers": record["training_loss"][f"{kind} {depth}"] for depth in size["depths"]}
    plot_curves(curves, "epoch", "training loss (nats)", f"Record: {kind} networks", ax=ax)
plt.show()

# %%
last = {name: np.array(values)[:, -1] for name, values in record["training_loss"].items()}
for kind in ("plain", "residual"):
    few, many = (last[f"{kind} {depth}"] for depth in size["depths"])
    difference = is_greater(many, few, margin)
    print(f"{kind:8s}: {size['depths'][1]} layers minus {size['depths'][0]} layers, {difference.mean:+.2f} nats, "
          f"95 % interval {difference.low:+.2f} to {difference.high:+.2f}")

# %% [markdown]
# The record says the same of 56 layers: depth costs the plain networks far more than the margin, and the
# residual ones less than it.
#
# ### ResNet-56
#
# The *speed* deck brings ResNet-56 as the network that shows what residual connections do. The record has it: at full
# width, though on small grey images. Is the comparison fair, and what does it show?

# %%
parameters = {}
for name, kind in (("resnet20", "padding"), ("resnet56", "padding"), ("resnet56", None)):
    table = layer_table(build(name, (32, 32, 3), 10, shortcut=kind))
    parameters[name, kind] = int(table["trainable"].sum())
    print(f"{name}, {'with' if kind else 'without'} shortcuts: {(table['kind'] == 'Conv2D').sum()} convolutions and "
          f"the logits, {parameters[name, kind]:,} parameters to train.")

# %%
effect = is_greater(last["plain 56"], last["residual 56"], margin)
fair = parameters["resnet56", "padding"] == parameters["resnet56", None] == 853_018
claim("speed-resnet56", measured=f"{parameters['resnet56', 'padding']:,} parameters with shortcuts and without; in the "
      f"record shortcuts lower the training loss by {effect.mean:.2f} nats", holds=effect.holds if fair else False)

# %% [markdown]
# 853,018 is what other programs count too. (Keras' `count_params` says 857,082: it has the moving means and
# variances of batch normalisation, which are not trained.)
#
# ## What it does to the gradient
#
# Why? "The gradient vanishes" is the usual answer, and the paper doubts it: plain networks with batch
# normalisation have healthy gradients, it says. Measure them, at the first weights of each seed. Adam helps:
# at each step it moves a running mean m of the gradient a tenth of the way to the newest one. So
# one step from those weights tells the gradient there: ten times the new m minus nine times the old.

# %%
def gradient_of(model):
    """Take one step with one batch, and return the gradient of each trainable variable before it."""
    def means():
        found = [variable for variable in model.optimizer.variables if variable.path.endswith("momentum")]
        return [ops.convert_to_numpy(mean).copy() for mean in found]

    old = means()
    model.fit(images[:batch_size], labels[:batch_size], batch_size=batch_size, verbose=0)
    return [10 * new - 9 * before for before, new in zip(old, means())]


# %%
for run in runs.values():
    run["gradients"], run["rms"] = [], []
    for start in run["starts"]:
        run["model"].set_weights(start)
        run["gradients"].append(gradient_of(run["model"]))
        run["rms"].append([np.sqrt(np.mean(each**2)) for each in run["gradients"][-1] if each.ndim == 4])  # kernels

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for ax, kind in zip(axes, ("plain", "residual")):
    curves = {f"{depth} layers": np.array(runs[kind, depth]["rms"]) for depth in depths}
    plot_curves(curves, "convolution, from the image on", "RMS of the gradient", f"{kind.capitalize()} networks", ax=ax)
    ax.set(yscale="log", xlim=(0, None))
    for line in ax.lines:
        line.set_markevery(3)
plt.show()

# %%
for (kind, depth), run in runs.items():
    _, second, *_, last_one = np.mean(run["rms"], axis=0)
    print(f"{kind:8s} {depth} layers: the second convolution's gradient is {second / last_one:5.1f} times "
          f"the last one's, a factor of {(second / last_one) ** (1 / (depth - 3)):.2f} for each layer.")

# %% [markdown]
# Read the plot from right to left, as the gradient goes. It does not vanish: before training it *grows* on its way
# back, from layer to layer by nearly the same factor if the network is plain. (Some of it is due to the larger maps
# in front.) That is no accident of ours: for wide networks of ReLU and batch normalisation theory expects
# $\sqrt{\pi / (\pi - 1)} \approx 1.21$ (Yang et al., 2019, "A Mean Field Theory of Batch Normalization"). With
# shortcuts the factor is smaller, and the smaller the deeper the network is.
#
# Adam divides each weight's gradient by its usual size, so size alone would do no harm. But what a gradient says, it
# says about small steps only: the loss falls by the product of gradient and step. Take longer ones from the first
# weights, each layer moved by the same share of the size of its weights, and compare the fall with the promise.

# %%
def promise_and_falls(model, gradient):
    """Return how much the loss should fall for a step of size 1, and how much it does for each of ``step_sizes``."""
    weights = [ops.convert_to_numpy(variable).copy() for variable in model.trainable_variables]
    scales = [np.linalg.norm(each) / max(np.linalg.norm(slope), 1e-12) for each, slope in zip(weights, gradient)]
    losses = []
    for step in (0, *step_sizes):
        for variable, each, scale, slope in zip(model.trainable_variables, weights, scales, gradient):
            variable.assign(each - step * scale * slope)
        logits = model(images[:batch_size], training=True)
        losses.append(float(ops.convert_to_numpy(loss(labels[:batch_size], logits))))
    promise = sum(scale * np.sum(slope**2) for scale, slope in zip(scales, gradient))
    return promise, losses[0] - np.array(losses[1:])


# %%
for run in runs.values():
    found = []
    for start, gradient in zip(run["starts"], run["gradients"]):
        run["model"].set_weights(start)
        found.append(promise_and_falls(run["model"], gradient))
    run["promise"], run["falls"] = (np.array(values) for values in zip(*found))

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
lengths = 100 * np.array(step_sizes)
for ax, kind in zip(axes, ("plain", "residual")):
    for depth, marker in zip(depths, "os"):
        falls = runs[kind, depth]["falls"]
        (line,) = ax.plot(lengths, falls.mean(axis=0), marker=marker, label=f"{depth} layers")
        ax.fill_between(lengths, falls.min(axis=0), falls.max(axis=0), color=line.get_color(), alpha=0.2, lw=0)
    ax.axhline(0, color="black", lw=0.8)
    ax.set(title=f"{kind.capitalize()} networks", xscale="log", xlabel="length of the first step (% of the weights)",
           ylabel="fall of the loss (nats)")
    ax.set_xticks(lengths, [f"{length:g}" for length in lengths])
    ax.legend(loc="upper left")
plt.show()

# %%
for (kind, depth), run in runs.items():
    promised, fallen = (step_sizes[0] * run["promise"]).mean(), run["falls"][:, 0].mean()
    print(f"{kind:8s} {depth} layers: a step of {lengths[0]:g} % promises {promised:.2f} nats and brings {fallen:.2f}; "
          f"the best step brings {run['falls'].max(axis=1).mean():.2f}.")

# %% [markdown]
# The deep plain network promises most and keeps least: its gradient is large, and right only very near to
# where it was taken. Its best step gains less than the best of the shallow one. The residual
# networks, which start at a higher loss, get most of what they were promised for a short step. All this is
# before training, of one batch: it fits the slow training of the deep plain network, and does not
# prove its cause. (Balduzzi et al., 2017, "The Shattered Gradients Problem", look at it from another
# side; Li et al., 2018, "Visualizing the Loss Landscape of Neural Nets", draw the loss around trained networks.)
#
# ## ResNet-50
#
# For images of 224 × 224 the network begins with a 7 × 7 convolution and pooling, which leave maps of
# 56 × 56, and has four stacks. From 50 layers on the paper changes the block. A *bottleneck* brings the
# many maps down by a 1 × 1 convolution, works on the few, and brings them up again. (Batch normalisation and ReLU
# are left out of the drawing. Where the shape changes, these networks have projections.)

# %%
plot_block([("x", "56 × 56 × 256"), [[("1 × 1 conv, 64", "56 × 56 × 64"), ("3 × 3 conv, 64", "56 × 56 × 64"),
                                      "1 × 1 conv, 256"], []], ("+", "56 × 56 × 256"), "ReLU"],
           "A bottleneck of ResNet-50")
plt.show()

# %%
basic, bottleneck = 2 * 3 * 3 * 64 * 64, 256 * 64 + 3 * 3 * 64 * 64 + 64 * 256
print(f"A basic block on 64 maps has {basic:,} weights; a bottleneck on 256 maps has {bottleneck:,}.")

# %% [markdown]
# One more layer, four times as many maps, and hardly a difference in price. Here is the whole network.

# %%
tables = {name: layer_table(build(name, (224, 224, 3), 1000)) for name in ("vgg16", "resnet50", "resnet152")}
stage = tables["resnet50"].index.str.extract("^(stem|stack.|logits)", expand=False)  # how the layers' names begin
costs = tables["resnet50"].groupby(stage, sort=False)[["parameters", "multiply_adds"]].sum()
for name, count, work in costs.itertuples():
    print(f"{name:7s} has {count:10,} parameters and needs {work / 1e6:5,.0f} million multiply-adds per image.")

# %% [markdown]
# Most parameters are in the last stack, where the maps are many; the work is spread over all four.

# %%
resnet50 = int(tables["resnet50"]["parameters"].sum())
print(f"ResNet-50 has {resnet50:,} parameters, the deck says about 25 million.")
claim("practice-resnet-params", measured=resnet50, holds=abs(resnet50 / 25e6 - 1) < 0.05)

# %% [markdown]
# (As Keras counts: with moving statistics, and with biases that normalisation makes idle. Without both
# it is 25.56 million.) Full size but untrained, it answers one picture of the course's goods, enlarged:
# what comes out is worth nothing, what it costs is real.

# %%
picture, _ = load_arrays("goods", "test[:1]", image_size=(224, 224))
model = build("resnet50", (224, 224, 3), 1000)
probabilities = ops.convert_to_numpy(ops.softmax(model(picture)))[0]
print(f"ResNet-50 gives its favourite class {probabilities.max():.4f}; guessing gives each of them 0.0010.")
print(f"One answer takes {1000 * latency(model, batch_sizes=(1,), rounds=5)[1]:.0f} ms here.")

# %% [markdown]
# ## Which to take
#
# The errors are the paper's (table 3: ImageNet, validation images, ten crops of each, the answer among
# the first five; table 6: CIFAR-10, one answer).

# %%
tables |= {name: layer_table(build(name, (32, 32, 3), 10)) for name in ("resnet20", "resnet56")}
totals = pd.DataFrame({name: table[["parameters", "multiply_adds"]].sum() for name, table in tables.items()}).T
pd.DataFrame({
    "images": [f"{table['shape'].iloc[0][0]} pixels" for table in tables.values()],
    "parameters": [f"{count / 1e6:.2f} M" for count in totals["parameters"]],
    "float32 weights": [f"{4 * count / 1e6:.0f} MB" for count in totals["parameters"]],
    "multiply-adds": [f"{count / 1e6:,.0f} M" for count in totals["multiply_adds"]],
    "published error": ["9.3 % (top 5)", "6.7 % (top 5)", "5.7 % (top 5)", "8.75 %", "6.97 %"],
    "take it": ["no longer: more work, more weights", "first, with pretrained weights", "for the last percent",
                "for small images, in little time", "for small images, with more time"],
}, index=list(tables))

# %% [markdown]
# The surprise of 2015 is in this table: ResNet-152 is nine times as deep as VGG16, and less work.
#
# ## Summary
#
# - Plain networks learn worse the deeper they are, at their own training images. Add the input of each block to
#   its output, and that harm is gone, with not one parameter more.
# - A residual block that adds nothing copies its input. Where the shape changes, the shortcut thins the
#   input out and fills up with zeros, or a 1 × 1 convolution does it.
# - In plain networks the gradient grows from layer to layer on its way back, and keeps little of what
#   it promises; with shortcuts it grows less and keeps more.
# - ResNet-56 has 853,018 parameters to train; ResNet-50 has 25,636,712 as Keras counts.
#
# ## Exercises
#
# **Predict.** Give ResNet-56 projections for shortcuts instead of zeros. How many parameters has it to
# train then? There are two places where the shape changes: from 16 maps to 32, and from 32 to 64. A
# projection is a 1 × 1 convolution without biases and a batch normalisation.

# %% tags=["exercise", "exercise-projection"]
projection_parameters = ...

# %% tags=["check"]
if projection_parameters is ...:
    print("Not answered yet: replace the dots above.")
else:
    table = layer_table(build("resnet56", (32, 32, 3), 10, shortcut="projection"))
    before, right = parameters["resnet56", "padding"], int(table["trainable"].sum())
    hints = {
        right - before: "That is what the projections have: add the rest of the network.",
        before + 16 * 32 + 32 * 64: "Nearly: batch normalisation trains two numbers for each map, gamma and beta.",
        right + 32 + 64: "Nearly: the convolutions have no biases, for normalisation would take them away again.",
        int(table["parameters"].sum()): "That has moving means and variances too, which are not trained.",
        before: "That is with zeros. A 1 x 1 convolution from 16 maps to 32 has 16 x 32 weights.",
    }
    assert isinstance(projection_parameters, int), "Write a whole number without a comma, such as 853018."
    assert projection_parameters == right, hints.get(
        projection_parameters, "Not this. Two 1 x 1 convolutions, each with a gamma and a beta per map: what have they?"
    )
    print(f"Right: {right:,}, only {right - before:,} more.")

# %% [markdown]
# **Modify.** Is it the learning rate? Set `learning_rate` to a fifth and to five times its value and run the page
# again. At which does the deep plain network learn best, and how far is it behind the shallow one then?
#
# **Extend.** What does one block of a trained network do? Set the gamma of its last normalisation to
# zero, in one block after the other of `runs["residual", deep]["model"]` (trained again: the trial steps have left it
# elsewhere), and draw the loss against the block that is silent. Veit et al., 2016, "Residual Networks Behave Like
# Ensembles of Relatively Shallow Networks", found that hardly any single block is needed, and that those which halve
# the size matter most.
