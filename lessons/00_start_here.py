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
# # 00 · Start here
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/00_start_here.ipynb)
#
# *Four lecture decks say how computers learn to tell pictures apart. This course takes them at their
# word: each statement is checked, where your machine can do so, and gets a verdict. Here you train
# a first network, find out what your machine can do, and learn to read a verdict.*
#
# You will
#
# - train a network that sorts shoes, shirts and bags, and the same one on colour pictures of goods,
# - time a training step and an epoch on your CPU and, if there is one, your GPU, beside the decks' seconds,
# - say when a statement holds, is refuted, is undecided or was not measured.
#
# Three quarters of a minute on two CPU cores · decks: *goods*, "Чому GPU?" (why a GPU?), and *speed*, "Использование
# GPU вместо CPU" (a GPU instead of a CPU) and "Дистилляция (ResNet)".

# %% [markdown]
# ## How a page works
#
# A page is read, and run, from top to bottom: Shift+Enter runs a cell, *Run all* the page. It comes with
# its outputs, so you can also just read it. All pages follow one line of thought:
#
# > data → preprocessing → architecture → training → evaluation → picture → claim
#
# The next cell holds the page's parameters. They suit a small machine; change one, run the page again,
# and see what it does. A *seed* is the number that fixes what would be chance, such as the first weights
# of a network and the order of its images: on one machine the same seeds give the same results, or nearly.
# Times differ from run to run. At the end wait exercises, and one of them is checked by the page.

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
train_examples = 6000  # Fashion-MNIST images that the first network trains on, at most 60000
epochs = 3  # passes over them
goods_epochs = 12  # passes over the 1029 training pictures of goods
batch_size = 64  # images per training step
timed_rounds = 3  # how often everything is timed; the fastest counts
far_faster = 5.0  # times: what we call "far faster"
few = 100  # training images in the small set of the comparison at the end
many = 2000  # training images in its large sets, at most 30000
seeds = [0, 1, 2, 3, 4]  # a network is trained once from each and set; three at least
margin = 0.01  # test accuracy: a smaller difference between two networks does not interest us

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from scipy import stats

from helpers.claims import claim
from helpers.datasets import class_names, load_arrays
from helpers.evaluation import is_greater
from helpers.parallel import find_devices
from helpers.plots import plot_by_seed, plot_images, use_course_style
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])
print(f"Keras {keras.__version__} on {keras.backend.backend()}.")

# %% [markdown]
# ## Load the data
#
# Two data sets come with the course. *Fashion-MNIST*: 70,000 grey photographs from a fashion shop, 28 × 28
# pixels, ten classes of equal size. *Goods*: 1471 colour pictures, drawings and cut-out photographs of
# 128 × 128 pixels, in twelve classes of very different size (148 of them are kept for a later test). It is our
# small stand-in for the 104,461 product photographs of the *goods* deck, which come from a contest.

# %%
start = time.perf_counter()
train_images, train_labels = load_arrays("fashion_mnist", f"train[:{train_examples}]")
test_images, test_labels = load_arrays("fashion_mnist", "test[:4000]")
goods_images, goods_labels = load_arrays("goods", "train")
unseen_images, unseen_labels = load_arrays("goods", "validation")
names, goods_names = class_names("fashion_mnist"), class_names("goods")
print(f"Loaded in {time.perf_counter() - start:.1f} s.")
for what, images in (("Fashion-MNIST", train_images), ("goods", goods_images)):
    print(f"{what}: {len(images)} images to train on, of shape {images[0].shape}, "
          f"with values from {images.min()} to {images.max()}.")

# %%
shown = np.array([np.flatnonzero(train_labels == label)[0] for label in range(10)])
plot_images(train_images[shown], [names[label] for label in train_labels[shown]], columns=5, heading="Fashion-MNIST")
shown = np.array([np.flatnonzero(goods_labels == label)[0] for label in range(12)])
plot_images(goods_images[shown], [goods_names[label] for label in goods_labels[shown]], columns=6, heading="Goods")
plt.show()


# %% [markdown]
# ## Build the model
#
# A network for images, in the fewest lines that deserve the name. It brings the pixels to values from 0
# to 1, looks at patches of 3 × 3 pixels with 16 filters (a *convolution*), halves height and width of the
# maps that come out, does both again with 32 filters, and adds everything up, each value with a weight, to
# one number per class, the *logits*. The largest is the answer. Lesson 03 takes such a network apart, 18
# and 19 the optimiser (Adam) and the activation (ReLU).

# %%
def first_network(input_shape=(28, 28, 1), num_classes=10, filters=16):
    """Return a compiled network of two convolutions, from uint8 images to logits."""
    network = keras.Sequential([
        keras.Input(input_shape),
        layers.Rescaling(1 / 255),
        layers.Conv2D(filters, kernel_size=3, activation="relu"),
        layers.MaxPooling2D(pool_size=2),
        layers.Conv2D(2 * filters, kernel_size=3, activation="relu"),
        layers.MaxPooling2D(pool_size=2),
        layers.Flatten(),
        layers.Dense(num_classes, name="logits"),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=keras.optimizers.Adam(0.002), loss=loss, metrics=["accuracy"])
    return network


# %%
network = first_network()
print(f"It has {network.count_params():,} parameters; an image of shape {network.input_shape[1:]} "
      f"becomes {network.output_shape[1]} logits.")

# %% [markdown]
# ## Train and evaluate
#
# The *loss* is one number for how wrong the logits are. Training shows the network a small batch of images
# at a time and then moves every parameter a little, so that the loss falls: a *step*. A pass over all images
# is an *epoch*. What counts is how the network does on images that it has not seen.

# %%
start = time.perf_counter()
history = network.fit(train_images, train_labels, batch_size=batch_size, epochs=epochs, verbose=0)
seconds = time.perf_counter() - start
accuracy = network.evaluate(test_images, test_labels, batch_size=500, verbose=0)[1]
print("Training accuracy, averaged over each epoch:", ", ".join(f"{each:.2f}" for each in history.history["accuracy"]))
print(f"After {seconds:.1f} s of training it sorts {accuracy:.1%} of {len(test_labels)} unseen images correctly; "
      "guessing gives 10 %.")

# %%
answers = network.predict(test_images[:15], verbose=0).argmax(axis=1)
titles = [names[answer] if answer == label else f"{names[answer]}?\nno: {names[label]}"
          for answer, label in zip(answers, test_labels)]
plot_images(test_images[:15], titles, columns=5, heading="Its answers to 15 test images; a question mark: wrong")
plt.show()

# %% [markdown]
# Where it errs, is it on things that you might take for each other too?
#
# For the goods only the shape of the images and the number of classes change. To save time we give it every
# fourth pixel of every fourth row. There are few pictures, and more than a quarter of them are animals: so
# compare with a network that always says "animal".

# %%
goods_network = first_network(input_shape=(32, 32, 3), num_classes=12)
goods_network.fit(goods_images[:, ::4, ::4], goods_labels, batch_size=batch_size, epochs=goods_epochs, verbose=0)
goods_accuracy = goods_network.evaluate(unseen_images[:, ::4, ::4], unseen_labels, verbose=0)[1]
print(f"It sorts {goods_accuracy:.1%} of {len(unseen_labels)} unseen goods correctly; "
      f'always saying "animal" gives {np.mean(unseen_labels == goods_names.index("animal")):.1%}.')

# %% [markdown]
# That leaves room for the lessons to come: networks that bring what they learned from other pictures
# (lesson 13), classes of unequal size (14), more out of every picture (15).
#
# ## What your machine can do
#
# The *goods* deck asks why one wants a GPU, a processor that does thousands of multiplications at a time,
# and the *speed* deck how much it brings. First: what is there?

# %%
devices = find_devices()[:2]  # one GPU is enough to compare with
print(f"{keras.backend.backend()} finds {' and '.join(devices)} here.")


# %% [markdown]
# To time a call is less simple than it looks. The first one often compiles something too; and other
# programs take their share of the machine and give it back. So leave the first call out, let the candidates
# take turns, and take the fastest run of each.

# %%
def interleaved_times(calls, rounds=5):
    """Return ``{name: seconds}``, the fastest of some runs of each call, taken in turn after a first one untimed."""
    if rounds < 1:
        raise ValueError(f"At least one round is timed. Received: rounds={rounds!r}")
    seconds = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: min(found) for name, found in seconds.items()}


# %% [markdown]
# The decks trained on MNIST (60,000 images of 28 × 28 grey pixels) and CIFAR-10 (50,000 of 32 × 32 in
# colour). We time our first network on Fashion-MNIST, which has MNIST's form, and a wider one on the goods in
# CIFAR-10's: a step of training, an epoch of it with `fit`, and inference, that is, the logits of a batch.
# Why two? To start a step and to hand over its batch costs time that a faster processor hardly shortens. The
# less there is to compute, the more that counts, so expect the small network to gain less from a GPU.

# %%
timed_batch = 128  # images
small_goods = np.ascontiguousarray(goods_images[:, ::4, ::4])  # (1029, 32, 32, 3)
data = {"grey 28 × 28": (train_images, train_labels), "colour 32 × 32": (small_goods, goods_labels)}
widths = {"grey 28 × 28": 16, "colour 32 × 32": 64}  # filters of the first layer


# %%
def calls_on(device, size):
    """Return the calls to time on a device: a step of training, an epoch, and inference on a batch."""
    images, labels = data[size]
    with keras.device(device):
        network = first_network(images.shape[1:], num_classes=int(labels.max()) + 1, filters=widths[size])

    def on_device(call, *arguments, **options):
        with keras.device(device):
            call(*arguments, **options)

    first = images[:timed_batch], labels[:timed_batch]
    return {
        "step": lambda: on_device(network.train_on_batch, *first),
        "epoch": lambda: on_device(network.fit, images, labels, batch_size=timed_batch, verbose=0),
        "inference": lambda: on_device(network.predict_on_batch, first[0]),
    }


# %%
times = {}  # seconds, by size, device and what was timed
for size in data:
    calls = {(device, what): call for device in devices for what, call in calls_on(device, size).items()}
    for (device, what), seconds in interleaved_times(calls, timed_rounds).items():
        times[size, device, what] = seconds

# %%
rows = []
for size, (images, _) in data.items():
    for device in devices:
        step, epoch, inference = (times[size, device, what] for what in ("step", "epoch", "inference"))
        per_second = int(timed_batch / step), int(timed_batch / inference)
        rows.append((size, device, 1000 * step, len(images), epoch, *per_second))
columns = ["size", "device", "step (ms)", "images", "epoch (s)", "training (images/s)", "inference (images/s)"]
pd.DataFrame(rows, columns=columns).set_index("size").round(2)

# %% [markdown]
# On a CPU the wider network takes several times as long for a step of equally many images, and inference is
# faster than training, which also works out how to move each parameter. An epoch is not exactly its steps: its
# last batch is smaller (of the 1029 goods only 5 images), `fit` has costs of its own, and other programs come
# and go.
#
# ### The decks' seconds
#
# The *goods* deck gives the "time of training", and neither the network nor how much training.

# %%
goods_deck = pd.DataFrame(
    {"MNIST (s)": [0.005, 0.005, 0.0055, 0.0055, 0.3777], "CIFAR-10 (s)": [21.10, 26.45, 27.8, 29.6, 1665.7]},
    index=["Titan XP", "GTX 1080 Ti", "GTX 1080", "GTX 1070", "Core i7"],
)
ratios = (goods_deck.loc["Core i7"] / goods_deck).round(1).rename(columns=lambda name: name.replace("(s)", "i7 / it"))
goods_deck.join(ratios)

# %%
images_per_second = 60_000 / 0.005  # of the Titan XP on MNIST, if the deck means an epoch
multiply_adds = 3 * 417_000  # of LeNet-5 for an image: once for the answer, about twice more to learn from it
rate = images_per_second * multiply_adds
print(f"If 0.005 s were an epoch of MNIST, even LeNet-5 would take {rate:.1e} multiply-adds/s.")
print("The most that a Titan XP can do is 6.1e+12 (float32).")
values = 32 * 32 * 3 / 28**2
print(f"CIFAR-10 took it {21.10 / 0.005:,.0f} times as long, with {values:.1f} times the values per image.")

# %% [markdown]
# So the two columns can hardly have unit and network in common: for CIFAR-10 an epoch or several may be meant,
# for MNIST perhaps a step. The ratio between two devices is free of the unit, if both did the same work, and it
# is the deck's answer to "why a GPU?": Titan XP against Core i7 76 times on MNIST and 79 on CIFAR-10.
#
# The *speed* deck compares LeNet on a CPU and a GPU, and ResNet-56 on three machines.

# %%
speed_deck = pd.DataFrame({
    "slower (s)": [750.952, 316.126, 5.9152, 1.0662, 1210.70, 1210.70, 490.97, 14.11],
    "faster (s)": [235.443, 111.172, 0.9836, 0.3544, 490.97, 371.84, 371.84, 5.99],
}, index=["LeNet training, CPU / GPU", "LeNet student training, CPU / GPU", "LeNet inference, CPU / GPU",
          "LeNet student inference, CPU / GPU", "ResNet-56 training, Core i7 / Xeon Gold",
          "ResNet-56 training, Core i7 / GTX 1650", "ResNet-56 training, Xeon Gold / GTX 1650",
          "ResNet-56 inference, Xeon Gold / GTX 1650"])
speed_deck.assign(ratio=(speed_deck["slower (s)"] / speed_deck["faster (s)"]).round(2))


# %% [markdown]
# These seconds need care too. The slide with LeNet on the GPU does not say how many epochs. The seconds for
# ResNet, labelled 10 and 20 epochs, are those of the last epoch, as the author's
# [logs](https://github.com/zeionara/swift-models/tree/resnet/logs) show. What can be used are the ratios, except
# the student's (a smaller LeNet, lesson 26), which mix two things: only on the GPU was it compiled by XLA. And a
# ratio belongs to two devices, a network, a batch size and the software. So 3 and 79 do not contradict each other,
# and neither is a property of "a GPU".
#
# ### Three statements
#
# 1. *goods* (the sentence is ours, the slide has the question and the table): training the same network is far
#    faster on a GPU than on a CPU. It holds if the GPU takes the steps of both our networks more than `far_faster`
#    times as fast, and is refuted if it takes neither faster.
# 2. *speed*: a GPU instead of a CPU speeds up training up to 3 times, inference up to 6. We take it to say that
#    such gains can be reached: it holds if our larger gains reach 3 and 6, and is refuted if nothing is gained.
# 3. *speed*: a mid-range GPU does more than a far stronger CPU.
#
# Times have no seeds and no interval, so what lies in between is undecided. `claim` shows a statement with its
# verdict, and records both in the notebook.

# %%
def gains(what):
    """Return how many times as fast as the CPU the GPU does something, for each of the two networks."""
    cpu, gpu = devices
    return np.array([times[size, cpu, what] / times[size, gpu, what] for size in data])


def verdict(reached, gained):
    """Return True if all was reached that was stated, False if nothing was gained, None in between."""
    return True if reached else None if gained else False


# %%
if len(devices) == 2:
    training, inference = gains("step"), gains("inference")
    print(f"GPU against CPU: training {training.round(1)} times, inference {inference.round(1)} times as fast.")
    claim("goods-gpu", measured=f"training {training.min():.1f} to {training.max():.1f} times as fast",
          holds=verdict(training.min() > far_faster, gained=training.max() > 1))
    claim("speed-gpu", measured=f"up to {training.max():.1f} times in training, {inference.max():.1f} in inference",
          holds=verdict(training.max() >= 3 and inference.max() >= 6, gained=max(*training, *inference) > 1))
else:
    print("No GPU to put beside the CPU: these statements wait for a machine that has one.")
    for claim_id in ("goods-gpu", "speed-gpu"):
        claim(claim_id, measured=None, holds=None)

# %% [markdown]
# The third takes three processors: an ordinary CPU, a far stronger one, and a mid-range GPU that gains more on
# the first than the second does. A page cannot know which of them yours are.

# %%
claim("speed-midrange-gpu", measured=None, holds=None)

# %% [markdown]
# ## How to read a verdict
#
# Above you saw *unmeasured*. The other three words need a closer look, for a network that starts from another
# seed reaches another accuracy, and a difference may be chance. So a statement of the form "A is better than
# B" is measured like this. State the *margin*, the least difference that you would care about. Train both
# from the same seeds, and take the differences pair by pair. From them compute Student's 95 % interval for
# the difference that very many seeds would show on average: if the differences are spread roughly normally, 95
# in 100 such intervals contain it.
#
# | verdict | when |
# |---|---|
# | holds | the whole interval lies above the margin |
# | refuted | the whole interval lies below zero: B is better, by however little |
# | undecided | neither: the run cannot tell, or the difference may be too small to matter |
# | unmeasured | the machine cannot measure it |
#
# Three statements of our own, on sets of training images: the large set beats the small one; the small one
# beats the large; and one large set beats another. Each network is shown equally many images, those of the
# small set more often. `restarts` gives the same network again and again; its weights and the order of the
# images are drawn anew from each seed.

# %%
large_images, large_labels = load_arrays("fashion_mnist", f"train[:{2 * many}]")
sets = {"small set": np.arange(few), "large set": np.arange(many), "another large set": np.arange(many, 2 * many)}
scores = {name: [] for name in sets}
for name, chosen in sets.items():
    order = np.resize(chosen, 3 * many)  # repeats them until there are so many
    for network in restarts(first_network, seeds):
        network.fit(large_images[order], large_labels[order], batch_size=batch_size, verbose=0)
        scores[name].append(network.evaluate(test_images, test_labels, batch_size=500, verbose=0)[1])

# %%
plot_by_seed(scores, "test accuracy", f"Accuracy by training set: {len(seeds)} seeds each, the line is their mean")
plt.show()

# %% [markdown]
# The points of a row differ only by their seed: so wide is chance here. Now the first interval by hand, and then
# all three by `is_greater`.

# %%
differences = np.subtract(scores["large set"], scores["small set"])
half = stats.t.ppf(0.975, df=len(seeds) - 1) * differences.std(ddof=1) / len(seeds) ** 0.5
print(f"Large minus small, seed by seed: {differences.round(3)}; {differences.mean():+.4f} plus or minus {half:.4f}.")

# %%
statements = {"large beats small": ("large set", "small set"), "small beats large": ("small set", "large set"),
              "large beats another large": ("large set", "another large set")}
results = {statement: is_greater(scores[one], scores[other], margin) for statement, (one, other) in statements.items()}
words = {True: "holds", False: "refuted", None: "undecided"}
for statement, result in results.items():
    print(f"{statement:26s} {result}: {words[result.holds]}")

# %%
ax = plt.subplots(figsize=(6, 2.4))[1]
for row, result in enumerate(results.values()):
    ax.plot([result.low, result.high], [row, row], color="C0", lw=3, solid_capstyle="butt")
    ax.plot(result.mean, row, "ko")
ax.axvline(0, color="black", lw=1)
ax.axvline(margin, color="black", lw=1, ls=":")
ax.set(yticks=range(len(results)), yticklabels=results, ylim=(len(results) - 0.5, -0.5),
       xlabel="difference in test accuracy, 95 % interval", title=f"Zero and the margin of {margin:g} (dotted) decide")
ax.grid(axis="x")
plt.show()

# %% [markdown]
# The first two rows mirror each other. In the third, an interval that reaches below the margin and above zero
# means that these runs cannot tell, or that the difference may not matter. To halve it takes some 13 seeds
# instead of 5. Note what is not in any of them: other images. Only the seed varies, so they speak of these sets
# alone.
#
# All statements of the decks, with the verdicts that the course expects, are in `lessons/claims.csv`. Tests rely
# on a verdict only if other seeds give it too, and never on times.
#
# ## Summary
#
# - A network for images takes a dozen lines of Keras. Of Fashion-MNIST it sorts about four in five unseen
#   images after seconds of training. On the goods, with a thousand pictures of 32 × 32 pixels to train on, it
#   does not get far beyond always saying "animal"; why, later lessons ask.
# - A time is measured warmed up, interleaved, by the fastest run. The decks' seconds say little without their
#   unit; their ratios (3, 6, 76, 79) each belong to two devices and one network.
# - A margin stated before, the same seeds on both sides, paired differences and their interval make a verdict.
#   "Undecided" is a result too.
#
# ## Exercises
#
# **Predict.** Four comparisons with a margin of 0.01 gave these intervals: (a) +0.004 to +0.031,
# (b) -0.021 to -0.002, (c) +0.012 to +0.019, (d) -0.003 to +0.006. Which verdicts follow? Write four words,
# such as `["holds", "holds", "holds", "holds"]`.

# %% tags=["exercise", "exercise-verdicts"]
verdicts = ...

# %% tags=["check"]
if verdicts is ...:
    print("Not answered yet: replace the dots above.")
else:
    intervals = [(0.004, 0.031), (-0.021, -0.002), (0.012, 0.019), (-0.003, 0.006)]
    right = ["holds" if low > 0.01 else "refuted" if high < 0 else "undecided" for low, high in intervals]
    hints = [
        "(a) The whole interval lies above zero but not above the margin: better, perhaps by too little to matter.",
        "(b) Look at zero, not at the margin: the whole interval lies below it.",
        "(c) Both ends lie above the margin.",
        "(d) It reaches across zero: which is better cannot be told, only that they differ by less than the margin.",
    ]
    assert isinstance(verdicts, list) and len(verdicts) == 4, "Write a list of four words, for (a) to (d)."
    assert set(verdicts) <= {"holds", "refuted", "undecided"}, 'The words here are "holds", "refuted" and "undecided".'
    wrong = [hint for hint, given, word in zip(hints, verdicts, right) if given != word]
    assert not wrong, " ".join(["Not all of them are right.", *wrong])
    print("Right. (a) is better, but perhaps by too little; (d) may be either, but by less than the margin.")

# %% [markdown]
# **Modify.** Does a network with 32 filters instead of 16 do better? Set `order = np.resize(sets["large set"],
# 3 * many)`, collect the wide network's scores as above with `restarts(lambda: first_network(filters=32), seeds)`,
# and ask `is_greater(wide, scores["large set"], margin)`.
# How much longer does a step take? `interleaved_times` can tell. Was it worth it?
#
# **Extend.** Put pictures of your own into a folder with one subfolder for each class, as in the course's
# `data/goods`. `keras.utils.image_dataset_from_directory` with `image_size=(128, 128)`, `validation_split=0.2`,
# `subset="both"` and `seed=0` gives a dataset to train on and one to judge by. Does `first_network((128, 128, 3),
# num_classes=...)` tell them apart? How many pictures of each class does that take?
