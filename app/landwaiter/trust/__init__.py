"""Reads what is trusted from where it is distributed: repositories of The Update Framework."""
