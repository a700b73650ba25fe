"""
Which credential provider plugins an install runs: the kubelet's own `CredentialProviderConfig`.

    apiVersion: kubelet.config.k8s.io/v1
    kind: CredentialProviderConfig
    providers:
      - name: ecr-credential-provider
        matchImages: ["*.dkr.ecr.*.amazonaws.com"]
        defaultCacheDuration: 12h
        apiVersion: credentialprovider.kubelet.k8s.io/v1
        args: [get-credentials]
        env:
          - {name: AWS_REGION, value: eu-west-1}

What the kubelet refuses is refused here, and `tokenAttributes` besides: the tokens are bound to a
Pod, and when an image is judged there is none yet.

Source: kubelet/config/v1/types.go and pkg/credentialprovider/plugin/config.go of Kubernetes 1.36.3.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from landwaiter.errors import InvalidInput
from landwaiter.providers.documents import PluginDocument
from landwaiter.providers.durations import seconds_of
from landwaiter.providers.programs import Program
from landwaiter.registry.credentials import ImageCoverage
from landwaiter.registry.settings import MatchImage

_MOST: Final = 100
"""Providers, patterns, arguments and variables: far above what a node has."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One plugin: its program, the images it is asked for, and how."""

    program: Program
    patterns: tuple[str, ...]
    default_seconds: float
    api_version: str

    def coverage(self) -> ImageCoverage:
        """Return the images that the plugin is asked for."""
        return ImageCoverage(self.patterns)


def _check_name(name: str) -> str:
    if not name or name in (".", "..") or "/" in name or " " in name or not name.isprintable():
        raise ValueError("the name of a program is wanted, without slash and space")
    return name


def _no_null(text: str) -> str:
    if "\0" in text:
        raise ValueError("no program can be given a null character")
    return text


def _no_tokens(_: object) -> None:
    raise ValueError(
        "not supported: its tokens are bound to a Pod, and while an image is judged there is none"
    )


Text = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_no_null)]


def _seconds(text: object) -> float:
    seconds = seconds_of(text) if isinstance(text, str) else -1
    if seconds < 0:
        raise ValueError('a duration of at least "0s" is wanted')
    return seconds


class VariableEntry(PluginDocument):
    """One variable of a plugin's environment."""

    name: Annotated[str, StringConstraints(pattern=r"^[^=\x00]{1,256}$")]
    value: Text


class ProviderEntry(PluginDocument):
    """One plugin of the file."""

    name: Annotated[str, StringConstraints(max_length=255), AfterValidator(_check_name)]
    match_images: Annotated[list[MatchImage], Field(min_length=1, max_length=_MOST)]
    default_cache_duration: Annotated[
        float, BeforeValidator(_seconds), WithJsonSchema({"type": "string"})
    ]
    api_version: Literal[
        "credentialprovider.kubelet.k8s.io/v1",
        "credentialprovider.kubelet.k8s.io/v1beta1",
        "credentialprovider.kubelet.k8s.io/v1alpha1",
    ]
    args: Annotated[list[Text] | None, Field(max_length=_MOST)] = None
    env: Annotated[list[VariableEntry] | None, Field(max_length=_MOST)] = None
    token_attributes: Annotated[None, BeforeValidator(_no_tokens)] = None

    def provider(self, folder: Path) -> Provider:
        """Return the plugin, whose program stands in the folder. Raises `InvalidInput`."""
        return Provider(
            Program(
                f'the credential provider "{self.name}"',
                checked_program(folder, self.name),
                tuple(self.args or ()),
                MappingProxyType({each.name: each.value for each in self.env or ()}),
            ),
            tuple(self.match_images),
            self.default_cache_duration,
            self.api_version,
        )


class CredentialProviderConfig(PluginDocument):
    """The whole file."""

    api_version: Literal[
        "kubelet.config.k8s.io/v1",
        "kubelet.config.k8s.io/v1beta1",
        "kubelet.config.k8s.io/v1alpha1",
    ]
    kind: Literal["CredentialProviderConfig"]
    providers: Annotated[list[ProviderEntry], Field(min_length=1, max_length=_MOST)]

    @classmethod
    def of(cls, document: object) -> Self:
        """Return what a document says; `InvalidInput` names the field and quotes no value."""
        try:
            return cls.model_validate(document)
        except ValidationError as failure:
            first = failure.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(map(str, first["loc"])) or "the document"
        raise InvalidInput(f"{path}: {first['msg']}")

    def plugins(self, folder: Path) -> tuple[Provider, ...]:
        """Return the plugins in order. Raises `InvalidInput`, also for a name given twice."""
        found: dict[str, Provider] = {}
        for entry in self.providers:
            if entry.name in found:
                raise InvalidInput(f'the provider "{entry.name}" given twice, once is wanted')
            found[entry.name] = entry.provider(folder)
        return tuple(found.values())


def checked_program(folder: Path, name: str) -> Path:
    """Return the program in the install's folder. Raises `InvalidInput` where it cannot be run."""
    path = (folder / name).absolute()
    if not path.is_file() or not os.access(path, os.X_OK):
        raise InvalidInput(f'"{path}" is wanted, a program that can be run')
    return path
