"""Structured logs and metrics: names and label sets are decided here."""
