"""The documents that admins write: loading, matching, and judging a whole object by them."""
