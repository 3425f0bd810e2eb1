"""Asks Quell's gate before an inference is made. Copy this file; it needs urllib3.

    gate = Gate("http://127.0.0.1:9465")

    @gate.asks("hiring", of=lambda applicant: [("account_id", applicant.account_id)])
    def rank(applicant, decision):
        ...

`rank(applicant)` now runs if the gate permits it, and raises `Denied` or `Unsure` otherwise. Whatever is not a permit is
none: an error, a gate that is away, an obligation that the caller does not know. Quell's docs/gate.md explains the
answers.
"""

import functools
from dataclasses import dataclass, field

import urllib3


@dataclass(frozen=True)
class Decision:
    """One answer. `context` has all that the gate said with it."""

    permit: bool
    context: dict = field(repr=False)

    @property
    def id(self):
        return self.context["decision_id"]

    @property
    def reason(self):
        return self.context["reason"]

    @property
    def obligations(self):
        """What is owed beside, of a permit; instead, of a deny: human_appeal, human_review, rules_only."""
        owed = self.context.get("obligations", [])
        return {one.get("properties", {}).get("action", one["type"]) for one in owed}


class Denied(Exception):
    """The inference must not be made. `decision.obligations` says what to do instead."""

    def __init__(self, decision):
        super().__init__(f"{decision.reason}, decision {decision.id}")
        self.decision = decision


class Unsure(Exception):
    """There is no decision: ask again later, and make no inference until then."""


class Gate:
    def __init__(self, url, token=None, timeout_seconds=1.0):
        self.url = f"{url.rstrip('/')}/access/v1/evaluations"
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.http = urllib3.PoolManager(maxsize=16, retries=False, timeout=timeout_seconds)

    def ask(self, system, questions, action="infer", context=None, semantic="execute_all"):
        """The answers to several questions, in their order: a Decision each, or Unsure where one has none.

        A question is a dictionary with a `subject`; what it does not say is as the other arguments have it.
        """
        body = {
            "action": {"name": action},
            "resource": {"type": "admt_system", "id": system},
            "context": context or {},
            "options": {"evaluations_semantic": semantic},
            "evaluations": questions,
        }
        try:
            response = self.http.request("POST", self.url, json=body, headers=self.headers)
        except urllib3.exceptions.HTTPError as error:
            raise Unsure(f"the gate does not answer: {type(error).__name__}") from error
        if response.status != 200:
            raise Unsure(f"the gate answered {response.status}: {response.data.decode(errors='replace')}")
        answers = [decision_or_unsure(answer) for answer in response.json()["evaluations"]]
        if semantic == "execute_all" and len(answers) != len(questions):
            raise Unsure("the gate did not answer every question")
        return answers

    def decide(self, system, identifiers, action="infer", context=None):
        """Whether something may be done about one consumer, who is known by these identifiers: all of them count."""
        questions = [{"subject": subject(*identifier)} for identifier in identifiers]
        answers = self.ask(system, questions, action, context, "deny_on_first_deny")
        for answer in answers:
            if isinstance(answer, Unsure):
                raise answer
            if not answer.permit:
                return answer
        if not answers or len(answers) < len(questions):
            raise Unsure("the gate did not answer about every identifier")
        # Of several permits, one that owes something.
        return max(answers, key=lambda answer: len(answer.obligations))

    def asks(self, system, of, action="infer", model=None, complies_with=()):
        """A decorator: the function runs if the gate permits it, and is given the decision as `decision`.

        `of` makes the consumer's identifiers, as (type, value) pairs, of the function's arguments. A permit with an
        obligation is none unless `complies_with` has it: then the function sees to it.
        """
        context = {"model": model} if model else None

        def decorate(function):
            @functools.wraps(function)
            def asked(*args, **kwargs):
                decision = self.decide(system, of(*args, **kwargs), action, context)
                if not decision.permit or not decision.obligations <= set(complies_with):
                    raise Denied(decision)
                return function(*args, decision=decision, **kwargs)

            return asked

        return decorate


def subject(identifier_type, value):
    return {"type": identifier_type, "id": value}


def decision_or_unsure(answer):
    error = answer["context"].get("error")
    if error is not None:
        return Unsure(f"the gate answered {error['status']}: {error['message']}")
    return Decision(answer["decision"] is True, answer["context"])
