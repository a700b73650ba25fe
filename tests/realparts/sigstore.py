"""
A private keyless Sigstore on loopback: an issuer, Fulcio, Rekor 2 and a timestamp authority.

What it signs is verified with `trusted_root` alone. Fulcio, Rekor and the timestamp authority are
the real ones; the issuer and the log of certificates are small ones of the tests.
"""

import json
import os
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from realparts.certificates import write_log_keys
from realparts.ct_log import CertificateLog
from realparts.install import ensure
from realparts.oidc_issuer import AUDIENCE, OIDCIssuer
from realparts.processes import ChildProcess, free_port, http_status, retried_on_port_clash, run

PARTS = ("fulcio", "rekor", "tsa", "cosign3")
READY_SECONDS = 60.0
COMMAND_SECONDS = 60.0
OK = 200
ORIGIN = "127.0.0.1"
"""The name in the log's checkpoints: Rekor's and the trusted root's must agree."""


class PrivateSigstore:
    """
    A Sigstore in a folder, from `with` or `start` to `stop`.

    `issuer.token(email)` is what a person or a pipeline signs with, `signing_config` and
    `trusted_root` are cosign's flags of these names. What has no such flag is told by addresses.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.issuer = OIDCIssuer()
        self._certificate_log = CertificateLog(folder)
        self.signing_config = folder / "signing-config.json"
        self.trusted_root = folder / "trusted-root.json"
        self.fulcio_url = self.timestamp_url = ""
        self.fulcio_chain = folder / "fulcio.pem"
        self._children: list[ChildProcess] = []
        self._programs = ensure(PARTS)
        self._log_public_key = folder / "rekor.pub"

    def start(self) -> None:
        """Bring everything up and write what cosign needs to know of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.issuer.start()
        self._certificate_log.start()
        try:
            rekor = retried_on_port_clash(self._launch_rekor)
            fulcio = retried_on_port_clash(self._launch_fulcio)
            tsa = retried_on_port_clash(self._launch_tsa)
            self._describe(rekor=rekor, fulcio=fulcio, tsa=tsa)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process, the issuer and the log of certificates."""
        for child in self._children:
            child.kill()
        self.issuer.stop()
        self._certificate_log.stop()

    def _launch_rekor(self) -> str:
        private, self._log_public_key = write_log_keys(self.folder, "rekor")
        url = f"http://127.0.0.1:{(port := free_port())}"
        command = [
            "serve",
            "--http-address=127.0.0.1",
            f"--http-port={port}",
            f"--http-metrics-port={free_port()}",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={free_port()}",
            f"--hostname={ORIGIN}",
            f"--signer-filepath={private}",
            f"--storage-dir={self.folder / 'rekor'}",
            # A signature waits for the next checkpoint.
            "--checkpoint-interval=200ms",
            "--batch-max-age=50ms",
        ]
        self._launch("rekor", command, ready=f"{url}/healthz")
        return url

    def _launch_fulcio(self) -> str:
        # In JSON the settings have other names than in YAML.
        issuer = {"IssuerURL": self.issuer.url, "ClientID": AUDIENCE, "Type": "email"}
        configuration = self.folder / "fulcio.json"
        configuration.write_text(
            json.dumps({"OIDCIssuers": {self.issuer.url: issuer}}), encoding="utf-8"
        )
        url = f"http://127.0.0.1:{(port := free_port())}"
        command = [
            "serve",
            "--host=127.0.0.1",
            f"--port={port}",
            "--grpc-host=127.0.0.1",
            f"--grpc-port={free_port()}",
            f"--metrics-port={free_port()}",
            f"--legacy-unix-domain-socket=@landwaiter-test-fulcio-{port}",
            "--ca=ephemeralca",
            f"--ct-log-url={self._certificate_log.url}",
            f"--ct-log-public-key-path={self._certificate_log.public_key}",
            f"--config-path={configuration}",
        ]
        self._launch("fulcio", command, ready=f"{url}/api/v2/trustBundle")
        return url

    def _launch_tsa(self) -> str:
        address = f"127.0.0.1:{free_port()}"
        self._launch("tsa", [f"--address={address}"], ready=f"http://{address}/ping")
        return f"http://{address}"

    def _launch(self, part: str, arguments: list[str], *, ready: str) -> None:
        child = ChildProcess(
            part,
            [self._programs[part], *arguments],
            log=self.folder / f"{part}.log",
            environment={"HOME": str(self.folder), "PATH": os.defpath},
            directory=self.folder,
        )
        self._children.append(child)
        child.wait_until_ready(lambda: http_status(ready) == OK, within_seconds=READY_SECONDS)

    def _describe(self, *, rekor: str, fulcio: str, tsa: str) -> None:
        bundle = json.loads(_fetched(f"{fulcio}/api/v2/trustBundle"))
        self.fulcio_chain.write_text("".join(bundle["chains"][0]["certificates"]), encoding="utf-8")
        tsa_chain = self.folder / "tsa.pem"
        tsa_chain.write_bytes(_fetched(f"{tsa}/api/v1/timestamp/certchain"))
        stamps = f"{tsa}/api/v1/timestamp"
        self.fulcio_url, self.timestamp_url = fulcio, stamps
        since = f"start-time={datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        self._cosign(
            "trusted-root",
            "create",
            f"--out={self.trusted_root}",
            f"--fulcio=url={fulcio},certificate-chain={self.fulcio_chain},{since}",
            f"--rekor=url={rekor},public-key={self._log_public_key},{since},origin={ORIGIN}",
            f"--ctfe=url={self._certificate_log.url},"
            f"public-key={self._certificate_log.public_key},{since}",
            f"--tsa=url={stamps},certificate-chain={tsa_chain},{since}",
        )
        version = f"{since},operator=landwaiter.test"
        self._cosign(
            "signing-config",
            "create",
            f"--out={self.signing_config}",
            f"--fulcio=url={fulcio},api-version=1,{version}",
            f"--rekor=url={rekor},api-version=2,{version}",
            "--rekor-config=ANY",
            f"--oidc-provider=url={self.issuer.url},api-version=1,{version}",
            f"--tsa=url={stamps},api-version=1,{version}",
            "--tsa-config=ANY",
        )

    def _cosign(self, *arguments: str) -> None:
        run(
            [self._programs["cosign3"], *arguments],
            environment={"HOME": str(self.folder), "TUF_ROOT": str(self.folder / "tuf")},
            timeout_seconds=COMMAND_SECONDS,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _fetched(url: str) -> bytes:
    """Return what an address on loopback serves, whatever proxies are set."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as response:
        content: bytes = response.read()
    return content
