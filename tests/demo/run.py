"""
The demo: a real control plane, registry and cosign, and what people see at `kubectl apply`.

Every step runs a real kubectl command, prints it with its output, and compares what happened with
what was expected. The exit code is 0 only when all steps match. With `--keep` everything is left
up until Enter or Ctrl-C, with the lines to try by hand.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from realparts.control_plane import ControlPlane
from realparts.images import ImageMaker
from realparts.landwaiter import Landwaiter
from realparts.registries import ReferrersRegistry
from realparts.signing import Signer

HERE = Path(__file__).parent
INTERRUPTED = 130
NAMESPACES = {"shop": "production", "staging": "staging"}


@dataclass(frozen=True, slots=True)
class Step:
    """One kubectl command and what it should come to; `shows` are texts of its output."""

    title: str
    arguments: tuple[str, ...]
    expected: str
    shows: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The manifest that is applied, or the command."""
        manifest = next((each for each in self.arguments if each.endswith(".yaml")), None)
        return manifest or f"kubectl {' '.join(self.arguments[:2])}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to; `missing` are expected texts that the output lacked."""

    step: Step
    got: str
    missing: tuple[str, ...]
    milliseconds: float

    @property
    def matches(self) -> bool:
        """Whether it is what was expected."""
        return self.got == self.step.expected and not self.missing


def apply(name: str) -> tuple[str, ...]:
    """Return the arguments that apply one of the demo's manifests."""
    return ("apply", "-f", f"{name}.yaml")


def steps(registry: str, unsigned: str) -> Sequence[Step]:
    """Return all steps in their order; some rest on what earlier ones created."""
    pull_secret = (
        "create", "secret", "docker-registry", "ledger-pull", "--namespace=shop",
        f"--docker-server={registry}", "--docker-username=reader", "--docker-password=demo",
    )  # fmt: skip
    debug = ("debug", "web", "--namespace=shop", f"--image={unsigned}", "--container=shell")
    label = ("label", "pod", "legacy", "--namespace=shop", "team=ledger")
    finalize = ("patch", "pod", "legacy", "--namespace=shop", "--type=merge")
    new_image = ("set", "image", "deployment/web", "--namespace=shop", f"app={unsigned}")
    return (
        Step("a signed image, by digest", apply("01-signed-pod"), "admitted"),
        Step("the same in a Deployment", apply("02-signed-deployment"), "admitted"),
        Step("a tag without digest", apply("03-floating-tag"), "refused", ("pinnedTags", "@sha")),
        Step(
            "a registry that is not allowed",
            apply("04-foreign-registry"),
            "refused",
            ("allowedRegistries",),
        ),
        Step("an unsigned image", apply("05-unsigned"), "refused", ("cosignSignatures",)),
        Step(
            "signed by a key of somebody else",
            apply("06-signed-by-another-key"),
            "refused",
            ("cosignSignatures",),
        ),
        Step(
            "a private image without pull secret",
            apply("07-no-pull-secret"),
            "refused",
            ("pullSecrets", "kubectl create secret docker-registry"),
        ),
        Step("its pull secret is created", pull_secret, "admitted"),
        Step("the private image again", apply("08-pull-secret"), "admitted"),
        Step(
            "four wrong images in one Deployment",
            apply("09-several-at-once"),
            "refused",
            ("pinnedTags", "allowedRegistries", "cosignSignatures", "pullSecrets"),
        ),
        Step(
            "an unsigned image as a volume",
            apply("10-image-volume"),
            "refused",
            ("spec.volumes[0].image.reference", "cosignSignatures"),
        ),
        Step(
            "an unsigned image in kubectl debug",
            debug,
            "refused",
            ("spec.ephemeralContainers[0].image", "cosignSignatures"),
        ),
        Step("staging only warns", apply("12-warned"), "warned", ("Warning:", "pinnedTags")),
        Step("a name that does not parse", apply("13-unreadable"), "refused", ("imageReference",)),
        Step("a Pod from before gets a label", label, "admitted"),
        Step(
            "... and loses its finalizer",
            (*finalize, '--patch={"metadata":{"finalizers":null}}'),
            "admitted",
        ),
        Step(
            "a Deployment gets an unsigned image",
            new_image,
            "refused",
            ("spec.template.spec.containers[0].image", "cosignSignatures"),
        ),
    )


class Demo:
    """Everything that the demo needs, up while its context lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = ReferrersRegistry(folder / "registry")
        self.cluster = ControlPlane(folder / "cluster")
        self.manifests = folder / "manifests"
        self.landwaiter: Landwaiter | None = None
        self.facts: dict[str, str] = {}

    def start(self) -> None:
        """Start all parts, make and sign images, and register the webhooks."""
        told("starting a registry, etcd, kube-apiserver and its controllers")
        self.registry.start()
        self.cluster.start()
        told("making images and signing them with cosign")
        key = self._make_images()
        self._write_manifests()
        for name, environment in NAMESPACES.items():
            self.cluster.create_namespace(name, labels={"env": environment})
        self._kubectl(*apply("legacy"))
        told("starting landwaiter with two policies: production denies, staging warns")
        self.landwaiter = self._landwaiter(key)
        self.landwaiter.start()
        self.landwaiter.register(self.cluster)

    def stop(self) -> None:
        """End all parts."""
        if self.landwaiter is not None:
            self.landwaiter.stop()
        self.cluster.stop()
        self.registry.stop()

    def run(self, step: Step) -> Outcome:
        """Run one step and print what a person at the terminal would see."""
        print(f"\n\033[1m# {step.title}\033[0m\n$ kubectl {shown(step.arguments)}")
        begun = time.monotonic()
        answer = self._kubectl(*step.arguments)
        milliseconds = (time.monotonic() - begun) * 1000
        output = answer.stdout + answer.stderr
        print(output.rstrip())
        got = "refused" if answer.returncode else "warned" if "Warning:" in output else "admitted"
        missing = tuple(text for text in step.shows if text not in output)
        return Outcome(step, got, missing, milliseconds)

    def all_steps(self) -> Sequence[Step]:
        """Return the steps, with the names of this run's images."""
        host = self.registry.host
        return steps(host, f"{host}/shop/unsigned:1.0@{self.facts['unsigned']}")

    def _kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        arguments = tuple(
            str(self.manifests / each) if each.endswith(".yaml") else each for each in arguments
        )
        return self.cluster.kubectl(*arguments, check=False)

    def _make_images(self) -> Path:
        images = ImageMaker(self.folder / "images", self.registry)
        signer = Signer(self.folder / "signer", self.registry)
        ours, other = signer.generate_key_pair("ci"), signer.generate_key_pair("other")
        names = {"web": "shop/web", "unsigned": "shop/unsigned", "stranger": "shop/stranger"}
        for fact, name in {**names, "ledger": "shop/private/ledger"}.items():
            reference = images.make_image(f"{name}:1.0")
            self.facts[fact] = reference.partition("@")[2]
            if fact in {"web", "ledger"}:
                signer.sign_with_cosign3(reference, ours)
            elif fact == "stranger":
                signer.sign_with_cosign3(reference, other)
        images.tag("shop/web:1.0", "latest")
        images.tag("shop/unsigned:1.0", "latest")
        self.facts["registry"] = self.registry.host
        return ours.public

    def _write_manifests(self) -> None:
        self.manifests.mkdir()
        for file in sorted((HERE / "manifests").glob("*.yaml")):
            text = Template(file.read_text("utf-8")).substitute(self.facts)
            (self.manifests / file.name).write_text(text, encoding="utf-8")

    def _landwaiter(self, key: Path) -> Landwaiter:
        policies = Template((HERE / "policies.yaml").read_text("utf-8")).substitute(self.facts)
        landwaiter = Landwaiter(
            self.folder / "landwaiter",
            policies=policies,
            registries=f"registries:\n- host: {self.registry.host}\n  plainHTTP: true\n",
            cluster=self.cluster,
        )
        (landwaiter.folder / "policies").mkdir(parents=True)
        (landwaiter.folder / "policies" / "ci.pub").write_bytes(key.read_bytes())
        return landwaiter


def told(what: str) -> None:
    """Tell what the demo is busy with."""
    print(f"==> {what}", flush=True)


def shown(arguments: Sequence[str]) -> str:
    """Return arguments as a person would type them."""
    return " ".join(f"'{each}'" if set(each) & set('{}" ') else each for each in arguments)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table of all steps, at most 100 columns wide."""
    lines = [_row("", "manifest or command", "what it is", "expected", "got", "ms")]
    for outcome in outcomes:
        step = outcome.step
        mark = "ok" if outcome.matches else "!!"
        milliseconds = f"{outcome.milliseconds:.0f}"
        lines.append(_row(mark, step.name, step.title, step.expected, outcome.got, milliseconds))
        lines += [f"      the output lacks {text!r}" for text in outcome.missing]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    mark, name, title, expected, got, milliseconds = cells
    return f"{mark:3}{name:30}{title:40}{expected:10}{got:10}{milliseconds:>6}"


def by_hand(demo: Demo) -> str:
    """Return what to type in another terminal while the demo is kept."""
    files = demo.cluster.files
    return (
        "\nEverything is up. In another terminal:\n"
        f"  export KUBECONFIG={files.kubeconfig}\n"
        f"  cd {demo.manifests}\n"
        "  kubectl apply -f 09-several-at-once.yaml\n"
        "  kubectl get pods -A\n"
        f"  tail -f {demo.landwaiter.log if demo.landwaiter else ''}\n"
    )


def main() -> int:
    """Run the demo; return its exit code."""
    parser = argparse.ArgumentParser(description="Run Landwaiter's main job on real parts.")
    parser.add_argument("--keep", action="store_true", help="leave everything up until Enter")
    keep = parser.parse_args().keep
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="landwaiter-demo-") as folder:
        demo = Demo(Path(folder))
        try:
            demo.start()
            outcomes = [demo.run(step) for step in demo.all_steps()]
            print(f"\n{table(outcomes)}")
            good = sum(outcome.matches for outcome in outcomes)
            seconds = time.monotonic() - begun
            print(f"\n{good} of {len(outcomes)} as expected, in {seconds:.0f} s")
            if keep:
                with suppress(EOFError, KeyboardInterrupt):
                    input(by_hand(demo) + "\nPress Enter to end it. ")
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            demo.stop()
    return 0 if good == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
