# %% [markdown]
# Answers to the exercises of lesson 14. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-correction"]
weight_of_rare = 4.33
lead_of_rare = 0.79

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 6
lead_of_rare = 0.79

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 52
lead_of_rare = 0.79

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 0.722
lead_of_rare = 0.79

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 0.1
lead_of_rare = 0.79

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 3.0
lead_of_rare = 0.79

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = "4.33"
lead_of_rare = 0.79

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.33
lead_of_rare = -2.79

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.33
lead_of_rare = 5

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.33
lead_of_rare = -0.22

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.33
lead_of_rare = 1.585

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.33
lead_of_rare = 1.79

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.33
lead_of_rare = -1

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.33
lead_of_rare = 9
