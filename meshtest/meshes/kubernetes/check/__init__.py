"""Is the cluster ready? What was read of it, judged: each check is a pure function from what was read to findings."""
