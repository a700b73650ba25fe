"""Finds what is wrong with an install before it hurts."""
