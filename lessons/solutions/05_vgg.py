# %% [markdown]
# Answers to the exercises of lesson 05. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-field"]
field_of_vgg19 = 268

# %% tags=["exercise-field", "wrong"]
field_of_vgg19 = 252

# %% tags=["exercise-field", "wrong"]
field_of_vgg19 = 212

# %% tags=["exercise-field", "wrong"]
field_of_vgg19 = 224

# %% tags=["exercise-field", "wrong"]
field_of_vgg19 = 33

# %% tags=["exercise-field", "wrong"]
field_of_vgg19 = 260

# %% tags=["exercise-field", "wrong"]
field_of_vgg19 = "268"
