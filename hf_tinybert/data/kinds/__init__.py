"""Kinds of task: how each takes rows to a model and its predictions back."""
