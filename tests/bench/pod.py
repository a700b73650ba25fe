"""Landwaiter as in its Pod, for what is measured at rest and while it starts."""

import json
import re
from base64 import b64decode
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from realparts.landwaiter import Landwaiter

PROGRAM = Path(__file__).with_name("as_in_a_pod.py")
LOCKED = Path(__file__).resolve().parents[2] / "requirements" / "runtime.txt"
KUBECONFIG = "--kubeconfig="


class PodLandwaiter(Landwaiter):
    """`Landwaiter` with a cluster, whose account it finds as in a Pod."""

    def command(self) -> list[str]:
        """Return the command that starts it."""
        python, _, _, *arguments = super().command()
        (kubeconfig,) = (each for each in arguments if each.startswith(KUBECONFIG))
        arguments.remove(kubeconfig)
        folder = self._account(Path(kubeconfig.removeprefix(KUBECONFIG)))
        return [python, str(PROGRAM), str(folder), ",".join(hidden_packages()), *arguments]

    def _account(self, kubeconfig: Path) -> Path:
        """Turn a kubeconfig into what a Pod is given; return the folder of it."""
        document = json.loads(kubeconfig.read_text("utf-8"))
        (cluster,), (user,) = document["clusters"], document["users"]
        folder = self.folder / "account"
        folder.mkdir(exist_ok=True)
        authority = b64decode(cluster["cluster"]["certificate-authority-data"])
        (folder / "ca.crt").write_bytes(authority)
        (folder / "token").touch(mode=0o600)
        (folder / "token").write_text(user["user"]["token"], "ascii")
        address = urlsplit(cluster["cluster"]["server"])
        self._environment["KUBERNETES_SERVICE_HOST"] = str(address.hostname)
        self._environment["KUBERNETES_SERVICE_PORT"] = str(address.port)
        return folder


def hidden_packages() -> list[str]:
    """Return the packages that can be imported here and are not in the image."""
    locked = re.findall(r"(?m)^([\w.-]+)==", LOCKED.read_text("utf-8"))
    kept = {_plain(name) for name in (*locked, "landwaiter")}
    found = metadata.packages_distributions()
    return sorted(name for name, given in found.items() if not kept & set(map(_plain, given)))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
