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
# # 11 · Quality and speed
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/11_quality_and_speed.ipynb)
#
# *Which network should you take? Eight lessons built the candidates. Here they are set against what they cost: in
# parameters, in multiply-adds, in milliseconds and in money; first as published, then as this machine measures it.*
#
# You will
#
# - draw accuracy against multiply-adds twice, from published figures and from your own, with one recipe for all,
# - time each network at batch size 1 and 32, and see what multiply-adds do not tell,
# - compute time and cost of training to a stated accuracy, and pick a network for a phone, a server and a
#   small data set.
#
# A minute and a half on two CPU cores · decks: *practice*, "Сравнение: качество vs скорость" and "время обучения vs
# стоимость", and *speed*, "resnet vs mobilenet".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
data = "fashion_mnist"  # embedded, or any name of TensorFlow Datasets, such as cifar10
image_side = 28  # pixels to which the images are resized
train_examples = 800  # images to train on
validation_examples = 500  # images kept out of training, to watch it
test_examples = 1000  # images for the final accuracy
epochs = 3  # passes over the training images
batch_size = 40  # images per training step
learning_rate = 0.004  # of AdamW at its highest
mirror = False  # whether to mirror half of the training images, at random in each epoch
weight_decay = 0.05  # of AdamW: a step takes this times the learning rate off each weight
networks = ["lenet5", "alexnet", "squeezenet"]  # names for build
widths = [1.0, 0.12, 0.25]  # factor on the filters of each network; LeNet-5 has no other
dense_blocks = [6, 6, 6]  # layers of each dense block, for a DenseNet among the networks
seeds = [0, 1, 2]  # each network is trained once from each; three at least
target = 0.6  # validation accuracy to which the time of training is taken
price_per_hour = 0.1  # US dollars for an hour of this machine: look up your provider's
margin = 0.01  # of accuracy: a smaller difference does not interest us

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import inspect
import math
import time
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers

from helpers.architectures import NETWORKS, build
from helpers.claims import claim, read_result
from helpers.complexity import layer_table
from helpers.datasets import load_arrays
from helpers.evaluation import is_equal
from helpers.plots import plot_trade_off, use_course_style
from helpers.profiling import interleaved_times, latency
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])

# %% [markdown]
# ## As published
#
# Architectures are compared on open data sets, and ImageNet is the common yardstick: the share of its 50,000
# validation images that a network names at the first attempt. The accuracies are those of the weights that
# [Keras](https://keras.io/api/applications/), [torchvision](https://docs.pytorch.org/vision/stable/models.html)
# and the [authors of
# EfficientNet-Lite](https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite)
# distribute, on images of 224 × 224 pixels (Inception-v3 and Inception-ResNet-v2: 299, AlexNet: 227).

# %%
published = pd.DataFrame([
    ("AlexNet", 2012, 61.1, 0.71, 56.5, "torchvision"),
    ("VGG16", 2014, 138.4, 15.47, 71.3, "Keras"),
    ("GoogLeNet", 2014, 6.6, 1.50, 69.8, "torchvision"),
    ("Inception-v3", 2015, 23.9, 5.71, 77.9, "Keras"),
    ("ResNet-18", 2015, 11.7, 1.81, 69.8, "torchvision"),
    ("ResNet-50", 2015, 25.6, 3.86, 74.9, "Keras"),
    ("ResNet-152", 2015, 60.4, 11.28, 76.6, "Keras"),
    ("Inception-ResNet-v2", 2016, 55.9, 13.16, 80.3, "Keras"),
    ("DenseNet-121", 2016, 8.1, 2.83, 75.0, "Keras"),
    ("SqueezeNet 1.0", 2016, 1.25, 0.82, 58.1, "torchvision"),
    ("SqueezeNet 1.1", 2016, 1.24, 0.35, 58.2, "torchvision"),
    ("MobileNetV1", 2017, 4.3, 0.57, 70.4, "Keras"),
    ("MobileNetV2", 2018, 3.5, 0.30, 71.3, "Keras"),
    ("EfficientNet-Lite0", 2020, 4.7, 0.41, 75.1, "its authors"),
], columns=["network", "year", "parameters (M)", "multiply-adds (G)", "top-1 (%)", "source"]).set_index("network")
published.sort_values("top-1 (%)", ascending=False)

# %% [markdown]
# Canziani, Paszke and Culurciello drew such a table as a chart in 2016, and the deck shows theirs: work to the
# right, accuracy upwards, and the area of a disc for the parameters. Here it is, ten years on. The dashed line
# joins the networks that no other beats at once in work and in accuracy: the *frontier*.

# %%
def draw_frontier(ax, costs, accuracies):
    """Join the networks that are more accurate than all cheaper ones."""
    in_order = accuracies[costs.sort_values().index]
    edge = in_order[in_order > in_order.cummax().shift(fill_value=0)].index
    ax.plot(costs[edge], accuracies[edge], "--", color="0.5", lw=1, zorder=0)


ax = plot_trade_off(
    published["multiply-adds (G)"], published["top-1 (%)"], published["parameters (M)"], published.index,
    "multiply-adds for one image (G); area: parameters", "top-1 accuracy, ImageNet (%)",
    "More work and more weights need not mean more accuracy",
)
draw_frontier(ax, published["multiply-adds (G)"], published["top-1 (%)"])
plt.show()

# %%
ranks = published.corr("spearman", numeric_only=True)["top-1 (%)"]
for column in ("parameters (M)", "multiply-adds (G)"):
    print(f"Rank correlation of accuracy with {column}: {ranks[column]:.2f}")
cheap, dear = published.loc["MobileNetV2"], published.loc["Inception-ResNet-v2"]
print(f"From MobileNetV2 to Inception-ResNet-v2: {dear['top-1 (%)'] - cheap['top-1 (%)']:.0f} points "
      f"for {dear['multiply-adds (G)'] / cheap['multiply-adds (G)']:.0f} times the work.")

# %% [markdown]
# A rank correlation is 1 if both columns put the networks in the same order, -1 if in the opposite. With
# fourteen networks both of these could still be chance. Accuracy is no function of size: VGG16 has forty times
# the weights of MobileNetV2 and the same accuracy. Nor is it one of work, as long as networks are compared that
# waste it. Only along the frontier does more accuracy cost more, and dearly: Canziani et al. called accuracy
# and time hyperbolic. That is the deck's message, and it holds.
#
# Accuracy divided by parameters tells how well a network uses its weights.

# %%
density = (published["top-1 (%)"] / published["parameters (M)"]).sort_values()
ax = density.plot.barh(figsize=(6.5, 3.8), color="#cfe3f1", edgecolor="C0")
ax.bar_label(ax.containers[0], fmt="%.1f", padding=3, fontsize=8)
ax.set(title="Small networks use their weights best", ylabel="",
       xlabel="top-1 accuracy per million parameters (percentage points)")
plt.show()

# %% [markdown]
# By this measure SqueezeNet wins, although it names four of ten images wrongly: a ratio rewards whoever is small.
# Read it as a price list, not as a ranking.
#
# One more caution before we measure. Torchvision lists one and the same ResNet-50 with 76.1 % and, trained anew
# with a longer recipe, with 80.9 %: that is as far as from ResNet-50 to Inception-ResNet-v2. Whoever compares
# architectures has to train them alike.
#
# ## One recipe for all
#
# So here they are trained alike, on images of Fashion-MNIST: small ones, and so each network has its
# small stem. All are narrow, for two cores have to do. The papers' normalisation and dropout differ from network to
# network; here all have batch normalisation but LeNet-5, which has no place for it, and none has dropout.

# %%
shape = {"image_size": (image_side, image_side)}
train_images, train_labels = load_arrays(data, f"train[:{train_examples}]", **shape)
validation_images, validation_labels = load_arrays(data, f"train[-{validation_examples}:]", **shape)
test_images, test_labels = load_arrays(data, f"test[:{test_examples}]", **shape)
num_classes = int(train_labels.max()) + 1
print(f"{len(train_images)} images to train on, {len(validation_images)} to watch, {len(test_images)} to judge by; "
      f"{epochs * math.ceil(len(train_images) / batch_size)} training steps.")


def narrow(name, width):
    """Build a network for small images: few filters, batch normalisation, no dropout."""
    options = {"width": width, "stem": "small", "blocks": dense_blocks, "groups": 1, "dropout": 0.0}
    options["normalization"] = partial(layers.BatchNormalization, momentum=0.9)  # for short trainings
    known = inspect.signature(NETWORKS[name]).parameters  # each network takes the options that it has
    options = {each: value for each, value in options.items() if each in known}
    return build(name, train_images.shape[1:], num_classes, **options)


# %% [markdown]
# The recipe is today's common one: AdamW, and a learning rate that rises over a tenth of the steps and then
# falls to zero along a cosine (lesson 18 takes it apart); in longer trainings, images mirrored at random.
# Nobody's favourite network was asked which rate it likes.

# %%
def with_recipe(network):
    """Put a network into the common recipe."""
    steps = epochs * math.ceil(len(train_images) / batch_size)
    rates = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=learning_rate, warmup_steps=steps // 10
    )
    first = [layers.RandomFlip("horizontal")] if mirror else []
    model = keras.Sequential([keras.Input(train_images.shape[1:]), *first, network])
    model.compile(
        keras.optimizers.AdamW(rates, weight_decay=weight_decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"],
        steps_per_execution=1 if keras.backend.backend() == "torch" else 10,  # PyTorch takes one at a time
    )
    return model


# %%
class Clock(keras.callbacks.Callback):
    """Note the seconds that each epoch trains; a validation that follows does not count."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


# %% [markdown]
# The first epoch of each network also compiles its training step. So the fastest epoch counts, as in lesson 00.

# %%
def train(name, width):
    """Train a network from each seed; return it, its accuracies, and the seconds of its fastest epoch."""
    validation, test, seconds = [], [], []
    for model in restarts(lambda: with_recipe(narrow(name, width)), seeds):
        clock = Clock()
        history = model.fit(
            train_images, train_labels, batch_size=batch_size, epochs=epochs, callbacks=[clock], verbose=0,
            validation_data=(validation_images, validation_labels), validation_batch_size=500,
        )
        validation.append(history.history["val_accuracy"])
        test.append(model.evaluate(test_images, test_labels, batch_size=500, verbose=0)[1])
        seconds += clock.seconds[:epochs]
    return {"network": model.layers[-1], "validation": validation, "test": test, "seconds": min(seconds)}


runs = {name: train(name, width) for name, width in zip(networks, widths)}

# %%
tables = {name: layer_table(run["network"]) for name, run in runs.items()}
measured = pd.DataFrame({
    "parameters (k)": {name: table["parameters"].sum() / 1e3 for name, table in tables.items()},
    "multiply-adds (M)": {name: table["multiply_adds"].sum() / 1e6 for name, table in tables.items()},
    "test accuracy": {name: np.mean(run["test"]) for name, run in runs.items()},
    "lowest": {name: min(run["test"]) for name, run in runs.items()},
    "highest": {name: max(run["test"]) for name, run in runs.items()},
})
measured["points per 100 k parameters"] = 1e4 * measured["test accuracy"] / measured["parameters (k)"]
print(f"{len(train_images)} training images, {epochs} epochs; means over {len(seeds)} seeds, and the seeds' extremes.")
measured.sort_values("test accuracy", ascending=False).round(3)

# %%
ax = plot_trade_off(
    measured["multiply-adds (M)"], measured["test accuracy"], measured["parameters (k)"], measured.index,
    "multiply-adds for one image (M); area: parameters", "test accuracy",
    f"{train_examples} images of {data}: what the work buys",
)
ax.vlines(measured["multiply-adds (M)"], measured["lowest"], measured["highest"], color="black", lw=1.5)
plt.show()

# %% [markdown]
# The black lines reach from the lowest to the highest seed: where they overlap, call no winner. It is not the
# published order. So few images and steps favour those that learn quickly. Per parameter the small ones win
# again.
#
# ### The record: all images
#
# The other end takes longer. The same recipe with batches of 128 and a lower rate, more networks, all images:

# %%
record = read_result("11_quality_and_speed")
print(f"Record of {record['date']} on {record['hardware']}: {record['parameters']['train_examples']} images, "
      f"{record['parameters']['epochs']} epochs.")
print(record["command"])
submitted = {"alexnet": 0.899, "vgg16": 0.935, "googlenet": 0.937, "resnet18": 0.949, "densenet_bc_100_12": 0.954,
             "squeezenet": 0.900, "mobilenet_v1": 0.950}
kept = pd.DataFrame({name: {
    "width": width,
    "parameters (k)": found["parameters"] / 1e3,
    "multiply-adds (M)": found["multiply_adds"] / 1e6,
    "test accuracy": np.mean(found["test_accuracy"]),
    "points per 100 k parameters": 1e7 * np.mean(found["test_accuracy"]) / found["parameters"],
    "seeds": len(found["test_accuracy"]),
    "submitted": submitted.get(name, np.nan),
} for (name, found), width in zip(record["networks"].items(), record["parameters"]["widths"])}).T
kept.sort_values("test accuracy", ascending=False).round(3)

# %% [markdown]
# In the last column stands what users have submitted to [Fashion-MNIST's own
# table](https://github.com/zalandoresearch/fashion-mnist#benchmark): recipes of all kinds, some with
# augmentation, AlexNet's with another loss, none verified by the maintainers. Four epochs of narrow networks do
# not reach most of them: MobileNet's is seven points away. SqueezeNet's had 0.900 after 200 epochs.

# %%
costs, accuracies = kept["multiply-adds (M)"].astype(float), kept["test accuracy"].astype(float)
short_names = [name.replace("_bc_100_12", "") for name in kept.index]
ax = plot_trade_off(
    costs, accuracies, kept["parameters (k)"], short_names, "multiply-adds for one image (M); area: parameters",
    "test accuracy", "Record: what the work buys with all images",
)
draw_frontier(ax, costs, accuracies)
plt.show()

# %% [markdown]
# With all images the order is another one than above: ResNet-18 leads, and LeNet-5 comes last. The MobileNets trail
# still: at these widths and in four epochs, what they save in work they pay in accuracy. Most networks ran from one
# or two seeds. Those with three differ by about a tenth of a point from seed to seed, so half a point between
# two networks may be read, less had better not.
#
# ## Multiply-adds are not milliseconds
#
# Canziani et al. found that the number of operations predicts the time of an answer well. They had one machine and
# networks of full convolutions. How is it here, for one image at a time and for a batch of 32?

# %%
times = pd.DataFrame({name: latency(run["network"], batch_sizes=(1, 32), rounds=15) for name, run in runs.items()}).T
times.columns = ["one image (ms)", "batch of 32 (ms)"]
times = 1000 * times
times["each of 32 (ms)"] = times["batch of 32 (ms)"] / 32
times["gain of the batch"] = times["one image (ms)"] / times["each of 32 (ms)"]
times["G multiply-adds per s"] = measured["multiply-adds (M)"] / times["each of 32 (ms)"]
times.round(2)

# %%
order = measured["multiply-adds (M)"].sort_values().index
ax = plt.subplots(figsize=(6.5, 3.6))[1]
for column, marker in (("each of 32 (ms)", "s"), ("one image (ms)", "o")):
    ax.semilogx(times[column][order], range(len(order)), marker, ms=8, label=column)
labels = [f"{name}, {measured['multiply-adds (M)'][name]:.1f} M" for name in order]
ax.set(yticks=range(len(order)), yticklabels=labels, xlabel="time per image (ms)", ylabel="network, multiply-adds",
       title="More multiply-adds need not take more time")
ax.grid(axis="x")
ax.legend(loc="lower right")
plt.show()

# %%
speeds = times["G multiply-adds per s"]
print(f"In batches, {speeds.idxmax()} does {speeds.max():.1f} G multiply-adds a second, {speeds.idxmin()} "
      f"{speeds.min():.1f}: {speeds.max() / speeds.min():.0f} times less from the same machine.")
print(f"One image at a time costs {times['gain of the batch'].min():.0f} to {times['gain of the batch'].max():.0f} "
      "times as much as in a batch.")

# %% [markdown]
# If work told time, both rows of markers would climb from left to right without a step back. They do not. Each
# call and each layer has a price of its own, whatever it computes: one small image is mostly that price, and a
# network of many thin layers waits where one of few thick layers works. And a depthwise convolution moves as
# many bytes as a full one for a fraction of the multiply-adds (lesson 10). So measure on the machine that will
# run the network, at the batch size that it will have.
#
# And the networks that one would really deploy, at full width, for photographs of 224 × 224 pixels?

# %%
full_times = {name: latency(build(name, (224, 224, 3), 1000), batch_sizes=(1, 32), rounds=2)
              for name in ("mobilenet_v2", "resnet50")}
for name, row in full_times.items():
    print(f"{name}: {1000 * row[1]:.0f} ms for one image, {1000 * row[32] / 32:.0f} ms for each of 32.")
light, heavy = full_times["mobilenet_v2"], full_times["resnet50"]
more = published["multiply-adds (G)"]["ResNet-50"] / published["multiply-adds (G)"]["MobileNetV2"]
print(f"ResNet-50 does {more:.0f} times the work of MobileNetV2, in {heavy[1] / light[1]:.1f} times the time for one "
      f"image and in {heavy[32] / light[32]:.1f} times in a batch.")

# %% [markdown]
# The compact network is faster, by less than its work promises. On a GPU, which has arithmetic in plenty, the
# gap may be narrower still (lesson 10 tells why); that is not measured here.
#
# ## ResNet-56 against MobileNetV1
#
# The *speed* deck replaced ResNet-56 by MobileNetV1 on CIFAR-10: an answer took 6.085 instead of 24.089
# seconds, 3.96 times less, and a comparable accuracy was reached "after the 4th epoch already". Here are both
# at full width for 32 × 32 pixels, MobileNetV1 with the stem of its paper.

# %%
pair = {name: build(name, (32, 32, 3), 10) for name in ("resnet56", "mobilenet_v1")}
batch = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3)).astype("uint8")
seconds = interleaved_times({name: partial(model.predict_on_batch, batch) for name, model in pair.items()})
counts = {name: layer_table(model)[["parameters", "multiply_adds"]].sum() for name, model in pair.items()}
for name, count in counts.items():
    print(f"{name}: {count['parameters'] / 1e6:.2f} M parameters, {count['multiply_adds'] / 1e6:.1f} M multiply-adds, "
          f"{1000 * seconds[name] / len(batch):.2f} ms per image.")
ratio = seconds["resnet56"] / seconds["mobilenet_v1"]
work = counts["resnet56"]["multiply_adds"] / counts["mobilenet_v1"]["multiply_adds"]
print(f"ResNet-56 takes {ratio:.1f} times as long, for {work:.1f} times the multiply-adds; the deck has 3.96.")

# %% [markdown]
# The speed is there. But look at what was called compact: MobileNetV1 has several times the *parameters* of
# ResNet-56. It is quick because it makes the picture small at once: after five halvings its last maps have one
# pixel, where ResNet-56 keeps 8 × 8.
#
# And is it as good? The deck trained on CIFAR-10, and set MobileNetV1 after four epochs against ResNet-56 after
# ten. Our record can only come near: Fashion-MNIST, half the width, the small stem, four epochs of both. So the
# rule, before we look: the statement holds if MobileNetV1 is more than twice as fast and, in the record, equal
# in accuracy to within `margin`; it is refuted if it is not faster; else it stays undecided.

# %%
accuracies = {name: record["networks"][name]["test_accuracy"] for name in ("resnet56", "mobilenet_v1")}
alike = is_equal(accuracies["mobilenet_v1"], accuracies["resnet56"], margin)
epoch = {name: record["networks"][name]["seconds"] for name in accuracies}
print(f"Record, MobileNetV1 minus ResNet-56 after {record['parameters']['epochs']} epochs, test accuracy: {alike}; "
      f"an epoch takes {epoch['resnet56'] / epoch['mobilenet_v1']:.1f} times less.")
claim("speed-compact", measured=f"MobileNetV1 answers {ratio:.1f} times as fast; in the record its accuracy differs by "
      f"{alike.mean:+.3f} from ResNet-56", holds=False if ratio <= 1 else True if ratio > 2 and alike.holds else None)

# %% [markdown]
# With this recipe MobileNetV1 is behind after four epochs. Why was it not in the deck? Its ResNet-56 had
# reached 0.62 to 0.66 on CIFAR-10 after ten epochs, where the paper has 0.93: a network that is trained so far
# from its best is easily equalled. Before you call two networks equal, train both well.
#
# ## Time and money: DAWNBench
#
# Epochs are no currency: one network needs few long ones, another many short ones. From 2017 to March 2020
# Stanford's DAWNBench asked instead: how many hours, and how many dollars, until ImageNet's validation images
# are right to 93 % (among the first five answers), or CIFAR-10's test images to 94 %? Anyone could hand in an
# entry. These are the milestones, with the price per hour that their authors stated ([the
# entries](https://github.com/stanford-futuredata/dawn-bench-entries)).

# %%
entries = pd.DataFrame([
    ("2017-10-27", "ImageNet", "ResNet-152", "8 K80", 244.0, 4.56),
    ("2018-04-13", "ImageNet", "AmoebaNet-D", "1 Cloud TPU", 26909 / 3600, 6.595),
    ("2018-04-20", "ImageNet", "ResNet-50", "8 V100", 10647 / 3600, 24.48),
    ("2018-09-06", "ImageNet", "ResNet-50", "128 V100", 1086 / 3600, 391.68),
    ("2020-03-10", "ImageNet", "ResNet-50", "8 V100", 0.36046, 20.60),
    ("2020-03-17", "ImageNet", "ResNet-50", "128 V100", 158 / 3600, 329.60),
    ("2017-10-11", "CIFAR-10", "ResNet-164", "16 CPU cores", 286014 / 3600, 0.533),
    ("2017-10-11", "CIFAR-10", "ResNet-164", "1 K80", 37934 / 3600, 0.90),
    ("2018-04-18", "CIFAR-10", "wide ResNet", "8 V100", 174 / 3600, 24.48),
    ("2018-04-19", "CIFAR-10", "wide ResNet", "1 V100", 404 / 3600, 2.30),
], columns=["date", "data", "network", "hardware", "hours", "USD per hour"])
entries["USD"] = entries["hours"] * entries["USD per hour"]
entries.round(3)

# %%
ax = plt.subplots(figsize=(7, 4.2))[1]
ax.set_yscale("log")
labels = entries["hardware"] + ", " + entries["date"].str[:7]
plot_trade_off(entries["hours"], entries["USD"], None, labels, "hours to the stated accuracy",
               "US dollars", "DAWNBench: faster, and in the end cheaper", ax=ax)
for name, marker in (("ImageNet", "o"), ("CIFAR-10", "s")):
    chosen = entries[entries["data"] == name]
    ax.plot(chosen["hours"], chosen["USD"], marker, ms=9, label=name)
ax.legend(loc="upper left")
plt.show()

# %%
first, one, many = entries.iloc[0], entries.iloc[4], entries.iloc[5]
print(f"ImageNet, from October 2017 to March 2020: {first['hours'] / many['hours']:,.0f} times faster; the cheapest is "
      f"{first['USD'] / one['USD']:.0f} times cheaper.")
print(f"March 2020, 128 V100 instead of 8 of the same provider: {one['hours'] / many['hours']:.1f} times faster, "
      f"{many['USD'] / one['USD']:.1f} times dearer.")

# %% [markdown]
# Less time is bought, not given (lesson 25).
#
# The deck quotes the first entry as 10 days and 10 hours, and 1112.64 dollars. At 4.56 dollars an hour that sum
# pays for 244.0 hours, which is 10 days and 4 hours. Where do the other six come from? [The entry's
# log](https://github.com/stanford-futuredata/dawn-bench-entries/blob/master/ImageNet/train/dawn_resnet152_b_8k80_ec2_mxnet.tsv)
# has 110 epochs. These are the last seven; before them none had reached 93 %:

# %%
log = pd.DataFrame({"hours": [237.161, 239.441, 241.720, 243.999, 246.280, 248.559, 250.840],
                    "top-5 (%)": [92.9548, 92.9548, 92.9488, 93.0046, 92.9767, 92.9707, 92.9349]},
                   index=pd.RangeIndex(104, 111, name="epoch"))
ax = log.plot(x="hours", y="top-5 (%)", marker="o", figsize=(6.5, 3), legend=False)
ax.axhline(93, color="black", ls="--", lw=1)
ax.text(237.2, 93.003, "target", fontsize=8)
ax.set(title="The target is met once, by two images", xlabel="hours of training", ylabel="top-5 accuracy (%)")
plt.show()
right = round(log["top-5 (%)"].max() / 100 * 50_176)
print(f"Epoch {log['top-5 (%)'].idxmax()} had {right:,} of 50,176 right, and {math.ceil(0.93 * 50_176):,} were needed.")

# %% [markdown]
# (50,176 and not 50,000, as its last batch was filled up: only so are the logged shares whole images.) The cost
# fits the epoch that met the target. The time that is quoted fits the end of the log, 250.8 hours. And the
# price itself looks wrong: our table has one K80 for 0.90 dollars an hour, and eight times that is 7.20, the
# price that stands in the entry of [another
# machine](https://github.com/stanford-futuredata/dawn-bench-entries/blob/master/ImageNet/train/dawn_resnet152_b_4M60_ec2_tensorflow.json)
# of the same authors. If the two were exchanged, the first training cost 1,757 dollars. Figures get quoted for
# years that nobody has divided by one another.
#
# The target was met by a hair, in one epoch of 110. Coleman et al., who ran DAWNBench, repeated good entries
# and found their times to vary little; but close to the best that a network reaches, a time to accuracy is a
# matter of luck. Take a target that every seed reaches, and several seeds.
#
# ### On this machine
#
# The same question here: how long, and for how much money, until the validation accuracy reaches `target`? It
# is looked at after each epoch, and compiling is not counted.

# %%
def to_target(validation, seconds, goal):
    """Return the mean seconds of training to a validation accuracy over the seeds; NaN if one misses it."""
    reached = [np.flatnonzero(np.array(each) >= goal) for each in validation]
    return seconds * np.mean([each[0] + 1 for each in reached]) if all(map(len, reached)) else np.nan


def costs(results, goal):
    """Return a table of epoch, time and cost to a validation accuracy, for each network."""
    waits = pd.Series({name: to_target(each["validation"], each["seconds"], goal) for name, each in results.items()})
    epoch = pd.Series({name: each["seconds"] for name, each in results.items()})
    cents = 100 * waits / 3600 * price_per_hour
    return pd.DataFrame({"s per epoch": epoch, "s to target": waits, "US cents": cents}).sort_values("s to target")


print(f"To {target:.0%} of the validation images, at {price_per_hour} US dollars an hour (NaN: not from every seed)")
costs(runs, target).round(4)

# %%
goals = (0.85, 0.88, 0.9)
print("The record: seconds on one core to three accuracies, all images")
pd.DataFrame({f"to {goal:.0%}": costs(record["networks"], goal)["s to target"] for goal in goals}).round(0)

# %% [markdown]
# Read the record from left to right: the higher the target, the more networks drop out, and LeNet-5, the
# fastest by far to the first one, is the first to go. So time to an accuracy, like accuracy, is a property of
# network, data and target together. (`price_per_hour` is for the whole machine; the record used one core of
# two.)
#
# ## Which to take

# %%
handy = published[(published["parameters (M)"] < 6) & (published["multiply-adds (G)"] < 0.6)]["top-1 (%)"]
best = published["top-1 (%)"]
small_data, all_data = measured["test accuracy"], kept["test accuracy"].astype(float)
print(f"Most accurate below 6 M parameters and 0.6 G multiply-adds, as published: {handy.idxmax()}, {handy.max()} %.")
print(f"Most accurate of all, as published: {best.idxmax()}, {best.max()} %.")
print(f"Most accurate with {train_examples} images here: {small_data.idxmax()}, {small_data.max():.3f}; in the record, "
      f"with {record['parameters']['train_examples']}: {all_data.idxmax()}, {all_data.max():.3f}.")

# %% [markdown]
# | where | what counts | take |
# |---|---|---|
# | phone | download, battery, one image at a time | EfficientNet-Lite0 or MobileNetV2 |
# | server without a GPU | images per second | the same two |
# | server with a GPU | images per second, in batches | ResNet-50 to begin with; measure there |
# | the last points | accuracy alone | Inception-ResNet-v2 of these, and pay for every image |
# | small data set | what few images can teach | a pretrained backbone, such as EfficientNet-Lite0 |
# | small images, from nothing | accuracy per minute | few layers of full convolutions; then a ResNet |
#
# On the phone we have not measured; the two need the least work and the fewest weights for their accuracy, and
# V2 took 75 ms on a telephone of 2016 (lesson 10). Without a GPU, ResNet-50 takes several times as long for
# about the accuracy of Lite0. With one, full convolutions keep it busy, and today's recipes bring it to 80 %. A
# backbone has learned elsewhere: lesson 13 measures by how much that helps. For the last row see the two tables
# above.
#
# None of them is VGG16 or AlexNet as published: their dense layers hold most of their weights. Narrow, with batch
# normalisation and for small images, as trained here, their plain stacks of convolutions are another matter.
#
# ## Summary
#
# - Neither size nor work tells a network's accuracy; only along the frontier does more cost more. The training
#   moves it as far as the architecture: so compare with one recipe, over seeds.
# - Multiply-adds are not milliseconds: one image at a time is mostly overhead, and in batches one machine does
#   several times more of them a second in one network than in another.
# - Time to an accuracy, and its price, is what a training costs. Take a target that every seed reaches.
# - For a phone and for a server without a GPU, few multiply-adds and few weights; with a GPU, measure, and
#   begin with full convolutions; for few images, a pretrained network.
#
# ## Exercises
#
# **Predict.** Halve the width of every network. What happens to its parameters, its multiply-adds, its time per
# image? Then set `widths` and look.
#
# **Modify.** Which networks are on the frontier? Write the test, for lists of costs and accuracies. A network
# is beaten if another is better in one of the two and at least as good in the other. If two are equal in both,
# neither beats the other.

# %% tags=["exercise", "exercise-frontier"]
def on_frontier(costs, accuracies):
    """Return a list with True for each network that no other beats."""
    return ...

# %% tags=["check"]
def beaten(index, costs, accuracies):
    """Tell by looking at every other network whether one is beaten."""
    mine = costs[index], accuracies[index]
    return any(c <= mine[0] and a >= mine[1] and (c, a) != mine for c, a in zip(costs, accuracies))


answer = on_frontier([1, 2], [0.5, 0.6])
if answer is ...:
    print("Not answered yet: replace the dots above.")
else:
    assert answer is not None, "Nothing came back: does your function end in return?"
    random = np.random.default_rng(seeds[0])
    trials = [([1, 2], [0.5, 0.6]), ([2, 1], [0.5, 0.6]), ([1, 1], [0.5, 0.6]), ([1, 2], [0.6, 0.6])]
    trials += [([1, 1], [0.6, 0.6])]
    trials += [(random.integers(1, 9, 12).tolist(), random.integers(1, 9, 12).tolist()) for _ in range(20)]
    for trial in trials:
        wanted = [not beaten(index, *trial) for index in range(len(trial[0]))]
        given = list(on_frontier(*trial))
        assert given == wanted, f"Costs {trial[0]} with accuracies {trial[1]} should give {wanted}, not {given}."
    kept_names = published.index[on_frontier(list(published["multiply-adds (G)"]), list(published["top-1 (%)"]))]
    print(f"Right. On the published frontier are {', '.join(kept_names)}.")

# %% [markdown]
# **Modify.** Set `target` to the accuracy that only your best network reaches, and run with other `seeds`. How
# many of them reach it? Compare the times: what would you have concluded from one seed?
#
# **Extend.** Add a network of your own to the record's question: `build` takes `width`, and the families have
# options of depth. With a GPU, `lessons/full/11_quality_and_speed.yaml` trains all of them at full width.
#
# ## Further reading
#
# - Canziani, Paszke and Culurciello, 2016, "An Analysis of Deep Neural Network Models for Practical Applications".
# - Coleman et al., 2019, "Analysis of DAWNBench, a Time-to-Accuracy Machine Learning Performance Benchmark".
#   What followed is MLPerf.
# - Dehghani et al., 2021, "The Efficiency Misnomer": why parameters, multiply-adds and time disagree.
