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
# # 17 · Weight initialization
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/17_initialization.ipynb)
#
# *A deep network learns only if the signal survives the way forward and the gradient the way back.
# Here you watch both die in thirty layers, keep them alive by choosing one number, and then train
# networks to see how much it matters.*
#
# You will
#
# - see why equal initial weights leave every filter a copy of its neighbour for ever,
# - tell from the number of inputs how large random weights should be, in dense layers, convolutions
#   and residual blocks, and check it both ways through the network,
# - measure what a wrong size costs in training, and how much of it batch normalisation forgives.
#
# A minute on two CPU cores · deck *practice*, "Инициализация".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
depth = 30  # layers in the deep stacks
width = 256  # units in each of their layers
images_probed = 512  # random images sent through them
train_examples = 3000  # Fashion-MNIST images to train on, at most 60000
epochs = 2  # passes over them
learning_rates = [0.05]  # of plain gradient descent, to try; for each size of the weights the better one is kept
deep_rates = {"glorot_uniform": [0.1], "he_normal": [0.02]}  # of the networks of twenty layers, to try
factors = [0.1, 0.5, 1.0, 2.0, 4.0]  # initial standard deviations to train from, as multiples of He's; 1.0 among them
seeds = [0, 1, 2]  # each training is repeated from these; three at least
shape_seeds = [0, 1, 2, 3, 4, 5]  # the same for Gaussian and uniform weights, whose difference is small
margin = 0.02  # test accuracy: a smaller difference between two ways to start does not interest us

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
import pandas as pd
from keras import initializers, layers, ops

from helpers.claims import claim
from helpers.datasets import load_arrays
from helpers.evaluation import is_equal, is_greater
from helpers.plots import plot_curves, plot_images, use_course_style
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])

# %% [markdown]
# ## Load the data
#
# Fashion-MNIST again. Its values are brought to mean 0 and standard deviation 1, so that what changes
# on the way through a network is the work of the weights.

# %%
train_images, train_labels = load_arrays("fashion_mnist", f"train[:{train_examples}]")
test_images, test_labels = load_arrays("fashion_mnist", "test[:4000]")
mean, spread = train_images.mean(), train_images.std()
train_images, test_images = (((images - mean) / spread).astype("float32") for images in (train_images, test_images))
print(f"{len(train_images)} training images with standard deviation {train_images.std():.2f}, "
      f"and {len(test_images)} test images.")


# %% [markdown]
# ## Equal weights stay equal
#
# The deck: if neurons return equal values, their gradients are equal too. Train three small networks
# with eight filters each. In the first all weights start equal; in the second only the filters do, and the
# weights behind them are random; in the third all are random.

# %%
def small_network(filters_start, logits_start):
    """Return a compiled network of eight filters of 3 x 3 and ten logits."""
    network = keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(8, kernel_size=3, strides=2, activation="relu", kernel_initializer=filters_start),
        layers.Flatten(),
        layers.Dense(10, kernel_initializer=logits_start, name="logits"),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(learning_rates[0]), loss, metrics=["accuracy"])
    return network


def filters_of(network):
    """Return the filters of the first layer, one per row: shape ``(8, 9)``."""
    return ops.convert_to_numpy(network.layers[0].kernel).reshape(-1, 8).T


# %%
equal = initializers.Constant(0.1)
networks = {"all weights equal": small_network(equal, equal), "filters equal": small_network(equal, "random_normal"),
            "all random": small_network("random_normal", "random_normal")}
apart = {}
for name, network in networks.items():
    network.fit(train_images, train_labels, batch_size=64, epochs=epochs, verbose=0)
    apart[name] = float(np.ptp(filters_of(network), axis=0).max())
    accuracy = network.evaluate(test_images, test_labels, batch_size=500, verbose=0)[1]
    print(f"{name:18s} the filters end up to {apart[name]:.2g} apart; test accuracy {accuracy:.3f}")

# %%
pictures = np.concatenate([filters_of(network).reshape(8, 3, 3) for network in networks.values()])
plot_images(pictures, heading="Eight filters after training: all equal, filters equal, all random",
            value_range=(-0.3, 0.3))
plt.show()

# %% [markdown]
# In the top row eight filters are one, for ever: at every step each gets the same gradient. (The accuracy
# hardly shows it, as one filter in 169 places goes far here; but seven eighths of the layer are wasted.) In
# the middle row they have parted. So the slide leaves a condition out: units with equal values have equal
# gradients only if the weights *behind* them are equal too. One step more shows the gradient itself, as what
# the filters lose by it, divided by the learning rate.

# %%
before = filters_of(networks["all weights equal"])
networks["all weights equal"].train_on_batch(train_images[:64], train_labels[:64])
gradients = (before - filters_of(networks["all weights equal"])) / learning_rates[0]
print("Gradient of the middle weight, filter by filter:", *(f"{gradient:.4f}" for gradient in gradients[:, 4]))

# %%
moved = float(np.abs(before - 0.1).max())
claim("practice-init-same", measured=f"trained, the equal filters have moved by up to {moved:.2g} and are "
      f"{apart['all weights equal']:.1g} apart; with random weights behind them {apart['filters equal']:.1g}",
      holds=apart["all weights equal"] < 1e-5 and min(moved, apart["filters equal"]) > 1e-2)

# %% [markdown]
# Random initial weights are the simplest way to part them; biases may all start at zero.
#
# ## The variance of a sum
#
# A unit adds up its inputs, $z = \sum_j w_j x_j + b$, and the deck recalls how variances add:
# $\sigma^2_{X+Y} = \sigma^2_{X-Y} = \sigma^2_X + \sigma^2_Y$.

# %%
rng = np.random.default_rng(seeds[0])
x, y = rng.standard_normal(100_000), rng.uniform(-3, 3, 100_000)
left, right = train_images[:, :, 13].ravel(), train_images[:, :, 14].ravel()
ratios = {name: (np.var(a + b) / (np.var(a) + np.var(b)), np.var(a - b) / (np.var(a) + np.var(b)))
          for name, (a, b) in {"independent": (x, y), "neighbouring pixels": (left, right)}.items()}
for name, (of_sum, of_difference) in ratios.items():
    print(f"{name:20s} the variance of the sum is {of_sum:.2f} times the sum of the variances, "
          f"that of the difference {of_difference:.2f} times")

# %% [markdown]
# Again a condition is missing: X and Y must be uncorrelated, and neighbouring pixels are anything but. The
# *terms* $w_j x_j$ are uncorrelated all the same, if the weights are drawn independently with mean 0. So for
# weights of variance $\sigma^2$ the variance of the sum should be $\sigma^2$ times the sum of the mean squares
# of the inputs: twice the inputs, twice the variance.

# %%
pixels = train_images.reshape(-1, 784)
counts = np.array([49, 98, 196, 392, 784])
variances = []
for count in counts:
    inputs = pixels[:, rng.permutation(784)[:count]]
    inputs = inputs / np.sqrt(np.mean(inputs**2))  # to a mean square of 1
    variances.append(np.var(inputs @ rng.standard_normal((count, 1000))))  # of a thousand units
slope = float(np.polyfit(np.log2(counts), np.log2(variances), 1)[0])
print(f"With pixels as inputs, doubling their number multiplies the variance by {2**slope:.2f}.")

# %%
claim("practice-init-variance", measured="ratios {:.2f} and {:.2f} if independent, {:.2f} and {:.2f} for neighbouring "
      "pixels; variance ~ inputs^{:.2f}".format(*ratios["independent"], *ratios["neighbouring pixels"], slope),
      holds=all(abs(ratio - 1) < 0.05 for ratio in ratios["independent"]) and abs(slope - 1) < 0.1)


# %% [markdown]
# ## Thirty layers deep
#
# So divide by the number of inputs, says the deck: `lecun_normal` draws weights of variance $1/n$. That keeps
# the mean square of the signal, if all is as above. Send random images through thirty new layers and note the
# root mean square (RMS) of what comes out of each, in five stacks; a line is their mean, its band spans them.

# %%
def rms_by_block(block, depth, inputs):
    """Send inputs through blocks, one after the other.

    Args:
        block: function from tensor to tensor that makes a new layer, or several, at each call.
        depth: number of blocks.
        inputs: float array ``(batch, ...)``.

    Returns:
        ``(rms, outputs)``: the root mean square after each block, shape ``(depth,)``, and the last outputs.
    """
    rms, outputs = [], ops.convert_to_tensor(inputs)
    for _ in range(depth):
        outputs = block(outputs)
        rms.append(float(ops.sqrt(ops.mean(ops.square(outputs)))))
    return np.array(rms), ops.convert_to_numpy(outputs)


def draws(block, depth, inputs):
    """Return the RMS after each block in five stacks of new blocks: shape ``(5, depth)``."""
    return np.array([rms_by_block(block, depth, inputs)[0] for _ in range(5)])


def dense(x, kernel_initializer, activation=None):
    """Send x through a new dense layer of ``width`` units."""
    return layers.Dense(width, activation=activation, kernel_initializer=kernel_initializer)(x)


# %%
noise = rng.standard_normal((images_probed, width)).astype("float32")
signal = {
    "lecun_normal, linear": draws(lambda x: dense(x, "lecun_normal"), depth, noise),
    "lecun_normal, tanh": draws(lambda x: dense(x, "lecun_normal", "tanh"), depth, noise),
    "lecun_normal, relu": draws(lambda x: dense(x, "lecun_normal", "relu"), depth, noise),
    "he_normal, relu": draws(lambda x: dense(x, "he_normal", "relu"), depth, noise),
}
ax = plot_curves(signal, "layer", "RMS of outputs", "LeCun keeps a linear signal, He a rectified one")
ax.set_yscale("log")
plt.show()

# %%
kept = {name: rms[:, -1] / rms[:, 0] for name, rms in signal.items()}  # of five draws
for name, ratio in kept.items():
    print(f"{name:22s} keeps {ratio.mean():7.2g} of the first layer's RMS up to layer {depth}, "
          f"in five draws {ratio.min():.2g} to {ratio.max():.2g}")
print(f"Half of the mean square lost {depth - 1} times leaves {2 ** (-(depth - 1) / 2):.2g} of the RMS.")

# %% [markdown]
# The slide's formula ends at the sum $z$, before any activation, so that is what the verdict asks for. To keep
# the signal shall mean: to within a factor of 2, in each of the five draws.

# %%
linear, rectified = kept["lecun_normal, linear"], kept["lecun_normal, relu"]
claim("practice-init-lecun", measured=f"lecun_normal keeps {linear.min():.2f} to {linear.max():.2f} of a linear "
      f"signal, and {rectified.max():.1e} at most with ReLU", holds=linear.min() > 0.5 and linear.max() < 2)


# %% [markdown]
# The deck is right for the sum alone. But ReLU sets about half of the sums to zero, and with them half of the
# mean square: the RMS falls by $\sqrt 2$ per layer. He et al. (2015, "Delving Deep into Rectifiers", section 2.2)
# start from a variance of $2/n$ instead, and lose nothing on average; a single stack wanders by chance, the
# more the deeper and narrower it is. tanh flattens large values, so it shrinks the
# signal too, but ever less as the signal gets small. What Keras takes if you say nothing is `glorot_uniform`,
# which for as many outputs as inputs has LeCun's variance, and so the same fate under ReLU.
#
# ## The way back
#
# The gradient goes through the same weights backwards, and can die as the signal does. A trick shows it in
# every framework: biases start at zero, so after one step with a learning rate of 1 on one image, each bias
# *is* minus the gradient of the loss with respect to its unit's sum; and what a weight has lost is its
# own gradient.

# %%
def gradients_by_layer(kernel_initializer, images):
    """Return the RMS of the gradient of the sums and of the weights, layer by layer: shape ``(2, depth)``."""
    hidden = [layers.Dense(width, "relu", kernel_initializer=kernel_initializer) for _ in range(depth)]
    network = keras.Sequential([keras.Input((width,)), *hidden, layers.Dense(10, name="logits")])
    network.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    start, squares = network.get_weights(), np.zeros((2, depth))
    for index, image in enumerate(images):
        network.set_weights(start)
        network.train_on_batch(image[np.newaxis], np.array([index % 10]))
        change = [new - old for new, old in zip(network.get_weights(), start)][: 2 * depth]  # kernel, bias, kernel ...
        squares += [[np.mean(each**2) for each in change[1::2]], [np.mean(each**2) for each in change[::2]]]
    return np.sqrt(squares / len(images))


# %%
gradient = {name: gradients_by_layer(name, noise[:10]) for name in ("glorot_uniform", "he_normal")}
of_sums = {f"{name}, relu": sums for name, (sums, _) in gradient.items()}
ax = plot_curves(of_sums, "layer", "RMS of the sums' gradient", "Glorot's gradient dies on its way back, He's arrives")
ax.set_yscale("log")
plt.show()

# %%
for name, (sums, weights) in gradient.items():
    print(f"{name:15s} keeps {sums[0] / sums[-1]:7.2g} of the gradient on its way back to layer 1; "
          f"the RMS of its weights' gradients is {weights.min():.1e} to {weights.max():.1e}")


# %% [markdown]
# A weight's gradient is the signal before it times the gradient behind it. Near the input the second is lost,
# near the output the first: with Glorot's weights not only the front stands still, but all thirty layers.
#
# These layers have as many outputs as inputs, so what keeps the signal keeps the gradient too. In others
# the way back counts outputs instead of inputs: Glorot and Bengio (2010, "Understanding the difficulty of
# training deep feedforward neural networks") divide by the mean of both; He et al. find either good enough.
#
# ## Convolutions
#
# A unit of a 3 × 3 convolution adds up $n = 3 \cdot 3 \cdot$ channels inputs, which is what Keras'
# initializers count. Twenty convolutions of 32 channels, five draws:

# %%
def convolution(x, kernel_initializer):
    """Send x through a new convolution with 32 filters of 3 x 3 and ReLU."""
    return layers.Conv2D(32, 3, padding="same", activation="relu", kernel_initializer=kernel_initializer)(x)


# %%
noise_images = rng.standard_normal((32, 28, 28, 32)).astype("float32")
signal = {"glorot_uniform": draws(lambda x: convolution(x, "glorot_uniform"), 20, noise_images),
          "he_normal": draws(lambda x: convolution(x, "he_normal"), 20, noise_images)}
for name, rms in signal.items():
    ratio = rms[:, -1] / rms[:, 0]
    print(f"{name:15s} keeps {ratio.mean():.2g} of the first convolution's RMS up to the twentieth, in five draws "
          f"{ratio.min():.2g} to {ratio.max():.2g}: {ratio.mean() ** (1 / 19):.2f} per convolution")

# %% [markdown]
# Per convolution Glorot's weights lose about a factor $\sqrt{1/2} \approx 0.71$, as before, and He's little. Single
# stacks wander by chance, as 32 channels are few, and more often down than up. A smaller part is lost on the
# border, where `padding="same"` brings in zeros: see where the signal is, on average over five stacks.

# %%
squares = np.zeros((20, 28, 28))  # mean square after each convolution, at each place
for _ in range(5):
    outputs = noise_images[:8]
    for layer in range(20):
        outputs = convolution(outputs, "he_normal")
        square = ops.convert_to_numpy(outputs**2).mean(axis=(0, 3))
        squares[layer] += square / square.mean()
places = np.sqrt(squares[[0, 4, 19]])
plot_images(places / places.max(axis=(1, 2), keepdims=True), ["1 layer", "5 layers", "20 layers"], columns=5,
            value_range=(0, 1), heading="RMS at each place (black: 0)")
plt.show()

# %% [markdown]
# A unit in the corner has 4 real inputs of 9, and its neighbours in the next layer get less from it: layer by
# layer the loss creeps inwards.
#
# ## Orthogonal weights
#
# LeCun keeps the *mean* square. Single directions may still be lost: of the product of thirty matrices look
# at the singular values, the factors by which it stretches each of 256 directions. Orthogonal weights, random
# rotations and reflections, stretch none.

# %%
identity = np.eye(width, dtype="float32")  # sent through the layers, it becomes their product
products = {"lecun_normal": rms_by_block(lambda x: dense(x, "lecun_normal"), depth, identity)[1],
            "orthogonal": rms_by_block(lambda x: dense(x, "orthogonal"), depth, identity)[1]}
stretches = {name: np.linalg.svd(product, compute_uv=False) for name, product in products.items()}
for name, factor in stretches.items():
    print(f"{name:13s} the largest factor is {factor[0]:.2g}, the middle one {np.median(factor):.2g}; "
          f"{np.sum(factor > 0.1)} of {width} directions keep more than a tenth.")

# %%
percent = np.linspace(0, 100, width)
for (name, values), style in zip(stretches.items(), ("-", "--")):
    plt.plot(percent, np.maximum(values, 1e-6), style, label=name)  # below is float32's rounding
plt.gca().set(yscale="log", xlabel="directions, from most to least stretched (%)", ylabel="factor, cut at 1e-6",
              title="Thirty linear layers: LeCun's lose most directions")
plt.legend()
plt.show()


# %% [markdown]
# Saxe et al. (2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks")
# proposed them for that reason. Behind ReLU ask for `Orthogonal(gain=2**0.5)`.
#
# ## Residual depth
#
# A residual block adds what it computes to what it got, $x + F(x)$, so the variances add as well. If
# $F$ is a ReLU layer with He's weights and a linear one with LeCun's, it keeps the variance of $x$, and so
# each block doubles it. Two cures: shrink $F$ by the root of the number of blocks, or let its last layer
# start at zero, as if the block were not there yet.

# %%
def residual_block(x, last_initializer="lecun_normal", scale=1.0):
    """Add to x what a ReLU layer and a linear layer make of it, times ``scale``."""
    return x + scale * dense(dense(x, "he_normal", "relu"), last_initializer)


# %%
blocks = depth // 2  # of two layers each
growth = {
    "x + F(x)": rms_by_block(residual_block, blocks, noise)[0],
    "x + F(x) / sqrt(blocks)": rms_by_block(lambda x: residual_block(x, scale=blocks**-0.5), blocks, noise)[0],
    "last layer of F zero": rms_by_block(lambda x: residual_block(x, "zeros"), blocks, noise)[0],
}
ax = plot_curves(growth, "residual block", "RMS of outputs", "Residual blocks add variance, unless held back")
ax.set_yscale("log")
plt.show()

# %%
for name, rms in growth.items():
    print(f"{name:24s} after {blocks} blocks the RMS is {rms[-1]:.3g}")
print(f"Variance doubled {blocks} times makes it {2 ** (blocks / 2):.3g}.")


# %% [markdown]
# Shrunk, the variance grows to $(1 + 1/15)^{15}$, less than $e$. The way around $F$ keeps the signal, so a
# residual network does not die as the plain stack does. (Zeros do not stay equal here: a weight's gradient is the
# signal before it times the gradient behind it, and both differ from unit to unit.) Zero last layers are one of
# the rules by which Zhang et al. (2019, "Fixup Initialization") train very deep networks without normalisation;
# with it the same is `gamma_initializer="zeros"` in a block's last `BatchNormalization`.
#
# ## Does it matter for training?
#
# Ten layers of 100 ReLU units, trained by plain gradient descent from weights of several sizes: He's standard
# deviation $\sqrt{2/n}$ and multiples of it. A size may just want another learning rate: where `learning_rates`
# lists several, the one that fails less often, or else has the lower training loss, counts. Here it lists one;
# with 0.01 beside it the same sizes failed. (`restarts` gives one network again and again, drawn anew for each start
# and seed, without compiling it each time.)
#
# Mind a trap: an initializer *object* gives the same numbers whenever it is asked, so layers that share one
# start as copies of each other. A name such as `"he_normal"` makes a new object for each layer; here
# `new_initializer` is a function that does.

# %%
def deep_network(new_initializer, layers_deep, learning_rate, normalise=False):
    """Return a compiled network of so many layers of 100 ReLU units, from 28 x 28 pixels to ten logits."""
    network = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()])
    for _ in range(layers_deep):
        network.add(layers.Dense(100, kernel_initializer=new_initializer()))
        if normalise:
            network.add(layers.BatchNormalization(momentum=0.9))  # 0.99 is for more steps than we take
        network.add(layers.Activation("relu"))
    network.add(layers.Dense(10, kernel_initializer="lecun_normal", name="logits"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    steps = 1 if keras.backend.backend() == "torch" else 16  # at a time; PyTorch takes one
    network.compile(keras.optimizers.SGD(learning_rate), loss, metrics=["accuracy"], steps_per_execution=steps)
    return network


# %%
def train_over_seeds(build, variants, seeds):
    """Train ``build(variant)`` from each seed; return ``{variant: (losses, accuracies)}``, an array over seeds each.

    The loss is the mean over the last epoch (infinite if it is no number), the accuracy that on the test images.
    """
    found = {variant: [] for variant in variants}
    for variant, network in restarts(build, seeds, variants):
        history = network.fit(train_images, train_labels, batch_size=64, epochs=epochs, verbose=0).history
        accuracy = network.evaluate(test_images, test_labels, batch_size=1000, verbose=0)[1]
        found[variant].append((np.nan_to_num(history["loss"][-1], nan=np.inf), accuracy))
    return {variant: np.array(pairs).T for variant, pairs in found.items()}


def better_rate(runs, start):
    """Return losses and accuracies of a start at that of its learning rates which failed less, or lost less."""
    tried = [found for (each, _), found in runs.items() if each == start]
    return min(tried, key=lambda found: (np.isinf(found[0]).sum(), np.median(found[0])))


def he_times(factor, distribution="untruncated_normal"):
    """Return a function that makes initializers with ``factor`` times He's standard deviation."""
    return lambda: initializers.VarianceScaling(2 * factor**2, mode="fan_in", distribution=distribution)


# %%
starts = [(factor, rate) for factor in factors for rate in learning_rates]
runs = train_over_seeds(lambda start: deep_network(he_times(start[0]), 10, start[1]), starts, seeds)
plain = {factor: better_rate(runs, factor) for factor in factors}

normalised = train_over_seeds(
    lambda factor: deep_network(he_times(factor), 10, learning_rates[0], normalise=True), factors[::2], seeds)

# %%
ax = plt.subplots()[1]
for name, found, marker in (("plain", plain, "o"), ("batch normalisation", normalised, "s")):
    values = np.array([accuracies for _, accuracies in found.values()])  # (factors, seeds)
    (line,) = ax.plot(list(found), values.mean(axis=1), marker=marker, label=name)
    ax.fill_between(list(found), values.min(axis=1), values.max(axis=1), color=line.get_color(), alpha=0.2, lw=0)
ax.axhline(0.1, color="black", ls=":", lw=1, label="guessing")
ax.set(xscale="log", xticks=factors, xticklabels=factors, xlabel="initial standard deviation, in units of He's",
       ylabel="test accuracy (mean, range of seeds)", title="Ten layers: too small and too large both fail")
ax.minorticks_off()
ax.legend(loc="center left")
plt.show()

# %%
for factor, (losses, accuracies) in plain.items():
    print(f"{factor:4.1f} times He's: training loss {np.median(losses):.2f} (guessing {np.log(10):.2f}), no number in "
          f"{np.isinf(losses).sum()} of {len(seeds)} runs; test accuracy {accuracies.mean():.2f}")
for factor, (_, accuracies) in normalised.items():
    print(f"{factor:4.1f} times He's with batch normalisation: test accuracy {accuracies.mean():.2f}")

# %% [markdown]
# At ordinary learning rates, at least, the two ends fail, and in different ways. From too small weights no gradient
# arrives, and the loss stays at that of guessing. From too large ones the gradients are so large that the first
# steps throw the weights away: the loss becomes no number (NaN, here counted as infinite), or stays at guessing.
# Batch normalisation, which brings every layer's sums back to mean 0 and variance 1, learns from every size tried.
# It does not forgive everything: the gradient of a weight that feeds it falls as the weights grow, so large ones
# move little and learn slowly.
#
# The deck says: start with random values of small variance. How small? In layers of 100 inputs He's variance is
# 0.02; the standard deviation of 0.01 that AlexNet started from (Krizhevsky et al., 2012) means 0.0001, near our
# smallest. (In AlexNet's own layers, of 363 to 9216 inputs, it was 0.13 to 0.68 of He's.) Ask both against the
# largest.

# %%
smallest, largest = min(factors), max(factors)
against_large = {factor: is_greater(plain[factor][1], plain[largest][1], margin) for factor in (1.0, smallest)}
for factor, result in against_large.items():
    print(f"{factor} times He's minus {largest} times: {result}")
shallow = train_over_seeds(lambda factor: deep_network(he_times(factor), 1, learning_rates[0]), [smallest, 1.0], seeds)
print(f"With one hidden layer instead of ten: {smallest} times He's reaches {shallow[smallest][1].mean():.2f}, "
      f"He's {shallow[1.0][1].mean():.2f}.")

# %%
verdicts = [result.holds for result in against_large.values()]
he_variance = 2 / 100
claim("practice-init-small", measured=f"ten layers, accuracy beyond that of variance {he_variance * largest**2:.2g}: "
      f"{against_large[1.0].mean:+.2f} from variance {he_variance:.2g}, {against_large[smallest].mean:+.2f} from "
      f"{he_variance * smallest**2:.1g}",
      holds=True if all(verdicts) else False if all(holds is False for holds in verdicts) else None)

# %% [markdown]
# (An interval without width means that both sides say one class in every run.) If one reading holds and the other
# does not, the sentence alone is undecided: it does not say how small. The deck's own next line does, *divide by
# the number of inputs*. With one hidden layer a tenth of He's does as well; with ten, it learns nothing.
#
# ### Twice as deep, and Keras' default
#
# `glorot_uniform` is off by a factor of about $\sqrt 2$ only. Here are twenty layers, Glorot's at a learning rate of
# 0.1 and He's at 0.02: each had the lower training loss there when both were tried.

# %%
starts = [(name, rate) for name, rates in deep_rates.items() for rate in rates]
runs = train_over_seeds(lambda start: deep_network(lambda: start[0], 20, start[1]), starts, seeds)
glorot, he = (better_rate(runs, name) for name in ("glorot_uniform", "he_normal"))
result = is_greater(he[1], glorot[1], margin)
words = {True: "learns more", False: "learns less", None: "is not shown to learn more"}
print(f"Training loss: glorot_uniform {glorot[0].mean():.2f}, he_normal {he[0].mean():.2f}, guessing {np.log(10):.2f}.")
print(f"So he_normal {words[result.holds]}: its test accuracy minus that of glorot_uniform is {result}.")

# %% [markdown]
# A few epochs are short, and Glorot's start may be late rather than lost. He et al. saw both on ImageNet: with
# 22 layers it was late, with 30 it did not converge.
#
# ### Gaussian or uniform
#
# The deck holds the shape of the distribution to be "not essentially important". (It names "Gaussian or
# normal", which are the same; uniform must be meant.) Compare them at equal variance, three layers deep, with
# more seeds than before, since a small difference takes more runs to see, and a learning rate that falls to zero,
# so that the networks come to rest. Say beforehand what small means: less than two points of accuracy
# (`margin`). And to see that such a test can fail, change the size as well.

# %%
shapes = {"Gaussian": he_times(1.0), "uniform": he_times(1.0, "uniform"),
          "uniform, a tenth the size": he_times(0.1, "uniform")}
falling = keras.optimizers.schedules.CosineDecay(0.1, epochs * -(-len(train_images) // 64))
runs = train_over_seeds(lambda name: deep_network(shapes[name], 3, falling), list(shapes), shape_seeds)
found = {name: accuracies for name, (_, accuracies) in runs.items()}
for name, values in found.items():
    print(f"{name:26s} test accuracy {values.mean():.3f}, from {values.min():.3f} to {values.max():.3f}")

# %%
of_shape = is_equal(found["uniform"], found["Gaussian"], margin)
of_size = is_equal(found["uniform, a tenth the size"], found["uniform"], margin)
print(f"Another shape changes test accuracy by {of_shape}: within {margin}? {of_shape.holds}")
print(f"Another size changes test accuracy by {of_size}: within {margin}? {of_size.holds}")

# %%
claim("practice-init-shape", measured=f"uniform minus Gaussian at equal variance: {of_shape.mean:+.3f} of test "
      f"accuracy, 95 % interval from {of_shape.low:+.3f} to {of_shape.high:+.3f}", holds=of_shape.holds)

# %% [markdown]
# The rule for the variance asked for independent weights of mean 0 and of a given variance, never for a shape; and
# a sum of many terms is nearly Gaussian whatever theirs. The shape is free where the first interval lies within
# the margin; the size is not where the second lies outside.
#
# ## Which to take

# %%
default = draws(lambda x: dense(x, "glorot_uniform", "relu"), depth, noise)
signal_kept = [f"{linear.mean():.2g} (linear)", f"{kept['he_normal, relu'].mean():.2g} (ReLU)",
               f"{np.mean(default[:, -1] / default[:, 0]):.2g} (ReLU)", "1 in every direction (linear)",
               f"{growth['last layer of F zero'][-1]:.2g} (residual)", "set by the layer"]
pd.DataFrame({
    "variance": ["1 / n", "2 / n", "2 / (n + outputs)", "1 / n, square layers", "0", "any near 2 / n"],
    f"signal kept to layer {depth}": signal_kept,
    "take it": ["before linear and SELU units", "before ReLU and its kin, also in convolutions",
                "in networks of few layers: it is the default", "where every direction counts",
                "in the last layer of a residual block", "with batch normalisation: the default will do"],
}, index=["lecun_normal", "he_normal", "glorot_uniform", "orthogonal", "zeros", "(what you like)"])

# %% [markdown]
# ## Summary
#
# - Equal weights stay equal, so start from random ones; Gaussian or uniform hardly matters.
# - The variance of a sum grows with the number of inputs $n$: $1/n$ keeps a linear signal, $2/n$ a rectified
#   one, forwards and backwards. In a convolution $n$ is height × width × channels; a residual block adds
#   its variance to what it got.
# - "Small" is not enough: in ten layers, at ordinary learning rates, too small fails as too large does. Without
#   normalisation, and deeper than a few layers, say `kernel_initializer="he_normal"`, for it is not the default.
#   Batch normalisation forgives most.
#
# ## Exercises
#
# **Predict.** A stack of 3 × 3 convolutions, 32 channels in and out, each followed by ReLU. Which standard
# deviation must `RandomNormal` have to keep the signal?

# %% tags=["exercise", "exercise-stddev"]
stddev = ...

# %% tags=["check"]
if stddev is ...:
    print("Not answered yet: replace the dots above.")
else:
    assert isinstance(stddev, (int, float)) and 0 < stddev <= 10, "Write a number, such as 0.03 or (1 / 50) ** 0.5."
    tried, _ = rms_by_block(lambda x: convolution(x, initializers.RandomNormal(stddev=stddev)), 20, noise_images)
    hints = {
        2 / 288: "That is the variance: the standard deviation is its root.",
        (1 / 288) ** 0.5: "That is LeCun's, and Glorot's: mind what ReLU does to half of the sums.",
        (2 / 32) ** 0.5: "A unit has more inputs than channels: how many pixels does it see of each?",
        (2 / 9) ** 0.5: "A unit sees 3 x 3 pixels of every channel.",
        2 / 288**0.5: "The 2 stands under the root too.",
    }
    near = [hint for value, hint in hints.items() if abs(stddev / value - 1) < 0.02]
    change = f"The twentieth convolution has {tried[-1] / tried[0]:.2g} times the RMS of the first."
    right = abs(stddev / (2 / 288) ** 0.5 - 1) < 0.05  # a stack alone cannot tell: it wanders by chance
    assert right, f"{near[0] if near else 'Not this: count the inputs.'} {change}"
    print(f"Right: n is 3 x 3 x 32 = 288. {change} The rest is chance and the border; LeCun's leaves a thousandth.")

# %% [markdown]
# **Modify.** Give `deep_network` tanh instead of ReLU and train again over `factors`. Which end of the curve
# moves, and why? (What does tanh do to large sums, and what to small ones?)
#
# **Extend.** In a stack of layers of alternately 128 and 512 units inputs and outputs differ. Follow the signal
# and the gradient through it, once with variance $2/n$ for $n$ inputs and once for $n$ outputs. What happens
# within a pair of layers, and what over fifteen pairs? Now you can say why He et al. find either good enough.
