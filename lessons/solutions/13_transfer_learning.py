# %% [markdown]
# Answers to the exercises of lesson 13. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-frozen"]
parameters_to_train = 424972
variables_not_trained = 4

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 424972 + 2 * 1280
variables_not_trained = 2

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 424972 + 4 * 1280
variables_not_trained = 4

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 320 * 1280 + 1280 * 12
variables_not_trained = 4

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 424972 + 1280
variables_not_trained = 4

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 15372
variables_not_trained = 4

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 409600
variables_not_trained = 4

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 100000
variables_not_trained = 4

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 424972.0
variables_not_trained = 4

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 424972
variables_not_trained = 2

# %% tags=["exercise-frozen", "wrong"]
parameters_to_train = 424972
variables_not_trained = 5
