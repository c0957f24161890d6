"""AlexNet of Krizhevsky et al., 2012."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("course")
class LocalResponseNormalization(layers.Layer):
    r"""Divide each value by how strong its neighbouring channels are at the same place.

    $y_i = x_i / (k + \alpha \sum_j x_j^2)^\beta$, over the ``size`` channels j around i.

    Args:
        size: number of channels in the sum, odd.
        bias, alpha, beta: k, alpha and beta of the formula.

    Input and output have the shape ``(batch, height, width, channels)``.

    Raises:
        ValueError: an even or negative size.

    Taught in lesson 04.

    Source: Krizhevsky et al., 2012, "ImageNet Classification with Deep Convolutional Neural Networks", section 3.3.
    """

    def __init__(self, size=5, bias=2.0, alpha=1e-4, beta=0.75, **options):
        super().__init__(**options)
        if size < 1 or size % 2 == 0:
            raise ValueError(f"A channel stands in the middle: give an odd size. Received: size={size!r}")
        self.size, self.bias, self.alpha, self.beta = size, bias, alpha, beta

    def call(self, inputs):
        channels, reach = inputs.shape[-1], self.size // 2
        squares = ops.pad(ops.square(inputs), [[0, 0], [0, 0], [0, 0], [reach, reach]])
        total = sum(squares[..., start : start + channels] for start in range(self.size))
        return inputs / (self.bias + self.alpha * total) ** self.beta

    def get_config(self):
        names = "size", "bias", "alpha", "beta"
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def conv_unit(
    x,
    filters,
    kernel_size,
    strides=1,
    padding="same",
    groups=1,
    activation="relu",
    convolution=layers.Conv2D,
    name=None,
):
    """Convolve, then activate.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters, kernel_size, strides, padding, groups, name: of the convolution.
        activation: name of a Keras activation, or a function that makes a layer.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.
    """
    x = convolution(filters, kernel_size, strides=strides, padding=padding, groups=groups, name=name)(x)
    return activate(x, activation, name=name and f"{name}_activation")


def activate(x, activation, name=None):
    """Apply an activation: a name that Keras knows, or a function that makes a layer, such as ``layers.PReLU``."""
    return (layers.Activation(activation, name=name) if isinstance(activation, str) else activation(name=name))(x)


def alexnet(
    x,
    num_classes,
    groups=2,
    width=1.0,
    stem="imagenet",
    dropout=0.5,
    activation="relu",
    normalization=LocalResponseNormalization,
    convolution=layers.Conv2D,
):
    """Map images to logits by AlexNet: five convolutions, three dense layers.

    Args:
        x: images scaled to 0 to 1, ``(batch, 227, 227, 3)``, where the paper says 224.
        num_classes: number of logits.
        groups: parts into which convolutions 2, 4 and 5 are split, each seeing its part of the channels: 2 in
            the paper, which had two GPUs; 1 for none.
        width: factor on all filters and units.
        stem: "imagenet", a first convolution of 11 x 11 that moves by 4 pixels; "small", of 5 x 5 that moves by 1.
        dropout: share of values dropped after each dense layer but the last.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after convolutions 1 and 2, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another stem, or other groups than 1 and 2.

    Source: Krizhevsky et al., 2012, "ImageNet Classification with Deep Convolutional Neural Networks", section 3.
    """
    stems = {"imagenet": (11, 4, "valid"), "small": (5, 1, "same")}
    if stem not in stems:
        raise ValueError(f"A stem is one of {', '.join(stems)}. Received: stem={stem!r}")
    if groups not in (1, 2):
        raise ValueError(f"Groups are 1 or 2. Received: groups={groups!r}")
    kernel_size, strides, padding = stems[stem]
    maps = [2 * max(1, round(filters * width / 2)) for filters in (96, 256, 384, 384, 256)]  # even, for two groups
    units = max(1, round(4096 * width))
    kinds = {"activation": activation, "convolution": convolution}
    x = conv_unit(x, maps[0], kernel_size, strides, padding, name="conv1", **kinds)
    x = normalization(name="conv1_normalization")(x) if normalization else x
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    x = conv_unit(x, maps[1], 5, groups=groups, name="conv2", **kinds)
    x = normalization(name="conv2_normalization")(x) if normalization else x
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(x)
    x = conv_unit(x, maps[2], 3, name="conv3", **kinds)
    x = conv_unit(x, maps[3], 3, groups=groups, name="conv4", **kinds)
    x = conv_unit(x, maps[4], 3, groups=groups, name="conv5", **kinds)
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("dense6", "dense7"):
        x = activate(layers.Dense(units, name=name)(x), activation, name=f"{name}_activation")
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return layers.Dense(num_classes, name="logits")(x)
