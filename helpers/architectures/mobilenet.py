"""MobileNetV1 of Howard et al., 2017, and MobileNetV2 of Sandler et al., 2018."""

from keras import layers


def conv_unit(
    x,
    filters,
    kernel_size,
    strides=1,
    activation="relu6",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
    name=None,
):
    """Convolve, normalise where asked, then activate where asked.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters, kernel_size, strides, name: of the convolution.
        activation: name of a Keras activation, or a function that makes a layer, or None for none.
        normalization: function that makes a layer, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.
    """
    x = convolution(filters, kernel_size, strides=strides, padding="same", use_bias=normalization is None, name=name)(x)
    x = normalization(name=name and f"{name}_normalization")(x) if normalization else x
    return activate(x, activation, name=name and f"{name}_activation") if activation else x


def depthwise_unit(
    x,
    strides=1,
    activation="relu6",
    normalization=layers.BatchNormalization,
    depthwise=layers.DepthwiseConv2D,
    name=None,
):
    """Convolve each channel with a 3 x 3 filter of its own, normalise where asked, then activate.

    Args:
        x: maps ``(batch, height, width, channels)``.
        strides, name: of the convolution.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes a layer, or None.
        depthwise: function that makes a layer, called as ``keras.layers.DepthwiseConv2D``.

    Returns:
        Maps ``(batch, height / strides, width / strides, channels)``.
    """
    x = depthwise(3, strides=strides, padding="same", use_bias=normalization is None, name=name)(x)
    x = normalization(name=name and f"{name}_normalization")(x) if normalization else x
    return activate(x, activation, name=name and f"{name}_activation")


def activate(x, activation, name=None):
    """Apply an activation: a name that Keras knows, or a function that makes a layer, such as ``layers.PReLU``."""
    return (layers.Activation(activation, name=name) if isinstance(activation, str) else activation(name=name))(x)


def separable_block(
    x,
    filters,
    strides=1,
    activation="relu6",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
    depthwise=layers.DepthwiseConv2D,
    name="block",
):
    """Convolve in space, each channel alone, then across channels, at each place alone.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters: of the second convolution.
        strides: of the first.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.
        depthwise: function that makes a depthwise convolution, called as ``keras.layers.DepthwiseConv2D``.
        name: begins the names of the layers.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.

    Source: Howard et al., 2017, "MobileNets", section 3.1 and figure 3.
    """
    x = depthwise_unit(x, strides, activation, normalization, depthwise, name=f"{name}_depthwise")
    return conv_unit(x, filters, 1, 1, activation, normalization, convolution, name=f"{name}_pointwise")


def mobilenet_v1(
    x,
    num_classes,
    width=1.0,
    stem="imagenet",
    dropout=0.001,
    activation="relu6",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
    depthwise=layers.DepthwiseConv2D,
):
    """Map images to logits by MobileNetV1: depthwise separable convolutions, one dense layer.

    Args:
        x: images scaled to 0 to 1, ``(batch, 224, 224, 3)`` in the paper.
        num_classes: number of logits.
        width: factor on all filters, the paper's alpha.
        stem: "imagenet", a first convolution that moves by 2 pixels; "small", by 1.
        dropout: share of values dropped before the logits.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution, or None.
        convolution, depthwise: functions that make a layer, called as ``keras.layers.Conv2D`` and ``DepthwiseConv2D``.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another stem.

    Source: Howard et al., 2017, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision", table 1;
    ReLU6 and dropout as in Keras Applications, and no strides in the last block, which the table prints by mistake.
    """
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *5 * [(512, 1)], (1024, 2), (1024, 1)]
    if stem not in ("imagenet", "small"):
        raise ValueError(f"A stem is one of imagenet, small. Received: stem={stem!r}")
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution}
    x = conv_unit(x, max(1, round(32 * width)), 3, 2 if stem == "imagenet" else 1, name="stem", **kinds)
    for index, (filters, strides) in enumerate(blocks):
        filters, name = max(1, round(filters * width)), f"block{index + 1}"
        x = separable_block(x, filters, strides, depthwise=depthwise, name=name, **kinds)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return layers.Dense(num_classes, name="logits")(layers.Dropout(dropout, name="dropout")(x))


def inverted_residual(
    x,
    filters,
    strides=1,
    expansion=6,
    activation="relu6",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
    depthwise=layers.DepthwiseConv2D,
    name="block",
):
    """Expand the channels, convolve each alone, project them back, and add the input where it fits.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters: of the projection, which has no activation.
        strides: of the depthwise convolution.
        expansion: channels between the two 1 x 1 convolutions, as a multiple of those of ``x``; 1 leaves the
            first out.
        activation, normalization, convolution, depthwise, name: as for ``separable_block``.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.

    Raises:
        ValueError: an expansion below 1.

    Source: Sandler et al., 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", section 3.3 and table 1.
    """
    if expansion < 1:
        raise ValueError(f"An expansion is 1 or more. Received: expansion={expansion!r}")
    y = x
    if expansion > 1:
        y = conv_unit(y, expansion * x.shape[-1], 1, 1, activation, normalization, convolution, name=f"{name}_expand")
    y = depthwise_unit(y, strides, activation, normalization, depthwise, name=f"{name}_depthwise")
    y = conv_unit(y, filters, 1, 1, None, normalization, convolution, name=f"{name}_project")
    return layers.Add(name=f"{name}_add")([x, y]) if strides == 1 and x.shape[-1] == filters else y


def divisible(filters):
    """Round to a multiple of 8 that is not more than a tenth smaller, as the authors' code does."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def mobilenet_v2(
    x,
    num_classes,
    width=1.0,
    stem="imagenet",
    dropout=0.2,
    activation="relu6",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
    depthwise=layers.DepthwiseConv2D,
):
    """Map images to logits by MobileNetV2: inverted residual blocks, one dense layer.

    Args:
        x, num_classes, stem, dropout, activation, normalization, convolution, depthwise: as for ``mobilenet_v1``.
        width: factor on all filters, but that the last 1 x 1 convolution has 1280 at least.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another stem.

    Source: Sandler et al., 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2.
    """
    blocks = [  # expansion, filters, repeats, strides of the first
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]  # fmt: skip
    if stem not in ("imagenet", "small"):
        raise ValueError(f"A stem is one of imagenet, small. Received: stem={stem!r}")
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution}
    x = conv_unit(x, divisible(32 * width), 3, 2 if stem == "imagenet" else 1, name="stem", **kinds)
    for stack, (expansion, filters, repeats, strides) in enumerate(blocks):
        for index in range(repeats):
            step, name = strides if index == 0 else 1, f"stack{stack + 1}_block{index + 1}"
            x = inverted_residual(
                x, divisible(filters * width), step, expansion, depthwise=depthwise, name=name, **kinds
            )
    x = conv_unit(x, divisible(1280 * max(1, width)), 1, name="last", **kinds)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return layers.Dense(num_classes, name="logits")(layers.Dropout(dropout, name="dropout")(x))
