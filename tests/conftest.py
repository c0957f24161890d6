import helpers.quiet  # noqa: F401  before any test imports Keras
