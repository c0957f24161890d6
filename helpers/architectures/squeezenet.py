"""SqueezeNet of Iandola et al., 2016."""

from keras import layers


def conv_unit(
    x,
    filters,
    kernel_size,
    strides=1,
    padding="same",
    activation="relu",
    normalization=None,
    convolution=layers.Conv2D,
    name=None,
):
    """Convolve, normalise where asked, then activate.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters, kernel_size, strides, padding, name: of the convolution.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes a layer, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.
    """
    bias = normalization is None
    x = convolution(filters, kernel_size, strides=strides, padding=padding, use_bias=bias, name=name)(x)
    x = normalization(name=name and f"{name}_normalization")(x) if normalization else x
    return activate(x, activation, name=name and f"{name}_activation")


def activate(x, activation, name=None):
    """Apply an activation: a name that Keras knows, or a function that makes a layer, such as ``layers.PReLU``."""
    return (layers.Activation(activation, name=name) if isinstance(activation, str) else activation(name=name))(x)


def fire_module(x, squeezed, expanded, name="fire", **kinds):
    """Squeeze the channels by a 1 x 1 convolution, then expand them by a 1 x 1 and a 3 x 3 side by side.

    Args:
        x: maps ``(batch, height, width, channels)``.
        squeezed: filters of the first 1 x 1.
        expanded: filters of each of the two that follow.
        name: begins the names of the layers.
        kinds: activation, normalization and convolution, as for ``conv_unit``.

    Returns:
        Maps ``(batch, height, width, 2 * expanded)``.

    Source: Iandola et al., 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", section 3.2.
    """
    x = conv_unit(x, squeezed, 1, name=f"{name}_squeeze", **kinds)
    ones = conv_unit(x, expanded, 1, name=f"{name}_expand1x1", **kinds)
    threes = conv_unit(x, expanded, 3, name=f"{name}_expand3x3", **kinds)
    return layers.Concatenate(name=name)([ones, threes])


def squeezenet(
    x,
    num_classes,
    version="1.0",
    width=1.0,
    stem="imagenet",
    dropout=0.5,
    activation="relu",
    normalization=None,
    convolution=layers.Conv2D,
):
    """Map images to logits by SqueezeNet: fire modules with pooling between them, and no dense layer.

    Args:
        x: images scaled to 0 to 1, ``(batch, 227, 227, 3)``, where the paper says 224.
        num_classes: number of logits.
        version: "1.0", the paper's; "1.1", by the same authors, which does the same with less than half of the work.
        width: factor on all filters.
        stem: "imagenet", a first convolution that moves by 2 pixels; "small", of 3 x 3, that moves by 1.
        dropout: share of values dropped before the last convolution.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution, or None as in the paper.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``; not the last, which makes
            the logits.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another version or stem.

    Source: Iandola et al., 2016, table 1; version 1.1: github.com/forresti/SqueezeNet.
    """
    versions = {  # filters and side of the first convolution; fire modules before which the maps are halved
        "1.0": (96, 7, (2, 5, 9)),
        "1.1": (64, 3, (2, 4, 6)),
    }
    if version not in versions:
        raise ValueError(f"A version is one of {', '.join(versions)}. Received: version={version!r}")
    if stem not in ("imagenet", "small"):
        raise ValueError(f"A stem is one of imagenet, small. Received: stem={stem!r}")
    filters, kernel_size, halved = versions[version]
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution}
    if stem == "imagenet":
        x = conv_unit(x, max(1, round(filters * width)), kernel_size, 2, padding="valid", name="conv1", **kinds)
    else:
        x = conv_unit(x, max(1, round(filters * width)), 3, name="conv1", **kinds)
    for number, squeezed in zip(range(2, 10), (16, 16, 32, 32, 48, 48, 64, 64)):
        if number in halved:
            x = layers.MaxPooling2D(3, strides=2, name=f"pool{number - 1}")(x)
        squeezed = max(1, round(squeezed * width))
        x = fire_module(x, squeezed, 4 * squeezed, name=f"fire{number}", **kinds)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(num_classes, 1, name="conv10")(x)
    return layers.GlobalAveragePooling2D(name="logits")(x)
