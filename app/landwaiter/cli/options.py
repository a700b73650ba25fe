"""How options are declared: each one also has a variable in the environment."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from landwaiter.cosign.kms_settings import KMSSettings
from landwaiter.images.reference import ShortNames
from landwaiter.policy.install import (
    EXCEPTION_MAX_DAYS,
    NamespacedExceptions,
    PolicyInstallSettings,
    UnmatchedImages,
)
from landwaiter.wiring.credentials import CredentialSettings

Command = TypeVar("Command", bound=Callable[..., Any])

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def option(name: str, **settings: Any) -> Callable[[Command], Command]:  # noqa: ANN401  # click's.
    """
    Declare an option that the environment can give too.

    `--tls-cert` is also `LANDWAITER_TLS_CERT`; the command line wins.
    """
    variable = "LANDWAITER_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, envvar=variable, show_envvar=True, show_default=True, **settings)


def policy_install(
    given: Mapping[str, Any], kms: KMSSettings | None = None
) -> PolicyInstallSettings:
    """Return what the options say that are about policies; `kms` is None where it is not known."""
    return PolicyInstallSettings(
        unmatched_images=UnmatchedImages(given["unmatched_images"]),
        namespaced_exceptions=NamespacedExceptions(given["namespaced_exceptions"]),
        exception_max_days=given["exception_max_days"],
        kms_schemes=None if kms is None else kms.schemes,
    )


def policy_install_options(command: Command) -> Command:
    """Declare what an install decides for all policies."""
    for each in (
        option(
            "--unmatched-images",
            type=click.Choice([each.value for each in UnmatchedImages]),
            default=UnmatchedImages.ALLOW.value,
            help="What becomes of images that no ClusterImagePolicy which denies here is about.",
        ),
        option(
            "--exception-max-days",
            type=click.IntRange(1, 3650),
            default=EXCEPTION_MAX_DAYS,
            help="How many days ahead an exception may end when it is loaded.",
        ),
        option(
            "--namespaced-exceptions",
            type=click.Choice([each.value for each in NamespacedExceptions]),
            default=NamespacedExceptions.REFUSE.value,
            help="Whether exceptions of namespaces may lift what policies ask for there.",
        ),
    ):
        command = each(command)
    return command


def options_of_both(command: Command) -> Command:
    """Declare what the webhook and the offline check must be told alike to judge alike."""
    for each in (
        option("--cosign", default="cosign", help="The cosign program: a name on PATH or a path."),
        option(
            "--short-names",
            type=click.Choice([each.value for each in ShortNames]),
            default=ShortNames.DOCKER_HUB.value,
            help="What an image without registry means.",
        ),
        policy_install_options,
        option(
            "--registries", type=EXISTING_FILE, help="Registries that need settings of their own."
        ),
        option("--kms", type=EXISTING_FILE, help="Key management services that policies may name."),
        credential_options,
    ):
        command = each(command)
    return command


def credential_options(command: Command) -> Command:
    """Declare where the credentials come from that an install has besides pull secrets."""
    for each in (
        option(
            "--credential-helper-env",
            metavar="NAME",
            multiple=True,
            help="Variable of the environment that Docker credential helpers are given; can be "
            "repeated.",
        ),
        option(
            "--docker-config",
            type=EXISTING_FILE,
            help="Docker config with credentials of Landwaiter's own, for registries.",
        ),
        option(
            "--image-credential-provider-bin-dir",
            type=EXISTING_FOLDER,
            help="Folder of credential provider plugins and of Docker credential helpers.",
        ),
        option(
            "--image-credential-provider-config",
            type=EXISTING_FILE,
            help="The kubelet's CredentialProviderConfig: plugins that give credentials.",
        ),
    ):
        command = each(command)
    return command


def credential_settings(given: Mapping[str, Any]) -> CredentialSettings:
    """Return what the options say that are about credentials."""
    return CredentialSettings(
        provider_config=given["image_credential_provider_config"],
        programs=given["image_credential_provider_bin_dir"],
        docker_config=given["docker_config"],
        variables=tuple(given["credential_helper_env"]),
    )


def policies_option(*, required: bool) -> Callable[[Command], Command]:
    """Declare the folder of policies."""
    return option(
        "--policies", type=EXISTING_FOLDER, required=required, help="Folder of policy documents."
    )


def policy_paths(command: Command) -> Command:
    """Declare the files and folders of policies that a command is about."""
    return click.argument(
        "paths",
        nargs=-1,
        required=True,
        metavar="PATH...",
        type=click.Path(exists=True, path_type=Path),
    )(command)
