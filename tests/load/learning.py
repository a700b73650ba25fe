"""Learns the answers that a load is checked by, from a process that nothing disturbs."""

import http.client
import json
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from load.generations import Asked, Question, as_pattern, filled
from system.objects import findings_of

A_NUMBER = 73_519_264
"""Eight digits that stand nowhere else in an answer."""
ANSWER_SECONDS = 30.0

Ask = Callable[[Question, int], str]
"""Asks one question, with a number for its unique parts."""


def post(port: int, tls: ssl.SSLContext, question: Question, number: int) -> str:
    """Return the answer of a process to a review, as text."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=ANSWER_SECONDS, context=tls)
    try:
        body = filled(question.body, number)
        connection.request("POST", question.path, body, {"Content-Type": "application/json"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def learn(questions: Sequence[Question], ask: Ask, generation: int) -> list[str]:
    """Return the answer to each question, as a pattern, by the set that is in force."""
    return [as_pattern(ask(each, A_NUMBER), A_NUMBER, generation) for each in questions]


def paired(questions: Sequence[Question], even: Sequence[str], odd: Sequence[str]) -> list[Asked]:
    """Return the questions with what has been learned of them."""
    return [Asked(*each) for each in zip(questions, zip(even, odd, strict=True), strict=True)]


def meaning_of(answer: str) -> tuple[bool, list[tuple[str, str]], int]:
    """Return whether an answer allows, the findings that it tells, and how many warnings."""
    found: dict[str, Any] = json.loads(answer)
    if "response" not in found:  # The API server's words.
        is_created = found["status"] == 201
        return is_created, findings_of("" if is_created else found["message"]), 0
    response = found["response"]
    text = response.get("status", {}).get("message", "")
    return response["allowed"], findings_of(text), len(response.get("warnings", ()))
