"""Checkpoints: what a training must remember, the folder that keeps it, and when it is written."""
