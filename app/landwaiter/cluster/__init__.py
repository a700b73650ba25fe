"""Talks to the Kubernetes API in threads of its own, and gives out plain values."""
