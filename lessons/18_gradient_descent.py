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
# # 18 · Gradient descent
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/18_gradient_descent.ipynb)
#
# *Batch size, learning rate, optimizer, schedule: four knobs that everybody turns. Here you measure what each
# of them does: on a network whose gradients you take picture by picture, on a ravine and a saddle where every
# step can be counted, and in trainings of equal length.*
#
# You will
#
# - measure how gradient noise falls with the batch, and what a larger batch does to the best learning rate,
# - write SGD, momentum, Nesterov, RMSprop, Adam and AdamW in a line or two each, and count their steps,
# - find a learning rate by a range test, and compare constant, plateau, step, cosine, restarts and one-cycle.
#
# A good minute on two CPU cores · deck *practice*, "Оптимизация. Градиентный спуск", "седловая точка", "Изменение LR по
# расписанию".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
train_examples = 8192  # Fashion-MNIST images to train on, a multiple of 256 * batch_size; at most 59000
noise_batch = 128  # images of a batch whose gradient is taken; larger ones are joined from these
batch_sizes = [2, 16, 128]  # to find the best learning rate for, smallest first
batch_rates = [0.015625, 0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0]  # of plain SGD, to choose from
equal_steps = 64  # steps of such a training
equal_images = 1024  # or images that pass in it
condition = 50.0  # curvature across ravine and saddle, if along them it is 1 or -1
starts = 20  # random starting points beside the saddle's ridge
batch_size = 16  # of all longer trainings
rates = [0.005, 0.01, 0.02, 0.04, 0.08]  # of SGD with momentum, to choose from: the highest one of a schedule
adam_rates = [0.001, 0.004, 0.008, 0.016, 0.032]  # of Adam, to choose from, with Keras' default
seeds = [0, 1, 2]  # of weights and batches; three at least
batch_seeds = [0, 1, 2, 3]  # the same for batch sizes
plateau_seeds = [0, 1, 2, 3, 4, 5]  # the same for plateaus, beginning with `seeds`
selection_seed = 100  # for choosing learning rates
margin_slope = 0.05  # a slope this close to -1 counts as -1
margin_steps = 10  # steps: fewer do not interest us
margin_doublings = 1.0  # by how many doublings, at least, the best learning rate is to grow
margin = 0.005  # test accuracy: a smaller difference does not interest us

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops
from keras.callbacks import LearningRateScheduler, ReduceLROnPlateau
from keras.optimizers import SGD, Adam, schedules

from helpers.claims import claim
from helpers.datasets import load_arrays
from helpers.evaluation import is_equal, is_greater
from helpers.plots import animate, use_course_style

use_course_style()


# %% [markdown]
# ## A small network
#
# Two convolutions and ten logits on Fashion-MNIST, shrunk to 14 × 14 pixels: small enough to train it some hundred
# times. Between trainings it is set back to weights drawn beforehand, one set for each seed.

# %%
def load_small(split):
    """Load Fashion-MNIST at half its height and width, as floats."""
    images, labels = load_arrays("fashion_mnist", split)
    return images.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4)).astype("float32"), labels


train_images, train_labels = load_small(f"train[:{train_examples}]")
validation_images, validation_labels = load_small("train[59000:]")
test_images, test_labels = load_small("test[:4000]")
center, spread = train_images.mean(), train_images.std()
train_images, validation_images, test_images = (
    (images - center) / spread for images in (train_images, validation_images, test_images))
probe_images, probe_labels = train_images[:1024], train_labels[:1024]  # to measure losses and curvatures on

# %%
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(optimizer, steps_per_execution=1):
    """Return the small network, compiled."""
    model = keras.Sequential([
        keras.Input((14, 14, 1)),
        layers.Conv2D(16, 3, strides=2, activation="relu"),
        layers.Conv2D(32, 3, strides=2, activation="relu"),
        layers.Flatten(),
        layers.Dense(10, name="logits"),
    ])
    model.compile(optimizer, loss, steps_per_execution=steps_per_execution)
    return model


def restart(model, weights, learning_rate):
    """Give a network its weights, and its optimizer the state and rate, of a beginning."""
    model.set_weights(weights)
    for variable in model.optimizer.variables:
        variable.assign(np.zeros(variable.shape))
    model.optimizer.learning_rate = learning_rate


# %%
at_once = 1 if keras.backend.backend() == "torch" else 32  # steps per call: less overhead; PyTorch takes one at a time
model, first_weights = network(SGD(1.0), at_once), {}
for seed in {*seeds, *batch_seeds, *plateau_seeds, selection_seed}:
    keras.utils.set_random_seed(seed)
    first_weights[seed] = network(SGD(1.0)).get_weights()
print(f"{model.count_params():,} parameters; {len(train_images)} images to train on, {len(validation_images)} for "
      f"validation, {len(test_images)} for the test.")


# %% [markdown]
# ## Gradient noise
#
# The slide: "При увеличении размера батча оценка градиента получается стабильнее": with a larger batch the
# estimate of the gradient gets steadier. How much? A step of plain gradient descent at a learning rate of 1
# takes the gradient from the weights, so what they lose *is* the gradient.

# %%
def gradient(images, labels):
    """Return the gradient of the loss on these images, in one row, and leave the model as it was."""
    before = model.get_weights()
    model.optimizer.learning_rate = 1.0
    model.train_on_batch(images, labels)
    after = model.get_weights()
    model.set_weights(before)
    return np.concatenate([(old - new).ravel() for old, new in zip(before, after)])


def take_steps(steps, batch_size, rate, rng):
    """Take steps of plain SGD on batches of images drawn at random."""
    drawn = rng.integers(len(train_images), size=steps * batch_size)
    model.optimizer.learning_rate = rate
    model.fit(train_images[drawn], train_labels[drawn], batch_size=batch_size, shuffle=False, verbose=0)


# %% [markdown]
# Take the gradients of batches as an epoch would: shuffle the images, and cut them into batches that share
# none. The gradient of a larger batch need not be taken again: it is the mean of the gradients of its parts, as
# the loss is a mean over images. (With batch normalization it would not be: there the images of a batch sway
# each other.) The squared distance from the gradient $G$ of all images, averaged, is the variance, summed over
# all parameters. Do so from three seeds, before the training, after 200 steps at a learning rate of 0.1, and
# after 100 more at 0.01.

# %%
def batch_gradients(rng):
    """Return the gradients of all batches of a shuffled epoch, one in each row."""
    batches = rng.permutation(len(train_images)).reshape(-1, noise_batch)
    joined = batches[:4].ravel()
    rows = np.array([gradient(train_images[batch], train_labels[batch]) for batch in batches])
    gaps.append(np.abs(gradient(train_images[joined], train_labels[joined]) - rows[:4].mean(axis=0)).max())
    return rows


def variances(rows, rng, shuffles=400):
    """Return the variance of the mean of 1, 2, 4, ... rows, over some shuffles."""
    deviations, found = rows - rows.mean(axis=0), []
    products = deviations @ deviations.T  # all that squared lengths of sums of rows need
    for joined in 2 ** np.arange(int(np.log2(len(rows)))):
        order = np.argsort(rng.random((shuffles, len(rows))), axis=1)
        order = order[:, : len(rows) // joined * joined].reshape(-1, joined)
        found.append(products[order[:, :, None], order[:, None, :]].sum(axis=(1, 2)).mean() / joined**2)
    return np.array(found)


# %%
times = {"at the start": (0, 0.1), "after 200 steps": (200, 0.1), "after 300 steps": (100, 0.01)}  # steps, rate
noise, signal, weights_at, loss_at, gaps = {}, {}, {}, {}, []
for seed in seeds:
    restart(model, first_weights[seed], 0.1)
    rng = np.random.default_rng(seed)
    for time, (count, rate) in times.items():
        if count:
            take_steps(count, 32, rate, rng)
        rows = batch_gradients(rng)
        noise[time, seed], signal[time, seed] = variances(rows, rng), np.sum(rows.mean(axis=0) ** 2)
        weights_at[time, seed] = model.get_weights()
        loss_at[time, seed] = float(ops.convert_to_numpy(loss(probe_labels, model(probe_images))))
print(f"The gradient of four batches in one is the mean of their four, but for {max(gaps):.0e}.")

# %% [markdown]
# If $\sigma^2$ is the variance of single images, independent draws give $\sigma^2 / B$ for a batch of $B$: that is
# arithmetic, and a straight line of slope $-1$ in logarithms. Batches that share no image are not quite
# independent: of $n$ images they have the factor $(n - B) / (n - 1)$ besides, and a batch that is the whole set has
# no noise at all. Take this factor out, and the slope must be within `margin_slope` of $-1$ at all three times.

# %%
sizes = noise_batch * 2 ** np.arange(len(noise[time, seed]))
repeated = (train_examples - sizes) / (train_examples - 1)
slopes = {time: [np.polyfit(np.log2(sizes), np.log2(noise[time, seed] / repeated), 1)[0] for seed in seeds]
          for time in times}
of_slope = {time: is_equal(values, [-1] * len(seeds), margin_slope) for time, values in slopes.items()}
for time, result in of_slope.items():
    print(f"{time}: the slope is {np.mean(slopes[time]):.3f} (95 % interval {result.low - 1:.3f} to "
          f"{result.high - 1:.3f} over {len(seeds)} seeds).")

# %%
ax = plt.subplots()[1]
line = np.geomspace(sizes[0], 0.9 * train_examples, 300)
for (time, marker), color in zip(zip(times, "os^"), ("C0", "C1", "C2")):
    points = np.array([noise[time, seed] for seed in seeds]).mean(axis=0)
    single = points[0] * sizes[0] / repeated[0]
    ax.plot(sizes, points, marker, color=color, label=f"measured {time}")
    ax.plot(line, single / line, "-", color=color, lw=1)
    ax.plot(line, single / line * (train_examples - line) / (train_examples - 1), "--", color=color, lw=1)
ax.plot([], [], "k-", lw=1, label="drawn independently: 1 / batch")
ax.plot([], [], "k--", lw=1, label="drawn without repetition")
ax.set(xscale="log", yscale="log", xlabel="batch size (images)", ylabel="variance of the gradient (nats²)",
       title="Twice the batch, half the variance, until all images are in it")
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.legend(fontsize=8, loc="lower left")
plt.show()

# %%
claim("practice-gd-batch", measured=f"variance ~ batch^slope over {len(seeds)} seeds: " + ", ".join(
    f"{np.mean(values):.3f} {time} (95 % interval {of_slope[time].low - 1:.3f} to {of_slope[time].high - 1:.3f})"
    for time, values in slopes.items()),
    holds=True if all(result.holds for result in of_slope.values())
    else False if any(result.holds is False for result in of_slope.values()) else None)

# %% [markdown]
# Lines start from the smallest batch, markers are means over seeds; after 200 and 300 steps they may hide each
# other. The slope could hardly come out otherwise: means of any rows behave so, and the verdict only checks our
# code. What could fail is to go from 128 images down to one, which the first line below does. How large the noise
# is beside the signal has to be measured as well. McCandlish et al.
# (2018, "An Empirical Model of Large-Batch Training") compare $\sigma^2$ with the squared length of $G$: their
# *noise scale* $\sigma^2 / |G|^2$ is the batch whose noise is as long as the gradient itself. In their model a
# batch far below it makes about twice the progress per step when doubled, and one far above it hardly more.

# %%
model.set_weights(weights_at["at the start", seeds[0]])
drawn = np.random.default_rng(0).choice(train_examples, 512, replace=False)
lone = np.array([gradient(train_images[[one]], train_labels[[one]]) for one in drawn])
print(f"Single images, at the start, seed {seeds[0]}: measured σ² {lone.var(axis=0, ddof=1).sum():.1f}; from batches "
      f"{noise['at the start', seeds[0]][0] * sizes[0] / repeated[0]:.1f}.")
for time in times:
    singles = np.array([noise[time, seed][0] * sizes[0] / repeated[0] for seed in seeds])
    squares = np.array([signal[time, seed] for seed in seeds])
    print(f"{time}: loss {np.mean([loss_at[time, seed] for seed in seeds]):.2f}, σ² {singles.mean():.0f}, "
          f"|G|² {squares.mean():.3f}, noise scale of each seed: "
          + ", ".join(f"{scale:.0f}" for scale in singles / squares) + " images.")

# %% [markdown]
# They found that it grows as the loss falls, and that the learning rate sways it too. Compare the lines: two
# hundred steps at a rate of 0.1 change it less than a hundred at 0.01, because $|G|$ shrinks where the
# weights come to rest, while $\sigma^2$ changes less. At the higher rate the full gradient mostly shows how far
# the last jump went. So read a noise scale with the learning rate beside it.
#
# ## Does a larger batch allow a larger learning rate?
#
# "... что позволяет увеличить learning rate": which allows a larger learning rate, the slide goes on. Ask
# without noise first. On a parabola $\frac{\lambda}{2} w^2$ a step multiplies $w$ by $1 - \eta \lambda$, so the
# learning rate $\eta$ must stay below $2 / \lambda$, for the steepest curvature $\lambda$ there is. No batch,
# however large, lifts that limit. Noise adds a second one: plain SGD ends up jumping about in a region that
# grows with $\eta$ times the variance.
#
# What is $\lambda$ for our network? A small move along some direction changes the gradient; the change, taken as
# the next direction, turns towards the steepest one, and its length becomes $\lambda$ ("power iteration").

# %%
def steepest_curvature(images, labels, iterations=12, distance=0.01):
    """Return the largest curvature of the loss, by power iteration with differences of gradients."""
    weights, here = model.get_weights(), gradient(images, labels)
    ends = np.cumsum([weight.size for weight in weights])[:-1]
    direction = np.random.default_rng(0).standard_normal(len(here))
    for _ in range(iterations):
        parts = np.split(direction / np.linalg.norm(direction), ends)
        model.set_weights([weight + distance * part.reshape(weight.shape) for weight, part in zip(weights, parts)])
        direction = (gradient(images, labels) - here) / distance
    model.set_weights(weights)
    return np.linalg.norm(direction)


limits = {}
for time in ("at the start", "after 200 steps"):
    limits[time] = []
    for seed in seeds:
        model.set_weights(weights_at[time, seed])
        limits[time].append(2 / steepest_curvature(probe_images, probe_labels))
    print(f"The limit 2 / λ {time}, of each seed: {', '.join(f'{limit:.2f}' for limit in limits[time])}.")

# %% [markdown]
# A network is no parabola: $\lambda$ changes as it trains, and in training with all images at once it comes to
# hover where $2 / \lambda$ is the rate (Cohen et al., 2021, "Gradient Descent on Neural Networks Typically
# Occurs at the Edge of Stability"). So these limits are a hint, not a wall. Now train at every rate of a grid,
# with a small, a middle and a large batch, over seeds. Two trainings are fair, and answer different questions:
# as many *steps*, and as many *images*, in which a large batch gets few steps and may want longer ones for that
# reason alone. The slide's reason is steadiness, so the verdict goes by equal steps: the best rate of the
# largest batch must be more than twice that of the smallest (`margin_doublings`).

# %%
guessing = np.log(10)  # the loss of equal probabilities


def losses_at(batch_size, rate, seed, marks):
    """Train by plain SGD; return the loss of the probe images after each number of steps, at most guessing's."""
    restart(model, first_weights[seed], rate)
    rng, found, done = np.random.default_rng(seed), {}, 0
    for mark in sorted(set(marks)):
        take_steps(mark - done, batch_size, rate, rng)
        value, done = float(ops.convert_to_numpy(loss(probe_labels, model(probe_images)))), mark
        found[mark] = min(value, guessing) if np.isfinite(value) else guessing
        if found[mark] == guessing and mark >= equal_steps:  # failed: the longer training is taken to fail too
            break
    return [found.get(mark, guessing) for mark in marks]


tried = np.array([[[losses_at(size, rate, seed, [equal_steps, equal_images // size]) for seed in batch_seeds]
                   for rate in batch_rates] for size in batch_sizes])  # (sizes, rates, seeds, 2)


# %%
def best_rate(losses):
    """Return the base-2 logarithm of the best rate, by a parabola through the best one tried and its neighbours."""
    logs, best = np.log2(batch_rates), int(np.argmin(losses))
    if not 0 < best < len(losses) - 1:
        return logs[best]
    a, b, _ = np.polyfit(logs[best - 1 : best + 2], losses[best - 1 : best + 2], 2)
    return -b / (2 * a) if a > 0 else logs[best]


bests = np.apply_along_axis(best_rate, 1, tried)  # (sizes, seeds, 2)
figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), sharey=True)
for ax, kind, title in zip(axes, (0, 1), (f"{equal_steps} steps each", f"{equal_images} images each")):
    for size, values, marker in zip(batch_sizes, tried[..., kind], "os^"):
        ax.plot(batch_rates, values.mean(axis=1), marker=marker, label=f"batches of {size}")
        ax.fill_between(batch_rates, values.min(axis=1), values.max(axis=1), alpha=0.2, lw=0)
    ax.axhline(guessing, color="black", ls=":", lw=1, label="guessing")
    for (time, found), style in zip(limits.items(), ("--", "-.")):
        ax.axvline(np.mean(found), color="black", ls=style, lw=1, label=f"2 / λ {time}")
    ax.set(xscale="log", xlabel="learning rate", title=title)
    ax.set_xticks(batch_rates, [f"{rate:.2g}".lstrip("0") for rate in batch_rates], rotation=45)
    ax.minorticks_off()
axes[0].set_ylabel("loss (nats)")
figure.legend(*axes[0].get_legend_handles_labels(), ncols=3, loc="outside lower center", fontsize=8)
plt.show()

# %%
for kind, name in enumerate(("steps", "images")):
    for size, logs in zip(batch_sizes, bests[..., kind]):
        at_edge = sum(log in np.log2([batch_rates[0], batch_rates[-1]]) for log in logs)
        print(f"Equal {name}, batches of {size:3d}: best rates {', '.join(f'{2**log:.3f}' for log in logs)}; "
              f"{at_edge} at the edge of those tried.")
    for first, last in ((0, 1), (1, -1), (0, -1)):
        times_larger = np.log2(batch_sizes[last] / batch_sizes[first])
        power = is_greater(bests[last, :, kind] / times_larger, bests[first, :, kind] / times_larger)
        print(f"Equal {name}, from {batch_sizes[first]} to {batch_sizes[last]}: the best rate grows like the batch to "
              f"the power of {power.mean:.2f} (95 % interval {power.low:.2f} to {power.high:.2f}).")

# %%
doublings = is_greater(bests[-1, :, 0], bests[0, :, 0], margin_doublings)
claim("practice-gd-batch-lr", measured=f"in {equal_steps} steps the best rate for batches of {batch_sizes[-1]} is "
      f"{doublings.mean:.1f} doublings above that for {batch_sizes[0]} (95 % interval {doublings.low:.1f} to "
      f"{doublings.high:.1f}), for a batch {batch_sizes[-1] // batch_sizes[0]} times as large", holds=doublings.holds)


# %% [markdown]
# Bands reach from the lowest to the highest seed. A curve at the dotted line has failed on the right of a picture,
# and hardly begun on the left: 1024 images are only eight steps of 128. (For 16 both trainings are the same one.)
# The best rate is the lowest point of a curve, by a parabola through the best rate tried and its two neighbours.
# Goyal et al. (2017, "Accurate, Large
# Minibatch SGD") scale the rate in proportion to the batch, a power of 1, after a slow warm-up and up to some
# largest batch. Our trainings are far shorter; an interval below 1 means that in them the rate grew less than
# in proportion. At equal steps, compare the largest batch's best rates with the limits $2 / \lambda$: where
# they are of one size, a still larger batch has little to gain, as far as a parabola is a guide. For Adam,
# which divides by the size of the gradient, Malladi et al. (2022, "On the SDEs and Scaling Rules for Adaptive
# Gradient Algorithms") derive the square root of the batch.
#
# ## Six update rules
#
# The slides show optimizers racing over a surface (pictures from Ruder's overview, 2016). Each is a line or
# two. Here $w$ are the weights, $g$ the gradient, `state` what a rule remembers, all zero at first, and $t$
# counts steps from 1.

# %%
def sgd(w, g, state, t, rate):
    """Step against the gradient."""
    return w - rate * g, state


def momentum(w, g, state, t, rate, beta=0.9):
    """Step by a sum of past steps that fades."""
    velocity = beta * state[0] - rate * g
    return w + velocity, (velocity,)


def nesterov(w, g, state, t, rate):
    """Step by the velocity to come, from a point looked ahead to."""
    velocity = 0.9 * state[0] - rate * g
    return w + 0.9 * velocity - rate * g, (velocity,)


def rmsprop(w, g, state, t, rate):
    """Divide each coordinate by the root of its mean square."""
    square = 0.9 * state[0] + 0.1 * g**2
    return w - rate * g / np.sqrt(square + 1e-7), (square,)


def adam(w, g, state, t, rate):
    """Do both, with means that start without bias."""
    average, square = 0.9 * state[0] + 0.1 * g, 0.999 * state[1] + 0.001 * g**2
    unbiased = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - rate * unbiased * average / (np.sqrt(square) + 1e-7), (average, square)


def adamw(w, g, state, t, rate):
    """Shrink the weights beside Adam's step."""
    return adam(w - rate * 0.004 * w, g, state, t, rate)


# %% [markdown]
# Momentum (Polyak, 1964) sums up past gradients. Nesterov (1983) takes the gradient where the velocity is about
# to carry the weights; Keras stores these looked-ahead weights, so that the gradient here is already the one
# ahead (as Sutskever et al., 2013, write it). RMSprop (Hinton's lecture, 2012) divides each coordinate by the
# root of its own mean square; Adam (Kingma and Ba, 2015) does both, and corrects for means that start at zero.
# AdamW (Loshchilov and Hutter, 2019) shrinks the weights beside the step, not through the gradient, where Adam
# would divide the shrinking away. Are these really Keras' rules? Walk down a *ravine*,
# $\frac12 (50 x^2 + y^2)$, with both and compare every step.

# %%
rules = {"SGD": sgd, "momentum": momentum, "Nesterov": nesterov, "RMSprop": rmsprop, "Adam": adam}
curvatures = np.array([condition, 1.0])


def walk(rule, gradient, start, rate, steps):
    """Follow a rule from start, an array ``(..., 2)``; return all points: shape ``(steps + 1, ..., 2)``."""
    w, state, points = np.asarray(start, float), (0.0, 0.0), [start]
    for t in range(1, steps + 1):
        w, state = rule(w, gradient(w), state, t, rate)
        points.append(w)
    return np.array(points)


keras_rules = {
    "SGD": SGD(0.01), "momentum": SGD(0.01, momentum=0.9), "Nesterov": SGD(0.01, momentum=0.9, nesterov=True),
    "RMSprop": keras.optimizers.RMSprop(0.01), "Adam": Adam(0.01), "AdamW": keras.optimizers.AdamW(0.01)}
for name, optimizer in keras_rules.items():
    variable, rule = keras.Variable([1.0, 1.0]), (rules | {"AdamW": adamw})[name]
    for point in walk(rule, lambda w: curvatures * w, np.ones(2), 0.01, 30)[1:]:
        optimizer.apply([variable * ops.convert_to_tensor(curvatures.astype("float32"))], [variable])
        assert np.allclose(ops.convert_to_numpy(variable), point, atol=1e-5), name
    slots = len(optimizer.variables) - 2  # but for the learning rate and the number of steps
    print(f"{name:8s} thirty steps as Keras', to within 0.00001; {slots} extra number{'s' * (slots != 1)} per weight.")


# %% [markdown]
# ## Down a ravine
#
# Now give each rule its own best rate, the one that gets it down to a loss of 0.001, and keeps it there, in the
# fewest steps; and then turn the ravine, so that it runs across the axes, as ravines of a real network may.

# %%
angles = [0, 15, 30, 45]  # degrees
grid = 2.0 ** np.arange(-12, 1.1, 0.5)  # learning rates to choose from


def turned(degrees):
    """Return the matrix that turns by an angle."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def ravine(angle):
    """Return loss and gradient of a ravine, as functions of points ``(..., 2)``."""
    q = turned(angle)
    return lambda w: ((w @ q) ** 2 @ curvatures) / 2, lambda w: (w @ q * curvatures) @ q.T


def steps_on_ravine(rule, angle, steps=600):
    """Return how many steps each rate of the grid takes."""
    loss_of, gradient_of = ravine(angle)
    with np.errstate(all="ignore"):  # too large rates go astray
        points = walk(rule, gradient_of, np.tile(turned(angle) @ [1, 1], (len(grid), 1)), grid[:, None], steps)
        above = ~(loss_of(points) < 1e-3)
    return steps + 1 - above[::-1].argmax(axis=0)  # after the last point above


# %%
best_beta = ((condition**0.5 - 1) / (condition**0.5 + 1)) ** 2
tuned, rows = {}, {}
for name, rule in (rules | {f"momentum of {best_beta:.2f}": partial(momentum, beta=best_beta)}).items():
    for angle in angles:
        needed = steps_on_ravine(rule, angle)
        good = grid[needed <= 1.1 * needed.min()]
        tuned[name, angle] = grid[needed.argmin()]
        rows.setdefault(name, {}).update({f"steps at {angle}°": needed.min(),
                                          f"good rates at {angle}°": f"{good.min():.3f} to {good.max():.3f}"})
print("Fewest steps down the ravine, and the rates of the grid that take at most a tenth more:")
pd.DataFrame(rows).T[[f"{what} at {angle}°" for angle in (0, 45) for what in ("steps", "good rates")]]

# %% [markdown]
# SGD, momentum and Nesterov do not care how the ravine lies: they walk the same path, turned, in equally many
# steps. RMSprop and Adam treat each *weight* by itself, so for them it is another ravine. That matters below, and
# so does the width of momentum's and Adam's ranges: on this ravine many rates are as good, which elsewhere are not.
#
# Momentum of 0.9 hardly beats SGD here: its swings fade by a factor of $\sqrt{0.9}$ a step, whatever the rate. The
# best momentum for curvatures that are $\kappa$ times apart is $((\sqrt\kappa - 1) / (\sqrt\kappa + 1))^2$ (Polyak,
# 1964), here 0.57, the last row; 0.9 is best where $\kappa$ is about 1400. Nesterov's look-ahead damps the swings
# across the ravine by a further root of $1 - \eta \lambda$ a step, hence its fewer steps at the same 0.9.

# %%
looks = {rule: {"marker": marker, "ls": line, "color": color, "label": rule, "ms": 4, "lw": 1.2}
         for rule, marker, line, color in zip(rules, "os^Dv", ["-", "--", "-.", ":", "-"],
                                              ["C0", "C1", "C2", "C3", "C7"])}


def draw_paths(ax, paths, loss_of, levels, low=-1.5):
    """Draw contours and a path with markers for each rule."""
    x, y = np.meshgrid(np.linspace(-1.5, 1.5, 160), np.linspace(low, 1.6, 160))
    ax.contour(x, y, loss_of(np.stack([x, y], axis=-1)), levels=levels, colors="#bbbbbb", linewidths=0.7)
    for rule, path in paths.items():
        ax.plot(*path.T, markevery=5, **looks[rule])
    ax.set(aspect="equal", xlim=(-1.5, 1.5), ylim=(low, 1.6))
    ax.grid(False)


figure, axes = plt.subplots(2, 2, figsize=(6.4, 4.8), sharex=True, sharey=True)
for column, angle in zip(axes.T, (0, 45)):
    loss_of, gradient_of = ravine(angle)
    for ax, names in zip(column, (["SGD", "momentum", "Nesterov"], ["RMSprop", "Adam"])):
        paths = {name: walk(rules[name], gradient_of, turned(angle) @ [1, 1], tuned[name, angle], 100)
                 for name in names}
        draw_paths(ax, paths, loss_of, np.geomspace(0.02, 60, 6), low=-0.6)
    column[0].set_title(f"A ravine turned by {angle}°")
    column[1].set_xlabel("first weight")
for row in axes:
    row[0].set_ylabel("second weight")
    row[0].legend(fontsize=8, loc="lower left")
plt.show()


# %% [markdown]
# Contours are losses from 0.02 to 60, each five times the last; a marker stands at every fifth step, and only
# the first 100 steps are drawn: RMSprop needs more, and at 45° it first goes straight to the valley's floor. In
# the upper row the right-hand picture is the left one, turned; in the lower row it is another walk.
#
# ## A saddle point
#
# At a saddle, $\frac12 (50 x^2 - y^2) + \frac14 y^4$, the loss rises to both sides of 0 in $x$ and falls in $y$, to
# a minimum on either side at $y = \pm 1$; so the line $y = 0$ is a ridge. The slide says only "Оптимизация —
# седловая точка", a saddle point, and shows a race
# from Ruder's overview (2016; the animation is Alec Radford's) in which SGD stays behind. We put it as: at a saddle
# point plain SGD stalls, momentum and adaptive methods escape. Start near the ridge, where $y$ is almost 0: at
# $x = 1$ and from random $y$ between 0.000001 and 0.01 in size, and call it an escape when the loss is halfway
# down, below $-\frac18$.

# %%
def saddle(angle):
    """Return loss and gradient of the saddle, as functions of points ``(..., 2)``."""
    def loss_of(w):
        x, y = np.moveaxis(w @ turned(angle), -1, 0)
        return condition * x**2 / 2 - y**2 / 2 + y**4 / 4

    def gradient_of(w):
        x, y = np.moveaxis(w @ turned(angle), -1, 0)
        return np.stack([condition * x, y**3 - y], axis=-1) @ turned(angle).T

    return loss_of, gradient_of


def steps_to_escape(rule, rate, beside, angle=0, most=3000, noise=0.0):
    """Return for each start (1, beside) after how many steps the loss is below -1/8, or ``most``."""
    loss_of, gradient_of = saddle(angle)
    rng, counts, state = np.random.default_rng(0), np.full(len(beside), most), (0.0, 0.0)
    w = np.column_stack([np.ones_like(beside), beside]) @ turned(angle).T
    for t in range(1, most + 1):
        w, state = rule(w, gradient_of(w) + noise * rng.standard_normal(w.shape), state, t, rate)
        counts[(counts == most) & (loss_of(w) < -1 / 8)] = t
        if counts.max() < most:
            break
    return counts


# %% [markdown]
# The answer depends on the learning rates and on the axes, so ask in several ways: each rule's best rate on the
# ravine of the same curvature, which is how one would tune it; Keras' defaults, 0.01 for SGD, with either
# momentum or none, and 0.001 for RMSprop and Adam; and the saddle turned by 15°, 30° and 45°, with the rates
# that were best on a ravine at that angle. We decide now: the statement holds if in *every* way SGD takes more
# steps than each other rule, by more than `margin_steps`; it is refuted if SGD is shown to do so for none of
# them in any; and otherwise it is undecided, because it leaves open what decides it.

# %%
rng = np.random.default_rng(seeds[0])
beside = 10.0 ** -rng.uniform(2, 6, starts) * rng.choice([-1, 1], starts)
ways = {  # rates, and the angle of the saddle
    "best rate": ({rule: tuned[rule, 0] for rule in rules}, 0),
    "Keras' default": (dict(zip(rules, [0.01, 0.01, 0.01, 0.001, 0.001])), 0),
    **{f"turned by {angle}°": ({rule: tuned[rule, angle] for rule in rules}, angle) for angle in angles[1:]},
}


def escapes_by(way):
    """Return the steps to escape of each rule, an array over the starts."""
    chosen, angle = way
    return {rule: steps_to_escape(rules[rule], rate, beside, angle) for rule, rate in chosen.items()}


escapes = {name: escapes_by(way) for name, way in ways.items()}
print("Steps to escape, median over the starts:")
pd.DataFrame({name: {rule: f"{np.median(counts):.0f}" for rule, counts in by_rule.items()}
              for name, by_rule in escapes.items()})

# %%
slower = {name: {rule: is_greater(by_rule["SGD"], by_rule[rule], margin_steps) for rule in rules if rule != "SGD"}
          for name, by_rule in escapes.items()}
for name, results in slower.items():
    verdicts = {True: "slower than", False: "faster than", None: "not shown to be slower than"}
    print(f"{name}: SGD is", "; ".join(f"{words} {', '.join(found)}" for holds, words in verdicts.items()
          if (found := [rule for rule, result in results.items() if result.holds is holds])) + ".")

# %%
asked = [result.holds for results in slower.values() for result in results.values()]
medians = "; ".join(f"{name} " + ", ".join(f"{np.median(counts):.0f}" for counts in by_rule.values())
                    for name, by_rule in escapes.items())
claim("practice-gd-saddle", measured=f"median steps to escape of {', '.join(rules)}: {medians}",
      holds=True if all(holds is True for holds in asked) else None if True in asked else False)

# %% [markdown]
# Does SGD *stall*? Watch the distance from the ridge, along the axes and at each rule's best rate.

# %%
loss_of, gradient_of = saddle(0)
race = {rule: walk(rules[rule], gradient_of, [1, 1e-3], tuned[rule, 0], 300) for rule in rules}
escaped_at = (1 - 0.5**0.5) ** 0.5  # y where the loss is -1/8
ax = plt.subplots(figsize=(6.2, 3.2))[1]
for rule, path in race.items():
    ax.plot(np.abs(path[:, 1]), markevery=25, **looks[rule])
ax.axhline(escaped_at, color="black", ls=":", lw=1)
ax.text(300, 0.9 * escaped_at, "escaped", ha="right", va="top", fontsize=8)
ax.set(yscale="log", xlabel="step", ylabel="distance from the ridge, |y|", xlim=(-5, 305), ylim=(5e-4, 2),
       title="From 0.001 beside the ridge")
ax.legend(fontsize=8, loc="lower right", ncols=2)
plt.show()

# %%
predicted = np.log(escaped_at / np.abs(beside)) / np.log(1 + tuned["SGD", 0])
ratio = escapes["best rate"]["SGD"] / predicted
stuck = [rule for rule in rules if steps_to_escape(rules[rule], tuned[rule, 0], np.zeros(1))[0] == 3000]
shaken = {rule: steps_to_escape(rules[rule], tuned[rule, 0], np.zeros(starts), noise=0.01) for rule in rules}
print(f"SGD's steps are {ratio.min():.2f} to {ratio.max():.2f} times the formula's.")
print("Exactly on the ridge, within 3000 steps no escape:", ", ".join(stuck) + ".")
print("There, with random numbers of size 0.01 added to the gradient, median steps:",
      ", ".join(f"{rule} {np.median(counts):.0f}" for rule, counts in shaken.items()) + ".")

# %% [markdown]
# It does not stall. SGD's line is straight: near the ridge a step multiplies $y$ by $1 + \eta$, so it leaves
# exponentially, after about $\ln(0.54 / y_0) / \ln(1 + \eta)$ steps, where 0.54 is the $y$ of escape. That takes
# the longer, the smaller the rate that the steep direction allows. RMSprop and Adam divide the tiny gradient by its
# own tiny size, so their first step away from the ridge hardly depends on the start, until the 0.0000001 that Keras
# adds outweighs what it is added to. RMSprop adds it to the mean square, where it counts for gradients below about
# 0.001; Adam adds it to the root, where it counts below about 0.00001.
#
# Exactly on the ridge a rule without noise has no gradient to leave by, whichever rule it is. With Gaussian
# noise in place of a batch's, all leave, plain SGD among them. Ge et al. (2015, "Escaping From Saddle Points")
# prove that noise suffices where the loss curves down in some direction, as here; Lee et al. (2016, "Gradient
# Descent Only Converges to Minimizers") that without noise almost every start leads away.
#
# Why does the angle matter to RMSprop and Adam? Turn the saddle, with rates tuned at each angle and with the rates
# that were best along the axes.

# %%
fixed = {angle: escapes_by((ways["best rate"][0], angle)) for angle in angles}
by_angle = dict(zip(angles, [escapes["best rate"], *(escapes[f"turned by {angle}°"] for angle in angles[1:])]))
figure, axes = plt.subplots(1, 2, figsize=(7, 3.3), sharey=True)
for ax, found, title in zip(axes, (by_angle, fixed), ("Rates tuned at each angle", "Rates tuned at 0°")):
    for rule in rules:
        ax.plot(angles, [np.median(found[angle][rule]) for angle in angles], **looks[rule])
    ax.set(yscale="log", xlabel="the saddle is turned by (degrees)", xticks=angles, title=title)
axes[0].set_ylabel("steps to escape (median)")
figure.legend(*axes[0].get_legend_handles_labels(), ncols=5, loc="outside lower center", fontsize=8)
plt.show()
for name in ("momentum", "Adam"):
    needed = steps_on_ravine(rules[name], 0)
    found = [f"{np.median(steps_to_escape(rules[name], rate, beside)):.0f} steps at {rate:.3f}"
             for rate in grid[needed <= 1.1 * needed.min()][[0, -1]]]
    print(f"{name} at 0°, from the lowest and the highest of its good rates: {' and '.join(found)}; SGD "
          f"{np.median(escapes['best rate']['SGD']):.0f}.")

# %% [markdown]
# The three rules that see no axes have level lines. RMSprop and Adam meet the worst of these angles at 45°: equal
# steps in both weights lie straight along the ridge there, and nothing carries the point off it. At smaller angles
# the first steps themselves lead away from it. Judge that by the right-hand picture, at one rate: Adam's dip on the
# left is mostly its rate, which was tuned anew for each angle.
#
# Rates that serve equally well on the ravine differ here, as the last lines show: momentum is quicker than SGD from
# one end of its range and may be slower from the other. In our ways SGD was behind momentum and Nesterov, but for
# these three, four of the five ways are one, turned. So rates and axes decide such a race as much as the rules do;
# the slide does not say which rates its race had. The same race in motion, along the axes:

# %%
figure, ax = plt.subplots(figsize=(3.6, 3.2), dpi=80)
draw_paths(ax, {rule: path[:1] for rule, path in race.items()}, loss_of, [-0.2, -0.1, -0.03, 0, 0.05, 0.2, 1, 4])
ax.set(xlabel="first weight", ylabel="second weight")
ax.legend(fontsize=7, loc="lower left")
steps_shown = np.unique(np.geomspace(1, 300, 24).astype(int))


def draw_race(index):
    """Draw each path up to where the rule is at a step."""
    for line, path in zip(ax.get_lines(), race.values()):
        line.set(data=path[: steps_shown[index] + 1].T, markevery=[-1])
    ax.set_title(f"The saddle, step {steps_shown[index]}", fontsize=10)


animate(figure, draw_race, frames=len(steps_shown), alt="Five optimizers leave a saddle point, Adam first")

# %% [markdown]
# ## The learning-rate range test
#
# How does one find a rate for a real network? Smith (2017, "Cyclical Learning Rates for Training Neural
# Networks") proposes one short training in which the rate rises from far too small to far too large. Afterwards
# the weights are set back.

# %%
def learning_rate_range_test(model, images, labels, batch_size=32, low=1e-4, high=10.0, steps=100, stop=4.0, seed=0):
    """Train for some steps with a learning rate that rises from low to high; return rates and losses."""
    if not (0 < low < high < np.inf and steps > 1 and 1 <= batch_size <= len(images)):
        received = f"low={low}, high={high}, steps={steps}, batch_size={batch_size}, {len(images)} images"
        raise ValueError(f"Let the rate rise, in two steps at least, and a batch fit the images. Received: {received}")
    if not (model.built and model.compiled):
        raise ValueError(f"Give a built and compiled model. Received: model={model.name!r}")
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    kept = [ops.convert_to_numpy(variable).copy() for variable in variables]
    rng, rates, losses = np.random.default_rng(seed), np.geomspace(low, high, steps), []
    for rate in rates:
        model.optimizer.learning_rate = rate
        model.reset_metrics()  # or the loss would be a mean over all steps
        batch = rng.choice(len(images), batch_size, replace=False)
        found = float(model.train_on_batch(images[batch], labels[batch], return_dict=True)["loss"])
        losses.append(found if np.isfinite(found) else np.inf)
        if losses[-1] > stop * min(losses) or losses[-1] == np.inf:
            break
    for variable, value in zip(variables, kept):
        variable.assign(value)
    return rates[: len(losses)], np.array(losses)


# %% [markdown]
# Losses of single batches are noisy, so smooth them. Too small a rate does nothing, too large a one drives the
# loss up; where it is lowest, the rate is already at the edge. Smith reads a range off the curve; the rule to take
# a tenth of the lowest point's rate is that of the fastai library. Here for SGD with a momentum of 0.9:

# %%
with_momentum = network(SGD(0.01, momentum=0.9), at_once)
ax = plt.subplots()[1]
named = []
for seed, marker, color in zip(seeds, "os^Dv", ["C0", "C1", "C2", "C3", "C7"]):
    restart(with_momentum, first_weights[seed], 0.01)
    risen, losses = learning_rate_range_test(with_momentum, train_images, train_labels, batch_size, seed=seed)
    smooth = pd.Series(losses).ewm(alpha=0.15).mean().to_numpy()
    named.append(risen[smooth.argmin()] / 10)
    ax.plot(risen, smooth, marker=marker, color=color, markevery=6, label=f"rate named, seed {seed}: {named[-1]:.3f}")
    ax.axvline(named[-1], color=color, lw=1, ls="--")
ax.set(xscale="log", xlabel="learning rate", ylabel="smoothed loss (nats)", ylim=(1.0, 3.2),
       title="A tenth of the rate where the loss is lowest")
ax.legend(loc="lower left", fontsize=8)
plt.show()


# %% [markdown]
# Whether these rates (dashed) are any good we see below, next to whole trainings.
#
# ## Schedules
#
# "Изменение LR по расписанию", says the slide: change the learning rate by a schedule. Keras has the famous
# ones. *Step* divides it at fixed times, here by 3 at half-time; *cosine* falls smoothly to 0; *warm restarts*
# (Loshchilov and Hutter, 2017, "SGDR") do so again and again, each time for twice as long, here three times;
# *one-cycle* (Smith and Topin, 2018, "Super-Convergence") rises first, from a 25th of the highest rate and for
# three tenths of the steps, which in Keras is a cosine with a warm-up. (Smith also lowers the momentum
# meanwhile; we do not.)

# %%
steps = train_examples // batch_size  # every image once
block = 32  # steps for which a rate is kept
rise = steps * 3 // 10  # steps of one-cycle's warm-up
schedule = {
    "constant": lambda peak: lambda step: peak,
    "step": lambda peak: schedules.PiecewiseConstantDecay([steps // 2 - 1], [peak, peak / 3]),
    "cosine": lambda peak: schedules.CosineDecay(peak, decay_steps=steps),
    "warm restarts": lambda peak: schedules.CosineDecayRestarts(peak, first_decay_steps=steps // 7 + 1, t_mul=2.0),
    "one-cycle": lambda peak: schedules.CosineDecay(
        peak / 25, decay_steps=steps - rise, warmup_target=peak, warmup_steps=rise),
}


def table(name, peak):
    """Return the rate of each block of steps by a schedule."""
    return [float(schedule[name](peak)(step)) for step in range(0, steps, block)]


# %% [markdown]
# In a project of your own you would write `SGD(learning_rate=CosineDecay(...))`. To train one compiled network
# by any schedule, we let an "epoch" be a block of 32 steps, and set its rate by the callback
# `LearningRateScheduler`. *Plateau* is a callback as well, and the slide's advice: "В случае, если не
# происходит изменение метрики на валидации, стоит уменьшить значение learning rate", if the metric on the
# validation set does not change, one should reduce the rate. It has to look at validation data, here eight
# times per training, and needs an optimizer whose rate is a number: it cannot change a schedule. Ours divides
# by 3 as soon as the validation loss has failed once to fall (`patience=1`; in trials with other seeds
# `patience=2` often came too late for a training as short as this). In long ones `min_delta` says what counts
# as falling, and `cooldown` how many epochs must pass before the next reduction.

# %%
def fit(model, name, peak, seed):
    """Train on every image once, from a seed's first weights; return the rate of each block."""
    restart(model, first_weights[seed], peak)
    keras.utils.set_random_seed(seed)
    if name == "plateau":
        epochs, options = 8, {"callbacks": [ReduceLROnPlateau(factor=1 / 3, patience=1)], "validation_batch_size": 1000,
                              "validation_data": (validation_images, validation_labels)}
    else:
        chosen = table(name, peak)
        epochs, options = len(chosen), {"callbacks": [LearningRateScheduler(lambda epoch, rate: chosen[epoch])]}
    history = model.fit(train_images, train_labels, batch_size=batch_size, epochs=epochs,
                        steps_per_epoch=steps // epochs, verbose=0, **options).history
    return np.repeat(history["learning_rate"], steps // epochs // block)


def scores(model, images, labels):
    """Return accuracy and loss."""
    logits = ops.convert_to_numpy(model(images))
    return np.mean(logits.argmax(axis=1) == labels), float(ops.convert_to_numpy(loss(labels, logits)))


def over_seeds(model, name, peak, seeds):
    """Train from each seed; return test accuracies and losses, and the rates of each block, seed by seed."""
    taken, found = [], []
    for seed in seeds:
        taken.append(fit(model, name, peak, seed))
        found.append(scores(model, test_images, test_labels))
    return *np.array(found).T, taken


# %% [markdown]
# Each needs a highest rate of its own. Try five, on the seed for choosing, for a constant rate, for cosine, for
# one-cycle, and for Adam with cosine, which the deck sets beside SGD ("Наиболее популярные оптимизаторы: sgd,
# adam", the most popular optimizers). Adam's first rate is Keras' default.

# %%
with_adam = network(Adam(0.001), at_once)
tries = {"constant": (with_momentum, "constant", rates), "cosine": (with_momentum, "cosine", rates),
         "one-cycle": (with_momentum, "one-cycle", rates), "Adam, cosine": (with_adam, "cosine", adam_rates)}
validation_losses, peaks = {}, {}
for name, (trained, by, to_try) in tries.items():
    validation_losses[name] = []
    for rate in to_try:
        fit(trained, by, rate, selection_seed)
        value = scores(trained, validation_images, validation_labels)[1]
        validation_losses[name].append(value if np.isfinite(value) else np.inf)
    peaks[name] = to_try[int(np.argmin(validation_losses[name]))]
    at_edge = " (at the edge of those tried)" * (peaks[name] in (to_try[0], to_try[-1]))
    print(f"{name}: best from {peaks[name]}{at_edge}; validation losses "
          + ", ".join(f"{value:.2f} at {rate}" for rate, value in zip(to_try, validation_losses[name])) + ".")

# %%
ax = plt.subplots(figsize=(6.2, 3.6))[1]
for (name, values), marker, line in zip(validation_losses.items(), "os^D", ["-", "--", "-.", ":"]):
    ax.plot(tries[name][2], values, marker=marker, ls=line, label=name)
ax.axvspan(min(named), max(named), color="black", alpha=0.15, lw=0, label="range test, SGD with momentum")
ax.set(xscale="log", xlabel="highest learning rate", ylabel="validation loss (nats)",
       title="How much a wrong rate costs, one seed")
shown = sorted({*rates, *adam_rates[:1]})
ax.set_xticks(shown, [f"{rate:g}" for rate in shown])
ax.minorticks_off()
ax.legend(fontsize=8, loc="upper center")
plt.show()

# %% [markdown]
# Each curve is a valley: how wide it is tells how carefully the rate must be chosen. Read off the band, which
# is for SGD with momentum and not for Adam, what the range test, a hundred steps, would have cost or saved
# against five trainings; the same rate may suit a schedule that ends at 0 and be too high to keep. The rates of
# SGD and Adam mean different things: Adam's is about the length of a weight's step, SGD's is multiplied by the
# gradient, and momentum makes of it ten times as much in the long run. A rate that suits one says nothing of
# the other.
#
# Now the seeds. Warm restarts start from cosine's rate. Step and plateau start from the best *constant* rate: then
# each is the same training as the constant one up to its first reduction, and nobody can say that the constant
# rate was just too high.

# %%
peaks |= {"step": peaks["constant"], "plateau": peaks["constant"], "warm restarts": peaks["cosine"]}
runs = {name: over_seeds(with_momentum, name, peaks[name],
                         plateau_seeds if name in ("constant", "step", "plateau") else seeds)
        for name in ("constant", "step", "plateau", "cosine", "warm restarts", "one-cycle")}
runs["Adam, cosine"] = over_seeds(with_adam, "cosine", peaks["Adam, cosine"], seeds)

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
for ax, shown in zip(axes, (["constant", "step", "plateau"], ["cosine", "warm restarts", "one-cycle"])):
    for name, marker in zip(shown, "os^"):
        ax.plot(range(0, steps, block), runs[name][2][0], marker=marker, drawstyle="steps-post",
                label=f"{name}, highest {peaks[name]:g}")
    ax.set(xlabel="step", ylim=(-0.002, 1.6 * max(peaks[name] for name in list(runs)[:-1])))
    ax.legend(fontsize=8, loc="upper left")
axes[0].set(ylabel="learning rate", title=f"Constant, or cut (seed {seeds[0]})")
axes[1].set(title="Down to zero")
plt.show()

# %%
figure, ax = plt.subplots(figsize=(6.2, 3.6))
for index, (seed, marker) in enumerate(zip(seeds, "os^Dv")):
    ax.plot([100 * run[0][index] for run in runs.values()], range(len(runs)), marker=marker, lw=0.7,
            label=f"seed {seed}")
ax.set(xlabel="test accuracy (%)", yticks=range(len(runs)), yticklabels=runs, ylim=(len(runs) - 0.5, -0.5),
       title="As many steps, by six schedules and by Adam")
ax.grid(axis="x")
ax.legend(fontsize=8)
plt.show()


def in_points(result):
    """Write a difference of accuracies in percentage points."""
    return (f"{100 * result.mean:+.1f} percentage points (95 % interval {100 * result.low:+.1f} to "
            f"{100 * result.high:+.1f})")


for name in list(runs)[1:]:
    result = is_greater(runs[name][0][: len(seeds)], runs["constant"][0][: len(seeds)], margin)
    print(f"{name} minus constant, test accuracy: {in_points(result)}.")
result = is_greater(runs["Adam, cosine"][0], runs["cosine"][0], margin)
print(f"Adam minus SGD, both with cosine: {in_points(result)}.")

# %% [markdown]
# An interval that holds 0 does not settle which is better; three seeds settle large differences only, and of
# seven comparisons one may err by chance. Adam's line belongs to its own best rate of five, as SGD's does.
# (Keras has more optimizers, such as Lion, Lamb and Muon. Each is again a rule for one step, to be given its
# own best rate before it is compared.)
#
# Now the slide's advice, over more seeds. Plateau's test accuracy must be higher than that of the constant rate by
# more than `margin`. A control tells what the *looking* is worth: step makes the same cut at half-time, unasked.
# And where the rate was chosen too high? Ask from twice the rate as well.

# %%
for seed, taken in zip(plateau_seeds, runs["plateau"][2]):
    first = np.flatnonzero(np.array(taken) < 0.99 * peaks["plateau"])
    when = f"first did so after {first[0] * block * batch_size} images" if len(first) else "never did"
    print(f"Reducing the rate, seed {seed}: plateau {when}.")
twice, some = 2 * peaks["plateau"], plateau_seeds[:3]
high = {name: over_seeds(with_momentum, name, twice, some)[0] for name in ("plateau", "step", "constant")}
gain = is_greater(runs["plateau"][0], runs["constant"][0], margin)
control = is_greater(runs["step"][0], runs["constant"][0], margin)
print(f"From {peaks['plateau']}, plateau minus constant: {in_points(gain)}.")
print(f"The control, a cut at half-time, minus constant: {in_points(control)}.")
print(f"Plateau minus the control: {in_points(is_greater(runs['plateau'][0], runs['step'][0], margin))}.")
gain_high, control_high = (is_greater(high[name], high["constant"], margin) for name in ("plateau", "step"))
print(f"From {twice}, {len(some)} seeds, plateau minus constant: {in_points(gain_high)}; "
      f"the control minus constant: {in_points(control_high)}.")

# %%
claim("practice-gd-plateau", measured=f"ReduceLROnPlateau from the best constant rate, {peaks['plateau']}, changes "
      f"test accuracy by {in_points(gain)}; a cut at half-time, unasked, by {in_points(control)}; from {twice}, "
      f"plateau changes it by {in_points(gain_high)}", holds=gain.holds)

# %% [markdown]
# Compare plateau's gain from the two rates: lowering the rate helps where it was too high for the end of the
# training, and a constant rate that was chosen by whole trainings leaves less to gain. The verdict is for the
# rate where lowering has least to give; the slide names no rate. An interval of plateau minus the control that
# holds 0 shows no worth of the trigger, nor that it has none: for that it would have to lie within `margin`.
# What the trigger surely does is spare you knowing beforehand how long the training will be. With a validation
# loss that is noisy it also cuts by chance: see how far apart the times of the first cut are. And step minus
# constant is printed twice, over three seeds and over six: compare them before you trust three.
#
# ## Which to take

# %%
pd.DataFrame({
    "test accuracy (%)": [f"{100 * accuracies[: len(seeds)].mean():.1f}" for accuracies, *_ in runs.values()],
    "test loss (nats)": [f"{losses[: len(seeds)].mean():.3f}" for _, losses, _ in runs.values()],
    "highest rate": [peaks[name] for name in runs],
    "needs": ["nothing", "when to step", "validation data after every epoch", "length of the training",
              "length of a cycle", "length of the training", "length, and two numbers per weight, not one"],
    "take it": ["for a first try", "to reproduce older papers", "if you cannot know the length beforehand", "as a rule",
                "to be able to stop before each restart", "if large rates need a warm-up",
                "if its rate is tuned; with weight decay AdamW"],
}, index=list(runs))

# %% [markdown]
# Means over the same three seeds. The numbers are of this network and this length; the intervals above tell which
# differences are settled. *Take it* is advice, not a measurement, where the table does not bear it out.
#
# ## Summary
#
# - The variance of the gradient falls as 1 / batch. From the smallest batch to the largest the best rate rose, less
#   than in proportion.
# - Each rule is a line or two. SGD and momentum do not care how a ravine or a saddle lies, RMSprop and Adam do. SGD
#   left the saddle, exponentially, wherever it did not start exactly on the ridge. Which rule leaves it sooner
#   depends on the rates, for momentum too, and for RMSprop and Adam also on the axes.
# - A range test names a rate for the price of a hundred steps. Whether lowering it in the end pays, by a
#   schedule or on a plateau, depends on how high it was: the intervals above tell for this network.
#
# ## Exercises
#
# **Predict.** Plain SGD without noise starts 0.0001 beside the ridge of the saddle above, at a learning rate of
# 0.02. After how many steps is $y$ at 0.54? Give a number, to within 10 %, without letting it walk.

# %% tags=["exercise", "exercise-escape"]
steps_needed = ...

# %% tags=["check"]
if steps_needed is ...:
    print("Not answered yet: replace the dots above.")
else:
    assert isinstance(steps_needed, (int, float)) and steps_needed > 0, "Give a number of steps, such as 100."
    counted = int(steps_to_escape(sgd, 0.02, np.array([1e-4]))[0])
    growth = np.log(0.54 / 1e-4)
    hints = {
        0.54 / 1e-4 / 0.02: "The steps are not equally long: each is a share of the distance reached so far.",
        growth: "That is the logarithm of the growth: how much of it does one step bring?",
        growth / np.log(50): "Away from the ridge, along y, the curvature is -1; the 50 is that along x.",
        growth / np.log(2): "That doubles at every step; at a rate of 0.02 a step multiplies by less.",
        np.log10(0.54 / 1e-4) / np.log(1.02): "Both logarithms must have the same base.",
        1 / 0.02: "In so many steps it grows by a factor of e: how many such factors are there?",
    }
    near = [hint for value, hint in hints.items() if abs(steps_needed / value - 1) < 0.05]
    hint = near[0] if near else "Not this: by which factor does y grow in one step, and how large must it become?"
    more = "more" if steps_needed < counted else "fewer"
    assert abs(steps_needed / counted - 1) < 0.1, f"{hint} Counted, SGD takes {more} steps than that."
    print(f"Right: a step multiplies y by 1.02, and ln(5400) / ln(1.02) is {growth / np.log(1.02):.0f}; counted, with "
          f"the curvature that fades towards the minimum, {counted}.")

# %% [markdown]
# **Modify.** Measure the best rate of *Adam* for the three batch sizes: `model = network(Adam(0.001), at_once)`
# before `tried`, and a tenth of the rates in `batch_rates`. Does it grow with the batch, and nearer to the root or
# in proportion? The lines 2 / λ mean nothing for Adam. Afterwards put `model = network(SGD(1.0), at_once)` back:
# `gradient` needs plain SGD.
#
# **Extend.** Give the saddle's gradient noise and repeat the table of ways. Which differences between the rules
# survive it? Then set `condition` to 5 and to 500, and run again from "Down a ravine".
