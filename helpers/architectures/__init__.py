"""Networks of the course, a file per family: blocks, stacks and models, each from tensor to tensor.

    build("resnet20", (28, 28, 1), 10)                                  # as in the paper
    build("mobilenet_v2", (64, 64, 3), 12, width=0.5, stem="small")     # narrower, for small images
    build("alexnet", (227, 227, 3), 1000, activation="tanh")            # one thing changed

The networks take many of the same arguments: ``width``, a factor on all filters; ``stem``, "imagenet" or "small", for
images of 28 to 64 pixels; ``activation``, a name or a function that makes a layer; ``normalization`` and
``convolution``, functions that make a layer. Those of depth have the papers' names: stacks, blocks, repeats.
"""

import inspect
from functools import partial

from keras import Input, Model, layers

from helpers.architectures.alexnet import alexnet
from helpers.architectures.densenet import densenet
from helpers.architectures.googlenet import googlenet
from helpers.architectures.inception import inception_resnet_v2, inception_v3
from helpers.architectures.lenet import lenet5
from helpers.architectures.mobilenet import mobilenet_v1, mobilenet_v2
from helpers.architectures.resnet import bottleneck_block, resnet
from helpers.architectures.squeezenet import squeezenet
from helpers.architectures.vgg import vgg

fine = partial(layers.BatchNormalization, epsilon=1.001e-5)  # this and use_bias as in Keras Applications
unscaled = partial(layers.BatchNormalization, scale=False)  # the next layer can scale
cifar_resnet = partial(resnet, filters=16, stem="small", shortcut="padding")
deep_resnet = partial(resnet, block=bottleneck_block, use_bias=True, normalization=fine)
NETWORKS = {
    "lenet5": lenet5,
    "alexnet": alexnet,
    "vgg16": vgg,
    "vgg19": partial(vgg, stacks=((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))),
    "googlenet": googlenet,
    "inception_v3": partial(inception_v3, normalization=unscaled),
    "inception_resnet_v2": partial(inception_resnet_v2, normalization=unscaled),
    "resnet18": resnet,
    "resnet20": partial(cifar_resnet, stacks=(3, 3, 3)),
    "resnet38": partial(cifar_resnet, stacks=(6, 6, 6)),
    "resnet50": partial(deep_resnet, stacks=(3, 4, 6, 3)),
    "resnet56": partial(cifar_resnet, stacks=(9, 9, 9)),
    "resnet110": partial(cifar_resnet, stacks=(18, 18, 18)),
    "resnet152": partial(deep_resnet, stacks=(3, 8, 36, 3)),
    "densenet121": partial(densenet, normalization=fine),
    "densenet_bc_100_12": partial(densenet, blocks=(16, 16, 16), growth_rate=12, stem="small"),
    "squeezenet": squeezenet,
    "squeezenet_1_1": partial(squeezenet, version="1.1"),
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
}

SMALLEST = {  # side in pixels with the stems "imagenet" and "small": below, a map of one pixel would be halved
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
        named ``logits``.

    Raises:
        ValueError: an unknown network, or images too small for it, with the side that it needs.
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
    if not (isinstance(num_classes, int) and num_classes > 0):
        raise ValueError(f"Give a number of classes. Received: num_classes={num_classes!r}")
    stem = options.get("stem", known["stem"].default if "stem" in known else "imagenet")
    side, small_side = SMALLEST[name]
    if min(input_shape[:2]) < (small_side if stem == "small" else side):
        way_out = f"images of {side} x {side} pixels at least"
        if "stem" in known:
            way_out += f', or of {small_side} x {small_side} with stem="small"'
        raise ValueError(f"{name} needs {way_out}. Received: input_shape={input_shape!r}")
    images = Input(input_shape, name="images")
    logits = network(layers.Rescaling(rescaling, name="rescaling")(images), num_classes, **options)
    return Model(images, logits, name=name)
