"""Landwaiter: a Kubernetes admission webhook that decides which container images may run."""

__version__ = "0.1.0"
