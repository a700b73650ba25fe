"""The certificate behind the webhook object: our own, kept in a Secret, or files of somebody."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from landwaiter.cluster.events import EventRecorder, Note, Regarding
from landwaiter.errors import InvalidCertificate
from landwaiter.serving.certificates import CertificateFiles, CertificatePair, CertificateSource
from landwaiter.serving.companions import Companion
from landwaiter.tls.bundles import fingerprints_in
from landwaiter.tls.keeper import CertificateKeeper, KeeperSettings
from landwaiter.tls.rotation import RotationTimes, Step
from landwaiter.webhooks.trust_file import TrustFileBundle
from landwaiter.webhooks.view import WebhookView
from landwaiter.wiring.own_objects import ClusterSecret


class Certificate(Protocol):
    """What is served with, and what the API server has to trust for it."""

    @property
    def source(self) -> CertificateSource:
        """Where the certificate comes from."""
        ...

    @property
    def companions(self) -> Sequence[Companion]:
        """What has to run for it from the start to the end of the process."""
        ...

    def bundle(self) -> bytes | None:
        """Return every CA to trust, in PEM, None as long as that is not known."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class FilesCertificate:
    """Files that somebody else keeps, such as cert-manager."""

    def __init__(self, files: CertificateFiles, trust: TrustFileBundle) -> None:
        self.source: CertificateSource = files
        self.companions: Sequence[Companion] = ()
        self._trust = trust

    def bundle(self) -> bytes | None:
        """Return the CAs of the file, with those that have been in it lately."""
        return self._trust.bundle()

    async def close(self) -> None:
        """Do nothing."""


class OwnCertificate:
    """A CA and a certificate that Landwaiter makes, and shares with its other replicas."""

    def __init__(
        self,
        secret: ClusterSecret,
        view: WebhookView,
        recorder: EventRecorder,
        *,
        names: frozenset[str],
        times: RotationTimes,
        now: Callable[[], float],
    ) -> None:
        self._secret = secret
        self._recorder = recorder
        self._view = view
        settings = KeeperSettings(names, self._trusted, now=now, times=times)
        self.keeper = CertificateKeeper(secret, settings, self._note)
        self.source: CertificateSource = _Kept(self.keeper, secret)
        self.companions: Sequence[Companion] = (self.keeper.run,)
        secret.start()

    def bundle(self) -> bytes | None:
        """Return every CA that the Secret asks to trust."""
        return self.keeper.bundle

    async def close(self) -> None:
        """End the watch of the Secret."""
        await self._secret.close()

    def _trusted(self, authority: bytes) -> timedelta:
        """Return for how long every webhook object has had a CA."""
        found = [self._view.trusted_seconds(each) for each in fingerprints_in(authority)]
        return timedelta(seconds=min(found, default=0.0))

    def _note(self, step: Step, text: str) -> None:
        regarding = Regarding("v1", "Secret", self._secret.name, self._secret.namespace)
        is_warning = step is Step.REMADE
        self._recorder.record(Note(regarding, step.value, "KeepCertificate", text, is_warning))


class _Kept:
    """The keeper's certificate as a source."""

    def __init__(self, keeper: CertificateKeeper, secret: ClusterSecret) -> None:
        self._keeper = keeper
        self._secret = secret

    def problem(self) -> str | None:
        """Return why there is no certificate yet, None from the first one on."""
        return self._keeper.problem()

    async def ready(self) -> None:
        """Return once there is a certificate to read."""
        await self._keeper.ready()

    def read(self) -> CertificatePair:
        """Return the certificate of this moment. Raises `InvalidCertificate` before the first."""
        identity = self._keeper.identity
        if identity is None:
            raise InvalidCertificate(str(self._keeper.problem()))
        return CertificatePair(identity.chain, identity.key)

    def __str__(self) -> str:
        return str(self._secret)
