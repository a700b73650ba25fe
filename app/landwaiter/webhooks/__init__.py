"""Keeps the objects right that make the API server ask."""
