# %% [markdown]
# Answers to the exercises of lesson 11. Each cell has the tag of its exercise; an answer tagged `wrong` is one
# that the page explains.

# %% tags=["exercise-frontier"]
def on_frontier(costs, accuracies):
    """Return for each network whether no other is better in one and at least as good in the other."""
    points = list(zip(costs, accuracies))
    return [
        not any(cost <= c and accuracy >= a and (cost, accuracy) != (c, a) for cost, accuracy in points)
        for c, a in points
    ]

# %% tags=["exercise-frontier", "wrong"]
def on_frontier(costs, accuracies):
    points = list(zip(costs, accuracies))
    return [not any(cost < c and accuracy > a for cost, accuracy in points) for c, a in points]

# %% tags=["exercise-frontier", "wrong"]
def on_frontier(costs, accuracies):
    points = list(enumerate(zip(costs, accuracies)))
    return [not any(cost <= c and accuracy >= a and i != j for i, (cost, accuracy) in points) for j, (c, a) in points]

# %% tags=["exercise-frontier", "wrong"]
def on_frontier(costs, accuracies):
    return [accuracy == max(accuracies) for accuracy in accuracies]
