"""Networks trained on ImageNet: with their preprocessing inside, layers frozen, features kept."""

import hashlib
import inspect
import json
import os
import tempfile
import warnings
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
        input_shape: ``(height, width, 3)`` of the pictures, 32 pixels or more; None where the sides may vary.
        include_top: whether to go on to the logits of ImageNet's 1000 classes, ``imagenet_classes()``. Networks of
            Keras Applications then want the size that they were trained on.
        pooling: "avg" or "max" over all places of the last maps; None keeps the maps.
        weights: "imagenet", or None for a network that nobody has trained.

    Returns:
        Keras model, its preprocessing part of it, from pictures ``(batch, height, width, 3)`` to maps ``(batch,
        height / 32, width / 32, channels)``, rounded as the network does it; with pooling to features ``(batch,
        channels)``; with the top to logits ``(batch, 1000)``.

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
    *sides, channels = input_shape if isinstance(input_shape, tuple | list) and len(input_shape) == 3 else (0, 0, 0)
    if channels != 3 or not all(side is None or (isinstance(side, int) and side >= 32) for side in sides):
        raise ValueError(
            f"Trained on colour: (height, width, 3), 32 pixels or more. Received: input_shape={input_shape!r}"
        )
    if not (weights is None or (isinstance(weights, str) and weights == "imagenet")):
        raise ValueError(f'Weights are "imagenet", or None for a random start. Received: weights={weights!r}')
    if pooling not in ("avg", "max", None) or (include_top and pooling):
        raise ValueError(f'Pooling is "avg", "max" or, always with the top, None. Received: pooling={pooling!r}')
    if keras.config.image_data_format() != "channels_last":
        raise ValueError("The weights are for channels last: keras.config.set_image_data_format('channels_last').")
    images = keras.Input(input_shape, name="images")
    if name == "efficientnet_lite0":
        return _efficientnet_lite0(images, include_top, pooling, weights)
    preprocess = next((each.preprocess_input for each in modules if hasattr(each, name)), lambda pixels: pixels)
    options = {"input_shape": input_shape, "include_top": include_top, "weights": weights}
    options |= {"classifier_activation": None} if include_top else {"pooling": pooling}
    try:
        network = getattr(keras.applications, name)(input_tensor=preprocess(images), **options)
    except Exception as error:  # Keras raises no other where it finds no network
        if not isinstance(error, OSError) and "URL fetch failure" not in str(error):
            raise
        raise ConnectionError(
            "Its weights cannot be downloaded; those of efficientnet_lite0 come with the course. "
            f"Received: name={name!r} ({error})"
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
        model: a functional or sequential Keras model; of a model that is one of its layers all is trained, or nothing.
        layer_name: the first layer to train, in the order of ``model.layers``; None trains none.

    Raises:
        ValueError: the model has no such layer.

    Taught in lesson 13.

    Source: keras.io/guides/transfer_learning.
    """
    names = [layer.name for layer in model.layers]
    if layer_name not in (None, *names):
        raise ValueError(f"Layers of {model.name}: {', '.join(names)}. Received: layer_name={layer_name!r}")
    first = len(names) if layer_name is None else names.index(layer_name)
    model.trainable = True  # whatever was frozen before
    for index, layer in enumerate(model.layers):
        layer.trainable = index >= first and not isinstance(layer, layers.BatchNormalization)
        if layer.trainable and isinstance(layer, keras.Model):
            freeze_before(layer, layer.layers[0].name)


def as_head(classifier):
    """Return kernel and bias of the dense layer that answers as a linear classifier does.

    The classifier standardises, ``(x - mean) / scale``, and then has coefficients; both fold into one kernel.

    Args:
        classifier: a fitted pipeline of scikit-learn's ``StandardScaler`` and ``LogisticRegression``, of three classes
            or more.

    Returns:
        ``[kernel, bias]`` for ``set_weights``: float32 ``(features, classes)`` and ``(classes,)``.

    Taught in lesson 13.

    Example::

        model.get_layer("logits").set_weights(as_head(classifier))
    """
    scaler, model = classifier[0], classifier[1]
    kernel = model.coef_.T / scaler.scale_[:, None]
    return [kernel.astype("float32"), (model.intercept_ - scaler.mean_ @ kernel).astype("float32")]


def cached_features(model, images, batch_size=32, folder=None):
    """Return what a model answers to images, from a file if it was asked the same before.

    The same is: the same layers in the same graph, weights, images, backend and version of Keras. What is kept is safe
    to delete, and nothing else deletes it: a picture of 224 x 224 takes 250 kB as last maps, 5 kB as features.

    Args:
        model: a Keras model of one input, and of one output or several, of Keras' own layers.
        images: array ``(n, height, width, channels)``.
        batch_size: images at once.
        folder: where answers are kept; None for the course's ``build/features``.

    Returns:
        Array of shape ``(n, ...)``; of several outputs, a list.

    Raises:
        ValueError: images of another shape than the model's, or a model with code that a change of would not be seen.

    Example::

        features = cached_features(backbone(pooling="avg"), train_images)
    """
    images = np.ascontiguousarray(images)
    config = model.get_config() if getattr(model, "inputs", None) else {"output_layers": {}}
    if isinstance(config.get("output_layers"), dict) or len(model.inputs) > 1:
        raise ValueError(f"Give a functional model of one input, and outputs in a list. Received: model={model!r}")
    shape = model.inputs[0].shape
    sizes_fit = all(size in (None, given) for size, given in zip(shape[1:], images.shape[1:]))
    if images.ndim != len(shape) or not len(images) or not sizes_fit:
        raise ValueError(f"{model.name} takes images of shape {shape}. Received: images of shape {images.shape}")
    key = hashlib.sha256(f"{keras.backend.backend()} {keras.__version__} {images.dtype} {images.shape}".encode())
    key.update(json.dumps(_graph(config), sort_keys=True).encode())
    for array in (images, *model.get_weights()):
        key.update(np.ascontiguousarray(array))
    path = Path(folder or FEATURES) / f"{key.hexdigest()[:32]}.npz"
    try:
        with np.load(path) as kept:
            features = [kept[name] for name in kept.files]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):  # none yet, or not a whole one
        features = model.predict(images, batch_size=batch_size, verbose=0)
        features = features if isinstance(features, list) else [features]
        features = [each.astype("float32") if each.dtype.name == "bfloat16" else each for each in features]
        try:
            _keep(features, path)
        except OSError as error:
            warnings.warn(f"The features are not kept: {error}", stacklevel=2)
    return features if len(features) > 1 else features[0]


def _graph(config):
    """Return the configuration of a model with its layers numbered: their names may count those of a session."""
    numbers = {layer["config"]["name"]: index for index, layer in enumerate(config["layers"])}

    def numbered(value, key=None):
        if isinstance(value, dict):
            if not str(value.get("module") or "keras").startswith("keras") or value.get("class_name") == "Lambda":
                raise ValueError(f"A change of this code would not be seen: use model.predict. Received: {value}")
            return {each: numbered(value[each], each) for each in value if each != "trainable"}
        if isinstance(value, list | tuple):
            return [numbered(each, key) for each in value]
        return numbers.get(value, 0) if key in ("name", "keras_history") and isinstance(value, str) else value

    return numbered({"layers": config["layers"], "keras_history": config.get("output_layers")})


def _keep(arrays, path):
    """Write arrays to a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        np.savez(Path(folder) / "whole.npz", *arrays)
        os.replace(Path(folder) / "whole.npz", path)
