"""The benchmark of bpx: peers that do the same work, cases that time them side by side, and the report.

Nothing here imports NumPy or another numerical library before `benchmarks.threads.set_threads` has run.
"""
