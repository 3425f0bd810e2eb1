"""The batch job: each row ends in one of the two files, and in neither without a gate."""

import csv
import subprocess
import sys

from deployment import INFERENCE, SECONDS_MAX

# More than the job asks about at once.
ROWS = 2_500
OUT = {7: "opted-out", 1_500: "opted-out", 2_499: "opted-out"}


def check(deployment):
    files = {name: deployment.dir / f"{name}.csv" for name in ("input", "scores", "refused")}
    accounts = [OUT.get(number, f"applicant-{number}") for number in range(ROWS)]
    with open(files["input"], "w", newline="") as file:
        csv.writer(file).writerows([["account_id", "years_of_experience"], *([account, 5] for account in accounts)])

    done = run(deployment.gate_url, files, 30)
    assert done.returncode == 0, f"it failed: {done.stderr}"
    scores, refused = read(files["scores"]), read(files["refused"])
    assert [row["account_id"] for row in scores] == [one for one in accounts if one != "opted-out"]
    assert {row["score"] for row in scores} == {"0.5"}, scores[:3]
    assert [row["account_id"] for row in refused] == ["opted-out"] * len(OUT), refused
    assert {(row["reason"], row["instead"]) for row in refused} == {("suppressed", "human_review")}, refused
    deployment.told.update(row["decision_id"] for row in scores + refused)

    deployment.kill_gate()
    try:
        done = run(deployment.gate_url, files, 0)
    finally:
        deployment.start_gate()
    assert done.returncode == 1 and "the gate does not answer" in done.stderr, (done.returncode, done.stderr)
    assert read(files["scores"]) == read(files["refused"]) == [], "somebody was scored without the gate"


def run(gate_url, files, patience):
    command = [sys.executable, INFERENCE / "batch.py", "--gate", gate_url, "--patience", str(patience)]
    for name, path in files.items():
        command += [f"--{name}", path]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
