"""InceptionV3 of Szegedy et al., 2015, and Inception-ResNet-v2 of 2016: modules with factorised filters."""

from keras import layers


def conv_unit(
    x,
    filters,
    kernel_size,
    strides=1,
    padding="same",
    activation="relu",
    normalization=layers.BatchNormalization,
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


def conv_chain(x, units, name, width=1.0, **kinds):
    """Put convolutions one after the other.

    Args:
        x: maps ``(batch, height, width, channels)``.
        units: ``(filters, kernel_size)`` of each; a third entry is its strides, then without padding.
        name: begins the names of the layers.
        width: factor on all filters.
        kinds: activation, normalization and convolution, as for ``conv_unit``.
    """
    for index, (filters, kernel_size, *strided) in enumerate(units):
        strides, padding = (strided[0], "valid") if strided else (1, "same")
        filters = max(1, round(filters * width))
        x = conv_unit(x, filters, kernel_size, strides, padding, name=f"{name}_conv{index + 1}", **kinds)
    return x


def mixed_module(x, branches, pooled=None, name="mixed", **kinds):
    """Look at the same maps with several chains of convolutions and a pooling, and lay the answers side by side.

    Args:
        x: maps ``(batch, height, width, channels)``.
        branches: units of each chain, as for ``conv_chain``.
        pooled: filters of the 1 x 1 after an average pooling of 3 x 3; None for a maximum pooling that halves the
            size, where the branches halve it too.
        name: of the joined maps, and begins the names of the layers.
        kinds: width, activation, normalization and convolution, as for ``conv_chain``.

    Returns:
        Maps with the channels of all branches.

    Source: Szegedy et al., 2015, "Rethinking the Inception Architecture for Computer Vision", figures 6 and 10;
    with a 5 x 5 where the published network has one.
    """
    outputs = [conv_chain(x, units, f"{name}_branch{index + 1}", **kinds) for index, units in enumerate(branches)]
    if pooled is None:
        outputs.append(layers.MaxPooling2D(3, strides=2, name=f"{name}_pool")(x))
    else:
        average = layers.AveragePooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
        outputs.append(conv_chain(average, [(pooled, 1)], f"{name}_pool", **kinds))
    return layers.Concatenate(name=name)(outputs)


def expanded_module(x, name="expanded", **kinds):
    """Look at the smallest maps with filters of 1 x 3 and of 3 x 1 side by side, to make them many.

    Args:
        x: maps ``(batch, 8, 8, channels)``.
        name: of the joined maps, and begins the names of the layers.
        kinds: width, activation, normalization and convolution, as for ``conv_chain``.

    Returns:
        Maps ``(batch, 8, 8, 2048)`` at width 1.

    Source: Szegedy et al., 2015, figure 7.
    """
    outputs = [conv_chain(x, [(320, 1)], f"{name}_branch1", **kinds)]
    for branch, units in (("branch2", [(384, 1)]), ("branch3", [(448, 1), (384, 3)])):
        y = conv_chain(x, units, f"{name}_{branch}", **kinds)
        wide = conv_chain(y, [(384, (1, 3))], f"{name}_{branch}_1x3", **kinds)
        high = conv_chain(y, [(384, (3, 1))], f"{name}_{branch}_3x1", **kinds)
        outputs.append(layers.Concatenate(name=f"{name}_{branch}")([wide, high]))
    average = layers.AveragePooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    outputs.append(conv_chain(average, [(192, 1)], f"{name}_pool", **kinds))
    return layers.Concatenate(name=name)(outputs)


def inception_stem(x, stem="imagenet", width=1.0, **kinds):
    """Bring the image to maps of an eighth of its side with 192 channels; the small stem keeps the side.

    Args:
        x: images ``(batch, height, width, 3)``.
        stem: "imagenet" or "small".
        width: factor on all filters.
        kinds: activation, normalization and convolution, as for ``conv_unit``.

    Raises:
        ValueError: another stem.

    Source: Szegedy et al., 2015, table 1, with the fourth convolution of 1 x 1 and the poolings of the published
    network.
    """
    if stem not in ("imagenet", "small"):
        raise ValueError(f"A stem is one of imagenet, small. Received: stem={stem!r}")
    first, second, third, fourth, fifth = (max(1, round(filters * width)) for filters in (32, 32, 64, 80, 192))
    strides, padding = (2, "valid") if stem == "imagenet" else (1, "same")
    x = conv_unit(x, first, 3, strides, padding, name="stem_conv1", **kinds)
    x = conv_unit(x, second, 3, 1, padding, name="stem_conv2", **kinds)
    x = conv_unit(x, third, 3, name="stem_conv3", **kinds)
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool1")(x) if stem == "imagenet" else x
    x = conv_unit(x, fourth, 1, name="stem_conv4", **kinds)
    x = conv_unit(x, fifth, 3, 1, padding, name="stem_conv5", **kinds)
    return layers.MaxPooling2D(3, strides=2, name="stem_pool2")(x) if stem == "imagenet" else x


def inception_v3(
    x,
    num_classes,
    width=1.0,
    stem="imagenet",
    activation="relu",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
):
    """Map images to logits by InceptionV3: a stem, eleven modules on maps of three sizes, one dense layer.

    Args:
        x: images scaled to 0 to 1, ``(batch, 299, 299, 3)`` in the paper.
        num_classes: number of logits.
        width: factor on all filters.
        stem: "imagenet", which makes maps of about an eighth of the image's side; "small", which keeps the side.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another stem.

    Source: Szegedy et al., 2015, "Rethinking the Inception Architecture for Computer Vision", table 1; filters as
    published with the trained network, without the auxiliary head.
    """
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution, "width": width}
    x = inception_stem(x, stem, **kinds)
    for index, pooled in enumerate((32, 64, 64)):  # 35 x 35
        branches = [(64, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)]
        x = mixed_module(x, branches, pooled, name=f"mixed{index}", **kinds)
    x = mixed_module(x, ([(384, 3, 2)], [(64, 1), (96, 3), (96, 3, 2)]), name="mixed3", **kinds)
    for index, filters in enumerate((128, 160, 160, 192)):  # 17 x 17
        seven = [(filters, 1), (filters, (1, 7)), (192, (7, 1))]
        double = [(filters, 1), (filters, (7, 1)), (filters, (1, 7)), (filters, (7, 1)), (192, (1, 7))]
        x = mixed_module(x, ([(192, 1)], seven, double), 192, name=f"mixed{index + 4}", **kinds)
    branches = [(192, 1), (320, 3, 2)], [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)]
    x = mixed_module(x, branches, name="mixed8", **kinds)
    for name in ("mixed9", "mixed10"):  # 8 x 8
        x = expanded_module(x, name=name, **kinds)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return layers.Dense(num_classes, name="logits")(x)


def scaled_residual(x, branches, scale, activation="relu", convolution=layers.Conv2D, name="residual", **kinds):
    r"""Add to the input a small part of what an inception module makes of it.

    $y = x + s\,g(x)$: without the scale s, networks of many filters break down early in training.

    Args:
        x: maps ``(batch, height, width, channels)``.
        branches: units of each chain, as for ``conv_chain``; a 1 x 1 convolution without normalisation then brings the
            joined maps to the channels of ``x``.
        scale: s, from 0 to 1.
        activation: name of a Keras activation, or a function that makes a layer.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.
        name: begins the names of the layers.
        kinds: width and normalization, as for ``conv_chain``.

    Returns:
        Maps of the shape of ``x``, before the activation that follows.

    Taught in lesson 08.

    Source: Szegedy et al., 2016, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
    section 3.3, figures 16, 17 and 19.
    """
    kinds |= {"activation": activation, "convolution": convolution}
    y = [conv_chain(x, units, f"{name}_branch{index + 1}", **kinds) for index, units in enumerate(branches)]
    y = layers.Concatenate(name=f"{name}_joined")(y)
    y = convolution(x.shape[-1], 1, padding="same", name=f"{name}_conv")(y)
    return layers.Add(name=f"{name}_add")([x, layers.Rescaling(scale, name=f"{name}_scale")(y)])


def inception_resnet_v2(
    x,
    num_classes,
    repeats=(10, 20, 10),
    scales=(0.17, 0.1, 0.2),
    width=1.0,
    stem="imagenet",
    activation="relu",
    normalization=layers.BatchNormalization,
    convolution=layers.Conv2D,
):
    """Map images to logits by Inception-ResNet-v2: scaled residual blocks on maps of three sizes, one dense layer.

    Args:
        x: images scaled to 0 to 1, ``(batch, 299, 299, 3)`` in the paper.
        num_classes: number of logits.
        repeats: residual blocks on maps of each of the three sizes.
        scales: of the residual branches at each size; the very last block has neither scale nor activation.
        width: factor on all filters.
        stem: "imagenet", which makes maps of about an eighth of the image's side; "small", which keeps the side.
        activation: name of a Keras activation, or a function that makes a layer.
        normalization: function that makes the layer after each convolution but the last of a block, or None.
        convolution: function that makes a convolution, called as ``keras.layers.Conv2D``.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Raises:
        ValueError: another stem.

    Source: Szegedy et al., 2016, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
    figure 15; stem, repeats, filters and scales as published with the trained network.
    """
    kinds = {"activation": activation, "normalization": normalization, "convolution": convolution, "width": width}
    mixed = [(96, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)]
    x = mixed_module(inception_stem(x, stem, **kinds), mixed, 64, name="mixed", **kinds)
    blocks = [
        ([(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]),  # 35 x 35
        ([(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]),  # 17 x 17
        ([(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]),  # 8 x 8
    ]
    reductions = [
        ([(384, 3, 2)], [(256, 1), (256, 3), (384, 3, 2)]),
        ([(256, 1), (384, 3, 2)], [(256, 1), (288, 3, 2)], [(256, 1), (288, 3), (320, 3, 2)]),
    ]
    for size, branches in enumerate(blocks):
        x = mixed_module(x, reductions[size - 1], name=f"reduction{size}", **kinds) if size else x
        for index in range(repeats[size]):
            name, last = f"stack{size + 1}_block{index + 1}", (size, index) == (2, repeats[2] - 1)
            x = scaled_residual(x, branches, 1.0 if last else scales[size], name=name, **kinds)
            x = x if last else activate(x, activation, name=f"{name}_activation")
    x = conv_chain(x, [(1536, 1)], "last", **kinds)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return layers.Dense(num_classes, name="logits")(x)
