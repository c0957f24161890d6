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
# # 05 · VGG
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/05_vgg.ipynb)
#
# *In 2014 one shape of filter, 3 × 3 pixels, was stacked again and again until the network was deep, and this
# plainest of plans came second in ImageNet's contest. Here you measure what such a stack sees, what it saves, and
# what it costs: memory.*
#
# You will
#
# - tell how far a unit sees through any stack of convolutions and poolings, and check it pixel by pixel,
# - tell when two small filters are cheaper than one large one, and when they are not,
# - write VGG16 in a dozen lines, and count and measure where its 138 million parameters, its
#   multiply-adds and its bytes of memory are.
#
# A minute on two CPU cores · deck *practice*, "VGG, 2014".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
channels = 64  # in and out of the convolutions that are compared
timed_images = 8  # images of 56 x 56 places in a timed batch
train_examples = 4000  # Fashion-MNIST images to train on, at most 56000
epochs = 3  # passes over them
learning_rates = {"one 5 × 5": [0.012], "two 3 × 3": [0.006]}  # to try, of Adam
seeds = [0, 1, 2, 3, 4]  # each network is trained once from each; three at least
margin = 0.01  # test accuracy: a smaller difference between two networks does not interest us
much = 5  # outputs of one image: "much" is at least so many times what AlexNet's take
usual_batch = 32  # images in a training step
memory_width = 0.5  # share of VGG16's filters in the network whose memory is measured
memory_images = 16  # images in its step

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import math
from concurrent.futures import ThreadPoolExecutor

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops

from helpers.architectures import build
from helpers.claims import claim
from helpers.complexity import layer_table, receptive_field
from helpers.datasets import class_names, load_arrays
from helpers.drawings import plot_block, plot_layers
from helpers.evaluation import is_greater
from helpers.plots import plot_by_seed, plot_images, use_course_style
from helpers.profiling import interleaved_times, peak_memory
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])

# %% [markdown]
# ## What does a stack of small filters see?
#
# A unit of a 5 × 5 convolution sees 25 pixels. A unit of a 3 × 3 convolution sees nine; but if each of
# those nine is itself a unit of a 3 × 3 convolution, it sees further. How far? Ask the pixels, one after the
# other: switch one on, leave all others off, and look whether the unit in the middle answers. If all
# weights are 1, nothing can cancel, so it answers exactly if it sees the pixel.

# %%
def answers(kernel_sizes, side=9):
    """Return how strongly the middle unit behind these convolutions answers to each pixel, shape ``(side, side)``."""
    x = ops.convert_to_tensor(np.eye(side * side, dtype="float32").reshape(-1, side, side, 1))  # one pixel on
    for kernel_size in kernel_sizes:
        x = layers.Conv2D(1, kernel_size, padding="same", kernel_initializer="ones", activation="relu")(x)
    return ops.convert_to_numpy(x[:, side // 2, side // 2, 0]).reshape(side, side)


# %%
seen = {"one 5 × 5": answers([5]), "two 3 × 3": answers([3, 3]),
        "one 7 × 7": answers([7]), "three 3 × 3": answers([3, 3, 3])}
fields = {name: int((answer > 0).any(axis=0).sum()) for name, answer in seen.items()}
for name, answer in seen.items():
    print(f"{name:12s} sees {fields[name]} x {fields[name]} pixels, {(answer > 0).sum()} in all.")
plot_images(np.stack(list(seen.values())), list(seen), columns=4,
            heading="How strongly each of 9 × 9 pixels is felt (black: not)")
plt.show()

# %% [markdown]
# So two small filters reach exactly as far as one of 5 × 5, and three as far as one of 7 × 7: each further one
# adds a pixel on every side. But the squares are not alike. To the middle lead many ways, to a corner one:

# %%
print(seen["two 3 × 3"][2:7, 2:7].astype(int))

# %% [markdown]
# These are numbers of paths. Stack more filters and the hill becomes a bell: Luo et al. (2016, "Understanding the
# Effective Receptive Field in Deep Convolutional Neural Networks") found that a unit feels little of the border of
# what it could see.
#
# ## Fewer weights?
#
# With $C$ channels in, between and out, two 3 × 3 convolutions have $2 \cdot 9\,C^2 = 18\,C^2$ weights, and one of
# 5 × 5 has $25\,C^2$. Three have $27\,C^2$, and one of 7 × 7 has $49\,C^2$. Let Keras count; we leave out the
# biases, one per filter.

# %%
def convolutions(kernel_size, repeats, inputs, filters, side=56):
    """Return a model of so many convolutions with ReLU, on maps of ``side`` x ``side``."""
    made = [layers.Conv2D(filters, kernel_size, padding="same", activation="relu", use_bias=False)
            for _ in range(repeats)]
    return keras.Sequential([keras.Input((side, side, inputs)), *made])


# %%
kinds = {"one 5 × 5": (5, 1), "two 3 × 3": (3, 2), "one 7 × 7": (7, 1), "three 3 × 3": (3, 3)}
models = {name: convolutions(*kind, channels, channels) for name, kind in kinds.items()}
weights = {name: model.count_params() for name, model in models.items()}
for name, count in weights.items():
    print(f"{name:12s} {count:8,} weights with {channels} channels: {count / channels**2:.0f} C²")

# %% [markdown]
# The slide says only that filters with a small kernel follow one another. The reason is the paper's (section 2.3):
# they see as much with fewer weights. So that is what we judge: with as many channels in as out, the pair must see
# exactly what the large filter sees, and have fewer weights.

# %%
pair, single = weights["two 3 × 3"], weights["one 5 × 5"]
claim("practice-vgg-small", measured=f"both see {fields['two 3 × 3']} x {fields['one 5 × 5']} pixels, with "
      f"{pair / channels**2:.0f} C² against {single / channels**2:.0f} C² weights, if C channels go in and come out",
      holds=bool(((seen["two 3 × 3"] > 0) == (seen["one 5 × 5"] > 0)).all()) and pair < single)

# %% [markdown]
# The condition is the catch. The first convolution of a pair leads to the full number of channels already, so
# where a stack takes in fewer channels than it gives, it pays twice. VGG's stacks do so, all but the last: from
# the three colours to 64 channels, and then twice as many each time. Put one large filter in the place of each
# stack of VGG16:

# %%
stacks = pd.DataFrame([(3, 64, 2, 224), (64, 128, 2, 112), (128, 256, 3, 56), (256, 512, 3, 28), (512, 512, 3, 14)],
                      columns=["inputs", "filters", "repeats", "side"])
small = 9 * stacks.filters * (stacks.inputs + stacks.filters * (stacks.repeats - 1))
large = (2 * stacks.repeats + 1) ** 2 * stacks.inputs * stacks.filters  # 5 x 5 for two, 7 x 7 for three
for index, row in stacks.iterrows():
    print(f"stack {index + 1}, {row.inputs:3d} to {row.filters} channels, {row.repeats} small filters: "
          f"{small[index] / large[index]:.2f} times the weights of one large filter")
small_work, large_work = ((weights_of * stacks.side**2).sum() for weights_of in (small, large))
print(f"In all {small.sum() / large.sum():.2f} times the weights, and {small_work / large_work:.2f} times the "
      "multiply-adds.")

# %% [markdown]
# Where channels double, a pair costs a little more than one 5 × 5, and over the three colours eight times as
# much; a triple costs a little less than one 7 × 7. Over the whole network small filters save a third of the
# weights of the convolutions, and next to no work, because the first stacks work on the largest maps. What else
# is there?
#
# - More ReLUs: a stack can compute what no single filter can. (And with equal channels not everything that the
#   large filter can, for it has fewer numbers to set.)
# - Time, perhaps: counts are not seconds. Here are both at equal channels.

# %%
maps = np.random.default_rng(seeds[0]).standard_normal((timed_images, 56, 56, channels)).astype("float32")
calls = {name: lambda model=model: model.predict_on_batch(maps) for name, model in models.items()}
seconds = interleaved_times(calls)
for large, small in (("one 5 × 5", "two 3 × 3"), ("one 7 × 7", "three 3 × 3")):
    print(f"{large} needs {weights[large] / weights[small]:.2f} times the multiply-adds of {small}, and here "
          f"{seconds[large] / seconds[small]:.2f} times the time ({1000 * seconds[large]:.0f} ms).")

# %% [markdown]
# Libraries have fast ways of their own for one shape or another, so the ratio of the times differs from machine to
# machine. And there is a price: the pair has two outputs, where the large filter has one. Remember that; it comes
# back below.
#
# ## Does it learn better?
#
# Simonyan and Zisserman asked that too (section 4.1): in B, the network of the paper whose stacks are all
# pairs, they put one 5 × 5 in the place of each pair, and its top-1 error on ImageNet was 7 % higher. A
# training took them two or three weeks. Ours take seconds, so we can afford several. A stack of VGG is plain
# enough.

# %%
def plain_stack(x, repeats, filters, kernel_size=3):
    """Convolve several times, each with ReLU and without changing the size, then halve the maps."""
    for _ in range(repeats):
        x = layers.Conv2D(filters, kernel_size, padding="same", activation="relu")(x)
    return layers.MaxPooling2D(pool_size=2)(x)


# %%
plot_block([("maps", "height × width × C"), "3 × 3, 2C filters, ReLU",
            ("3 × 3, 2C filters, ReLU", "height × width × 2C"),
            ("maximum of 2 × 2", "height / 2 × width / 2 × 2C")], "A stack of VGG")
plt.show()

# %% [markdown]
# Three stacks, of 8, 16 and 32 filters, are a VGG for Fashion-MNIST (lesson 03 introduces the data). The paper's
# statement, that pairs are better, holds here if the whole 95 % interval of the differences lies above one
# percentage point of accuracy (`margin`), and is refuted if it lies below zero. Each kind has a learning rate of
# its own; where `learning_rates` lists several, the one that does best on the validation images is kept. Here it
# lists the one kept when 0.003, 0.006 and 0.012 were tried.

# %%
if train_examples > 56000:
    raise ValueError(f"Only 56000 images are for training. Received: train_examples={train_examples}")
train_images, train_labels = load_arrays("fashion_mnist", f"train[:{train_examples}]")
validation = load_arrays("fashion_mnist", "train[-2000:]")
test = load_arrays("fashion_mnist", "test[:5000]")


def small_vgg(repeats, kernel_size, learning_rate):
    """Return a compiled network of three stacks, from 28 x 28 grey pixels to ten logits."""
    images = keras.Input((28, 28, 1))
    x = layers.Rescaling(1 / 255)(images)
    for filters in (8, 16, 32):
        x = plain_stack(x, repeats, filters, kernel_size)
    network = keras.Model(images, layers.Dense(10, name="logits")(layers.Flatten()(x)))
    falling = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * math.ceil(train_examples / 64))
    steps = 1 if keras.backend.backend() == "torch" else 16  # at a time; PyTorch takes one
    network.compile(keras.optimizers.Adam(falling), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                    metrics=["accuracy"], steps_per_execution=steps)
    return network


# %%
def train_over_seeds(repeats, kernel_size, learning_rate):
    """Train from each seed; return the accuracies on the validation and on the test images, a pair per seed."""
    found = []
    for network in restarts(lambda: small_vgg(repeats, kernel_size, learning_rate), seeds):
        network.fit(train_images, train_labels, batch_size=64, epochs=epochs, verbose=0)
        found.append([network.evaluate(*unseen, batch_size=500, verbose=0)[1] for unseen in (validation, test)])
    return np.array(found)


# %%
scores = {}
for name, (repeats, kernel_size) in {"one 5 × 5": (1, 5), "two 3 × 3": (2, 3)}.items():
    tried = [train_over_seeds(repeats, kernel_size, rate) for rate in learning_rates[name]]
    scores[name] = max(tried, key=lambda found: found[:, 0].mean())[:, 1]
    parameters = small_vgg(repeats, kernel_size, learning_rates[name][0]).count_params()
    print(f"{name} in each stack: {parameters:,} parameters, test accuracy {scores[name].mean():.3f}")
plot_by_seed(scores, "test accuracy", f"{train_examples} images, {epochs} epochs: a point per seed")
plt.show()

# %%
result = is_greater(scores["two 3 × 3"], scores["one 5 × 5"], margin)
words = {True: "better", False: "worse", None: "not shown to be better or worse"}
print(f"Pairs minus single filters: {result}. Here pairs are {words[result.holds]}.")

# %% [markdown]
# The black lines are the means. Do not expect the paper's result: three epochs over a few thousand images are
# short, and the deeper network needs longer to get going. How the two compare depends on how long they learn; the
# exercise *Modify* goes on from here.
#
# ## VGG16
#
# The paper's table 1 lists five networks of one plan: five stacks, of 64, 128, 256, 512 and 512 filters, then three
# dense layers, the same in all. They differ in the number of convolutions per stack. D has sixteen layers with
# weights, so everybody calls it VGG16. The program reads like the table.

# %%
def five_stacks(images, repeats, filters=(64, 128, 256, 512, 512)):
    """Send images through five stacks, of so many convolutions with so many filters each."""
    x = images
    for stack_repeats, stack_filters in zip(repeats, filters):
        x = plain_stack(x, stack_repeats, stack_filters)
    return x


def plain_vgg(repeats, num_classes=1000):
    """Build a VGG for colour images of 224 x 224 pixels."""
    images = keras.Input((224, 224, 3), name="images")
    x = five_stacks(layers.Rescaling(1 / 255)(images), repeats)
    x = layers.Flatten()(x)  # (batch, 7 * 7 * 512)
    x = layers.Dropout(0.5)(layers.Dense(4096, activation="relu")(x))
    x = layers.Dropout(0.5)(layers.Dense(4096, activation="relu")(x))
    return keras.Model(images, layers.Dense(num_classes, name="logits")(x))


# %%
vgg16 = plain_vgg((2, 2, 3, 3, 3))
costs = layer_table(vgg16)
totals = costs[["parameters", "multiply_adds"]].sum()
shares = costs[costs.kind == "Conv2D"][["parameters", "multiply_adds"]].sum() / totals
first_dense = costs.parameters[costs.kind == "Dense"].iloc[0]
print(f"VGG16 has {totals.parameters:,} parameters and needs {totals.multiply_adds / 1e9:.2f} billion multiply-adds "
      "per image.")
print(f"Its convolutions hold {shares.parameters:.0%} of the parameters and do {shares.multiply_adds:.0%} of the work; "
      f"the first dense layer alone holds {first_dense / totals.parameters:.0%}.")

# %%
pooled, dense = (costs["shape"][costs.kind == kind].tolist() for kind in ("MaxPooling2D", "Dense"))
plot_layers({"image": (224, 224, 3), "stack 1": pooled[0], "stack 2": pooled[1], "stack 5": pooled[4],
             "dense 1": dense[0], "logits": dense[2]}, "VGG16: what leaves some of its parts")
plt.show()

# %% [markdown]
# In the course's `helpers.architectures` it has a width, a stem for small images and batch normalisation to choose;
# by default it is this network. Let it look at something: one of the *goods*, enlarged to 224 pixels.

# %%
goods, goods_labels = load_arrays("goods", "test[:1]")
image = ops.convert_to_numpy(ops.image.resize(goods.astype("float32"), (224, 224)))
answer = ops.convert_to_numpy(ops.softmax(vgg16.predict_on_batch(image)))[0]
seconds = interleaved_times({"VGG16": lambda: vgg16.predict_on_batch(image)}, rounds=3)["VGG16"]
title = f"a {class_names('goods')[goods_labels[0]]}?\nclass {answer.argmax()}: {answer.max():.4f}"
plot_images(goods, [title], columns=5)
plt.show()
print(f"One image takes {1000 * seconds:.0f} ms here: {totals.multiply_adds / seconds / 1e9:.0f} billion "
      "multiply-adds per second.")

# %% [markdown]
# The answer is worth nothing: the network has learned nothing, and gives every one of a thousand classes about
# the probability 0.001. Lesson 12 has networks that come with what they learned.
#
# ### About 130 million?
#
# The slide says "~130M". We take "about" to mean rounded to ten millions, and "VGG" to mean VGG16, as is usual
# today. What of the others? All five share the dense layers, so it is enough to build their stacks. C is D with
# 1 × 1 instead of 3 × 3 in the third convolution of its last three stacks. Beside the counts stand the paper's
# top-1 errors, for images of one size (table 3).

# %%
in_dense = int(costs.parameters[costs.kind == "Dense"].sum())
counts = {}
for name, repeats in {"A": (1, 1, 2, 2, 2), "B": (2, 2, 2, 2, 2), "D": (2, 2, 3, 3, 3), "E": (2, 2, 4, 4, 4)}.items():
    images = keras.Input((224, 224, 3))
    counts[name] = keras.Model(images, five_stacks(images, repeats)).count_params() + in_dense
counts["C"] = counts["D"] - (9 - 1) * (256**2 + 512**2 + 512**2)
paper = {"A": (133, 29.6), "B": (133, 28.7), "C": (134, 28.1), "D": (138, 27.0), "E": (144, 27.3)}  # tables 2 and 3
for name, (millions, error) in paper.items():
    print(f"{name}: {counts[name]:,} parameters, the paper says {millions} million, about "
          f"{round(counts[name] / 1e7) * 10} million; error {error} %")
print(f"In each of them {in_dense:,} are in the dense layers.")

# %%
claim("practice-vgg-params", measured=f"VGG16 {counts['D']:,}; the smaller A, B and C {counts['A'] / 1e6:.1f} to "
      f"{counts['C'] / 1e6:.1f} million", holds=round(counts["D"] / 1e7) == 13)

# %% [markdown]
# The figure would fit A, B and C. But D and E, VGG16 and VGG19, are those that the authors gave away and that
# everybody uses: so write 138 million there. Most of them are in one dense layer, and a network of the same
# year already did without it (lesson 06). The errors say what depth brought: less error up to D, no more with
# E. And C, as deep as D, is worse: a further layer should also look further.
#
# ### How far it sees
#
# A layer with kernels of side $k$ widens the field by $(k - 1)\,j$ pixels, where neighbouring units of the maps
# before it are $j$ pixels apart; and each pooling doubles $j$. So behind the poolings every 3 × 3 reaches further.
# Ask the pixels again, now those of the middle row, what they light up in each layer. The number of filters does
# not matter here, so one per layer will do.

# %%
images = keras.Input((224, 224, 1))
thin = keras.Model(images, five_stacks(images, (2, 2, 3, 3, 3), filters=(1, 1, 1, 1, 1)))
thin.set_weights([np.ones_like(weight) if weight.ndim == 4 else weight for weight in thin.get_weights()])
look = keras.Model(images, [layer.output[:, layer.output.shape[1] // 2, layer.output.shape[2] // 2, 0]
                            for layer in thin.layers[1:]])  # the middle unit of each layer
lit = np.zeros((224, 224, 224, 1), "float32")
lit[np.arange(224), 112, np.arange(224)] = 1  # in image i only pixel i of the middle row is on
strengths = [ops.convert_to_numpy(strength) for strength in look.predict(lit, batch_size=32, verbose=0)]

# %%
measured = [int((strength > 0).sum()) for strength in strengths]
predicted = [field[0] for field in receptive_field(thin).field[1:]]  # by the rule above
print(f"Pixels and rule agree in {sum(a == b for a, b in zip(measured, predicted))} of {len(measured)} layers.")
kinds = ["pooling" if isinstance(layer, layers.MaxPooling2D) else "convolution" for layer in thin.layers[1:]]
ax = plt.subplots()[1]
for kind, marker in (("convolution", "o"), ("pooling", "s")):
    places = [place for place, each in enumerate(kinds, start=1) if each == kind]
    ax.plot(places, [measured[place - 1] for place in places], marker, label=kind)
ax.axhline(224, color="black", ls=":", label="the image")
ax.set(title="The deeper the layer, the faster its field grows", xlabel="layer", ylabel="side of the field (pixels)",
       xticks=range(1, len(measured) + 1, 2))
ax.legend()
plt.show()

# %% [markdown]
# At the last pooling a unit can see nearly the whole image. What does it feel of that? Here are the answers of the
# units at the ends of two stacks to each pixel of the middle row, as shares of the strongest.

# %%
ax = plt.subplots()[1]
poolings = [strength for strength, kind in zip(strengths, kinds) if kind == "pooling"]
for number, style in ((3, "--"), (5, "-")):
    strength = poolings[number - 1] / poolings[number - 1].max()
    ax.plot(strength, style, label=f"stack {number}: sees {(strength > 0).sum()}, feels {(strength >= 0.1).sum()}")
ax.set(title="A unit sees a square but feels a hill", xlabel="pixel of the middle row",
       ylabel="answer (share of the largest)", ylim=(0, 1.4))
ax.legend(title="pixels; to feel: a tenth at least", loc="upper left")
plt.show()

# %% [markdown]
# The weights are all 1 here, so this counts the ways from a pixel to the unit; what a trained network attends to is
# another matter. (A pooling keeps the largest of four, hence the flat top.)
#
# ## Memory
#
# The slide: a large amount of data at the output of each layer needs much memory. Why would one keep it? To
# *learn*. The gradient of a weight is made from what went into its layer, so until the backward pass has come
# by, every output must be there. To *answer*, a layer's output can go as soon as the next layer has read it.
#
# Count a value once, 4 bytes each. Outputs of activations, dropout and flattening do not count: they can
# take the place of what they come from.

# %%
def output_bytes(model):
    """Return the bytes of all outputs of one image that have a place of their own, layer by layer."""
    costs = layer_table(model)
    return costs.activation_bytes[~costs.kind.isin(["InputLayer", "Activation", "Dropout", "Flatten"])]


# %%
outputs = output_bytes(vgg16)
consecutive = int((outputs + outputs.shift(1, fill_value=0)).max())
print(f"The outputs for one image are {outputs.sum() / 4e6:.1f} million numbers, {outputs.sum() / 1e6:.1f} MB.")
print(f"Two in a row are at most {consecutive / 1e6:.1f} MB, those of the first two convolutions: so much an answer "
      "needs at a time.")

# %%
table = costs[costs.kind.isin(["Conv2D", "MaxPooling2D", "Dense"])]
short = {"Conv2D": "conv", "MaxPooling2D": "pool", "Dense": "dense"}
labels = [f"{short[kind]} {number}" for kind, number in zip(table.kind, table.groupby("kind").cumcount() + 1)]
figure, axes = plt.subplots(1, 2, figsize=(6, 5), sharey=True)
axes[0].barh(labels, table.activation_bytes / 1e6, color="C0")
axes[1].barh(labels, table.weight_bytes / 1e6, color="C1", hatch="//")
axes[0].set(title="Outputs in front,", xlabel="outputs of one image (MB)")
axes[1].set(title="weights behind", xlabel="weights (MB)")
axes[0].invert_yaxis()
for ax in axes:
    ax.grid(axis="y", visible=False)
plt.show()

# %% [markdown]
# This is the price of small filters: with one 5 × 5 instead of each pair, the large maps in front would be half as
# many.
#
# ### Measured
#
# Is the count what a machine really takes? A new process builds a VGG16 with part of the filters (`memory_width`)
# and small dense layers, handles one image, and then a batch. What the batch takes more at its peak, for each image
# more, is compared with the count, once for an answer and once for a step of training.

# %%
def prepare(task, width, images):
    """Return the work whose memory is measured: an answer or a training step for so many images."""
    model = build("vgg16", (224, 224, 3), 10, width=width, units=16)
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batch, labels = np.zeros((images, 224, 224, 3), "uint8"), np.zeros(images, "int32")

    def work(size):
        if task == "answer":
            model.predict_on_batch(batch[:size])
        else:
            model.train_on_batch(batch[:size], labels[:size])

    work(1)
    return lambda: work(images)


# %%
with ThreadPoolExecutor(2) as pool:  # two processes side by side
    peaks = {task: pool.submit(peak_memory, prepare, task, memory_width, memory_images)
             for task in ("answer", "training")}
per_image = {task: peak.result() / (memory_images - 1) for task, peak in peaks.items()}
expected = {"answer": memory_width * consecutive, "training": memory_width * outputs.sum()}
for task in per_image:
    print(f"{task:8s} each image more takes {per_image[task] / 1e6:4.1f} MB; the count is "
          f"{expected[task] / 1e6:.1f} MB.")

# %% [markdown]
# The count is what must be kept if nothing is computed twice. Buffers of the convolutions, gradients on their
# way, and memory that is set aside but not used come on top, and differ from one backend to another (memory of
# a GPU is not seen here). Compare the two lines: training takes more than an answer does.
#
# ### Is that much?
#
# Say beforehand what "much" shall mean. First: one image takes at least `much` times the bytes that it takes in
# AlexNet, the network before it on the slides. And second: in a training step of a usual batch (`usual_batch`) the
# outputs take more than the weights, although VGG has so many of those.

# %%
networks = {"AlexNet, 2012": build("alexnet", (227, 227, 3), 1000), "VGG16, 2014": vgg16,
            "GoogLeNet, 2014": build("googlenet", (224, 224, 3), 1000),
            "ResNet-50, 2015": build("resnet50", (224, 224, 3), 1000)}
sizes = pd.DataFrame({name: {"weights": 4 * model.count_params(), "outputs": output_bytes(model).sum(),
                             "multiply-adds": layer_table(model).multiply_adds.sum()}
                      for name, model in networks.items()}).T
times = sizes.outputs["VGG16, 2014"] / sizes.outputs
for name in sizes.index.drop("VGG16, 2014"):
    print(f"The outputs of an image take {sizes.outputs[name] / 1e6:5.1f} MB in {name}; in VGG16 {times[name]:.1f} "
          "times that.")

# %%
bars = pd.DataFrame({"weights": sizes.weights, f"outputs of {usual_batch} images": usual_batch * sizes.outputs}) / 1e9
ax = bars.plot.barh(color=["C1", "C0"], figsize=(6, 3.2))
for patch in ax.containers[0]:
    patch.set_hatch("//")
ax.invert_yaxis()
ax.set(title="Weights, and what a step of training keeps", xlabel="memory (GB)")
ax.grid(axis="x")
ax.grid(axis="y", visible=False)
plt.show()

# %%
batch_bytes = usual_batch * sizes.outputs["VGG16, 2014"]
claim("practice-vgg-memory", measured=f"{sizes.outputs['VGG16, 2014'] / 1e6:.0f} MB of outputs per image, "
      f"{times['AlexNet, 2012']:.0f} times AlexNet's; for {usual_batch} images {batch_bytes / 1e9:.1f} GB beside "
      f"{sizes.weights['VGG16, 2014'] / 1e9:.2f} GB of weights",
      holds=times["AlexNet, 2012"] >= much and batch_bytes > sizes.weights["VGG16, 2014"])

# %% [markdown]
# So the slide is right for 2014. What it leaves out: this is the memory of *training*, an answer needs less than
# half of it; and VGG does not stand out any more. ResNet-50, with less than a fifth of the weights, keeps more, for
# it has more layers, and batch normalisation has an output as well. The paper trained with batches of 256 on four
# GPUs (sections 3.1 and 3.3). Lesson 24 shows how to keep less and compute twice.
#
# ## Which to take

# %%
top1 = {"AlexNet, 2012": 56.5, "VGG16, 2014": 71.3, "GoogLeNet, 2014": 69.8, "ResNet-50, 2015": 74.9}
advice = ["for history", "to take features or styles from; to read", "where parameters must be few",
          "as the first deep baseline"]
pd.DataFrame({
    "parameters": [f"{size / 4e6:.1f} M" for size in sizes.weights],
    "weights": [f"{size / 1e6:.0f} MB" for size in sizes.weights],
    "outputs per image": [f"{size / 1e6:.0f} MB" for size in sizes.outputs],
    "multiply-adds": [f"{count / 1e9:.2f} billion" for count in sizes["multiply-adds"]],
    "ImageNet top-1": [f"{top1[name]} %" for name in sizes.index],
    "take it": advice,
}, index=sizes.index)

# %% [markdown]
# The accuracies are not ours: [Keras](https://keras.io/api/applications/) has those of VGG16 and ResNet-50,
# [torchvision](https://pytorch.org/vision/stable/models.html) those of AlexNet and GoogLeNet, in versions that
# differ a little from the papers'. VGG lives on where a plain network with rich maps of large size is wanted, as in
# style transfer and perceptual losses. As a classifier it is beaten at a quarter of the work.
#
# ## Summary
#
# - A stack of $n$ convolutions of 3 × 3 sees $2n + 1$ pixels across, behind poolings faster: 212 at the end of
#   VGG16's stacks. It feels the middle most.
# - Two 3 × 3 have $18\,C^2$ weights where one 5 × 5 has $25\,C^2$: if $C$ channels come in and go out. Where the
#   channels double, they have a few more; over all of VGG16 small filters save weights and hardly any work. The
#   further ReLUs come in any case, and further outputs to keep.
# - VGG16 has 138,357,544 parameters, nine in ten of them in dense layers, and 15.47 billion multiply-adds, nearly
#   all in the convolutions. Training keeps 61 MB of outputs for each image, most of it in the first two stacks.
#
# ## Exercises
#
# **Predict.** VGG19, the network E, has the repeats 2, 2, 4, 4, 4. How many pixels across can a unit of its last
# pooling see, if the image is large enough? Take a pencil: field and distance, layer by layer.

# %% tags=["exercise", "exercise-field"]
field_of_vgg19 = ...

# %% tags=["check"]
if field_of_vgg19 is ...:
    print("Not answered yet: replace the dots above.")
else:
    images = keras.Input((448, 448, 1))
    found = receptive_field(keras.Model(images, five_stacks(images, (2, 2, 4, 4, 4), filters=(1, 1, 1, 1, 1)))).field
    right = found.iloc[-1][0]
    hints = {
        found.iloc[-2][0]: "That is the last convolution. The pooling behind it widens the field too: by how much?",
        212: "That is VGG16. Three more convolutions widen the field, each by more than the one before.",
        224: "The rule does not know how large the image is: a field may reach over its border.",
        2 * 16 + 1: "That is sixteen convolutions without pooling. Behind each pooling the distance j doubles.",
    }
    assert isinstance(field_of_vgg19, int), "Write a whole number of pixels, such as 100."
    assert field_of_vgg19 == right, hints.get(
        field_of_vgg19, "Not this. After the first stack the field is 5 + 1 and the distance 2. And after the second?"
    )
    print(f"Right: {right}. That is more than the 224 pixels of its image: the unit in the middle sees all of it.")

# %% [markdown]
# **Modify.** Set `train_examples = 20000` and `epochs = 5` in the cell of parameters and run the page again (some
# minutes). Which way does the difference between pairs and single filters move? Then take the ReLU from between the
# filters of a pair (in a `plain_stack` of your own, `activation=None` for all but the last), and let `is_greater`
# with this page's `margin` decide what it was worth.
#
# **Extend.** Deep VGGs were hard to start: the paper trained A first and lent its layers to the others. Build
# `build("vgg16", (32, 32, 3), 12, width=0.125, units=64)` for the goods, every fourth pixel, and train it with and
# without `normalization=keras.layers.BatchNormalization`. How many epochs does each need until its loss leaves that
# of guessing? Lesson 07 goes on from there.
