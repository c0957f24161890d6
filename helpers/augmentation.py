"""The decks' augmentations, each under one name, in Keras and in imgaug: uint8 images in, uint8 images out."""

import helpers.quiet  # noqa: F401

import importlib

import keras
import numpy as np
from keras import layers, ops

RECIPES = {  # operations and strengths, as ``augmenter`` takes them
    "practice": {"flip": True, "crop": 0.15, "light": (0.6, 1.4), "tint": 25},
    "binary": {"rotation": 15, "shift": 0.1, "inversion": 0.2},
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
        recipe: ``{operation: strength}``, such as ``RECIPES["practice"]``.
        library: ``"keras"`` or ``"imgaug"``. Both draw from the same distributions, not the same numbers; imgaug
            crops by whole pixels, which shows in small images.
        seed: integer from 0. With the same seed, the same calls give the same images.

    Returns:
        Function from uint8 ``(n, height, width, 1 or 3)`` to a new array of the same shape and type. Call it from
        one thread; another thread or process wants one of its own, with a seed of its own.

    Raises:
        ValueError: unknown library or operation, a strength or seed that makes no sense; later, other images.
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

    They want batches of values from 0 to 255 and give floats, and do nothing when called with ``training=False``.
    In ``tf.data`` they run on the TensorFlow backend; with several parallel calls the order of the draws is open, and
    now and then two batches get the same.

    Args:
        recipe, seed: as for ``augmenter``.

    Returns:
        ``keras.Sequential`` from ``(n, height, width, 1 or 3)`` to the same shape.

    Raises:
        ValueError: as ``augmenter``.

    Example::

        model = keras.Sequential([keras.Input((28, 28, 1)), keras_augmentation({"flip": True}), ...])
    """
    make = {
        "flip": lambda flips, seed: layers.RandomFlip("horizontal", seed=seed) if flips else layers.Identity(),
        "crop": RandomCropAndResize,
        "rotation": lambda ends, seed: layers.RandomRotation([d / 360 for d in ends], fill_mode="nearest", seed=seed),
        "shift": lambda ends, seed: layers.RandomTranslation(ends, ends, fill_mode="nearest", seed=seed),
        "light": RandomLight,
        "tint": RandomTint,
        "noise": RandomNoise,
        "inversion": RandomChannelInversion,
    }
    recipe = _checked(recipe)
    chain = [make[each](strength, seed) for (each, strength), seed in zip(recipe.items(), _seeds(seed, len(recipe)))]
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
    make = {
        "flip": lambda flips: iaa.Fliplr(0.5 if flips else 0),
        "crop": lambda ends: iaa.KeepSizeByResize(  # Crop's own way back to the old size repeats pixels
            iaa.Crop(percent=ends, keep_size=False), interpolation="linear"
        ),
        "rotation": lambda ends: iaa.Affine(rotate=(-ends[1], -ends[0]), mode="edge"),  # imgaug turns clockwise
        "shift": lambda ends: iaa.Affine(translate_percent={"x": ends, "y": ends}, mode="edge"),
        "light": lambda ends: iaa.WithColorspace(
            "HSV", from_colorspace="RGB", children=iaa.WithChannels(2, iaa.Multiply(ends))
        ),
        "tint": lambda ends: iaa.Add(ends, per_channel=True),
        "noise": lambda deviation: iaa.AdditiveGaussianNoise(scale=deviation, per_channel=True),
        "inversion": lambda probability: iaa.Invert(probability, per_channel=True),
    }
    pipeline = iaa.Sequential([make[operation](strength) for operation, strength in recipe.items()])
    pipeline.seed_(*_seeds(seed, 1))  # the argument ``seed`` would leave its children with the global state
    return pipeline


def load_imgaug():
    """Import imgaug 0.4.0 so that it runs on NumPy 2, and return it.

    Its last release, of 2020, uses two names that NumPy has dropped since: ``np.sctypes``, when it is imported,
    ``np.complex`` later. They are put back, for the whole process.

    What stays broken with today's OpenCV and NumPy: ``ElasticTransformation``, ``pillike.Autocontrast``, and on
    batches ``ChangeColorTemperature``; ``imgcorruptlike`` wants a package more. ``augment_batches(background=True)``
    and ``pool()`` hang where processes are spawned, as on Windows and macOS: their children import an imgaug that
    nobody has mended.

    Returns:
        The module ``imgaug``, its augmenters imported.

    Raises:
        ImportError: imgaug or what it needs is missing; the message says what to install.

    Example::

        iaa = load_imgaug().augmenters
    """
    kinds = {"int": "bhilq", "uint": "BHILQ", "float": "efdg"}
    kinds = {kind: [np.dtype(code).type for code in codes] for kind, codes in kinds.items()}
    for name, value in {"sctypes": kinds, "complex": complex}.items():
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

    Taught in lesson 15.

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
class RandomCropAndResize(RandomOperation):
    """Cut a share of the side off each of the four borders, each its own, and scale the rest to the old size.

    ``keras.layers.RandomCrop`` cuts a whole batch at one place, and does not scale.

    Args:
        strength: the least and the largest share, below 0.5.
        seed: integer; None for a random one.
    """

    def change(self, images):
        height, width = (ops.cast(side, "float32") for side in ops.shape(images)[1:3])
        top, bottom, left, right = ops.unstack(self.draw(images, 4), 4, axis=1)
        zeros = ops.zeros_like(top)
        high, wide = 1 - top - bottom, 1 - left - right  # pixel i of the answer is centred at i + 0.5
        rows = [zeros, high, top * height + (high - 1) / 2]
        columns = [wide, zeros, left * width + (wide - 1) / 2]
        transforms = ops.stack([*columns, *rows, zeros, zeros], axis=1)
        return ops.image.affine_transform(images, transforms, fill_mode="nearest")


@keras.saving.register_keras_serializable("course")
class RandomLight(RandomOperation):
    """Multiply the value V = max(R, G, B) of HSV, hue and saturation unchanged: (R, G, B) times min(f, 255 / V).

    ``keras.layers.RandomBrightness`` adds instead, which takes saturation from dark colours.

    Taught in lesson 15.

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
    if not isinstance(recipe, dict):
        raise ValueError(f"Give {{operation: strength}}, such as RECIPES['practice']. Received: recipe={recipe!r}")
    limits = {  # operation: the ends that a single number s stands for, in words too; the least and the largest end
        "crop": (lambda s: (0, s), "0 and s", 0, 0.499),
        "rotation": (lambda s: (-s, s), "-s and s", -360, 360),
        "shift": (lambda s: (-s, s), "-s and s", -1, 1),
        "light": (lambda s: (1 - s, 1 + s), "1 - s and 1 + s", 0, 10),
        "tint": (lambda s: (-s, s), "-s and s", -255, 255),
        "noise": (None, None, 0, 255),
        "inversion": (None, None, 0, 1),
    }
    checked = {}
    for operation, strength in recipe.items():
        if operation == "flip" and isinstance(strength, bool):
            checked[operation] = strength
            continue
        if operation not in limits:
            known = ", ".join(["flip (True or False)", *limits])
            raise ValueError(f"Operations: {known}. Received: {operation}={strength!r}")
        ends, words, least, largest = limits[operation]
        values = strength if isinstance(strength, tuple | list) else (strength,)
        if any(isinstance(value, bool) or not isinstance(value, int | float | np.number) for value in values):
            values = ()
        elif ends and len(values) == 1:
            values = ends(*values)
        if len(values) != (2 if ends else 1) or not least <= values[0] <= values[-1] <= largest:
            wanted = f"two ends in order, or a number s for the ends {words}: all" if ends else "a number"
            raise ValueError(
                f"{operation} takes {wanted} from {least} to {largest}. Received: {operation}={strength!r}"
            )
        checked[operation] = tuple(map(float, values)) if ends else float(values[0])
    return checked


def _seeds(seed, count):
    """Return so many seeds, one for each operation, below 2 ** 31."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"A seed is an integer from 0. Received: seed={seed!r}")
    return (np.random.SeedSequence(seed).generate_state(count) // 2).tolist()
