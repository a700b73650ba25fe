"""Kubernetes manifests in YAML or JSON: plain values, and the line at which each of them stands."""
