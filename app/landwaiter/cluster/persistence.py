"""How often what nobody waits for is tried again, when the API server does not take it."""

from typing import Final

import tenacity

from landwaiter.errors import ClusterUnavailable

ATTEMPTS: Final = 5
RETRY_SECONDS: Final = 0.5
RETRY_MAX_SECONDS: Final = 10.0


def persistently() -> tenacity.AsyncRetrying:
    """
    Return what calls a function until it succeeds, with jittered pauses that grow.

    Raises the last `ClusterUnavailable` after so many attempts, and any other exception at once.
    """
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(ClusterUnavailable),
        wait=tenacity.wait_random_exponential(RETRY_SECONDS, RETRY_MAX_SECONDS),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        reraise=True,
    )
