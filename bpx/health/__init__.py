"""Gradient health: what goes wrong in practice, found with the numbers behind it."""

from bpx.health.diagnosing import CHECKS, diagnose
from bpx.health.report import Finding, HealthReport

__all__ = ["CHECKS", "Finding", "HealthReport", "diagnose"]
