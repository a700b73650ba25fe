"""What a policy is about: the `match` of a document, and the selectors that other parts share."""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from landwaiter.manifests.names import (
    is_dns_label,
    is_dns_subdomain,
    is_label_key,
    is_label_value,
)
from landwaiter.policy.case import Operation
from landwaiter.policy.matching import LabelSelector, Operator, Requirement
from landwaiter.policy.subjects import (
    Subjects,
    has_controllers,
    is_controller_user,
    service_account_user,
)
from landwaiter.rules.settings import RepositoryPatternField, Settings, in_cel

CONDITIONS_MAX = 100
VALUES_MAX = 1000
IMAGES_MAX = 1000
SUBJECTS_MAX = 100
SUBJECT_NAME_MAX_CHARACTERS = 256


def _label_key(text: str) -> str:
    if not is_label_key(text):
        raise ValueError(f'"{text:.100}" given, the key of a label is wanted')
    return text


def _label_value(text: str) -> str:
    if not is_label_value(text):
        raise ValueError(f'"{text:.100}" given, the value of a label is wanted')
    return text


LabelKey = Annotated[str, AfterValidator(_label_key)]
LabelValue = Annotated[str, AfterValidator(_label_value)]


class LabelRequirementSettings(Settings):
    """One condition on one label, as in Kubernetes."""

    model_config = ConfigDict(
        json_schema_extra=in_cel(
            (
                (
                    "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 "
                    ": !has(self.values) || size(self.values) == 0"
                ),
                "values wanted with In and NotIn, and none with the others",
            )
        )
    )

    key: LabelKey
    """The label that is compared."""
    operator: Annotated[Operator, Field(strict=False)]
    """How it is compared; `NotIn` and `DoesNotExist` also match where the label is absent."""
    values: list[LabelValue] = Field(default_factory=list, max_length=VALUES_MAX)
    """What it is compared with: at least one value for `In` and `NotIn`, none for the others."""

    @model_validator(mode="after")
    def _values_where_they_are_read(self) -> Self:
        if self.operator in {Operator.IN, Operator.NOT_IN} and not self.values:
            raise ValueError(f"no values given, at least one is wanted with {self.operator}")
        if self.operator not in {Operator.IN, Operator.NOT_IN} and self.values:
            raise ValueError(f"values given, none are wanted with {self.operator}")
        return self

    def requirement(self) -> Requirement:
        """Return the condition."""
        return Requirement(self.key, self.operator, frozenset(self.values))


class LabelSelectorSettings(Settings):
    """Conditions on labels that must all be met, as in Kubernetes; `{}` selects everything."""

    match_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, max_length=CONDITIONS_MAX
    )
    """Labels that must have exactly these values."""
    match_expressions: list[LabelRequirementSettings] = Field(
        default_factory=list, max_length=CONDITIONS_MAX
    )
    """Further conditions."""

    def selector(self) -> LabelSelector:
        """Return the selector."""
        exact = (
            Requirement(key, Operator.IN, frozenset({value}))
            for key, value in self.match_labels.items()
        )
        return LabelSelector((*exact, *(each.requirement() for each in self.match_expressions)))


class SubjectSettings(Settings):
    """A user, a group or a service account, as in the bindings of RBAC."""

    kind: Literal["User", "Group", "ServiceAccount"]
    """What it is."""
    name: str = Field(min_length=1, max_length=SUBJECT_NAME_MAX_CHARACTERS)
    """Its whole name, as the API server knows it; there are no wildcards."""
    namespace: str = Field(default="", min_length=1, max_length=63)
    """The namespace of a service account; it is wanted there, and nowhere else."""

    @model_validator(mode="after")
    def _namespace_where_it_is_read(self) -> Self:
        if self.kind != "ServiceAccount":
            if self.namespace:
                raise ValueError(f"namespace given, none is wanted with {self.kind}")
        elif not is_dns_label(self.namespace):
            seen = f'namespace "{self.namespace:.100}"' if self.namespace else "no namespace"
            raise ValueError(f"{seen} given, that of the service account is wanted")
        elif not is_dns_subdomain(self.name):
            raise ValueError(f'name "{self.name:.100}" given, that of a service account is wanted')
        return self

    @property
    def user(self) -> str | None:
        """The user name under which it asks, None for a group."""
        if self.kind == "ServiceAccount":
            return service_account_user(self.namespace, self.name)
        return self.name if self.kind == "User" else None


def _exemptible(subject: SubjectSettings) -> SubjectSettings:
    user = subject.user
    if is_controller_user(user) if user is not None else has_controllers(subject.name):
        raise ValueError(
            f'{subject.kind} "{subject.name:.100}" given, one that is no controller of Kubernetes '
            "and has none among its members is wanted: controllers act for whoever writes what "
            "they work on, so everybody would be exempt"
        )
    return subject


ExemptibleSubject = Annotated[SubjectSettings, AfterValidator(_exemptible)]


def subjects_of(given: Iterable[SubjectSettings]) -> Subjects:
    """Return the subjects that a list names."""
    users, groups = set[str](), set[str]()
    for each in given:
        if each.user is None:
            groups.add(each.name)
        else:
            users.add(each.user)
    return Subjects(frozenset(users), frozenset(groups))


class MatchSettings(Settings):
    """What the policy is about; all that is given must match."""

    object_selector: LabelSelectorSettings = Field(default_factory=LabelSelectorSettings)
    """
    Labels of the Pod, or those that the template gives its Pods.

    Whoever writes the Pod writes its labels too, so this can only ever be an opt-in.
    """
    images: list[RepositoryPatternField] = Field(
        default_factory=lambda: ["**"], min_length=1, max_length=IMAGES_MAX, validate_default=True
    )
    """
    Patterns of the images that the policy is about, `**` for every image.

    They have no tag and no digest: whoever writes a Pod can name the same image by another one.
    """
    exclude_images: list[RepositoryPatternField] = Field(
        default_factory=list, min_length=1, max_length=IMAGES_MAX
    )
    """
    Patterns of images that the policy is not about, although `images` cover them.

    A name that does not parse is never excluded.
    """
    operations: list[Annotated[Operation, Field(strict=False)]] = Field(
        default_factory=lambda: list(Operation), min_length=1
    )
    """
    What is done to the object; by default both, and an image can come in by both.

    An UPDATE can change an image, and add an ephemeral container to a running Pod.
    """
    users: list[SubjectSettings] = Field(
        default_factory=list, min_length=1, max_length=SUBJECTS_MAX
    )
    """
    Who asks; by default anybody.

    A controller asks for the Pods of a Deployment, so those named here are met in its template.
    """
    exclude_users: list[ExemptibleSubject] = Field(
        default_factory=list, min_length=1, max_length=SUBJECTS_MAX
    )
    """
    Who is exempt, also where `users` name them; never a controller or a node.

    A controller asks for the Pods of an exempt user's Deployment, so these are judged.
    """

    @model_validator(mode="after")
    def _leaves_an_image(self) -> Self:
        excluded = {str(pattern) for pattern in self.exclude_images}
        if excluded and ("**" in excluded or {str(each) for each in self.images} <= excluded):
            raise ValueError("excludeImages leaves none of images, at least one is wanted")
        return self

    @model_validator(mode="after")
    def _distinct_operations(self) -> Self:
        if len(set(self.operations)) != len(self.operations):
            raise ValueError("operations gives one twice, distinct ones are wanted")
        return self


class ClusterMatchSettings(MatchSettings):
    """What the policy is about; all that is given must match."""

    namespace_selector: LabelSelectorSettings = Field(default_factory=LabelSelectorSettings)
    """
    Labels of the namespace, of which `kubernetes.io/metadata.name` is always its name.

    Where they cannot be read, the policy is undecided for what depends on them.
    """
