# %% [markdown]
# Answers to the exercises of lesson 10. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-five"]
five_by_five = 14 * 14 * (5 * 5 * 512 + 512 * 512)

# %% tags=["exercise-five", "wrong"]
five_by_five = 52283392

# %% tags=["exercise-five", "wrong"]
five_by_five = 274944

# %% tags=["exercise-five", "wrong"]
five_by_five = 14 * 14 * 25 * 512

# %% tags=["exercise-five", "wrong"]
five_by_five = 14 * 14 * 25 * 512 * 512

# %% tags=["exercise-five", "wrong"]
five_by_five = 14 * 14 * 26 * 512

# %% tags=["exercise-five", "wrong"]
five_by_five = 53889025

# %% tags=["exercise-five", "wrong"]
five_by_five = 53889024.0
