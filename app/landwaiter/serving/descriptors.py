"""
File descriptors: room for as many connections as are allowed.

When a process has none left it cannot accept anybody, and the bound on connections, which lets the
least missed go, never comes into play. So the limit is raised as far as the system lets us, and
what it does not let us is taken off the connections.
"""

import resource
from typing import Final

DESCRIPTORS_BESIDE: Final = 1024
"""
Kept for everything else: handshakes, which are not connections yet, registries, the Kubernetes
API, the metrics port, and three pipes and some files for each cosign process.
"""


def connections_within_limit(wanted: int) -> int:
    """Return how many connections there is room for, at most `wanted`; raises the soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + DESCRIPTORS_BESIDE
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections_with(soft, wanted)


def connections_with(descriptors: int, wanted: int) -> int:
    """Return how many of the connections wanted so many descriptors leave room for."""
    if descriptors == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, max(descriptors - DESCRIPTORS_BESIDE, descriptors // 2)))
