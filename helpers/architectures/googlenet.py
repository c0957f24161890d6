"""GoogLeNet of Szegedy et al., 2014: the first inception network."""

from keras import layers


def conv_unit(
    x, filters, kernel_size, strides=1, activation="relu", normalization=None, convolution=layers.Conv2D, name=None
):
    """Convolve, normalise where asked, then activate.

    Args:
        x: maps ``(batch, height, width, channels)``.
        filters, kernel_size, strides, name: of the convolution.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes a layer, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Maps ``(batch, height / strides, width / strides, filters)``.
    """
    bias = normalization is None
    x = convolution(filters, kernel_size, strides=strides, padding="same", use_bias=bias, name=name)(x)
    x = normalization(name=name and f"{name}_normalization")(x) if normalization else x
    return activate(x, activation, name=name and f"{name}_activation")


def activate(x, activation, name=None):
    """Apply an activation: a name that Keras knows, or a function that makes a layer, such as ``layers.PReLU``."""
    return (layers.Activation(activation, name=name) if isinstance(activation, str) else activation(name=name))(x)


def inception_module(x, ones, reduce3, threes, reduce5, fives, pooled, name="inception", **kinds):
    """Look at the same maps with four branches, and lay their answers side by side.

    Args:
        x: maps ``(batch, height, width, channels)``.
        ones: filters of the 1 x 1 branch.
        reduce3, threes: filters of the 1 x 1 before the 3 x 3, and of the 3 x 3.
        reduce5, fives: filters of the 1 x 1 before the 5 x 5, and of the 5 x 5.
        pooled: filters of the 1 x 1 after the 3 x 3 pooling.
        name: begins the names of the layers.
        kinds: activation, normalization and convolution, as for ``conv_unit``.

    Returns:
        Maps ``(batch, height, width, ones + threes + fives + pooled)``.

    Source: Szegedy et al., 2014, "Going Deeper with Convolutions", section 4 and figure 2(b).
    """
    branch1 = conv_unit(x, ones, 1, name=f"{name}_1x1", **kinds)
    branch3 = conv_unit(x, reduce3, 1, name=f"{name}_3x3_reduce", **kinds)
    branch3 = conv_unit(branch3, threes, 3, name=f"{name}_3x3", **kinds)
    branch5 = conv_unit(x, reduce5, 1, name=f"{name}_5x5_reduce", **kinds)
    branch5 = conv_unit(branch5, fives, 5, name=f"{name}_5x5", **kinds)
    branch_pool = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    branch_pool = conv_unit(branch_pool, pooled, 1, name=f"{name}_pool_1x1", **kinds)
    return layers.Concatenate(name=name)([branch1, branch3, branch5, branch_pool])


def auxiliary_head(x, num_classes, width=1.0, activation="relu", name="auxiliary", **kinds):
    """Map maps half-way through the network to logits of their own, to send gradient to the layers before.

    Args:
        x: maps of 14 x 14 in the paper; at least 5 x 5.
        num_classes: number of logits.
        width: factor on filters and units.
        activation: name of a Keras activation, or a function that makes a layer.
        name: of the logits.
        kinds: normalization and convolution, as for ``conv_unit``.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: smaller maps.

    Source: Szegedy et al., 2014, section 5.
    """
    if min(x.shape[1:3]) < 5:
        raise ValueError(f"An auxiliary head takes maps of 5 x 5 or more: give larger images. Received: {x.shape[1:3]}")
    x = layers.AveragePooling2D(5, strides=3, name=f"{name}_pool")(x)
    x = conv_unit(x, max(1, round(128 * width)), 1, activation=activation, name=f"{name}_1x1", **kinds)
    x = layers.Dense(max(1, round(1024 * width)), name=f"{name}_dense")(layers.Flatten(name=f"{name}_flatten")(x))
    x = activate(x, activation, name=f"{name}_dense_activation")
    x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return layers.Dense(num_classes, name=name)(x)


def googlenet(
    x,
    num_classes,
    auxiliary=False,
    width=1.0,
    stem="imagenet",
    dropout=0.4,
    activation="relu",
    normalization=None,
    convolution=layers.Conv2D,
):
    """Map images to logits by GoogLeNet: a stem, nine inception modules, one dense layer.

    The two local response normalisations of the paper's stem, which have no weights, are left out.

    Args:
        x: images scaled to 0 to 1, ``(batch, 224, 224, 3)`` in the paper.
        num_classes: number of logits.
        auxiliary: whether to give the logits of the two auxiliary heads too, for training. The paper adds their
            losses with a weight of 0.3, and throws the heads away afterwards.
        width: factor on all filters and units.
        stem: "imagenet", which makes maps of a quarter of the image's side for the 3 x 3 convolution; "small", which
            keeps the side.
        dropout: share of values dropped before the logits.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution, or None as in the paper.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Logits of shape ``(batch, num_classes)``; with ``auxiliary`` three of them, the network's own first.

    Raises:
        ValueError: another stem.

    Source: Szegedy et al., 2014, "Going Deeper with Convolutions", table 1.
    """
    modules = {  # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool 1x1
        "3a": (64, 96, 128, 16, 32, 32),
        "3b": (128, 128, 192, 32, 96, 64),
        "4a": (192, 96, 208, 16, 48, 64),
        "4b": (160, 112, 224, 24, 64, 64),
        "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64),
        "4e": (256, 160, 320, 32, 128, 128),
        "5a": (256, 160, 320, 32, 128, 128),
        "5b": (384, 192, 384, 48, 128, 128),
    }
    if stem not in ("imagenet", "small"):
        raise ValueError(f"A stem is one of imagenet, small. Received: stem={stem!r}")
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution}
    scaled = [max(1, round(filters * width)) for filters in (64, 64, 192)]
    if stem == "imagenet":
        x = conv_unit(x, scaled[0], 7, strides=2, name="conv1", **kinds)
        x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    else:
        x = conv_unit(x, scaled[0], 3, name="conv1", **kinds)
    x = conv_unit(x, scaled[1], 1, name="conv2_reduce", **kinds)
    x = conv_unit(x, scaled[2], 3, name="conv2", **kinds)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool2")(x)
    heads = []
    for name, filters in modules.items():
        if name in ("4a", "5a"):
            x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"pool{int(name[0]) - 1}")(x)
        x = inception_module(x, *(max(1, round(each * width)) for each in filters), name=f"inception_{name}", **kinds)
        if auxiliary and name in ("4a", "4d"):
            heads.append(auxiliary_head(x, num_classes, width, name=f"auxiliary_{name}", **kinds))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    logits = layers.Dense(num_classes, name="logits")(layers.Dropout(dropout, name="dropout")(x))
    return [logits, *heads] if auxiliary else logits
