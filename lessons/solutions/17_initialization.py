# %% [markdown]
# Answers to the exercises of lesson 17. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-stddev"]
stddev = (2 / (3 * 3 * 32)) ** 0.5

# %% tags=["exercise-stddev", "wrong"]
stddev = 2 / 288

# %% tags=["exercise-stddev", "wrong"]
stddev = (1 / 288) ** 0.5

# %% tags=["exercise-stddev", "wrong"]
stddev = (2 / 32) ** 0.5

# %% tags=["exercise-stddev", "wrong"]
stddev = (2 / 9) ** 0.5

# %% tags=["exercise-stddev", "wrong"]
stddev = 2 / 288**0.5

# %% tags=["exercise-stddev", "wrong"]
stddev = 0.1

# %% tags=["exercise-stddev", "wrong"]
stddev = "he_normal"
