"""Images and labels by name: the embedded data at once, anything else through TensorFlow Datasets."""

import hashlib
import re
import zlib
from pathlib import Path

import numpy as np
import yaml

DATA = Path(__file__).resolve().parent.parent / "data"
SPLIT = re.compile(r"(?P<name>\w+)(\[(?P<start>-?\d+%?)?:(?P<stop>-?\d+%?)?\])?")


def embedded():
    """Return the names of the data sets that come with the course."""
    return sorted(card.parent.name for card in DATA.glob("*/README.md"))


def read_card(name):
    """Return the front matter of an embedded data set's card, ``data/NAME/README.md``, as a dictionary."""
    _, front_matter, _ = (DATA / name / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front_matter)


def load_arrays(name, split="train", image_size=None, label_key=None, data_dir=None):
    """Load a split as two arrays.

    Args:
        name: an embedded data set (``embedded()`` lists them) or any name of TensorFlow Datasets.
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
    if name in embedded() and image_size is None:
        return _embedded_arrays(name, split)
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
    if name in embedded():
        return read_card(name)["classes"]
    builder = _prepared(name, label_key, data_dir)  # some data sets bring the names with the images
    return builder.info.features[_label_key(builder, label_key)].names


def parse_split(split, sizes):
    """Turn a split as TensorFlow Datasets writes it into ranges of examples, without importing it.

    Args:
        split: such as ``"train"``, ``"train[:4000]"``, ``"train[-10%:]"``, ``"train[:1%]+test"``; the
            units within one slice are examples or per cent, not both.
        sizes: ``{split name: number of examples}``.

    Returns:
        List of ``(split name, start, stop)`` with ``0 <= start < stop <= size``.

    Raises:
        ValueError: the split cannot be read, is unknown, or asks for more than there is.
    """
    ranges = []
    for part in split.split("+"):
        match = SPLIT.fullmatch(part.strip())
        ends = [end for end in match.group("start", "stop") if end] if match else []
        if match is None or len({end.endswith("%") for end in ends}) > 1:
            raise ValueError(f'A split reads like "train", "train[:4000]" or "train[80%:]". Received: split={split!r}')
        if match["name"] not in sizes:
            raise ValueError(f"Known splits: {', '.join(sizes)}. Received: split={split!r}")
        size = sizes[match["name"]]
        start, stop = (_boundary(match[end], size, default) for end, default in (("start", 0), ("stop", size)))
        if not 0 <= start < stop <= size:
            raise ValueError(f"{match['name']} has {size} examples, to be sliced forwards. Received: split={split!r}")
        ranges.append((match["name"], start, stop))
    return ranges


def _boundary(text, size, default):
    """Return one end of a slice, ``"4000"``, ``"-10%"`` or None, as an index into ``size`` examples."""
    if text is None:
        return default
    index = round(int(text[:-1]) * size / 100) if text.endswith("%") else int(text)
    return size + index if index < 0 else index


def _embedded_arrays(name, split):
    """Read the ranges of a split from the embedded IDX files."""
    splits = read_card(name)["splits"]
    images, labels = [], []
    for split_name, start, stop in parse_split(split, {key: files["examples"] for key, files in splits.items()}):
        files = splits[split_name]
        images.append(_read_idx(DATA / name / files["images"]["file"], files["images"]["sha256"])[start:stop])
        labels.append(_read_idx(DATA / name / files["labels"]["file"], files["labels"]["sha256"])[start:stop])
    return np.concatenate(images)[..., np.newaxis], np.concatenate(labels).astype("int64")


def _read_idx(path, sha256):
    """Return the uint8 array of a gzipped IDX file, after its decompressed bytes were verified."""
    try:
        content = zlib.decompress(path.read_bytes(), wbits=31)  # 31: a gzip file
    except (OSError, zlib.error) as error:
        raise ValueError(f"Cannot read {path.name} ({error}): fetch data/{path.parent.name} again.") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the file that its card describes: fetch data/{path.parent.name} again.")
    rank = content[3]
    shape = np.frombuffer(content, ">u4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _examples(name, split, image_size, label_key, data_dir):
    """Return an unbatched ``tf.data.Dataset`` of ``(uint8 image, int64 label)``."""
    import helpers.quiet  # noqa: F401

    import tensorflow as tf

    if image_size is not None and (np.shape(image_size) != (2,) or min(image_size) < 1):
        raise ValueError(f"image_size is (height, width) in pixels. Received: image_size={image_size!r}")
    if name in embedded():
        dataset = tf.data.Dataset.from_tensor_slices(_embedded_arrays(name, split))
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
    import helpers.quiet  # noqa: F401

    import absl.logging
    import tensorflow_datasets as tfds

    absl.logging.set_verbosity(absl.logging.ERROR)  # it warns of metadata that it then finds elsewhere
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        raise ValueError(
            f"Embedded: {', '.join(embedded())}; all others are listed at tensorflow.org/datasets/catalog. "
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
            f"Without a network there are: {', '.join(embedded())}."
        ) from error
