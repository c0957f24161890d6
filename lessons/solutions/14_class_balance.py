# %% [markdown]
# Answers to the exercises of lesson 14. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-correction"]
weight_of_rare = 4.5
lead_of_rare = 1.08

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 8
lead_of_rare = 1.08

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 54
lead_of_rare = 1.08

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 0.5625
lead_of_rare = 1.08

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 0.2
lead_of_rare = 1.08

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 3.0
lead_of_rare = 1.08

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = "4.5"
lead_of_rare = 1.08

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.5
lead_of_rare = -3.08

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.5
lead_of_rare = 7

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.5
lead_of_rare = -0.097

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.5
lead_of_rare = 2

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.5
lead_of_rare = 2.079

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.5
lead_of_rare = -1

# %% tags=["exercise-correction", "wrong"]
weight_of_rare = 4.5
lead_of_rare = 5
