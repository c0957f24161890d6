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
# # 04 · AlexNet
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/04_alexnet.ipynb)
#
# *In 2012, with five guesses for each picture, networks of this plan missed fifteen of a hundred where the next
# best entry missed twenty-six, and computer vision changed its mind. Here you build AlexNet, weigh its sixty
# million parameters, split it in two as its authors did, and ask of each of its tricks: what does it do, and
# would you still do it?*
#
# You will
#
# - build AlexNet, say where its parameters sit and where its work is done, and why its images have 227 pixels,
# - prove that a grouped convolution is two convolutions side by side, with half the weights of one,
# - let ReLU race against tanh over several seeds, and see what dropout and response normalisation do.
#
# A minute on two CPU cores · deck *practice*, "AlexNet, 2012".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
sample = 28  # which test image of goods the full-size network looks at, from 0 to 147
timing_rounds = 20  # timed calls of each convolution, and of the network
dropout_draws = 400  # random masks, to see how sums scatter under dropout
train_examples = 4096  # Fashion-MNIST images to train on, at most 56000
epochs = 5  # passes over them
batch_size = 64  # images per training step
filters = 16  # of the first two convolutions of the network that races; the third has twice as many
learning_rates = {"ReLU, averages": [0.002], "tanh, averages": [0.04]}  # of momentum, to try
target_error = 0.25  # share of wrong answers on the training images: who is down to it first has won
margin = 0.25  # epochs: a smaller lead does not interest us
maxima_epochs = 3  # of the second race, in which the network pools by maximum and learns sooner
seeds = [0, 1, 2, 3, 4]  # each network is trained once from each; three at least
maxima_seeds = [0, 1, 2]  # the same for the second race
maxima_rates = {"ReLU, maxima": [0.001], "tanh, maxima": [0.02]}  # and the rates to try in it

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

from helpers.claims import claim
from helpers.complexity import layer_table
from helpers.datasets import class_names, load_arrays
from helpers.drawings import plot_block
from helpers.evaluation import is_greater
from helpers.plots import plot_curves, plot_images, use_course_style
from helpers.profiling import interleaved_times, latency
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])

# %% [markdown]
# ## Load the data
#
# AlexNet looks at colour pictures, two hundred times as many numbers as in an image of Fashion-MNIST. Here is one,
# from the course's goods, enlarged to the size that the network takes.

# %%
goods, goods_labels = load_arrays("goods", "test")
image = ops.image.resize(goods[sample : sample + 1].astype("float32"), (227, 227))
image = ops.convert_to_numpy(ops.clip(image, 0, 255))
print(f"A picture of class {class_names('goods')[goods_labels[sample]]}: {goods[sample].shape} enlarged to "
      f"{image[0].shape}, {image[0].size / (28 * 28):.0f} times the numbers of an image of 28 x 28.")
plot_images(image.astype("uint8"), columns=5, heading="227 × 227 pixels")
plt.show()


# %% [markdown]
# ### 224 or 227?
#
# The paper (Krizhevsky et al., 2012, "ImageNet Classification with Deep Convolutional Neural Networks") says
# 224, and nearly every program that rebuilds the network says 227. The first convolution explains it: its
# filters of 11 × 11 move by 4 pixels. Then come three poolings of 3 × 3 that move by 2.

# %%
def side_after(side, kernel_size, strides):
    """Return how many places a window without padding has along a side: Keras leaves out what does not fit."""
    return (side - kernel_size) // strides + 1


# %%
for side in (224, 227):
    places = (side - 11) / 4 + 1
    sides = [side]
    for kernel_size, strides in ((11, 4), (3, 2), (3, 2), (3, 2)):
        sides.append(side_after(sides[-1], kernel_size, strides))
    print(f"From {side} pixels the filter has {places:.2f} places in a row; the maps have sides "
          f"{' > '.join(map(str, sides[1:]))}, and the first dense layer {256 * sides[-1] ** 2:,} inputs.")

# %% [markdown]
# Of the two only 227 comes out even, and leads to the maps of 27 and 13 from which most of the paper's numbers
# of units follow, such as 186,624 = 27 × 27 × 256. Was 224 a slip? Probably not: the authors' own program,
# cuda-convnet, rounds the number of places *up* and lets the last filter hang over the edge, by 3 pixels that
# count as zero. So 224 there is 227 here.
#
# ## A layer that Keras does not have
#
# Two of AlexNet's convolutions are followed by *local response normalisation*. Each value is divided by
# how strong its neighbours are, where neighbours are channels: the same place in the two maps before and the
# two after (section 3.3 of the paper, with $k = 2$, $\alpha = 10^{-4}$, $\beta = 0.75$ and sums over 5):
#
# $$y_i = \frac{x_i}{\bigl(k + \alpha \sum_{j = i - 2}^{i + 2} x_j^2\bigr)^\beta}$$
#
# Keras has no such layer. It is a good example of how to write one: what it is told in `__init__`, what it
# computes in `call`, and what it needs to be saved and loaded in `get_config`.

# %%
@keras.saving.register_keras_serializable("course")
class LocalResponseNormalization(layers.Layer):
    """Divide each value by how strong its neighbouring channels are at the same place."""

    def __init__(self, size=5, bias=2.0, alpha=1e-4, beta=0.75, **options):
        super().__init__(**options)
        if size < 1 or size % 2 == 0:
            raise ValueError(f"A channel stands in the middle: give an odd size. Received: size={size!r}")
        self.size, self.bias, self.alpha, self.beta = size, bias, alpha, beta

    def call(self, inputs):
        channels, reach = inputs.shape[-1], self.size // 2
        squares = ops.pad(ops.square(inputs), [[0, 0], [0, 0], [0, 0], [reach, reach]])
        total = sum(squares[..., start : start + channels] for start in range(self.size))
        return inputs / (self.bias + self.alpha * total) ** self.beta

    def get_config(self):
        names = "size", "bias", "alpha", "beta"
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


# %% [markdown]
# Try it on one place with 24 channels, all at 60 but for one at 400, and check that one by hand.

# %%
strengths = np.full((1, 1, 1, 24), 60.0, "float32")  # (batch, height, width, channels)
strengths[..., 11] = 400
normalised = ops.convert_to_numpy(LocalResponseNormalization()(strengths))
by_hand = 400 / (2 + 1e-4 * (400**2 + 4 * 60**2)) ** 0.75
print(f"The strong channel comes out as {normalised[0, 0, 0, 11]:.2f}; by hand it is {by_hand:.2f}.")
alone = strengths[0, 0, 0] / 2**0.75
ax = plt.subplots(figsize=(6.5, 3))[1]
ax.plot(alone, "o", label="divided by $k^β$ only")
ax.plot(normalised[0, 0, 0], "s", label="and by its neighbours")
ax.set(title="A strong channel takes its neighbours down with it", xlabel="channel", ylabel="output",
       yscale="log", ylim=(3, 500))
ax.grid(axis="x", visible=False)
ax.legend()
plt.show()

# %% [markdown]
# (The scale is logarithmic.) The strong channel and its two neighbours on each side share one sum, or nearly,
# and lose the same factor; channels further off lose less. Nerve cells of the eye do something like
# it, called lateral inhibition. Mind the scale, though: $\alpha$ is so small that values below ten hardly feel
# their neighbours. The pixels of 2012 ranged over 255 steps, and what the first convolution made of them could
# well be larger. With pixels from 0 to 1, as is usual today, the layer may do little more than divide
# everything by $2^{0.75} = 1.68$. Where you meet it in a modern program, look at what goes in.
#
# In the paper it took 1.4 points off the error of the first answer. VGG, two years later, tried it and found no
# gain (lesson 05); since 2015 batch normalisation stands in its place.
#
# ## Build the model
#
# Five convolutions, three dense layers: *eight layers with weights*, one after the other. `groups=2` in three
# of them is the "parallel architecture" of the slide; the section after this one takes it apart. (Shapes and
# counts are those of 2012. Pixels from 0 to 1 and Keras' own first weights are of today; and where the authors
# normalised the maps of each GPU for themselves, ours are in one piece.)

# %%
def alexnet_2012(groups=2):
    """Build AlexNet for images of 227 x 227 pixels and the thousand classes of ImageNet."""
    return keras.Sequential([
        keras.Input((227, 227, 3)),
        layers.Rescaling(1 / 255, name="rescaling"),
        layers.Conv2D(96, kernel_size=11, strides=4, activation="relu", name="conv1"),
        LocalResponseNormalization(name="norm1"),
        layers.MaxPooling2D(pool_size=3, strides=2, name="pool1"),
        layers.Conv2D(256, kernel_size=5, padding="same", groups=groups, activation="relu", name="conv2"),
        LocalResponseNormalization(name="norm2"),
        layers.MaxPooling2D(pool_size=3, strides=2, name="pool2"),
        layers.Conv2D(384, kernel_size=3, padding="same", activation="relu", name="conv3"),
        layers.Conv2D(384, kernel_size=3, padding="same", groups=groups, activation="relu", name="conv4"),
        layers.Conv2D(256, kernel_size=3, padding="same", groups=groups, activation="relu", name="conv5"),
        layers.MaxPooling2D(pool_size=3, strides=2, name="pool5"),
        layers.Flatten(name="flatten"),
        layers.Dense(4096, activation="relu", name="dense6"),
        layers.Dropout(0.5, name="dropout6"),
        layers.Dense(4096, activation="relu", name="dense7"),
        layers.Dropout(0.5, name="dropout7"),
        layers.Dense(1000, name="logits"),
    ], name="alexnet")


# %%
model = alexnet_2012()
table = layer_table(model)
weighted = table[table.parameters > 0]
for name, row in weighted.iterrows():
    print(f"{name:7s} gives {str(row['shape']):14s} with {row.parameters:10,} parameters and "
          f"{row.multiply_adds / 1e6:5.1f} million multiply-adds")
parameters, multiply_adds = table.parameters.sum(), table.multiply_adds.sum()
print(f"AlexNet has {parameters:,} parameters, {4 * parameters / 1e6:.0f} MB in float32, and needs "
      f"{multiply_adds / 1e6:.0f} million multiply-adds per image.")

# %%
bars = weighted[["parameters", "multiply_adds"]].rename(columns={"multiply_adds": "multiply-adds"}).astype(float)
ax = (100 * bars / bars.sum()).plot.bar(rot=0, color=["C0", "C1"], figsize=(6.5, 3))
for patch in ax.containers[1]:
    patch.set_hatch("//")
ax.set(title="Convolutions do the work, dense layers hold the parameters", ylabel="share (%)", xlabel="layer")
ax.grid(axis="x", visible=False)
ax.legend()
plt.show()

# %%
share = bars.loc[["dense6", "dense7", "logits"]].sum() / bars.sum()
print(f"The three dense layers hold {share['parameters']:.0%} of the parameters and do "
      f"{share['multiply-adds']:.0%} of the work; dense6 alone holds {bars.parameters['dense6'] / parameters:.0%}.")
units = sum(int(np.prod(shape)) for shape in weighted["shape"])
print(f"The layers with weights have {units:,} units; the paper's abstract says 650,000 neurons.")

# %%
claim("practice-alexnet-params", measured=int(parameters), holds=abs(parameters - 60e6) < 1.5e6)

# %% [markdown]
# Sixty million it is, and nearly all of it in three layers that later networks cut to one (lesson 06, GoogLeNet:
# 7 million). Who asks a library for "AlexNet" today mostly gets another one: that of
# [torchvision](https://pytorch.org/vision/stable/models/generated/torchvision.models.alexnet.html) has 61,100,840
# parameters, for it follows the network for one GPU behind Krizhevsky's paper of 2014 ("One weird trick for
# parallelizing convolutional neural networks"): one tower, other numbers of filters, no response normalisation, and
# two pixels of padding. Say which one you mean when you compare.
#
# ### One answer
#
# Let the network look at the picture. It has learned nothing, so what will it say? (Beside the logits we keep what
# dense6 gives, for later.)

# %%
look = keras.Model(model.inputs[0], [model.get_layer(name).output for name in ("dense6", "logits")])
milliseconds = 1000 * latency(look, batch_sizes=(1,), rounds=timing_rounds)[1]
hidden, logits = look.predict_on_batch(image)
probabilities = ops.convert_to_numpy(ops.softmax(logits))[0]
print(f"Of 1000 classes it likes number {probabilities.argmax()} best, with a probability of "
      f"{probabilities.max():.5f}; guessing would be {1 / 1000:.5f}.")
print(f"That took {milliseconds:.0f} ms: {multiply_adds / milliseconds / 1e6:.0f} billion multiply-adds "
      "a second.")

# %% [markdown]
# All classes get nearly the same, and the first is first by chance: an answer without worth, at the price of a
# good one. To make it good took 90 passes over 1.2 million pictures, five to six days on two GPUs.
#
# ## Two towers
#
# The authors' GPUs, two GTX 580, had 3 GB of memory each, too little for the network in training. So it was cut
# lengthwise: half of the filters of each layer on one GPU and half on the other. To keep traffic low, only some
# layers look across.

# %%
lower = [("conv1, 48 filters\npool1", "27 × 27"), ("conv2, 128 filters\npool2", "13 × 13")]
upper = ["conv3, 192 filters", "conv4, 192 filters", ("conv5, 128 filters\npool5", "6 × 6")]
plot_block([("image", "227 × 227 × 3"), [lower, lower], [upper, upper], [["dense6, 2048 units"]] * 2,
            [["dense7, 2048 units"]] * 2, "1000 logits"], "AlexNet on two GPUs, left and right")
plt.show()


# %% [markdown]
# Where arrows cross, a layer sees the maps of both GPUs; where they go straight down, those of its own. Keras
# needs no second GPU for that: `groups=2` cuts the channels that come in, and the filters, into halves, and
# gives each half of the filters one half of the channels. The kernels' shapes show it: height, width, channels
# seen, filters.

# %%
for name in ("conv2", "conv3", "conv4", "conv5"):
    layer = model.get_layer(name)
    seen = layer.kernel.shape[2]
    print(f"{name}: kernel {tuple(layer.kernel.shape)}; a filter sees {seen} of the {seen * layer.groups} channels.")

# %% [markdown]
# And is a grouped convolution the same as two convolutions side by side? Give each of two a half of conv2's filters
# and a half of the maps, here random ones.

# %%
def tower(half):
    """Return one half of conv2 as a convolution of its own."""
    layer = layers.Conv2D(128, kernel_size=5, padding="same", activation="relu")
    layer.build((None, 27, 27, 48))
    layer.set_weights([weights[..., 128 * half : 128 * (half + 1)] for weights in grouped.get_weights()])
    return layer


grouped, inputs = model.get_layer("conv2"), keras.Input((27, 27, 96))
side_by_side = [tower(half)(part) for half, part in enumerate(ops.split(inputs, 2, axis=-1))]
ways = {"two groups": keras.Model(inputs, grouped(inputs)),
        "two convolutions": keras.Model(inputs, layers.Concatenate()(side_by_side)),
        "without groups": keras.Model(inputs, layers.Conv2D(256, 5, padding="same", activation="relu")(inputs))}

# %%
maps = np.random.default_rng(seeds[0]).random((1, 27, 27, 96), "float32")
together, separate = (ways[name].predict_on_batch(maps) for name in ("two groups", "two convolutions"))
difference = float(np.abs(together - separate).max())
print(f"One convolution in two groups and two convolutions differ by {difference:.0e} at most, for values up to "
      f"{together.max():.1f}: no more than rounding.")

# %% [markdown]
# Each filter sees half of the channels, so it has half of the weights, and a layer half of the weights and of
# the multiply-adds. What would the network have without groups?

# %%
whole = layer_table(alexnet_2012(groups=1))
biases = weighted["shape"].str[-1]
ratios = {}
for name in ("conv2", "conv3", "conv4", "conv5"):
    weights = [int(each.parameters[name] - biases[name]) for each in (whole, table)]
    ratios[name] = weights[1] / weights[0]
    print(f"{name}: {weights[0]:9,} weights without groups, {weights[1]:9,} in AlexNet, {ratios[name]:.2f} of them")
print(f"In all {whole.parameters.sum():,} parameters without groups instead of {parameters:,}; the multiply-adds "
      f"fall from {whole.multiply_adds.sum() / 1e6:.0f} to {multiply_adds / 1e6:.0f} million.")

# %%
halved = [name for name, ratio in ratios.items() if ratio == 0.5]
claim("practice-alexnet-groups", measured=f"{', '.join(halved)} have half the weights of ungrouped ones; conv2 and two "
      f"convolutions side by side differ by {difference:.0e}",
      holds=halved == ["conv2", "conv4", "conv5"] and difference < 1e-5)

# %% [markdown]
# The statement holds for the three layers; of the whole network groups save little, for the dense layers are
# whole. Half of the multiply-adds ought to take half of the time. Does it?

# %%
calls = {name: lambda way=way: way.predict_on_batch(maps) for name, way in ways.items()}
seconds = interleaved_times(calls, rounds=timing_rounds)
for name, time in seconds.items():
    print(f"{name:16s} {1000 * time:6.2f} ms for one image, {time / seconds['without groups']:.2f} of the time of the "
          "whole convolution")

# %% [markdown]
# A count of multiply-adds is not a time, and neither way need come near a half: a call costs something by
# itself, and what `groups=2` takes depends on whether somebody wrote fast code for it on your machine. As a
# device for sharing work, groups fell out of use when GPUs got memory. As a device for saving weights they came
# back: carried to the end, one channel per group, they are the depthwise convolutions of lesson 10.
#
# ## ReLU or tanh
#
# The slide: AlexNet uses ReLU, $\max(0, x)$. Why not tanh, as LeNet did? For speed, says the paper, and puts
# this first among its novelties. Its figure 1 shows a network of four layers that gets down to 25 % errors on
# the training images of CIFAR-10 six times sooner with ReLU than with tanh, each at a learning rate of its own.
# (The caption adds that the factor varies with the network, and that networks with ReLU consistently learn
# several times faster.)
#
# Let us race again, with a network of that kind. The authors' program came with such four-layer networks for
# CIFAR-10: three convolutions of 5 × 5, pooling by maximum after the first and by average after the others, one
# dense layer. We keep the manner of 2012: pixels from 0 to 255 less the mean image, small Gaussian weights,
# plain momentum. Less so that it takes seconds: images of Fashion-MNIST, and half of the filters.

# %%
if train_examples > 56000:
    raise ValueError(f"Only 56000 images are for training. Received: train_examples={train_examples}")
train_images, train_labels = load_arrays("fashion_mnist", f"train[:{train_examples}]")
validation_images, validation_labels = load_arrays("fashion_mnist", "train[-4000:]")
mean_image = train_images.mean(axis=0, dtype="float32")
train_images, validation_images = train_images - mean_image, validation_images - mean_image  # float32


# %%
def gaussian(stddev):
    """Return an initializer that draws weights of mean 0 and a given standard deviation."""
    return keras.initializers.RandomNormal(stddev=stddev)


def four_layers(activation, pooling, learning_rate):
    """Return a compiled network of 2012's kind, with the pooling after its second and third layer to choose."""
    convolution = {"kernel_size": 5, "padding": "same", "activation": activation}
    network = keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(filters, kernel_initializer=gaussian(0.0001), **convolution),
        layers.MaxPooling2D(pool_size=3, strides=2),
        layers.Conv2D(filters, kernel_initializer=gaussian(0.01), **convolution),
        pooling(pool_size=3, strides=2),
        layers.Conv2D(2 * filters, kernel_initializer=gaussian(0.01), **convolution),
        pooling(pool_size=3, strides=2),
        layers.Flatten(),
        layers.Dense(10, kernel_initializer=gaussian(0.1), name="logits"),
    ])
    network.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=1 if keras.backend.backend() == "torch" else 16,  # PyTorch takes one at a time
    )
    return network


# %% [markdown]
# A learning rate that suits one activation is wrong for the other. Where `learning_rates` lists several, the one
# with the best accuracy on *validation* images is kept; here it lists one each, chosen so from four to six.

# %%
racers = {"ReLU, averages": ("relu", layers.AveragePooling2D), "tanh, averages": ("tanh", layers.AveragePooling2D),
          "ReLU, maxima": ("relu", layers.MaxPooling2D), "tanh, maxima": ("tanh", layers.MaxPooling2D)}


def race(name, seeds, epochs):
    """Train a racer from each seed at each of its rates; return the best rate and its errors, ``(seeds, epochs)``."""
    activation, pooling = racers[name]
    errors, validation, to_try = {}, {}, (learning_rates | maxima_rates)[name]
    for rate, network in restarts(lambda rate: four_layers(activation, pooling, rate), seeds, to_try):
        history = network.fit(train_images, train_labels, batch_size=batch_size, epochs=epochs, verbose=0).history
        errors.setdefault(rate, []).append(1 - np.array(history["accuracy"]))
        if len(to_try) > 1:
            _, accuracy = network.evaluate(validation_images, validation_labels, batch_size=500, verbose=0)
            validation.setdefault(rate, []).append(accuracy)
    best = max(to_try, key=lambda rate: np.mean(validation.get(rate, 0)))
    return best, np.array(errors[best])


def epochs_to(target, errors):
    """Return for each run the epochs until its error is down to the target, at most as many as were trained."""
    lowest = np.minimum.accumulate(errors, axis=1)
    return np.array([np.interp(-target, -run, np.arange(1, len(run) + 1)) for run in lowest])


# %%
rates, errors = {}, {}
for name in ("ReLU, averages", "tanh, averages"):
    rates[name], errors[name] = race(name, seeds, epochs)
curves = {f"{name}, learning rate {rates[name]}": 100 * run for name, run in errors.items()}
ax = plot_curves(curves, "epoch", "training error (%)", f"Four layers of 2012: mean and range of {len(seeds)} seeds")
ax.axhline(100 * target_error, color="black", lw=0.8, ls="--", label=f"finish, {target_error:.0%}")
ax.legend()
ax.set_yscale("log")  # so that the finish can be seen beside the start
ax.set_yticks([20, 25, 30, 40, 60], labels=[20, 25, 30, 40, 60])
ax.minorticks_off()
plt.show()

# %% [markdown]
# A line is the mean over the seeds, its band reaches from the lowest to the highest, and errors are averages
# *during* an epoch, on a logarithmic scale. tanh is ahead after the first epoch, so it matters where the finish
# is. We said beforehand (in the parameters) that it is the paper's 25 %, the dashed line, counted in epochs and
# on a straight line between two; and that less than `margin` would not interest us. A run that does not get
# there counts as if it had at the very end, which favours the slower one.

# %%
def report(relu, tanh):
    """Print the epochs that two racers needed, seed by seed; return by how much tanh needed more."""
    for name in (relu, tanh):
        needed[name] = epochs_to(target_error, errors[name])
        print(f"{name}: {needed[name].mean():.2f} epochs to {target_error:.0%} errors on average, seed by seed "
              f"{' '.join(f'{value:.2f}' for value in needed[name])}")
    result = is_greater(needed[tanh], needed[relu], margin)
    words = {True: "ReLU learns faster", False: "tanh learns faster", None: "this does not tell who learns faster"}
    print(f"tanh minus ReLU: {result.mean:+.2f} epochs, 95 % interval {result.low:+.2f} to {result.high:+.2f}: "
          f"{words[result.holds]}.")
    return result


# %%
needed = {}
result = report("ReLU, averages", "tanh, averages")
relu, tanh = (needed[name].mean() for name in ("ReLU, averages", "tanh, averages"))
print(f"tanh takes {tanh / relu:.1f} times as long.")
for target in (0.4, 0.3):
    sooner = {name: epochs_to(target, run).mean() for name, run in errors.items()}
    words = ", ".join(f"{name} {epochs_needed:.2f} epochs" for name, epochs_needed in sooner.items())
    print(f"Had the finish been {target:.0%}: {words}.")

# %% [markdown]
# ### Is it the activation alone?
#
# A guess at why: near zero, where small weights put it, tanh is a straight line, and averages are linear too.
# Such a network begins almost as one linear map and has to grow before it bends. ReLU bends from the start; but
# so does a *maximum*, and AlexNet, unlike the network above, pools by maximum everywhere. Race once more with
# that, nothing else changed but the learning rates. The statement shall hold if ReLU wins both races, and be
# refuted if it loses both.

# %%
for name in ("ReLU, maxima", "tanh, maxima"):
    rates[name], errors[name] = race(name, maxima_seeds, maxima_epochs)
with_maxima = report("ReLU, maxima", "tanh, maxima")

# %%
verdicts = {result.holds, with_maxima.holds}
claim("practice-alexnet-relu", measured=f"AlexNet does. Down to {target_error:.0%} training errors, a network of its "
      f"time takes {relu:.1f} epochs with ReLU and {tanh:.1f} with tanh; with maxima "
      f"{needed['ReLU, maxima'].mean():.1f} and {needed['tanh, maxima'].mean():.1f}",
      holds=verdicts.pop() if len(verdicts) == 1 else None)

# %% [markdown]
# Compare the two races. The paper's order comes out in the first, if far from its factor of six: this network
# is smaller, its images are easier, its steps are few, and with other finishes the lead is another. With maxima
# both learn sooner; whether a lead is left is for the interval to say, and where it is wide, for more seeds.
# "ReLU learns faster" is a statement about a network: what else bends in it, where its weights start, at which
# rate it learns, and how long one waits. What keeps ReLU in use in deep networks is that a positive value
# passes its gradient on undiminished, through however many layers; lesson 19 looks at that.

# %% [markdown]
# ## Dropout
#
# The deck: dropout before the fully connected layers, against overfitting. During training each value is set to
# zero with probability 0.5, anew at every step, so no unit can lean on one particular other. Walk through the
# network and look at what stands before each dense layer.

# %%
dense_after_dropout = {}
for before, layer in zip(model.layers, model.layers[1:]):
    if isinstance(layer, layers.Dense):
        dense_after_dropout[layer.name] = before.rate if isinstance(before, layers.Dropout) else None
        print(f"{layer.name} comes directly after {before.name}" +
              (f", which drops {before.rate:.0%}." if isinstance(before, layers.Dropout) else "."))

# %%
dropout_rates = list(dense_after_dropout.values())
claim("practice-alexnet-dropout", measured="before the dense layers: " + ", ".join(
      f"{name} {rate or 'none'}" for name, rate in dense_after_dropout.items()),
      holds=dropout_rates == [None, 0.5, 0.5])

# %% [markdown]
# So the slide is right but for the first of the three. The paper drops the outputs "in the first two
# fully-connected layers", and so does [Caffe's
# replica](https://github.com/BVLC/caffe/tree/master/models/bvlc_alexnet): before dense7 and the logits.
# Torchvision's AlexNet drops one layer earlier, before dense6 and dense7. All have two dropouts of 0.5.
#
# What does the layer do? Feed it ones.

# %%
dropout = layers.Dropout(0.5, seed=seeds[0])
ones = ops.ones((100, 100))
dropped, at_rest = (ops.convert_to_numpy(dropout(ones, training=training)) for training in (True, False))
print(f"Training: {np.mean(dropped == 0):.1%} are zero and the others {dropped.max():.0f}; the mean is "
      f"{dropped.mean():.3f}. Inference: all are {at_rest.min():.0f}.")

# %% [markdown]
# Half are gone, and those that are left are doubled, so that the next layer gets as much *on average*. That is how
# Keras does it: nothing is left to do at inference. The paper did not double in training, and halved all outputs
# at test time instead. Take a unit of dense7, which adds up 4096 values for our picture, and drop them many times
# in either way.

# %%
values = hidden[0]  # 4096 of them, from dense6 for our picture
kernel = ops.convert_to_numpy(model.get_layer("dense7").kernel)
weights = kernel[:, (values @ kernel).argmax()]  # of the unit with the largest sum
kept = np.random.default_rng(seeds[0]).random((dropout_draws, 4096)) < 0.5
sums = {"Keras": (kept * 2 * values) @ weights, "paper": (kept * values) @ weights}
full = float(values @ weights)
inference = {"Keras": ("doubled in training", full), "paper": ("not doubled in training", full / 2)}
for name, (way, expected) in inference.items():
    error = sums[name].std() / dropout_draws**0.5
    print(f"{name}: {way}, the sum is {sums[name].mean():.4f} on average of {dropout_draws} masks "
          f"(two standard errors: {2 * error:.4f}); at inference {expected:.4f}")

# %%
figure, axes = plt.subplots(2, 1, figsize=(5, 4.4), sharex=True)
for ax, (name, (way, expected)) in zip(axes, inference.items()):
    counts = ax.hist(sums[name], bins=30, color="C0", label="training, one mask each")[0]
    ax.axvline(expected, color="black", ls="--", label="inference, all values")
    ax.set(title=f"{name}: {way}", xlabel="sum of one unit of dense7", ylabel="masks", ylim=(0, 1.5 * counts.max()))
    ax.legend()
plt.show()

# %% [markdown]
# Both ways the sums scatter around what inference will give: they agree in expectation. (For sums, that is. After a
# ReLU or a softmax the mean of the results is not the result of the mean; the paper calls it a reasonable
# approximation.) The scatter has a price: with dropout the paper needed about twice as many steps, and without it
# overfitted substantially. Lesson 20 measures what it brings.
#
# ## What is still in use
#
# | AlexNet, 2012 | what for | today | lesson |
# |---|---|---|---|
# | ReLU | to train fast | yes, and smooth relatives | 19 |
# | two towers, `groups=2` | to fit into 3 GB | not for memory; one channel per group, to save weights | 10 |
# | local response normalisation | to let channels compete | no: batch normalisation | 17 |
# | maxima of 3 × 3 that move by 2 | to overlap | in the first layers of ResNet | 07 |
# | first filters of 11 × 11 that move by 4 | to get small at once | 7 × 7, or stacks of 3 × 3 | 05, 07 |
# | three dense layers | to classify | no: the average of each map, and one dense layer | 06 |
# | dropout of 0.5 | against overfitting | where dense layers are large | 20 |
# | pictures shifted, mirrored, recoloured | against overfitting | yes, and more of it | 15 |
# | weights of standard deviation 0.01, biases of 1 | to get ReLU going | no: He's rule | 17 |
#
# ## Summary
#
# - AlexNet is five convolutions and three dense layers: 60,965,224 parameters, 96 % of them in the dense
#   layers, and 724 million multiply-adds, 92 % of them in the convolutions. In Keras its images have 227
#   pixels, because the first filter moves by 4; the authors' 224 was rounded up by their program.
# - `groups=2` is two convolutions side by side, each with half of the channels and so half of the weights. It
#   halves the multiply-adds; whether it halves the time depends on who wrote the code.
# - A network of 2012's kind is down to 25 % training errors sooner with ReLU than with tanh, each at its own
#   rate, but not six times. The lead belongs to the whole network: with pooling by maximum a few seeds do not
#   show it.
# - Dropout sets half of the values to zero and doubles the rest, in training only: on average nothing changes.
#
# ## Exercises
#
# **Predict.** Four GPUs: how many parameters would conv2 have with `groups=4`? It has 256 filters of 5 × 5, and
# 96 channels come in.

# %% tags=["exercise", "exercise-groups"]
conv2_parameters = ...

# %% tags=["check"]
if conv2_parameters is ...:
    print("Not answered yet: replace the dots above.")
else:
    four = layers.Conv2D(256, kernel_size=5, groups=4)
    four.build((None, 27, 27, 96))
    right = four.count_params()
    hints = {
        right - 256: "Nearly: each of the 256 filters has a bias too.",
        (right - 256) // 4 + 64: "That is one tower alone: there are four of them.",
        (right - 256) // 4: "That is one tower alone, without its biases.",
        int(table.parameters["conv2"]): "That is AlexNet's, with two groups: a filter sees 48 channels there.",
        int(whole.parameters["conv2"]): "That is without groups: here a filter sees only a quarter of the channels.",
        int(whole.parameters["conv2"]) // 4: "Groups share out the weights. Biases stay: each filter has its own.",
        int(table.parameters["conv2"]) // 2: "Half the weights, right; but the biases stay: each filter has its own.",
    }
    assert isinstance(conv2_parameters, int), "Write a whole number without a comma, such as 307456."
    assert conv2_parameters == right, hints.get(
        conv2_parameters, "Not this. How many channels does one filter see, and how many weights is that?"
    )
    print(f"Right: {right:,}. A filter sees 24 channels, 5 x 5 x 24 = 600 weights.")

# %% [markdown]
# **Modify.** Let AlexNet itself race, an eighth as wide: `build("alexnet", (28, 28, 1), 10, width=0.125,
# stem="small", groups=1, dropout=0.0, normalization=None, activation=...)` from `helpers.architectures`, with
# the bare pixels (`train_images + mean_image`; the model scales them), Glorot's start and Adam. Choose a rate
# for each activation between 0.0003 and 0.003. Who is down to 25 % first, and who to 15 %? Then give each layer
# `he_normal` and race again.
#
# **Extend.** Build torchvision's AlexNet: images of 224 pixels with a border of 2 zeros (`layers.ZeroPadding2D`),
# 64, 192, 384, 256 and 256 filters, no groups, no response normalisation, all else as here. If it has 61,100,840
# parameters, you have it. Where does it have more than ours, and where fewer?
