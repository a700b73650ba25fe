"""Builds what evaluates the conditions of policies: a process for admins, one for all others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from landwaiter.cel.evaluation import Evaluator
from landwaiter.policy.conditions import MatchConditions


@asynccontextmanager
async def match_conditions() -> AsyncIterator[MatchConditions]:
    """
    Give what evaluates conditions, for the body of the context; no process is left behind it.

    None is started before there is a condition to evaluate.
    """
    async with Evaluator() as cluster, Evaluator() as namespaces:
        yield MatchConditions(cluster, namespaces)
