"""Whitening as a Keras layer that adapts in batches; ``keras.layers.Normalization`` centres and standardises.

``Normalization`` learns a mean and a variance for each index of its ``axis`` (for each channel, as a rule), each for
itself; ``Whitening`` learns the covariance of all pixels.
"""

import helpers.quiet  # noqa: F401

import math

import keras
import numpy as np
from keras import layers, ops


def update_moments(moments, batch):
    """Return count, mean and scatter of all images so far, from those before and a batch.

    Two groups of n and m images join as ``mean + m / (n + m) shift`` and ``scatter + batch's scatter + n m / (n + m)
    shift shift'``, where shift is the difference of their means. Nothing large is subtracted from something large, as
    it is in ``mean(x^2) - mean(x)^2``.

    Args:
        moments: ``(count, mean, scatter)`` as returned; ``(0, 0.0, 0.0)`` at the start.
        batch: ``(n, size)``, numbers of any type; reckoned in float64.

    Returns:
        ``(count, mean, scatter)``: an integer, ``(size,)`` and ``(size, size)``. ``scatter / (count - 1)`` is the
        covariance.

    Raises:
        ValueError: a batch of another shape, empty, or with numbers that are not finite.

    Taught in lesson 16.

    Source: Chan, Golub and LeVeque, 1983, "Algorithms for Computing the Sample Variance", in its form for vectors.

    Example::

        moments = (0, 0.0, 0.0)
        for images in batches:
            moments = update_moments(moments, images.reshape(len(images), -1))
    """
    count, mean, scatter = moments
    batch = np.asarray(batch, "float64")
    if batch.ndim != 2 or not batch.size or (count and batch.shape[1:] != mean.shape):
        raise ValueError(f"batch must be flat images, (n, size), of one size. Received: batch.shape={batch.shape}")
    if not np.isfinite(batch).all():
        raise ValueError(f"batch must be without NaN and infinity. Received: finite={np.isfinite(batch).mean():.2%}")
    n, total, batch_mean = len(batch), count + len(batch), batch.mean(axis=0)
    shift, centred = batch_mean - mean, batch - batch_mean
    scatter = scatter + centred.T @ centred + np.outer(shift, shift) * (count * n / total)
    return total, mean + shift * (n / total), scatter


def whitening_matrix(covariance, components=None, zca=False, epsilon=0.0):
    """Return the matrix W that gives centred images ``x @ W`` the identity as their covariance.

    With eigenvalues v and eigenvectors E, ``W = E / sqrt(v + epsilon)``; for ZCA ``W = E / sqrt(v + epsilon) E'``.

    Args:
        covariance: ``(size, size)``, symmetric: only its lower triangle is read.
        components: how many to keep, those of the largest variance; None for all.
        zca: whether to rotate back, so that a whitened image looks like an image.
        epsilon: added to the eigenvalues, so in squared units of the pixels. Directions of a smaller variance come
            out with less than variance 1.

    Returns:
        ``(size, components)``, a column for each component from the largest variance to the smallest;
        ``(size, size)`` and symmetric for ZCA. An eigenvector has no sign of its own, so that each machine might
        give another one: here the largest entry of each column is positive, as in scikit-learn.

    Raises:
        ValueError: components that are no whole number, or more than there are directions that vary while epsilon
            is 0; a negative epsilon.

    Taught in lesson 16.

    Source: PCA as ``sklearn.decomposition.PCA(whiten=True)``; ZCA: Bell and Sejnowski, 1997, "The 'Independent
    Components' of Natural Scenes Are Edge Filters".

    Example::

        W = whitening_matrix([[4.0, 0.0], [0.0, 1.0]])  # 1/2 and 1 on its diagonal
    """
    values, vectors = (each[..., ::-1] for each in np.linalg.eigh(covariance))  # the largest first
    rank = int(np.sum(values > values[0] * len(values) * np.finfo(float).eps))
    kept = len(values) if components is None else components
    if epsilon < 0:
        raise ValueError(f"epsilon is added to variances: give 0 or more. Received: epsilon={epsilon!r}")
    if not isinstance(kept, int | np.integer) or not 1 <= kept <= len(values):
        limits = f"a whole number from 1 to {len(values)}, or None for all"
        raise ValueError(f"components must be {limits}. Received: components={components!r}")
    if epsilon == 0 and kept > rank:
        raise ValueError(
            f"Only {rank} of {len(values)} directions vary, at most one fewer than there are images: lower components "
            f"to {rank}, or give epsilon above 0. Received: components={components!r}, epsilon={epsilon!r}"
        )
    values, vectors = np.maximum(values[:kept], 0), vectors[:, :kept]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])  # or the sign were chance
    scaled = vectors / np.sqrt(values + epsilon)
    return scaled @ vectors.T if zca else scaled


def image_batches(data):
    """Yield arrays of images, a thousand at a time or as they come.

    Args:
        data: images ``(n, ...)``, a ``PyDataset``, or an iterable of batches such as a ``tf.data.Dataset``. A batch
            is images ``(n, ...)``, or a tuple or list that begins with them. A list of *single* images would be
            read as a list of batches, each image as a batch of its rows: make it an array first.

    Yields:
        NumPy arrays ``(n, ...)``.

    Raises:
        ValueError: a batch that has no two dimensions.

    Example::

        count = sum(len(images) for images in image_batches(train_dataset))
    """
    batches = data
    if hasattr(data, "shape"):
        batches = (data[start : start + 1000] for start in range(0, len(data), 1000))
    elif isinstance(data, keras.utils.PyDataset):
        batches = (data[index] for index in range(data.num_batches))
    for batch in batches:
        images = ops.convert_to_numpy(batch[0] if isinstance(batch, tuple | list) else batch)
        if images.ndim < 2:
            received = f"images.shape={images.shape}"
            raise ValueError(f"data must be batches of images, (n, ...), or (images, labels). Received: {received}")
        yield images


@keras.saving.register_keras_serializable("course")
class Whitening(layers.Layer):
    """Make pixels uncorrelated, of mean 0 and variance 1, by what ``adapt`` has learned from training images.

    ``(x - mean) @ W``, with x the image as one row and W of ``whitening_matrix``. Mean and W are weights that no
    optimiser changes: they are saved with the model.

    Args:
        components, zca, epsilon: as for ``whitening_matrix``.

    Call: images ``(n, ...)``. Returns ``(n, components)``; for ZCA the shape of the images.

    Raises:
        ValueError: called before ``adapt``, or with images of another shape.

    Taught in lesson 16.

    Source: after ``keras.layers.Normalization``, whose ``adapt`` keeps a mean and a variance for each index of its
    axis, and no covariance. scikit-learn's ``IncrementalPCA(whiten=True)`` is no layer and keeps at most as many
    components as its first batch has images; ``ImageDataGenerator(zca_whitening=True)`` of old Keras fits one array
    and whitens outside the model.

    Example::

        whitening = Whitening(components=100)
        whitening.adapt(train_images)
        model = keras.Sequential([keras.Input((28, 28, 1)), whitening, layers.Dense(10, name="logits")])
    """

    def __init__(self, components=None, zca=False, epsilon=0.0, **kwargs):
        super().__init__(**kwargs)
        self.components, self.zca, self.epsilon, self.adapted = components, zca, epsilon, False

    def build(self, input_shape):
        self.image_shape = tuple(input_shape[1:])
        size, outputs = math.prod(self.image_shape), math.prod(self.compute_output_shape(input_shape)[1:])
        self.mean = self.add_weight((size,), initializer="zeros", trainable=False, name="mean")
        self.projection = self.add_weight((size, outputs), initializer="zeros", trainable=False, name="projection")

    def adapt(self, data):
        """Learn mean and covariance from training images, from scratch at each call.

        Args:
            data: images ``(n, ...)``, or batches of them: a finite ``tf.data.Dataset``, ``PyDataset`` or other
                iterable. Of a batch ``(images, labels)`` the images count.

        Raises:
            ValueError: as ``update_moments`` and ``whitening_matrix``.
        """
        moments = (0, 0.0, 0.0)
        for images in image_batches(data):
            moments = update_moments(moments, images.reshape(len(images), -1))
        count, mean, scatter = moments
        if count < 2:
            raise ValueError(f"data must hold two images at least. Received: count={count}")
        matrix = whitening_matrix(scatter / (count - 1), self.components, self.zca, self.epsilon)
        if not self.built:
            self.build((None, *images.shape[1:]))
        if tuple(images.shape[1:]) != self.image_shape:
            raise ValueError(f"data must be images of {self.image_shape}, as before. Received: shape={images.shape}")
        self.mean.assign(mean)
        self.projection.assign(matrix)
        self.adapted = True

    def call(self, images):
        if not self.adapted:
            raise ValueError(f"Adapt the layer to training images first. Received: adapted={self.adapted}")
        if tuple(images.shape[1:]) != self.image_shape:
            received = f"images.shape={tuple(images.shape)}"
            raise ValueError(f"images must be {self.image_shape}, as those adapted to. Received: {received}")
        pixels = ops.reshape(ops.cast(images, self.compute_dtype), (-1, self.mean.shape[0]))
        white = ops.matmul(pixels - self.mean, self.projection)
        return ops.reshape(white, (-1, *self.image_shape)) if self.zca else white

    def compute_output_shape(self, input_shape):
        pixels = math.prod(input_shape[1:])
        return tuple(input_shape) if self.zca else (input_shape[0], self.components or pixels)

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.adapted = bool(ops.any(self.projection != 0))

    def get_config(self):
        return super().get_config() | {"components": self.components, "zca": self.zca, "epsilon": self.epsilon}
