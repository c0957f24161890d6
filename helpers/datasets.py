"""Images and labels by name: the embedded data at once, anything else through TensorFlow Datasets; balanced batches."""

import helpers.quiet  # noqa: F401

import math
from pathlib import Path

import keras
import numpy as np

from helpers.embedded import embedded_arrays, embedded_names, read_card


def load_arrays(name, split="train", image_size=None, label_key=None, data_dir=None):
    """Load a split as two arrays.

    Args:
        name: an embedded data set (``embedded_names()`` lists them) or any name of TensorFlow Datasets.
        split: which examples, as TensorFlow Datasets writes it: ``"train"``, ``"train[:4000]"``,
            ``"train[80%:]"``, ``"train[-100:]"``, ``"train[:10%]+test"``.
        image_size: ``(height, width)`` in pixels to resize to; None leaves the images as they are.
        label_key: the feature that is the label, where a data set of TensorFlow Datasets has several;
            an embedded one has one.
        data_dir: where TensorFlow Datasets keeps what it downloads; None for its own folder.

    Returns:
        ``(images, labels)``: uint8 of shape ``(n, height, width, channels)``, int64 of shape ``(n,)``.

    Raises:
        ValueError: unknown name or split, damaged embedded file, images of different sizes.
        ConnectionError: the data have to be downloaded and there is no network.

    Example::

        images, labels = load_arrays("fashion_mnist", "train[:4000]")
    """
    if name in embedded_names() and image_size is None:
        return embedded_arrays(name, split)
    pairs = list(_examples(name, split, image_size, label_key, data_dir).as_numpy_iterator())
    if not pairs:
        raise ValueError(f"There is no image in this split. Received: name={name!r}, split={split!r}")
    shapes = {image.shape for image, _ in pairs}
    if len(shapes) > 1:
        raise ValueError(f"The images differ in size: pass image_size=(height, width). Received: name={name!r}")
    return np.stack([image for image, _ in pairs]), np.array([label for _, label in pairs], "int64")


def load_dataset(
    name, split="train", batch_size=128, shuffle=True, seed=0, image_size=None, label_key=None, data_dir=None
):
    """Load a split as a shuffled, batched, prefetched ``tf.data.Dataset``.

    Args:
        name, split, image_size, label_key, data_dir: as for ``load_arrays``.
        batch_size: images per batch.
        shuffle: whether to draw a new order in each epoch: among all images, or among as many as
            512 MB hold.
        seed: seed of that order, together with that of ``keras.utils.set_random_seed``.

    Returns:
        Dataset of ``(images, labels)``: uint8 ``(batch, height, width, channels)``, int64 ``(batch,)``.

    Raises:
        ValueError, ConnectionError: as ``load_arrays``.

    Example::

        train_dataset = load_dataset("fashion_mnist", "train[:90%]", batch_size=64)
    """
    if batch_size < 1:
        raise ValueError(f"A batch has one image at least. Received: batch_size={batch_size!r}")
    dataset = _examples(name, split, image_size, label_key, data_dir)
    shape = dataset.element_spec[0].shape
    if None in shape:
        raise ValueError(
            f"Images of different sizes make no batch: pass image_size=(height, width). Received: name={name!r}"
        )
    if shuffle:
        fit, size = max(1, 2**29 // shape.num_elements()), int(dataset.cardinality())  # size < 0: not known
        dataset = dataset.shuffle(min(size, fit) if size > 0 else fit, seed=seed)
    return dataset.batch(batch_size).prefetch(-1)  # -1: as many batches as tf.data finds useful


def class_names(name, label_key=None, data_dir=None):
    """Return the names of the classes, in the order of the labels.

    Args:
        name, label_key, data_dir: as for ``load_arrays``.

    Raises:
        ValueError, ConnectionError: as ``load_arrays``.

    Example::

        class_names("fashion_mnist")[9]  # "Ankle boot"
    """
    if name in embedded_names():
        return read_card(name)["classes"]
    builder = _prepared(name, label_key, data_dir)  # some data sets bring the names with the images
    return builder.info.features[_label_key(builder, label_key)].names


class BalancedBatches(keras.utils.PyDataset):
    """Batches for ``fit`` that hold each class equally often, whatever its number of images; nothing is copied ahead.

    A batch goes round the classes, from one drawn at random, and takes from each an image drawn at random, with
    replacement. It is drawn anew in every epoch, and the same one for the same seed, epoch and index, by any worker.

    Args:
        images: array ``(n, ...)``, also one that stays on disk, as ``np.load(path, mmap_mode="r")`` gives it.
        labels: array of integers ``(n,)``.
        batch_size: images in a batch.
        batches: batches in an epoch; None for as many as hold n images.
        seed: of what is drawn, zero or more.
        augment: function from the images of a batch to as many new ones, or None.
        options: of ``keras.utils.PyDataset``, such as ``workers``.

    Raises:
        ValueError: images and labels of different lengths, or a batch of no image.

    Taught in lesson 14.

    Source: keras.io/api/utils/python_utils, PyDataset; class-balanced sampling: Shen, Lin and Huang, 2016, "Relay
    Backpropagation for Effective Learning of Deep Convolutional Neural Networks", section 3.3.

    Example::

        model.fit(BalancedBatches(train_images, train_labels, batch_size=48), epochs=5)
    """

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


def _examples(name, split, image_size, label_key, data_dir):
    """Return an unbatched ``tf.data.Dataset`` of ``(uint8 image, int64 label)``."""
    import tensorflow as tf

    if image_size is not None and (np.shape(image_size) != (2,) or min(image_size) < 1):
        raise ValueError(f"image_size is (height, width) in pixels. Received: image_size={image_size!r}")
    if name in embedded_names():
        dataset = tf.data.Dataset.from_tensor_slices(embedded_arrays(name, split))
    else:
        builder = _prepared(name, label_key, data_dir)
        key = _label_key(builder, label_key)
        dataset = builder.as_dataset(split=split).map(lambda example: (example["image"], example[key]))
    if image_size is not None:

        def resize(image, label):
            image = tf.image.resize(image, image_size, antialias=True)
            return tf.cast(tf.round(tf.clip_by_value(image, 0, 255)), "uint8"), label

        dataset = dataset.map(resize, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset


def _prepared(name, label_key, data_dir):
    """Return the TFDS builder of a data set, which is downloaded and prepared if it is not yet."""
    import absl.logging
    import tensorflow_datasets as tfds

    absl.logging.set_verbosity(absl.logging.ERROR)  # it warns of metadata that it then finds elsewhere
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        raise ValueError(
            f"Embedded: {', '.join(embedded_names())}; all others are listed at tensorflow.org/datasets/catalog. "
            f"Received: name={name!r}"
        ) from None
    _label_key(builder, label_key)  # refuse before gigabytes are downloaded
    if not builder.is_prepared():
        _require_network(builder)
        builder.download_and_prepare()
    return builder


def _label_key(builder, label_key):
    """Return the key of the label among the builder's features."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    classes = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    if "image" not in features or not classes:
        raise ValueError(f"This data set has no image with one class label. Received: name={builder.name!r}")
    if label_key is None and len(classes) == 1:
        return classes[0]
    if label_key not in classes:
        raise ValueError(f"Choose label_key among {', '.join(classes)}. Received: label_key={label_key!r}")
    return label_key


def _require_network(builder):
    """Raise at once what TensorFlow Datasets finds out after minutes of retries."""
    import requests

    url = next(iter(builder.url_infos), None)
    try:
        if url is not None:
            requests.head(url, timeout=10, allow_redirects=True)
    except requests.RequestException as error:
        folder = next(path for path in Path(builder.data_dir).parents if path.name == builder.name)
        raise ConnectionError(
            f"{builder.name} must be downloaded, and its server cannot be reached. With a network run "
            f"`tfds build {builder.name}`, and copy the folder it makes, {builder.name}, into {folder.parent}. "
            f"Without a network there are: {', '.join(embedded_names())}."
        ) from error
