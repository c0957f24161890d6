# %% [markdown]
# Answers to the exercises of lesson 07. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-projection"]
projection_parameters = 855770

# %% tags=["exercise-projection", "wrong"]
projection_parameters = 2752

# %% tags=["exercise-projection", "wrong"]
projection_parameters = 853018 + 16 * 32 + 32 * 64

# %% tags=["exercise-projection", "wrong"]
projection_parameters = 860026

# %% tags=["exercise-projection", "wrong"]
projection_parameters = 853018

# %% tags=["exercise-projection", "wrong"]
projection_parameters = 1000000

# %% tags=["exercise-projection", "wrong"]
projection_parameters = 855770.0

# %% tags=["exercise-projection", "wrong"]
projection_parameters = 855770 + 32 + 64
