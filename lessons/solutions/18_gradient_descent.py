# %% [markdown]
# Answers to the exercises of lesson 18. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-escape"]
from math import log

steps_needed = log(0.54 / 1e-4) / log(1.02)

# %% tags=["exercise-escape", "wrong"]
steps_needed = 270000

# %% tags=["exercise-escape", "wrong"]
steps_needed = 8.6

# %% tags=["exercise-escape", "wrong"]
steps_needed = 2.2

# %% tags=["exercise-escape", "wrong"]
steps_needed = 12.4

# %% tags=["exercise-escape", "wrong"]
steps_needed = 188

# %% tags=["exercise-escape", "wrong"]
steps_needed = 50

# %% tags=["exercise-escape", "wrong"]
steps_needed = 1000

# %% tags=["exercise-escape", "wrong"]
steps_needed = "soon"
