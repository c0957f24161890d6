"""Train one network many times, each time from a seed of its own."""

import keras


def restart(model, build, seed):
    """Put a model back to the start of training, drawn anew from a seed.

    Weights, random states and optimiser become those of ``build()``, while the compiled training step
    stays: at the size of this course, compiling it anew for every seed costs more than an epoch.

    Args:
        model: a model that ``build`` returned.
        build: function without arguments that returns a new, compiled Keras model.
        seed: integer seed of the weights and of all that is drawn while training.

    Returns:
        The model itself.

    Raises:
        ValueError: ``build`` returns a model of another shape, or one that is not compiled.

    Example::

        model = build()
        for seed in range(3):
            restart(model, build, seed).fit(images, labels, verbose=0)
    """
    keras.utils.set_random_seed(seed)
    fresh = build()
    if not (fresh.compiled and model.compiled):
        raise ValueError(f"build() must return a compiled model. Received: model={model.name!r}, build={build!r}")
    shapes = [[weight.shape for weight in each.weights] for each in (model, fresh)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"build() must return the same network. Received: model={model.name!r}, build={build!r}")
    for each in (model, fresh):
        each.optimizer.build(each.trainable_variables)
    state = [*model.variables, *model.optimizer.variables]
    for variable, start in zip(state, [*fresh.variables, *fresh.optimizer.variables], strict=True):
        variable.assign(start)
    return model
