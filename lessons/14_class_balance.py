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
# # 14 · Class balance
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/14_class_balance.ipynb)
#
# *Forty pictures of one class, five of another, and a model that seldom answers with the second. Weights in the
# loss, balanced batches, new pictures by augmentation: what does each buy, and what does it cost? And how far does one
# line get you, after training?*
#
# You will
#
# - measure what imbalance does to a class, with its difficulty and its lack of pictures set apart,
# - weight a loss, balance batches without copies, fill up rare classes by augmentation, and compare them over seeds,
# - correct a prior and choose a threshold after training, and know when balancing hurts.
#
# A minute on two CPU cores · deck: *practice*, "Баланс классов".

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
side = 96  # pixels of the goods, a multiple of 32
few = 5  # training pictures of a rare class
many = 40  # of a large class, a multiple of `few`
seeds = [0, 1, 2, 3, 4]  # of the pictures drawn and their order; three at least
selection_seeds = [100, 101]  # of the pictures by which a strength is chosen
recipe = "practice"  # of the augmentation, one of RECIPES in helpers.augmentation
batch_size = 32  # pictures per training step
steps = 256  # of a training, a multiple of 16
learning_rate = 0.2  # of Adam at the start; it falls to zero
penalty = 0.0001  # times the sum of the squared weights of the head
weight_strengths = [1.0, 1.5, 2.0, 2.5]  # powers of the class weights
strengths = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]  # of a correction of the prior
gradient_batches = 256  # batches whose gradients are compared
bins = 10  # of probability, for calibration
stops = [16, 64, 256]  # steps at which a training without penalty is looked at, multiples of 16
whole_few = 10  # pictures of a rare class of Fashion-MNIST, for a network trained whole
whole_many = 100  # of a large class
whole_seeds = [0, 1, 2]  # of pictures and weights; three at least
whole_steps = 128  # of a training, a multiple of 16
whole_learning_rate = 0.003  # of Adam at the start
whole_tests = 1500  # pictures of its test
positive = "vehicle"  # the class of the question with two answers
margin = 0.02  # of recall or accuracy: a smaller difference does not interest us

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import math
from collections import namedtuple

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve, precision_score, recall_score
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from helpers.augmentation import RECIPES, augmenter
from helpers.claims import claim
from helpers.datasets import class_names, load_arrays
from helpers.evaluation import is_equal, is_greater
from helpers.plots import plot_images, use_course_style
from helpers.transfer import backbone, cached_features

use_course_style()
threadpool_limits(1, user_api="blas")  # the matrices here are small: threads would wait for each other
keras.utils.set_random_seed(seeds[0])

# %% [markdown]
# ## Goods as they are
#
# The goods were collected as such things are: animals were plenty, kitchen things were not. As in lesson 13 a frozen
# EfficientNet-Lite0 turns each picture into 1280 features, once. What we train is the head on them, so that each
# training takes well under a second, and this page can afford many.

# %%
images, labels = load_arrays("goods", "train", image_size=(side, side))
test_images, test_labels = load_arrays("goods", "validation+test", image_size=(side, side))
names, num_classes = class_names("goods"), len(class_names("goods"))
network = backbone("efficientnet_lite0", (side, side, 3), pooling="avg")
features, test_features = cached_features(network, images), cached_features(network, test_images)
mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3


def standard(features):
    """Centre and scale features: a picture becomes a vector of length about 1."""
    return (features - mean) / (spread * math.sqrt(len(mean)))


features, test_features = standard(features), standard(test_features)
class_sizes, test_sizes = np.bincount(labels), np.bincount(test_labels)
print(f"{len(labels)} pictures to learn from, {class_sizes.min()} to {class_sizes.max()} of a class; "
      f"{len(test_labels)} for the test, {test_sizes.min()} to {test_sizes.max()} of a class.")

# %% [markdown]
# The head is one dense layer with an L2 penalty. Its loss has one lowest point, and we want to be there: a head that
# is stopped early has hardly learned how frequent each class is, and would make every remedy look otherwise. So the
# learning rate starts high and falls to zero, and vectors of length 1 let Adam move weights and biases equally fast.
# One compiled head serves all trainings and is set back each time; what chance decides is which pictures it gets, and
# in what order. The penalty was chosen before, on pictures of other draws held out: of 0.00003, 0.0001 and 0.0003 this
# one gave plain training the smallest loss.


# %%
def dense_head(penalty, steps):
    """Build and compile one dense layer on features."""
    kernel = {"kernel_initializer": "zeros", "kernel_regularizer": keras.regularizers.L2(penalty)}
    head = keras.Sequential([keras.Input((features.shape[1],)), layers.Dense(num_classes, name="logits", **kernel)])
    falling = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    at_once = 1 if keras.backend.backend() == "torch" else 16  # steps per call of the backend
    head.compile(keras.optimizers.Adam(falling), loss, steps_per_execution=at_once)
    head.optimizer.build(head.trainable_variables)
    return head


def restart(*holders):
    """Set all variables of a head, or of an optimiser, back to zero, their start."""
    for variable in [each for holder in holders for each in holder.variables]:
        variable.assign(np.zeros(variable.shape))


# %%
def passes(indices, steps, seed):
    """Return shuffled passes over these pictures, as long as so many steps: `fit` is slow to begin an epoch."""
    rng, epochs = np.random.default_rng(seed), math.ceil(steps * batch_size / len(indices))
    return np.concatenate([rng.permutation(indices) for _ in range(epochs)])[: steps * batch_size]


def logits_of(head, inputs=test_features):
    """Return the logits of a head, by hand: faster than `predict` for one layer."""
    kernel, bias = head.get_weights()
    return inputs @ kernel + bias


def recalls(logits):
    """Return the recall of each class in the test, ``(..., classes)``."""
    answers = logits.argmax(axis=-1)
    right = [(answers[..., test_labels == label] == label).mean(axis=-1) for label in range(num_classes)]
    return np.stack(right, axis=-1)


# %%
head, found = dense_head(penalty, steps), []
for seed in seeds:
    order = passes(np.random.default_rng(seed).permutation(len(labels))[: int(0.8 * len(labels))], steps, seed)
    restart(head, head.optimizer)
    head.fit(features[order], labels[order], batch_size=batch_size, shuffle=False, verbose=0)
    found.append(logits_of(head))
natural = recalls(np.array(found))
share = class_sizes / class_sizes.sum()
print(f"Accuracy {np.mean(natural @ share):.3f}: recall of each class, averaged with the shares of the goods. Balanced "
      f"accuracy {natural.mean():.3f}: the plain average, each class alike.")

# %%
figure, ax = plt.subplots(figsize=(5.0, 3.3))
by_size, middle = np.argsort(class_sizes), natural.mean(axis=0)
bars = [(middle - natural.min(axis=0))[by_size], (natural.max(axis=0) - middle)[by_size]]
ax.errorbar(middle[by_size], range(num_classes), xerr=bars, fmt="o", capsize=3)
ax.set_yticks(range(num_classes), [f"{names[label]}, {class_sizes[label]}" for label in by_size])
ax.set(title="Goods as they are: classes by size", xlabel="recall in the test", xlim=(0, 1),
       ylabel="class, pictures to learn from\n(each training took 80 % of all)")
plt.show()
rank = pd.Series(class_sizes).corr(pd.Series(middle), method="spearman")
print(f"Rank correlation of size and recall over the {num_classes} classes: {rank:.2f}.")

# %% [markdown]
# A dot is a mean over seeds, each with another 80 % of the pictures; its bar goes from the lowest to the highest. Both
# measures of accuracy are right, for different questions: the first counts pictures, the second counts classes.
# Recall tends to grow from bottom to top, but neighbours of about the same size lie far apart. So this plot blames no
# one: is a small class missed because it has few pictures, because the others have more, or because it is hard?
#
# ## The same class, large and rare
#
# So we make it worse, on purpose and in turn. The classes are put into two halves of similar sizes. For each seed one
# head learns with the first half rare, another with the second: every class is seen once as `few` pictures among large
# classes, once as `many` (or all it has), in the same test. A third head gets `few` of *every* class. There a class has
# the very same pictures as when it was rare; only its rivals have shrunk. That sets the two causes apart:
#
# - many among few and many, minus few among few: what more pictures teach, and the favour over rare rivals with it,
# - few among few, minus few among many: what imbalance does, and this we call its *bias* (the parameters that a layer
#   adds to its logits have the same name; here we call those biases, in the plural).

# %%
Draw = namedtuple("Draw", "indices rare seed")  # of training pictures; which classes are rare, (classes,)


def draw_pictures(rare, seed, labels=labels, few=few, many=many):
    """Draw training pictures, `few` of the rare classes and `many` of the others."""
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(labels == label)) for label in range(len(rare))]
    taken = [each[: few if scarce else many] for each, scarce in zip(members, rare)]
    return Draw(np.concatenate(taken), rare, seed)


first_half = np.isin(np.arange(num_classes), np.argsort(class_sizes)[::2])
is_rare = np.array([first_half, ~first_half])  # (halves, classes)
draws = [[draw_pictures(rare, seed) for rare in is_rare] for seed in seeds]
even_draws = [[draw_pictures(np.ones(num_classes, bool), seed)] for seed in seeds]
counts = np.array([np.bincount(labels[each.indices]) for each in draws[0]])  # (halves, classes)
for rare, count in zip(is_rare, counts):
    print(f"Rare: {', '.join(np.array(names)[rare])}. They have {few} pictures each, "
          f"{count[rare].sum() / count.sum():.0%} of all; the others have {count[~rare].max()}, or all there are.")


# %%
def over_draws(train, draws=draws):
    """Train the head on each draw, and return its logits for the test, (seeds, halves, pictures, classes)."""
    found = []
    for pair in draws:
        for draw in pair:
            restart(head, head.optimizer)
            train(draw)
            found.append(logits_of(head))
    return np.reshape(found, (len(draws), -1, len(test_labels), num_classes))


def plain(draw):
    order = passes(draw.indices, steps, draw.seed)
    head.fit(features[order], labels[order], batch_size=batch_size, shuffle=False, verbose=0)


logits, even_logits = {"plain": over_draws(plain)}, over_draws(plain, even_draws)

# %% [markdown]
# Is the head where its loss is lowest? scikit-learn finds that point in another way. The biases are a good witness,
# as they learn frequency above all: if pictures told nothing, each would become the logarithm of its class's share,
# up to a constant.

# %%
draw, rare = draws[-1][-1], is_rare[-1]  # the last one trained below
restart(head, head.optimizer)
plain(draw)
best_head = LogisticRegression(C=1 / (2 * penalty * len(draw.indices)), tol=1e-6, max_iter=1000)
best_head.fit(features[draw.indices], labels[draw.indices])
for trainer, biases in {"Keras": head.get_weights()[1], "scikit-learn": best_head.intercept_}.items():
    apart = biases[~rare].mean() - biases[rare].mean()
    print(f"{trainer}: biases of large classes minus those of rare ones {apart:.2f}; logarithm of {many} / {few}: "
          f"{math.log(many / few):.2f}.")
same = (logits_of(head).argmax(axis=1) == best_head.predict(test_features)).mean()
print(f"Both give the same answer to {same:.0%} of the test pictures.")
assert same > 0.9, "Not trained to the end: give it more steps, or another learning rate."

# %% [markdown]
# Both ways lead to the same point, with almost the same answers. The logarithm is only what biases would be without
# pictures: since the features tell something, too, the two need not agree.

# %%
recall = recalls(logits["plain"])  # (seeds, halves, classes)
as_rare, as_large = np.where(is_rare, recall, 0).sum(axis=1), np.where(~is_rare, recall, 0).sum(axis=1)
as_even = recalls(even_logits)[:, 0]
ways = {f"{few}, half of the others {many}": (as_rare, "o"), f"{few}, all others {few}": (as_even, "^"),
        f"{many}, half of the others {few}": (as_large, "s")}
figure, ax = plt.subplots(figsize=(5.4, 3.7))
rows = np.argsort(as_rare.mean(axis=0) - as_even.mean(axis=0))
for label, (values, marker) in ways.items():
    ax.plot(values.mean(axis=0)[rows], range(num_classes), marker, ls="", label=label)
ax.hlines(range(num_classes), as_rare.mean(axis=0)[rows], as_large.mean(axis=0)[rows], color="0.7", lw=1, zorder=0)
ax.set(title="The same class in three training sets", xlabel="recall in the test, mean over seeds", xlim=(-0.02, 1),
       ylabel="class, most bias lowest")
ax.set_yticks(range(num_classes), np.array(names)[rows])
title = f"training pictures ({many}, or all there are)"
ax.legend(title=title, loc="upper center", bbox_to_anchor=(0.42, -0.16), ncols=2, fontsize=8, title_fontsize=8)
plt.show()

# %%
def rare_share(logits):
    """Return the share of answers that are rare classes, where all classes are equally frequent in the test."""
    answers = logits.argmax(axis=-1)  # (seeds, halves, pictures)
    answered = np.stack([is_rare[half][answers[:, half]] for half in range(2)], axis=1)
    return np.average(answered, axis=-1, weights=1 / test_sizes[test_labels]).mean(axis=1)


def sentence(comparison):
    """Write a comparison of recall or accuracy with two decimals."""
    return f"{comparison.mean:+.2f} (95 % interval {comparison.low:+.2f} to {comparison.high:+.2f})"


def equality(comparison):
    """Write a comparison that asks for equality, with its verdict."""
    verdict = {True: "equal to within the margin", False: "not equal", None: "undecided"}[comparison.holds]
    return f"{sentence(comparison)}, {verdict}"


bias = is_greater(as_even.mean(axis=1), as_rare.mean(axis=1), margin)
lack = is_greater(as_large.mean(axis=1), as_even.mean(axis=1), margin)
favour = is_greater(np.full(len(seeds), 0.5), rare_share(logits["plain"]), margin)
print(f"What imbalance takes from the recall of a class: {sentence(bias)}.")
print(f"What {many} pictures add to {few}, half of the rivals being rare: {sentence(lack)}.")
print(f"Rare classes are 0.50 of an even test, more than of the answers by {sentence(favour)}.")
claim("practice-balance-bias", measured=f"recall of a class with {few} pictures {as_even.mean():.2f} if the others "
      f"have {few} too, {as_rare.mean():.2f} if half of them have {many}; rare classes are 0.50 of an even test, and "
      f"{rare_share(logits['plain']).mean():.2f} of the answers", holds=bias.holds)

# %% [markdown]
# A circle left of its triangle is bias: the class has not lost a picture. From triangle to square more teaching and
# less rivalry come together. Where do the lost answers go?

# %%
answers = logits["plain"].argmax(axis=-1)[:, 0]  # the first half is rare; (seeds, pictures)
for label in np.flatnonzero(is_rare[0]):
    given = np.bincount(answers[:, test_labels == label].ravel(), minlength=num_classes) / len(seeds)
    shares = given / test_sizes[label]
    first, second = np.argsort(np.where(np.arange(num_classes) == label, -1, shares))[::-1][:2]
    print(f"{names[label]}: right {shares[label]:.0%}; taken for {names[first]} {shares[first]:.0%}, for "
          f"{names[second]} {shares[second]:.0%}; for any large class {shares[~is_rare[0]].sum():.0%}.")

# %% [markdown]
# Nearly all lost answers go to large classes, hardly any to another rare one, and no single class takes them all.
#
# The slide says that the model "переобучается на классы с большим числом примеров и дает смещённое предсказание":
# it overfits to the classes with many examples and gives a biased prediction. The second half is what we measured.
# Is the first half true? Overfitting would show as a distance between the training pictures and the test.

# %%
fitted = {"rare": [], "large": []}
for draw in draws[0]:
    restart(head, head.optimizer)
    plain(draw)
    right = logits_of(head, features[draw.indices]).argmax(axis=1) == labels[draw.indices]
    fitted["rare"].append(right[draw.rare[labels[draw.indices]]].mean())
    fitted["large"].append(right[~draw.rare[labels[draw.indices]]].mean())
for kind, values, tested in (("rare", fitted["rare"], as_rare), ("large", fitted["large"], as_large)):
    print(f"Recall of {kind} classes: {np.mean(values):.2f} in training, {tested.mean():.2f} in the test.")

# %% [markdown]
# The wider gap is that of the *rare* classes: those are learned by heart and not found again. A part of that gap is
# the bias once more, but not all: with rivals as few (the triangles) a class is still found less often than with many
# pictures (the squares). So in the strict sense it is the rare classes that are overfitted; in the everyday sense,
# that the model leans towards the large ones, the slide is right. It learns what it is shown: where few pictures are
# of rare classes, "rare" is a poor bet, and a loss averaged over pictures rewards good bets. In a world of that mix
# this is no mistake. It is one if your world, or what a mistake costs there, is another.
#
# ## Weights in the loss
#
# The first remedy of the slide: "Выравниваем градиенты, взвешивая ошибку обратно пропорционально числу классов", level
# the gradients by weighting the error inversely to the number of classes. The number of *examples* of the class is
# meant. With $n$ pictures, $n_k$ of class $k$, and $K$ classes the usual weights are
#
# $$w_k = \frac{n}{K n_k}, \qquad \frac{1}{n} \sum_i w_{k_i} = 1,$$
#
# so every class has the same total weight, and the mean loss keeps its scale. A power of them makes them milder, or
# stronger. In Keras it is one argument of `fit`; scikit-learn has the formula, too, as `compute_class_weight`.

# %%
def class_weights(labels, strength=1.0):
    """Return the weight of each class, n / (K n_k) with strength 1; their mean over pictures is 1."""
    counts = np.bincount(labels)
    if counts.min() == 0:
        raise ValueError(f"Each class needs a picture. Received: {counts.tolist()} of each")
    return len(labels) * counts**-strength / np.sum(counts ** (1 - strength))


def weighted(draw, strength=1.0):
    order, weights = passes(draw.indices, steps, draw.seed), class_weights(labels[draw.indices], strength)
    head.fit(features[order], labels[order], batch_size=batch_size, shuffle=False,
             class_weight=dict(enumerate(weights)), verbose=0)


logits["weights"] = over_draws(weighted)
of_picture = labels[draws[0][0].indices]  # the label of each picture, the first half being rare
weights, rare = class_weights(of_picture), is_rare[0]
print(f"First half rare: weight {weights.max():.2f} for a rare class, {weights.min():.2f} for a large one, on average "
      f"over pictures {weights[of_picture].mean():.2f}.")
print(f"Share of rare classes in the gradient, before the first step: {rare[of_picture].mean():.0%} plain, "
      f"{weights[of_picture][rare[of_picture]].sum() / len(of_picture):.0%} weighted.")

# %% [markdown]
# The gradients are level: before the first step all errors are of one size, so a class counts by its pictures times
# their weight. What does it do to recall?

# %%
def rare_recall(logits):
    """Return the recall of rare classes, one for each seed."""
    return recalls(logits)[:, is_rare].mean(axis=1)


def large_recall(logits):
    """Return the recall of large classes, one for each seed."""
    return recalls(logits)[:, ~is_rare].mean(axis=1)


def against_plain(way):
    """Compare with plain training: return the gain of rare classes, and all four recalls in words."""
    recalls_of = {each: (rare_recall(logits[each]), large_recall(logits[each])) for each in ("plain", way)}
    gain = is_greater(recalls_of[way][0], recalls_of["plain"][0], margin)
    loss = is_greater(recalls_of["plain"][1], recalls_of[way][1], margin)
    print(f"Recall of rare classes, gain: {sentence(gain)}.\nRecall of large classes, loss: {sentence(loss)}.")
    (plain_rare, plain_large), (rare, large) = [[each.mean() for each in pair] for pair in recalls_of.values()]
    return gain, (f"recall of rare classes {plain_rare:.2f} after plain training, {rare:.2f} with this remedy; of "
                  f"large ones {plain_large:.2f} and {large:.2f}")


gain, measured = against_plain("weights")
claim("practice-balance-weights", measured=measured, holds=gain.holds)

# %% [markdown]
# Rare classes win more than large ones lose; where the interval of the loss spans zero, no loss has been shown at
# all. Keep both numbers in mind for the next two remedies, and compare the new recall with the triangles above: level
# gradients have given back only a part of the bias. Why, we shall see.
#
# Two traps. Keras divides the weighted losses of a batch by the number of its pictures, not by the sum of its weights:

# %%
loss, sure_of_first = keras.losses.SparseCategoricalCrossentropy(from_logits=True), np.array([[2.0, 0.0], [2.0, 0.0]])
for answer in ([0, 0], [0, 1]):
    weight = np.where(answer, 4.5, 0.5)
    print(f"Weights {weight[0]} and {weight[1]}: loss {float(loss(np.array(answer), sure_of_first, weight)):.2f}, "
          f"without weights {float(loss(np.array(answer), sure_of_first)):.2f}.")

# %% [markdown]
# Two pictures of weight 0.5 count half, not as before, and a batch that happens to hold rare pictures takes a larger
# step. (PyTorch's own `CrossEntropyLoss(weight=...)` divides by the sum of the weights: a recipe that is moved across
# takes other steps.) And weights of a hundred make a few pictures speak for a whole batch: then take a smaller
# learning rate or larger batches.
#
# ## Balanced batches
#
# The second remedy: "Выравниваем баланс классов на уровне батча", level the classes within the batch. A `PyDataset`
# gives `fit` one batch at a time, by index, so nothing is copied ahead: rare pictures just come up more often. (With
# `tf.data` it is `Dataset.sample_from_datasets`, one repeated data set for each class.)


# %%
class BalancedBatches(keras.utils.PyDataset):
    """Batches for `fit` that hold each class equally often, whatever its number of images."""

    def __init__(self, images, labels, batch_size=32, batches=None, seed=0, augment=None, **options):
        super().__init__(**options)
        if len(images) != len(labels) or len(labels) == 0 or batch_size < 1:
            sizes = f"{len(images)} images, {len(labels)} labels, batch_size={batch_size!r}"
            raise ValueError(f"Give a label for each image, and a batch of one or more. Received: {sizes}")
        self.images, self.labels, self.batch_size, self.seed, self.augment = images, labels, batch_size, seed, augment
        self.batches = math.ceil(len(labels) / batch_size) if batches is None else batches
        self.members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self.epoch = 0

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        rng = np.random.default_rng((self.seed, self.epoch, index))
        turn = rng.integers(len(self.members)) + np.arange(self.batch_size)
        chosen = [rng.choice(self.members[place % len(self.members)]) for place in turn]
        images = self.images[chosen]
        return images if self.augment is None else self.augment(images), self.labels[chosen]

    def on_epoch_end(self):
        self.epoch += 1


# %% [markdown]
# It goes round the classes, from one drawn at random, as 32 places are not a multiple of 12 classes. We train one
# epoch of `steps` batches; with more epochs `on_epoch_end` sees to it that each draws its own.

# %%
def balanced(draw):
    batches = BalancedBatches(features[draw.indices], labels[draw.indices], batch_size, steps, draw.seed)
    head.fit(batches, verbose=0)


logits["balanced batches"] = over_draws(balanced)
gain, measured = against_plain("balanced batches")
claim("practice-balance-batch", measured=measured, holds=gain.holds)
of_class = steps * batch_size / num_classes
print(f"In {steps} batches each picture of a rare class was shown {of_class / few:.0f} times, of a large one "
      f"{of_class / many:.0f} times.")
same = is_equal(rare_recall(logits["balanced batches"]), rare_recall(logits["weights"]), margin)
print(f"Rare recall, balanced batches minus weights: {equality(same)}.")

# %% [markdown]
# Weights and balanced batches seem to do the same. They should: both have the same *expected* gradient, and differ in
# its noise. At the start it can be seen by hand. For one dense layer the gradient of a picture is its features times
# (probabilities minus the one-hot label), and with zero weights all classes are equally likely.

# %%
indices = draws[0][0].indices
error = np.full((len(indices), num_classes), 1 / num_classes)
error[np.arange(len(indices)), labels[indices]] -= 1
gradients = (features[indices][:, :, None] * error[:, None, :]).reshape(len(indices), -1)
weights, alike = class_weights(labels[indices])[labels[indices]], np.ones(len(indices))
goal = weights @ gradients / len(indices)  # of the weighted loss, over all pictures at once

# %%
sampler, rng = BalancedBatches(np.arange(len(indices)), labels[indices], batch_size), np.random.default_rng(seeds[0])
taken = {"plain batches, no weights": (lambda index: rng.choice(len(indices), batch_size, replace=False), alike),
         "plain batches, weighted": (lambda index: rng.choice(len(indices), batch_size, replace=False), weights),
         "balanced batches": (lambda index: sampler[index][0], alike)}
for way, (take, scale) in taken.items():
    batches = [take(index) for index in range(gradient_batches)]
    each = np.array([scale[batch] @ gradients[batch] / batch_size for batch in batches])
    alone = np.sqrt(np.mean(np.sum((each - goal) ** 2, axis=1))) / np.linalg.norm(goal)
    chance = np.sqrt(np.mean(np.sum((each - each.mean(axis=0)) ** 2, axis=1)) / len(each)) / np.linalg.norm(goal)
    together = np.linalg.norm(each.mean(axis=0) - goal) / np.linalg.norm(goal)
    print(f"{way}: one batch is {alone:.2f} lengths of the weighted gradient away from it, the mean of "
          f"{gradient_batches} is {together:.2f}; chance alone would leave about {chance:.2f}.")

# %% [markdown]
# Without weights the mean of many batches stays far away: it has another goal. The other two come as near as chance
# lets them: one goal for both. What differs is the noise of one batch. A balanced batch has two or three pictures of
# each class; in a plain one about half of the rare classes are missing, and one that is there counts several times.
#
# ## More pictures by augmentation
#
# The third remedy: "Добавляем число примеров редких классов за счет аугментации", add rare examples by augmentation.
# To show a picture a hundred times teaches little that is new; so show it changed. Lesson 15 is about how; here we take
# the deck's own recipe: mirror, crop, light, tint. With a network that is trained whole, `augment` of the batches above
# does it on the fly.

# %%
augment = augmenter(RECIPES[recipe], seed=seeds[0])
example = draws[0][0].indices[labels[draws[0][0].indices] == np.flatnonzero(is_rare[0])[0]]
batch, answers = BalancedBatches(images[example], labels[example], batch_size=6, augment=augment)[0]
repeated, _ = BalancedBatches(images[example], labels[example], batch_size=6)[0]
figure, axes = plt.subplots(2, 1, figsize=(3.4, 1.8))
plot_images(repeated, columns=6, heading=f"Six draws from {few} pictures of {names[answers[0]]}", ax=axes[0])
plot_images(batch, columns=6, heading="The same draws, augmented on the fly", ax=axes[1])
plt.show()

# %% [markdown]
# A trap is in this picture. Goods have white backgrounds; now only rare ones are tinted. A network could learn "tinted
# means rare", which is true of the training and of nothing else. So large classes must be changed as well, with the
# same chance. What that trap does here, we measure beside.
#
# Our network is frozen and its features are computed once. So each rare picture gets a few new versions, until its
# class has as many pictures as a large one: one in eight is the original, if there are seven versions. A picture of a
# large class gets one version, and each time it is shown, it is the original with the same chance. In all else it is
# plain training.

# %%
copies = many // few - 1
drawn = {kind: np.unique(np.concatenate([each.indices[each.rare[labels[each.indices]] == (kind == "rare")]
                                         for pair in draws for each in pair])) for kind in ("rare", "large")}
versions = {kind: np.array([cached_features(network, augment(images[each])) for _ in range(number)])
            for (kind, each), number in zip(drawn.items(), (copies, 1))}
versions = {kind: standard(each) for kind, each in versions.items()}  # (versions, pictures, features)


def augmented(draw, same_chance=True):
    """Train with rare classes filled up by new versions; large ones are changed with the same chance, or not."""
    is_rare, rng = draw.rare[labels[draw.indices]], np.random.default_rng(draw.seed)
    rare, large = draw.indices[is_rare], draw.indices[~is_rare]
    changed = versions["large"][0, np.searchsorted(drawn["large"], large)]
    inputs = np.concatenate([features[large], changed, features[rare],
                             *versions["rare"][:, np.searchsorted(drawn["rare"], rare)]])
    answers = labels[np.concatenate([large, large, *[rare] * (copies + 1)])]
    order = passes(np.delete(np.arange(len(answers)), np.s_[len(large) : 2 * len(large)]), steps, draw.seed)
    swapped = (order < len(large)) & (rng.random(len(order)) < copies / (copies + 1) * same_chance)
    order = order + len(large) * swapped
    head.fit(inputs[order], answers[order], batch_size=batch_size, shuffle=False, verbose=0)


logits["augmentation"] = over_draws(augmented)
gain, measured = against_plain("augmentation")
claim("practice-balance-augment", measured=measured, holds=gain.holds)

# %%
beyond = is_greater(rare_recall(logits["augmentation"]), rare_recall(logits["balanced batches"]), margin)
print(f"Rare recall, augmentation minus balanced batches: {sentence(beyond)}.")
only_rare = over_draws(lambda draw: augmented(draw, same_chance=False))
trap = is_greater(rare_recall(logits["augmentation"]), rare_recall(only_rare), margin)
print(f"Rare recall, all classes changed alike minus only rare ones changed: {sentence(trap)}.")

# %% [markdown]
# The claim compares filling up, all classes changed alike, with plain training: balance and new pictures together.
# The line after it is what new versions, of large classes too, add to balance alone: compare its interval with the
# margin. The last one is the trap: where its interval spans zero, this frozen network has not visibly fallen into it.
# Perhaps its features, learned elsewhere, make little of a tint. A network that learns its own may do worse.
#
# ## After training: correct the prior
#
# The share of class $k$ in the training set is $\pi_k$, its *prior*: what you would bet before you see the picture. A
# perfect model gives $p(k \mid x) \propto p(x \mid k)\, \pi_k$, and its logits $z_k$ are $\log p(k \mid x)$ up to a
# constant. (It is *calibrated*, too: of all that it gives 0.3, three in ten are so. We shall test that below.) If
# only the shares change, from $\pi$ to $\pi'$, then Bayes' rule multiplies by $\pi'_k / \pi_k$: add its logarithm to
# the logit, and nothing is trained again:
#
# $$z'_k = z_k + \tau \log \frac{\pi'_k}{\pi_k}, \qquad \tau = 1.$$
#
# It goes back to Saerens, Latinne and Decaestecker, 2002; Menon et al., 2021 ("Long-Tail Learning via Logit
# Adjustment"), show that it is the right target for balanced accuracy, and let the strength $\tau$ be tuned.

# %%
def correct_prior(logits, old_prior, new_prior, strength=1.0):
    """Return logits for a world in which the classes have other shares."""
    old, new = np.asarray(old_prior, float), np.asarray(new_prior, float)
    if old.shape != (np.shape(logits)[-1],) or new.shape != old.shape or min(old.min(), new.min()) <= 0:
        raise ValueError(f"Give each class a share above zero. Received: old_prior={old}, new_prior={new}")
    return logits + strength * (np.log(new / new.sum()) - np.log(old / old.sum()))


even = np.ones(num_classes)


def evened(logits, strength=1.0):
    """Correct logits (seeds, halves, pictures, classes) from the shares in training to even ones."""
    return np.stack([correct_prior(logits[:, half], counts[half], even, strength) for half in range(2)], axis=1)


logits["prior corrected"] = evened(logits["plain"])
gain, _ = against_plain("prior corrected")

# %% [markdown]
# One line of arithmetic, untuned: compare both numbers with those of the three remedies before. But is more also
# better? Every remedy has a strength: $\tau$, and a power of the weights. To compare them fairly we tune both in the
# same way, for balanced accuracy on pictures held out: those that other draws leave over. Who has five pictures of a
# class has none to spare for that. Then take the untuned rule, or cross-validation, as below.

# %%
held_out = {("weights", each): [] for each in weight_strengths} | {("prior corrected", each): [] for each in strengths}
for half, seed in [(half, seed) for half in range(2) for seed in selection_seeds]:
    draw = draw_pictures(is_rare[half], seed)
    rest = np.setdiff1d(np.arange(len(labels)), draw.indices)
    restart(head, head.optimizer)
    plain(draw)
    outputs = logits_of(head, features[rest])
    for way, strength in held_out:
        if way == "weights":
            restart(head, head.optimizer)
            weighted(draw, strength)
            answers = logits_of(head, features[rest]).argmax(axis=1)
        else:
            answers = correct_prior(outputs, counts[half], even, strength).argmax(axis=1)
        right = pd.Series(answers == labels[rest]).groupby(labels[rest]).mean()  # a class may have none to spare
        held_out[way, strength].append(right.mean())

# %%
held_out, best = {key: np.mean(values) for key, values in held_out.items()}, {}
for way in ("weights", "prior corrected"):
    of_way = {strength: value for (each, strength), value in held_out.items() if each == way}
    best[way] = max(of_way, key=of_way.get)
    print(f"Balanced accuracy on pictures held out, {way}, by strength: "
          + ", ".join(f"{value:.3f} at {strength:g}" for strength, value in of_way.items()) + ".")
logits["weights, tuned"] = over_draws(lambda draw: weighted(draw, best["weights"]))
logits["prior corrected, tuned"] = evened(logits["plain"], best["prior corrected"])

# %%
def balanced_accuracy(logits):
    """Return the mean recall over all classes, one for each seed."""
    return recalls(logits).mean(axis=(1, 2))


remedies = ["weights", "balanced batches", "augmentation", "weights, tuned"]
for way in ("plain", *remedies[:3], "prior corrected, tuned"):
    ahead = is_greater(balanced_accuracy(logits["prior corrected"]), balanced_accuracy(logits[way]), margin)
    print(f"Balanced accuracy, prior corrected minus {way}: {sentence(ahead)}.")
for way in ("prior corrected", "prior corrected, tuned"):
    same = is_equal(balanced_accuracy(logits[way]), balanced_accuracy(logits["weights, tuned"]), margin)
    print(f"Balanced accuracy, {way} minus weights, tuned: {equality(same)}.")

# %% [markdown]
# "Prior corrected" without more is $\tau = 1$, the rule that everyone can use. The usual weights stay behind it; with a
# tuned power they come near. Does any remedy do better than a place on the way that $\tau$ goes?

# %%
figure, ax = plt.subplots(figsize=(5.0, 3.8))
curve = {strength: evened(logits["plain"], strength) for strength in strengths}
line_large, line_rare = (np.array([of(each) for each in curve.values()]) for of in (large_recall, rare_recall))
ax.plot(line_large.mean(axis=1), line_rare.mean(axis=1), ".-", color="0.5", label="prior corrected", zorder=1)
for strength, x, y in zip(strengths, line_large.mean(axis=1), line_rare.mean(axis=1)):
    ax.annotate(f"{strength:g}", (x, y), (12, 4), textcoords="offset points", ha="center", fontsize=8, color="0.3")
for way, marker in zip(("plain", *remedies), "osD^v"):
    x, y = large_recall(logits[way]), rare_recall(logits[way])
    ax.errorbar(x.mean(), y.mean(), xerr=[[x.mean() - x.min()], [x.max() - x.mean()]],
                yerr=[[y.mean() - y.min()], [y.max() - y.mean()]], marker=marker, ls="", ms=7, lw=1, label=way)
ax.set(title="What rare classes win, large ones pay", xlabel="recall of large classes", ylabel="recall of rare classes")
ax.legend(fontsize=8)
plt.show()

# %%
for way in remedies:
    on_line = []  # recall of large classes of the line, where it has the same recall of rare ones
    for seed, x in enumerate(rare_recall(logits[way])):
        rising = np.maximum.accumulate(line_rare[:, seed])
        on_line.append(np.interp(x, rising, line_large[:, seed]))
    kept = is_equal(large_recall(logits[way]), np.array(on_line), margin)
    verdict = {True: "on the line, to within the margin", False: "off the line", None: "undecided"}[kept.holds]
    print(f"{way}, recall of large classes minus that of the line at equal rare recall: {sentence(kept)}, {verdict}.")

# %% [markdown]
# A mark is a mean over seeds; its bars go from the lowest to the highest. The grey line is one head, trained plainly,
# with several strengths of one line of code; the numbers are $\tau$. A remedy *on* the line buys nothing that this line
# would not: it has only chosen a place on it. A remedy to the right of it has taught the model something.
#
# Why did the usual weights move so little? A likely reason: the head gets all training pictures right, as we saw, and
# then the errors left to weigh are small. A higher power pulls harder. The correction acts on the logits after that,
# and does not ask the loss.
#
# ### And a network that is trained whole?
#
# A head on frozen features is one case. Here is another: a small network from scratch on Fashion-MNIST, its classes
# rare and large in turn as before. One compiled model serves all; a seed draws its pictures and its weights.

# %%
clothes, clothes_labels = load_arrays("fashion_mnist", "train[:5000]")
clothes_test, clothes_test_labels = load_arrays("fashion_mnist", f"test[:{whole_tests}]")


def small_network():
    """Build three convolutions with batch normalisation, and a head."""
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Rescaling(1 / 128, offset=-1)])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(10, name="logits"))
    return model


starts, whole = [small_network().get_weights() for _ in whole_seeds], small_network()
falling = keras.optimizers.schedules.CosineDecay(whole_learning_rate, whole_steps)
whole.compile(keras.optimizers.Adam(falling), head.loss, steps_per_execution=head.steps_per_execution)
whole.optimizer.build(whole.trainable_variables)


def train_whole(start, order, weights):
    """Train the network from these weights, and return its logits for the test."""
    restart(whole.optimizer)
    whole.set_weights(start)
    whole.fit(clothes[order], clothes_labels[order], batch_size, shuffle=False, verbose=0,
              class_weight=dict(enumerate(weights)))
    return whole.predict(clothes_test, batch_size=500, verbose=0)


# %%
even_numbers, clothes_recall = np.arange(10) % 2 == 0, {"plain": [], "weights": [], "prior corrected": []}
for start, seed in zip(starts, whole_seeds):
    found = {way: [] for way in clothes_recall}
    for rare in (even_numbers, ~even_numbers):
        chosen = draw_pictures(rare, seed, clothes_labels, whole_few, whole_many).indices
        order = passes(chosen, whole_steps, seed)
        outputs = {"plain": train_whole(start, order, np.ones(10)),
                   "weights": train_whole(start, order, class_weights(clothes_labels[chosen]))}
        prior = np.bincount(clothes_labels[chosen])
        outputs["prior corrected"] = correct_prior(outputs["plain"], prior, np.ones(10))
        for way, each in outputs.items():
            right = recall_score(clothes_test_labels, each.argmax(axis=1), average=None, zero_division=0)
            found[way].append([right[rare].mean(), right[~rare].mean()])
    for way in found:
        clothes_recall[way].append(np.mean(found[way], axis=0))
clothes_recall = {way: np.array(values) for way, values in clothes_recall.items()}  # (seeds, 2)

# %%
for way, values in clothes_recall.items():
    gain = is_greater(values[:, 0], clothes_recall["plain"][:, 0], margin)
    print(f"{way}: recall of rare classes {values[:, 0].mean():.2f}, of large ones {values[:, 1].mean():.2f}"
          + (f"; gain of rare ones {sentence(gain)}." if way != "plain" else "."))
ahead = is_greater(clothes_recall["prior corrected"].mean(axis=1), clothes_recall["weights"].mean(axis=1), margin)
print(f"Balanced accuracy, prior corrected minus weights: {sentence(ahead)}.")

# %% [markdown]
# Rare classes win far more than large ones pay, with either remedy. Here the usual weights do about as much as the
# correction; perhaps 128 steps from scratch learn less by heart, which we did not measure. Hold the last interval
# against the margin, and remember that the correction took no training; its numbers come from the plain network.
#
# ## When balancing hurts
#
# First, probabilities. Let the world be as the training was, few pictures rare, and ask each model how likely a picture
# is rare. The expected calibration error is the mean distance between what it gives and how often it is so. (Guo et
# al., 2017, define it for the event "the answer is right"; ours is "this is rare".)

# %%
def calibration_error(probabilities, happened, bins=15, weights=None):
    """Return how far probabilities are from the frequencies of what they predict."""
    probabilities, happened = np.asarray(probabilities, float), np.asarray(happened, float)
    weights = np.ones(len(happened)) if weights is None else np.asarray(weights, float)
    if not (probabilities.shape == happened.shape == weights.shape and probabilities.ndim == 1):
        shapes = f"shapes {probabilities.shape}, {happened.shape}, {weights.shape}"
        raise ValueError(f"Give a probability, what happened and a weight for each picture. Received: {shapes}")
    if not ((0 <= probabilities) & (probabilities <= 1)).all():
        low, high = probabilities.min(), probabilities.max()
        raise ValueError(f"Give probabilities, not logits. Received: numbers from {low:.3g} to {high:.3g}")
    bin_of = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, weights * (happened - probabilities))
    return float(np.abs(gaps).sum() / weights.sum())


# %%
shares = counts / counts.sum(axis=1, keepdims=True)  # of the world as in training, (halves, classes)
mix = shares[:, test_labels] / test_sizes[test_labels]  # of each test picture there, (halves, pictures)
happened = is_rare[:, test_labels]


def rare_probability(logits):
    """Return how likely a model finds a picture rare, (seeds, halves, pictures)."""
    return np.clip(np.where(is_rare[:, None], softmax(logits, axis=-1), 0).sum(axis=-1), 0, 1)


def errors(logits):
    """Return the calibration error of "this is rare" in that world, one for each seed."""
    return np.array([np.mean([calibration_error(p, happened[half], bins, mix[half]) for half, p in enumerate(pair)])
                     for pair in rare_probability(logits)])


back = [correct_prior(logits["weights"][:, half], even, counts[half]) for half in range(2)]
logits["weights, corrected back"] = np.stack(back, axis=1)
asked = ["plain", "weights", "prior corrected", "weights, corrected back"]
for way in asked:
    expected = np.sum(rare_probability(logits[way]) * mix, axis=-1).mean()
    print(f"{way}: takes {expected:.0%} of the pictures for rare, counted by probabilities; calibration error "
          f"{errors(logits[way]).mean():.2f}.")
print(f"True: {np.sum(happened * mix, axis=-1).mean():.0%} are rare.")

# %%
figure, ax = plt.subplots(figsize=(4.8, 3.8))
ax.plot([0, 1], [0, 1], color="0.6", lw=1, label="calibrated")
for way, marker in zip(asked, "os^D"):
    p, weight = rare_probability(logits[way]), np.broadcast_to(mix, (len(seeds), *mix.shape))
    bin_of = np.minimum((p * bins).astype(int), bins - 1).ravel()
    of_bin = [np.bincount(bin_of, weight.ravel() * each.ravel(), bins) for each in (p * 0 + 1, p, p * 0 + happened)]
    full = np.bincount(bin_of, minlength=bins) >= 50
    total, given, was = (each[full] for each in of_bin)
    ax.plot(given / total, was / total, marker=marker, label=way)
ax.set(title="Is it rare? In a world like the training", xlabel="probability that the model gives, mean of a bin",
       ylabel="share of rare pictures", xlim=(0, 1), ylim=(0, 1))
ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, columnspacing=1)
plt.show()

# %% [markdown]
# Below the diagonal a model says "rare" too surely, above it too seldom. The calibration error weighs each bin by its
# pictures; the plot does not, and leaves out bins with fewer than 50 predictions. So a line that strays only where it
# has few pictures can still have a small error. Plain training should know best how many are rare: its loss is that
# of this world. The whole correction speaks of a world in which half of all pictures are rare; here that is false,
# and its line lies lowest over most of the range. Weights moved probabilities, like recall, less than the correction
# did. So the same line of code, read backwards, overshoots after them: it takes back a balance that they had not
# brought.
#
# Second, accuracy. In the world as it was, large classes are asked for more often, and their recall counts more.

# %%
def accuracy(logits):
    """Return the accuracy where classes are as frequent as in training, one for each seed."""
    return np.sum(recalls(logits) * shares, axis=-1).mean(axis=1)


for way in (*remedies, "prior corrected", "prior corrected, tuned"):
    print(f"Accuracy in the world as in training, lost by {way}: "
          f"{sentence(is_greater(accuracy(logits['plain']), accuracy(logits[way]), margin))}.")

# %% [markdown]
# A remedy whose interval reaches below the margin has shown no loss that matters. A stronger balance costs more
# accuracy: what it wins for rare classes counts little in a world that seldom asks for them.
#
# Third, weights may fade. A network that can get every training picture right, and is not held back, will do so, and
# then the loss is near zero however it is weighted. Byrd and Lipton, 2019 ("What is the Effect of Importance Weighting
# in Deep Learning?"), saw this in deep networks; an L2 penalty together with batch normalisation gave some of the
# effect back. Our head can be trained so too: no penalty, and more and more steps.

# %%
free, over_steps, right = dense_head(0.0, stops[-1]), {"plain": [], "weights": [], "prior corrected": []}, []
for pair in draws:
    seen = np.zeros((2, 3, len(stops)))  # halves, ways, stops
    for half, draw in enumerate(pair):
        for row, weights in enumerate((even, class_weights(labels[draw.indices]))):
            order = passes(draw.indices, stops[-1], draw.seed)
            restart(free, free.optimizer)
            for column, (start, stop) in enumerate(zip([0, *stops], stops)):
                part = order[start * batch_size : stop * batch_size]
                free.fit(features[part], labels[part], batch_size, shuffle=False, verbose=0,
                         class_weight=dict(enumerate(weights)))
                outputs = logits_of(free)
                seen[half, row, column] = recalls(outputs)[draw.rare].mean()
                if row == 0:
                    seen[half, 2, column] = recalls(correct_prior(outputs, counts[half], even))[draw.rare].mean()
                    learned = logits_of(free, features[draw.indices]).argmax(axis=1) == labels[draw.indices]
                    right.append((stop, learned.mean()))
    for way, values in zip(over_steps, seen.mean(axis=0)):
        over_steps[way].append(values)
over_steps = {way: np.array(values) for way, values in over_steps.items()}  # (seeds, stops)

# %%
figure, ax = plt.subplots(figsize=(5.0, 3.0))
for (way, values), marker in zip(over_steps.items(), "os^"):
    (line,) = ax.plot(stops, values.mean(axis=0), marker=marker, label=way)
    ax.fill_between(stops, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.2, lw=0)
ax.set(title="A training without penalty", xlabel="steps, logarithmic", xscale="log", ylabel="recall of rare classes")
ax.set_xticks(stops, stops)
ax.minorticks_off()
ax.set_ylim(0, None)
ax.legend(fontsize=8)
plt.show()
right = pd.DataFrame(right, columns=["stop", "right"]).groupby("stop").right.mean()
print("Right in training, plain: " + ", ".join(f"{each:.0%} after {stop} steps" for stop, each in right.items()) + ".")
for way in ("weights", "prior corrected"):
    gap = over_steps[way] - over_steps["plain"]
    print(f"{way} minus plain, gap after {stops[0]} steps, minus gap after {stops[-1]}: "
          f"{sentence(is_greater(gap[:, 0], gap[:, -1], margin))}.")
print(f"Rare recall, plain: {over_steps['plain'][:, -1].mean():.2f} after {stops[-1]} steps without penalty, "
      f"{rare_recall(logits['plain']).mean():.2f} after {steps} with it.")

# %% [markdown]
# Bands go from the lowest to the highest seed. Weights act most at the start, and lose a part of their effect as the
# last training pictures are learned; what is left is the gap at the right. If they do little in a network of yours,
# look at its training accuracy: near 100 % the errors left to weigh are small. The correction comes after the
# training and fades less here. Nor will it last for ever: without a penalty logits grow without end, and a fixed
# shift counts for less and less.
#
# The last line is a warning about plain training. A penalty holds back the weights that tell pictures apart, and not
# the biases, so it can make a model favour large classes more. How much bias you see depends on it, too.
#
# ## Two answers: move the threshold
#
# Often the question is yes or no: is it a vehicle? Then there is nothing to balance before you have looked at one
# number, the threshold. With two answers `argmax` means 0.5, and nobody has chosen that. Choose it on predictions for
# pictures that the model has not seen: with few pictures, each predicted by a model that learned from the others
# (`cross_val_predict`). We take the one with the largest F1, the harmonic mean of precision and recall, and for
# comparison the share of the class: as a threshold that is the prior correction to equal parts of yes and no.

# %%
classifier = LogisticRegression(C=4, max_iter=300)
unseen = cross_val_predict(classifier, features, labels, cv=5, method="predict_proba")  # pictures for training
tested = classifier.fit(features, labels).predict_proba(test_features)
yes = names.index(positive)
precision, recall, thresholds = precision_recall_curve(labels == yes, unseen[:, yes])
f1 = 2 * precision * recall / (precision + recall + 1e-12)
chosen = thresholds[f1[:-1].argmax()]

# %%
figure, ax = plt.subplots(figsize=(4.9, 3.1))
precision, recall, _ = precision_recall_curve(test_labels == yes, tested[:, yes])
ax.step(recall, precision, where="post", color="0.5")
for (name, threshold), marker in zip({"usual": 0.5, "chosen": chosen, "its share": share[yes]}.items(), "os^"):
    answers = tested[:, yes] >= threshold
    at = [recall_score(test_labels == yes, answers), precision_score(test_labels == yes, answers, zero_division=0)]
    ax.plot(*at, marker, ms=8, label=f"{name}: {threshold:.2f}")
    print(f"Threshold {threshold:.2f} ({name}): {answers.sum()} pictures called {positive}, precision {at[1]:.2f}, "
          f"recall {at[0]:.2f}, F1 {2 * at[0] * at[1] / max(sum(at), 1e-12):.2f}.")
ax.set(title=f"One head, three thresholds: {positive} or not", xlabel=f"recall, {test_sizes[yes]} {positive} pictures",
       ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
ax.legend(title="threshold", loc="lower left")
plt.show()

# %% [markdown]
# The grey line is all that this head can do, and we expect weights on the positive class to move mostly along it. If
# you know what a miss and a false alarm cost, take the threshold at *cost of a false alarm / (both costs added)*, for
# calibrated probabilities (Elkan, 2001). One question and one training set: read the marks as an example, not as a
# law. (For two classes scikit-learn has all of it in `TunedThresholdClassifierCV`.)
#
# ## Which to take

# %%
shown = ["plain", "weights", "balanced batches", "augmentation", "prior corrected", "weights, tuned",
         "prior corrected, tuned"]
rows = {}
for way in shown:
    rows[way] = {"rare recall": rare_recall(logits[way]).mean(), "large recall": large_recall(logits[way]).mean(),
                 "balanced accuracy": balanced_accuracy(logits[way]).mean(),
                 "accuracy, as in training": accuracy(logits[way]).mean(),
                 "calibration error": errors(logits[way]).mean()}
even_recall = recalls(even_logits)[:, 0].mean()
print(f"To throw pictures away, {few} of every class, gives a balanced accuracy of {even_recall:.2f}.")
pd.DataFrame.from_dict(rows, orient="index").round(2)

# %% [markdown]
# The calibration error is that of "this is rare" in a world like the training. Hold the first number against the
# column of balanced accuracy: to throw pictures away is balance, too, but large classes lose what their pictures had
# taught.
#
# | take | when |
# |---|---|
# | plain training | the world is as the training, and all mistakes cost alike |
# | prior corrected | first, when rare classes matter more than their share; it costs no training |
# | a threshold | two answers, or costs that you know |
# | weights | the training itself should serve rare classes; tune their power, and look whether they act at all |
# | balanced batches | the same goal as weights, with less noise in a batch |
# | augmentation | more rare pictures cannot be had, and a trial shows a gain beyond the line; change all classes |
#
# All of it moves borders between classes. Most of the way from triangle to square, in the plot of three training
# sets, needs more pictures.
#
# ## Summary
#
# - Imbalance is measured with the same class, the same pictures and other rivals. What remains when the rivals are as
#   few is no bias, but lack of pictures.
# - Weights $n / (K n_k)$ and balanced batches aim at the same gradient. Rare recall rises; the further it rises, by
#   whatever remedy, the more of large recall it costs. New versions of pictures raise it, too; whether they leave the
#   line of $\tau$ has to be measured. Change large classes with the same chance.
# - A correction of the prior, or a threshold, moves the same way after training; how far depends on $\tau$. Hold each
#   remedy against that line before you pay for it.
# - Strong balancing spoils probabilities and can cost accuracy in a world like the training, and weights lose a part
#   of their effect in a network that learns all by heart.
#
# ## Exercises
#
# **Predict.** A training set has 8 classes of 60 pictures and 4 of 10. What weight has a picture of a rare class, by
# the formula above? And: for one picture a head gives its large class a logit of 2 and a rare class a logit of 1.
# After the whole correction to a world of equal classes, by how much does the rare logit lead (negative, if it does
# not)? Two decimals are enough; `math.log` is the natural logarithm.

# %% tags=["exercise", "exercise-correction"]
weight_of_rare = ...
lead_of_rare = ...

# %% tags=["check"]
if weight_of_rare is ... or lead_of_rare is ...:
    print("Not answered yet: replace the dots above.")
else:
    example = np.repeat(np.arange(12), [60] * 8 + [10] * 4)
    right = class_weights(example).max()
    corrected = correct_prior([2.0, 1.0], [60, 10], [1, 1])
    lead = corrected[1] - corrected[0]
    numbers = (int, float, np.number)
    assert isinstance(weight_of_rare, numbers) and isinstance(lead_of_rare, numbers), "Write two numbers, such as 0.25."
    hints = {6.0: "That is the ratio of rare to large weight. The mean weight over pictures has to be 1.",
             52.0: "Nearly: n over n_k. Divide by the number of classes as well.",
             520 / 720: "That is the weight of a large class.",
             0.1: "That is 1 / n_k. Its mean over pictures is not 1."}
    hint = next((hint for value, hint in hints.items() if abs(weight_of_rare - value) < 0.006), None)
    assert abs(weight_of_rare - right) < 0.006, hint or "Not this weight. How many pictures are there in all?"
    hints = {-1 - math.log(6): "Turn the sign of the correction: a class gains if its share grows.",
             5.0: "Logits are logarithms: add the logarithm of the ratio, not the ratio.",
             -1 + math.log10(6): "That is the decimal logarithm. The softmax has e for its base.",
             -1 + math.log2(6): "That is the binary logarithm. The softmax has e for its base.",
             math.log(6): "That is how far the correction moves them. Where were they before?",
             -1.0: "That is the lead before the correction."}
    hint = next((hint for value, hint in hints.items() if abs(lead_of_rare - value) < 0.006), None)
    assert abs(lead_of_rare - lead) < 0.006, hint or "Not this lead. What do both corrections add to the difference?"
    print(f"Right: weight {right:.2f}, lead {lead:.2f}. The answer changes: the large class led by a factor of "
          f"{math.e:.1f}, and its share alone had given it {60 / 10:g}. The picture itself speaks for the rare one.")

# %% [markdown]
# **Modify.** Set `penalty` to 0.001, then to 0.00001. How do the best $\tau$ and the gain by weights move, and why?
# Then set `few` to 10: is a larger part of the loss bias, or lack of pictures?
#
# **Extend.** What if nobody tells you the new shares? Saerens, Latinne and Decaestecker estimate them from unlabelled
# pictures: begin with the old prior, correct the probabilities, average them over all pictures, take that for the
# prior, and repeat. Try it on `tested`, in the test as it is and with equal classes. How far is it from the truth, and
# does it get nearer if you first divide the logits by a temperature fitted on `unseen`?
