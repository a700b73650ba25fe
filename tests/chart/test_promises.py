"""What an install is promised by the chart, as the objects say it."""

from typing import Any

import pytest

from chart.test_rendering import options_of
from landwaiter.webhooks.settings import ServiceAddress
from realparts.helm import NAMESPACE, Helm, named

SELECTED = {"app.kubernetes.io/name": "landwaiter", "app.kubernetes.io/instance": "landwaiter"}
SERVICE = "--webhook-service="


@pytest.fixture(scope="module")
def default(helm: Helm) -> list[dict[str, Any]]:
    """Give what an install without values is made of."""
    return helm.objects()


def pod_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = named(objects, "Deployment")["spec"]["template"]["spec"]
    return found


def test_an_upgrade_takes_no_pod_away_before_another_is_ready(
    default: list[dict[str, Any]],
) -> None:
    """There are never fewer Pods than there should be."""
    strategy = named(default, "Deployment")["spec"]["strategy"]

    expected = {"maxSurge": 1, "maxUnavailable": 0}
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": expected}


def test_in_the_network_of_the_node_one_pod_goes_first(helm: Helm) -> None:
    """No two can share a node's port. Its name server knows no Service, so it is not asked."""
    deployment = named(helm.objects({"hostNetwork": True}), "Deployment")["spec"]
    pod = deployment["template"]["spec"]

    expected = {"maxSurge": 0, "maxUnavailable": 1}
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": expected}
    assert (True, "ClusterFirstWithHostNet") == (pod["hostNetwork"], pod["dnsPolicy"])


def test_two_pods_or_more_that_come_before_others(default: list[dict[str, Any]]) -> None:
    """And no variable that Kubernetes makes of a Service is taken for an option."""
    pod = pod_of(default)

    assert (2, "system-cluster-critical", False) == (
        named(default, "Deployment")["spec"]["replicas"],
        pod["priorityClassName"],
        pod["enableServiceLinks"],
    )


def test_pods_are_spread_over_zones_and_nodes(default: list[dict[str, Any]]) -> None:
    """As far as there are such; an upgrade counts new Pods alone."""
    assert pod_of(default)["topologySpreadConstraints"] == [
        {
            "topologyKey": key,
            "maxSkew": 1,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": SELECTED},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def test_what_is_not_ready_is_sent_nothing_and_is_not_killed(
    default: list[dict[str, Any]],
) -> None:
    """A restart mends nothing that `/readyz` tells of, such as an API server that is away."""
    (container,) = pod_of(default)["containers"]
    asked = {
        probe: (container[probe]["httpGet"]["path"], container[probe]["httpGet"]["port"])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }

    assert asked == {
        "startupProbe": ("/livez", "metrics"),
        "livenessProbe": ("/livez", "metrics"),
        "readinessProbe": ("/readyz", "metrics"),
    }


def test_the_service_leads_to_the_pods(default: list[dict[str, Any]]) -> None:
    """By the port that the webhook object is told, to the port that the Pods listen on."""
    service = named(default, "Service")["spec"]
    (container,) = pod_of(default)["containers"]
    told = [each for each in options_of(container) if each.startswith(SERVICE)]

    expected = {"name": "https", "port": 443, "targetPort": "webhook", "protocol": "TCP"}
    assert (SELECTED, [expected]) == (service["selector"], service["ports"])
    assert [f"{SERVICE}{NAMESPACE}/landwaiter:443"] == told


def test_a_network_policy_leaves_the_port_for_reviews_open_to_everybody(helm: Helm) -> None:
    """The API server can be anywhere, and what is sent out is not limited unless asked for."""
    values = {"networkPolicy": {"enabled": True}, "ports": {"webhook": 9443, "metrics": 9080}}

    assert named(helm.objects(values), "NetworkPolicy")["spec"] == {
        "podSelector": {"matchLabels": SELECTED},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": port, "protocol": "TCP"}]} for port in (9443, 9080)],
    }


def test_a_network_policy_closes_what_it_is_told_to(helm: Helm) -> None:
    """Each port for itself."""
    control_plane, prometheus, out = (
        [{"ipBlock": {"cidr": f"10.0.{number}.0/24"}}] for number in range(3)
    )
    given = {"webhookFrom": control_plane, "metricsFrom": prometheus, "egress": [{"to": out}]}
    policy = named(helm.objects({"networkPolicy": {"enabled": True, **given}}), "NetworkPolicy")[
        "spec"
    ]

    assert ["Ingress", "Egress"] == policy["policyTypes"]
    assert [control_plane, prometheus] == [each["from"] for each in policy["ingress"]]
    assert [{"to": out}] == policy["egress"]


def test_an_autoscaler_scales_the_deployment(helm: Helm) -> None:
    """And nobody else says how many Pods there are."""
    objects = helm.objects({"autoscaling": {"enabled": True}})
    target = named(objects, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]

    assert {"apiVersion": "apps/v1", "kind": "Deployment", "name": "landwaiter"} == target
    assert "replicas" not in named(objects, "Deployment")["spec"]


def test_prometheus_finds_the_metrics_of_each_pod(helm: Helm) -> None:
    """Also of one that is not ready, of which there is most to tell."""
    objects = helm.objects({"serviceMonitor": {"enabled": True}})
    monitor = named(objects, "ServiceMonitor")["spec"]
    services = [each for each in objects if each["kind"] == "Service"]
    wanted = monitor["selector"]["matchLabels"].items()
    found = [each for each in services if wanted <= each["metadata"]["labels"].items()]
    (ports,) = (each["spec"]["ports"] for each in found)

    assert [("None", True, SELECTED)] == [
        (each["clusterIP"], each["publishNotReadyAddresses"], each["selector"])
        for each in (found[0]["spec"],)
    ]
    assert [port["name"] for port in ports] == [each["port"] for each in monitor["endpoints"]]


def test_cert_manager_is_asked_for_the_names_that_the_api_server_wants(helm: Helm) -> None:
    """In the Secret that is mounted."""
    objects = helm.objects({"tls": {"mode": "certManager"}})
    certificate = named(objects, "Certificate")["spec"]
    address = ServiceAddress(NAMESPACE, "landwaiter", 443)

    assert (list(address.names), "landwaiter-tls") == (
        certificate["dnsNames"],
        certificate["secretName"],
    )
