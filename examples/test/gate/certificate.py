"""A decision's certificate, verified from outside: by examples/python-certificate, which knows PyJWT and nothing of Quell."""

import json
import subprocess
import sys

from deployment import TREE, send, wait_for

VERIFY = TREE / "examples/python-certificate/verify.py"


def check(deployment):
    quell = lambda *words: subprocess.run([deployment.quell, *words, "--config", deployment.dir / "gate.toml"],
                                          capture_output=True, text=True)
    if not quell("keys", "list").stdout:
        made = quell("keys", "generate")
        assert made.returncode == 0, made.stderr
    question = {"subject": {"type": "account_id", "id": "opted-out"}, "action": {"name": "infer"},
                "resource": {"type": "admt_system", "id": "hiring"}, "context": {"certificate": True}}

    def asked():
        _, _, body = send(f"{deployment.gate_url}/access/v1/evaluation", question)
        context = json.loads(body)["context"]
        deployment.told.add(context["decision_id"])
        return context if "certificate" in context else None

    context = wait_for("a certificate", asked)
    certificate, key = context["certificate"], context["subject_key"]
    claims = verified(deployment, certificate)
    for name in ["decision_id", "reason", "right", "choice_id", "since", "policy_version"]:
        assert claims[name] == context[name], f"{name}: {claims[name]}, not {context[name]}"
    assert claims["decision"] is False and "opted-out" not in json.dumps(claims)

    assert verified(deployment, certificate, "--subject", "account_id=opted-out", "--subject-key", key)
    refused(deployment, certificate, "is not about", "--subject", "account_id=somebody", "--subject-key", key)
    header, payload, signature = certificate.split(".")
    for altered in [
        ".".join([header, swapped(payload), signature]),
        ".".join([header, payload, swapped(signature)]),
        f"{header}.{payload}.",
    ]:
        refused(deployment, altered, "proves nothing")

    status, headers, later = send(f"{deployment.gate_url}/v1/decisions/{context['decision_id']}/certificate")
    assert status == 200 and headers["x-quell-subject-key"] == key, (status, later)
    assert verified(deployment, later) | {"iat": 0} == claims | {"iat": 0}, "it says something else later"

    rotated = quell("keys", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    wait_for("the next key", lambda: len(json.loads(published(deployment))["keys"]) == 2)
    verified(deployment, certificate)


def published(deployment):
    return send(f"{deployment.gate_url}/.well-known/jwks.json")[2]


def swapped(part):
    """The same with two different letters in each other's place."""
    at = next(at for at in range(8, len(part)) if part[at] != part[at - 1])
    return part[: at - 1] + part[at] + part[at - 1] + part[at + 1 :]


def verify(deployment, certificate, *words):
    (deployment.dir / "decision.jwt").write_text(certificate)
    (deployment.dir / "jwks.json").write_text(published(deployment))
    command = [sys.executable, VERIFY, deployment.dir / "decision.jwt", deployment.dir / "jwks.json", *words]
    return subprocess.run(command, capture_output=True, text=True)


def verified(deployment, certificate, *words):
    done = verify(deployment, certificate, *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(deployment, certificate, why, *words):
    done = verify(deployment, certificate, *words)
    assert done.returncode == 1 and why in done.stderr, (done.returncode, done.stdout, done.stderr)
