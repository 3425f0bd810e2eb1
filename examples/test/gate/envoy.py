"""Envoy in front of a model server: what is refused never reaches it, and nothing does while the gate cannot be asked."""

import http.server
import json
import threading
from contextlib import contextmanager
from urllib.parse import quote

from deployment import TREE, Process, send, wait_for


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
def running(deployment, command, model_port):
    """examples/envoy/envoy.yaml as it is, but for the ports."""
    port = deployment.free_port()
    text = (TREE / "examples/envoy/envoy.yaml").read_text()
    gate_port = deployment.gate_url.rsplit(":", 1)[1]
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


def check(deployment, command):
    deployment.models |= {("ranker", "ext_authz"), ("lender", "ext_authz")}
    model = ModelServer()
    with running(deployment, command, model.server_address[1]) as url:
        check_answers(deployment, url, model)
        check_paths(url, model)
        check_without_a_gate(deployment, url, model)


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
    def status_about(account):
        return send(f"{url}/hiring/v1/predict", {}, [("x-quell-subject", f"account_id:{account}")])[0]

    def expect_nothing_goes_on(how):
        reached = len(model.reached)
        for account in ("somebody", "opted-out"):
            status = status_about(account)
            assert status == 503, f"the gate is {how}, and Envoy answers {status}"
        assert len(model.reached) == reached, f"the gate is {how}, and the model was reached"

    deployment.freeze_gate()
    try:
        expect_nothing_goes_on("stopped")
    finally:
        deployment.thaw_gate()
    wait_for("Envoy to ask again", lambda: status_about("somebody") == 200)
    deployment.kill_gate()
    try:
        expect_nothing_goes_on("dead")
    finally:
        deployment.start_gate()
    wait_for("Envoy to ask again", lambda: status_about("somebody") == 200)
    assert status_about("opted-out") == 403
