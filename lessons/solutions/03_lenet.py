# %% [markdown]
# Answers to the exercises of lesson 03. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-unpadded"]
unpadded_parameters = 44426

# %% tags=["exercise-unpadded", "wrong"]
unpadded_parameters = 61706

# %% tags=["exercise-unpadded", "wrong"]
unpadded_parameters = 256 * 120

# %% tags=["exercise-unpadded", "wrong"]
unpadded_parameters = 256 * 120 + 120

# %% tags=["exercise-unpadded", "wrong"]
unpadded_parameters = 44426 - 120

# %% tags=["exercise-unpadded", "wrong"]
unpadded_parameters = 44444

# %% tags=["exercise-unpadded", "wrong"]
unpadded_parameters = "44426"
