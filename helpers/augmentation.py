"""The decks' augmentations, each under one name, in Keras and in imgaug: uint8 images in, uint8 images out."""

import helpers.quiet  # noqa: F401

import importlib

import keras
import numpy as np
from keras import layers, ops

RECIPES = {  # operations and strengths, as ``augmenter`` takes them
    "practice": {"flip": True, "crop": 0.15, "light": (0.6, 1.4), "tint": 25},
    "binary": {"rotation": 15, "shift": 0.1, "inversion": 0.2},
    "gentle": {"flip": True, "crop": 0.1, "light": (0.8, 1.2)},
}


def augmenter(recipe, library="keras", seed=0):
    """Return a function that augments a batch of images: each image otherwise, and otherwise at every call.

    The operations come in the order of the recipe, with what is drawn for each image:

    - ``flip=True``: mirrored left to right, or not;
    - ``crop=c``: each border loses a share of the side, from 0 to c, and the rest is scaled to the old size;
    - ``rotation=d``: by -d to d degrees, counter-clockwise, around the centre;
    - ``shift=s``: by -s to s of the height, and of the width;
    - ``light=f``: the value V of HSV (hue, saturation, value) times 1 - f to 1 + f, hue and saturation unchanged;
    - ``tint=t``: -t to t grey levels of 0 to 255 added to each channel, another number for each;
    - ``noise=d``: normal noise with a standard deviation of d grey levels added to each value of each channel;
    - ``inversion=p``: each channel turned from x to 255 - x, or not, with probability p.

    ``crop``, ``rotation``, ``shift``, ``light`` and ``tint`` also take the two ends, as ``rotation=(10, 20)`` or
    ``light=(0.5, 1)``. What comes into view from beyond the border repeats the border.

    Args:
        recipe: ``{operation: strength}``, or one of ``RECIPES``.
        library: ``"keras"`` or ``"imgaug"``. Both draw from the same distributions, not the same numbers.
        seed: integer. With the same seed, the same calls give the same images.

    Returns:
        Function from uint8 ``(n, height, width, 1 or 3)`` to a new array of the same shape and type. Call it from
        one thread; another thread or process wants one of its own, with a seed of its own.

    Raises:
        ValueError: unknown library or operation, or a strength that makes no sense; later, other images.
        ImportError: imgaug is wanted and cannot be imported.

    Source: lecture decks *practice* and *binary*; imgaug 0.4.0, whose ``Crop`` and ``Add`` are ``crop`` and ``tint``.

    Example::

        augment = augmenter({"flip": True, "rotation": 15}, library="imgaug", seed=1)
        variants = augment(np.repeat(images[:1], 8, axis=0))  # eight variants of one image
    """
    builders = {"keras": keras_augmentation, "imgaug": imgaug_augmentation}
    if library not in builders:
        raise ValueError(f"Libraries: {', '.join(builders)}. Received: library={library!r}")
    pipeline = builders[library](recipe, seed)

    def augment(images):
        images = np.asarray(images)
        if images.dtype != "uint8" or images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
            raise ValueError(
                "Give uint8 images from 0 to 255 of shape (n, height, width, 1 or 3). "
                f"Received: dtype={images.dtype}, shape={images.shape}"
            )
        if library == "imgaug":
            if images.shape[-1] == 1 and "light" in recipe:  # imgaug wants colour for HSV
                return np.asarray(pipeline(images=np.repeat(images, 3, axis=-1)))[..., :1]
            return np.asarray(pipeline(images=images))
        answer = ops.convert_to_numpy(pipeline(images.astype("float32"), training=True))
        return np.clip(np.round(answer), 0, 255).astype("uint8")

    return augment


def keras_augmentation(recipe, seed=0):
    """Return a recipe as Keras layers, for a model, a ``tf.data`` pipeline or a batch by hand.

    They want and give values from 0 to 255, as floats, and do nothing when called with ``training=False``. In
    ``tf.data`` they run on the TensorFlow backend; with several parallel calls the order of the draws is open.

    Args:
        recipe, seed: as for ``augmenter``.

    Returns:
        ``keras.Sequential`` from ``(n, height, width, 1 or 3)`` to the same shape.

    Raises:
        ValueError: as ``augmenter``.

    Example::

        model = keras.Sequential([keras.Input((28, 28, 1)), keras_augmentation({"flip": True}), ...])
    """
    recipe = _checked(recipe)
    seeds = np.random.SeedSequence(seed).generate_state(len(recipe)) // 2  # below 2 ** 31
    chain = []
    for (operation, strength), seed in zip(recipe.items(), seeds.tolist()):
        if operation == "flip":
            chain += [layers.RandomFlip("horizontal", seed=seed)] if strength else []
        elif operation == "crop":
            chain.append(RandomCropAndResize(strength, seed=seed))
        elif operation == "rotation":
            factor = tuple(degrees / 360 for degrees in strength)
            chain.append(layers.RandomRotation(factor, fill_mode="nearest", seed=seed))
        elif operation == "shift":
            chain.append(layers.RandomTranslation(strength, strength, fill_mode="nearest", seed=seed))
        elif operation == "light":
            chain.append(RandomLight(strength, seed=seed))
        elif operation == "tint":
            chain.append(RandomTint(strength, seed=seed))
        elif operation == "noise":
            chain.append(RandomNoise(strength, seed=seed))
        elif operation == "inversion":
            chain.append(RandomChannelInversion(strength, seed=seed))
    return keras.Sequential(chain or [layers.Identity()], name="augmentation")


def imgaug_augmentation(recipe, seed=0):
    """Return a recipe as imgaug's augmenters; call it with ``images=``, and boxes or masks beside them.

    Args:
        recipe, seed: as for ``augmenter``.

    Returns:
        ``imgaug.augmenters.Sequential``, for uint8 images; ``light`` wants three channels.

    Raises:
        ValueError, ImportError: as ``augmenter``.

    Example::

        images, boxes = imgaug_augmentation({"rotation": 20})(images=images, bounding_boxes=boxes)
    """
    recipe, iaa = _checked(recipe), load_imgaug().augmenters
    chain = []
    for operation, strength in recipe.items():
        if operation == "flip":
            chain += [iaa.Fliplr(0.5)] if strength else []
        elif operation == "crop":
            window = iaa.Crop(percent=strength, keep_size=False)
            chain.append(iaa.KeepSizeByResize(window, interpolation="linear"))  # Crop's own repeats pixels
        elif operation == "rotation":
            low, high = strength
            chain.append(iaa.Affine(rotate=(-high, -low), mode="edge"))  # imgaug turns clockwise
        elif operation == "shift":
            chain.append(iaa.Affine(translate_percent={"x": strength, "y": strength}, mode="edge"))
        elif operation == "light":
            value = iaa.WithChannels(2, iaa.Multiply(strength))
            chain.append(iaa.WithColorspace("HSV", from_colorspace="RGB", children=value))
        elif operation == "tint":
            chain.append(iaa.Add(strength, per_channel=True))
        elif operation == "noise":
            chain.append(iaa.AdditiveGaussianNoise(scale=strength, per_channel=True))
        elif operation == "inversion":
            chain.append(iaa.Invert(strength, per_channel=True))
    pipeline = iaa.Sequential(chain)
    pipeline.seed_(seed)  # the argument ``seed`` would leave its children with the global state
    return pipeline


def load_imgaug():
    """Import imgaug 0.4.0 so that it runs on NumPy 2, and return it.

    Its last release, of 2020, uses three names that NumPy has dropped since: ``np.sctypes``, when it is imported,
    ``np.complex`` and ``np.bool`` later. They are put back, for the whole process, where they are missing.

    What stays broken with today's OpenCV and NumPy: ``ElasticTransformation``, ``pillike.Autocontrast`` and
    ``ChangeColorTemperature``; ``imgcorruptlike`` wants a package more. ``augment_batches(background=True)`` and
    ``pool()`` hang where processes are spawned, as on Windows and macOS: their children import an imgaug that
    nobody has mended.

    Returns:
        The module ``imgaug``, its augmenters imported.

    Raises:
        ImportError: imgaug or what it needs is missing; the message says what to install.

    Example::

        iaa = load_imgaug().augmenters
    """
    kinds = {"int": "bhilq", "uint": "BHILQ", "float": "efdg", "complex": "FDG", "others": "?OSUV"}
    old = {"sctypes": {kind: [np.dtype(code).type for code in codes] for kind, codes in kinds.items()}}
    for name, value in (old | {"complex": complex, "bool": bool}).items():
        if not hasattr(np, name):
            setattr(np, name, value)
    try:
        importlib.import_module("imgaug.augmenters")
    except ModuleNotFoundError as error:
        raise ImportError(f"{error.name} is missing: python -m pip install imgaug==0.4.0") from error
    except ImportError as error:  # OpenCV's window functions want libraries that a server may lack
        raise ImportError(
            "OpenCV, which imgaug uses, cannot be loaded. On a machine without a screen: "
            f"python -m pip install --force-reinstall --no-deps opencv-python-headless. Received: {error}"
        ) from error
    return importlib.import_module("imgaug")


class RandomOperation(layers.Layer):
    """Base of the layers below, which change each image of a batch by itself, and in training only.

    Args:
        strength: the two ends of a range to draw from, or one number.
        seed: integer; None for a random one.
    """

    def __init__(self, strength, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.strength, self.seed = strength, seed
        self.generator = keras.random.SeedGenerator(seed)

    def draw(self, images, *shape, ends=None):
        """Return uniform numbers of shape ``(n, *shape)`` for n images."""
        return keras.random.uniform((ops.shape(images)[0], *shape), *(ends or self.strength), seed=self.generator)

    def call(self, images, training=True):
        images = ops.cast(images, self.compute_dtype)
        return self.change(images) if training else images

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"strength": self.strength, "seed": self.seed}


@keras.saving.register_keras_serializable("course")
class RandomCropAndResize(RandomOperation):
    """Cut a share of the side off each of the four borders, each its own, and scale the rest to the old size.

    ``keras.layers.RandomCrop`` cuts a whole batch at one place, and does not scale.

    Args:
        strength: the least and the largest share, below 0.5.
        seed: integer; None for a random one.
    """

    def change(self, images):
        height, width = images.shape[1:3]
        top, bottom, left, right = ops.unstack(self.draw(images, 4), 4, axis=1)
        zeros = ops.zeros_like(top)
        high, wide = 1 - top - bottom, 1 - left - right  # pixel i of the answer is centred at i + 0.5
        rows = [zeros, high, top * height + (high - 1) / 2]
        columns = [wide, zeros, left * width + (wide - 1) / 2]
        transforms = ops.stack([*columns, *rows, zeros, zeros], axis=1)
        return ops.image.affine_transform(images, transforms, fill_mode="nearest")


@keras.saving.register_keras_serializable("course")
class RandomLight(RandomOperation):
    """Multiply the value V = max(R, G, B) of HSV; hue and saturation stay: R, G and B are multiplied alike.

    ``keras.layers.RandomBrightness`` adds instead, which takes saturation from dark colours.

    Args:
        strength: the least and the largest factor; V ends at 255.
        seed: integer; None for a random one.
    """

    def change(self, images):
        value = ops.max(images, axis=-1, keepdims=True)
        return images * ops.minimum(self.draw(images, 1, 1, 1), 255 / ops.maximum(value, 1e-6))


@keras.saving.register_keras_serializable("course")
class RandomTint(RandomOperation):
    """Add a number to each channel, another for each.

    Args:
        strength: the least and the largest number, in grey levels of 0 to 255.
        seed: integer; None for a random one.
    """

    def change(self, images):
        return ops.clip(images + self.draw(images, 1, 1, images.shape[-1]), 0, 255)


@keras.saving.register_keras_serializable("course")
class RandomNoise(RandomOperation):
    """Add normal noise to each value of each channel; ``keras.layers.GaussianNoise`` does so for values up to 1.

    Args:
        strength: standard deviation, in grey levels of 0 to 255.
        seed: integer; None for a random one.
    """

    def change(self, images):
        noise = keras.random.normal(ops.shape(images), stddev=self.strength, seed=self.generator)
        return ops.clip(images + noise, 0, 255)


@keras.saving.register_keras_serializable("course")
class RandomChannelInversion(RandomOperation):
    """Turn x into 255 - x in each channel by itself, with a probability; ``keras.layers.RandomInvert`` turns all.

    Args:
        strength: the probability.
        seed: integer; None for a random one.
    """

    def change(self, images):
        inverted = self.draw(images, 1, 1, images.shape[-1], ends=(0, 1)) < self.strength
        return ops.where(inverted, 255 - images, images)


def _checked(recipe):
    """Return the recipe with each range as its two ends."""
    limits = {  # operation: the ends for a single number s, the least and the largest end
        "crop": (lambda s: (0, s), 0, 0.499),
        "rotation": (lambda s: (-s, s), -360, 360),
        "shift": (lambda s: (-s, s), -1, 1),
        "light": (lambda s: (1 - s, 1 + s), 0, 10),
        "tint": (lambda s: (-s, s), -255, 255),
        "noise": (None, 0, 255),
        "inversion": (None, 0, 1),
    }
    checked = {}
    for operation, strength in dict(recipe).items():
        if operation == "flip" and isinstance(strength, bool):
            checked[operation] = strength
            continue
        if operation not in limits:
            known = ", ".join(["flip (True or False)", *limits])
            raise ValueError(f"Operations: {known}. Received: {operation}={strength!r}")
        ends, least, largest = limits[operation]
        values = [value for value in np.ravel(strength).tolist() if isinstance(value, int | float)]
        if ends and np.ndim(strength) == 0 and values:
            values = ends(*values)
        wanted = "a number, or two in order," if ends else "a number"
        if len(values) != (2 if ends else 1) or not least <= values[0] <= values[-1] <= largest:
            message = f"{operation} takes {wanted} from {least} to {largest}."
            raise ValueError(f"{message} Received: {operation}={strength!r}")
        checked[operation] = tuple(values) if ends else values[0]
    return checked
