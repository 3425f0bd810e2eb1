"""An inference service that asks before it infers.

    pip install -r requirements.txt
    uvicorn service:app
"""

import os
from typing import Optional

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from quell_gate import Denied, Gate, Unsure

app = FastAPI()
gate = Gate(os.environ.get("GATE_URL", "http://127.0.0.1:9465"), token=os.environ.get("GATE_TOKEN"))


class Applicant(BaseModel):
    account_id: str
    email: Optional[str] = None
    years_of_experience: float


def identifiers(applicant):
    """All that is known of one consumer: each of them may be the one that carries the opt-out."""
    yield "account_id", applicant.account_id
    if applicant.email is not None:
        yield "email", applicant.email


@gate.asks("hiring", of=identifiers, model={"name": "ranker", "version": "7"}, complies_with={"human_appeal"})
def rank(applicant, decision):
    # The model.
    score = min(1.0, applicant.years_of_experience / 10)
    appeal = "/appeals" if "human_appeal" in decision.obligations else None
    return {"score": score, "decision_id": decision.id, "appeal": appeal}


# Not `async def`: asking blocks, and FastAPI runs this on a thread of its own.
@app.post("/rank")
def rank_applicant(applicant: Applicant):
    return rank(applicant)


@app.exception_handler(Denied)
def denied(_request, refusal):
    decision = refusal.decision
    said = {"decision_id": decision.id, "reason": decision.reason, "instead": sorted(decision.obligations)}
    return JSONResponse(said, status_code=403)


@app.exception_handler(Unsure)
def unsure(_request, _error):
    return JSONResponse({"reason": "unsure"}, status_code=503, headers={"retry-after": "1"})
