"""Preflight: what a distillation is about to do, checked in seconds, as rows of ok, warn or fail with the cure."""

from hf_tinybert.distillation.preflight.checklist import run_preflight
from hf_tinybert.distillation.preflight.report import Check, PreflightReport, Status
from hf_tinybert.distillation.preflight.setup import Setup

__all__ = ["Check", "PreflightReport", "Setup", "Status", "run_preflight"]
