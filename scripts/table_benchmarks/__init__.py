"""The benchmark of tables: which tables by a rule, models that are given the same rows, scores, and the report."""
