"""The Python service: who is refused is not scored, and nobody is while the gate cannot be asked."""

import json
import sys

from deployment import INFERENCE, Process, send, wait_for


def check(deployment):
    port = deployment.free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", INFERENCE, "--port", str(port), "service:app"]
    with Process(command, deployment.dir / "service.log", {"GATE_URL": deployment.gate_url}) as process:
        wait_for("the service", lambda: process.must_run() or send(f"http://127.0.0.1:{port}/openapi.json"))

        def rank(account_id, email=None):
            applicant = {"account_id": account_id, "email": email, "years_of_experience": 4}
            status, _, body = send(f"http://127.0.0.1:{port}/rank", applicant)
            body = json.loads(body)
            if "decision_id" in body:
                deployment.told.add(body.pop("decision_id"))
            return status, body

        scored = (200, {"score": 0.4, "appeal": None})
        refused = (403, {"reason": "suppressed", "instead": ["human_review"]})
        unsure = (503, {"reason": "unsure"})

        def expect(wanted, *applicant):
            found = rank(*applicant)
            assert found == wanted, f"{applicant}: {found}, not {wanted}"

        deployment.models.add(("ranker", "authzen"))
        expect(scored, "somebody")
        expect(refused, "opted-out")
        expect(scored, "somebody", "somebody@example.com")
        # The account says nothing, the address does.
        expect(refused, "somebody-else", "late.link@example.com")
        deployment.freeze_gate()
        try:
            expect(unsure, "somebody")
        finally:
            deployment.thaw_gate()
        expect(scored, "somebody")
        deployment.kill_gate()
        expect(unsure, "somebody")
        deployment.start_gate()
        expect(scored, "somebody")
        expect(refused, "opted-out")
