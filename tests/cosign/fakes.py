"""
Stand-ins for what the cosign room talks to: a registry client, credentials, and cosign itself.

`FakeCosign` is a program that is started and speaks to the endpoint as cosign 3.1.3 does: same
flags, same requests, same output, same exit codes; its signatures are the hash of the key file.
`test_real_cosign.py` puts the real one through the same behaviours.
"""

import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from landwaiter.cosign.authority import Authority, Criterion, Signer
from landwaiter.cosign.material import SimpleSignature
from landwaiter.cosign.observer import Answered, Observer, RunEnd, RunForm
from landwaiter.cosign.outcome import SIGNATURE_TYPE, SignatureFormat
from landwaiter.cosign.pieces import Keychain, SignatureSource
from landwaiter.deadline import Deadline
from landwaiter.errors import ContentMissing, LandwaiterError
from landwaiter.identities import Identity, Name
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.trusted_roots import MEDIA_TYPE, Checks, TrustedRoot

_T = TypeVar("_T")

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
SIGN_TYPE = SIGNATURE_TYPE[SignatureFormat.BUNDLE]
SIMPLE_TYPE = SIGNATURE_TYPE[SignatureFormat.SIMPLE_SIGNING]


def a_key(number: int = 1) -> PublicKey:
    """Return a key of its own for each number."""
    key = ec.derive_private_key(1_000 + number, ec.SECP256R1()).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey.parse(pem.decode())


def a_root(*, uri: str = "https://log.example.com") -> TrustedRoot:
    """Return a trusted root that has one of everything, by name at least."""
    lists = ("tlogs", "ctlogs", "timestampAuthorities", "certificateAuthorities")
    document = {"mediaType": MEDIA_TYPE, **{name: [{"uri": uri}] for name in lists}}
    return TrustedRoot.parse(json.dumps(document).encode())


def a_criterion(number: int = 1, *, root: TrustedRoot | None = None) -> Criterion:
    """Return the criterion of a key; with a root, that its signatures are in a log."""
    return Criterion(a_key(number), Checks(transparency_log=root is not None), root)


def an_identity(
    subject: str = "ann@example.com", issuer: str = "https://login.example.com"
) -> Identity:
    return Identity(Name.exactly(issuer), Name.exactly(subject))


def an_authority(
    number: int = 1, *, name: str = "ci", root: TrustedRoot | None = None
) -> Authority:
    return Authority(name, (a_key(number),), Checks(transparency_log=root is not None), root)


def a_digest(content: bytes | str) -> str:
    raw = content.encode() if isinstance(content, str) else content
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def an_image(name: str = "registry.example.com/team/app") -> ImageReference:
    """Return a reference by digest; the digest belongs to the name."""
    return ImageReference.parse(f"{name}@{a_digest(name)}")


def signature_by(signer: Signer) -> str:
    """Return what the fake cosign takes for a good signature by the signer."""
    if isinstance(signer, Identity):
        return hashlib.sha256(f"{signer.issuer.text} {signer.subject.text}".encode()).hexdigest()
    return hashlib.sha256(signer.pem.encode()).hexdigest()


def a_statement(digest: str, *, predicate_type: str = SIGN_TYPE) -> dict[str, object]:
    algorithm, _, value = digest.partition(":")
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {algorithm: value}}],
        "predicateType": predicate_type,
        "predicate": {},
    }


def a_bundle(
    digest: str,
    signer: Signer | None = None,
    *,
    predicate_type: str = SIGN_TYPE,
    payload_type: str = "application/vnd.in-toto+json",
    statement: object = None,
    proof: Mapping[str, object] | None = None,
) -> bytes:
    """Return a bundle in which the signer, or `a_key()`, has signed the digest."""
    signed = statement or a_statement(digest, predicate_type=predicate_type)
    bundle = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": proof or {},
        "dsseEnvelope": _envelope(signed, signer, payload_type),
    }
    return json.dumps(bundle).encode()


def an_envelope(
    digest: str,
    signer: Signer | None = None,
    *,
    predicate_type: str,
    statement: object = None,
    annotations: Mapping[str, str] | None = None,
) -> SimpleSignature:
    """Return an attestation in the old format, in which the signer has signed the digest."""
    signed = statement or a_statement(digest, predicate_type=predicate_type)
    return SimpleSignature(
        json.dumps(_envelope(signed, signer)).encode(),
        {"dev.cosignproject.cosign/signature": "", **(annotations or {})},
    )


def _envelope(
    signed: object, signer: Signer | None, payload_type: str = "application/vnd.in-toto+json"
) -> dict[str, object]:
    return {
        "payload": base64.b64encode(json.dumps(signed).encode()).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": signature_by(signer or a_key())}],
    }


def a_simple_signature(
    image: ImageReference,
    key: PublicKey | None = None,
    *,
    reference: str | None = None,
    digest: str | None = None,
    type_: str = SIMPLE_TYPE,
    annotations: Mapping[str, str] | None = None,
) -> SimpleSignature:
    """Return a signature in the old format of the image, or of what else is given."""
    payload = {
        "critical": {
            "identity": {"docker-reference": image.name if reference is None else reference},
            "image": {"docker-manifest-digest": digest or image.digest},
            "type": type_,
        },
        "optional": None,
    }
    return SimpleSignature(
        json.dumps(payload).encode(),
        {
            "dev.cosignproject.cosign/signature": signature_by(key or a_key()),
            **(annotations or {}),
        },
    )


@dataclass(frozen=True, slots=True)
class FakeKeychain:
    """Credentials that are the same when their name is."""

    name: str = "anonymous"

    def fingerprint(self, reference: ImageReference) -> str:
        return self.name


@dataclass(slots=True)
class FakeRegistry:
    """
    Repositories in memory; `asked` lists every request in order.

    `faults` are raised for the requests they are filed under, such as `referrers NAME@DIGEST`;
    requests to a host wait until its gate is set, where it has one, and `waiting` tells that
    one does.
    """

    manifests: dict[str, Manifest] = field(default_factory=dict)
    referring: dict[str, list[Descriptor]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, LandwaiterError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    most_under_way: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, name: str = "registry.example.com/team/app") -> ImageReference:
        """Add an image and return its reference by digest."""
        content = json.dumps({"layers": [], "name": name}).encode()
        image = ImageReference.parse(f"{name}@{a_digest(content)}")
        self.put_manifest(image, content)
        return image

    def put_manifest(self, reference: ImageReference, content: bytes) -> Manifest:
        manifest = Manifest(MANIFEST_TYPE, a_digest(content), content)
        self.manifests[str(reference)] = manifest
        return manifest

    def put_blob(self, media_type: str, content: bytes) -> Descriptor:
        self.blobs[a_digest(content)] = content
        return Descriptor(media_type, a_digest(content), len(content))

    def attach(
        self,
        image: ImageReference,
        bundle: bytes,
        *,
        artifact_type: str | None = BUNDLE_TYPE,
        annotations: Mapping[str, str] | None = None,
        layer_type: str = BUNDLE_TYPE,
        listed: bool = True,
    ) -> Descriptor:
        """
        Add a referrer of the image that holds a bundle, and return what points to it.

        Some registries list no annotations; the manifest has them in any case.
        """
        layer = self.put_blob(layer_type, bundle)
        content = a_manifest([layer], annotations or {})
        reference = replace(image, digest=a_digest(content))
        manifest = self.put_manifest(reference, content)
        descriptor = Descriptor(
            MANIFEST_TYPE,
            manifest.digest,
            len(content),
            artifact_type,
            (annotations or {}) if listed else {},
        )
        self.referring.setdefault(str(image), []).append(descriptor)
        return descriptor

    def tag_signatures(self, image: ImageReference, *signatures: SimpleSignature) -> None:
        """Give the image its `.sig` manifest."""
        self._tag(image, "sig", "application/vnd.dev.cosign.simplesigning.v1+json", signatures)

    def tag_attestations(
        self, image: ImageReference, *envelopes: SimpleSignature, predicate_type: str | None = None
    ) -> None:
        """Give the image its `.att` manifest, which says what type its layers are of."""
        said = {} if predicate_type is None else {"predicateType": predicate_type}
        told = [replace(each, annotations={**each.annotations, **said}) for each in envelopes]
        self._tag(image, "att", "application/vnd.dsse.envelope.v1+json", told)

    def _tag(
        self,
        image: ImageReference,
        ending: str,
        media_type: str,
        pieces: Sequence[SimpleSignature],
    ) -> None:
        layers = [
            replace(self.put_blob(media_type, each.payload), annotations=each.annotations)
            for each in pieces
        ]
        self.put_manifest(signature_tag(image, ending), a_manifest(layers))

    async def manifest(
        self, reference: ImageReference, *, keychain: FakeKeychain, deadline: Deadline
    ) -> Manifest:
        await self._request(f"manifest {reference}", reference.registry)
        return _found(self.manifests, str(reference))

    async def referrers(
        self, reference: ImageReference, *, keychain: FakeKeychain, deadline: Deadline
    ) -> tuple[Descriptor, ...]:
        await self._request(f"referrers {reference}", reference.registry)
        return tuple(self.referring.get(str(reference), ()))

    async def blob(
        self,
        reference: ImageReference,
        descriptor: Descriptor,
        *,
        limit_bytes: int,
        keychain: FakeKeychain,
        deadline: Deadline,
    ) -> bytes:
        await self._request(f"blob {descriptor.digest}", reference.registry)
        return _found(self.blobs, descriptor.digest)

    async def _request(self, what: str, host: str) -> None:
        self.asked.append(what)
        self.under_way += 1
        self.idle.clear()
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if (gate := self.gates.get(host)) is not None:
                self.waiting.set()
                await gate.wait()
            await asyncio.sleep(0)
            if what in self.faults:
                raise self.faults[what]
        finally:
            self.under_way -= 1
            if not self.under_way:
                self.idle.set()


def a_manifest(layers: Sequence[Descriptor], annotations: Mapping[str, str] | None = None) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            **({"annotations": dict(annotations)} if annotations else {}),
            "layers": [
                {
                    "mediaType": layer.media_type,
                    "digest": layer.digest,
                    "size": layer.size,
                    "annotations": dict(layer.annotations),
                }
                for layer in layers
            ],
        }
    ).encode()


def signature_tag(image: ImageReference, ending: str = "sig") -> ImageReference:
    """Return the name under which the image's signatures in the old format are."""
    return replace(image, tag=f"{str(image.digest).replace(':', '-')}.{ending}", digest=None)


def _found(content: Mapping[str, _T], key: str) -> _T:
    if key not in content:
        raise ContentMissing(f"{key} is not there")
    return content[key]


@dataclass(slots=True)
class CountingObserver:
    """Remembers what it was told."""

    hits: list[Answered] = field(default_factory=list)
    misses: int = 0
    flights: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    runs: list[tuple[RunForm, RunEnd, int]] = field(default_factory=list)

    def cache_hit(self, answered: Answered) -> None:
        self.hits.append(answered)

    def cache_miss(self) -> None:
        self.misses += 1

    def flights_changed(self, under_way: int) -> None:
        self.flights.append(under_way)

    def queue_changed(self, waiting: int) -> None:
        self.waiting.append(waiting)

    def run_finished(self, form: RunForm, end: RunEnd, *, images: int, seconds: float) -> None:
        assert seconds >= 0
        self.runs.append((form, end, images))


@dataclass(slots=True)
class Clock:
    """A clock that is set by hand."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def program(folder: Path, script: str, *, name: str = "cosign") -> Path:
    """Write a program that is a shell script; it has no PATH to find others by."""
    return _executable(folder / name, f"#!/bin/sh\n{script}\n")


def fake_cosign(folder: Path, *, hook: str = "pass", trusting: bool = False) -> Path:
    """
    Write a program that verifies as cosign does.

    `hook` is Python that runs before each image, with its `repository` on the endpoint, its
    `number` in the run and how many `images` the run has. A `trusting` one looks at the signatures
    of attestations alone, and not at what they are about.
    """
    body = _FAKE_COSIGN.replace("HOOK", hook.replace("\n", "\n    "))
    body = body.replace("TRUSTING", repr(trusting))
    return _executable(folder / "cosign", f"#!{sys.executable} -IS\n{body}")


def _executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


_FAKE_COSIGN = """
import base64, hashlib, http.client, json, os, signal, sys, time

if sys.argv[1] == "version":
    print(json.dumps({"gitVersion": "v3.1.3"}))
    sys.exit(0)
flags = dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--"))
images = [a for a in sys.argv[2:] if not a.startswith("-")]
if "key" in flags:
    signer = open(flags["key"], "rb").read()
else:
    signer = f"{flags['certificate-oidc-issuer']} {flags['certificate-identity']}".encode()
    open(flags["trusted-root"], "rb").read()
key = hashlib.sha256(signer).hexdigest()
host = images[0].split("/")[0]
connection = http.client.HTTPConnection(host, timeout=20)


def get(path):
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def hook(repository, number, images):
    HOOK


def payloads(repository, digest, image):
    if flags["new-bundle-format"] == "true":
        status, index = get(f"/v2/{repository}/referrers/{digest}")
        for each in json.loads(index)["manifests"]:
            manifest = json.loads(get(f"/v2/{repository}/manifests/{each['digest']}")[1])
            layer = manifest["layers"][0]["digest"]
            bundle = json.loads(get(f"/v2/{repository}/blobs/{layer}")[1])["dsseEnvelope"]
            statement = json.loads(base64.b64decode(bundle["payload"]))
            signed = statement["subject"][0]["digest"]["sha256"]
            if bundle["signatures"][0]["sig"] == key and digest == "sha256:" + signed:
                yield image, digest, statement["predicateType"]
    else:
        status, manifest = get(f"/v2/{repository}/manifests/{digest.replace(':', '-')}.sig")
        for layer in json.loads(manifest)["layers"]:
            signature = layer["annotations"]["dev.cosignproject.cosign/signature"]
            blob = json.loads(get(f"/v2/{repository}/blobs/{layer['digest']}")[1])
            critical = blob["critical"]
            signed = critical["image"]["docker-manifest-digest"]
            if signature == key and signed == digest:
                yield critical["identity"]["docker-reference"], signed, critical["type"]


def envelopes(repository, digest):
    if flags["new-bundle-format"] == "true":
        found = json.loads(get(f"/v2/{repository}/referrers/{digest}")[1])["manifests"]
        manifests = [f"/v2/{repository}/manifests/{each['digest']}" for each in found]
    else:
        manifests = [f"/v2/{repository}/manifests/{digest.replace(':', '-')}.att"]
    for manifest in manifests:
        for layer in json.loads(get(manifest)[1])["layers"]:
            blob = json.loads(get(f"/v2/{repository}/blobs/{layer['digest']}")[1])
            if "forged" in blob.get("verificationMaterial", {}):
                continue
            envelope = blob.get("dsseEnvelope", blob)
            statement = json.loads(base64.b64decode(envelope["payload"]))
            subjects = [each["digest"]["sha256"] for each in statement["subject"]]
            meant = digest[7:] in subjects and statement["predicateType"] == flags["type"]
            if envelope["signatures"][0]["sig"] == key and (meant or TRUSTING):
                yield envelope


get("/v2/")
if flags["new-bundle-format"] == "true":
    repository, digest = images[0].partition("/")[2].split("@")
    get(f"/v2/{repository}/referrers/{digest}")
for number, image in enumerate(images):
    repository, digest = image.partition("/")[2].split("@")
    hook(repository, number, images)
    if sys.argv[1] == "verify-attestation":
        for envelope in (attested := list(envelopes(repository, digest))):
            print(json.dumps(envelope), flush=True)
        if not attested:
            sys.stderr.write("error during command execution: no matching attestations: " + image)
        sys.exit(0 if attested else 1 if flags["new-bundle-format"] == "true" else 10)
    verified = [
        {
            "critical": {
                "identity": {"docker-reference": reference},
                "image": {"docker-manifest-digest": signed},
                "type": type_,
            },
            "optional": {},
        }
        for reference, signed, type_ in payloads(repository, digest, image)
    ]
    if not verified:
        sys.stderr.write("error during command execution: no matching signatures: " + image)
        sys.exit(1 if flags["new-bundle-format"] == "true" else 12)
    print("\\n" + json.dumps(verified), flush=True)
"""


def _protocols_hold() -> tuple[SignatureSource[FakeKeychain], Keychain, Observer]:
    """Let mypy say when a fake and its Protocol part ways."""
    return FakeRegistry(), FakeKeychain(), CountingObserver()
