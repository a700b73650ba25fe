"""
Gives the system tests their real parts: built before the first test, started once a session.

Building may take many minutes on a bare machine, which no test's time limit should pay for, so it
happens after collection, and only when a test of this folder is to run.
"""

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from realparts.building import BuildError
from realparts.cache import CacheError
from realparts.certificates import Authority
from realparts.control_plane import API_SERVER as NEWEST
from realparts.control_plane import ControlPlane
from realparts.images import ImageMaker
from realparts.install import ensure
from realparts.landwaiter import Landwaiter
from realparts.processes import free_port
from realparts.registries import (
    OTHER,
    TESTER,
    CraneRegistry,
    DistributionRegistry,
    ReferrersRegistry,
)
from realparts.signing import Signer
from realparts.sigstore import PrivateSigstore
from realparts.toolchain import NoGoError
from system.installation import API_SERVER, Installation
from system.long_outage import LongOutage
from system.policies import policies_in_force
from system.workshop import Bench, Workshop

HERE = Path(__file__).parent
MINORS = {"1.25": "kube-apiserver-1-25", "1.30": "kube-apiserver-1-30", "newest": NEWEST}
LOG_FOLDERS = pytest.StashKey[list[Path]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder as `system`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.system)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or build every real part, with its progress on the terminal."""
    chosen = any(item.path.is_relative_to(HERE) for item in session.items)
    if not chosen or session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    try:
        if capture is None:
            ensure()
        else:
            with capture.global_and_fixture_disabled():
                ensure()
    except (BuildError, CacheError, NoGoError) as error:
        pytest.exit(f"the real parts of the system tests are not ready: {error}", returncode=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell where the logs of the real parts are when a test fails."""
    report = yield
    if report.failed and (folders := item.config.stash.get(LOG_FOLDERS, [])):
        report.sections.append(("logs of the real parts", "\n".join(map(str, folders))))
    return report


@pytest.fixture(scope="session")
def control_plane(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[ControlPlane]:
    """Give all tests one control plane; each works in namespaces of its own."""
    folder = _kept_folder("control-plane", tmp_path_factory, pytestconfig)
    with ControlPlane(folder, webhook_client_name=API_SERVER) as control_plane:
        yield control_plane


@pytest.fixture(scope="session")
def guarded_cluster(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[ControlPlane]:
    """
    Give a control plane to those tests whose webhook objects judge every namespace.

    Each of them leaves nothing behind that could refuse the others' Pods.
    """
    with ControlPlane(_kept_folder("guarded", tmp_path_factory, pytestconfig)) as control_plane:
        yield control_plane


@pytest.fixture(scope="session", params=list(MINORS.values()), ids=list(MINORS))
def minor(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[ControlPlane]:
    """
    Give the API server of each minor in turn: the oldest, one in between and the newest.

    Webhook objects judge every namespace there, as in `guarded_cluster`; whoever uses it leaves
    nothing behind. There are no controllers.
    """
    folder = _kept_folder("minor", tmp_path_factory, pytestconfig)
    with ControlPlane(folder, api_server=request.param, with_controllers=False) as control_plane:
        yield control_plane


@pytest.fixture(scope="session")
def long_outage(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[LongOutage]:
    """
    Give an install whose API server has gone away when this was first asked for.

    A test that needs none of it asks for it early, so that the one that does need not wait.
    """
    outage = LongOutage(_kept_folder("long-outage", tmp_path_factory, pytestconfig))
    try:
        outage.begin()
        yield outage
    finally:
        outage.end()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """Give a fresh namespace in which Pods can be created."""
    return control_plane.new_namespace()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give the authority behind the certificates of all registries that have one."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def plain_registry(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[CraneRegistry]:
    """Give a registry over plain http, open to everyone, without the referrers API."""
    folder = _kept_folder("plain-registry", tmp_path_factory, pytestconfig)
    with CraneRegistry(folder) as registry:
        yield registry


@pytest.fixture(scope="session")
def private_registry(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config, authority: Authority
) -> Iterator[DistributionRegistry]:
    """Give a registry over TLS that wants a password, without the referrers API."""
    folder = _kept_folder("private-registry", tmp_path_factory, pytestconfig)
    with DistributionRegistry(folder, authority=authority, logins=(TESTER, OTHER)) as registry:
        yield registry


@pytest.fixture(scope="session")
def referrers_registry(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config, authority: Authority
) -> Iterator[ReferrersRegistry]:
    """Give a registry over TLS, open to everyone, with the referrers API."""
    folder = _kept_folder("referrers-registry", tmp_path_factory, pytestconfig)
    with ReferrersRegistry(folder, authority=authority) as registry:
        yield registry


@pytest.fixture(scope="session")
def sigstore(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[PrivateSigstore]:
    """Give a Sigstore that vouches for every e-mail address."""
    folder = _kept_folder("sigstore", tmp_path_factory, pytestconfig)
    with PrivateSigstore(folder) as sigstore:
        yield sigstore


@pytest.fixture
def private_images(private_registry: DistributionRegistry, tmp_path: Path) -> ImageMaker:
    """Give what pushes to the private registry."""
    return ImageMaker(tmp_path / "images", private_registry)


@pytest.fixture
def private_signer(private_registry: DistributionRegistry, tmp_path: Path) -> Signer:
    """Give what signs in the private registry."""
    return Signer(tmp_path / "signer", private_registry)


@pytest.fixture
def referrers_images(referrers_registry: ReferrersRegistry, tmp_path: Path) -> ImageMaker:
    """Give what pushes to the registry with referrers."""
    return ImageMaker(tmp_path / "images", referrers_registry)


@pytest.fixture
def referrers_signer(referrers_registry: ReferrersRegistry, tmp_path: Path) -> Signer:
    """Give what signs in the registry with referrers."""
    return Signer(tmp_path / "signer", referrers_registry)


@pytest.fixture(scope="session")
def workshop(
    tmp_path_factory: pytest.TempPathFactory,
    referrers_registry: ReferrersRegistry,
    plain_registry: CraneRegistry,
    private_registry: DistributionRegistry,
) -> Workshop:
    """Give what makes and signs images, shared by all tests."""
    folder = tmp_path_factory.mktemp("workshop")
    referrers = Bench.at(referrers_registry, folder / "referrers")
    return Workshop(
        referrers=referrers,
        plain=Bench.at(plain_registry, folder / "plain"),
        private=Bench.at(private_registry, folder / "private"),
        absent=f"127.0.0.1:{free_port()}",
        ci=referrers.signer.generate_key_pair("ci"),
        stranger=referrers.signer.generate_key_pair("stranger"),
    )


@pytest.fixture(scope="session")
def installation(
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
    control_plane: ControlPlane,
    workshop: Workshop,
    sigstore: PrivateSigstore,
) -> Iterator[Installation]:
    """Give the Landwaiter that most tests share; it knows the API server by its certificate."""
    landwaiter = Landwaiter(
        _kept_folder("landwaiter", tmp_path_factory, pytestconfig),
        policies=policies_in_force(workshop, sigstore),
        registries=workshop.registries(),
        cluster=control_plane,
        arguments=[
            f"--client-ca={control_plane.files.webhook_client_ca}",
            f"--client-name={API_SERVER}",
            "--events",
        ],
    )
    landwaiter.prepare()
    shutil.copy(workshop.ci.public, landwaiter.folder / "policies" / "ci.pub")
    with landwaiter:
        installation = Installation(control_plane, landwaiter)
        installation.register()
        yield installation


def _kept_folder(
    name: str, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Path:
    """Return a folder that is named in the report of every test that fails."""
    folder = tmp_path_factory.mktemp(name)
    pytestconfig.stash.setdefault(LOG_FOLDERS, []).append(folder)
    return folder
