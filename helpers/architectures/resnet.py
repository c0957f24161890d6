"""ResNet of He et al., 2015, for ImageNet and for CIFAR, and the plain networks it is compared with."""

from keras import layers, ops


def conv_unit(
    x,
    filters,
    kernel_size,
    strides=1,
    padding="same",
    activation="relu",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
    use_bias=False,
    name=None,
):
    """Convolve, normalise where asked, then activate where asked.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters, kernel_size, strides, padding, name: of the convolution.
        activation: name of a Keras activation, or a function that makes a layer, or None for none.
        normalization: function that makes a layer, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.
        use_bias: whether the convolution has biases beside normalisation, without which it has them anyway.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.
    """
    bias = use_bias or normalization is None
    x = convolution(filters, kernel_size, strides=strides, padding=padding, use_bias=bias, name=name)(x)
    x = normalization(name=name and f"{name}_normalization")(x) if normalization else x
    return activate(x, activation, name=name and f"{name}_activation") if activation else x


def activate(x, activation, name=None):
    """Apply an activation: a name that Keras knows, or a function that makes a layer, such as ``layers.PReLU``."""
    return (layers.Activation(activation, name=name) if isinstance(activation, str) else activation(name=name))(x)


def shortcut_branch(x, filters, strides=1, shortcut="projection", name="shortcut", **kinds):
    """Give the input the shape of the residual branch: as it is where that fits, else by the kind of shortcut.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters, strides: of the residual branch.
        shortcut: "projection", a 1 x 1 convolution (option B of the paper); "padding", every ``strides``-th row
            and column, and channels of zeros behind (option A, without weights).
        name: of the projection.
        kinds: normalization, convolution and use_bias, as for ``conv_unit``.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.

    Taught in lesson 07.

    Source: He et al., 2015, "Deep Residual Learning for Image Recognition", section 3.3.
    """
    if strides == 1 and x.shape[-1] == filters:
        return x
    if shortcut == "padding":
        return ops.pad(x[:, ::strides, ::strides], [[0, 0], [0, 0], [0, 0], [0, filters - x.shape[-1]]])
    return conv_unit(x, filters, 1, strides, activation=None, name=name, **kinds)


def basic_block(x, filters, strides=1, shortcut="projection", activation="relu", name="block", **kinds):
    """Add two 3 x 3 convolutions of the input to the input itself.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters: of both convolutions.
        strides: of the first.
        shortcut: "projection" or "padding", as for ``shortcut_branch``; None for a plain block without one.
        activation: name of a Keras activation, or a function that makes a layer.
        name: begins the names of the layers.
        kinds: normalization, convolution and use_bias, as for ``conv_unit``.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.

    Taught in lesson 07.

    Source: He et al., 2015, figure 5, left.
    """
    y = conv_unit(x, filters, 3, strides, activation=activation, name=f"{name}_conv1", **kinds)
    y = conv_unit(y, filters, 3, activation=None, name=f"{name}_conv2", **kinds)
    if shortcut:
        x = shortcut_branch(x, filters, strides, shortcut, name=f"{name}_shortcut", **kinds)
        y = layers.Add(name=f"{name}_add")([x, y])
    return activate(y, activation, name=f"{name}_activation")


def bottleneck_block(x, filters, strides=1, shortcut="projection", activation="relu", name="block", **kinds):
    """Add to the input what a 1 x 1, a 3 x 3 and a 1 x 1 convolution make of it, the 3 x 3 on few channels.

    Args:
        x, strides, shortcut, activation, name, kinds: as for ``basic_block``.
        filters: of the first two convolutions; the last has four times as many.

    Returns:
        Maps ``(batch, height / strides, width / strides, 4 * filters)``.

    Source: He et al., 2015, figure 5, right.
    """
    y = conv_unit(x, filters, 1, strides, activation=activation, name=f"{name}_conv1", **kinds)
    y = conv_unit(y, filters, 3, activation=activation, name=f"{name}_conv2", **kinds)
    y = conv_unit(y, 4 * filters, 1, activation=None, name=f"{name}_conv3", **kinds)
    if shortcut:
        x = shortcut_branch(x, 4 * filters, strides, shortcut, name=f"{name}_shortcut", **kinds)
        y = layers.Add(name=f"{name}_add")([x, y])
    return activate(y, activation, name=f"{name}_activation")


def resnet_stack(x, repeats, filters, strides, block=basic_block, name="stack", **options):
    """Put blocks one after the other; the first of them may halve the size.

    Args:
        x: maps ``(batch, height, width, channels)``.
        repeats: number of blocks.
        filters: of each block.
        strides: of the first block.
        block: ``basic_block`` or ``bottleneck_block``.
        name: begins the names of the layers.
        options: of the block.

    Returns:
        Maps ``(batch, height / strides, width / strides, channels of the block)``.
    """
    for index in range(repeats):
        x = block(x, filters, strides if index == 0 else 1, name=f"{name}_block{index + 1}", **options)
    return x


def resnet(
    x,
    num_classes,
    stacks=(2, 2, 2, 2),
    block=basic_block,
    filters=64,
    width=1.0,
    stem="imagenet",
    shortcut="projection",
    activation="relu",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
    use_bias=False,
):
    """Map images to logits by ResNet: a stem, stacks of residual blocks, one dense layer.

    Args:
        x: images scaled to 0 to 1, ``(batch, 224, 224, 3)`` for ImageNet, ``(batch, 32, 32, 3)`` for CIFAR.
        num_classes: number of logits.
        stacks: blocks in each stack. Each stack has twice the filters of the one before, and all but the first
            halve the size. The default is ResNet-18; (3, 4, 6, 3) with bottleneck blocks is ResNet-50, (9, 9, 9) with
            16 filters, the small stem and shortcuts by padding ResNet-56.
        block: ``basic_block`` or ``bottleneck_block``.
        filters: of the first stack.
        width: factor on all filters.
        stem: "imagenet", a 7 x 7 convolution and pooling, which make maps of a quarter of the image's side; "small", a
            3 x 3 convolution that keeps the side.
        shortcut: "projection", "padding", or None for the plain network, as for ``basic_block``.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.
        use_bias: whether convolutions have biases beside normalisation, which makes them idle, as in Keras
            Applications; without normalisation they have them anyway.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another stem or shortcut.

    Source: He et al., 2015, "Deep Residual Learning for Image Recognition", table 1 and section 4.2.
    """
    if stem not in ("imagenet", "small"):
        raise ValueError(f"A stem is one of imagenet, small. Received: stem={stem!r}")
    if shortcut not in ("projection", "padding", None):
        raise ValueError(f"A shortcut is one of projection, padding, None. Received: shortcut={shortcut!r}")
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution, "use_bias": use_bias}
    filters = max(1, round(filters * width))
    if stem == "imagenet":
        x = layers.ZeroPadding2D(3, name="stem_padding")(x)
        x = conv_unit(x, filters, 7, strides=2, padding="valid", name="stem", **kinds)
        x = layers.ZeroPadding2D(1, name="stem_pool_padding")(x)
        x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)
    else:
        x = conv_unit(x, filters, 3, name="stem", **kinds)
    for index, repeats in enumerate(stacks):
        strides, name = 1 if index == 0 else 2, f"stack{index + 1}"
        x = resnet_stack(x, repeats, filters * 2**index, strides, block, name, shortcut=shortcut, **kinds)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return layers.Dense(num_classes, name="logits")(x)
