"""The Python client: whatever an answer is, other than a permit whose obligations can be met, is a no."""

import http.server
import json
import sys
import threading

from deployment import INFERENCE

sys.path.append(str(INFERENCE))
from quell_gate import Denied, Gate, Unsure  # noqa: E402 the path is set first


def answer(decision, **context):
    return {"decision": decision, "context": {"reason": "r", "decision_id": "d", **context}}


def owes(action):
    return [{"id": "d", "type": "custom", "properties": {"action": action}}]


def several(*answers):
    return 200, json.dumps({"evaluations": list(answers)})


PERMIT = answer(True)

# What the gate says of two identifiers, and what becomes of a call that is able to offer an appeal.
SAID = [
    (several(PERMIT, PERMIT), "inferred"),
    (several(PERMIT, answer(True, obligations=owes("human_appeal"))), "inferred"),
    (several(PERMIT, answer(False)), Denied),
    (several(answer(False)), Denied),
    (several(answer(False, obligations=owes("human_review"))), Denied),
    (several(PERMIT, answer(True, obligations=owes("something_new"))), Denied),
    (several(answer(True, obligations=owes("something_new")), PERMIT), Denied),
    (several(PERMIT, answer(True, obligations=[{"id": "d", "type": "step-up"}])), Denied),
    (several(PERMIT, answer(True, obligations=owes("human_appeal") + owes("something_new"))), Denied),
    (several(PERMIT, answer("true")), Denied),
    (several(PERMIT, answer(1)), Denied),
    (several(PERMIT, answer(False, error={"status": 503, "message": "m"})), Unsure),
    (several({"decision": False, "context": {"error": {"status": 400, "message": "m"}}}), Unsure),
    (several(PERMIT), Unsure),
    (several(), Unsure),
    ((200, "{}"), Exception),
    ((200, "<html>"), Exception),
    ((204, ""), Unsure),
    ((302, ""), Unsure),
    ((401, "m"), Unsure),
    ((503, several(PERMIT, PERMIT)[1]), Unsure),
]


class CannedGate(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        status, body = self.server.said
        self.send_response(status)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def check(_deployment):
    server = http.server.HTTPServer(("127.0.0.1", 0), CannedGate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gate = Gate(f"http://127.0.0.1:{server.server_address[1]}")

    @gate.asks("hiring", of=lambda *accounts: [("account_id", one) for one in accounts], complies_with={"human_appeal"})
    def infer(*_accounts, decision):
        return "inferred"

    for said, wanted in SAID:
        server.said = said
        try:
            found = infer("a", "b")
        except Exception as error:  # noqa: BLE001 whatever it is, nothing was inferred
            assert wanted != "inferred" and isinstance(error, wanted), f"{said}: {error!r}, not {wanted}"
        else:
            assert found == wanted, f"{said}: {found}, not {wanted}"

    # Nobody is nobody who could be clear.
    server.said = several()
    try:
        infer()
        raise AssertionError("somebody without an identifier was inferred about")
    except Unsure:
        pass
    server.shutdown()
