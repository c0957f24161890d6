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
# *A mirrored car is a car. So one picture is many pictures, and they cost nothing but a little time. Here the
# operations are written in three libraries, as far as each has them, put beside training, and tested: does the
# network get better? By some it does, by others it gets worse. You will know what to ask first, and how to find
# out.*
#
# You will
#
# - write the decks' operations in imgaug, tf.image and Keras, and as a layer of your own,
# - compute them beside the training instead of storing copies, and measure what that costs,
# - measure over seeds what each brings, and recognise three ways to deceive yourself.
#
# Fifty seconds on two CPU cores · decks: *practice*, "Аугментация данных"; *binary*, "Методы оптимизации"; *goods*.

# %% [markdown]
# ## Setup

# %% tags=["parameters"]
picture = 139  # which training picture of the goods is shown
others = [62, 63]  # that it is mixed with
tolerance = 1.0  # mean difference in grey levels of 0 to 255, below which two pictures are the same
copies = 64  # variants of one picture that are compared, encoded and decoded
epochs = 100  # of a training whose pictures would be stored
worth_storing = 4  # times the bytes of the pictures; up to this much more on disk is no waste
batch_size = 32  # pictures per training step
overlap_steps = 5  # training steps of one measurement of time
rounds = 5  # of measurements that take turns; the shortest counts, as others may use the machine
overlapped = 0.25  # of the way from the longer time to the sum: below this, two tasks overlap
unnoticed = 0.05  # of a step's time: less than this is not noticed
per_class = 10  # digits of each class to learn from
tests = 797  # digits of the test
validations = 500  # digits by which the number of steps is chosen
lengths = [128, 256]  # steps of a training; each side takes the better of two
learning_rate = 0.003  # of Adam at the start; it falls to zero
shift = 0.1  # of the side, the recipe on trial
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
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf  # for tf.image and tf.data, on any backend of Keras
from keras import layers, ops
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score
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
from helpers.plots import plot_by_seed, plot_images, use_course_style
from helpers.profiling import interleaved_times
from helpers.training import restarts

use_course_style()
keras.utils.set_random_seed(seeds[0])
rng = np.random.default_rng(seeds[0])

# %% [markdown]
# ## One picture, many pictures
#
# `augmenter` of this course takes a recipe as a dictionary, and `RECIPES["practice"]` is the slide's: mirror or
# not, cut up to this share off each border and scale back, multiply the light by a factor between these two,
# and shift each colour by up to so many levels of 255.

# %%
goods, goods_labels = load_arrays("goods", "train")
car = goods[picture]
variants = augmenter(RECIPES["practice"], seed=seeds[0])(np.repeat(car[None], copies, axis=0))
print(RECIPES["practice"])
ax = plt.subplots(figsize=(5, 2.3))[1]
plot_images(np.concatenate([car[None], variants[:11]]), ["the picture"] + 11 * [""], columns=6,
            heading="One picture, and eleven variants", ax=ax)
plt.show()

# %% [markdown]
# Still a car, if at times oddly lit. That is the whole idea, and its condition: a variant must be *plausible*, and
# its label must stay *right*. Keep both words in mind for the end of the page.
#
# ## The same operations in three libraries
#
# The slide lists imgaug, Augmentor, ImageDataGenerator and tf.image. What has become of them?
#
# - **imgaug**: last release 0.4.0 in February 2020. It uses two names that NumPy 2 no longer has, `np.sctypes`
#   and `np.complex`. `load_imgaug` puts them back, as in `np.complex = complex`, and imports it. A few
#   augmenters stay broken; its docstring says which.
# - **Augmentor**: last release 0.2.12 in March 2023; pipelines over folders of files, by Pillow.
# - **ImageDataGenerator** is no longer under `keras`; TensorFlow keeps it, deprecated, as
#   `tf.keras.preprocessing.image.ImageDataGenerator`. Its arguments became layers: `rotation_range` is
#   `RandomRotation`, `horizontal_flip` is `RandomFlip`, `width_shift_range` is `RandomTranslation`; folders are
#   read by `keras.utils.image_dataset_from_directory`.
# - **tf.image** is as it was: functions on tensors, without rotation by any angle.
#
# Beside them stand albumentations, whose free version is no longer developed (its successor AlbumentationsX is
# under the AGPL), and Keras' own layers, which follow below. What to take is for the end.
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
# In tf.image five of these seven take a line or two. A shift would be a pad and a crop, not written here; a turn by
# any angle it has not:

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
               "colour": lambda image: tf.clip_by_value(image + 40, 0, 255), "inversion": lambda image: 255 - image}

# %% [markdown]
# ### A layer of one's own
#
# In Keras each operation is a layer. A random layer needs three things: a generator of its own, so that a seed
# repeats it; one draw *for each image*; and silence outside training. This base has them. `strength` is the range
# to draw from; `ends` is for a layer whose strength is something else, such as a probability. `training=True` is
# the default because by hand one wants to see it at work; in a model, `fit`, `evaluate` and `predict` say which it
# is. And the answer has the layer's `compute_dtype`, so that mixed precision works.

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


# %% [markdown]
# Now the light. Keras has `RandomBrightness`, but that *adds* one number to R, G and B, which changes
# saturation. The slide says "in HSV": hue, saturation and value, where $V = \max(R, G, B)$. We read it as
# *multiply V, keep the other two*, which is to multiply R, G and B alike, so no change of colour space is
# needed. (One may also add to V.)

# %%
@keras.saving.register_keras_serializable("course")
class RandomLight(RandomOperation):
    """Multiply the value V = max(R, G, B) of HSV; hue and saturation stay."""

    def change(self, images):
        value = ops.max(images, axis=-1, keepdims=True)
        return images * ops.minimum(self.draw(images, 1, 1, 1), 255 / ops.maximum(value, 1e-6))


# %% [markdown]
# `get_config` and the decorator are there so that a saved model can be loaded again. Crop, tint, noise and
# inversion of `helpers.augmentation` are as short, on the same base. (Keras' `RandomZoom` zooms about the
# centre only, `RandomInvert` inverts all channels together; the slides ask for any part, and for channels.) A
# range of one number fixes what is drawn:

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
grey = np.full_like(car, 235)  # not written
libraries = {"imgaug": by_imgaug, "tf.image": by_tf_image, "Keras": by_keras}
tiles = [found.get(name, grey) for found in libraries.values() for name in in_keras]
titles = [name if name in found else "not written" for found in libraries.values() for name in in_keras]
ax = plt.subplots(figsize=(5.8, 3.1))[1]
plot_images(np.stack(tiles), titles, columns=7, heading="One picture, seven operations, three libraries", ax=ax)
for row, library in enumerate(libraries):
    ax.text(-0.05, -0.5 - 1.34 * row, library, rotation=90, ha="right", va="center", fontsize=9)
plt.show()
apart = {library: {name: np.abs(image.astype(float) - by_keras[name]).mean() for name, image in found.items()}
         for library, found in libraries.items() if library != "Keras"}
pd.DataFrame(apart).T.map(lambda value: "–" if np.isnan(value) else f"{value:.2f}")

# %% [markdown]
# The table holds the mean difference to Keras in grey levels. What is left comes from interpolation at edges,
# and in imgaug's light from HSV in whole numbers, with 180 hues. And the slide's other two? Augmentor works on
# folders of files, so it is left out. ImageDataGenerator can still be asked for a fixed flip:

# %%
old = tf.keras.preprocessing.image.ImageDataGenerator().apply_transform(car, {"flip_horizontal": True})
print(f"ImageDataGenerator's flip is Keras' flip: {np.array_equal(old, by_keras['flip'])}.")
four = ("flip", "crop", "light", "colour")
largest = max(apart[library][name] for library in apart for name in four)
claim("practice-aug-libraries", measured="flip, crop, light and colour in imgaug, tf.image and Keras layers (heirs of "
      f"ImageDataGenerator): mean differences up to {largest:.2f} of 255 grey levels; Augmentor was not run",
      holds=bool(largest < tolerance))

# %% [markdown]
# Where an operation exists in two libraries, the pictures agree to within a grey level on average. So choose by
# upkeep and speed, of which more at the end.
#
# Did our light keep hue and saturation, and what does adding do instead? Colours that are too dark or too pale have
# no hue to speak of, so we look at the others. Hue goes round in a circle of 360 degrees.

# %%
def to_hsv(image):
    """Return hue, saturation and value, each from 0 to 1."""
    return ops.convert_to_numpy(ops.image.rgb_to_hsv(ops.convert_to_tensor(image.astype("float32") / 255)))


before = to_hsv(car)
coloured = (before[..., 1] > 0.2) & (before[..., 2] > 0.3)
subtracted = in_levels(car.astype("float32") - 60)
for name, image in {"multiplied by 0.6": by_keras["light"], "60 levels taken away": subtracted}.items():
    moved = np.abs(to_hsv(image) - before)[coloured]
    moved[:, 0] = np.minimum(moved[:, 0], 1 - moved[:, 0])
    hue, saturation, value = moved.mean(axis=0)
    print(f"{name}: hue moves by {360 * hue:.1f} degrees on average, saturation by {saturation:.3f} and value by "
          f"{value:.3f}, of 1.")

# %% [markdown]
# Rounding aside, multiplying leaves hue and saturation alone, as a weaker lamp would. Taking away changes
# saturation, and hue too: not by itself, but where a channel would fall below 0 and is cut there. *Random noise
# per channel*, the slide's fourth, can be read in two ways: one number for each channel, which tints the
# picture (`RandomTint`), or another for each pixel too, which makes it grainy (`RandomNoise`). Keras' own
# `GaussianNoise` refuses more than 1, which is invisible on a scale to 255.
#
# ### Another draw for each picture?
#
# A batch with eight copies of one picture: how many different ones come back?

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
# Where it says 1, the whole batch got the same number. Within a model that is a loss. In `tf.data` it is no harm
# if pictures are mapped one by one, before `batch`, with one exception: a `stateless_` function draws what its seed
# says. With `(1, 2)` in each call it cuts every picture of every epoch alike, so give it another seed each time.
#
# ## Ready-made: RandAugment and its kin
#
# Four layers of Keras hold what papers have found to work. *RandAugment*
# (Cubuk et al., 2019) applies two operations drawn from a list, at one common strength. *AugMix* (Hendrycks et
# al., 2019) blends several such chains with the picture. *MixUp* (Zhang et al., 2017) and *CutMix* (Yun et al.,
# 2019) mix two pictures, and their labels with them.

# %%
some_pictures, names = goods[[picture, *others]].astype("float32"), class_names("goods")
labels = goods_labels[[picture, *others]]
one_hot = np.eye(len(names), dtype="float32")[labels]
shown, titles = [], []
with helpers.quiet.no_messages():  # JAX warns of a data type
    for layer in (layers.RandAugment(factor=0.4, seed=9), layers.AugMix(seed=2)):  # both choose once for a batch
        shown += [in_levels(layer(image[None], training=True))[0] for image in some_pictures]
        titles += [names[label] for label in labels]
    for layer in (layers.MixUp(alpha=1.0, seed=8), layers.CutMix(factor=1.0, seed=11)):
        mixed = layer({"images": some_pictures, "labels": one_hot}, training=True)
        shown += [*in_levels(mixed["images"])]
        for row in ops.convert_to_numpy(mixed["labels"]):
            titles.append("\n".join(f"{names[each]} {row[each]:.2f}" for each in np.flatnonzero(row > 0.005)))
ax = plt.subplots(figsize=(3.3, 5.9))[1]
plot_images(np.stack(shown), titles, columns=len(labels), heading="Four layers, and the labels they leave", ax=ax)
for row, name in enumerate(("RandAugment", "AugMix", "MixUp", "CutMix")):
    ax.text(-0.04, -0.5 - 1.34 * row, name, rotation=90, ha="right", va="center", fontsize=9)
plt.show()

# %% [markdown]
# The first two leave the label alone, but they do not ask whether it is still right. Both choose their
# operations once for a batch, so we gave them one picture at a time; in `tf.data`, map them before `batch`.
# (AugMix draws its chains by Python's `random`: traced into a graph, it keeps to one choice.) The other two
# need labels as rows of probabilities, and `CategoricalCrossentropy` in place of a loss that takes integer
# labels. They give up plausibility and change the label instead. The label counts area, not content: in CutMix
# a patch of white margin counts as much as a face. Shares are drawn anew for each picture, and where one is
# near 1, hardly anything was mixed.
#
# ## Boxes and masks follow
#
# If a picture is turned, so must be what was drawn on it (lesson 02). imgaug and Keras take pictures, boxes and
# masks together and draw once for all of them. imgaug brings an animal with a box and a mask:

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
figure, axes = plt.subplots(1, 3, figsize=(5, 2.1))
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
# may learn to draw loosely. Where there are masks, turn these and take the box anew; where there are none, turn
# little.
#
# ## Copies on disk, or on the fly
#
# The deck: augmentation multiplies the data, and storing the copies is wasteful. How many variants are there, what
# would they take on disk, and what would we get for it? The goods are JPEG files of quality 80, and so are our
# copies. A stored copy must be read and decoded; on the fly, a picture that waits in memory must be augmented.

# %%
def as_jpeg(images):
    """Return images as the bytes of JPEG files of quality 80."""
    files = [io.BytesIO() for _ in images]
    for file, image in zip(files, images):
        Image.fromarray(image).save(file, "JPEG", quality=80, optimize=True)
    return [file.getvalue() for file in files]


def decode(files):
    """Return images as arrays."""
    return [np.asarray(Image.open(io.BytesIO(file))) for file in files]


recipes = {"a flip alone": {"flip": True}, "the practice recipe": RECIPES["practice"]}
for name, recipe in recipes.items():
    augment = augmenter(recipe, seed=1)
    different = len(np.unique(augment(np.repeat(car[None], copies, axis=0)).reshape(copies, -1), axis=0))
    print(f"{copies} variants by {name}: {different} different.")
sample = goods[rng.choice(len(goods), copies, replace=False)]
files = as_jpeg(augment(sample))
seconds = interleaved_times({"augment": lambda: augment(sample), "decode": lambda: decode(files)}, rounds)
augmenting, decoding = (1e3 * each / copies for each in seconds.values())  # milliseconds for a picture

# %%
stored = epochs if different == copies else different  # copies of each picture that the practice recipe wants
kilobytes, original = (np.mean([len(file) for file in each]) / 1e3 for each in (files, as_jpeg(sample)))
times = stored * kilobytes / original
print(f"A copy has {kilobytes:.1f} kB on average. The {len(goods)} pictures, {stored} times: an estimated "
      f"{stored * kilobytes * len(goods) / 1e3:.0f} MB, {times:.0f} times the pictures themselves.")
print(f"To augment a picture takes {augmenting:.2f} ms, to decode a stored copy {decoding:.2f} ms. Over {epochs} "
      f"epochs, storing saves {(augmenting - decoding) * epochs * len(goods) / 1e3:.0f} s.")
claim("practice-aug-size", measured=f"{different} of {copies} variants differ; copies for {epochs} epochs take "
      f"{times:.0f} times the bytes of the pictures; {augmenting:.2f} ms to augment a picture, {decoding:.2f} ms to "
      "decode a copy", holds=bool(times > worth_storing))

# %% [markdown]
# A flip has two outcomes; both could be stored, and the rule would let it. The recipe never repeats itself, so that
# each epoch wants copies of its own. (The factor is not exactly the number of epochs, as cut and tinted pictures
# compress a little differently.) So it is a trade: those bytes buy those seconds, once, for one recipe; and if the
# seconds can be hidden behind the training, they buy nothing. Augmentation multiplies *pictures*, besides, not
# *information*: a hundred variants of one car tell less than a hundred cars (below: how much less).
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


def take_steps(batches, pause=0.0):
    """Take some training steps: wait for a batch, then for the accelerator."""
    for _ in range(overlap_steps):
        next(batches)
        time.sleep(pause)


# %%
ways = {"one after the other": batches_of(), "prefetch(1)": batches_of(1),
        "tf.data's default": batches_of(injected=True)}
ways = {name: iter(dataset) for name, dataset in ways.items()}
in_turn = ways["one after the other"]
pause = interleaved_times({"alone": partial(take_steps, in_turn)}, rounds)["alone"] / overlap_steps
calls = {"augmentation alone": partial(take_steps, in_turn)}
calls |= {name: partial(take_steps, batches, pause) for name, batches in ways.items()}
found = {name: 1e3 * seconds / overlap_steps for name, seconds in interleaved_times(calls, rounds).items()}
longer, total = max(found["augmentation alone"], pause * 1e3), found["augmentation alone"] + pause * 1e3
for name, value in found.items():
    print(f"{name}: {value:.1f} ms a step")
print(f"The accelerator alone: {pause * 1e3:.1f} ms. The longer of both is {longer:.1f} ms, their sum {total:.1f} ms.")
del ways, in_turn, calls  # ends the threads that prefetch

# %%
share = (found["prefetch(1)"] - longer) / (total - longer)
claim("practice-aug-parallel", measured=f"one after the other {found['one after the other']:.1f} ms, prefetched "
      f"{found['prefetch(1)']:.1f} ms; longer time {longer:.1f} ms, sum {total:.1f} ms",
      holds=True if share < overlapped else False if share > 1 - overlapped else None)

# %% [markdown]
# `prefetch` keeps a batch ready in a thread of its own. `tf.data` puts one at the end of a pipeline by itself,
# so that the default shows no difference; the row "one after the other" had to switch this off.
#
# ### Where both want the processor
#
# On a machine without a GPU, training and augmentation share the cores. Whether two can help each other there
# depends on how much of them the training leaves unused. So here is the price of the same three layers in the
# training of a small network, on the same pictures at 64 pixels: the training alone, the augmentation alone,
# and both together.

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
model = step_network()
tasks = {
    "training alone": lambda: model.train_on_batch(*next(streams["plain"])),
    "augmentation alone": lambda: next(streams["augmented"]),
    "both": lambda: model.train_on_batch(*next(streams["augmented"])),
}
per_step = {name: [] for name in tasks}
for _ in range(rounds):
    for name, task in tasks.items():
        for _ in range(3):
            task()  # takes also what lay ready
        start = time.perf_counter()
        for _ in range(2 * overlap_steps):
            task()
        per_step[name].append((time.perf_counter() - start) / (2 * overlap_steps) * 1e3)
plain, alone, both = (min(values) for values in per_step.values())
extra = both / plain - 1
print(f"A training step takes {plain:.1f} ms, a batch of augmentation {alone:.1f} ms: in sum {plain + alone:.1f} ms. "
      f"Both together take {both:.1f} ms, {extra:+.0%} over the training alone.")
if len(find_devices()) > 1:
    claim("practice-aug-free", measured=f"a training step takes {extra:+.1%}", holds=bool(extra < unnoticed))
else:
    print("That is on a CPU. The deck speaks of a GPU, and there is none here:")
    claim("practice-aug-free", measured=None, holds=None)

# %% [markdown]
# Compare the last but one number with the sum: on few cores, both share them. The percentage belongs to this
# network; one whose step takes ten times as long pays about a tenth of it. With a GPU, compare two rates:
# pictures augmented per second by all cores (the table at the end) and pictures trained per second. If the
# first is lower, the GPU waits; then augment inside the model, where the GPU does it.
#
# ## Does the test get better?
#
# At a size at which chance can be told from gain: a few handwritten digits of each class, 8 × 8 pixels, and a small
# network. Recipe on trial: a shift, from the *binary* deck. The *practice* deck's own recipe follows, on goods.
#
# The rule, before we look. Each seed draws other digits, other first weights and other variants, the same for
# both sides. To be fair to the side without augmentation, which may have learned its digits by heart long
# before, each side is trained at two lengths, each with its own schedule, and takes the length that is better
# on digits held out. The gain must exceed `margin` with its whole 95 % interval. The statement of the deck
# holds if the gain of the shift on digits and that of the recipe on goods, at the larger size, both pass; it is
# refuted if both intervals lie below zero; otherwise it stays open.
#
# (The strength was settled on other seeds, 10 to 12. Their test digits are the same ones, and training and test
# digits come from the same writers; a new writer would be a harder test.)

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


def network(steps):
    """Build a small network for digits, its learning rate falling to zero in so many steps."""
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
# To augment on the fly means that variants are drawn anew in each pass. Here all batches of a training are drawn
# beforehand, pass by pass, and augmented in one call. Without a recipe the same digits come in the same order,
# unchanged. One traced network serves all recipes and seeds of a length, by `restarts` of lesson 03.

# %%
def stream(recipe, seed, steps):
    """Return all images of a training in their order, augmented, and their labels."""
    chosen, rng = draw(seed)[0], np.random.default_rng(seed)
    passes = -(-steps * batch_size // len(chosen))
    order = np.concatenate([rng.permutation(chosen) for _ in range(passes)])[: steps * batch_size]
    augment = recipe if callable(recipe) else augmenter(recipe, seed=seed)
    return augment(pool[order]), pool_labels[order]


def train(recipes, steps):
    """Train from each seed on each recipe; return the answers for validation and test digits, and the weights."""
    answers, weights = {name: [] for name in recipes}, {}
    jobs = itertools.product(recipes, seeds)
    for (name, seed), (_, model) in zip(jobs, restarts(lambda _: network(steps), seeds, recipes)):
        model.fit(*stream(recipes[name], seed, steps), batch_size=batch_size, shuffle=False, verbose=0)
        judged = np.concatenate([pool[draw(seed)[1]], test_images])
        answers[name].append(model.predict(judged, batch_size=len(judged), verbose=0).argmax(axis=1))
        weights[name, seed] = model.get_weights()
    return {name: np.array(found) for name, found in answers.items()}, weights


# %%
settled = {"shift": shift}
truths = np.array([pool_labels[draw(seed)[1]] for seed in seeds])
in_validation, in_test = {}, {}
for steps in lengths:
    answers, weights = train({"none": {}, "shift": settled}, steps)
    for name, found in answers.items():
        in_validation[name, steps] = np.mean(found[:, :validations] == truths, axis=1)
        in_test[name, steps] = np.mean(found[:, validations:] == test_labels, axis=1)
plot_by_seed({f"{name}, {steps} steps": in_test[name, steps] for name in answers for steps in lengths},
             "accuracy in the test", f"{per_class} digits a class, with and without shifts")
plt.show()

# %%
best = {name: max(lengths, key=lambda steps: in_validation[name, steps].mean()) for name in answers}
reached = {name: in_test[name, steps] for name, steps in best.items()}
gain = is_greater(reached["shift"], reached["none"], margin)
for name, values in reached.items():
    print(f"{name}: the better length is {best[name]} steps, accuracy {values.mean():.3f}.")
print(f"Gain by shifts of up to {shift:g} of the side, {8 * shift:g} pixels: {gain}")

# %% [markdown]
# A point is a seed, the bar their mean. Compare the interval with the margin: that is the first half of the
# verdict. Longer training may still help, and the shifts more than the others; the record below has a length of
# four times this.
#
# ### The practice deck's own recipe, on goods
#
# Mirror, crop, light and colour were meant for products, and that takes longer than this page has. The record
# `results/15_augmentation.py` trains a network of four convolutions on goods of 48 pixels, with the recipe,
# with each operation by itself, and with the *binary* deck's, by the same rule. Before you look, write a sign
# beside each. Which of them makes pictures that the test shows too? Goods are framed about the middle, on
# white, not cut off; some face left, some right; in most classes any colour may come. (Noise is the other
# reading of the slide's fourth.)

# %%
record = read_result("15_augmentation")
conditions = record["parameters"]
print(f"{record['date']}, {record['hardware']}, seeds {conditions['seeds']}, tests {conditions['test']}.")


def recorded(data, recipe, size):
    """Return the test accuracies over seeds, of the length that is better in validation."""
    rows = [row for row in record["runs"] if (row["data"], row["recipe"], row["size"]) == (data, recipe, size)]
    return np.array(max(rows, key=lambda row: np.mean(row["validation"]))["test"])


def plot_gains(gains, title):
    """Draw a comparison with none per row, from the largest gain to the smallest."""
    gains = dict(sorted(gains.items(), key=lambda item: -item[1].mean))
    ax = plt.subplots(figsize=(6, 1.6 + 0.26 * len(gains)))[1]
    for row, each in enumerate(gains.values()):
        marker = {True: "^", False: "v", None: "o"}[each.holds]
        ax.errorbar(each.mean, row, xerr=[[each.mean - each.low], [each.high - each.mean]], marker=marker, ms=7,
                    color="C0", capsize=4)
    meanings = {"^": "surely beyond the margin", "o": "neither is sure", "v": "surely worse than none"}
    for marker, meaning in meanings.items():
        ax.plot([], [], marker, ms=7, color="C0", label=meaning)
    ax.axvline(0, color="black", lw=1)
    ax.axvspan(-margin, margin, color="0.85", lw=0, label="within the margin")
    ax.set(title=title, xlabel="gain in test accuracy, with its 95 % interval", yticks=range(len(gains)),
           yticklabels=gains, ylim=(len(gains) - 0.5, -0.5))
    ax.figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    plt.show()


# %%
size = conditions["size"]["goods"]
recipes = {"practice: together": conditions["recipe"]["goods"]}
for name, recipe in conditions["operations"].items():
    deck = "practice" if name in ("flip", "crop", "light", "tint", "noise") else "binary"
    recipes[f"{deck}: {'together' if 'deck' in name else name}"] = recipe
plain = recorded("goods", {}, size)
goods_gains = {name: is_greater(recorded("goods", recipe, size), plain, margin) for name, recipe in recipes.items()}
plot_gains(goods_gains, f"Goods in colour, {size} a class, against none")
for count in conditions["sizes"]["goods"]:
    without, augmented = (recorded("goods", recipe, count) for recipe in ({}, conditions["recipe"]["goods"]))
    print(f"{count} a class: {without.mean():.3f} without, {augmented.mean():.3f} with the practice recipe "
          f"(chance is {1 / len(names):.3f}); gain {is_greater(augmented, without, margin)}")

# %%
on_goods = goods_gains["practice: together"]
claim("practice-aug-helps", measured=f"a shift, {10 * per_class} digits: {gain}; the practice recipe, {size} goods a "
      f"class (record): {on_goods}", holds=gain.holds if gain.holds == on_goods.holds else None)

# %% [markdown]
# Accuracies of the record are means over classes. They are low here: a few goods of each class are too few to
# learn goods from. The deck's recipe passes, but narrowly: its interval begins hardly above the margin, and with
# fewer goods just below it. Now go to its operations by themselves. Five seeds and some hundred test pictures
# tell a gain of several points, not of one, so a recipe may pass where none of its parts does. Then look for
# operations that the slide does not name at all: does one of them alone do as much as all four? And see what a
# rotation to 180 degrees, which is a turn by any angle, does here, and to digits in the record below. A slide's
# list is a place to begin, not the answer.
#
# ### Each by itself, on digits
#
# Now here, at a usual strength, all of one length. Which will help, which will harm? *Half a turn* turns every
# other digit upside down, and no more than that.

# %%
def half_turn(images):
    """Turn every other image, as a coin decides, by 180 degrees."""
    turned = np.random.default_rng(0).random((len(images), 1, 1, 1)) < 0.5
    return np.where(turned, images[:, ::-1, ::-1], images)


operations = {"crop": {"crop": 0.1}, "inversion": {"inversion": 0.5}, "flip": {"flip": True}, "half a turn": half_turn}
answers |= train(operations, lengths[-1])[0]
accuracies = {name: np.mean(found[:, validations:] == test_labels, axis=1) for name, found in answers.items()}
gains = {name: is_greater(values, accuracies["none"], margin) for name, values in accuracies.items() if name != "none"}
plot_gains(gains, f"Digits, {per_class} a class, against none")

# %% [markdown]
# (Each interval is over five seeds and one test set, and among so many comparisons one may deceive.) No operation
# is good or bad in itself. A variant like the test's pictures can help: people write a digit a little to the
# left, or a little larger. One that the test never shows may help, do nothing, or cost a little. One whose *label
# is wrong* teaches a mistake.
#
# ## First mistake: a variant that changes the label
#
# Upside down, a six is a nine, still labelled six. A nought, a one and an eight stay what they are, and so, nearly,
# do a two and a five, like the letters Z and S. A three, a four and a seven are no digits any more. Which lose?

# %%
def recalls(name):
    """Return the share of each digit of the test that is recognised, a mean over the seeds."""
    correct = answers[name][:, validations:] == test_labels
    return np.array([correct[:, test_labels == digit].mean() for digit in range(10)])


ax = plt.subplots(figsize=(6.4, 3.2))[1]
for index, (name, hatch) in enumerate({"none": "", "flip": "//", "half a turn": ".."}.items()):
    ax.bar(np.arange(10) + 0.28 * (index - 1), recalls(name), 0.26, label=name, hatch=hatch, edgecolor="white")
ax.set(title="What a wrong variant costs, digit by digit", xlabel="digit", ylabel="share recognised", ylim=(0, 1),
       xticks=range(10))
ax.figure.legend(ncols=3, loc="outside lower center")
plt.show()
for name in ("flip", "half a turn"):
    lost = recalls("none") - recalls(name)
    print(f"{name}: {gains[name]}. The {lost.argmax()} loses most, {lost.max():.2f}. On average 6 and 9 lose "
          f"{lost[[6, 9]].mean():.2f}; 0, 1 and 8 lose {lost[[0, 1, 8]].mean():.2f}.")
for name in ("none", "half a turn"):
    said = answers[name][:, validations:]
    wrong = [np.mean(said[:, test_labels == digit] == other) for digit, other in ((6, 9), (9, 6))]
    print(f"{name}: {wrong[0]:.1%} of the sixes are taken for nines, {wrong[1]:.1%} of the nines for sixes.")

# %% [markdown]
# Read 6 and 9 against 0, 1 and 8: half a turn gives the first two a wrong label, the others a right one. The mirror
# spares the symmetric ones; a mirrored 5 looks rather like a 2. So ask of each operation, class by class, whether
# the label survives. A mirrored shoe is a shoe; a mirrored *left* shoe is a right one, and mirrored writing is no
# writing. Colours shifted far make a lemon a lime.
#
# ## Second mistake: augmented validation pictures
#
# Validation stands for what customers will send, and they send no variants. Suppose the validation digits are
# shifted along with the training digits, by one pipeline for both. How large is the gain that one then reports?

# %%
model, rows = network(lengths[-1]), []
for seed in seeds:
    held_out = draw(seed)[1]
    moving = augmenter(settled, seed=seed + 1000)
    judged = [pool[held_out], *(moving(pool[held_out]) for _ in range(4))]  # as they are, and shifted four times
    for name in ("none", "shift"):
        model.set_weights(weights[name, seed])
        said = model.predict(np.concatenate(judged), batch_size=5 * validations, verbose=0).argmax(axis=1)
        correct = np.mean(said.reshape(5, -1) == pool_labels[held_out], axis=1)
        rows.append((name, seed, correct[0], correct[1:].mean(), np.ptp(correct[1:])))
judged = pd.DataFrame(rows, columns=["recipe", "seed", "as they are", "shifted", "spread"])
judged = judged.set_index(["recipe", "seed"])
for kind in ("as they are", "shifted"):
    values = judged[kind]
    print(f"validation digits {kind}: none {values['none'].mean():.3f}, shift {values['shift'].mean():.3f}; "
          f"gain {is_greater(values['shift'], values['none'])}")
print("The highest less the lowest of the four shifted, a mean over seeds and both recipes: "
      f"{judged['spread'].mean():.3f}")

# %% [markdown]
# Both accuracies fall, yet the gain grows: shifted digits flatter whoever trained on shifted digits. And the
# number changes from draw to draw of the shifts, so that early stopping would follow luck. In Keras a random
# layer inside the model is silent in `evaluate` and `predict`. Called by hand it is not: write
# `model(images, training=False)`. One in a `tf.data` pipeline never is, so map only the training set.
#
# ## Third mistake: augment first, split later
#
# Make ten variants of each digit, shuffle, and hold out one fifth after the other for validation. Beside it the
# right order: split the digits, then augment those to learn from, and score those held out as they are. Many
# classifiers would do; a support vector machine is quick.

# %%
def ten_variants(indices, seed):
    """Return ten variants of each digit as rows of 64 numbers, and their labels."""
    variants = augmenter(settled, seed=seed)(np.repeat(pool[indices], 10, axis=0))
    return variants.reshape(-1, 64), np.repeat(pool_labels[indices], 10)


fifths = StratifiedKFold(5, shuffle=True, random_state=seeds[0])
found = {"augment, then split": [], "split, then augment": [], "the test": []}
for seed in seeds:
    chosen = draw(seed)[0]
    variants, labels = ten_variants(chosen, seed)
    found["augment, then split"].append(cross_val_score(SVC(), variants, labels, cv=fifths).mean())  # wrong
    scores = []
    for left, out in fifths.split(chosen, pool_labels[chosen]):  # right
        machine = SVC().fit(*ten_variants(chosen[left], seed))
        scores.append(machine.score(pool[chosen[out]].reshape(-1, 64), pool_labels[chosen[out]]))
    found["split, then augment"].append(np.mean(scores))
    found["the test"].append(SVC().fit(variants, labels).score(test_images.reshape(-1, 64), test_labels))
for name, values in found.items():
    above = "" if name == "the test" else f", above the test by {is_greater(values, found['the test'], margin)}"
    print(f"{name}: accuracy {np.mean(values):.3f}{above}")

# %% [markdown]
# In the first, for nearly each variant held out another variant of the same digit was learned: it recognises
# digits it has met. The second has no such help: compare its interval with zero. That interval is wide, as a
# hundred digits are few, so look for the absence of a sure surplus, not for a sign. Split first; then augment the
# training part.
#
# ## How much, and for how few? The record again
#
# *How strong* should a shift be, on the digits and on Fashion-MNIST? A guess beforehand: as strong as the
# test's own. `strays` measures how far the centre of mass of what is drawn strays within a class, in the test
# pictures. A shift drawn evenly from -s to s has the standard deviation $s / \sqrt 3$; so $s$ is $\sqrt 3$
# times the pictures' own.

# %%
def strays(images, labels):
    """Return the shift, as a share of the side, that spreads like the centres of mass within a class."""
    ink = np.abs(images - images[:, :1, :1].astype(float)).mean(axis=-1)  # what differs from the upper left corner
    ink /= ink.sum(axis=(1, 2), keepdims=True)
    place = np.arange(images.shape[1]) / images.shape[1]
    centres = np.stack([ink.sum(axis=2) @ place, ink.sum(axis=1) @ place], axis=1)
    return np.sqrt(3) * np.mean([centres[labels == label].std(axis=0) for label in np.unique(labels)])


small = (conditions["side"],) * 2
own = {"digits": strays(test_images, test_labels),
       "fashion_mnist": strays(*load_arrays("fashion_mnist", f"test[:{conditions['test']['fashion_mnist']}]")),
       "goods": strays(*load_arrays("goods", "validation+test", image_size=small))}
titles = {"digits": "digits", "fashion_mnist": "Fashion-MNIST", "goods": "goods"}
for data, title in titles.items():
    print(f"{title}: the test's own spread is that of shifts of up to {own[data]:.3f} of the side.")

# %% [markdown]
# Compare the goods with the other two. Framed about the middle, they still need not have their weight there: the
# eye is a poor judge of what the test shows. Whether the guess is any good, the plot tells.

# %%
figure, axes = plt.subplots(2, 1, figsize=(5.2, 7))
for index, (data, title) in enumerate(titles.items()):
    size, recipe, sizes = (conditions[key][data] for key in ("size", "recipe", "sizes"))
    style = {"marker": "os^"[index], "color": f"C{index}"}
    named = f"shift {recipe['shift']:g}" if "shift" in recipe else "practice recipe"
    for each, dashes, name in (({}, "--", "none"), (recipe, "-", named)):
        values = np.array([recorded(data, each, count) for count in sizes])
        axes[1].plot(sizes, values.mean(axis=1), ls=dashes, label=f"{title}, {name}", **style)
        axes[1].fill_between(sizes, values.min(axis=1), values.max(axis=1), color=style["color"], alpha=0.15, lw=0)
    shifts = conditions["shifts"] if data != "goods" else [0.1]  # goods have one strength
    strengths = [is_greater(recorded(data, {"shift": each}, size), recorded(data, {}, size)) for each in shifts]
    middle, low, high = (np.array([getattr(each, part) for each in strengths]) for part in ("mean", "low", "high"))
    axes[0].errorbar(shifts, middle, [middle - low, high - middle], label=f"{title}, {size} a class", capsize=3,
                     **style)
    axes[0].axvline(own[data], color=style["color"], ls=":", lw=1.5)
    axes[0].text(own[data] + 0.004, -0.13 + 0.025 * index, title, fontsize=8, color=style["color"],
                 bbox={"fc": "white", "ec": "none", "pad": 0.5})
axes[0].axhline(0, color="black", lw=1)
axes[0].set(title="How strong a shift? (dotted: the test's own)", xlabel="shift, as a share of the side",
            ylabel="gain in accuracy")
axes[1].set(title="What is it worth with few pictures?", xlabel="training pictures of each class", xscale="log",
            ylabel="accuracy in the test (logit scale)", yscale="logit")
ticks = {axes[1].xaxis: (5, 10, 20, 40, 100, 300), axes[1].yaxis: (0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)}
for axis, places in ticks.items():
    axis.set_ticks(places, [f"{each:g}" for each in places])
axes[1].minorticks_off()
axes[0].legend(fontsize=8, loc="upper right")
axes[1].legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2), handlelength=4)
plt.show()

# %%
rows = {}
for data, title in titles.items():
    size, recipe, sizes = (conditions[key][data] for key in ("size", "recipe", "sizes"))
    compared = {name: is_greater(recorded(data, each, size), recorded(data, {}, size))
                for name, each in conditions["operations"].items()}
    rows[title] = {name: f"{each.mean:+.3f}" + (" *" if each.low > 0 or each.high < 0 else "")
                   for name, each in compared.items()}
    accuracy = [recorded(data, {}, each).mean() for each in sizes]
    for each in sizes[:-1]:
        with_it = recorded(data, recipe, each)
        by_seed = np.exp(np.interp(with_it, accuracy, np.log(sizes))) / each
        less = " or less" if with_it.min() < accuracy[0] else ""
        more = " or more" if with_it.max() > accuracy[-1] else ""
        print(f"{title}, {each} a class: worth {by_seed.min():.1f}{less} to {by_seed.max():.1f}{more} times the "
              "pictures.")
pd.DataFrame(rows)

# %% [markdown]
# Above: find the top of each curve, and the dotted line. Around the test's own spread, up to about twice, a
# shift helps; far beyond, it harms. Fashion-MNIST's curve falls earlier; it also has more pictures a class, and
# its garments fill the frame, so that a shift may cut them. Below, and in the printed lines: what a gain is
# worth, read off the curve without augmentation. Ten digits do the work of more digits, but not of as many as
# there are variants. Gain in accuracy must shrink as accuracy nears its ceiling; the worth in pictures need
# not. Read both.
#
# The table has each operation by itself, \* where the interval excludes 0. Figures for the digits differ a
# little from the plot above, as the record takes the better of two lengths, of which one is longer. Compare its
# columns before you trust a recipe from elsewhere.
#
# ## Which to take
#
# | operation | when | not when | here |
# |---|---|---|---|
# | flip, left to right | no writing; seen from any side | the side is the label; letters, digits | page, record |
# | shift, crop and scale | things lie anywhere, in any size | stronger than what the test shows | page, record |
# | rotation, a few degrees | hand-held cameras, handwriting | upright is certain | record |
# | light | other lamps, other cameras | brightness is the label | record |
# | colour, inversion | form decides, and colours vary | colour decides: fruit, flowers | page (inversion), record |
# | noise | noisy cameras | fine grain is the label | record |
# | RandAugment | many pictures, no time to choose | labels that a turn changes | advice |
# | MixUp, CutMix | long trainings of large networks | few steps; a loss of integer labels | advice |
#
# The columns "when" and "not when" are advice. The last says where the operation was put to the test here, not that
# it helped: that depends on the pictures, and most bring nothing sure on the goods (see the table above).
#
# And the library? Pictures of 28 and of 128 pixels per second, from `benchmarks/augmentation.py`. Keras' layers
# and tf.image run in `tf.data`; imgaug and albumentations in two threads, or in two processes with the way
# there and back. Of Keras' column, flip, rotation and shift are Keras' own, the rest are this course's layers.
# A dash: no such operation in the library, or not measured.

# %%
speed = read_result("15_augmentation_speed")
print(f"{speed['date']}, {speed['hardware']}")
rates = pd.DataFrame(speed["rates"])
rates = rates[rates["operation"].str.contains("recipe")].copy()
in_processes = rates["library"].str.endswith(", two processes")
rates["library"] = rates["library"].str.removesuffix(", two processes")
rates["cores"] = rates["cores"].map({1: "one core", 2: "two cores"}).mask(in_processes, "two processes")
rates["recipe"] = rates["operation"].str.extract("(practice|binary)", expand=False)
table = rates.rename(columns={"side": "pixels"}).pivot(index=["pixels", "library"], columns=["recipe", "cores"],
                                                       values="images_per_second")
table = table.sort_index(axis=1, ascending=[False, True])
table.map(lambda value: "–" if np.isnan(value) else f"{value:,.0f}")

# %%
practice = table["practice"]
for side in practice.index.levels[0]:
    for cores in ("one core", "two cores"):
        (first, rate), (second, other) = practice.loc[side, cores].nlargest(2).items()
        print(f"{side} pixels, practice recipe, {cores}: first {first}, {rate / other:.1f} times as fast as {second}.")
gained = practice.drop(columns="one core").div(practice["one core"], axis=0)
gained.map(lambda value: "–" if np.isnan(value) else f"{value:.2f} times one core")

# %% [markdown]
# Take Keras' layers first: they are kept up, run in the model on a GPU or in `tf.data`, need nothing more to be
# installed, and work on whole batches, which makes them the fastest on small pictures. Those that move things take
# boxes and masks along. A layer on our `RandomOperation` does less: it changes pictures only, and in `tf.data` it
# needs Keras' TensorFlow backend; under JAX and PyTorch put it into the model.
# tf.image is for `tf.data` on single pictures. Where large pictures are augmented on few cores and the trainer
# waits, the OpenCV of albumentations and imgaug is faster. The last table has what a second core brings on the
# practice recipe: a second *thread* brings these two little, or costs, as Python lets one thread at a time run
# its own code, while `tf.data` gains half as much again, or doubles. Two processes help with small pictures; with
# large ones the way there and back eats the gain. So for speed on large pictures take albumentations, knowing
# that its free version is frozen as well. For anything new, leave imgaug, Augmentor and ImageDataGenerator to the
# programs that have them.
#
# ## Summary
#
# - The decks' operations can be written in imgaug, in Keras, and mostly in tf.image, and the pictures agree to
#   within a grey level on average. A layer of one's own draws for each image, from its own generator, and is
#   silent outside training.
# - Variants are made on the fly: copies would take about the size of the data once for each epoch. Prefetched,
#   a step takes the longer of two times where the trainer leaves the processor alone; on few cores, both share
#   them.
# - Gain is a matter of plausibility: a small shift lifts the digits, a mirror harms them, and a shift far
#   beyond the test's own undoes the good. Ask whether the label survives; split first; leave validation and
#   test as they come.
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
        (5, 1, 9, 8): "Both axes are mirrored: that is half a turn. Top and bottom stay where they are.",
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
# way. Will a flip raise the accuracy, lower it, or neither? Then look at the record's table.
#
# **Modify.** Set `shift` to 0.2, then to 0.3, and `per_class` to 40. Before each run write down the sign of the
# gain.
#
# **Extend.** Write a layer `RandomErasing` on the base `RandomOperation`: a rectangle of grey, at another place
# in each image (Zhong et al., 2017). `keras.layers.RandomErasing` has it; compare yours with it over the seeds;
# `train` also takes a function from images to images.
