# %% [markdown]
# Answers to the exercises of lesson 16. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-variances"]
large_variance = 9900 / (9900 + 300)
small_variance = 100 / (100 + 300)

# %% tags=["exercise-variances", "wrong"]
large_variance = 1
small_variance = 1

# %% tags=["exercise-variances", "wrong"]
large_variance = 0.97
small_variance = 1

# %% tags=["exercise-variances", "wrong"]
large_variance = 0.97
small_variance = 0.5

# %% tags=["exercise-variances", "wrong"]
large_variance = 10200
small_variance = 400

# %% tags=["exercise-variances", "wrong"]
large_variance = 9900 / (9900**0.5 + 300**0.5) ** 2
small_variance = 100 / (100**0.5 + 300**0.5) ** 2

# %% tags=["exercise-variances", "wrong"]
large_variance = 1 / 10200
small_variance = 1 / 400

# %% tags=["exercise-variances", "wrong"]
large_variance = 0.8
small_variance = 0.2

# %% tags=["exercise-variances", "wrong"]
large_variance = "9900 / 10200"
small_variance = 0.25
