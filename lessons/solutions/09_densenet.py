# %% [markdown]
# Answers to the exercises of lesson 09. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-transition"]
transition_parameters = 74496

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 73728

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 74112

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 75264

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 148224

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 4800

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 42048

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 116160

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 132096

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 1000000

# %% tags=["exercise-transition", "wrong"]
transition_parameters = 74496.0
