"""Runs the cosign program on material that we fetched, and says what its answer proves."""
