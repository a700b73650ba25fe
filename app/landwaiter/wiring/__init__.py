"""Builds the running application: the only room that knows every other."""
