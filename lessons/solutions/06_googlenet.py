# %% [markdown]
# Answers to the exercises of lesson 06. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-naive"]
naive_maps = 4944

# %% tags=["exercise-naive", "wrong"]
naive_maps = 1024

# %% tags=["exercise-naive", "wrong"]
naive_maps = 4752

# %% tags=["exercise-naive", "wrong"]
naive_maps = 1728

# %% tags=["exercise-naive", "wrong"]
naive_maps = 896

# %% tags=["exercise-naive", "wrong"]
naive_maps = 416

# %% tags=["exercise-naive", "wrong"]
naive_maps = 5000

# %% tags=["exercise-naive", "wrong"]
naive_maps = "4944"
