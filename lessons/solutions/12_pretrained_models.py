# %% [markdown]
# Answers to the exercises of lesson 12. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-folded"]
folded_numbers = 4694024 - 3 * 42016 / 2

# %% tags=["exercise-folded", "wrong"]
folded_numbers = 4694024 - 4 * 21008

# %% tags=["exercise-folded", "wrong"]
folded_numbers = 4652008

# %% tags=["exercise-folded", "wrong"]
folded_numbers = 4694024 - 3 * 42016

# %% tags=["exercise-folded", "wrong"]
folded_numbers = 21008

# %% tags=["exercise-folded", "wrong"]
folded_numbers = 4631001

# %% tags=["exercise-folded", "wrong"]
folded_numbers = 4631000.5

# %% tags=["exercise-folded", "wrong"]
folded_numbers = 4, 631, 0


# %% tags=["exercise-pytorch"]
def pytorch_style(pictures):
    return (pictures / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


# %% tags=["exercise-pytorch", "wrong"]
pytorch_style = np.array([0.485, 0.456, 0.406])


# %% tags=["exercise-pytorch", "wrong"]
def pytorch_style(pictures):
    pictures /= 255
    return (pictures - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


# %% tags=["exercise-pytorch", "wrong"]
def pytorch_style(pictures):
    return (pictures[0] / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


# %% tags=["exercise-pytorch", "wrong"]
def pytorch_style(pictures):
    return (pictures - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


# %% tags=["exercise-pytorch", "wrong"]
def pytorch_style(pictures):
    return pictures / 255 - np.array([0.485, 0.456, 0.406])


# %% tags=["exercise-pytorch", "wrong"]
def pytorch_style(pictures):
    return pictures / 255 / np.array([0.229, 0.224, 0.225])


# %% tags=["exercise-pytorch", "wrong"]
def pytorch_style(pictures):
    return pictures / 255 - np.array([0.485, 0.456, 0.406]) / np.array([0.229, 0.224, 0.225])


# %% tags=["exercise-pytorch", "wrong"]
def pytorch_style(pictures):
    return (pictures[..., ::-1] / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


# %% tags=["exercise-pytorch", "wrong"]
def pytorch_style(pictures):
    return (pictures / 255 - np.array([0.406, 0.456, 0.485])) / np.array([0.229, 0.224, 0.225])


# %% tags=["exercise-pytorch", "wrong"]
def pytorch_style(pictures):
    return pictures / 127.5 - 1
