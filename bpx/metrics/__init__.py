"""Metrics: numbers that people read beside the loss, by name or as functions."""

from bpx.metrics.named import METRICS, Metric, as_metrics, get_metric

__all__ = ["METRICS", "Metric", "as_metrics", "get_metric"]
