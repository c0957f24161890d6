"""Networks trained on ImageNet: with their preprocessing inside, layers frozen, features kept."""

import hashlib
import inspect
import json
import os
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
from keras import layers

from helpers.architectures.efficientnet_lite import efficientnet_lite0
from helpers.embedded import DATA, embedded_file

FEATURES = DATA.parent / "build" / "features"


def backbone(name="efficientnet_lite0", input_shape=(224, 224, 3), include_top=False, pooling=None, weights="imagenet"):
    """Build a network trained on ImageNet that takes pictures as they are, RGB of 0 to 255.

    Args:
        name: "efficientnet_lite0", whose weights come with the course, or a network of Keras Applications by its
            name there, such as "MobileNetV2", whose weights Keras downloads once.
        input_shape: ``(height, width, 3)`` of the pictures.
        include_top: whether to go on to the logits of ImageNet's 1000 classes, ``imagenet_classes()``.
        pooling: "avg" or "max" over all places of the last maps; None keeps the maps.
        weights: "imagenet", or None for a network that nobody has trained.

    Returns:
        Keras model, its preprocessing part of it, from pictures ``(batch, height, width, 3)`` to maps
        ``(batch, height / 32, width / 32, channels)``, with pooling to features ``(batch, channels)``, with the top
        to logits ``(batch, 1000)``.

    Raises:
        ValueError: an unknown network, or another bad value.
        ConnectionError: weights of Keras Applications that cannot be downloaded.

    Source: keras.io/api/applications; EfficientNet-Lite0: the card of ``data/weights``.

    Example::

        model = backbone("efficientnet_lite0", (128, 128, 3), pooling="avg")
        features = model.predict(images)  # pictures of 0 to 255
    """
    modules = [each for each in vars(keras.applications).values() if inspect.ismodule(each)]
    known = [each for each, function in vars(keras.applications).items() if inspect.isfunction(function)]
    if name not in ("efficientnet_lite0", *known):
        raise ValueError(f"A backbone is one of efficientnet_lite0, {', '.join(known)}. Received: name={name!r}")
    if np.shape(input_shape) != (3,) or input_shape[-1] != 3:
        raise ValueError(f"It was trained on colour: (height, width, 3). Received: input_shape={input_shape!r}")
    if weights not in ("imagenet", None):
        raise ValueError(f'Weights are "imagenet", or None for a random start. Received: weights={weights!r}')
    if pooling not in ("avg", "max", None) or (include_top and pooling):
        raise ValueError(f'Pooling is "avg", "max" or, always with the top, None. Received: pooling={pooling!r}')
    images = keras.Input(input_shape, name="images")
    if name == "efficientnet_lite0":
        return _efficientnet_lite0(images, include_top, pooling, weights)
    preprocess = next((each.preprocess_input for each in modules if hasattr(each, name)), lambda pixels: pixels)
    options = {"input_shape": input_shape, "include_top": include_top, "weights": weights}
    options |= {"classifier_activation": None} if include_top else {"pooling": pooling}
    try:
        network = getattr(keras.applications, name)(input_tensor=preprocess(images), **options)
    except Exception as error:  # Keras raises no other
        if "URL fetch failure" not in str(error):
            raise
        raise ConnectionError(
            f"The weights of {name} cannot be downloaded; those of efficientnet_lite0 come with the course. ({error})"
        ) from error
    return keras.Model(images, network.output, name=name)


def _efficientnet_lite0(images, include_top, pooling, weights):
    """Return the network whose weights are in ``data/weights``, cut where asked."""
    pixels = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(images)
    model = keras.Model(images, efficientnet_lite0(pixels, num_classes=1000), name="efficientnet_lite0")
    if weights:
        model.load_weights(embedded_file("weights", "efficientnet_lite0.weights.h5"))
    if include_top:
        return model
    maps = model.get_layer("last_activation").output
    if pooling:
        pool = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}[pooling]
        maps = pool(name=f"{pooling}_pool")(maps)
    return keras.Model(images, maps, name="efficientnet_lite0")


def imagenet_classes():
    """Return the English names of ImageNet's 1000 classes, in the order of the logits.

    Source: the card of ``data/weights``.
    """
    return embedded_file("weights", "imagenet_classes.txt").read_text(encoding="utf-8").splitlines()


def freeze_before(model, layer_name):
    """Freeze all layers of a model that come before the named one, and every batch normalisation; train the rest.

    A frozen batch normalisation keeps its statistics, also while the rest is trained. Compile the model afterwards:
    what is trained is settled there.

    Args:
        model: a functional Keras model.
        layer_name: the first layer to train; None trains none.

    Raises:
        ValueError: the model has no such layer.

    Source: keras.io/guides/transfer_learning.
    """
    names = [layer.name for layer in model.layers]
    if layer_name not in (None, *names):
        raise ValueError(f"Layers of {model.name}: {', '.join(names)}. Received: layer_name={layer_name!r}")
    first = len(names) if layer_name is None else names.index(layer_name)
    for index, layer in enumerate(model.layers):
        layer.trainable = index >= first and not isinstance(layer, layers.BatchNormalization)


def cached_features(model, images, batch_size=32):
    """Return what a model answers to images, from ``build/features/`` if it was asked the same before.

    The same is: the same graph, weights, images, backend and version of Keras. What is kept is safe to delete.

    Args:
        model: a Keras model of one input, and of one output or several.
        images: array ``(n, height, width, channels)``.
        batch_size: images at once.

    Returns:
        Array of shape ``(n, ...)`` as ``model.predict`` returns it; of several outputs, a list.

    Raises:
        ValueError: images of another shape than the model's.

    Example::

        features = cached_features(backbone(pooling="avg"), train_images)
    """
    images = np.ascontiguousarray(images)
    shape = model.inputs[0].shape
    sizes_fit = all(size in (None, given) for size, given in zip(shape[1:], images.shape[1:]))
    if images.ndim != len(shape) or not len(images) or not sizes_fit:
        raise ValueError(f"{model.name} takes images of shape {shape}. Received: images of shape {images.shape}")
    key = hashlib.sha256(f"{keras.backend.backend()} {keras.__version__} {images.dtype} {images.shape}".encode())
    config = {**model.get_config(), "name": None}  # a name may count the models of this session
    key.update(json.dumps(config, sort_keys=True, default=str).encode())
    for array in (images, *model.get_weights()):
        key.update(np.ascontiguousarray(array))
    path = FEATURES / f"{key.hexdigest()[:32]}.npz"
    try:
        with np.load(path) as kept:
            features = [kept[name] for name in kept.files]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):  # none yet, or not a whole one
        features = model.predict(images, batch_size=batch_size, verbose=0)
        features = features if isinstance(features, list) else [features]
        FEATURES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FEATURES) as folder:  # moved when whole
            np.savez(Path(folder) / "whole.npz", *features)
            os.replace(Path(folder) / "whole.npz", path)
    return features if len(features) > 1 else features[0]
