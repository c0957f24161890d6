# %% [markdown]
# Answers to the exercises of lesson 04. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-groups"]
conv2_parameters = 153856

# %% tags=["exercise-groups", "wrong"]
conv2_parameters = 153600

# %% tags=["exercise-groups", "wrong"]
conv2_parameters = 38464

# %% tags=["exercise-groups", "wrong"]
conv2_parameters = 38400

# %% tags=["exercise-groups", "wrong"]
conv2_parameters = 307456

# %% tags=["exercise-groups", "wrong"]
conv2_parameters = 614656

# %% tags=["exercise-groups", "wrong"]
conv2_parameters = 614656 // 4

# %% tags=["exercise-groups", "wrong"]
conv2_parameters = 307456 // 2

# %% tags=["exercise-groups", "wrong"]
conv2_parameters = 100000

# %% tags=["exercise-groups", "wrong"]
conv2_parameters = "153856"
