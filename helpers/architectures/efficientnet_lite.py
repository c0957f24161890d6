"""EfficientNet-Lite0 of Google, 2020: EfficientNet-B0 of Tan and Le, 2019, made for phones."""

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
    kernel_size,
    strides=1,
    activation="relu6",
    normalization=layers.BatchNormalization,
    depthwise=layers.DepthwiseConv2D,
    name=None,
):
    """Convolve each channel with a filter of its own, normalise where asked, then activate.

    Args:
        x: maps ``(batch, height, width, channels)``.
        kernel_size, strides, name: of the convolution.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes a layer, or None.
        depthwise: function that makes a layer, called as ``keras.layers.DepthwiseConv2D``.

    Returns:
        Maps ``(batch, height / strides, width / strides, channels)``.
    """
    x = depthwise(kernel_size, strides=strides, padding="same", use_bias=normalization is None, name=name)(x)
    x = normalization(name=name and f"{name}_normalization")(x) if normalization else x
    return activate(x, activation, name=name and f"{name}_activation")


def activate(x, activation, name=None):
    """Apply an activation: a name that Keras knows, or a function that makes a layer, such as ``layers.PReLU``."""
    return (layers.Activation(activation, name=name) if isinstance(activation, str) else activation(name=name))(x)


def inverted_residual(
    x,
    filters,
    kernel_size=3,
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
        kernel_size, strides: of the depthwise convolution.
        expansion: channels between the two 1 x 1 convolutions, as a multiple of those of ``x``; 1 leaves the
            first out.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution, or None.
        convolution, depthwise: functions that make a layer, called as ``keras.layers.Conv2D`` and ``DepthwiseConv2D``.
        name: begins the names of the layers.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.

    Raises:
        ValueError: an expansion below 1.

    Source: Sandler et al., 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", section 3.3; Tan and Le,
    2019, "EfficientNet", section 4, for the filters of 5 x 5.
    """
    if expansion < 1:
        raise ValueError(f"An expansion is 1 or more. Received: expansion={expansion!r}")
    y = x
    if expansion > 1:
        y = conv_unit(y, expansion * x.shape[-1], 1, 1, activation, normalization, convolution, name=f"{name}_expand")
    y = depthwise_unit(y, kernel_size, strides, activation, normalization, depthwise, name=f"{name}_depthwise")
    y = conv_unit(y, filters, 1, 1, None, normalization, convolution, name=f"{name}_project")
    return layers.Add(name=f"{name}_add")([x, y]) if strides == 1 and x.shape[-1] == filters else y


def divisible(filters):
    """Round to a multiple of 8 that is not more than a tenth smaller, as the authors' code does."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def efficientnet_lite0(
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
    """Map images to logits by EfficientNet-Lite0: B0 with ReLU6 and without squeeze-and-excitation.

    Args:
        x: images scaled to -1 to 1, ``(batch, 224, 224, 3)`` where it was trained.
        num_classes: number of logits.
        width: factor on the filters of the blocks; those of the first and the last convolution stay, as in Lite1 to 4.
        stem: "imagenet", a first convolution that moves by 2 pixels; "small", by 1.
        dropout: share of values dropped before the logits.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution, or None.
        convolution, depthwise: functions that make a layer, called as ``keras.layers.Conv2D`` and ``DepthwiseConv2D``.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another stem.

    Source: Tan and Le, 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", table 1, and
    Google's notes on the Lite variants, github.com/tensorflow/tpu, models/official/efficientnet/lite. Their stochastic
    depth, a measure against overfitting while training, is left out.
    """
    stacks = [  # expansion, filters, repeats, strides of the first, kernel_size
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ]  # fmt: skip
    if stem not in ("imagenet", "small"):
        raise ValueError(f"A stem is one of imagenet, small. Received: stem={stem!r}")
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution}
    x = conv_unit(x, 32, 3, 2 if stem == "imagenet" else 1, name="stem", **kinds)
    for stack, (expansion, filters, repeats, strides, kernel_size) in enumerate(stacks):
        for index in range(repeats):
            step, name = strides if index == 0 else 1, f"stack{stack + 1}_block{index + 1}"
            x = inverted_residual(
                x, divisible(filters * width), kernel_size, step, expansion, depthwise=depthwise, name=name, **kinds
            )
    x = conv_unit(x, 1280, 1, name="last", **kinds)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return layers.Dense(num_classes, name="logits")(layers.Dropout(dropout, name="dropout")(x))
