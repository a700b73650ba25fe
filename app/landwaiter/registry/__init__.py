"""Talks to container registries, with the credentials that the kubelet would use."""
