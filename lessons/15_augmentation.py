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
# # 15 · Augmentation
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/15_augmentation.ipynb)
#
# *A mirrored car is a car. So one picture is many pictures, and they cost nothing but a little time. Here each
# operation is done in three libraries, put beside training, and asked the only question that counts: does the test
# get better? By some it does, by others it gets worse, and you will know beforehand which.*
#
# You will
#
# - write the decks' operations in imgaug, tf.image and Keras, and as a layer of your own,
# - compute them beside the training instead of storing copies, and measure what that costs,
# - measure over seeds what each brings, and recognise three ways to deceive yourself.
#
# A minute on two CPU cores · decks: *practice*, "Аугментация данных"; *binary*, "Методы оптимизации"; *goods*.

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
picture = 50  # which training picture of the goods is shown
others = [62, 63, 59]  # that it is mixed with
tolerance = 1.0  # mean difference in grey levels of 0 to 255, below which two pictures are the same
copies = 64  # variants of one picture that are compared and stored
epochs = 100  # of a training whose pictures would be stored
batch_size = 32  # pictures per training step
overlap_steps = 5  # training steps of one measurement of time
rounds = 5  # of measurements that take turns; their median counts
overlapped = 0.25  # of the way from the longer time to the sum: below this, two tasks overlap
unnoticed = 0.05  # of a step's time: less than this is not noticed
per_class = 10  # digits of each class to learn from
tests = 797  # digits of the test
validations = 500  # digits by which the number of steps is chosen
steps = 256  # of a training
learning_rate = 0.003  # of Adam at the start; it falls to zero
shift = 0.1  # of the side, the recipe on trial: less than a pixel of eight; settled on other seeds
seeds = [0, 1, 2, 3, 4]  # of the digits drawn, the first weights and the augmentation; three at least
margin = 0.01  # of accuracy: a smaller difference does not interest us

# %% tags=["bootstrap"]
import sys

if "google.colab" in sys.modules:  # fetch the course; Colab has the rest
    # !test -d course || git clone --quiet --depth 1 https://github.com/OWNER/REPOSITORY course
    sys.path.insert(0, "course")

# %%
import helpers.quiet  # before Keras: no start-up messages

import io
import itertools
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf  # for tf.image and tf.data, on any backend of Keras
from keras import layers, ops
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.svm import SVC

from helpers.augmentation import (
    RECIPES,
    RandomChannelInversion,
    RandomCropAndResize,
    RandomTint,
    augmenter,
    load_imgaug,
)
from helpers.claims import claim, read_result
from helpers.datasets import class_names, load_arrays
from helpers.evaluation import is_greater
from helpers.parallel import find_devices
from helpers.plots import plot_curves, plot_images, use_course_style
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])
rng = np.random.default_rng(seeds[0])

# %% [markdown]
# ## One picture, many pictures
#
# The decks' recipe for product photographs: mirror it or not, cut off a little and scale back, change the
# light, shift the colours. `augmenter` of this course takes it as a dictionary, and `RECIPES["practice"]` is
# the slide's.

# %%
goods, goods_labels = load_arrays("goods", "train")
car = goods[picture]
variants = augmenter(RECIPES["practice"], seed=seeds[0])(np.repeat(car[None], copies, axis=0))
print(RECIPES["practice"])
plot_images(np.concatenate([car[None], variants[:11]]), ["the picture"] + 11 * [""], columns=6,
            heading="One picture, and eleven that could have been taken")
plt.show()

# %% [markdown]
# All are pictures of the same thing that a customer could have sent. That is the whole idea, and its condition: a
# variant must be *plausible*, and its label must stay *right*. Keep both words in mind for the end of the page.
#
# ## The same operations in three libraries
#
# The slide lists imgaug, Augmentor, ImageDataGenerator and tf.image. What has become of them?
#
# - **imgaug**: last release 0.4.0 in February 2020. It uses two names that NumPy 2 no longer has, `np.sctypes`
#   and `np.complex`. `load_imgaug` puts them back, as in `np.complex = complex`, and imports it. A few
#   augmenters stay broken; its docstring says which.
# - **Augmentor**: last release 0.2.12 in March 2023; pipelines over folders of files, by Pillow.
# - **ImageDataGenerator** is gone from Keras 3 (`keras.preprocessing.image` has it no longer). Its arguments became
#   layers: `rotation_range` is `RandomRotation`, `horizontal_flip` is `RandomFlip`, `width_shift_range` is
#   `RandomTranslation`, and folders are read by `keras.utils.image_dataset_from_directory`.
# - **tf.image** is as it was: functions on tensors, without rotation by any angle.
#
# Beside them stand albumentations, whose free version is no longer developed (its successor AlbumentationsX is
# under the AGPL), and Keras' own layers, which we recommend unless speed decides (see the table at the end).
#
# Fix what is usually drawn: crop an eighth of each border, 60 % of the light, 40 levels more in each channel,
# and from the *binary* deck 20 degrees, a shift by an eighth, inversion. In imgaug:

# %%
if "google.colab" in sys.modules:  # what Colab lacks for this section
    # !pip install --quiet imgaug==0.4.0
    print("Installed.")

ia = load_imgaug()
iaa = ia.augmenters
of_value = iaa.WithChannels(2, iaa.Multiply(0.6))  # H, S, V are channels 0, 1, 2
in_imgaug = {
    "flip": iaa.Fliplr(1.0),
    "crop": iaa.KeepSizeByResize(iaa.Crop(percent=0.125, keep_size=False), interpolation="linear"),
    "light": iaa.WithColorspace("HSV", from_colorspace="RGB", children=of_value),
    "colour": iaa.Add(40),
    "rotation": iaa.Affine(rotate=-20, mode="edge"),  # imgaug turns clockwise
    "shift": iaa.Affine(translate_percent={"x": 0.125, "y": 0.125}, mode="edge"),
    "inversion": iaa.Invert(1.0),
}

# %% [markdown]
# In tf.image, where the first four are all there is:

# %%
side = car.shape[0]
eighth = side // 8


def light_by_hsv(image):
    """Multiply V of an image from 0 to 255 by 0.6, in tf.image."""
    return tf.image.hsv_to_rgb(tf.image.rgb_to_hsv(image / 255) * [1, 1, 0.6]) * 255


def crop_and_resize(image):
    """Cut an eighth off each border and scale back, in tf.image."""
    inner = tf.image.crop_to_bounding_box(image, eighth, eighth, side - 2 * eighth, side - 2 * eighth)
    return tf.image.resize(inner, (side, side))


in_tf_image = {"flip": tf.image.flip_left_right, "crop": crop_and_resize, "light": light_by_hsv,
               "colour": lambda image: tf.clip_by_value(image + 40, 0, 255)}

# %% [markdown]
# ### A layer of one's own
#
# In Keras each operation is a layer. For the light Keras has `RandomBrightness`, but that *adds* a number,
# which is not what the slide says. HSV stands for hue, saturation and value, where $V = \max(R, G, B)$. To
# multiply $V$ and keep the other two is to multiply R, G and B alike, so no change of colour space is needed. A
# random layer needs three things: a generator of its own, so that a seed repeats it; one draw *for each image*;
# and silence outside training.

# %%
class RandomOperation(layers.Layer):
    """Base of layers that change each image of a batch by itself, and in training only."""

    def __init__(self, strength, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.strength, self.seed = strength, seed
        self.generator = keras.random.SeedGenerator(seed)

    def draw(self, images, *shape, ends=None):
        """Return uniform numbers of shape ``(n, *shape)`` for n images."""
        return keras.random.uniform((ops.shape(images)[0], *shape), *(ends or self.strength), seed=self.generator)

    def call(self, images, training=True):
        if len(images.shape) != 4:
            raise ValueError(
                f"Batch the images first: (n, height, width, channels). Received: shape={tuple(images.shape)}"
            )
        answer = self.change(ops.cast(images, "float32")) if training else images
        return ops.cast(answer, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"strength": self.strength, "seed": self.seed}


@keras.saving.register_keras_serializable("course")
class RandomLight(RandomOperation):
    """Multiply the value V = max(R, G, B) of HSV; hue and saturation stay."""

    def change(self, images):
        value = ops.max(images, axis=-1, keepdims=True)
        return images * ops.minimum(self.draw(images, 1, 1, 1), 255 / ops.maximum(value, 1e-6))


# %% [markdown]
# `get_config` and the decorator are there so that a saved model can be loaded again. Crop, tint, noise and
# inversion of `helpers.augmentation` are as short, on the same base. A range of one number fixes what is drawn:

# %%
in_keras = {
    "flip": layers.RandomFlip("horizontal", seed=seeds[0]),
    "crop": RandomCropAndResize((0.125, 0.125)),
    "light": RandomLight((0.6, 0.6)),
    "colour": RandomTint((40, 40)),
    "rotation": layers.RandomRotation((20 / 360, 20 / 360), fill_mode="nearest"),
    "shift": layers.RandomTranslation((0.125, 0.125), (0.125, 0.125), fill_mode="nearest"),
    "inversion": RandomChannelInversion(1.0),
}


def in_levels(images):
    """Return grey levels from 0 to 255 as whole numbers, whatever library made them."""
    return np.clip(np.round(ops.convert_to_numpy(images)), 0, 255).astype("uint8")


batch = np.repeat(car[None], 16, axis=0).astype("float32")
answers = {name: in_levels(layer(batch, training=True)) for name, layer in in_keras.items()}
by_keras = {name: answer[0] for name, answer in answers.items()}
by_keras["flip"] = next(each for each in answers["flip"] if (each != car).any())  # the first that was mirrored
by_imgaug = {name: operation(image=car) for name, operation in in_imgaug.items()}
by_tf_image = {name: in_levels(function(car.astype("float32"))) for name, function in in_tf_image.items()}

# %%
none = np.full_like(car, 235)  # tf.image has no such operation
libraries = {"imgaug": by_imgaug, "tf.image": by_tf_image, "Keras": by_keras}
tiles = [found.get(name, none) for found in libraries.values() for name in in_keras]
titles = [name if row == 0 else "" for row in range(3) for name in in_keras]
ax = plot_images(np.stack(tiles), titles, columns=7, heading="One picture, seven operations, three libraries")
for row, library in enumerate(libraries):
    ax.text(-0.05, -0.5 - 1.34 * row, library, rotation=90, ha="right", va="center", fontsize=9)
plt.show()
apart = {library: {name: np.abs(image.astype(float) - by_keras[name]).mean() for name, image in found.items()}
         for library, found in libraries.items() if library != "Keras"}
pd.DataFrame(apart).T.map(lambda value: "none" if np.isnan(value) else f"{value:.2f}")

# %%
four = ("flip", "crop", "light", "colour")
largest = max(apart[library][name] for library in apart for name in four)
claim("practice-aug-libraries", measured="flip, crop, light and colour in imgaug, tf.image and Keras: mean differences "
      f"up to {largest:.2f} of 255 grey levels", holds=bool(largest < tolerance))

# %% [markdown]
# The table holds the mean difference to Keras in grey levels. What is left comes from interpolation at edges,
# and in imgaug's light from HSV in whole numbers, with 180 hues. So the library is a matter of taste, speed and
# upkeep, not of what can be had. (Two of the slide's four are not shown here, being no longer developed or no
# longer in Keras.)
#
# Did our light keep hue and saturation, and what does adding do instead?

# %%
def in_hsv(image):
    """Return hue, saturation and value, each from 0 to 1, of the coloured pixels: not too dark, not too pale."""
    hsv = ops.convert_to_numpy(ops.image.rgb_to_hsv(ops.convert_to_tensor(image.astype("float32") / 255)))
    return hsv[coloured]


coloured = np.ones((side, side), bool)
hsv = in_hsv(car).reshape(side, side, 3)
coloured = (hsv[..., 1] > 0.2) & (hsv[..., 2] > 0.3)
added = in_levels(car.astype("float32") - 60)
for name, image in {"multiplied by 0.6": by_keras["light"], "60 levels taken away": added}.items():
    moved = np.abs(in_hsv(image) - in_hsv(car)).mean(axis=0)
    print(f"{name}: saturation moves by {moved[1]:.3f} on average, value by {moved[2]:.3f}, of 1.")

# %% [markdown]
# Rounding aside, multiplying leaves saturation alone, as a lamp would; adding does not. *Random noise per
# channel*, the slide's fourth, can be read in two ways: one number for each channel, which tints the picture
# (`RandomTint`), or another for each pixel too, which makes it grainy (`RandomNoise`). Keras' own
# `GaussianNoise` refuses more than 1, which is invisible on a scale to 255.
#
# ### Another draw for each picture?
#
# A batch with eight copies of one picture: how many different ones come back? For a flip two is all there can be.

# %%
eight = batch[:8]
drawers = {
    "tf.image.random_brightness": lambda images: tf.image.random_brightness(images, 60),
    "tf.image.stateless_random_crop": lambda images: tf.image.stateless_random_crop(images, (8, 96, 96, 3), (1, 2)),
    "keras.layers.RandomCrop": layers.RandomCrop(96, 96, seed=1),
    "keras.layers.RandomTranslation": layers.RandomTranslation(0.1, 0.1, seed=1),
    "RandomCropAndResize of this course": RandomCropAndResize((0, 0.15), seed=1),
    "imgaug's Crop": lambda images: iaa.Crop(percent=(0, 0.15))(images=images.astype("uint8")),
}
for name, draw_from in drawers.items():
    found = np.asarray(ops.convert_to_numpy(draw_from(eight)))
    print(f"{name}: {len(np.unique(found.reshape(8, -1), axis=0))} of 8")

# %% [markdown]
# Where it says 1, the whole batch got the same number. In `tf.data` that is no harm if pictures are mapped one
# by one, before `batch`; within a model it is.
#
# ## Ready-made: RandAugment and its kin
#
# Four layers of Keras hold what papers have found to work, without choosing operations by hand. *RandAugment*
# (Cubuk et al., 2019) applies two operations drawn from a list, at one common strength. *AugMix* (Hendrycks et
# al., 2019) blends several such chains with the picture. *MixUp* (Zhang et al., 2017) and *CutMix* (Yun et al.,
# 2019) mix two pictures, and their labels with them.

# %%
four_pictures, names = goods[[picture, *others]].astype("float32"), class_names("goods")
labels = goods_labels[[picture, *others]]
one_hot = np.eye(len(names), dtype="float32")[labels]
shown, titles = [], []
with helpers.quiet.no_messages():  # JAX warns of a data type
    for layer in (layers.RandAugment(factor=0.4, seed=2), layers.AugMix(seed=2)):  # both choose once for a batch
        shown += [in_levels(layer(image[None], training=True))[0] for image in four_pictures]
        titles += [names[label] for label in labels]
    for layer in (layers.MixUp(alpha=1.0, seed=3), layers.CutMix(factor=1.0, seed=6)):
        mixed = layer({"images": four_pictures, "labels": one_hot}, training=True)
        shown += [*in_levels(mixed["images"])]
        for row in ops.convert_to_numpy(mixed["labels"]):
            titles.append(", ".join(f"{names[each]} {row[each]:.2f}" for each in np.flatnonzero(row > 0.005)))
ax = plot_images(np.stack(shown), titles, columns=4, heading="Four layers on four pictures, with their labels")
for row, name in enumerate(("RandAugment", "AugMix", "MixUp", "CutMix")):
    ax.text(-0.04, -0.5 - 1.34 * row, name, rotation=90, ha="right", va="center", fontsize=9)
plt.show()

# %% [markdown]
# The first two leave the label alone. Both choose their operations once for a batch, so we gave them one
# picture at a time; in `tf.data`, map them before `batch`. (AugMix asks Python's own `random`, as Keras 3.15
# has it: once traced into a graph, it keeps to one choice.) The other two need labels as rows of probabilities,
# and `CategoricalCrossentropy` in place of the sparse loss. Mixed pictures are not plausible at all. They teach
# something else: to be as unsure between two things as the picture is.
#
# ## Boxes and masks follow
#
# If a picture is turned, so must be what was drawn on it (lesson 02). Both libraries take pictures, boxes and masks
# together and draw once for all of them. imgaug brings an animal with a box and a mask:

# %%
pixels = (160, 160)
animal, boxes = ia.quokka(size=pixels), ia.quokka_bounding_boxes(size=pixels)
mask = ia.quokka_segmentation_map(size=pixels)
turned, turned_boxes, turned_mask = iaa.Affine(rotate=-20)(image=animal, bounding_boxes=boxes, segmentation_maps=mask)
turn = layers.RandomRotation((20 / 360, 20 / 360), fill_mode="constant", bounding_box_format="xyxy")
corners = boxes.to_xyxy_array()
answer = turn({"images": animal[None].astype("float32"),
               "bounding_boxes": {"boxes": corners[None].astype("float32"), "labels": np.zeros((1, 1), "float32")},
               "segmentation_masks": mask.get_arr()[None].astype("float32")}, training=True)
in_picture = turned_boxes.clip_out_of_image().to_xyxy_array()[0]
keras_box = ops.convert_to_numpy(answer["bounding_boxes"]["boxes"])[0, 0]


# %%
def box_of(mask):
    """Return the smallest box around a mask: left, top, right, bottom, in pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


masks = [mask.get_arr()[..., 0] > 0, turned_mask.get_arr()[..., 0] > 0,
         ops.convert_to_numpy(answer["segmentation_masks"])[0, ..., 0] > 0.5]
pictures = [animal, turned, in_levels(answer["images"])[0]]
figure, axes = plt.subplots(1, 3, figsize=(7, 2.9))
for ax, title, image, each, box in zip(axes, ("drawn by hand", "turned by imgaug", "turned by Keras"), pictures, masks,
                                       (corners[0], in_picture, keras_box)):
    ax.imshow(image)
    ax.contour(each, [0.5], colors="white", linewidths=1.5)
    for corner, style, color in ((box, "-", "C1"), (box_of(each), "--", "C4")):
        ax.add_patch(plt.Rectangle(corner[:2], *(corner[2:] - corner[:2]), fill=False, ls=style, ec=color, lw=2))
    ax.set_title(title)
    ax.axis("off")
plt.show()
for name, box, each in (("imgaug", in_picture, masks[1]), ("Keras", keras_box, masks[2])):
    tight = box_of(each)
    print(f"{name}: the box that came along is {np.prod(box[2:] - box[:2]) / np.prod(tight[2:] - tight[:2]):.2f} times "
          "as large as the box around the turned mask.")

# %% [markdown]
# White is the mask, the solid line the box that came along, dashed the box around the mask. A turned box is no
# upright box, so both libraries take the upright box *around* it, which is too large: a detector trained on it
# learns to draw loosely. Where there are masks, turn these and take the box anew; where there are none, turn
# little.
#
# ## Copies on disk, or on the fly
#
# The deck: augmentation multiplies the data, and storing the copies is wasteful. How many variants are there,
# and what would they take on disk? Files of the goods are JPEG at quality 80, and so are our copies.

# %%
def jpeg_bytes(images):
    """Return the mean size of images as JPEG files of quality 80, in bytes."""
    sizes = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=80, optimize=True)
        sizes.append(file.tell())
    return np.mean(sizes)


different = len(np.unique(np.concatenate([car[None], variants]).reshape(copies + 1, -1), axis=0)) - 1
sample = goods[rng.choice(len(goods), 2 * copies, replace=False)]
original, copy = jpeg_bytes(sample), jpeg_bytes(augmenter(RECIPES["practice"], seed=1)(sample))
cuts = (int(RECIPES["practice"]["crop"] * side) + 1) ** 4  # whole pixels off each of four borders
print(f"{copies} variants of one picture: {different} different ones. Flip and crop alone have {2 * cuts:,} of them.")
print(f"The {len(goods)} training pictures take {original * len(goods) / 1e6:.1f} MB. A copy for each of {epochs} "
      f"epochs: {copy * len(goods) * epochs / 1e6:.0f} MB. On the fly: 0.")
claim("practice-aug-size", measured=f"{different} of {copies} variants differ; copies for {epochs} epochs take "
      f"{copy * epochs / original:.0f} times the bytes of the pictures, on the fly none",
      holds=bool(different == copies and copy * epochs > 2 * original))

# %% [markdown]
# Wasteful, then, in bytes. It multiplies *pictures*, though, not *information*: a hundred variants of one car tell
# less than a hundred cars (below: how much less).
#
# ## Beside the training
#
# The deck: run it on the fly, in parallel with training. If the processor prepares the next batch while the
# trainer is busy with this one, a step takes the longer of the two times, not their sum. To see this, the
# trainer must leave the processor alone, as a GPU does. We have none, so a pause plays its part: an
# "accelerator" that answers after as long as the augmentation of a batch takes, and computes nothing.

# %%
flip, rotate, contrast = layers.RandomFlip("horizontal"), layers.RandomRotation(0.05), layers.RandomContrast(0.3)
one_batch = goods[:batch_size].astype("float32")


def batches_of(prefetch=None, injected=False):
    """Return an endless dataset of augmented batches, with tf.data's own prefetching switched off or on."""
    dataset = tf.data.Dataset.from_tensors(one_batch).repeat().map(lambda images: contrast(rotate(flip(images))))
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = injected
    return (dataset.prefetch(prefetch) if prefetch else dataset).with_options(options)


def step_time(batches, pause=0.0):
    """Return the milliseconds of a step: wait for a batch, then for the accelerator."""
    start = time.perf_counter()
    for _ in range(overlap_steps):
        next(batches)
        time.sleep(pause)
    return (time.perf_counter() - start) / overlap_steps * 1e3


# %%
ways = {"one after the other": batches_of(), "prefetch(1)": batches_of(1),
        "tf.data's default": batches_of(injected=True)}
ways = {name: iter(dataset) for name, dataset in ways.items()}
for batches in ways.values():
    step_time(batches)
pause = np.median([step_time(ways["one after the other"]) for _ in range(rounds)]) / 1e3
found = {name: [] for name in ["augmentation alone", *ways]}
for _ in range(rounds):
    found["augmentation alone"].append(step_time(ways["one after the other"]))
    for name, batches in ways.items():
        found[name].append(step_time(batches, pause))
found = {name: np.median(values) for name, values in found.items()}
longer, total = max(found["augmentation alone"], pause * 1e3), found["augmentation alone"] + pause * 1e3
for name, value in found.items():
    print(f"{name}: {value:.1f} ms a step")
print(f"The accelerator alone: {pause * 1e3:.1f} ms. The longer of both is {longer:.1f} ms, their sum {total:.1f} ms.")
del ways, batches  # ends the threads that prefetch

# %%
share = (found["prefetch(1)"] - longer) / (total - longer)
claim("practice-aug-parallel", measured=f"one after the other {found['one after the other']:.1f} ms, prefetched "
      f"{found['prefetch(1)']:.1f} ms; longer time {longer:.1f} ms, sum {total:.1f} ms",
      holds=True if share < overlapped else False if share > 1 - overlapped else None)

# %% [markdown]
# `prefetch` keeps a batch ready in a thread of its own. `tf.data` puts one at the end of a pipeline by itself,
# so that the default shows no difference; the first row had to switch this off. Keras' `PyDataset` overlaps
# from `workers=2` on: a single worker is the training's own thread.
#
# ### Where both want the processor
#
# On a machine without a GPU there is nothing to overlap with: what augments cannot train at the same time. So
# here is the price of the same three layers in the training of a small network, on the same pictures at 64 pixels:

# %%
def step_network():
    """Build a network of four strided convolutions for pictures of 64 pixels."""
    images = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 255)(images)
    for filters in (16, 32, 64, 128):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    model = keras.Model(images, layers.Dense(len(names))(layers.GlobalAveragePooling2D()(x)))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


halves = tf.data.Dataset.from_tensors((one_batch[:, ::2, ::2], goods_labels[:batch_size]))
augmented = halves.repeat().map(lambda images, labels: (contrast(rotate(flip(images))), labels), tf.data.AUTOTUNE)
streams = {"plain": halves.repeat().prefetch(2), "augmented": augmented.prefetch(2)}
streams = {name: stream.as_numpy_iterator() for name, stream in streams.items()}
model, per_step = step_network(), {name: [] for name in streams}
for _ in range(rounds + 1):
    for name, stream in streams.items():
        start = time.perf_counter()
        for _ in range(2 * overlap_steps):
            model.train_on_batch(*next(stream))
        per_step[name].append((time.perf_counter() - start) / (2 * overlap_steps) * 1e3)
plain, with_it = (np.median(values[1:]) for values in per_step.values())  # the first round compiles
extra = with_it / plain - 1
print(f"A training step: {plain:.1f} ms, with augmentation {with_it:.1f} ms, {extra:+.0%}.")
del streams, stream
if len(find_devices()) > 1:
    claim("practice-aug-free", measured=f"a training step takes {extra:+.1%}", holds=bool(extra < unnoticed))
else:
    print("That is on a CPU. The deck speaks of a GPU, and there is none here:")
    claim("practice-aug-free", measured=None, holds=None)

# %% [markdown]
# The percentage belongs to this network: one with ten times the multiply-adds pays a tenth of it. With a GPU,
# compare two rates: pictures augmented per second by all cores (the table at the end) and pictures trained per
# second. If the first is lower, the GPU waits; then augment inside the model, where the GPU does it.
#
# ## Does the test get better?
#
# The question of this page, at a size at which chance can be told from gain: ten handwritten digits of each
# class, 8 × 8 pixels, and a small network. Recipe on trial: a shift by up to a tenth of the side, which is less
# than a pixel. It was settled on seeds that are not used here.
#
# The rule, before we look. Each seed draws other digits, other first weights and other variants, the same for
# both sides; both take the same number of steps. To be fair to the side without augmentation, which may have
# learned its digits by heart long before, each side may stop at the best of four points, by digits held out.
# The statement holds if the gain in test accuracy exceeds `margin` with its whole 95 % interval.

# %%
digits = load_digits()
order = np.random.default_rng(0).permutation(len(digits.images))
digit_images = np.round(digits.images[order, ..., None] * (255 / 16)).astype("uint8")
digit_labels = digits.target[order]
test_images, test_labels = digit_images[:tests], digit_labels[:tests]
pool, pool_labels = digit_images[tests:], digit_labels[tests:]


def draw(seed, count=per_class):
    """Return indices of so many digits of each class, and of others for validation."""
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(pool_labels == label))[:count] for label in range(10)])
    return chosen, rng.permutation(np.setdiff1d(np.arange(len(pool)), chosen))[:validations]


def network():
    """Build a small network for digits, its learning rate falling to zero."""
    images = keras.Input((8, 8, 1))
    x = layers.Rescaling(1 / 128, offset=-1)(images)
    for filters in (16, 32):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    model = keras.Model(images, layers.Dense(10)(layers.Dropout(0.3)(layers.Flatten()(x))))
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    steps_at_once = 1 if keras.backend.backend() == "torch" else 16  # PyTorch takes one at a time
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  steps_per_execution=steps_at_once)
    return model


# %% [markdown]
# To augment on the fly means that no variant is seen twice. Here all batches of a training are drawn at once,
# digit by digit and pass by pass, and augmented in one call. (Without a recipe the digits repeat, in the same
# order.) One traced network serves all recipes and seeds, by `restarts` of lesson 03.

# %%
def stream(recipe, seed):
    """Return all images of a training in their order, augmented, and their labels."""
    chosen, rng = draw(seed)[0], np.random.default_rng(seed)
    passes = -(-steps * batch_size // len(chosen))
    order = np.concatenate([rng.permutation(chosen) for _ in range(passes)])[: steps * batch_size]
    augment = recipe if callable(recipe) else augmenter(recipe, seed=seed)
    return augment(pool[order]), pool_labels[order]


def train(recipes, points):
    """Train from each seed on each recipe; return answers in validation and test at so many points."""
    found = {name: [] for name in recipes}
    jobs = itertools.product(recipes, seeds)
    for (name, seed), (_, model) in zip(jobs, restarts(lambda _: network(), seeds, recipes)):
        images, labels = stream(recipes[name], seed)
        judged, part = np.concatenate([pool[draw(seed)[1]], test_images]), len(images) // points
        answers = []
        for start in range(0, part * points, part):
            piece = slice(start, start + part)
            model.fit(images[piece], labels[piece], batch_size=batch_size, shuffle=False, verbose=0)
            answers.append(model.predict(judged, batch_size=len(judged), verbose=0).argmax(axis=1))
        found[name].append(answers)
        kept[name, seed] = model.get_weights()
    kept["model"] = model
    return {name: np.array(answers) for name, answers in found.items()}  # (seeds, points, validations + tests)


# %%
kept, settled, points = {}, {"shift": shift}, 4
answers = train({"none": {}, "shift": settled}, points)
truths = {seed: pool_labels[draw(seed)[1]] for seed in seeds}
right = {name: {"validation": np.mean(found[..., :validations] == np.array([*truths.values()])[:, None], axis=-1),
                "test": np.mean(found[..., validations:] == test_labels, axis=-1)} for name, found in answers.items()}
curves = {name: found["test"] for name, found in right.items()}
ax = plot_curves(curves, f"quarter of the training ({steps // points} steps)", "accuracy in the test",
                 f"{per_class} digits a class, with and without shifts")
plt.show()

# %%
best = {name: found["validation"].mean(axis=0).argmax() for name, found in right.items()}
reached = {name: right[name]["test"][:, best[name]] for name in right}
gain = is_greater(reached["shift"], reached["none"], margin)
for name, values in reached.items():
    print(f"{name}: best after {(best[name] + 1) * steps // points} steps, accuracy {values.mean():.3f}.")
print(f"Gain: {gain}")
claim("practice-aug-helps", measured=f"digits, {10 * per_class} of them: {reached['none'].mean():.3f} without, "
      f"{reached['shift'].mean():.3f} with shifts, a gain of {gain}", holds=gain.holds)

# %% [markdown]
# The bands reach from the lowest to the highest seed. For these digits the statement can be told; is it a law?
# Now each operation by itself, at a usual strength. Before you look: which will help,
# which will harm?

# %%
operations = {"crop": {"crop": 0.1}, "rotation to 10°": {"rotation": 10}, "noise": {"noise": 15},
              "inversion": {"inversion": 0.5}, "flip": {"flip": True}, "rotation to 180°": {"rotation": 180}}
answers |= train(operations, points=1)
accuracies = {name: np.mean(found[:, -1, validations:] == test_labels, axis=-1) for name, found in answers.items()}
gains = {name: is_greater(values, accuracies["none"], margin) for name, values in accuracies.items() if name != "none"}
gains = dict(sorted(gains.items(), key=lambda item: -item[1].mean))

# %%
figure, ax = plt.subplots(figsize=(6, 3.6))
for row, each in enumerate(gains.values()):
    marker = {True: "^", False: "v", None: "o"}[each.holds]
    ax.errorbar(each.mean, row, xerr=[[each.mean - each.low], [each.high - each.mean]], marker=marker, ms=7, color="C0",
                capsize=4)
for marker, meaning in (("^", "better than the margin"), ("o", "cannot be told"), ("v", "worse than none")):
    ax.plot([], [], marker, ms=7, color="C0", label=meaning)
ax.axvline(0, color="black", lw=1)
ax.axvspan(0, margin, color="0.85", label="the margin")
ax.set(title="Each operation by itself, against none", xlabel="gain in test accuracy, with its 95 % interval",
       yticks=range(len(gains)), yticklabels=gains, ylim=(len(gains) - 0.5, -0.5))
ax.legend(fontsize=9, loc="upper left")
plt.show()
for name in ("flip", "rotation to 180°"):
    print(f"{name}: {gains[name]}")

# %% [markdown]
# Nothing here is good or bad in itself. What helps is what the test shows too: people write a digit a little to
# the left, and not mirrored. What harms may harm in two ways. A variant that the test never shows takes up room
# in a small network, and is merely useless. A variant whose *label is wrong* teaches a mistake.
#
# ## First mistake: a variant that changes the label
#
# Turn a six by half a turn and it is a nine, still labelled six. Which digits lose most?

# %%
def recalls(name):
    """Return the share of each digit of the test that is recognised at the end, a mean over the seeds."""
    correct = answers[name][:, -1, validations:] == test_labels
    return np.array([correct[:, test_labels == digit].mean() for digit in range(10)])


ax = plt.subplots(figsize=(6.4, 3.2))[1]
for index, (name, hatch) in enumerate({"none": "", "flip": "//", "rotation to 180°": ".."}.items()):
    ax.bar(np.arange(10) + 0.28 * (index - 1), recalls(name), 0.26, label=name, hatch=hatch, edgecolor="white")
ax.set(title="What a wrong variant costs, digit by digit", xlabel="digit", ylabel="share recognised", ylim=(0, 1.25),
       xticks=range(10))
ax.legend(ncols=3, loc="upper center")
plt.show()
for name in ("none", "rotation to 180°"):
    said = answers[name][:, -1, validations:]
    wrong = [np.mean(said[:, test_labels == digit] == other) for digit, other in ((6, 9), (9, 6))]
    print(f"{name}: {wrong[0]:.1%} of the sixes are taken for nines, {wrong[1]:.1%} of the nines for sixes.")
lost = recalls("none") - recalls("flip")
print(f"flip: the {lost.argmax()} loses most, {lost.max():.2f}.")

# %% [markdown]
# So ask of each operation, class by class, whether the label survives. A mirrored shoe is a shoe; a mirrored *left*
# shoe is a right one, and mirrored writing is no writing. Colours shifted far make a lemon a lime.
#
# ## Second mistake: augmented validation pictures
#
# Validation stands for what customers will send, and they send no variants. Suppose the validation digits are
# shifted along with the training digits, by one pipeline for both. How large is the gain that one then reports?

# %%
model, rows = kept["model"], []
for seed in seeds:
    held_out = draw(seed)[1]
    moving = augmenter(settled, seed=seed + 1000)
    for name in ("none", "shift"):
        model.set_weights(kept[name, seed])
        for kind, images in [("as they are", pool[held_out]), *[("shifted", moving(pool[held_out])) for _ in range(4)]]:
            said = model.predict(images, batch_size=validations, verbose=0).argmax(axis=1)
            rows.append((seed, name, kind, np.mean(said == pool_labels[held_out])))
judged = pd.DataFrame(rows, columns=["seed", "recipe", "validation digits", "accuracy"])
means = judged.groupby(["validation digits", "recipe", "seed"])["accuracy"].mean()
for kind in ("as they are", "shifted"):
    print(f"validation digits {kind}: none {means[kind, 'none'].mean():.3f}, shift {means[kind, 'shift'].mean():.3f}; "
          f"gain {is_greater(means[kind, 'shift'], means[kind, 'none'])}")
spread = judged[judged["validation digits"] == "shifted"].groupby(["recipe", "seed"])["accuracy"].agg(np.ptp).mean()
print(f"Shifted four times, the same network on the same digits gets accuracies {spread:.3f} apart.")

# %% [markdown]
# Shifted digits flatter whoever trained on shifted digits: the gain looks larger than it is for digits as they
# come. And the number changes from draw to draw, so that early stopping would follow luck. In Keras a random
# layer inside the model is silent in `evaluate` and `predict`; one in a `tf.data` pipeline is not, so map only
# the training set.
#
# ## Third mistake: augment first, split later
#
# Make ten variants of each digit, shuffle, and hold out a fifth for validation. Any classifier will do; a
# support vector machine is quick. Beside it, a split that keeps all variants of a digit on one side
# (`GroupShuffleSplit`), and the test.

# %%
found = {"split after augmenting": [], "split by digit": [], "the test, for the first": []}
for seed in seeds:
    chosen = draw(seed)[0]
    variants = augmenter(settled, seed=seed)(np.repeat(pool[chosen], 10, axis=0)).reshape(-1, 64)
    labels, groups = np.repeat(pool_labels[chosen], 10), np.repeat(chosen, 10)
    mixed = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=seed)
    apart = next(GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(variants, labels, groups))
    for name, (training, held_out) in zip(found, (mixed, apart)):
        machine = SVC().fit(variants[training], labels[training])
        found[name].append(machine.score(variants[held_out], labels[held_out]))
        if training is mixed[0]:
            found["the test, for the first"].append(machine.score(test_images.reshape(-1, 64), test_labels))
for name, values in found.items():
    print(f"{name}: accuracy {np.mean(values):.3f}")
flattery = is_greater(found["split after augmenting"], found["the test, for the first"], margin)
print(f"Too good by {flattery}")

# %% [markdown]
# The first number is a lie: for nearly each digit held out, a variant of it was learned. The second is honest, if
# coarse, as only 20 digits are held out. Split first; then augment the training part.
#
# ## How much, and for how few? A record
#
# Two questions take longer than this page has, on the digits and on Fashion-MNIST. *How strong* should a shift
# be? And *how much is it worth*, in pictures? The record has two lengths of each training; each side takes the
# one that is better on validation pictures.

# %%
record = read_result("15_augmentation")
conditions = record["parameters"]
print(f"{record['command']}: {record['date']}, {record['hardware']}, seeds {conditions['seeds']}.")


def recorded(data, recipe, size):
    """Return the test accuracies over seeds, of the length that is better in validation."""
    rows = [row for row in record["runs"] if (row["data"], row["recipe"], row["size"]) == (data, recipe, size)]
    return np.array(max(rows, key=lambda row: np.mean(row["validation"]))["test"])


figure, axes = plt.subplots(2, 1, figsize=(6, 6.4))
titles = {"digits": "digits", "fashion_mnist": "Fashion-MNIST"}
for (data, title), marker in zip(titles.items(), "os"):
    size, small = conditions["size"][data], conditions["recipe"][data]
    plain = recorded(data, {}, size)
    strengths = [is_greater(recorded(data, {"shift": each}, size), plain) for each in conditions["shifts"]]
    middle, low, high = (np.array([getattr(each, part) for each in strengths]) for part in ("mean", "low", "high"))
    bars = [middle - low, high - middle]
    label = f"{title}, {size} a class"
    line = axes[0].errorbar(conditions["shifts"], middle, bars, marker=marker, capsize=3, label=label)[0]
    sizes = conditions["sizes"][data]
    for recipe, style, name in (({}, "--", "none"), (small, "-", f"shift {small['shift']}")):
        values = [recorded(data, recipe, each).mean() for each in sizes]
        axes[1].plot(sizes, values, style, marker=marker, color=line.get_color(), label=f"{title}, {name}")
axes[0].axhline(0, color="black", lw=1)
axes[0].set(title="How strong?", xlabel="shift, as a share of the side", ylabel="gain in accuracy")
axes[1].set(title="For how few?", xlabel="training pictures of each class", ylabel="accuracy in the test", xscale="log")
axes[1].xaxis.set_major_formatter("{x:g}")
for ax in axes:
    ax.legend(fontsize=9)
plt.show()

# %%
rows = {}
for data, title in titles.items():
    size = conditions["size"][data]
    plain = recorded(data, {}, size)
    rows[title] = {name: f"{np.mean(recorded(data, recipe, size) - plain):+.3f}"
                   for name, recipe in conditions["operations"].items()}
    sizes, small = conditions["sizes"][data], conditions["recipe"][data]
    accuracy = [recorded(data, {}, each).mean() for each in sizes]
    for each in sizes[:-1]:
        worth = np.exp(np.interp(recorded(data, small, each).mean(), accuracy, np.log(sizes))) / each
        print(f"{title}, {each} a class: shifts by {small['shift']} are worth {worth:.2f} times the pictures.")
pd.DataFrame(rows)

# %% [markdown]
# Find the top of each curve of strength: a shift helps up to what the test shows, and harms beyond.
# Fashion-MNIST is centred to the pixel, so it bears less than the digits. The second plot says what a gain is
# worth: augmented, ten digits do the work of more digits, but not of as many as there are variants. And with
# many pictures the gain melts: real variety takes the place of invented variety. The table has the gain of each
# operation by itself; compare the two columns before you trust a recipe from elsewhere.
#
# ## Which to take
#
# | operation | when | not when |
# |---|---|---|
# | flip, left to right | things without writing, seen from any side | the side is the label; letters, digits, maps |
# | shift, crop and scale | things lie anywhere, in any size | pictures are centred and scaled alike |
# | rotation, a few degrees | hand-held cameras, handwriting | upright is certain; far turns only from above |
# | light | other lamps, other cameras | brightness is the label |
# | colour, inversion of channels | form decides | colour decides: fruit, flowers |
# | noise | noisy cameras | pictures are clean, as drawings |
# | RandAugment | many pictures, no time to choose | small pictures, labels that a turn changes |
# | MixUp, CutMix | long trainings of large networks | few steps; a loss of one label |
#
# And the library? Pictures per second on the deck's two recipes, on two cores, from `benchmarks/augmentation.py`:

# %%
speed = read_result("15_augmentation_speed")
print(f"{speed['date']}, {speed['hardware']}")
rates = pd.DataFrame(speed["rates"])
rates = rates[(rates["cores"] == 2) & rates["operation"].str.contains("recipe")]
table = rates.pivot(index="library", columns=["operation", "side"], values="images_per_second")
table.map(lambda value: "–" if np.isnan(value) else f"{value:,.0f}")

# %% [markdown]
# Take Keras' layers first: they are kept up, run in the model on a GPU or in `tf.data`, follow boxes and masks,
# and need nothing more to be installed. Where large pictures are augmented on few cores and the trainer waits,
# compare the columns of 128 pixels; there the OpenCV of imgaug (or of albumentations, its heir in kind) may
# win. tf.image is for `tf.data` on single pictures. For anything new, leave imgaug, Augmentor and
# ImageDataGenerator to the programs that have them.
#
# ## Summary
#
# - The decks' operations are the same pictures in three libraries, to within a grey level. A layer of one's own
#   draws for each image, from its own generator, and is silent outside training.
# - Variants are made on the fly: copies would take the size of the data once for each epoch. Prefetched, a step
#   takes the longer of two times where the trainer leaves the processor alone; where both want it, their sum.
# - Gain is a matter of plausibility: a small shift lifts the digits, a mirror harms them, and a shift twice too far
#   undoes the good. Ask whether the label survives; split first; leave validation and test as they come.
#
# ## Exercises
#
# **Extend (checked).** Write the flip of a box by hand: `(x1, y1, x2, y2)`, left, top, right and bottom in
# pixels from the upper left corner, in a picture so many pixels wide. What comes out must have its left corner
# first again.

# %% tags=["exercise", "exercise-box"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    return ...


# %% tags=["check"]
if flip_box((1, 2, 5, 9), 10) is ...:
    print("Not answered yet: replace the dots above.")
else:
    answered = flip_box((1, 2, 5, 9), 10)
    assert np.shape(answered) == (4,), "Return four numbers: left, top, right and bottom."
    hints = {
        (9, 2, 5, 9): "Left is now greater than right. The old right edge becomes the new left edge.",
        (4, 2, 8, 9): "Off by a pixel: edges lie between pixels, from 0 to width, so the mirror of 0 is width.",
        (1, 1, 5, 8): "Top and bottom stay where they are if left and right are exchanged.",
        (5, 2, 1, 9): "That exchanges the two numbers. The mirror of x is as far from the right as x is from the left.",
        (1, 2, 5, 9): "Nothing has changed. The box lies on the left, and its mirror image on the right.",
    }
    assert tuple(np.asarray(answered).tolist()) == (5, 2, 9, 9), hints.get(
        tuple(np.asarray(answered).tolist()), "Not this. Where does the edge x = 1 go if 10 pixels are mirrored?"
    )
    by_library = iaa.Fliplr(1.0)(bounding_boxes=boxes).to_xyxy_array()[0]
    assert np.allclose(flip_box(tuple(corners[0]), pixels[1]), by_library), "Right for one box, not for the animal's."
    print("Right, and imgaug says the same of the animal's box. Flipped twice, a box is what it was: a good test.")

# %% [markdown]
# **Predict.** The pants, coats and bags of Fashion-MNIST are nearly symmetric, and all its shoes point the same
# way. Which classes can a flip help, which can it harm? Then look at the record's table.
#
# **Modify.** Set `shift` to 0.2, then to 0.3, and `per_class` to 40. Before each run write down the sign of the
# gain.
#
# **Extend.** Write a layer `RandomErasing` on the base `RandomOperation`: a rectangle of grey, at another place
# in each image (Zhong et al., 2017). `keras.layers.RandomErasing` has it; compare yours with it over the seeds;
# `train` also takes a function from images to images.
