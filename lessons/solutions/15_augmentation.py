# %% [markdown]
# Answers to the exercises of lesson 15. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-box"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return width - x2, y1, width - x1, y2


# %% tags=["exercise-box", "wrong"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return width - x1, y1, width - x2, y2


# %% tags=["exercise-box", "wrong"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return width - 1 - x2, y1, width - 1 - x1, y2


# %% tags=["exercise-box", "wrong"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return x1, width - y2, x2, width - y1


# %% tags=["exercise-box", "wrong"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return x2, y1, x1, y2


# %% tags=["exercise-box", "wrong"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return width - x2, width - y2, width - x1, width - y1


# %% tags=["exercise-box", "wrong"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return x1, y1, x2, y2


# %% tags=["exercise-box", "wrong"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return width - x2, y1, width - x1


# %% tags=["exercise-box", "wrong"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return x1 + width / 2, y1, x2 + width / 2, y2


# %% tags=["exercise-box", "wrong"]
def flip_box(box, width):
    """Return the box in the mirrored picture."""
    x1, y1, x2, y2 = box
    return x1 + 4, y1, x2 + 4, y2
