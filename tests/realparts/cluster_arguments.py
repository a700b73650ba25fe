"""
Where the files of a throw-away control plane lie, and what its programs are started with.

Source: `--help` of etcd 3.6 and Kubernetes 1.36; every option of kube-apiserver is in 1.25 too.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """The folder of one control plane."""

    root: Path

    @property
    def logs(self) -> Path:
        """Return the folder of the programs' output."""
        return self.root / "logs"

    @property
    def home(self) -> Path:
        """Return the home of everything started, so that nobody's own settings take part."""
        return self.root / "home"

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig with a context for each user."""
        return self.root / "kubeconfig"

    @property
    def controllers_kubeconfig(self) -> Path:
        """Return the kubeconfig of kube-controller-manager alone."""
        return self.root / "controllers.kubeconfig"

    @property
    def certificates(self) -> Path:
        """Return the folder of the API server's certificates and the service accounts' keys."""
        return self.root / "certificates"

    @property
    def ca(self) -> Path:
        """Return the file to check the API server's certificate with."""
        return self.certificates / "ca.crt"

    @property
    def tokens(self) -> Path:
        """Return the static token file."""
        return self.root / "tokens.csv"

    @property
    def audit_policy(self) -> Path:
        """Return the audit policy."""
        return self.root / "audit-policy.json"

    @property
    def audit_log(self) -> Path:
        """Return the audit log, a JSON object a line."""
        return self.root / "audit.log"

    @property
    def admission_configuration(self) -> Path:
        """Return the file that makes the API server present a client certificate."""
        return self.root / "admission.json"

    @property
    def webhook_client_ca(self) -> Path:
        """Return the file to check the API server's own client certificate with."""
        return self.root / "webhook-client" / "ca.crt"


def etcd_arguments(folder: ClusterFolder, *, url: str, peer_url: str) -> list[str]:
    """Return how etcd is started, on two addresses of loopback."""
    return [
        f"--data-dir={folder.root / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--unsafe-no-fsync",  # The data need not survive the machine.
        "--log-level=warn",
    ]


def api_server_arguments(folder: ClusterFolder, *, port: int, etcd_url: str) -> list[str]:
    """Return how kube-apiserver is started, on a port of loopback."""
    keys = folder.certificates
    return [
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # Never used, but searched on the machine's interfaces if not given; an address for
        # documentation (RFC 5737).
        "--advertise-address=192.0.2.1",
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={keys / 'api-server.crt'}",
        f"--tls-private-key-file={keys / 'api-server.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={keys / 'service-accounts.key'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        f"--token-auth-file={folder.tokens}",
        "--allow-privileged=true",
        f"--audit-policy-file={folder.audit_policy}",
        f"--audit-log-path={folder.audit_log}",
        "--audit-log-maxsize=0",  # Never rotated.
    ]


def controller_arguments(folder: ClusterFolder) -> list[str]:
    """Return how kube-controller-manager is started; it opens no port."""
    return [
        f"--kubeconfig={folder.controllers_kubeconfig}",
        f"--service-account-private-key-file={folder.certificates / 'service-accounts.key'}",
        f"--root-ca-file={folder.ca}",
        "--use-service-account-credentials",  # Each controller asks under its real name.
        "--leader-elect=false",
        "--secure-port=0",
        "--controllers=*,-nodeipam",  # It needs nodes.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
