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
# *Forty pictures of one class, five of another, and a model that hardly ever answers with the second. Weights in the
# loss, balanced batches, new pictures by augmentation: what does each buy, and what does it cost? And how far does one
# line get you, after training, for nothing?*
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
selection_seeds = [100, 101, 102]  # of the pictures by which a strength is chosen
recipe = "practice"  # of the augmentation, one of RECIPES in helpers.augmentation
batch_size = 32  # pictures per training step
steps = 240  # of a training, a multiple of 16
learning_rate = 0.001  # of Adam
penalty = 0.1  # times the sum of the squared weights of the head
strengths = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]  # of a correction of the prior
gradient_batches = 256  # batches whose gradients are compared
stops = [16, 64, 256]  # steps at which a training without penalty is looked at, multiples of 16
long_rate = 0.003  # of Adam, there
whole_few = 10  # pictures of a rare class of Fashion-MNIST, for a network trained whole
whole_many = 100  # of a large class
whole_seeds = [0, 1, 2]  # of pictures and weights; three at least
whole_steps = 128  # of a training, a multiple of 16
whole_rate = 0.003  # of Adam
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
rng = np.random.default_rng(seeds[0])

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
features, test_features = (features - mean) / spread, (test_features - mean) / spread
class_sizes, test_sizes = np.bincount(labels), np.bincount(test_labels)
print(f"{len(labels)} pictures to learn from, {class_sizes.min()} to {class_sizes.max()} of a class; "
      f"{len(test_labels)} for the test, {test_sizes.min()} to {test_sizes.max()} of a class.")

# %% [markdown]
# The head is one dense layer with an L2 penalty. Its loss is convex, so it may start at zero; what chance decides is
# which pictures it gets, and in what order. One compiled head serves all of them and is set back each time. Its penalty
# was chosen before, on pictures of other draws held out: of 0.03, 0.1, 0.2 and 0.3 this one gave plain training the
# smallest loss.


# %%
def dense_head(penalty):
    """Build and compile one dense layer on features."""
    kernel = {"kernel_initializer": "zeros", "kernel_regularizer": keras.regularizers.L2(penalty)}
    head = keras.Sequential([keras.Input((features.shape[1],)), layers.Dense(num_classes, name="logits", **kernel)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    at_once = 1 if keras.backend.backend() == "torch" else 16  # steps per call of the backend
    head.compile(keras.optimizers.Adam(), loss, steps_per_execution=at_once)
    head.optimizer.build(head.trainable_variables)
    return head


def restart(head, rate):
    """Set the layer and its optimiser back to their start."""
    for variable in [*head.variables, *head.optimizer.variables]:
        variable.assign(np.zeros(variable.shape))
    head.optimizer.learning_rate = rate


def passes(indices, steps):
    """Return shuffled passes over these pictures, as long as so many steps: `fit` is slow to begin an epoch."""
    epochs = math.ceil(steps * batch_size / len(indices))
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
head, found = dense_head(penalty), []
for seed in seeds:
    order = passes(np.random.default_rng(seed).permutation(len(labels))[: int(0.8 * len(labels))], steps)
    restart(head, learning_rate)
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
       ylabel="class, pictures in the training set")
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
# - many among few and many, minus few among few: above all what more pictures teach,
# - few among few, minus few among many: what imbalance does, and this we call *bias*.

# %%
Draw = namedtuple("Draw", "indices rare")  # of training pictures; which classes are rare, (classes,)


def draw(rare, seed, labels=labels, few=few, many=many):
    """Draw training pictures, `few` of the rare classes and `many` of the others."""
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(labels == label)) for label in range(len(rare))]
    taken = [each[: few if is_rare else many] for each, is_rare in zip(members, rare)]
    return Draw(np.concatenate(taken), rare)


first_half = np.isin(np.arange(num_classes), np.argsort(class_sizes)[::2])
is_rare = np.array([first_half, ~first_half])  # (halves, classes)
draws = [[draw(rare, seed) for rare in is_rare] for seed in seeds]
even_draws = [[draw(np.ones(num_classes, bool), seed)] for seed in seeds]
counts = np.array([np.bincount(labels[each.indices]) for each in draws[0]])  # (halves, classes)
for rare, count in zip(is_rare, counts):
    print(f"Rare: {', '.join(np.array(names)[rare])}. They have {few} pictures each, "
          f"{count[rare].sum() / count.sum():.0%} of all; the others have {count[~rare].max()}, or all there are.")


# %%
def over_draws(train, draws=draws):
    """Train the head on each draw, and return its logits for the test, (seeds, halves, pictures, classes)."""
    found = []
    for each in (each for pair in draws for each in pair):
        restart(head, learning_rate)
        train(each)
        found.append(logits_of(head))
    return np.reshape(found, (len(draws), -1, len(test_labels), num_classes))


def plain(draw):
    order = passes(draw.indices, steps)
    head.fit(features[order], labels[order], batch_size=batch_size, shuffle=False, verbose=0)


logits, even_logits = {"plain": over_draws(plain)}, over_draws(plain, even_draws)

# %%
recall = recalls(logits["plain"])  # (seeds, halves, classes)
as_rare, as_large = np.where(is_rare, recall, 0).sum(axis=1), np.where(~is_rare, recall, 0).sum(axis=1)
as_even = recalls(even_logits)[:, 0]
ways = {f"{few}, the others {many}": (as_rare, "o"), f"{few}, all others {few}": (as_even, "^"),
        f"{many}, half of the others {few}": (as_large, "s")}
figure, ax = plt.subplots(figsize=(5.4, 3.6))
rows = np.argsort(as_rare.mean(axis=0) - as_even.mean(axis=0))
for label, (values, marker) in ways.items():
    ax.plot(values.mean(axis=0)[rows], range(num_classes), marker, ls="", label=label)
ax.hlines(range(num_classes), as_rare.mean(axis=0)[rows], as_large.mean(axis=0)[rows], color="0.7", lw=1, zorder=0)
ax.set(title="The same class in three training sets", xlabel="recall in the test, mean over seeds", xlim=(0, 1))
ax.set_yticks(range(num_classes), np.array(names)[rows])
ax.legend(title="training pictures", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=8,
          title_fontsize=8, columnspacing=1)
plt.show()

# %%
def rare_share(logits):
    """Return the share of answers that are rare classes, where all classes are equally frequent in the test."""
    answers = logits.argmax(axis=-1)  # (seeds, halves, pictures)
    answered = np.stack([is_rare[half][answers[:, half]] for half in range(2)], axis=1)
    return np.average(answered, axis=-1, weights=1 / test_sizes[test_labels]).mean(axis=1)


bias = is_greater(as_even.mean(axis=1), as_rare.mean(axis=1), margin)
lack = is_greater(as_large.mean(axis=1), as_even.mean(axis=1), margin)
print(f"What imbalance takes from the recall of a class: {bias}")
print(f"What {many} pictures add to {few}, half of the rivals being rare: {lack}")
claim("practice-balance-bias", measured=f"recall of a class with {few} pictures {as_even.mean():.2f} if the others "
      f"have {few} too, {as_rare.mean():.2f} if half of them have {many}; rare classes are 0.50 of an even test, and "
      f"{rare_share(logits['plain']).mean():.2f} of the answers", holds=bias.holds)

# %% [markdown]
# A circle left of its triangle is bias: the class has not lost a picture. From triangle to square more teaching and
# less rivalry come together. The slide says that the model overfits to the large classes ("переобучается"). Say rather
# that it learns what it is shown: where few pictures are rare, "rare" is a poor bet, and a loss averaged over
# pictures rewards good bets. In a world of that mix the bet is right. It is wrong if your world, or what a mistake
# costs there, is another.
#
# ## Weights in the loss
#
# The first remedy of the slide. It says "inversely to the number of classes"; the number of *examples* of the class is
# meant. With $n$ pictures, $n_k$ of class $k$, and $K$ classes the usual weights are
#
# $$w_k = \frac{n}{K n_k}, \qquad \frac{1}{n} \sum_i w_{k_i} = 1,$$
#
# so every class has the same total weight, and the mean loss keeps its scale. (A milder choice are weights by the
# *effective number*, proportional to $(1 - \beta) / (1 - \beta^{n_k})$: Cui et al., 2019. With $\beta$ towards 1 they
# become these, with 0 all are 1.) In Keras it is one argument of `fit`; scikit-learn has the formula, too, as
# `compute_class_weight`.

# %%
def class_weights(labels):
    """Return the weight of each class, n / (K n_k); their mean over pictures is 1."""
    counts = np.bincount(labels)
    return len(labels) / (len(counts) * counts)


def weighted(draw):
    order, weights = passes(draw.indices, steps), dict(enumerate(class_weights(labels[draw.indices])))
    head.fit(features[order], labels[order], batch_size=batch_size, shuffle=False, class_weight=weights, verbose=0)


logits["weights"] = over_draws(weighted)
weights = class_weights(labels[draws[0][0].indices])
print(f"First half rare: weight {weights.max():.2f} for a rare class, {weights.min():.2f} for a large one, on average "
      f"over pictures {weights[labels[draws[0][0].indices]].mean():.2f}.")

# %%
def rare_recall(logits):
    """Return the recall of rare classes, one for each seed."""
    return recalls(logits)[:, is_rare].mean(axis=1)


def large_recall(logits):
    """Return the recall of large classes, one for each seed."""
    return recalls(logits)[:, ~is_rare].mean(axis=1)


def judge(claim_id, way):
    """Compare the recall of rare classes with that after plain training."""
    gain = is_greater(rare_recall(logits[way]), rare_recall(logits["plain"]), margin)
    loss = is_greater(large_recall(logits["plain"]), large_recall(logits[way]), margin)
    print(f"Recall of rare classes, gain: {gain}\nRecall of large classes, loss: {loss}")
    claim(claim_id, measured=f"recall of rare classes {rare_recall(logits['plain']).mean():.2f} plain, "
          f"{rare_recall(logits[way]).mean():.2f} so; of large ones {large_recall(logits['plain']).mean():.2f} and "
          f"{large_recall(logits[way]).mean():.2f}", holds=gain.holds)


judge("practice-balance-weights", "weights")

# %% [markdown]
# What rare classes win, large ones pay a part of. Keep both numbers in mind for the next two remedies.
#
# Two traps. Keras divides the weighted losses of a batch by the number of its pictures, not by the sum of its weights:
# a batch that happens to hold several rare pictures takes a larger step. And weights of a hundred make a few pictures
# speak for a whole batch: then take a smaller learning rate or larger batches.
#
# ## Balanced batches
#
# The second remedy draws each class equally often. A `PyDataset` gives `fit` one batch at a time, by index, so nothing
# is copied ahead: rare pictures just come up more often. (With `tf.data` it is `Dataset.sample_from_datasets`, one
# repeated data set for each class, or `Dataset.rejection_resample`, which throws pictures of large classes away.)


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


# %%
def balanced(draw):
    head.fit(BalancedBatches(features[draw.indices], labels[draw.indices], batch_size, steps), verbose=0)


logits["balanced batches"] = over_draws(balanced)
judge("practice-balance-batch", "balanced batches")
of_class = steps * batch_size / num_classes
print(f"In {steps} batches each picture of a rare class was shown {of_class / few:.0f} times, of a large one "
      f"{of_class / many:.0f} times.")
same = is_equal(rare_recall(logits["balanced batches"]), rare_recall(logits["weights"]), 0.05)
print(f"Rare recall, balanced batches minus weights: {same}. Equal to within 0.05: {same.holds}.")

# %% [markdown]
# It goes round the classes, from one drawn at random, as 32 places are not a multiple of 12 classes. Weights and
# balanced batches seem to do the same. They should: both have the same *expected* gradient, and differ in its noise.
# Here it can be seen. For one dense layer the gradient of a picture is its features times (probabilities minus the
# one right answer).

# %%
indices = draws[0][0].indices
error = np.full((len(indices), num_classes), 1 / num_classes)  # at the start all classes are equally likely
error[np.arange(len(indices)), labels[indices]] -= 1
gradients = (features[indices][:, :, None] * error[:, None, :]).reshape(len(indices), -1)
weights = class_weights(labels[indices])[labels[indices]]
goal = weights @ gradients / len(indices)  # of the weighted loss, over all pictures at once
sampler = BalancedBatches(np.arange(len(indices)), labels[indices], batch_size)
taken = {"plain batches, weighted": lambda index: rng.choice(len(indices), batch_size, replace=False),
         "balanced batches": lambda index: sampler[index][0]}
for way, take in taken.items():
    scale = weights if "weighted" in way else np.ones(len(indices))
    batches = [take(index) for index in range(gradient_batches)]
    each = np.array([scale[batch] @ gradients[batch] / batch_size for batch in batches])
    alone = np.sqrt(np.mean(np.sum((each - goal) ** 2, axis=1))) / np.linalg.norm(goal)
    together = np.linalg.norm(each.mean(axis=0) - goal) / np.linalg.norm(goal)
    print(f"{way}: one batch is {alone:.2f} lengths of the weighted gradient away from it, the mean of "
          f"{gradient_batches} is {together:.2f}; chance alone would leave about {alone / gradient_batches**0.5:.2f}.")

# %% [markdown]
# The mean of many batches comes as near as chance lets it: one goal for both. What differs is the noise of one batch.
# A balanced batch has two or three pictures of each class; in a plain one most rare classes are missing, and the one
# that is there counts several times.
#
# ## More pictures by augmentation
#
# The third remedy adds rare pictures. To show a picture a hundred times teaches little that is new; so show it
# changed. Lesson 15 is about how; here we take the deck's own recipe: mirror, crop, light, tint. With a network that
# is trained whole, `augment` of the batches above does it on the fly.

# %%
augment = augmenter(RECIPES[recipe], seed=seeds[0])
example = draws[0][0].indices[labels[draws[0][0].indices] == np.flatnonzero(is_rare[0])[0]]
batch, answers = BalancedBatches(images[example], labels[example], batch_size=6, augment=augment)[0]
repeated, _ = BalancedBatches(images[example], labels[example], batch_size=6)[0]
figure, axes = plt.subplots(2, 1, figsize=(3.2, 1.7))
plot_images(repeated, columns=6, heading=f"Repeated: {few} of {names[answers[0]]}", ax=axes[0])
plot_images(batch, columns=6, heading="Augmented on the fly", ax=axes[1])
plt.show()

# %% [markdown]
# Our network is frozen and its features are computed once. So each rare picture gets a few new versions, until its
# class has as many pictures as a large one, and plain training goes over all. Compare it with balanced batches too:
# there the balance is the same, only without new pictures.

# %%
copies = many // few - 1
scarce = np.unique(np.concatenate([each.indices[each.rare[labels[each.indices]]] for pair in draws for each in pair]))
new = np.array([cached_features(network, augment(images[scarce])) for _ in range(copies)])
new = (new - mean) / spread  # (copies, pictures, features)


def augmented(draw):
    rare = draw.indices[draw.rare[labels[draw.indices]]]
    inputs = np.concatenate([features[draw.indices], *new[:, np.searchsorted(scarce, rare)]])
    answers = np.concatenate([labels[draw.indices], *[labels[rare]] * copies])
    order = passes(np.arange(len(answers)), steps)
    head.fit(inputs[order], answers[order], batch_size=batch_size, shuffle=False, verbose=0)


logits["augmentation"] = over_draws(augmented)
judge("practice-balance-augment", "augmentation")
beyond = is_greater(rare_recall(logits["augmentation"]), rare_recall(logits["balanced batches"]), margin)
print(f"Rare recall, augmentation minus balanced batches: {beyond}")

# %% [markdown]
# The gain over plain training is balance and new pictures together. The last line is what new pictures alone add to
# balance: if its interval reaches below the margin, this run cannot tell it from nothing that matters. A frozen network
# that was itself trained with such changes has little to learn from them; one trained whole from scratch has more.
#
# ## For nothing: correct the prior
#
# A model with calibrated probabilities has learned $p(k \mid x) \propto p(x \mid k)\, \pi_k$. If only the shares
# change, from $\pi$ to $\pi'$, Bayes' rule says what to do with the logits, and nothing is trained again:
#
# $$z'_k = z_k + \tau \log \frac{\pi'_k}{\pi_k}, \qquad \tau = 1.$$
#
# It goes back to Saerens, Latinne and Decaestecker, 2002; Menon et al., 2021 ("Long-Tail Learning via Logit
# Adjustment"), show that it is the right target for balanced accuracy, and let $\tau$ be tuned.

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


logits["prior corrected, 1"] = evened(logits["plain"])

# %% [markdown]
# How strong should it be? We choose $\tau$ on pictures held out, those of other draws that were not taken for training.
# (Who has no rare pictures to spare uses cross-validation, as below.)

# %%
held_out = {strength: [] for strength in strengths}
for half, seed in [(half, seed) for half in range(2) for seed in selection_seeds]:
    other = draw(is_rare[half], seed)
    restart(head, learning_rate)
    plain(other)
    rest = np.setdiff1d(np.arange(len(labels)), other.indices)
    for strength in strengths:
        answers = correct_prior(logits_of(head, features[rest]), counts[half], even, strength).argmax(axis=1)
        right = pd.Series(answers == labels[rest]).groupby(labels[rest]).mean()
        held_out[strength].append(right.mean())
held_out = {strength: np.mean(values) for strength, values in held_out.items()}
best = max(held_out, key=held_out.get)
print("Balanced accuracy on pictures held out, by strength: "
      + ", ".join(f"{value:.3f} at {each:g}" for each, value in held_out.items()) + ".")
tuned = f"prior corrected, {best:g}"
logits[tuned] = evened(logits["plain"], best)

# %%
figure, ax = plt.subplots(figsize=(4.8, 3.2))
curve = {strength: evened(logits["plain"], strength) for strength in strengths}
ax.plot([large_recall(each).mean() for each in curve.values()], [rare_recall(each).mean() for each in curve.values()],
        ".-", color="0.5", label="plain, prior corrected", zorder=1)
for strength, each in curve.items():
    ax.annotate(f"{strength:g}", (large_recall(each).mean(), rare_recall(each).mean()), (-6, -11),
                textcoords="offset points", ha="center", fontsize=8, color="0.3")
for way, marker in zip(("plain", "weights", "balanced batches", "augmentation"), "osD^"):
    ax.plot(large_recall(logits[way]).mean(), rare_recall(logits[way]).mean(), marker, ls="", ms=8, label=way)
ax.set(title="What rare classes win, large ones pay", xlabel="recall of large classes, mean over seeds",
       ylabel="recall of rare classes,\nmean over seeds")
ax.legend()
plt.show()

# %%
def balanced_accuracy(logits):
    """Return the mean recall over all classes, one for each seed."""
    return recalls(logits).mean(axis=(1, 2))


gain = is_greater(rare_recall(logits[tuned]), rare_recall(logits["plain"]), margin)
print(f"Recall of rare classes, {tuned}, minus plain: {gain}")
for way in ("plain", "weights", "balanced batches", "augmentation"):
    print(f"Balanced accuracy, {way} minus {tuned}: "
          f"{is_greater(balanced_accuracy(logits[way]), balanced_accuracy(logits[tuned]), margin)}")

# %% [markdown]
# The grey line is one head, trained plainly, with seven strengths of one line of code; the numbers are $\tau$. A remedy
# *on* the line buys nothing that this line would not: it has only chosen a place on it. A remedy above it has taught
# the model something. Look where each mark lies, and look at the last three intervals before you believe a distance.
#
# The whole correction, $\tau = 1$, need not be best for balanced accuracy: Bayes' rule asks for right probabilities,
# and a handful of pictures do not give them.
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
whole.compile(keras.optimizers.Adam(), head.loss, steps_per_execution=head.steps_per_execution)
whole.optimizer.build(whole.trainable_variables)

# %%
even_numbers = np.arange(10) % 2 == 0
clothes_recall = {way: [] for way in ("plain", "weights", "prior corrected, 1")}  # of rare and of large classes
for start, seed in zip(starts, whole_seeds):
    found = {way: [] for way in clothes_recall}
    for rare in (even_numbers, ~even_numbers):
        chosen = draw(rare, seed, clothes_labels, whole_few, whole_many).indices
        order, weights = passes(chosen, whole_steps), class_weights(clothes_labels[chosen])
        outputs = {}
        for way, each in {"plain": np.ones(10), "weights": weights}.items():
            restart(whole, whole_rate)
            whole.set_weights(start)
            whole.fit(clothes[order], clothes_labels[order], batch_size, shuffle=False, verbose=0,
                      class_weight=dict(enumerate(each)))
            outputs[way] = whole.predict(clothes_test, batch_size=500, verbose=0)
        outputs["prior corrected, 1"] = correct_prior(outputs["plain"], 1 / weights, np.ones(10))
        for way, each in outputs.items():
            right = recall_score(clothes_test_labels, each.argmax(axis=1), average=None, zero_division=0)
            found[way].append([right[rare].mean(), right[~rare].mean()])
    for way in found:
        clothes_recall[way].append(np.mean(found[way], axis=0))
clothes_recall = {way: np.array(values) for way, values in clothes_recall.items()}  # (seeds, 2)

# %%
for way, values in clothes_recall.items():
    gain = is_greater(values[:, 0], clothes_recall["plain"][:, 0], margin)
    print(f"{way}: recall of rare classes {values[:, 0].mean():.3f}, of large ones {values[:, 1].mean():.3f}"
          + (f"; gain of rare ones {gain}." if way != "plain" else "."))
ahead = is_greater(clothes_recall["prior corrected, 1"].mean(axis=1), clothes_recall["weights"].mean(axis=1), margin)
print(f"Balanced accuracy, prior corrected minus weights: {ahead}")

# %% [markdown]
# Compare the gains of rare classes with what the large ones lose, and the correction with the weights. It took no
# training: its numbers come from the plain network's logits.
#
# ## When balancing hurts
#
# First, probabilities. Let the world be as the training was, few pictures rare, and ask each model how likely a picture
# is rare. Of all that it gives 0.3, three in ten should be. The expected calibration error (Guo et al., 2017)
# is the mean distance from that.

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
worlds = {"as in training": counts / counts.sum(axis=1, keepdims=True), "even": np.ones_like(is_rare) / num_classes}
happened = is_rare[:, test_labels]  # (halves, pictures)


def rare_probability(logits):
    """Return how likely a model finds a picture rare, (seeds, halves, pictures)."""
    return np.where(is_rare[:, None], softmax(logits, axis=-1), 0).sum(axis=-1)


def errors(logits, world):
    """Return the calibration error of "this is rare", one for each seed."""
    weights = worlds[world][:, test_labels] / test_sizes[test_labels]  # give the test the shares of that world
    return np.array([np.mean([calibration_error(p, happened[half], 10, weights[half]) for half, p in enumerate(pair)])
                     for pair in np.clip(rare_probability(logits), 0, 1)])


logits["weights, corrected back"] = np.stack(
    [correct_prior(logits["weights"][:, half], even, counts[half]) for half in range(2)], axis=1)
mix = worlds["as in training"][:, test_labels] / test_sizes[test_labels]
for way in ("plain", "weights", "prior corrected, 1", "weights, corrected back"):
    expected = np.sum(rare_probability(logits[way]) * mix, axis=-1).mean()
    print(f"{way}: takes {expected:.0%} of the pictures for rare, counted by probabilities; calibration error "
          f"{errors(logits[way], 'as in training').mean():.3f}.")
print(f"True: {np.sum(happened * mix, axis=-1).mean():.0%} are rare.")

# %%
figure, ax = plt.subplots(figsize=(4.6, 3.6))
ax.plot([0, 1], [0, 1], color="0.6", lw=1, label="calibrated")
for way, marker in zip(("plain", "weights", "prior corrected, 1", "weights, corrected back"), "os^D"):
    table = pd.DataFrame({"p": rare_probability(logits[way]).ravel(), "weight": np.tile(mix.ravel(), len(seeds)),
                          "rare": np.tile(happened.ravel(), len(seeds))})
    table["bin"] = np.minimum((table.p * 5).astype(int), 4)
    table["p"], table["rare"] = table.p * table.weight, table.rare * table.weight
    sums = table.groupby("bin").sum()[table.groupby("bin").size() >= 50]
    ax.plot(sums.p / sums.weight, sums.rare / sums.weight, marker=marker, label=way)
ax.set(title="Is it rare? In a world like the training", xlabel="probability that the model gives, mean of a bin",
       ylabel="share of rare pictures", xlim=(0, 1), ylim=(0, 1))
ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, columnspacing=1)
plt.show()

# %% [markdown]
# Below the diagonal a model says "rare" too surely. A balanced model speaks of a world in which half of all pictures
# are rare, and here that is false: the more it was balanced, the lower its line. The same line of code, read
# backwards, moves weights towards the old world, and may overshoot: under a penalty weights do less than their whole
# logarithm. Even plain training is not on the diagonal. The penalty keeps logits small, and five pictures teach no
# exact shares.
#
# Second, accuracy. In the world as it was, large classes are asked for more often, and their recall counts more.

# %%
def accuracy(logits):
    """Return the accuracy where classes are as frequent as in training, one for each seed."""
    return np.sum(recalls(logits) * worlds["as in training"], axis=-1).mean(axis=1)


for way in ("weights", "balanced batches", "augmentation", "prior corrected, 1"):
    print(f"Accuracy in the world as in training, lost by {way}: "
          f"{is_greater(accuracy(logits['plain']), accuracy(logits[way]), margin)}")

# %% [markdown]
# Third, weights may fade. A network that can get every training picture right, and is not held back, will do so, and
# then the loss is near zero however it is weighted. Byrd and Lipton, 2019 ("What is the Effect of Importance Weighting
# in Deep Learning?"), saw this in deep networks; an L2 penalty or early stopping keeps weights alive. Our head has more
# features than pictures, so we can see it: no penalty, and more and more steps.

# %%
free, over_steps = dense_head(0.0), {"plain": [], "weights": []}
for way, pair in [(way, pair) for way in over_steps for pair in draws]:
    seen = np.empty((len(stops), 2))
    for half, each in enumerate(pair):
        weights = dict(enumerate(class_weights(labels[each.indices]))) if way == "weights" else None
        restart(free, long_rate)
        for stop, before in zip(range(len(stops)), [0, *stops]):
            order = passes(each.indices, stops[stop] - before)
            free.fit(features[order], labels[order], batch_size, shuffle=False, class_weight=weights, verbose=0)
            seen[stop, half] = recalls(logits_of(free))[each.rare].mean()
    over_steps[way].append(seen.mean(axis=1))
over_steps = {way: np.array(values) for way, values in over_steps.items()}  # (seeds, stops)

# %%
figure, ax = plt.subplots(figsize=(5.0, 2.8))
for (way, values), marker in zip(over_steps.items(), "os"):
    (line,) = ax.plot(stops, values.mean(axis=0), marker=marker, label=way)
    ax.fill_between(stops, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.2, lw=0)
ax.set(title="Weights in a training without penalty", xlabel="steps, logarithmic", xscale="log",
       ylabel="recall of rare classes")
ax.set_xticks(stops, stops)
ax.minorticks_off()
ax.set_ylim(0, None)
ax.legend()
plt.show()
gap = over_steps["weights"] - over_steps["plain"]
print(f"Weights minus plain, gap after {stops[0]} steps, minus gap after {stops[-1]}: "
      f"{is_greater(gap[:, 0], gap[:, -1], margin)}")

# %% [markdown]
# Bands go from the lowest to the highest seed. If weights do nothing in a network of yours, look at its
# training accuracy: at 100 % they have little left to weigh. A correction of the logits does not fade so.
#
# ## Two answers: move the threshold
#
# Often the question is yes or no: is it a vehicle? Then there is nothing to balance before you have looked at one
# number, the threshold. `argmax` means 0.5, and nobody has chosen that. Choose it on predictions for pictures that the
# model has not seen: with few pictures, each predicted by a model that learned from the others (`cross_val_predict`).

# %%
classifier = LogisticRegression(C=0.003, max_iter=300)
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
for (name, threshold), marker in zip({"0.5": 0.5, "chosen": chosen, "its share": share[yes]}.items(), "os^"):
    answers = tested[:, yes] >= threshold
    at = [recall_score(test_labels == yes, answers), precision_score(test_labels == yes, answers, zero_division=0)]
    ax.plot(*at, marker, ms=8, label=f"{name}: {threshold:.2f}")
    print(f"Threshold {threshold:.2f} ({name}): {answers.sum()} pictures called {positive}, precision {at[1]:.2f}, "
          f"recall {at[0]:.2f}, F1 {2 * at[0] * at[1] / max(sum(at), 1e-12):.2f}.")
ax.set(title=f"One head, three thresholds: {positive} or not", xlabel=f"recall ({test_sizes[yes]} in the test)",
       ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
ax.legend(title="threshold", loc="lower left")
plt.show()

# %% [markdown]
# The grey line is all that this head can do, and any weight on the positive class would mostly move along it. We chose
# the largest F1; if you know what a miss and a false alarm cost, take the threshold at *cost of a false alarm / (both
# costs added)*, for calibrated probabilities. One question and one training set: read the marks as an example, not
# as a law. (scikit-learn has all of it in `TunedThresholdClassifierCV`.)
#
# ## Which to take

# %%
shown = ["plain", "weights", "balanced batches", "augmentation", *dict.fromkeys([tuned, "prior corrected, 1"])]
rows = {}
for way in shown:
    rows[way] = {"rare recall": rare_recall(logits[way]).mean(), "large recall": large_recall(logits[way]).mean(),
                 "balanced accuracy": balanced_accuracy(logits[way]).mean(),
                 "accuracy, as in training": accuracy(logits[way]).mean(),
                 "calibration error": errors(logits[way], "as in training").mean(),
                 "the same, even world": errors(logits[way], "even").mean()}
even_recall = recalls(even_logits)[:, 0].mean()
print(f"To throw pictures away, {few} of every class, gives a balanced accuracy of {even_recall:.3f}.")
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% [markdown]
# Calibration errors are those of "this is rare".
#
# | take | when |
# |---|---|
# | plain training | the world is as the training, and all mistakes cost alike |
# | prior corrected | always first, as the model is there; the strength from pictures held out |
# | a threshold | two answers, or costs that you know |
# | weights | the training itself should serve rare classes; with a penalty or early stopping |
# | balanced batches | classes so rare that most batches would miss them |
# | augmentation | more rare pictures cannot be had, and the network has not seen such changes yet |
#
# All of it moves borders between classes. The way from triangle to square, in the plot above, takes more pictures.
#
# ## Summary
#
# - Imbalance is measured with the same class, the same pictures and other rivals. What remains when the rivals are as
#   few is no bias, but lack of pictures.
# - Weights $n / (K n_k)$ and balanced batches aim at the same gradient; rare recall rises, large recall pays.
#   New pictures by augmentation come on top, as far as they are new to the network.
# - A correction of the prior, or a threshold, does the same after training. Balancing hurts probabilities and accuracy
#   in a world like the training, and weights fade in a network that learns all by heart.
#
# ## Exercises
#
# **Predict.** A training set has 6 classes of 40 pictures and 6 of 5. What weight has a picture of a rare class, by the
# formula above? And: for one picture a head gives its large class a logit of 2 and a rare class a logit of 1. After the
# whole correction to a world of equal classes, by how much does the rare logit lead (negative, if it does not)? Two
# decimals are enough; `math.log` is the natural logarithm.

# %% tags=["exercise", "exercise-correction"]
weight_of_rare = ...
lead_of_rare = ...

# %% tags=["check"]
if weight_of_rare is ... or lead_of_rare is ...:
    print("Not answered yet: replace the dots above.")
else:
    example = np.repeat(np.arange(12), [40] * 6 + [5] * 6)
    right = class_weights(example).max()
    corrected = correct_prior([2.0, 1.0], [40, 5], [1, 1])
    lead = corrected[1] - corrected[0]
    numbers = (int, float, np.number)
    assert isinstance(weight_of_rare, numbers) and isinstance(lead_of_rare, numbers), "Write two numbers, such as 0.25."
    hints = {8.0: "That is the ratio of rare to large weight. The mean weight over pictures has to be 1.",
             54.0: "Nearly: n over n_k. Divide by the number of classes as well.",
             0.5625: "That is the weight of a large class.", 0.2: "That is 1 / n_k. Its mean over pictures is not 1."}
    hint = next((hint for value, hint in hints.items() if abs(weight_of_rare - value) < 0.006), None)
    assert abs(weight_of_rare - right) < 0.006, hint or "Not this weight. How many pictures are there in all?"
    hints = {-1 - math.log(8): "Turn the sign of the correction: a class gains if its share grows.",
             7.0: "Logits are logarithms: add the logarithm of the ratio, not the ratio.",
             -1 + math.log10(8): "That is the decimal logarithm. The softmax has e for its base.",
             2.0: "That is the binary logarithm. The softmax has e for its base.",
             math.log(8): "That is how far the correction moves them. Where were they before?",
             -1.0: "That is the lead before the correction."}
    hint = next((hint for value, hint in hints.items() if abs(lead_of_rare - value) < 0.006), None)
    assert abs(lead_of_rare - lead) < 0.006, hint or "Not this lead. What do both corrections add to the difference?"
    print(f"Right: weight {right:g}, lead {lead:.2f}. The answer changes: a rare class no longer has to be "
          f"{40 / 5:g} times as convincing as a large one, and it was only {math.e:.1f} times less so.")

# %% [markdown]
# **Modify.** Set `penalty` to 0.3, then to 0.01. Which remedies depend on it, and why does the correction not? Then set
# `few` to 10: is a larger part of the loss bias, or lack of pictures?
#
# **Extend.** What if nobody tells you the new shares? Saerens, Latinne and Decaestecker estimate them from unlabelled
# pictures: begin with the old prior, correct the probabilities, average them over all pictures, take that for the
# prior, and repeat. Try it on `tested`, in the test as it is and with equal classes. How far is it from the truth, and
# does it get nearer if you first divide the logits by a temperature fitted on `unseen`?
