"""
Values for the chart: each of them changed once, and whole sets as people would install them.

`CHANGED` has another value for each that the chart has. Some decide something only together with
others, which `TOGETHER` gives.
"""

from collections.abc import Mapping
from typing import Any, Final

A_CA: Final = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
A_DIGEST: Final = f"sha256:{'a' * 64}"
ANYBODY: Final[list[dict[str, Any]]] = [{"namespaceSelector": {}}]
ANOTHER_POLICY: Final[Mapping[str, Any]] = {
    "apiVersion": "landwaiter.dev/v1alpha1",
    "kind": "ClusterImagePolicy",
    "metadata": {"name": "production"},
    "spec": {
        "validationActions": ["Deny"],
        "rules": {
            "cosignSignatures": {"authorities": [{"name": "ci", "key": {"file": "ci.pub"}}]},
        },
    },
}
A_PROVIDER: Final[Mapping[str, Any]] = {
    "name": "ecr-credential-provider",
    "matchImages": ["*.dkr.ecr.*.amazonaws.com"],
    "defaultCacheDuration": "12h",
    "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
    "args": ["get-credentials"],
    "env": [{"name": "AWS_REGION", "value": "eu-west-1"}],
}

CHANGED: Final[Mapping[str, Any]] = {
    "fullnameOverride": "customs",
    "commonLabels": {"team": "platform"},
    "image.registry": "registry.example.com:5000",
    "image.repository": "platform/landwaiter",
    "image.tag": "1.2.3",
    "image.digest": A_DIGEST,
    "image.pullPolicy": "Always",
    "imagePullSecrets": [{"name": "registry"}],
    "policies": [ANOTHER_POLICY],
    "policyFiles": {"ci.pub": "-----BEGIN PUBLIC KEY-----\n"},
    "existingPolicies": "our-policies",
    "clusterPolicies.enabled": False,
    "clusterPolicies.installDefinitions": False,
    "clusterPolicies.keepDefinitions": False,
    "exceptions.maxDays": 3,
    "exceptions.namespaced": "Allow",
    "unmatchedImages": "Deny",
    "shortNames": "Refuse",
    "registries": [{"host": "registry.example.com", "caFile": "ca.pem"}],
    "mirrors": [{"signedAs": "docker.io", "pulledAs": ["harbor.example.com/hub"]}],
    "nodeCredentials": ["*.dkr.ecr.*.amazonaws.com"],
    "registryFiles": {"ca.pem": A_CA},
    "registryFilesSecret": "client-certificate",
    "credentialProviders.providers": [A_PROVIDER],
    "credentialProviders.folder": "/more",
    "registryCredentials.existingSecret": "own-credentials",
    "registryCredentials.helperEnvironment": ["AWS_REGION"],
    "kms": [{"scheme": "awskms", "environment": ["AWS_REGION"]}],
    "webhook.timeoutSeconds": 20,
    "webhook.excludeNamespaces": ["cni-system"],
    "tls.mode": "certManager",
    "tls.secretName": "our-certificate",
    "tls.ca": A_CA,
    "tls.certManager.issuerRef": {"name": "corporate", "kind": "ClusterIssuer"},
    "tls.certManager.duration": "720h",
    "tls.certManager.renewBefore": "240h",
    "clientAuth.name": "our-api-server",
    "clientAuth.ca": f"{A_CA}{A_CA}",
    "clientAuth.existingConfigMap": "api-server-ca",
    "events.enabled": False,
    "verifiedImages.enabled": True,
    "verifiedImages.max": 20_000,
    "access.secrets": False,
    "access.configMaps": False,
    "access.namespaces": ["shop"],
    "guard.enabled": True,
    "guard.actions": ["Deny", "Audit"],
    "guard.trustedUsers": ["addon-manager"],
    "guard.trustedGroups": ["platform"],
    "guard.images": ["registry.k8s.io"],
    "replicas": 3,
    "autoscaling.enabled": True,
    "autoscaling.minReplicas": 3,
    "autoscaling.maxReplicas": 9,
    "autoscaling.targetCPUUtilizationPercentage": 50,
    "resources": {"requests": {"cpu": "200m", "memory": "512Mi"}},
    "cosign.runs": 4,
    "temporary.sizeLimit": "1Gi",
    "ports.webhook": 10250,
    "ports.metrics": 9090,
    "hostNetwork": True,
    "drain.seconds": 10,
    "drain.timeoutSeconds": 105,
    "terminationGracePeriodSeconds": 300,
    "networkPolicy.enabled": True,
    "networkPolicy.webhookFrom": [{"ipBlock": {"cidr": "10.0.0.0/28"}}],
    "networkPolicy.metricsFrom": ANYBODY,
    "networkPolicy.egress": [{"to": ANYBODY}],
    "priorityClassName": "system-node-critical",
    "priorityQuota": False,
    "nodeSelector": {"pool": "system"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpread.zones": "DoNotSchedule",
    "topologySpread.nodes": "DoNotSchedule",
    "podSecurityContext": {"runAsUser": 1234},
    "securityContext": {"runAsNonRoot": True},
    "serviceAccount.create": False,
    "serviceAccount.name": "our-account",
    "serviceAccount.annotations": {"team": "platform"},
    "annotations": {"team": "platform"},
    "podAnnotations": {"prometheus.io/scrape": "true"},
    "podLabels": {"team": "platform"},
    "extraArgs": ["--host=::"],
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "temporary", "mountPath": "/more"}],
    "extraInitContainers": [
        {
            "name": "plugins",
            "image": "registry.example.com/plugins:1",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
    "serviceMonitor.enabled": True,
    "serviceMonitor.interval": "10s",
    "serviceMonitor.labels": {"release": "prometheus"},
    "prometheusRule.enabled": True,
    "prometheusRule.labels": {"release": "prometheus"},
    "tracing.endpoint": "http://collector.example.com:4318/v1/traces",
    "dashboard.enabled": True,
    "dashboard.labels": {"folder": "security"},
}

_WITH_CLIENTS: Final = {"clientAuth": {"name": "kube-apiserver", "ca": A_CA}}
_WITH_SECRET: Final = {"tls": {"mode": "secret", "secretName": "certificate"}}

TOGETHER: Final[Mapping[str, Mapping[str, Any]]] = {
    "registryFiles": {"registries": [{"host": "registry.example.com", "caFile": "ca.pem"}]},
    "registryFilesSecret": {"registries": [{"host": "registry.example.com"}]},
    "credentialProviders.providers": {"credentialProviders": {"folder": "/more"}},
    "registryCredentials.helperEnvironment": {"registryCredentials": {"existingSecret": "own"}},
    "tls.secretName": _WITH_SECRET,
    "tls.ca": _WITH_SECRET,
    "tls.certManager": {"tls": {"mode": "certManager"}},
    "clientAuth.name": _WITH_CLIENTS,
    "clientAuth.ca": _WITH_CLIENTS,
    "clientAuth.existingConfigMap": {
        "clientAuth": {"name": "kube-apiserver", "existingConfigMap": "ca"}
    },
    "events.enabled": _WITH_CLIENTS,
    "verifiedImages": {**_WITH_CLIENTS, "verifiedImages": {"enabled": True}},
    "verifiedImages.enabled": _WITH_CLIENTS,
    "serviceAccount.create": {"serviceAccount": {"name": "our-account"}},
    **{
        option: {option: {"enabled": True}}
        for option in (
            *("guard", "autoscaling", "networkPolicy"),
            *("serviceMonitor", "prometheusRule", "dashboard"),
        )
    },
}
"""The closest entry counts: that of `tls.certManager.duration` is that of `tls.certManager`."""

OPERATORS: Final[Mapping[str, Any]] = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
    "dashboard": {"enabled": True},
}

INSTALLS: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    "everything": {
        "fullnameOverride": "customs",
        "commonLabels": {"team": "platform"},
        "image": {"registry": "registry.example.com", "tag": "1.2.3", "digest": A_DIGEST},
        "imagePullSecrets": [{"name": "registry"}],
        "policies": [ANOTHER_POLICY],
        "policyFiles": {"ci.pub": "key"},
        "tracing": {"endpoint": CHANGED["tracing.endpoint"]},
        "registries": CHANGED["registries"],
        "mirrors": CHANGED["mirrors"],
        "registryFiles": CHANGED["registryFiles"],
        "registryFilesSecret": CHANGED["registryFilesSecret"],
        "credentialProviders": {"providers": [A_PROVIDER], "folder": "/more"},
        "registryCredentials": {"existingSecret": "own", "helperEnvironment": ["AWS_REGION"]},
        "kms": CHANGED["kms"],
        "webhook": {"timeoutSeconds": 20, "excludeNamespaces": ["cni-system", "csi-system"]},
        "clientAuth": _WITH_CLIENTS["clientAuth"],
        "verifiedImages": {"enabled": True},
        "cosign": {"runs": 4},
        "autoscaling": {"enabled": True},
        "networkPolicy": {
            "enabled": True,
            "webhookFrom": CHANGED["networkPolicy.webhookFrom"],
            "metricsFrom": ANYBODY,
            "egress": [{"to": ANYBODY}],
        },
        "tolerations": CHANGED["tolerations"],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 1,
                        "podAffinityTerm": {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {"matchLabels": {"app": "noisy"}},
                        },
                    }
                ]
            }
        },
        "nodeSelector": CHANGED["nodeSelector"],
        "serviceAccount": {"annotations": {"team": "platform"}},
        "annotations": {"team": "platform"},
        "podAnnotations": CHANGED["podAnnotations"],
        "podLabels": CHANGED["podLabels"],
        "extraEnv": CHANGED["extraEnv"],
        "extraVolumes": CHANGED["extraVolumes"],
        "extraVolumeMounts": CHANGED["extraVolumeMounts"],
        "extraInitContainers": CHANGED["extraInitContainers"],
        **OPERATORS,
    },
    "private control plane": {"hostNetwork": True, "ports": {"webhook": 10250, "metrics": 10251}},
    "our certificate": {**_WITH_SECRET, "existingPolicies": "our-policies"},
    "our certificate and authority": {"tls": {**_WITH_SECRET["tls"], "ca": A_CA}},
    "cert-manager": {"tls": {"mode": "certManager"}},
    "cert-manager with an issuer": {
        "tls": {"mode": "certManager", "certManager": {"issuerRef": {"name": "corporate"}}},
    },
    "policies in files": {"clusterPolicies": {"enabled": False}},
    "policies in the cluster": {"policies": [], "clusterPolicies": {"installDefinitions": False}},
    "few rights": {"access": {"secrets": False, "configMaps": False}},
    "rights in one namespace": {"access": {"namespaces": ["default"]}},
    "OpenShift": {
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
    },
}

GUARDED: Final[Mapping[str, Any]] = {
    "guard": {
        "enabled": True,
        "actions": ["Deny", "Audit"],
        "trustedUsers": ["addon-manager"],
        "trustedGroups": ["platform"],
        "images": ["registry.k8s.io", "registry.example.com:5000/platform/"],
    }
}


def nested(path: str, value: object) -> dict[str, Any]:
    """Return values in which one is given, by its path."""
    found: Any = value
    for step in reversed(path.split(".")):
        found = {step: found}
    result: dict[str, Any] = found
    return result


def merged(*values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values over values, as Helm merges them: later ones win, mappings are merged."""
    result: dict[str, Any] = {}
    for each in values:
        for key, value in each.items():
            below = result.get(key)
            if isinstance(value, Mapping) and isinstance(below, Mapping):
                result[key] = merged(below, value)
            else:
                result[key] = value
    return result


def together(path: str) -> Mapping[str, Any]:
    """Return the values without which another one decides nothing."""
    if path.endswith(".enabled"):
        return TOGETHER.get(path, {})
    steps = path.split(".")
    for length in range(len(steps), 0, -1):
        if (found := TOGETHER.get(".".join(steps[:length]))) is not None:
            return found
    return {}
