"""Imported once by the process from which the processes of `tests/processes.py` are forked."""

import gc

import deepspeed  # noqa: F401  which accelerate imports wherever it is installed
import torch

import tests.distillation.multitask.multitask_worker
import tests.distillation.training_worker
import tests.workflow.pretraining_worker  # noqa: F401

torch.set_num_threads(1)
# A collection in a forked process would copy every page on which an imported object lies.
gc.collect()
gc.freeze()
