"""Envoy in front of a model server: what is refused never reaches it, and nothing does while the gate cannot be asked."""

import http.server
import json
import re
import threading
from contextlib import contextmanager
from urllib.parse import quote

from deployment import TREE, Process, send, wait_for

TOKEN = "the-gates-own"
# Longer than the engine takes to say again how far it has come; no longer, for it is waited for.
STRICT = 'max_staleness = "3s"\non_stale = "error"'


class ModelServer(http.server.ThreadingHTTPServer):
    """Stands in for a model server: remembers the headers of each request that reaches it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Inference)
        self.reached = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Inference(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.reached.append((self.path, self.headers))
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@contextmanager
def running(deployment, command, model_port, gate_url, token=None):
    """examples/envoy/envoy.yaml as it is, but for the ports, and with a token what its comment says."""
    port = deployment.free_port()
    text = (TREE / "examples/envoy/envoy.yaml").read_text()
    if token is not None:
        text = with_token(text, token)
    gate_port = gate_url.rsplit(":", 1)[1]
    for theirs, ours in [(10000, port), (8000, model_port), (9465, gate_port)]:
        assert text.count(f"port_value: {theirs} ") == 1, f"port {theirs} is not in envoy.yaml once"
        text = text.replace(f"port_value: {theirs} ", f"port_value: {ours} ")
    config = deployment.dir / "envoy.yaml"
    config.write_text(text)
    words = [command, "--config-path", config, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
    with Process(words, deployment.dir / "envoy.log") as process:
        url = f"http://127.0.0.1:{port}"
        # A path without a route: nobody is asked about, and no model reached.
        wait_for("Envoy", lambda: process.must_run() or send(f"{url}/"))
        yield url


def with_token(text, token):
    """With the line that is a comment there: where it stands, and for the route that has headers of its own."""
    line = re.search(r'# (- { key: x-quell-token, value: ")…(" })$', text, re.M)
    assert line, "envoy.yaml does not say how a token is shown"
    add = lambda place: f"{place[0]}{place[1]}  {line[1]}{token}{line[2]}\n"
    text, places = re.subn(r"^( *)headers_to_add:\n", add, text, flags=re.M)
    assert places == 2, f"envoy.yaml has {places} lists of headers"
    return text


def check(deployment, command):
    deployment.models |= {("ranker", "ext_authz"), ("lender", "ext_authz")}
    model = ModelServer()
    with running(deployment, command, model.server_address[1], deployment.gate_url) as url:
        check_answers(deployment, url, model)
        check_paths(url, model)
        check_without_a_gate(deployment, url, model)
    theirs, policy = 'max_staleness = "10s"', deployment.policy.read_text()
    assert policy.count(theirs) == 1, f"the policy does not say {theirs} once"
    policy = policy.replace(theirs, STRICT)
    with deployment.another_gate("strict", policy, {"QUELL_GATE_HTTP__TOKEN": TOKEN}) as gate_url:
        with running(deployment, command, model.server_address[1], gate_url, "another") as url:
            check_with_a_wrong_token(url, model)
        with running(deployment, command, model.server_address[1], gate_url, TOKEN) as url:
            check_with_the_token(url, model)
            check_unsure(deployment, gate_url, url, model)


def status_about(url, account, system="hiring", headers=()):
    return send(f"{url}/{system}/v1/predict", {}, [("x-quell-subject", f"account_id:{account}"), *headers])[0]


def check_answers(deployment, url, model):
    def ask(subjects, path="/hiring/v1/predict", headers=()):
        reached = len(model.reached)
        about = [("x-quell-subject", subject) for subject in subjects]
        status, told, body = send(url + path, {"input": 1}, [*about, *headers])
        if told["x-quell-decision-id"]:
            deployment.told.add(told["x-quell-decision-id"])
        return status, told, body, model.reached[reached:]

    # Forged headers of the gate's do not come through, and one that a permit does not have is not left over.
    forged = [(f"x-quell-{name}", "forged") for name in ("decision", "decision-id", "reason", "obligation", "review-id")]
    status, _, body, [(path, headers)] = ask(["account_id:somebody"], headers=forged)
    assert (status, body, path) == (200, "{}", "/hiring/v1/predict"), (status, body, path)
    told = {name: value for name, value in headers.items() if name.startswith("x-quell-")}
    deployment.told.add(told.pop("x-quell-decision-id"))
    about = {"x-quell-subject": "account_id:somebody"}
    assert told == about | {"x-quell-decision": "permit", "x-quell-reason": "clear"}, told

    status, told, body, reached = ask(["account_id:opted-out"])
    assert (status, reached) == (403, []), (status, reached)
    context = json.loads(body)["context"]
    assert (context["reason"], context["obligations"][0]["properties"]["action"]) == ("suppressed", "human_review"), body
    assert told["content-type"] == "application/json", told["content-type"]
    assert told["x-quell-obligation"] == "human_review" and told["x-quell-decision-id"] == context["decision_id"]

    late = quote("late.link@example.com")
    for subjects, path, wanted in [
        ([f"email:{late}"], "/hiring/v1/predict", 403),
        (["account_id:somebody", f"email:{late}"], "/hiring/v1/predict", 403),
        ([f"account_id:somebody, email:{late}"], "/hiring/v1/predict", 403),
        (["account_id:somebody", "account_id:somebody-else"], "/hiring/v1/predict", 200),
        ([], "/hiring/v1/predict", 403),
        (["shoe_size:43"], "/hiring/v1/predict", 403),
        (["account_id:somebody"], "/credit/v1/predict", 200),
        (["account_id:opted-out"], "/credit/v1/predict", 403),
    ]:
        status, _, body, reached = ask(subjects, path)
        assert (status, len(reached)) == (wanted, int(wanted == 200)), f"{path} about {subjects}: {status} {body}"


def check_paths(url, model):
    """However a path is written, it is a question about the system that it leads to, or about none."""
    about = [("x-quell-subject", "account_id:out-of-credit")]
    assert send(f"{url}/hiring/x", {}, about)[0] == 200
    for path in ("/credit", "/credit/x", "/hiring/../credit/x", "/hiring/%2e%2e/credit/x", "/hiring/..%2fcredit/x",
                 "//credit/x", "/", "/elsewhere"):
        reached = len(model.reached)
        status, _, _ = send(url + path, {}, about)
        assert status in (400, 403, 404) and len(model.reached) == reached, f"{path}: {status}"


def check_without_a_gate(deployment, url, model):
    def expect_nothing_goes_on(how):
        reached = len(model.reached)
        for account in ("somebody", "opted-out"):
            status = status_about(url, account)
            assert status == 503, f"the gate is {how}, and Envoy answers {status}"
        assert len(model.reached) == reached, f"the gate is {how}, and the model was reached"

    deployment.freeze_gate()
    try:
        expect_nothing_goes_on("stopped")
    finally:
        deployment.thaw_gate()
    wait_for("Envoy to ask again", lambda: status_about(url, "somebody") == 200)
    deployment.kill_gate()
    try:
        expect_nothing_goes_on("dead")
    finally:
        deployment.start_gate()
    wait_for("Envoy to ask again", lambda: status_about(url, "somebody") == 200)
    assert status_about(url, "opted-out") == 403


def check_with_a_wrong_token(url, model):
    """Nothing goes on, not even for a client that shows the right one: Envoy takes none from clients."""
    reached = len(model.reached)
    for system in ("hiring", "credit"):
        for headers in [(), [("x-quell-token", TOKEN)]]:
            status = status_about(url, "somebody", system, headers)
            assert status == 401, f"{system}, with {headers} beside a wrong token: {status}"
    assert len(model.reached) == reached, "the model was reached with a wrong token"


def check_with_the_token(url, model):
    for system in ("hiring", "credit"):
        wait_for(f"{system} to go on", lambda: status_about(url, "somebody", system) == 200)
        told = model.reached[-1][1]
        assert told["x-quell-decision"] == "permit" and told["x-quell-token"] is None, told
    assert status_about(url, "opted-out") == 403


def check_unsure(deployment, gate_url, url, model):
    """While the engine says nothing, `on_stale = "error"` is 503; who is known to have opted out is refused as ever."""
    shown = [("x-quell-token", TOKEN), ("x-quell-subject", "account_id:somebody")]
    is_stale = lambda: send(f"{gate_url}/ext_authz/hiring/", headers=shown)[1]["x-quell-reason"] == "stale"
    deployment.freeze_engine()
    try:
        wait_for("the gate to be stale", is_stale)
        reached = len(model.reached)
        for account, wanted in [("somebody", 503), ("opted-out", 403)]:
            status = status_about(url, account)
            assert status == wanted, f"the gate is stale, and Envoy answers {status} about {account}"
        assert len(model.reached) == reached, "the gate is stale, and the model was reached"
        # The other system may be a minute behind.
        assert status_about(url, "somebody", "credit") == 200
    finally:
        deployment.thaw_engine()
    wait_for("the engine to say something", lambda: status_about(url, "somebody") == 200)
