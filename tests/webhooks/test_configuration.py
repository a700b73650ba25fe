"""What the API server is told."""

import base64
from dataclasses import replace

import pytest

from landwaiter.cluster.version import ServerVersion
from landwaiter.webhooks.configuration import Wanted, WebhookPath, configuration
from landwaiter.webhooks.settings import UrlAddress
from webhooks.objects import BOTH, OBSERVE, SETTINGS, VALIDATE, an_object


def test_the_whole_object() -> None:
    """Every field that the API server would fill in is there."""
    content = an_object([VALIDATE])
    webhook = content["webhooks"][0]
    conditions = webhook.pop("matchConditions")

    assert {
        "name": "guard",
        "labels": {"app.kubernetes.io/managed-by": "landwaiter"},
        "annotations": {"admissions.enforcer/disabled": "true"},
        "ownerReferences": [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "name": "guard",
                "uid": "role-1",
            }
        ],
    } == content["metadata"]
    assert {
        "name": "validate.landwaiter.dev",
        "clientConfig": {
            "service": {
                "namespace": "lw",
                "name": "landwaiter",
                "path": "/validate",
                "port": 443,
            },
            "caBundle": base64.b64encode(b"CA").decode(),
        },
        "rules": [
            {
                "apiGroups": [group],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": resources,
                "scope": "Namespaced",
            }
            for group, resources in (
                (
                    "",
                    ["pods", "pods/ephemeralcontainers", "podtemplates", "replicationcontrollers"],
                ),
                ("apps", ["deployments", "statefulsets", "daemonsets", "replicasets"]),
                ("batch", ["jobs", "cronjobs"]),
            )
        ],
        "namespaceSelector": {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": ["kube-system", "lw", "networking"],
                }
            ]
        },
        "objectSelector": {},
        "matchPolicy": "Equivalent",
        "failurePolicy": "Fail",
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": 7,
        "admissionReviewVersions": ["v1"],
    } == webhook
    assert ["not-a-mirror-pod-of-a-node", "changes-what-is-read"] == [
        each["name"] for each in conditions
    ]


def test_semantics_18_what_only_observes_is_ignored_when_it_fails() -> None:
    """Its path and its failure policy are all that is different."""
    observe, validate = an_object(BOTH)["webhooks"]

    assert ("observe.landwaiter.dev", "Ignore", "/observe") == (
        observe["name"],
        observe["failurePolicy"],
        observe["clientConfig"]["service"]["path"],
    )
    for webhook in (observe, validate):
        for key in ("name", "failurePolicy", "clientConfig"):
            del webhook[key]
    assert observe == validate


@pytest.mark.parametrize(
    ("paths", "names"), [([], []), ([OBSERVE], ["observe"]), (BOTH, ["observe", "validate"])]
)
def test_only_paths_that_are_needed_are_there(paths: list[WebhookPath], names: list[str]) -> None:
    """In the same order always."""
    assert [f"{name}.landwaiter.dev" for name in names] == [
        webhook["name"] for webhook in an_object(paths)["webhooks"]
    ]


def test_an_address_outside_of_the_cluster_is_a_url() -> None:
    """With the path of the webhook."""
    settings = replace(SETTINGS, address=UrlAddress("::1", 8443))
    wanted = Wanted([OBSERVE], b"CA", "role-1", None)
    client = configuration(settings, wanted)["webhooks"][0]["clientConfig"]

    assert "https://[::1]:8443/observe" == client["url"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (None, False),
        (ServerVersion(1, 27), False),
        (ServerVersion(1, 28), True),
        (ServerVersion(1, 37), True),
    ],
)
def test_conditions_are_for_servers_that_know_them(
    version: ServerVersion | None,
    expected: bool,  # noqa: FBT001
) -> None:
    """An older one would drop them, and the object would never be as it should."""
    webhook = an_object([VALIDATE], version=version)["webhooks"][0]

    assert expected == ("matchConditions" in webhook)
