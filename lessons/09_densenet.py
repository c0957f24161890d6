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
# # 09 · DenseNet
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/09_densenet.ipynb)
#
# *ResNet adds what a block has found to what was there before. DenseNet lays it beside: nothing is ever
# overwritten, and each layer reads all that earlier layers wrote. Here you build it, train it, cut its
# connections one by one to see which of them it uses, and find out what it costs in memory.*
#
# You will
#
# - write a dense block, and check that each layer reads the maps of all layers before it, unchanged,
# - build DenseNet-121 and account for its 8,062,504 parameters,
# - measure in trained networks which early maps are read again, and what laying side by side takes in memory.
#
# A minute and a half on two CPU cores · deck *goods*, "Використані підходи DenseNet".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
data = "fashion_mnist"  # embedded, or any name of TensorFlow Datasets, such as cifar10
image_side = 14  # pixels to which the images are resized
train_examples = 1536  # images to train on
epochs = 3  # passes over them
batch_size = 64  # images per training step
learning_rates = {"DenseNet": 0.005, "ResNet": 0.005}  # of Adam; see "Narrow networks, trained"
blocks = [4, 4, 4]  # layers of each dense block
growth_rate = 8  # maps that each layer adds
filters = 8  # of the first stack of a ResNet-14 with about as many parameters
seeds = [0, 1, 2]  # each network is trained once from each; three at least
margin = 0.01  # test accuracy: a smaller difference does not interest us
cut_margin = 0.05  # nats of test loss: a smaller rise does not interest us
test_examples = 2048  # images to judge by
probe_images = 256  # the first of them, on which connections are cut
memory_depths = [3, 6, 12]  # layers of the dense blocks whose memory is measured
memory_images = 16  # in the batch of that measurement

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import math
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops
from scipy import stats

from helpers.architectures import build
from helpers.architectures.densenet import preactivated_conv
from helpers.claims import claim
from helpers.complexity import layer_table
from helpers.datasets import load_arrays
from helpers.drawings import plot_block, plot_layers
from helpers.evaluation import is_greater
from helpers.plots import use_course_style
from helpers.profiling import peak_memory
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])
rng = np.random.default_rng(seeds[0])

# %% [markdown]
# ## Add, or lay side by side
#
# A residual block (lesson 07) hands on the *sum* of its input and what it has found. From a sum nobody can
# tell its terms: what one block has written, the next may wipe out. Huang et al. (2016, "Densely Connected
# Convolutional Networks") hand on both, side by side as channels. Layer $l$ of a *dense block* reads the maps of
# all layers before it,
#
# $$x_l = H_l([x_0, x_1, \dots, x_{l-1}])$$
#
# and adds only a few of its own: $k$ of them, the *growth rate*. As it reads so many, a 1 × 1 convolution
# first brings them down to $4k$. (Normalisation and ReLU, left out of the drawing, stand *before* each convolution
# here.)

# %%
figure, axes = plt.subplots(1, 2, figsize=(5.8, 2.8))
bottleneck = ["1 × 1 conv, C/4", "3 × 3 conv, C/4", "1 × 1 conv, C"]
dense = ["1 × 1 conv, 4k", ("3 × 3 conv, k", "k maps")]
plot_block([("x", "C maps"), [bottleneck, []], ("+", "C maps")], "Residual: added", ax=axes[0])
plot_block([("x", "C maps"), [dense, []], ("concatenate", "C + k maps")], "Dense: laid side by side", ax=axes[1])
plt.show()


# %%
def dense_block(x, repeats, growth_rate, name="block", **kinds):
    """Let each layer see the outputs of all layers before it, and add ``growth_rate`` maps of its own."""
    for index in range(repeats):
        layer = f"{name}_layer{index + 1}"
        y = preactivated_conv(x, 4 * growth_rate, 1, name=f"{layer}_conv1", **kinds)
        y = preactivated_conv(y, growth_rate, 3, name=f"{layer}_conv2", **kinds)
        x = layers.Concatenate(name=f"{layer}_concatenate")([x, y])
    return x


# %% [markdown]
# (`preactivated_conv` is batch normalisation, ReLU, and a convolution without biases; `kinds` may exchange their
# layers.) So what each layer reads grows by $k$ maps at every layer. In the first block of DenseNet-121,
# of six layers, $k$ = 32 and the block starts from 64 maps:

# %%
written = [64] + 6 * [32]  # maps of the block's input, and of each layer
names = ["input", *(f"layer {number}" for number in range(1, 7))]
ax = plt.subplots(figsize=(4.8, 2.1))[1]
for source, name in enumerate(names):
    start = sum(written[:source])
    ax.barh(range(source, 7), written[source], left=start, color=f"C{source}", alpha=0.6, edgecolor="white")
    ax.text(start + written[source] / 2, 6, name, ha="center", va="center", fontsize=8)
ax.set(title="What each layer reads, by who wrote it", xlabel="maps", ylabel="read by layer", yticks=range(7))
ax.set_yticklabels([*range(1, 7), "next"])
ax.invert_yaxis()
ax.grid(axis="y", visible=False)
plt.show()

# %% [markdown]
# A chain of $L$ layers has $L$ connections. Here layer $l$ reads from $l$ sources, so there are $L (L + 1) / 2$.
#
# The deck: "every layer sees all earlier feature maps". Ask a small block of four layers, with random
# weights and inputs. First: are the maps of each source still *there*, bit for bit, in what later layers read?

# %%
maps = keras.Input((8, 8, 6), name="maps")
block = keras.Model(maps, dense_block(maps, repeats=4, growth_rate=3))
# what each layer writes
made = [block.get_layer(f"block_layer{number}_conv2").output for number in range(1, 5)]
# what each layer reads
read = [block.get_layer(f"block_layer{number}_conv1_normalization").input for number in range(1, 5)]
look = keras.Model(maps, made + read[1:] + [block.output])  # layer 1 reads the maps themselves

noise = rng.standard_normal((2, 8, 8, 6)).astype("float32")
values = [ops.convert_to_numpy(each) for each in look(noise)]
sources, inputs = [noise, *values[:4]], [noise, *values[4:]]
unchanged = [np.array_equal(each, np.concatenate(sources[:number], axis=-1)) for number, each in enumerate(inputs, 1)]
print(f"Layers 1 to 4, and what follows, read the sources side by side, unchanged: {unchanged}.")

# %% [markdown]
# Second: do they *look* at them? Take each layer by itself, from what it reads to what it writes. Change the
# maps of one source there, and nothing else; does its answer change?

# %%
ends = [0, 6, 9, 12, 15]  # where the channels of each source begin and end
notices = np.zeros((4, 4), bool)  # (reader, source)
for reader in range(4):
    layer = keras.Model(read[reader], made[reader])
    answer = ops.convert_to_numpy(layer(inputs[reader]))
    for source in range(reader + 1):
        touched = inputs[reader].copy()
        touched[..., ends[source]:ends[source + 1]] += 1
        notices[reader, source] = np.abs(ops.convert_to_numpy(layer(touched)) - answer).max() > 1e-3
print(f"{notices.sum()} direct connections of {4 * 5 // 2}.")

# %%
claim("goods-densenet", measured=f"{notices.sum()} direct connections in a block of 4 layers, and the maps of every "
      "source stand unchanged in what later layers read",
      holds=bool(all(unchanged) and notices.sum() == 4 * 5 // 2))

# %% [markdown]
# With a sum that could not be: if one layer writes 1 more and the next 1 less, the sum is the same. "All earlier
# maps" means those of the same block: between blocks stands a transition, which mixes them.
#
# ## DenseNet-121
#
# Maps of different sizes cannot lie side by side. So a network has several dense blocks, and between them
# *transitions*: a 1 × 1 convolution, which keeps half of the maps, and an average over 2 × 2 pixels. Keeping
# half is the paper's *compression*, the C of its name DenseNet-BC; B is the *bottleneck*, the 1 × 1 convolution
# of each layer. All networks that we build are of this kind.

# %%
def transition(x, compression=0.5, name="transition", **kinds):
    """Reduce the channels by a 1 x 1 convolution, and halve the size."""
    x = preactivated_conv(x, max(1, int(x.shape[-1] * compression)), 1, name=f"{name}_conv", **kinds)
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


# %% [markdown]
# DenseNet-121 begins like ResNet-50, with a 7 × 7 convolution and pooling; then come blocks of 6, 12,
# 24 and 16 layers, the average of each map, and the logits.

# %%
table = layer_table(build("densenet121", (224, 224, 3), 1000))
stage = table.index.str.extract("^(stem|block.|transition.|last|logits)", expand=False)  # how the layers' names begin
stages = table.groupby(stage, sort=False).agg({"shape": "last", "parameters": "sum", "multiply_adds": "sum"})
drawn = stages["shape"][~stages.index.str.startswith(("transition", "last"))]
plot_layers({"image": (224, 224, 3), **drawn}, "DenseNet-121: what leaves stem and blocks")
plt.show()

# %%
for name, shape, count, work in stages.itertuples():
    print(f"{name:11s} leaves {' x '.join(map(str, shape)):14s}: {count:9,} parameters, "
          f"{work / 1e6:5,.0f} million multiply-adds")

# %% [markdown]
# Work and parameters lie at opposite ends: block 1 has few maps, but large ones, and takes the most work; blocks 3
# and 4 have most of the parameters.

# %%
densenet121, trained = int(table["parameters"].sum()), int(table["trainable"].sum())
convolutions = (table["kind"] == "Conv2D").sum()
ones, threes = (table.loc[table.index.str.endswith(end), "parameters"].sum() for end in ("_conv1", "_conv2"))
print(f"{convolutions} convolutions and the logits make {convolutions + 1} layers with weights.")
print(f"{densenet121:,} parameters, {trained:,} of them trained; the other {densenet121 - trained:,} are moving means "
      "and variances.")
print(f"In the dense layers the 1 x 1 convolutions have {ones / densenet121:.0%} of all, the 3 x 3 "
      f"{threes / densenet121:.0%}.")

# %%
resnet = layer_table(build("resnet50", (224, 224, 3), 1000))
print(f"ResNet-50 has {resnet['parameters'].sum() / densenet121:.1f} times the parameters, and "
      f"{resnet['multiply_adds'].sum() / table['multiply_adds'].sum():.2f} times the multiply-adds.")

# %% [markdown]
# Each of the 58 dense layers writes 32 maps, few for a network of this size. About half of the parameters are
# in their 1 × 1 convolutions, which *read*: the last layer of block 4 reads 992 maps to write 32. With the
# weights that Keras ships, DenseNet-121 is right about 75.0 % of ImageNet's validation images, ResNet-50 about
# 74.9 % ([keras.io](https://keras.io/api/applications/)).
#
# Four bytes each, the parameters make a file of 32 MB. The 430 MB of the deck's DenseNet would be 107 million
# weights, or a third of that if Adam's two moments are in the file; the deck does not say which DenseNet it is, nor
# how wide the dense layers on top.
#
# The growth rate is the one knob of width. Everything is a multiple of it, so nearly all weights grow with its
# square:

# %%
totals = {}
for rate in (growth_rate, 2 * growth_rate, 4 * growth_rate):
    costs = layer_table(build("densenet121", (32, 32, 3), 10, blocks=blocks, growth_rate=rate, stem="small"))
    totals[rate] = int(costs["parameters"].sum())
    print(f"Blocks of {blocks} layers with growth rate {rate:2d}: {totals[rate]:9,} parameters, "
          f"{costs['multiply_adds'].sum() / 1e6:6.1f} million multiply-adds.")

# %% [markdown]
# Twice the growth rate takes nearly four times the parameters, and the work. (Not quite: the stem reads a given
# image, and the logits have a given number.)
#
# ## Narrow networks, trained
#
# Now a small one, with three blocks, to learn from; and beside it a ResNet-14 of lesson 07 with about as many
# parameters. Of 0.005, 0.01 and 0.02 both learn best at 0.005, the smallest of the three, judged by other
# images, the last 2000 of the training data. (`momentum` of the normalisation: 0.99 is for more steps than we
# take.)

# %%
normalization = partial(layers.BatchNormalization, momentum=0.9)
images, labels = load_arrays(data, f"train[:{train_examples}]", image_size=(image_side, image_side))
test_images, test_labels = load_arrays(data, f"test[:{test_examples}]", image_size=(image_side, image_side))
num_classes, loss = int(labels.max()) + 1, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
steps = epochs * math.ceil(len(images) / batch_size)
print(f"{len(images)} images of shape {images.shape[1:]} to train on, {steps} steps; {len(test_images)} to judge by.")


# %%
def dense_network():
    """Return a DenseNet of ``blocks`` for small images."""
    inputs = keras.Input(images.shape[1:])
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(2 * growth_rate, 3, padding="same", use_bias=False, name="stem")(x)
    for index, repeats in enumerate(blocks):
        x = transition(x, name=f"transition{index}", normalization=normalization) if index else x
        x = dense_block(x, repeats, growth_rate, name=f"block{index + 1}", normalization=normalization)
    x = layers.Activation("relu")(normalization(name="last_normalization")(x))
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(layers.GlobalAveragePooling2D()(x)))


def residual_network():
    """Return a ResNet of 14 layers for small images."""
    return build("resnet20", images.shape[1:], num_classes, stacks=(2, 2, 2), filters=filters,
                 normalization=normalization)


# %%
def compiled(make, learning_rate):
    """Return a new network, compiled."""
    model = make()
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    steps_at_once = 1 if keras.backend.backend() == "torch" else 16  # PyTorch takes one at a time
    model.compile(keras.optimizers.Adam(schedule), loss, metrics=["accuracy"], steps_per_execution=steps_at_once)
    return model


def train(model):
    """Train a network, and return the seconds of its fastest epoch."""
    clock = [time.perf_counter()]
    tick = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: clock.append(time.perf_counter()))
    model.fit(images, labels, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[tick])
    return min(np.diff(clock))


# %% [markdown]
# To learn later which connections a DenseNet uses, we need to *cut* one, and nothing else. The normalisation in
# front of each reader makes that easy. It takes from each channel its mean, divides by the spread, and then
# multiplies by a number that it has learned, $\gamma$, and adds another, $\beta$. With $\gamma = 0$ for the
# channels of one source, the reader gets $\beta$ from them, whatever they show: just what it gets where a map
# has its average value. Other readers have a normalisation of their own and are not touched. So list the
# connections:

# %%
connections = []
first = 2 * growth_rate  # maps that enter the block
for number, repeats in enumerate(blocks, 1):
    follower = f"transition{number}_conv" if number < len(blocks) else "last"
    ends = [0, *(first + growth_rate * index for index in range(repeats + 1))]
    for reader in range(1, repeats + 2):  # the last one is what follows the block
        layer = f"block{number}_layer{reader}_conv1" if reader <= repeats else follower
        for source in range(reader):
            connections.append((number, reader, source, layer, slice(ends[source], ends[source + 1])))
    first = ends[-1] // 2
connections = pd.DataFrame(connections, columns=["block", "reader", "source", "layer", "channels"])
connections["maps"] = [channels.stop - channels.start for channels in connections["channels"]]
connections["distance"] = connections["reader"] - connections["source"]  # 1: from the layer just before
connections["ends_block"] = ~connections["layer"].str.contains("_layer")  # read by a transition, or before the logits
long_ones = {"dense layers": connections.query("distance > 1 and not ends_block"),
             "what follows a block": connections.query("distance > 1 and ends_block")}
print(f"{len(connections)} connections. Long, that is past one layer or more: "
      + ", ".join(f"{len(cut)} into {reader}" for reader, cut in long_ones.items()) + ".")


# %%
def loss_without(model, cut, fresh=False):
    """Return loss and accuracy on the probe images with some connections cut; the model is then as it was before."""
    gammas = {layer: model.get_layer(f"{layer}_normalization").gamma for layer in cut["layer"]}
    changed = [*gammas.values(), *(model.non_trainable_variables if fresh else [])]
    kept = [(variable, ops.convert_to_numpy(variable).copy()) for variable in changed]
    for layer, rows in cut.groupby("layer"):
        values = ops.convert_to_numpy(gammas[layer]).copy()
        for channels in rows["channels"]:
            values[channels] = 0
        gammas[layer].assign(values)
    pictures, truth = test_images[:probe_images], test_labels[:probe_images]
    logits = ops.convert_to_numpy(model(pictures, training=True) if fresh else model.predict_on_batch(pictures))
    for variable, values in kept:
        variable.assign(values)
    return float(loss(truth, logits)), float(np.mean(logits.argmax(axis=-1) == truth))


def at_random(cut):
    """Return a cut of as many maps for each reader, drawn from all that it reads."""
    reads, maps = (rows.groupby("layer")["maps"].sum() for rows in (connections, cut))
    drawn = [rng.choice(reads[layer], count, replace=False) for layer, count in maps.items()]
    return pd.DataFrame({"layer": maps.index, "channels": drawn})


# %%
def weights_of(model, scaled=True):
    """Return for each connection the mean absolute weight of its reader, times gamma if ``scaled``."""
    found = []
    for layer, channels in zip(connections["layer"], connections["channels"]):
        kernel = ops.convert_to_numpy(model.get_layer("logits" if layer == "last" else layer).kernel)
        kernel = np.abs(kernel.reshape(-1, kernel.shape[-1])[channels])  # (maps read, maps written)
        gamma = ops.convert_to_numpy(model.get_layer(f"{layer}_normalization").gamma)[channels]
        found.append((kernel * np.abs(gamma)[:, None]).mean() if scaled else kernel.mean())
    return np.array(found)


# %% [markdown]
# One more thing can go wrong: the layers *behind* a cut get maps with another mean and spread than their
# normalisation expects. That alone does harm. So where we cut many connections at once, we let each normalisation
# use the mean and spread of the very images that it sees, as it does in training (`fresh`).

# %%
nothing = connections[:0]
one_by_one = [connections[index:index + 1] for index in range(len(connections))]


def cut_long(model):
    """Return loss and accuracy on fresh statistics: whole; for each reader long ones cut, and as many at random."""
    found = [loss_without(model, nothing, fresh=True)]
    for cut in long_ones.values():
        drawn = [loss_without(model, at_random(cut), fresh=True) for draw in range(3)]
        found += [loss_without(model, cut, fresh=True), np.mean(drawn, axis=0)]
    return found


# %% [markdown]
# Train both networks from each seed, and look at the DenseNet before its training and after it.

# %%
test_batches = np.array_split(test_images, max(1, len(test_images) // probe_images))
accuracy, seconds, parameters, work, records = {}, {}, {}, {}, []
for name, make in (("DenseNet", dense_network), ("ResNet", residual_network)):
    accuracy[name], seconds[name] = [], []
    for model in restarts(partial(compiled, make, learning_rates[name]), seeds):
        if name == "DenseNet":
            first = [loss_without(model, cut, fresh=True)[0] for cut in (nothing, long_ones["dense layers"])]
            records.append({"first weights": weights_of(model), "first long": first})
        seconds[name].append(train(model))
        logits = np.concatenate([model.predict_on_batch(batch) for batch in test_batches])
        accuracy[name].append(np.mean(logits.argmax(axis=-1) == test_labels))
        if name == "DenseNet":
            whole, *alone = (loss_without(model, cut)[0] for cut in (nothing, *one_by_one))
            drawn = [loss_without(model, at_random(cut))[0] for cut in one_by_one]
            records[-1] |= {"weights": weights_of(model, scaled=False), "scaled weights": weights_of(model),
                            "alone": np.subtract(alone, whole), "drawn": np.subtract(drawn, whole),
                            "long": cut_long(model)}
            trained_densenet = model  # in the end that of the last seed; for the exercises
    costs = layer_table(model)
    parameters[name], work[name] = int(costs["trainable"].sum()), int(costs["multiply_adds"].sum())
study = {key: np.array([record[key] for record in records]) for key in records[0]}  # a row for each seed

# %%
for name, found in accuracy.items():
    print(f"{name:8s}: {np.mean(found):.1%} of test images right ({min(found):.1%} to {max(found):.1%} over seeds), "
          f"{parameters[name]:,} parameters to train, {work[name] / 1e6:.1f} million multiply-adds, "
          f"{1e3 * min(seconds[name]) * epochs / steps:.0f} ms per training step")
better = is_greater(accuracy["DenseNet"], accuracy["ResNet"], margin)
words = {True: "the DenseNet is more accurate", False: "the DenseNet is less accurate",
         None: "this run cannot tell which is more accurate"}
print(f"DenseNet minus ResNet: {better}. With as many parameters and so short a training, {words[better.holds]}.")

# %% [markdown]
# The paper's own comparison is with much deeper networks, on CIFAR-10 with augmentation: DenseNet-BC with 100
# layers, $k$ = 12 and 0.8 million parameters errs on 4.51 % of the test images, a pre-activation ResNet with
# 1001 layers and 10.2 million parameters on 4.62 % (table 2). A few dozen steps of small networks do not reach
# so far. But one thing can be seen here already. Equal parameters are not equal work: compare the multiply-adds
# and the times. A dense layer has two convolutions and two normalisations of its own for few maps, and copies
# what it reads.
#
# ## Which maps are read again?
#
# The paper's word is *feature reuse*: what an early layer has found serves many later ones, so that each need
# find little. To show it, the paper draws (figure 5, for a DenseNet of 40 layers with $k$ = 12, without
# compression) the mean absolute weight by which each layer reads each source. It reads there that layers spread
# their weights over many sources, that blocks 2 and 3 give least weight to what the transition hands them,
# which would have many redundant features, and that the classifier leans on the last maps.
#
# Here is that picture of our networks, mean of the seeds. Each weight meets a map
# that was normalised and multiplied by $\gamma$, so the weight counts times $|\gamma|$.

# %%
def plot_connections(values, title, norm, outlined=None):
    """Draw a value per connection, a triangle for each block; with numbers if some are outlined."""
    figure, axes = plt.subplots(1, len(blocks), figsize=(1.9 * len(blocks) + 0.3, 2.1), squeeze=False)
    for number, ax in enumerate(axes[0], 1):
        grid = np.full(2 * [blocks[number - 1] + 1], np.nan)
        for index, (reader, source) in connections.query("block == @number")[["reader", "source"]].iterrows():
            grid[reader - 1, source] = values[index]
            if outlined is not None:
                ax.text(source, reader - 1, f"{values[index]:.0f}", ha="center", va="center", fontsize=8,
                        color="white" if norm(values[index]) > 0.6 else "black")
                if outlined[index]:
                    box = (source - 0.46, reader - 1.46)
                    ax.add_patch(plt.Rectangle(box, 0.92, 0.92, fill=False, edgecolor="C3", linewidth=1.8))
        image = ax.imshow(grid, cmap="Blues", norm=norm)
        ax.set(xlabel=f"source in block {number}", ylabel="read by layer" if number == 1 else "",
               xticks=range(len(grid)), yticks=range(len(grid)))
        ax.set_xticklabels(["in", *range(1, len(grid))])
        ax.set_yticklabels([*range(1, len(grid)), "next"])
        ax.grid(visible=False)
    if outlined is None:
        figure.colorbar(image, ax=axes)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    plt.show()


# %%
before, after = (np.where(connections["layer"] == "last", np.nan, study[key].mean(axis=0))  # over the seeds
                 for key in ("first weights", "scaled weights"))
plot_connections(after, "Mean |γ · weight| after training", plt.Normalize(np.nanmin(after), np.nanmax(after)))
print(f"Largest weight divided by smallest: {np.nanmax(after) / np.nanmin(after):.2f}. After training divided by "
      f"before, connection by connection: {np.nanmin(after / before):.2f} to {np.nanmax(after / before):.2f}.")

# %% [markdown]
# (Missing: what follows block 3, the logits. Their weights are drawn on another scale.) The weights are spread
# over all sources, as the paper says. But training has moved them by little: in the *untrained* networks the
# picture is mostly there. Where a layer reads more maps, Keras draws smaller weights. (The paper trained for
# 300 epochs, with weight decay, which shrinks weights that are of no use.) The size of a weight tells what
# could be read, not what is.
#
# ### Cut, and see what is missing
#
# So ask the network. Cut one connection, and see how much the loss on the test images rises. A block's input
# has more maps than a layer adds, so divide by the number of maps that are cut:

# %%
per_map = {key: 1e3 * study[key] / connections["maps"].to_numpy() for key in ("alone", "drawn")}  # by seed, 1/1000 nat
harm = per_map["alone"].mean(axis=0)
plot_connections(harm, "Rise of the loss per map, with one connection cut (1/1000 nat)",
                 plt.matplotlib.colors.LogNorm(1, max(100, harm.max())),
                 outlined=(study["alone"] > cut_margin).all(axis=0))

# %% [markdown]
# (Outlined: the whole connection costs more than `cut_margin` in every seed.) Do layers miss more what they read
# with larger weights?

# %%
def by_reader(values):
    """Divide each connection's value by the mean over all that the same layer reads."""
    return values / pd.Series(values).groupby([connections["block"], connections["reader"]]).transform("mean")


choice = connections["reader"] > 1  # a layer that reads one source has no choice
found = {**study, "harm": per_map["alone"]}
for text, first, second in (("|γ · weight| after training with before", "scaled weights", "first weights"),
                            ("|weight| with rise of the loss per map", "weights", "harm"),
                            ("|γ · weight| with rise of the loss per map", "scaled weights", "harm")):
    for where, view in (("over all connections", np.asarray), ("among those of a reader", by_reader)):
        ranks = [stats.spearmanr(view(one)[choice], view(other)[choice]).statistic
                 for one, other in zip(found[first], found[second])]
        print(f"Rank correlation of {text}, {where}: {np.mean(ranks):.2f} ({min(ranks):.2f} to {max(ranks):.2f})")

# %% [markdown]
# The first two lines say how much of the order was there before the training. The others are lower, and unsteady:
# among the sources of one reader we found about 0 with TensorFlow and 0.4 to 0.5 with JAX, which draws other random
# numbers. So the size of the weights is an uncertain witness here, with $\gamma$ or without.
#
# ### Does distance matter, map for map?
#
# Now sort the cuts by who reads, and by where the maps come from. The control: from the same readers cut as
# many maps, drawn at random from all that they read.

# %%
readers = {"dense layers": ~connections["ends_block"], "what follows a block": connections["ends_block"]}
sources = {"the block's input": connections["source"] == 0,
           "the layer just before": (connections["source"] > 0) & (connections["distance"] == 1),
           "layers further back": (connections["source"] > 0) & (connections["distance"] > 1)}
for reader, reads in readers.items():
    for source, written in sources.items():
        chosen = choice & reads & written
        cut, drawn = (per_map[key][:, chosen].mean(axis=1) for key in ("alone", "drawn"))  # by seed
        print(f"{reader:20s} without {source:21s}: {cut.mean():4.1f} thousandths of a nat per map ({cut.min():.1f} to "
              f"{cut.max():.1f}), at random {drawn.mean():4.1f} ({drawn.min():.1f} to {drawn.max():.1f}); "
              f"{study['alone'][:, chosen].mean():.2f} nats per connection")

# %%
figure, axes = plt.subplots(1, 2, figsize=(5.8, 2.5))
for ax, (reader, reads) in zip(axes, readers.items()):
    back = sorted(connections.loc[choice & reads, "distance"].unique())
    for key, color, marker, line, text in (("alone", "C0", "o", "-", "these maps"),
                                           ("drawn", "C3", "s", "--", "as many at random")):
        chosen = [choice & reads & (connections["distance"] == step) for step in back]
        means = np.array([per_map[key][:, each].mean(axis=1) for each in chosen])
        shift, fill = (-0.05, "full") if key == "alone" else (0.05, "none")
        points = ax.plot(np.add(back, shift), means, color + marker, fillstyle=fill)  # a marker for each seed
        points[0].set_label(text)
        ax.plot(back, means.mean(axis=1), color + line, linewidth=1)
    ax.set(title=reader.capitalize(), xlabel="layers back to the source", xticks=back, ylim=(0, None))
axes[0].set_ylabel("rise per map (1/1000 nat)")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# The great difference is between the readers: to what follows a block each map is worth far more than to a dense
# layer. Between the sources there is less, and in the dense layers the control shows much the same: other sources
# meet other readers. What enters a block seems to matter most only where one forgets that it has two or three times
# as many maps. Map for map it is missed no more than maps drawn at random (of which, to be fair, many are its own).
# And distance? Compare filled with hollow (a marker for each seed, lines for their means), not left with right. As
# far as the two go together, a map is worth what others are that the same reader reads, from however far it comes.
#
# So there is no sign here that blocks 2 and 3 read redundant maps. (Our networks compress, the one of figure 5
# did not; the authors found their picture in keeping with the success of compression.) And the classifier, in
# the last row of block 3: the numbers rise a little to the right, if at all.
#
# Inside the blocks, then, a far layer can nearly be missed, while what follows a block needs each. That does
# not mean that they are idle: others may stand in. So cut many at once: all long connections into dense layers,
# so that each hears only the one before it; and, apart, those into what follows a block. The rule, stated
# before we look, is about the dense layers: they use early maps if the cut raises the loss by more than
# `cut_margin` above what it does before training. And distance makes maps worth less if as many at random raise
# it by `cut_margin` more than the long ones do.

# %%
whole, *cuts = study["long"].mean(axis=0)
print(f"With fresh statistics {whole[1]:.0%} of {probe_images} test images are right; by chance {1 / num_classes:.0%}.")
for (reader, rows), cut, drawn in zip(long_ones.items(), cuts[::2], cuts[1::2]):
    print(f"{len(rows)} long connections into {reader} cut: {cut[1]:.0%} right, the loss {cut[0] - whole[0]:.2f} nats "
          f"higher. As many maps at random: {drawn[1]:.0%}, {drawn[0] - whole[0]:.2f} nats.")
rise, drawn_rise = (study["long"][:, index, 0] - study["long"][:, 0, 0] for index in (1, 2))  # dense layers, by seed
used = is_greater(rise, study["first long"][:, 1] - study["first long"][:, 0], cut_margin)
print(f"Dense layers, rise after training minus rise before: {used} nats.",
      {True: "So they use early maps.", False: "So they do not use early maps.",
       None: "This run cannot tell whether they use early maps."}[used.holds])
nearer = is_greater(drawn_rise, rise, cut_margin)
print(f"Dense layers, random minus long: {nearer} nats.",
      {True: "So early maps are worth less than others.", False: "So early maps are not worth less than others.",
       None: "This run cannot tell whether early maps are worth less than others."}[nearer.holds])

# %% [markdown]
# So to *these* networks many early maps together are worth much, though one source alone is worth little. What
# does not follow: that a network trained without long connections would be as bad, for it would have learned to
# do without. (Hess, 2018, "Exploring Feature Reuse in DenseNet Architectures", let a layer read only a few
# layers before it, spent the weights saved on larger growth rates, and found such networks as good or better.)
#
# ## The memory of laying side by side
#
# Writing little has a price. A new row of maps costs $k$ per layer; but in Keras, as in most libraries,
# `Concatenate` *copies* everything into a new array, and the normalisation of the next layer makes one more
# array of the same size, the ReLU a third. A step of training keeps them for the way back. The new maps grow in
# proportion to the depth of the block, their copies faster, in the end with its square. Count them, in blocks
# of growth rate 12 on 24 maps of 28 × 28:

# %%
def lone_block(depth):
    """Return a dense block of so many layers as a model."""
    maps = keras.Input((28, 28, 24))
    return keras.Model(maps, dense_block(maps, depth, growth_rate=12))


names = {"Conv2D": "new (convolutions)", "Concatenate": "laid side by side", "BatchNormalization": "normalised",
         "Activation": "after ReLU"}
rows = {depth: layer_table(lone_block(depth)).groupby("kind")["activation_bytes"].sum() for depth in memory_depths}
counts = pd.DataFrame(rows).T[list(names)].rename(columns=names) * memory_images / 1e6  # MB
counts.round(0).add_suffix(" (MB)")


# %% [markdown]
# And measure the peak: one run for each depth, a training step in a fresh process. (Without XLA, which can join
# steps so that fewer arrays are kept.)

# %%
def prepare(depth):
    """Return the work whose memory is measured: one training step of a dense block."""
    block = lone_block(depth)
    model = keras.Model(block.input, layers.GlobalAveragePooling2D()(block.output))
    model.compile("sgd", "mse", jit_compile=False)
    batch = np.random.default_rng(0).random((memory_images, 28, 28, 24), "float32")
    goal = np.zeros((memory_images, model.output.shape[-1]), "float32")
    for size in (1, 2):  # TensorFlow traces once for each, and then for any
        model.train_on_batch(batch[:size], goal[:size])
    return lambda: model.train_on_batch(batch, goal)


counts["measured"] = np.nan
if keras.backend.backend() == "jax":
    print("Not measured: JAX compiles the step for each batch size, and that memory would be counted.")
else:
    with ThreadPoolExecutor(2) as pool:  # two processes side by side
        peaks = pool.map(partial(peak_memory, prepare), memory_depths)
        counts["measured"] = [peak / 1e6 for peak in peaks]

# %%
ax = counts.drop(columns="measured").plot.bar(stacked=True, rot=0, figsize=(4.8, 2.5), edgecolor="white")
for container in ax.containers[1::2]:
    for patch in container:
        patch.set_hatch("//")
title = "Maps of a training step, counted"
if counts["measured"].notna().all():
    ax.plot(range(len(counts)), counts["measured"], "kD", markeredgecolor="white", markersize=8, label="measured")
    title = "Maps counted, and peak measured"
ax.set(title=title, xlabel="layers of the dense block", ylabel=f"MB for {memory_images} images")
ax.grid(axis="x", visible=False)
ax.legend(reverse=True)  # in the order of the stack
plt.show()

# %%
shallow, deep = memory_depths[0], memory_depths[-1]
for name, column in counts.dropna(axis="columns").items():
    ratio = column[deep] / column[shallow]
    print(f"{name:20s}: {deep / shallow:g} times as deep takes {ratio:4.1f} times as much, as depth to the power of "
          f"{math.log(ratio) / math.log(deep / shallow):.2f}.")

# %% [markdown]
# A power of 1 is a straight line, 2 a parabola. The new maps keep to the line. The copies lie between: a block
# starts from some maps, which all copies have, so the square takes over only as it gets deeper. A measured peak is
# not the sum of the bars: a backend need not keep every array, and holds buffers besides.
#
# The square is not in the network, it is in the way it is computed: the copies can be made again from the new
# maps whenever they are needed. Pleiss et al. (2017, "Memory-Efficient Implementation of DenseNets") let all
# concatenations of a network share one piece of memory and all normalisations another, and compute them a second
# time on the way back. For a DenseNet-BC of 100 layers the table of
# [their repository](https://github.com/gpleiss/efficient_densenet_pytorch) has 1.6 GB instead of 2.9 GB, at 25 %
# more time; their text says 15 to 20 %. Lesson 24 does this for any network.
#
# ## The record
#
# The slide says that DenseNet was described in December 2017 and had the lowest error of all existing
# architectures on CIFAR and SVHN. The paper appeared on arXiv on 25 August 2016 (1608.06993), and at CVPR in
# July 2017, where it shared the prize for the best paper. What did it beat, and what went below it? Test errors in
# percent, the best published of each family (within a row the networks may differ), CIFAR with shifted and mirrored
# images:

# %%
pd.DataFrame([
    ("May 2016", "Wide ResNet", "28 layers; SVHN: 16", "4.17", "20.50", "1.64", "as quoted by Huang et al., table 2"),
    ("August 2016", "DenseNet", "100 layers, k = 24", "3.74", "19.25", "1.59", "Huang et al., first version"),
    ("December 2016", "DenseNet-BC", "190 layers, k = 40", "3.46", "17.18", "–", "Huang et al., table 2"),
    ("February 2017", "PyramidNet", "272 layers", "3.31", "16.35", "–", "Han et al., and their repository"),
    ("May 2017", "Shake-Shake", "26 2x96d; CIFAR-100: 29 layers", "2.86", "15.85", "–", "Gastaldi"),
    ("August 2017", "with Cutout", "Shake-Shake; SVHN: Wide ResNet", "2.56", "15.20", "1.30", "DeVries and Taylor"),
], columns=["when", "family", "network", "CIFAR-10", "CIFAR-100", "SVHN", "source"]).set_index("when")

# %% [markdown]
# (The DenseNet of August 2016 has neither bottleneck nor compression. PyramidNet was on arXiv in October 2016,
# with these numbers from February 2017. The last version of the Wide ResNet paper, of June 2017, has 1.54 % on
# SVHN.) So the deck's sentence was true against the networks that the paper compares, with shifts and mirrors
# and one pass per image, and no longer in December 2017. (With stronger distortions and the mean of 100 passes,
# Graham's "Fractional Max-Pooling", on arXiv since December 2014, had about 3.5 % on CIFAR-10.) What went below
# it were residual networks again, of another shape (PyramidNet) or trained in a new way. A record belongs to a
# network and its training.
#
# ## Which to take

# %%
candidates = {
    "DenseNet-121": ("densenet121", (224, 224, 3), 1000, "75.0 % of ImageNet", "where the file must be small"),
    "ResNet-50": ("resnet50", (224, 224, 3), 1000, "74.9 % of ImageNet", "first: simpler, less memory to train"),
    "DenseNet-BC-100": ("densenet_bc_100_12", (32, 32, 3), 10, "95.5 % of CIFAR-10", "small images, few parameters"),
    "ResNet-56": ("resnet56", (32, 32, 3), 10, "93.0 % of CIFAR-10", "small images, little time"),
}
rows = {}
for name, (network, shape, classes, published, advice) in candidates.items():
    costs = layer_table(build(network, shape, classes))
    total = costs[["parameters", "multiply_adds", "weight_bytes", "activation_bytes"]].sum()
    rows[name] = {
        "parameters": f"{total['parameters'] / 1e6:.2f} M",
        "float32 weights": f"{total['weight_bytes'] / 1e6:.0f} MB",
        "multiply-adds": f"{total['multiply_adds'] / 1e6:,.0f} M",
        "maps of one image": f"{total['activation_bytes'] / 1e6:.0f} MB",
        "right": published,
        "take it": advice,
    }
pd.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# ("Maps" are the outputs of all layers, as in `layer_table`. Accuracies: keras.io/api/applications for
# ImageNet, one crop; table 2 of Huang et al. and table 6 of He et al. for CIFAR-10.) For the same accuracy
# DenseNet has a third of the parameters and less work on ImageNet, but more maps to keep. The authors
# themselves advise, on their [page](https://github.com/liuzhuang13/DenseNet), to take a shallower and wider one
# where time or memory is short: 40 layers with $k$ = 48 cost about as much of both as 100 layers with $k$ = 12,
# and err on 3.99 % of CIFAR-10 instead of 4.51 %. But they have 2.7 million parameters instead of 0.8 million.
#
# ## Summary
#
# - In a dense block each layer reads the maps of all layers before it, unchanged, side by side: $L (L + 1) / 2$
#   direct connections for $L$ layers. In a sum they could not be told apart.
# - DenseNet-121 has 8,062,504 parameters, 7,978,856 of them trained, a third of ResNet-50's. About half are in the
#   1 × 1 convolutions that read.
# - Trained networks read early maps again. Inside a block a far source alone can nearly be missed, many together
#   cannot; what follows a block needs each. To see that, cut, and count the maps that you cut; the size of the
#   weights shows mostly how they were drawn.
# - New maps grow in proportion to depth, their copies faster, in the end with its square; they need not be kept.
#
# ## Exercises
#
# **Predict.** Take DenseNet-121 with a growth rate of 24 instead of 32. Its stem makes 48 maps, blocks 1 and 2
# have 6 and 12 layers. How many parameters does the transition behind block 2 train? It is a batch
# normalisation and a 1 × 1 convolution without biases that keeps half of the maps.

# %% tags=["exercise", "exercise-transition"]
transition_parameters = ...

# %% tags=["check"]
if transition_parameters is ...:
    print("Not answered yet: replace the dots above.")
else:
    smaller = layer_table(build("densenet121", (224, 224, 3), 1000, blocks=(6, 12, 1), growth_rate=24))
    right = int(smaller.loc[smaller.index.str.startswith("transition2"), "trainable"].sum())
    hints = {
        384 * 192: "Nearly: batch normalisation trains two numbers for each map that it reads.",
        384 * 192 + 2 * 192: "Nearly: normalisation stands before the convolution here, and sees all the maps.",
        384 * 192 + 4 * 384: "That has the moving means and variances too, which are not trained.",
        384 * 384 + 2 * 384: "That is without compression: the convolution keeps half of the maps.",
        96 * 48 + 2 * 96: "That is for the maps that enter the block. Each layer lays 24 more beside them.",
        288 * 144 + 2 * 288: "The block's own input is handed on as well, beside what its layers add.",
        480 * 240 + 2 * 480: "The transition behind block 1 has halved what enters block 2.",
        512 * 256 + 2 * 512: "That is with the growth rate of 32. Here each layer adds 24 maps.",
    }
    assert isinstance(transition_parameters, int), "Write a whole number without a comma, such as 100000."
    assert transition_parameters == right, hints.get(
        transition_parameters, "Not this. How many maps leave block 2, and how many does the transition keep?"
    )
    print(f"Right: {right:,}. Block 2 gets 96 maps and adds 12 x 24; the transition reads 384 and keeps 192.")

# %% [markdown]
# **Modify.** `trained_densenet` is the network of the last seed, and `loss_without(trained_densenet, cut,
# fresh=True)` gives its loss and accuracy without the connections in `cut`, any rows of `connections`. Cut all
# that are not long (`distance` 1). Then, of the long ones, cut those from a block's input (`source` 0), and
# those from layers. Which of the three groups can it best do without, and which, per map?
#
# **Extend.** Is it worth training them? Write a block in which each layer reads only its block's input and the
# two layers before it, give it a growth rate at which it has as many parameters, train both over the seeds,
# and compare them with `is_greater` and this page's `margin`.
