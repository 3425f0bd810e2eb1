#!/usr/bin/env python3
"""Scores a file of applicants, and nobody who opted out of it.

    pip install -r requirements.txt
    python batch.py --input applicants.csv --scores scores.csv --refused refused.csv

The input has the columns account_id and years_of_experience. The gate is asked about a thousand applicants at a time, just
before they are scored: an opt-out that comes while the job runs still counts. Whoever is refused, with the reason and
what to do instead, stands in the other file. Where the gate is unsure the job waits, and gives up after --patience:
then it ends with 1, and both files have what was decided.
"""

import argparse
import csv
import hashlib
import itertools
import json
import os
import sys
import time

from quell_gate import Gate, Unsure, subject

PIECE = 1000
MODEL = {"name": "ranker", "version": "7"}


def score(row):
    # The model.
    return min(1.0, float(row["years_of_experience"]) / 10)


def question(row):
    # What the model sees, so that the decision can be found for it later.
    seen = json.dumps(row, sort_keys=True).encode()
    context = {"model": MODEL, "input_sha256": hashlib.sha256(seen).hexdigest()}
    return {"subject": subject("account_id", row["account_id"]), "context": context}


def decisions(gate, system, rows, patience_seconds):
    """A decision for each row; asks again until there is one for all, or the patience is at its end."""
    give_up_at = time.monotonic() + patience_seconds
    while True:
        try:
            answers = gate.ask(system, [question(row) for row in rows])
            for answer in answers:
                if isinstance(answer, Unsure):
                    raise answer
            return answers
        except Unsure as error:
            if time.monotonic() > give_up_at:
                sys.exit(f"{error}; run this again for who is in neither file")
            time.sleep(1)


def run(arguments):
    gate = Gate(arguments.gate, token=os.environ.get("GATE_TOKEN"), timeout_seconds=10)
    with open(arguments.input, newline="") as applicants, open(arguments.scores, "w", newline="") as scores, open(
        arguments.refused, "w", newline=""
    ) as refused:
        rows, scored, others = csv.DictReader(applicants), csv.writer(scores), csv.writer(refused)
        scored.writerow(["account_id", "score", "decision_id"])
        others.writerow(["account_id", "reason", "instead", "decision_id"])
        while piece := list(itertools.islice(rows, PIECE)):
            answers = decisions(gate, arguments.system, piece, arguments.patience)
            for row, decision in zip(piece, answers):
                # A job that cannot offer an appeal has to take a permit with an obligation for a deny.
                if decision.permit and not decision.obligations:
                    scored.writerow([row["account_id"], score(row), decision.id])
                else:
                    instead = " ".join(sorted(decision.obligations))
                    others.writerow([row["account_id"], decision.reason, instead, decision.id])


def main():
    parser = argparse.ArgumentParser(description="Scores applicants, and nobody who opted out of it.")
    parser.add_argument("--gate", default="http://127.0.0.1:9465", metavar="URL")
    parser.add_argument("--system", default="hiring", help="as the policy names it")
    parser.add_argument("--input", required=True, metavar="FILE")
    parser.add_argument("--scores", required=True, metavar="FILE")
    parser.add_argument("--refused", required=True, metavar="FILE")
    parser.add_argument("--patience", type=float, default=300, metavar="SECONDS", help="how long to ask again for")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
