"""Gives the tests of the chart a cluster in which Pods of Landwaiter run, and Helm for it."""

from collections.abc import Iterator

import pytest

from realparts.helm import Helm
from realparts.node import ClusterWithNode
from system.chart.release import DENIED, STANDING, Release, install_third_parties
from system.conftest import LOG_FOLDERS


@pytest.fixture(scope="session")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[ClusterWithNode]:
    """Give a cluster with a node, shared by all tests of the chart."""
    folder = tmp_path_factory.mktemp("chart")
    pytestconfig.stash.setdefault(LOG_FOLDERS, []).append(folder)
    with ClusterWithNode(folder) as cluster:
        install_third_parties(cluster.control_plane)
        yield cluster


@pytest.fixture(scope="session")
def helm(cluster: ClusterWithNode) -> Helm:
    """Give the Helm of an admin."""
    return Helm(cluster.folder, cluster.control_plane.environment)


@pytest.fixture(scope="session", autouse=True)
def standing(cluster: ClusterWithNode, helm: Helm) -> Iterator[Release]:
    """Give a release that stands beside all tests, with a policy that denies."""
    standing = Release(cluster, helm, STANDING)
    standing.install(DENIED)
    yield standing
    standing.remove()


@pytest.fixture
def release(cluster: ClusterWithNode, helm: Helm) -> Iterator[Release]:
    """Give a release that is yet to be installed, in a namespace of its own."""
    release = Release(cluster, helm)
    yield release
    release.remove()
