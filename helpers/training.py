"""Train one network many times, each time from a seed of its own."""

import itertools

import keras


def restarts(build, seeds, variants=None):
    """Yield, once per seed, a network at the start of its training, drawn anew from that seed.

    It is one model that is yielded again and again: its weights, random states and optimiser become
    those of a new ``build()``, while the compiled training step stays. At the size of this course,
    compiling the step for every seed costs more than an epoch.

    Args:
        build: function that returns a new, built and compiled Keras model, the same network at every
            call. Without variants it has no argument, with them it gets one.
        seeds: integer seeds of the weights and of all that is drawn while training.
        variants: values for ``build``, such as standard deviations of the first weights: one after the
            other, each with every seed. What varies must lie in the state, not in the training step.

    Yields:
        The model, or with variants ``(variant, model)``. Use it before the next one is asked for: its weights
        will be drawn again then.

    Raises:
        ValueError: ``build`` returns no built and compiled model, an old one, or one with variables of other
            shapes. Other differences, as of activations, it cannot see: the first network is trained then.

    Example::

        for model in restarts(build, seeds=[0, 1, 2]):
            model.fit(images, labels, verbose=0)
    """
    model = None
    for variant, seed in itertools.product([None] if variants is None else variants, seeds):
        keras.utils.set_random_seed(int(seed))
        fresh = build() if variants is None else build(variant)
        if not (isinstance(fresh, keras.Model) and fresh.built and fresh.compiled):
            raise ValueError(f"build() must return a built and compiled Keras model. Received: {fresh!r}")
        fresh.optimizer.build(fresh.trainable_variables)
        if model is None:
            model = fresh
        else:
            _copy_state(fresh, model)
        yield model if variants is None else (variant, model)


def _copy_state(source, target):
    """Assign every variable of one model and its optimiser to another of the same kind."""
    sources, targets = ([*each.variables, *each.optimizer.variables] for each in (source, target))
    if source is target or [each.shape for each in sources] != [each.shape for each in targets]:
        raise ValueError(f"build() must return a new model of the same network. Received: {source.name!r}")
    for old, new in zip(targets, sources):
        old.assign(new)
