"""What exists: services and the instances behind them, read from Kubernetes manifests. Pure; knows nothing of processes."""
