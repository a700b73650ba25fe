"""Expressions of the Common Expression Language: checked when loaded, evaluated in bounds."""
