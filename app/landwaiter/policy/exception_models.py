"""
The document of an exception: what is lifted, where, for which images, by whose wish, until when.

An exception that would hold for ever, or everywhere, is refused with the reason.
docs/exceptions.md tells what each field means.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from landwaiter.errors import InvalidPolicy
from landwaiter.images.glob import Glob
from landwaiter.manifests.names import DNS_LABEL_PATTERN, is_dns_label, is_dns_subdomain
from landwaiter.policy.exceptions import CoveredPolicy, PolicyException
from landwaiter.policy.install import NamespacedExceptions, PolicyInstallSettings
from landwaiter.policy.match_models import LabelSelectorSettings
from landwaiter.policy.metadata_models import Metadata, NamespaceName
from landwaiter.policy.unmatched import UNMATCHED_IMAGES
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import RuleId
from landwaiter.rules.settings import PatternField, Settings
from landwaiter.rules.verdict import GrantedException

POLICIES_MAX: Final = 100
IMAGES_MAX: Final = 1000
NAMESPACES_MAX: Final = 1000
NAMES_MAX: Final = 100
WORKLOAD_NAME_MAX_CHARACTERS: Final = 253
ALL_RULES: Final = "*"

_CHOICES: Final = (*CATALOGUE, ALL_RULES)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII
)
_TIME_WANTED: Final = 'a time with its zone such as "2026-12-31T18:00:00Z" is wanted'
_COVERED_NAME_PATTERN: Final = (
    rf"^(({DNS_LABEL_PATTERN}/)?{DNS_LABEL_PATTERN}(\.{DNS_LABEL_PATTERN})*|{UNMATCHED_IMAGES})$"
)
_WORKLOAD_NAME: Final = re.compile(r"[a-z0-9*]([-a-z0-9.*]*[a-z0-9*])?")


def _covered_name(text: str) -> str:
    namespace, slash, name = text.rpartition("/")
    if text != UNMATCHED_IMAGES and not (
        is_dns_subdomain(name) and (not slash or is_dns_label(namespace))
    ):
        raise ValueError(
            f'"{text:.100}" given, the name of a ClusterImagePolicy, the namespace/name of an '
            f'ImagePolicy or "{UNMATCHED_IMAGES}" is wanted'
        )
    return text


def _rule_choice(text: str) -> str:
    if text not in _CHOICES:
        wanted = ", ".join(f'"{each}"' for each in _CHOICES[:-1])
        raise ValueError(f'"{text:.100}" given, {wanted} or "{ALL_RULES}" wanted')
    return text


def _rule_choices(choices: list[str]) -> list[str]:
    if ALL_RULES in choices and len(choices) > 1:
        raise ValueError(f'"{ALL_RULES}" and others given, it stands for all rules by itself')
    return choices


def _workload_name(text: str) -> str:
    if not _WORKLOAD_NAME.fullmatch(text):
        raise ValueError(f'"{text:.100}" given, a name, with * for anything, is wanted')
    return text


def _account_name(text: str) -> str:
    if not is_dns_subdomain(text):
        raise ValueError(f'"{text:.100}" given, the name of a service account is wanted')
    return text


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("a text that is blank or not in one line given, a line is wanted")
    return text


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} given, {_TIME_WANTED}")  # noqa: TRY004  # As all fields.
    if _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError(f'"{value:.60}" given, {_TIME_WANTED}')


RuleChoice = Annotated[
    str,
    AfterValidator(_rule_choice),
    WithJsonSchema({"type": "string", "enum": list(_CHOICES)}),
]
Line = Annotated[str, AfterValidator(_one_line)]
TimeField = Annotated[
    datetime,
    PlainValidator(_time),
    PlainSerializer(lambda time: time.isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class ExceptionMetadata(Metadata):
    """What the exception is called, and for a namespace's own one, the namespace."""

    namespace: NamespaceName | None = None
    """
    The namespace of an exception that is not the cluster's; it holds in no other.

    Such exceptions need `--namespaced-exceptions Allow`: who may write one there lifts, in that
    namespace, what the policies of the cluster ask for.
    """


class CoveredPolicySettings(Settings):
    """A policy, and the rules whose findings are lifted."""

    name: Annotated[str, AfterValidator(_covered_name)] = Field(
        min_length=1, max_length=317, json_schema_extra={"pattern": _COVERED_NAME_PATTERN}
    )
    """
    The policy's name, `namespace/name` for an ImagePolicy.

    `unmatchedImages` is the install's own refusal of images that no policy is about; an exception
    of a namespace cannot lift it.
    """
    rules: Annotated[list[RuleChoice], AfterValidator(_rule_choices)] = Field(
        min_length=1,
        max_length=NAMES_MAX,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"!('{ALL_RULES}' in self) || size(self) == 1",
                    "message": f'"{ALL_RULES}" stands for all rules by itself',
                }
            ]
        },
    )
    """The rules whose findings are lifted; `"*"` alone for all of them."""

    def covered(self) -> CoveredPolicy:
        """Return what is covered."""
        if ALL_RULES in self.rules:
            return CoveredPolicy(self.name, None)
        return CoveredPolicy(self.name, frozenset(map(RuleId, self.rules)))


class ExceptionSpec(Settings):
    """What is lifted, where, for which images, by whose wish and until when."""

    policies: list[CoveredPolicySettings] = Field(min_length=1, max_length=POLICIES_MAX)
    """The policies whose findings are lifted."""
    images: list[PatternField] = Field(min_length=1, max_length=IMAGES_MAX)
    """
    Patterns of the images for which it holds; a digest names one image for certain.

    A pattern with a tag is not compared with a reference that has a digest as well.
    """
    namespaces: list[NamespaceName] = Field(min_length=1, max_length=NAMESPACES_MAX)
    """The namespaces in which it holds, by their whole names."""
    workload_names: list[Annotated[str, AfterValidator(_workload_name)]] = Field(
        default_factory=list, min_length=1, max_length=NAMES_MAX
    )
    """
    Names of the objects for which alone it holds, with `*` for anything.

    No boundary: whoever writes a Pod chooses its name. The Pods of a Deployment `web` are called
    `web-*`.
    """
    object_selector: LabelSelectorSettings = Field(default_factory=LabelSelectorSettings)
    """
    Labels of the Pods for which alone it holds.

    No boundary: whoever writes a Pod writes its labels.
    """
    service_accounts: list[Annotated[str, AfterValidator(_account_name)]] = Field(
        default_factory=list, min_length=1, max_length=NAMES_MAX
    )
    """
    Names of the service accounts for whose Pods alone it holds.

    No boundary: whoever writes a Pod chooses among the accounts of the namespace.
    """
    requested_by: Line = Field(min_length=1, max_length=256)
    """Who has asked for it; the audit log keeps it."""
    reason: Line = Field(min_length=1, max_length=1024)
    """Why; the audit log keeps it."""
    expires: TimeField
    """
    When it ends, to the second, by RFC 3339: `2026-12-31T18:00:00Z`.

    At most so many days ahead as `--exception-max-days` of the install allows when it is loaded.
    """


class ImagePolicyException(Settings):
    """Lifts the findings of some rules about some images for a while."""

    api_version: Literal["landwaiter.dev/v1alpha1"]
    """The version of the document's form."""
    kind: Literal["ImagePolicyException"]
    """The kind of document."""
    metadata: ExceptionMetadata
    """What the exception is called."""
    spec: ExceptionSpec
    """What it lifts."""

    def exception(self, install: PolicyInstallSettings, now: datetime) -> PolicyException:
        """
        Return the exception as it is applied; one that has ended is one too.

        Raises `InvalidPolicy`, whose message begins with the path of a field, where the install
        does not allow it.
        """
        spec, namespace = self.spec, self.metadata.namespace
        if spec.expires - now > timedelta(days=install.exception_max_days):
            raise InvalidPolicy(
                f"spec.expires: {spec.expires.isoformat()} given, which is "
                f"{(spec.expires - now).days} days ahead; at most {install.exception_max_days} "
                "wanted, by --exception-max-days of the install"
            )
        if namespace is not None:
            self._check_namespaced(namespace, install)
        name = self.metadata.name if namespace is None else f"{namespace}/{self.metadata.name}"
        return PolicyException(
            granted=GrantedException(name, spec.requested_by, spec.reason, spec.expires),
            policies=tuple(each.covered() for each in spec.policies),
            images=tuple(spec.images),
            namespaces=frozenset(spec.namespaces),
            workload_names=tuple(Glob(each, separator="/") for each in spec.workload_names),
            object_selector=spec.object_selector.selector(),
            service_accounts=frozenset(spec.service_accounts),
        )

    def _check_namespaced(self, namespace: str, install: PolicyInstallSettings) -> None:
        if install.namespaced_exceptions is NamespacedExceptions.REFUSE:
            raise InvalidPolicy(
                f'metadata.namespace: "{namespace}" given, no such line wanted: exceptions of '
                "namespaces need --namespaced-exceptions Allow of the install"
            )
        for index, each in enumerate(self.spec.namespaces):
            if each != namespace:
                raise InvalidPolicy(
                    f'spec.namespaces[{index}]: "{each}" given, the exception\'s own namespace '
                    f'"{namespace}" is wanted'
                )
        for index, policy in enumerate(self.spec.policies):
            if policy.name == UNMATCHED_IMAGES:
                raise InvalidPolicy(
                    f'spec.policies[{index}].name: "{UNMATCHED_IMAGES}" given, only an exception '
                    "without namespace may lift it"
                )
