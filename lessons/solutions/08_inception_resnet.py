# %% [markdown]
# Answers to the exercises of lesson 08. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-variance"]
variance_after_ten = (1 + 0.3**2) ** 10

# %% tags=["exercise-variance", "wrong"]
variance_after_ten = 1.9

# %% tags=["exercise-variance", "wrong"]
variance_after_ten = 13.79

# %% tags=["exercise-variance", "wrong"]
variance_after_ten = 1.539

# %% tags=["exercise-variance", "wrong"]
variance_after_ten = 1024

# %% tags=["exercise-variance", "wrong"]
variance_after_ten = 1.0

# %% tags=["exercise-variance", "wrong"]
variance_after_ten = 2.0

# %% tags=["exercise-variance", "wrong"]
variance_after_ten = "2.37"
