"""Answers from the facts of a fixture, as `rules/image_content_facts.py` tells."""

from rules.image_content_facts import answer as answer
