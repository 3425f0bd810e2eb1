"""A decision's certificate, verified from outside: by examples/python-certificate, which knows PyJWT and nothing of Quell."""

import json
import subprocess
import sys
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from deployment import TREE, send, wait_for

VERIFY = TREE / "examples/python-certificate/verify.py"
QUESTION = {"subject": {"type": "account_id", "id": "opted-out"}, "action": {"name": "infer"},
            "resource": {"type": "admt_system", "id": "hiring"}, "context": {"certificate": True}}


def check(deployment):
    quell = lambda *words: subprocess.run([deployment.quell, *words, "--config", deployment.dir / "gate.toml"],
                                          capture_output=True, text=True)
    if not quell("keys", "list").stdout:
        made = quell("keys", "generate")
        assert made.returncode == 0, made.stderr
    context = wait_for("a certificate", lambda: asked(deployment.gate_url, deployment.told))
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
    check_forgeries(deployment, certificate)

    status, headers, later = send(f"{deployment.gate_url}/v1/decisions/{context['decision_id']}/certificate")
    assert status == 200 and headers["x-quell-subject-key"] == key, (status, later)
    assert verified(deployment, later) | {"iat": 0} == claims | {"iat": 0}, "it says something else later"

    rotated = quell("keys", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    wait_for("the next key", lambda: len(json.loads(published(deployment))["keys"]) == 2)
    verified(deployment, certificate)
    next_key = use_next_key(deployment)

    def signed_by_next_key():
        now = asked(deployment.gate_url, deployment.told)
        return now["certificate"] if key_of(now["certificate"]) == next_key else None

    verified(deployment, wait_for("the next key to be used", signed_by_next_key))
    verified(deployment, certificate)
    check_plain_subject(deployment)


def asked(gate_url, told):
    """What a gate answers about who has opted out; None while no certificate comes with it."""
    _, _, body = send(f"{gate_url}/access/v1/evaluation", QUESTION)
    context = json.loads(body)["context"]
    told.add(context["decision_id"])
    return context if "certificate" in context else None


def key_of(certificate):
    return jwt.get_unverified_header(certificate)["kid"]


def check_forgeries(deployment, certificate):
    """Another decision, signed by a stranger, who says that it is by the deployment's key, or by one of their own."""
    claims = jwt.decode(certificate, options={"verify_signature": False}) | {"decision": True}
    header = jwt.get_unverified_header(certificate)
    foreign = Ed25519PrivateKey.generate()
    for key, why in [(header["kid"], "Signature verification failed"), ("foreign", "foreign")]:
        forged = jwt.encode(claims, foreign, algorithm="EdDSA", headers=header | {"kid": key})
        refused(deployment, forged, why)


def use_next_key(deployment):
    """Ends the wait for the key that is published and not used yet, as nobody should: in its file. Says which it is."""
    now = int(time.time() * 1000)
    keys = {path: json.loads(path.read_text()) for path in (deployment.dir / "gate/keys").glob("key-*.jwk")}
    [(path, key)] = [(path, key) for path, key in keys.items() if key["used_from"] > now]
    # Whoever reads the directory meanwhile must not meet half of it.
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(key | {"used_from": now}))
    whole.replace(path)
    return key["kid"]


def check_plain_subject(deployment):
    """By a policy that wants it, a certificate names whom it is about, and no key is needed to see that."""
    policy = deployment.policy.read_text() + '\n[certificates]\nsubject = "plain"\n'
    with deployment.another_gate("plain", policy) as gate_url:
        context = wait_for("a certificate", lambda: asked(gate_url, set()))
    assert "subject_key" not in context, context
    certificate = context["certificate"]
    claims = verified(deployment, certificate, "--subject", "account_id=opted-out")
    assert claims["sub"] == "account_id:opted-out", claims["sub"]
    refused(deployment, certificate, "is not about", "--subject", "account_id=somebody")


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
