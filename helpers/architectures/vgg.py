"""VGG of Simonyan and Zisserman, 2014."""

from keras import layers


def conv_unit(x, filters, kernel_size, activation="relu", normalization=None, convolution=layers.Conv2D, name=None):
    """Convolve, normalise where asked, then activate.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters, kernel_size, name: of the convolution.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes a layer, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Maps ``(batch, height, width, filters)``.
    """
    x = convolution(filters, kernel_size, padding="same", use_bias=normalization is None, name=name)(x)
    x = normalization(name=name and f"{name}_normalization")(x) if normalization else x
    return activate(x, activation, name=name and f"{name}_activation")


def activate(x, activation, name=None):
    """Apply an activation: a name that Keras knows, or a function that makes a layer, such as ``layers.PReLU``."""
    return (layers.Activation(activation, name=name) if isinstance(activation, str) else activation(name=name))(x)


def vgg_stack(x, repeats, filters, pooling=True, kernel_size=3, name="stack", **kinds):
    """Convolve several times without changing the size, then halve it.

    Args:
        x: maps ``(batch, height, width, channels)``.
        repeats: number of convolutions.
        filters: of each of them.
        pooling: whether to halve at the end.
        kernel_size: side of the filters.
        name: begins the names of the layers.
        kinds: activation, normalization and convolution, as for ``conv_unit``.

    Returns:
        Maps ``(batch, height / 2, width / 2, filters)``, or undivided without pooling.
    """
    for index in range(repeats):
        x = conv_unit(x, filters, kernel_size, name=f"{name}_conv{index + 1}", **kinds)
    return layers.MaxPooling2D(2, name=f"{name}_pool")(x) if pooling else x


def vgg(
    x,
    num_classes,
    stacks=((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    units=None,
    width=1.0,
    stem="imagenet",
    dropout=0.5,
    activation="relu",
    normalization=None,
    convolution=layers.Conv2D,
):
    """Map images to logits by VGG: stacks of 3 x 3 convolutions, three dense layers.

    Args:
        x: images scaled to 0 to 1, ``(batch, 224, 224, 3)`` in the paper.
        num_classes: number of logits.
        stacks: convolutions and filters of each stack; the default is configuration D, VGG16.
        units: of each of the two dense layers before the logits; None for 4096 times ``width``.
        width: factor on all filters.
        stem: "imagenet", every stack ends in pooling; "small", the first does not.
        dropout: share of values dropped after each dense layer but the last.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution, or None as in the paper.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another stem.

    Source: Simonyan and Zisserman, 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition", table 1.
    """
    if stem not in ("imagenet", "small"):
        raise ValueError(f"A stem is one of imagenet, small. Received: stem={stem!r}")
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution}
    for index, (repeats, filters) in enumerate(stacks):
        pooling = index > 0 or stem == "imagenet"
        x = vgg_stack(x, repeats, max(1, round(filters * width)), pooling, name=f"stack{index + 1}", **kinds)
    x = layers.Flatten(name="flatten")(x)
    units = units or max(1, round(4096 * width))
    for name in ("dense1", "dense2"):
        x = activate(layers.Dense(units, name=name)(x), activation, name=f"{name}_activation")
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return layers.Dense(num_classes, name="logits")(x)
