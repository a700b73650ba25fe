"""
What is read of a Pod or a Pod template: only the fields that some decision depends on.

A list or an object that is `null` is empty, as for Kubernetes; a value of another type than
Kubernetes gives the field is refused. Field names are case-sensitive. Of a name that is written
twice the last counts, as it does for the API server, whose webhooks get the object re-written
with each name once.
Source: k8s.io/api core/v1 types.go (1.36).
"""

from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

ITEMS_MAX: Final = 1000
"""
How long a list of containers or volumes may be.

A node runs some hundred Pods of a few containers; an object that etcd can hold (1.5 MiB) could
name forty thousand images, each of which has to be judged within one deadline.
"""

IMAGES_MAX: Final = 250
"""
How many images one object may name, in all of its lists.

A node runs 110 Pods by default, and no Pod has a tenth as many containers. Each image costs some
50 microseconds a policy, so this is half a second for 40 policies: whoever may write Pods could
otherwise take all the time there is.
"""

Item = TypeVar("Item")
Items = Annotated[list[Item] | None, Field(max_length=ITEMS_MAX)]


class _Slim(BaseModel):
    """Reads known fields strictly and passes over all others."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, strict=True, populate_by_name=False
    )


class Metadata(_Slim):
    """
    The name, and what the author has attached; a label without value is empty.

    The values are looked at by the walker, which stops at the first that is no text: hundreds of
    thousands of errors take seconds to list. Nothing is decided by `generate_name` and
    `owner_references`, which are whatever was written: they say whom to tell.
    """

    name: str | None = None
    generate_name: object = None
    owner_references: object = None
    labels: dict[str, object] | None = None
    annotations: dict[str, object] | None = None


class WindowsOptions(_Slim):
    """As whom containers run on Windows, and whether on the node itself."""

    run_as_user_name: str | None = None
    host_process: bool | None = None


class PodSecurityContext(_Slim):
    """As whom the containers of a Pod run that do not say it themselves."""

    run_as_user: int | None = None
    run_as_non_root: bool | None = None
    windows_options: WindowsOptions | None = None


class SecurityContext(PodSecurityContext):
    """As whom a container runs, and whether it can change the files of its image."""

    read_only_root_filesystem: bool | None = None


class Container(_Slim):
    """A container, an init container or an ephemeral one: for images they are alike."""

    name: str | None = None
    image: str | None = None
    image_pull_policy: str | None = None
    security_context: SecurityContext | None = None


class ImageVolumeSource(_Slim):
    """An image that is mounted as a volume."""

    reference: str | None = None
    pull_policy: str | None = None


class Volume(_Slim):
    """A volume; `image` is None for every other kind of volume."""

    name: str | None = None
    image: ImageVolumeSource | None = None


class SecretName(_Slim):
    """The name of a pull secret."""

    name: str | None = None


class PodOS(_Slim):
    """The operating system that a Pod is made for."""

    name: str | None = None


class PodSpec(_Slim):
    """
    The places of images, in the order of the Go struct, what they are pulled with, who runs them.

    What is in `node_selector` and `affinity` is looked at where nodes are read, for the same reason
    as the values of labels.
    """

    volumes: Items[Volume] = None
    init_containers: Items[Container] = None
    containers: Items[Container] = None
    ephemeral_containers: Items[Container] = None
    service_account_name: str | None = None
    service_account: str | None = None
    image_pull_secrets: Items[SecretName] = None
    security_context: PodSecurityContext | None = None
    os: PodOS | None = None
    node_selector: dict[str, object] | None = None
    affinity: dict[str, object] | None = None


class Pod(_Slim):
    """A Pod or a Pod template, which differ in where they stand only."""

    metadata: Metadata | None = None
    spec: PodSpec
