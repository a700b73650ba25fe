"""
The environment in which crane and cosign talk to one test registry, built from nothing.

No home, docker configuration, proxy or cosign setting of whoever runs the tests takes part.
"""

import json
import os
from pathlib import Path

from realparts.registries import Login, Registry


def tool_environment(home: Path, registry: Registry, login: Login | None = None) -> dict[str, str]:
    """
    Return the environment of a tool whose home is a folder, which is made where it is missing.

    Its docker configuration has the login, or the registry's first one where none is given.
    """
    docker = home / ".docker"
    docker.mkdir(parents=True, exist_ok=True)
    login = login or next(iter(registry.logins), None)
    auths = {} if login is None else {registry.host: {"auth": login.basic}}
    (docker / "config.json").write_text(json.dumps({"auths": auths}), encoding="utf-8")
    environment = {
        "HOME": str(home),
        "DOCKER_CONFIG": str(docker),
        "PATH": os.defpath,
        "TMPDIR": str(home),
        "TUF_ROOT": str(home / "tuf"),
    }
    if registry.ca is not None:
        environment["SSL_CERT_FILE"] = str(registry.ca)
    return environment
