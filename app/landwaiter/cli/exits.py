"""How commands end; other people's scripts depend on these codes."""

from typing import Final

EXIT_REFUSED: Final = 1
"""Something was refused, or does not do what is declared."""

EXIT_BAD_INPUT: Final = 2
"""A manifest, a policy or an option cannot be used; click ends in the same way."""

EXIT_UNDECIDED: Final = 3
"""Nothing was refused, and something could not be found out."""
