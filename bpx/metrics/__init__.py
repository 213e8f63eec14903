"""Metrics: numbers that people read beside the loss, by name or as functions."""

from bpx.metrics.named import METRICS, Metric, get_metric, list_metrics

__all__ = ["METRICS", "Metric", "get_metric", "list_metrics"]
