"""Refusals: what cannot work is refused before anything is spent, with the reason and the cure.

Each function looks at one thing and raises. `models.check_models` and `rows.check_dataset` are what the trainer calls,
and the preflight turns the functions of each module into the rows of its table.
"""
