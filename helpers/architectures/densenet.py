"""DenseNet of Huang et al., 2016."""

from keras import layers


def preactivated_conv(
    x,
    filters,
    kernel_size,
    activation="relu",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
    name=None,
):
    """Normalise where asked, activate, then convolve.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters, kernel_size, name: of the convolution.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes a layer, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Maps ``(batch, height, width, filters)``.
    """
    x = normalization(name=name and f"{name}_normalization")(x) if normalization else x
    x = activate(x, activation, name=name and f"{name}_activation")
    return convolution(filters, kernel_size, padding="same", use_bias=normalization is None, name=name)(x)


def activate(x, activation, name=None):
    """Apply an activation: a name that Keras knows, or a function that makes a layer, such as ``layers.PReLU``."""
    return (layers.Activation(activation, name=name) if isinstance(activation, str) else activation(name=name))(x)


def dense_block(x, repeats, growth_rate, name="block", **kinds):
    """Let each layer see the outputs of all layers before it, and add ``growth_rate`` maps of its own.

    Args:
        x: maps ``(batch, height, width, channels)``.
        repeats: number of layers, each a 1 x 1 convolution to four times the growth rate, and a 3 x 3.
        growth_rate: maps that each layer adds.
        name: begins the names of the layers.
        kinds: activation, normalization and convolution, as for ``preactivated_conv``.

    Returns:
        Maps ``(batch, height, width, channels + repeats * growth_rate)``.

    Taught in lesson 09.

    Source: Huang et al., 2016, "Densely Connected Convolutional Networks", section 3.
    """
    for index in range(repeats):
        layer = f"{name}_layer{index + 1}"
        y = preactivated_conv(x, 4 * growth_rate, 1, name=f"{layer}_conv1", **kinds)
        y = preactivated_conv(y, growth_rate, 3, name=f"{layer}_conv2", **kinds)
        x = layers.Concatenate(name=f"{layer}_concatenate")([x, y])
    return x


def transition(x, compression=0.5, name="transition", **kinds):
    """Reduce the channels by a 1 x 1 convolution, and halve the size.

    Args:
        x: maps ``(batch, height, width, channels)``.
        compression: share of the channels that is kept.
        name: begins the names of the layers.
        kinds: activation, normalization and convolution, as for ``preactivated_conv``.

    Returns:
        Maps ``(batch, height / 2, width / 2, channels * compression)``.

    Taught in lesson 09.

    Source: Huang et al., 2016, section 3, "Compression".
    """
    x = preactivated_conv(x, max(1, int(x.shape[-1] * compression)), 1, name=f"{name}_conv", **kinds)
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def densenet(
    x,
    num_classes,
    blocks=(6, 12, 24, 16),
    growth_rate=32,
    compression=0.5,
    width=1.0,
    stem="imagenet",
    activation="relu",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
):
    """Map images to logits by DenseNet: dense blocks with transitions between them, one dense layer.

    Args:
        x: images scaled to 0 to 1, ``(batch, 224, 224, 3)`` for ImageNet, ``(batch, 32, 32, 3)`` for CIFAR.
        num_classes: number of logits.
        blocks: layers of each dense block; the default is DenseNet-121, (16, 16, 16) with a growth rate of 12 and the
            small stem DenseNet-BC-100.
        growth_rate: maps that each layer adds; the stem makes twice as many.
        compression: share of the channels that a transition keeps.
        width: factor on the growth rate, and so on all filters.
        stem: "imagenet", a 7 x 7 convolution and pooling, which make maps of a quarter of the image's side; "small", a
            3 x 3 convolution that keeps the side.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer before each activation, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another stem.

    Source: Huang et al., 2016, "Densely Connected Convolutional Networks", table 1 and, for CIFAR, section 3.
    """
    if stem not in ("imagenet", "small"):
        raise ValueError(f"A stem is one of imagenet, small. Received: stem={stem!r}")
    growth_rate = max(1, round(growth_rate * width))
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution}
    if stem == "imagenet":
        x = layers.ZeroPadding2D(3, name="stem_padding")(x)
        x = convolution(2 * growth_rate, 7, strides=2, use_bias=normalization is None, name="stem")(x)
        x = normalization(name="stem_normalization")(x) if normalization else x
        x = activate(x, activation, name="stem_activation")
        x = layers.ZeroPadding2D(1, name="stem_pool_padding")(x)
        x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)
    else:
        x = convolution(2 * growth_rate, 3, padding="same", use_bias=normalization is None, name="stem")(x)
    for index, repeats in enumerate(blocks):
        x = transition(x, compression, name=f"transition{index}", **kinds) if index else x
        x = dense_block(x, repeats, growth_rate, name=f"block{index + 1}", **kinds)
    x = normalization(name="last_normalization")(x) if normalization else x
    x = layers.GlobalAveragePooling2D(name="average")(activate(x, activation, name="last_activation"))
    return layers.Dense(num_classes, name="logits")(x)
