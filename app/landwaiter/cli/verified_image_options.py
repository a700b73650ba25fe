"""The options of `landwaiter serve` about the inventory of verified images."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from landwaiter.cli.options import option
from landwaiter.cli.webhook_options import own_namespace_of
from landwaiter.errors import InvalidInput
from landwaiter.manifests.names import is_dns_subdomain
from landwaiter.wiring.verified_images import DEFAULT_MAX, VerifiedImageSettings

Command = TypeVar("Command", bound=Callable[..., Any])

MOST: Final = 50_000
"""VerifiedImage objects take some 2 kB each in the cluster, and half of it in each replica."""


def verified_image_options(command: Command) -> Command:
    """Declare whether what was verified outlives a process."""
    for each in (
        option(
            "--verified-images-max",
            type=click.IntRange(100, MOST),
            default=DEFAULT_MAX,
            help="... and how many: the oldest go first.",
        ),
        option(
            "--verified-images-secret",
            metavar="NAME",
            help="Keep what was verified in VerifiedImage objects, for policies with "
            "staleIfUndecided; their seal is kept in this Secret of our namespace. "
            "Needs --client-ca.",
        ),
    ):
        command = each(command)
    return command


def verified_image_settings(given: Mapping[str, Any]) -> VerifiedImageSettings | None:
    """
    Return what the options say, None where nothing is to be kept.

    Raises `InvalidInput` for options that do not go together. Without `--client-ca` anybody on the
    Pod network could have objects written (semantics 20).
    """
    name = given["verified_images_secret"]
    if name is None:
        return None
    if not is_dns_subdomain(name):
        raise InvalidInput(
            f'--verified-images-secret: "{name:.100}" given, the name of a Secret is wanted'
        )
    if given["client_ca"] is None:
        raise InvalidInput(
            "--verified-images-secret needs --client-ca: only the API server may have them written"
        )
    return VerifiedImageSettings(
        own_namespace_of(given, "--verified-images-secret"),
        name,
        given["verified_images_max"],
        given["webhook_name"],
    )
