"""
AdmissionReviews as an API server sends them when a controller rolls Pods out.

Each has its own uid and Pod name, and comes from one of several workloads in several namespaces,
so that nothing can be remembered of a body as a whole. They have the fields that a live API server
adds: defaults, the mounted token, tolerations, managed fields.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

POD = {"group": "", "version": "v1", "kind": "Pod"}
PODS = {"group": "", "version": "v1", "resource": "pods"}
CONTROLLER = {
    "username": "system:serviceaccount:kube-system:replicaset-controller",
    "uid": "f1e2d3c4-0000-4000-8000-000000000001",
    "groups": [
        "system:serviceaccounts",
        "system:serviceaccounts:kube-system",
        "system:authenticated",
    ],
}
TOKEN_VOLUME = "kube-api-access-x7k2p"
VARIABLE_BYTES = 100
LARGEST_BYTES = 1_572_864
"""What etcd takes at most of one object, by default (etcd.io, "System limits")."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One workload whose Pods are created."""

    name: str
    namespace: str
    images: tuple[str, ...]
    pull_secret: str | None = "pull"

    def pod(self, number: int) -> dict[str, Any]:
        """Return one of its Pods; the first of its images is for the init container."""
        init, *others = self.images
        return {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": self._metadata(number),
            "spec": {
                "volumes": [
                    {"name": "tmp", "emptyDir": {}},
                    {"name": "config", "configMap": {"name": self.name, "defaultMode": 420}},
                    _token_volume(),
                ],
                "initContainers": [_init_container("prepare", init)],
                "containers": [
                    _container(f"part-{index}", image) for index, image in enumerate(others)
                ],
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "dnsPolicy": "ClusterFirst",
                "serviceAccountName": "default",
                "serviceAccount": "default",
                "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                "imagePullSecrets": [{"name": self.pull_secret}] if self.pull_secret else [],
                "schedulerName": "default-scheduler",
                "tolerations": [_toleration("not-ready"), _toleration("unreachable")],
                "priority": 0,
                "enableServiceLinks": True,
                "preemptionPolicy": "PreemptLowerPriority",
            },
            "status": {"phase": "Pending", "qosClass": "Burstable"},
        }

    def _metadata(self, number: int) -> dict[str, Any]:
        random = Random(f"{self.name}/{number}")  # noqa: S311  # Names that repeat are wanted.
        return {
            "name": f"{self.name}-6d9f7c8b5-{random.getrandbits(24):06x}",
            "generateName": f"{self.name}-6d9f7c8b5-",
            "namespace": self.namespace,
            "uid": str(uuid.UUID(int=random.getrandbits(128), version=4)),
            "creationTimestamp": "2026-11-25T08:00:00Z",
            "labels": {
                "app.kubernetes.io/name": self.name,
                "app.kubernetes.io/part-of": "shop",
                "pod-template-hash": "6d9f7c8b5",
            },
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{self.name}-6d9f7c8b5",
                    "uid": "0b8f1e6e-9d4a-4a44-8f0e-6b1f5e0c1d2a",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": [_managed_fields(len(self.images) - 1)],
        }


def review_of(pod: Mapping[str, Any], uid: str) -> bytes:
    """Return the review of a Pod's creation, as compact as the API server writes it."""
    metadata = pod["metadata"]
    request = {
        "uid": uid,
        "kind": POD,
        "resource": PODS,
        "requestKind": POD,
        "requestResource": PODS,
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "operation": "CREATE",
        "userInfo": CONTROLLER,
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return _compact(review)


def reviews(rollouts: Sequence[Rollout], count: int) -> Iterator[bytes]:
    """Yield reviews of Pods of the workloads in turn."""
    random = Random(8)  # noqa: S311
    for number in range(count):
        pod = rollouts[number % len(rollouts)].pod(number)
        yield review_of(pod, str(uuid.UUID(int=random.getrandbits(128), version=4)))


def _init_container(name: str, image: str) -> dict[str, Any]:
    """Return one that may stand there: nobody asks an init container whether it lives."""
    return {k: v for k, v in _container(name, image).items() if k != "livenessProbe"}


def padded(rollout: Rollout, size: int) -> bytes:
    """
    Return a review of about so many bytes, 1,700 of which it has anyhow.

    What a Pod can have much of is environment: a hundred bytes a variable.
    """
    plain = _slim_pod(rollout, 0)
    uid = str(uuid.UUID(int=size, version=4))
    variables = max(0, size - len(review_of(plain, uid))) // VARIABLE_BYTES
    return review_of(_slim_pod(rollout, variables), uid)


def changing(rollout: Rollout, size: int) -> bytes:
    """Return the review of a change, of about so many bytes: of what was and of what is to be."""
    review = json.loads(padded(rollout, size // 2))
    review["request"] |= {"operation": "UPDATE", "oldObject": review["request"]["object"]}
    return _compact(review)


def numbers(rollout: Rollout, size: int) -> bytes:
    """Return a review of so many bytes, most of which are values of two bytes that nobody reads."""
    review = json.loads(padded(rollout, 0))
    pod = review["request"]["object"]
    pod["status"] = []
    pod["status"] = [0] * ((size - len(_compact(review))) // 2)
    return _compact(review)


def _compact(review: Mapping[str, Any]) -> bytes:
    return json.dumps(review, separators=(",", ":")).encode()


def _slim_pod(rollout: Rollout, variables: int) -> dict[str, Any]:
    init, *others = rollout.images
    names = ["prepare", *(f"part-{index}" for index, _ in enumerate(others))]
    containers: list[dict[str, Any]] = [
        {
            "name": name,
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "securityContext": {"readOnlyRootFilesystem": True},
        }
        for name, image in zip(names, (init, *others), strict=True)
    ]
    if variables:
        containers[-1]["env"] = [
            {"name": f"SETTING_{number:08}", "value": "v" * 61} for number in range(variables)
        ]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": rollout.name, "namespace": rollout.namespace},
        "spec": {
            "initContainers": containers[:1],
            "containers": containers[1:],
            "serviceAccountName": "default",
            "imagePullSecrets": [{"name": rollout.pull_secret}] if rollout.pull_secret else [],
        },
    }


def _container(name: str, image: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "args": ["--config=/etc/shop/config.yaml", "--log-level=info"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [
            {"name": "LOG_FORMAT", "value": "json"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "resources": {
            "limits": {"memory": "256Mi"},
            "requests": {"cpu": "100m", "memory": "128Mi"},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "config", "readOnly": True, "mountPath": "/etc/shop"},
            {
                "name": TOKEN_VOLUME,
                "readOnly": True,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            },
        ],
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": "http", "scheme": "HTTP"},
            "timeoutSeconds": 1,
            "periodSeconds": 10,
            "successThreshold": 1,
            "failureThreshold": 3,
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
        },
    }


def _token_volume() -> dict[str, Any]:
    return {
        "name": TOKEN_VOLUME,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {
                    "configMap": {
                        "name": "kube-root-ca.crt",
                        "items": [{"key": "ca.crt", "path": "ca.crt"}],
                    }
                },
            ],
            "defaultMode": 420,
        },
    }


def _toleration(what: str) -> dict[str, Any]:
    return {
        "key": f"node.kubernetes.io/{what}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }


def _managed_fields(containers: int) -> dict[str, Any]:
    of_container = {
        ".": {},
        "f:image": {},
        "f:imagePullPolicy": {},
        "f:name": {},
        "f:resources": {".": {}, "f:limits": {".": {}, "f:memory": {}}, "f:requests": {".": {}}},
        "f:securityContext": {".": {}, "f:readOnlyRootFilesystem": {}},
        "f:volumeMounts": {".": {}, 'k:{"mountPath":"/tmp"}': {".": {}, "f:mountPath": {}}},
    }
    return {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-11-25T08:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {"f:generateName": {}, "f:labels": {".": {}, "f:pod-template-hash": {}}},
            "f:spec": {
                "f:containers": {
                    f'k:{{"name":"part-{index}"}}': of_container for index in range(containers)
                },
                "f:dnsPolicy": {},
                "f:restartPolicy": {},
            },
        },
    }
