"""
The three scopes in which the chart lets Landwaiter read Secrets: everywhere, by namespace, nowhere.

Its account has the rights that the chart renders. What it may not read it does not know, and says
so; the policy's `failurePolicy` tells what becomes of that.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from realparts.control_plane import ControlPlane
from realparts.helm import Helm
from realparts.landwaiter import Landwaiter
from realparts.processes import retried_on_port_clash
from system.installation import API_SERVER, Installation, a_policy, documents, put_under
from system.objects import a_pod
from system.test_pull_secrets import create_secret, one_line

OF_ACCESS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
STRICT, LAX = "strict.example.com", "lax.example.com"
POLICIES = documents(
    a_policy("scopes", {"pullSecrets": {"requireFor": [STRICT]}}),
    {
        **(lax := a_policy("scopes", {"pullSecrets": {"requireFor": [LAX]}})),
        "metadata": {"name": "lax"},
        "spec": {**lax["spec"], "failurePolicy": "Ignore"},
    },
)
LOGIN = {"username": "reader", "password": "pw"}
UNTOLD = (
    'Landwaiter may not read secret "acr" in namespace "{namespace}": its ServiceAccount needs the '
    'verb "get" on "secrets"'
)
UNCHECKED = (
    f"pullSecrets: {LAX}/app:1 (container c0): could not be found out; admitted unchecked "
    "(policy lax)"
)


@contextmanager
def installed(
    cluster: ControlPlane, folder: Path, access: Mapping[str, Any]
) -> Iterator[Installation]:
    """Give a Landwaiter with the rights that the chart renders with `access`."""
    namespace = cluster.new_namespace(prefix="landwaiter")
    helm = Helm(folder, cluster.environment)
    rendered = helm.objects({"access": dict(access)}, release=namespace, namespace=namespace)
    rights = [each for each in rendered if each["kind"] in OF_ACCESS]
    arguments = [
        f"--client-ca={cluster.files.webhook_client_ca}",
        f"--client-name={API_SERVER}",
    ]
    landwaiter = Landwaiter(
        folder, policies=POLICIES, cluster=cluster, arguments=arguments, rights=rights
    )
    retried_on_port_clash(landwaiter.start)
    try:
        installation = Installation(cluster, landwaiter)
        installation.register()
        yield installation
    finally:
        landwaiter.stop()


def a_shop(installation: Installation) -> str:
    """Return a namespace with a Secret that is good for both registries."""
    namespace = installation.namespace("scopes")
    create_secret(installation, namespace, {STRICT: LOGIN, LAX: LOGIN})
    return namespace


def outcome(installation: Installation, namespace: str) -> str:
    """Return whether all is known of a strict and of a lax image, or nothing, with the reason."""
    strict, lax = (
        installation.create(
            namespace, a_pod(f"{host}/app:1", name=name, imagePullSecrets=[{"name": "acr"}])
        )
        for name, host in (("strict", STRICT), ("lax", LAX))
    )
    if (strict.status, lax.status, lax.warnings) == (201, 201, ()):
        return "known"
    assert (503, 201, (UNCHECKED,)) == (strict.status, lax.status, lax.warnings)
    assert UNTOLD.format(namespace=namespace) in one_line(strict.body["message"])
    return "unknown"


def test_secrets_of_every_namespace_are_read(control_plane: ControlPlane, tmp_path: Path) -> None:
    """As the chart has it from the start."""
    with installed(control_plane, tmp_path, {}) as installation:
        assert "known" == outcome(installation, a_shop(installation))


def test_secrets_of_named_namespaces_alone_are_read(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Elsewhere the person reads which right is missing, or is admitted with a warning."""
    shop = control_plane.new_namespace()
    with installed(control_plane, tmp_path, {"namespaces": [shop]}) as installation:
        put_under(control_plane, installation, shop, "scopes")
        create_secret(installation, shop, {STRICT: LOGIN, LAX: LOGIN})
        elsewhere = a_shop(installation)

        assert ["known", "unknown"] == [outcome(installation, each) for each in (shop, elsewhere)]


def test_no_secret_is_read(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Nor is any service account, and the install is ready all the same."""
    with installed(control_plane, tmp_path, {"secrets": False}) as installation:
        assert "unknown" == outcome(installation, a_shop(installation))
