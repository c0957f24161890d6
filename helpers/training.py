"""Train one network many times, each time from a seed of its own; find the learning rates at which it trains."""

import itertools

import keras
import numpy as np
from keras import ops


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


def learning_rate_range_test(model, images, labels, batch_size=32, low=1e-4, high=10.0, steps=100, stop=4.0, seed=0):
    """Train for some steps with a learning rate that rises from low to high, and note the loss of each batch.

    Step ``i`` of ``n`` has the rate ``low * (high / low) ** (i / (n - 1))`` and a batch drawn anew; its loss is taken
    before the step. Afterwards the model and its optimiser are as they were.

    Args:
        model: built and compiled Keras model; its optimiser has a plain learning rate, not a schedule.
        images: ``(n, ...)``, as many as a batch or more.
        labels: ``(n, ...)``.
        batch_size: images per step.
        low, high: the first and the last learning rate.
        steps: number of steps, two at least.
        stop: the test ends where the loss is not finite, or more than this many times the lowest so far.
        seed: of the batches drawn.

    Returns:
        ``(rates, losses)``: two float arrays of equal length, at most ``steps``; the last loss may be infinite.

    Raises:
        ValueError: a model that is not built and compiled, rates or sizes that do not fit.
        TypeError: from Keras, if the optimiser has a schedule.

    Taught in lesson 18.

    Source: Smith, 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3, where the rate rises
    linearly and the accuracy is noted.

    Example::

        rates, losses = learning_rate_range_test(model, train_images, train_labels)
        plt.semilogx(rates, losses)
    """
    if not (0 < low < high < np.inf and steps > 1 and 1 <= batch_size <= len(images)):
        received = f"low={low}, high={high}, steps={steps}, batch_size={batch_size}, {len(images)} images"
        raise ValueError(f"Let the rate rise, in two steps at least, and a batch fit the images. Received: {received}")
    if not (model.built and model.compiled):
        raise ValueError(f"Give a built and compiled model. Received: model={model.name!r}")
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    kept = [ops.convert_to_numpy(variable).copy() for variable in variables]
    rng, rates, losses = np.random.default_rng(seed), np.geomspace(low, high, steps), []
    for rate in rates:
        model.optimizer.learning_rate = rate
        model.reset_metrics()  # or the loss would be a mean over all steps
        batch = rng.choice(len(images), batch_size, replace=False)
        found = float(model.train_on_batch(images[batch], labels[batch], return_dict=True)["loss"])
        losses.append(found if np.isfinite(found) else np.inf)
        if losses[-1] > stop * min(losses) or losses[-1] == np.inf:
            break
    for variable, value in zip(variables, kept):
        variable.assign(value)
    return rates[: len(losses)], np.array(losses)
