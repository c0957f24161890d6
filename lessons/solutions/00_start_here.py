# %% [markdown]
# Answers to the exercises of lesson 00. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-verdicts", "wrong"]
verdicts = ["holds", "refuted", "holds", "undecided"]

# %% tags=["exercise-verdicts", "wrong"]
verdicts = ["undecided", "undecided", "holds", "refuted"]

# %% tags=["exercise-verdicts", "wrong"]
verdicts = ["undecided", "refuted", "undecided", "undecided"]

# %% tags=["exercise-verdicts", "wrong"]
verdicts = ["undecided", "wrong", "holds", "undecided"]

# %% tags=["exercise-verdicts", "wrong"]
verdicts = "undecided"

# %% tags=["exercise-verdicts"]
verdicts = ["undecided", "refuted", "holds", "undecided"]
