"""Networks of the course, a file per family: blocks, stacks and models, each from tensor to tensor.

    build("resnet20", (28, 28, 1), 10)                                  # as in the paper
    build("mobilenet_v2", (64, 64, 3), 12, width=0.5, stem="small")     # narrower, for small images
    build("alexnet", (227, 227, 3), 1000, activation="tanh")            # one thing changed

The networks take many of the same arguments: ``width``, a factor on all filters; ``stem``, "imagenet" or "small", for
images of 28 to 64 pixels; ``activation``, a name or a function that makes a layer; ``normalization`` and
``convolution``, functions that make a layer. Those of depth have the papers' names: stacks, blocks, repeats.
``layers.PReLU`` learns a slope for each position; ``partial(layers.PReLU, shared_axes=(1, 2))`` one for each map, in
networks without hidden dense layers.
"""

import inspect
import numbers
from functools import partial

import keras
from keras import Input, Model, layers

from helpers.architectures import (
    alexnet,
    densenet,
    efficientnet_lite,
    googlenet,
    inception,
    lenet,
    mobilenet,
    resnet,
    squeezenet,
    vgg,
)

FINE = partial(layers.BatchNormalization, epsilon=1.001e-5)  # this and use_bias as in Keras Applications
UNSCALED = partial(layers.BatchNormalization, scale=False)  # the next layer can scale
CIFAR_RESNET = partial(resnet.resnet, filters=16, stem="small", shortcut="padding")
DEEP_RESNET = partial(resnet.resnet, block=resnet.bottleneck_block, use_bias=True, normalization=FINE)
NETWORKS = {
    "lenet5": lenet.lenet5,
    "alexnet": alexnet.alexnet,
    "vgg16": vgg.vgg,
    "vgg19": partial(vgg.vgg, stacks=((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))),
    "googlenet": googlenet.googlenet,
    "inception_v3": partial(inception.inception_v3, normalization=UNSCALED),
    "inception_resnet_v2": partial(inception.inception_resnet_v2, normalization=UNSCALED),
    "resnet18": resnet.resnet,
    "resnet20": partial(CIFAR_RESNET, stacks=(3, 3, 3)),
    "resnet38": partial(CIFAR_RESNET, stacks=(6, 6, 6)),
    "resnet50": partial(DEEP_RESNET, stacks=(3, 4, 6, 3)),
    "resnet56": partial(CIFAR_RESNET, stacks=(9, 9, 9)),
    "resnet110": partial(CIFAR_RESNET, stacks=(18, 18, 18)),
    "resnet152": partial(DEEP_RESNET, stacks=(3, 8, 36, 3)),
    "densenet121": partial(densenet.densenet, normalization=FINE),
    "densenet_bc_100_12": partial(densenet.densenet, blocks=(16, 16, 16), growth_rate=12, stem="small"),
    "squeezenet": squeezenet.squeezenet,
    "squeezenet_1_1": partial(squeezenet.squeezenet, version="1.1"),
    "mobilenet_v1": mobilenet.mobilenet_v1,
    "mobilenet_v2": mobilenet.mobilenet_v2,
    "efficientnet_lite0": efficientnet_lite.efficientnet_lite0,
}

# Side in pixels with the stems "imagenet" and "small": the least that Keras takes or, where padding makes it take any,
# two to the power of the halvings.
SMALLEST = {
    "lenet5": (12, 12),
    "alexnet": (67, 15),
    "vgg16": (32, 16),
    "vgg19": (32, 16),
    "googlenet": (32, 8),
    "inception_v3": (75, 7),
    "inception_resnet_v2": (75, 7),
    "resnet18": (32, 8),
    "resnet20": (16, 4),
    "resnet38": (16, 4),
    "resnet50": (32, 8),
    "resnet56": (16, 4),
    "resnet110": (16, 4),
    "resnet152": (32, 8),
    "densenet121": (29, 8),
    "densenet_bc_100_12": (13, 4),
    "squeezenet": (35, 15),
    "squeezenet_1_1": (31, 15),
    "mobilenet_v1": (32, 16),
    "mobilenet_v2": (32, 16),
    "efficientnet_lite0": (32, 16),
}


def build(name, input_shape, num_classes, rescaling=1 / 255, **options):
    """Build a network by name, from images to logits.

    Args:
        name: one of ``NETWORKS``.
        input_shape: ``(height, width, channels)`` of the images.
        num_classes: number of logits.
        rescaling: factor on the pixel values, so that 0 to 255 becomes 0 to 1; part of the model.
        options: arguments of the network's function, such as width, stem, activation.

    Returns:
        Keras model from images ``(batch, height, width, channels)`` to logits ``(batch, num_classes)``, the last layer
        named ``logits``; with ``auxiliary``, to a list of logits.

    Raises:
        ValueError: an unknown network, images too small for it, with the side that it needs, or another bad value.
        TypeError: an option that the network does not have, with those that it has.

    Example::

        model = build("resnet20", (28, 28, 1), num_classes=10, activation="silu")
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(images, labels)
    """
    if name not in NETWORKS:
        raise ValueError(f"A network is one of {', '.join(NETWORKS)}. Received: name={name!r}")
    network = NETWORKS[name]
    known = inspect.signature(network).parameters
    unknown = sorted(set(options) - set(known))
    if unknown:
        names = ", ".join(each for each in known if each not in ("x", "num_classes"))
        raise TypeError(f"{name} has the options {names}. Received: {', '.join(unknown)}")
    if len(input_shape) != 3 or not all(isinstance(size, int) and size > 0 for size in input_shape):
        raise ValueError(f"Give (height, width, channels) of the images. Received: input_shape={input_shape!r}")
    if isinstance(num_classes, bool) or not isinstance(num_classes, numbers.Integral) or num_classes < 1:
        raise ValueError(f"Give a whole number of classes, 1 or more. Received: num_classes={num_classes!r}")
    if not options.get("width", 1) > 0:
        raise ValueError(f"A width is a factor above zero. Received: width={options['width']!r}")
    activation = options.get("activation", "relu")
    if not (isinstance(activation, str) or callable(activation)) or isinstance(activation, layers.Layer):
        raise ValueError(f"An activation is a name, or a function that makes a layer. Received: {activation!r}")
    if keras.config.image_data_format() != "channels_last":
        raise ValueError("The networks take channels last. Remedy: keras.config.set_image_data_format('channels_last')")
    stem = options.get("stem", known["stem"].default if "stem" in known else "imagenet")
    side, small_side = SMALLEST[name]
    as_listed = not {"stacks", "blocks", "padding", "version"} & set(options)  # else Keras says what does not fit
    if as_listed and min(input_shape[:2]) < (small_side if stem == "small" else side):
        way_out = f"images of {side} x {side} pixels at least"
        if "stem" in known:
            way_out += f', or of {small_side} x {small_side} with stem="small"'
        raise ValueError(f"{name} needs {way_out}. Received: input_shape={input_shape!r}")
    images = Input(input_shape, name="images")
    logits = network(layers.Rescaling(rescaling, name="rescaling")(images), num_classes, **options)
    return Model(images, logits, name=name)
