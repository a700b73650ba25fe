"""A failure as a value, to be remembered, handed on, and raised for everyone who asks."""

from dataclasses import dataclass

from landwaiter.errors import ImageProblem, Unavailable


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception to be raised for everyone who asks, without the frames of who came first."""

    kind: type[ImageProblem] | type[Unavailable]
    message: str

    @classmethod
    def of(cls, error: ImageProblem | Unavailable) -> "Failure":
        """Return what is kept of an error."""
        return cls(type(error), str(error))

    def error(self) -> ImageProblem | Unavailable:
        """Return the error, new."""
        return self.kind(self.message)
