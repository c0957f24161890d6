"""LeNet-5 of LeCun et al., 1998, as it is built today: C3 sees all maps of S2, and pooling has no weights."""

from keras import layers


def lenet5(x, num_classes, activation="relu", padding="same", pooling=layers.AveragePooling2D):
    """Map images to logits by LeNet-5.

    Args:
        x: images scaled to 0 to 1, ``(batch, 28, 28, 1)`` in the paper with its border of 2 pixels.
        num_classes: number of logits.
        activation: Keras activation of all layers with weights but the last.
        padding: padding of C1; "same" keeps 28 x 28.
        pooling: Keras layer of S2 and S4.

    Returns:
        Logits of shape ``(batch, num_classes)``.

    Taught in lesson 03.

    Source: LeCun et al., 1998, "Gradient-Based Learning Applied to Document Recognition", section II.B.
    """
    x = layers.Conv2D(6, kernel_size=5, padding=padding, activation=activation, name="C1")(x)
    x = pooling(pool_size=2, name="S2")(x)
    x = layers.Conv2D(16, kernel_size=5, activation=activation, name="C3")(x)
    x = pooling(pool_size=2, name="S4")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(120, activation=activation, name="C5")(x)
    x = layers.Dense(84, activation=activation, name="F6")(x)
    return layers.Dense(num_classes, name="logits")(x)
