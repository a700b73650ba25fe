"""
The documents in which people declare what their policies have to decide.

A document names the policies, says what is known of the world, and lists cases: a manifest, and
what must come of it. Nothing outside is asked, so the same cases decide alike everywhere: what a
rule wants to know and the document does not say is undecided. docs/policies.md shows one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from landwaiter.errors import InvalidManifest, InvalidReference
from landwaiter.images.reference import ImageReference, ShortNames
from landwaiter.manifests.documents import Document, read_file
from landwaiter.policy.install import UnmatchedImages
from landwaiter.policy.problems import sentences, written
from landwaiter.rules.instants import InstantField
from landwaiter.rules.settings import PlatformField, Settings
from landwaiter.rules.verdict import Action, Decision

KIND: Final = "ImagePolicyTest"

FILE_MAX_BYTES: Final = 4 * 1024 * 1024


def _image(text: str) -> str:
    try:
        return str(ImageReference.parse(text))
    except InvalidReference as problem:
        raise ValueError(str(problem)) from problem


def _image_with_digest(text: str) -> str:
    image = _image(text)
    if "@" not in image:
        raise ValueError(f'"{text:.200}" given, an image with its digest is wanted')
    return ImageReference.parse(image).at_digest


Image = Annotated[str, AfterValidator(_image)]
ImageWithDigest = Annotated[str, AfterValidator(_image_with_digest)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class ImageFactSettings(Settings):
    """What an image says of itself, or which images an index lists."""

    platform: PlatformField | None = None
    """The platform that it is for, such as `linux/amd64`."""
    user: str = ""
    """Its USER; empty for root."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Its labels."""
    created: InstantField | None = None
    """When it was created, as in RFC 3339."""
    layer_sizes: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list)
    """The compressed sizes of its layers, in bytes."""
    index: list[Digest] | None = Field(default=None, min_length=1)
    """The digests of the images of an index, which are images of the same repository."""

    @model_validator(mode="after")
    def _index_or_image(self) -> Self:
        others = sorted(self.model_fields_set - {"index"})
        if self.index is not None and others:
            raise ValueError(f"index and {others[0]} given, an index has nothing else")
        return self


class AttestationFactSettings(Settings):
    """What somebody has attested of an image."""

    predicate_type: str = Field(min_length=1)
    """The URI of what it says."""
    attested_by: list[str] = Field(min_length=1)
    """The names of the authorities that have signed it."""
    signed_at: InstantField | None = None
    """When it was signed, as in RFC 3339; by default nobody vouches for that."""
    predicate: dict[str, Any] = Field(default_factory=dict)
    """What it says."""


class FactSettings(Settings):
    """What is known of registries; what is not written here is not known."""

    digests: dict[Image, Digest] = Field(default_factory=dict)
    """The digest that each image's tag points to."""
    signatures: dict[ImageWithDigest, list[str]] = Field(default_factory=dict)
    """The names of the authorities that have signed each image, by `repository@digest`."""
    attestations: dict[ImageWithDigest, list[AttestationFactSettings]] = Field(default_factory=dict)
    """What has been attested of each image, by `repository@digest`."""
    images: dict[ImageWithDigest, ImageFactSettings] = Field(default_factory=dict)
    """What each image says of itself, by `repository@digest`."""


class RequesterSettings(Settings):
    """Who asks the API server."""

    name: str = Field(min_length=1)
    """The user name."""
    groups: list[str] = Field(default_factory=list)
    """The groups of that user."""


class ExpectedFinding(Settings):
    """One finding about one image; fields that are left out are not compared."""

    path: str = Field(min_length=1)
    """The JSON path of the image, such as `spec.containers[0].image`."""
    policy: str = Field(min_length=1)
    """The policy that says so."""
    rule: str = Field(min_length=1)
    """The rule that says so."""
    action: Annotated[Action, Field(strict=False)] | None = None
    """The strongest thing that the policy does about it."""
    reason: str | None = None
    """What is wrong, in a few words."""
    detail: str | None = None
    """What was seen and what is wanted."""
    remedy: str | None = None
    """What to do."""
    exception: str | None = None
    """The exception that lifts it; a finding that is lifted has to name it."""


class Expectation(Settings):
    """What must come of a case."""

    decision: Annotated[Decision, Field(strict=False)]
    """`allow`, `deny` or `undecided`."""
    violations: list[ExpectedFinding] = Field(default_factory=list)
    """Every finding of every policy, also of those that only warn or audit, in the order told."""
    undecided: list[ExpectedFinding] = Field(default_factory=list)
    """Everything that could not be found out."""
    warnings: list[str] | None = None
    """What the person is warned of, line by line; not compared where it is left out."""

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        standing = [each for each in self.violations if each.exception is None]
        if self.decision is Decision.DENY and not standing:
            raise ValueError("decision: deny given without violations, which refuse the object")
        if self.decision is Decision.UNDECIDED and not self.undecided:
            raise ValueError("decision: undecided given without undecided, which says what is not")
        return self


class DeclaredCase(Settings):
    """One object, and what must come of it."""

    name: str = Field(min_length=1)
    """What is shown here, in a sentence."""
    manifest: dict[str, Any] | None = None
    """The object; exactly one of `manifest` and `file` is wanted."""
    file: str | None = Field(default=None, min_length=1)
    """A file that holds the object, relative to this document."""
    old: dict[str, Any] | None = None
    """What stands in the cluster already; with it the case is an UPDATE, else a CREATE."""
    namespace: str = "default"
    """The namespace of a manifest that names none."""
    requester: RequesterSettings | None = None
    """Who asks; by default nobody in particular."""
    expect: Expectation
    """What must come of it."""

    @model_validator(mode="after")
    def _one_object(self) -> Self:
        if (self.manifest is None) == (self.file is None):
            raise ValueError("exactly one of manifest and file is wanted")
        return self


class PolicyTest(Settings):
    """Cases that a set of policies has to decide as is declared."""

    api_version: Literal["landwaiter.dev/v1alpha1"]
    """The version of the document's form."""
    kind: Literal["ImagePolicyTest"]
    """The kind of document."""
    policies: list[str] = Field(min_length=1)
    """Files and folders of policies, relative to this document."""
    short_names: Annotated[ShortNames, Field(strict=False)] = ShortNames.DOCKER_HUB
    """What an image without registry means, as in the option of the same name."""
    unmatched_images: Annotated[UnmatchedImages, Field(strict=False)] = UnmatchedImages.ALLOW
    """What becomes of images that no policy is about, as in the option of the same name."""
    now: InstantField | None = None
    """What time it is, as in RFC 3339, for what ends some day; by default the time of day."""
    cluster_state: list[dict[str, Any]] = Field(default_factory=list)
    """
    Namespace, ServiceAccount, Secret and ConfigMap manifests.

    What is not among them is not known.
    """
    facts: FactSettings = Field(default_factory=FactSettings)
    """What is known of registries."""
    cases: list[DeclaredCase] = Field(min_length=1)
    """The cases, each with a name of its own."""

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        names = [case.name for case in self.cases]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f'case "{twice[0]}" is given twice, distinct names wanted')
        return self


def read_tests(file: Path) -> Iterator[tuple[Document, PolicyTest]]:
    """Give the test documents in a file. Raises `InvalidManifest` with all that is wrong."""
    for document in read_file(file, limit_bytes=FILE_MAX_BYTES):
        value = document.value
        kind = value.get("kind") if isinstance(value, dict) else None
        if kind != KIND:
            seen = f'"{kind:.60}"' if isinstance(kind, str) else "nothing"
            raise InvalidManifest(f'{_at(document, ("kind",))}: {seen} given, "{KIND}" wanted')
        try:
            yield document, PolicyTest.model_validate(value)
        except ValidationError as failure:
            raise InvalidManifest("\n".join(_problems(document, failure))) from failure


def _problems(document: Document, failure: ValidationError) -> Iterator[str]:
    for path, text in sentences(PolicyTest, failure):
        yield f"{_at(document, path)}: {text}"


def _at(document: Document, path: tuple[str | int, ...]) -> str:
    place = f"{document.source}:{document.line_of(path)}"
    return f"{place}: field {written(path)}" if path else place
