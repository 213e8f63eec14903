"""Training: what ``fit`` does. The first training imports it, so that a network alone is quick to have."""
