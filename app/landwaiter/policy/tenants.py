"""
What a policy of a namespace may not give, because it reaches beyond the namespace.

Whoever may write an `ImagePolicy` need not be an admin of the cluster. Its rules are those of every
policy, less the fields that are marked in the models: they name files of the process, services that
it would call, or objects of other namespaces.
"""

from collections.abc import Iterator

from pydantic.fields import FieldInfo

from landwaiter.errors import InvalidPolicy
from landwaiter.policy.install import PolicyInstallSettings
from landwaiter.public_keys import KMSReference
from landwaiter.rules.references import A_FILE
from landwaiter.rules.settings import ClusterOnly, OwnNamespace, Settings


def beyond_namespace(settings: Settings, namespace: str) -> Iterator[tuple[str, str]]:
    """Give the path of each field that a policy of the namespace may not give, and why."""
    for path, field, value in _given_fields(settings):
        if (problem := _problem(field, value, namespace)) is not None:
            yield path, problem


def files_named(settings: Settings) -> Iterator[str]:
    """Give the path of each field that names a file where Landwaiter runs."""
    for path, field, value in _given_fields(settings):
        if value is not None and any(mark is A_FILE for mark in field.metadata):
            yield path


def check_services(settings: Settings, install: PolicyInstallSettings) -> None:
    """Raise `InvalidPolicy` for a key of a service that is none of the install."""
    if install.kms_schemes is None:
        return
    for path, _, value in _given_fields(settings):
        if isinstance(value, KMSReference) and value.scheme not in install.kms_schemes:
            wanted = ", ".join(sorted(install.kms_schemes)) or "none"
            raise InvalidPolicy(
                f'{path}: "{value.scheme}" given, one of the services of this install wanted, '
                f"by its file of --kms: {wanted}"
            )


def _given_fields(settings: Settings) -> Iterator[tuple[str, FieldInfo, object]]:
    """Give the path, the field and the value of everything that a document gives."""
    for name in sorted(settings.model_fields_set):
        field = type(settings).model_fields[name]
        value = getattr(settings, name)
        yield str(field.alias), field, value
        below = value if isinstance(value, list) else [value]
        for index, each in enumerate(below):
            if isinstance(each, Settings):
                step = f"{field.alias}[{index}]" if isinstance(value, list) else str(field.alias)
                for path, found, inside in _given_fields(each):
                    yield f"{step}.{path}", found, inside


def _problem(field: FieldInfo, value: object, namespace: str) -> str | None:
    for mark in field.metadata:
        if isinstance(mark, ClusterOnly) and value is not None:
            return f"given in an ImagePolicy, only a ClusterImagePolicy may give it: {mark.why}"
        if isinstance(mark, OwnNamespace) and value != namespace:
            return f'"{value}" given, the policy\'s own namespace "{namespace}" is wanted'
    return None
