"""Images of a registry with passwords, verified with the credentials of the install alone."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.manifests import pod, written
from providers.a_plugin import a_config, a_helper, a_plugin, an_entry, images_asked
from realparts.install import ensure
from realparts.processes import run
from realparts.registries import TESTER
from system.workshop import Workshop

CHECK_SECONDS = 120.0


def policy(workshop: Workshop) -> str:
    """Return a policy that wants a signature by the key of CI."""
    key = json.dumps(workshop.ci.public.read_text("utf-8"))
    return f"""
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {{name: signed}}
spec:
  validationActions: [Deny]
  rules: {{cosignSignatures: {{authorities: [{{name: ci, key: {{data: {key}}}}}]}}}}
"""


def checked(
    workshop: Workshop, folder: Path, images: Sequence[str], *options: str
) -> tuple[list[str], str]:
    """Return what `landwaiter check` decides of Pods without secrets, and all that it says."""
    policies = written(folder / "policies" / "signed.yaml", policy(workshop)).parent
    state = written(
        folder / "state.yaml",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: default}\n",
    )
    command = [
        *(sys.executable, "-m", "landwaiter", "check", "--output=json"),
        f"--policies={policies}",
        f"--registries={written(folder / 'registries.yaml', workshop.registries())}",
        f"--cosign={ensure(['cosign3'])['cosign3']}",
        f"--cluster-state={state}",
        *options,
    ]
    ended = run(
        command,
        environment={"PATH": os.defpath, "HOME": str(folder)},
        timeout_seconds=CHECK_SECONDS,
        stdin="---\n".join(pod(image, name=f"p{at}") for at, image in enumerate(images)),
        check=False,
    )
    return [each["decision"] for each in json.loads(ended.stdout)], ended.stdout


def signed(workshop: Workshop, name: str, *, old: bool = False) -> str:
    """Push an image to the registry with passwords and sign it."""
    image = workshop.private.images.make_image(f"{name}:1")
    signer = workshop.private.signer
    sign = signer.sign_with_cosign2 if old else signer.sign_with_cosign3
    sign(image, workshop.ci)
    return image


def test_a_plugin_alone_lets_cosign_verify(workshop: Workshop, tmp_path: Path) -> None:
    """Without it the registry shows nothing; with it signatures are found, and missed."""
    host = workshop.private.host
    images = [
        signed(workshop, "plugin/bundle"),
        signed(workshop, "plugin/old", old=True),
        workshop.private.images.make_image("plugin/unsigned:1"),
    ]
    login: Any = (TESTER.user, TESTER.password)
    a_plugin(tmp_path, f'answer({{"{host}": {login}}}, cache="Registry")')
    config = written(tmp_path / "providers.json", json.dumps(a_config(an_entry([host]))))
    without, _ = checked(workshop, tmp_path, images)
    decisions, _ = checked(
        workshop,
        tmp_path,
        images,
        f"--image-credential-provider-config={config}",
        f"--image-credential-provider-bin-dir={tmp_path}",
    )

    assert (["deny"] * 3, ["allow", "allow", "deny"], 1) == (
        without,
        decisions,
        len(images_asked(tmp_path)),
    )


def test_a_plugin_that_fails_leaves_the_image_undecided(workshop: Workshop, tmp_path: Path) -> None:
    """The person reads which plugin failed, and nothing of what it printed."""
    image = signed(workshop, "plugin/failing")
    a_plugin(tmp_path, "print('hunter2'); print('hunter2', file=sys.stderr); sys.exit(1)")
    entry = an_entry([workshop.private.host])
    config = written(tmp_path / "providers.json", json.dumps(a_config(entry)))
    decisions, said = checked(
        workshop,
        tmp_path,
        [image],
        f"--image-credential-provider-config={config}",
        f"--image-credential-provider-bin-dir={tmp_path}",
    )

    assert (["undecided"], True, False) == (
        decisions,
        'example-credential-provider\\" ended with exit status 1' in said,
        "hunter2" in said,
    )


def test_a_helper_of_the_install_lets_cosign_verify(workshop: Workshop, tmp_path: Path) -> None:
    """Its own docker config names it."""
    image = signed(workshop, "own/helper")
    answer = {"Username": TESTER.user, "Secret": TESTER.password}
    a_helper(tmp_path, f"print(json.dumps({answer}))")
    content = {"credHelpers": {workshop.private.host: "example"}}
    decisions, said = checked(
        workshop,
        tmp_path,
        [image],
        f"--docker-config={written(tmp_path / 'docker.json', json.dumps(content))}",
        f"--image-credential-provider-bin-dir={tmp_path}",
    )

    assert ["allow"] == decisions, said
