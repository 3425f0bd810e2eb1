#!/usr/bin/env python3
"""Runs the enforcement points of examples/ before a real engine and a real gate on a real Kafka, and the commands of
docs/gate.md with them.

    main.py DIRECTORY [--envoy COMMAND]

DIRECTORY is as dev/configure and dev/serve leave it, with both running. One consumer opts out of automated decisions, and
an e-mail address turns out to be theirs, too; another one opts out of those about credit. What asks at the gate must make
no inference that they opted out of, nor any while the gate hangs or is dead; and every decision that was answered must
have its record.
"""

import argparse
import sys
import time

import batch_job
import certificate
import client
import console
import envoy
import service
from deployment import Deployment


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--envoy", help="the command that starts Envoy; without it that part is left out")
    arguments = parser.parse_args()
    deployment = Deployment(arguments.directory)
    deployment.emit("opt-out", "--right", "admt", "account_id=opted-out")
    deployment.emit("opt-out", "--right", "admt:credit", "account_id=out-of-credit")
    deployment.wait_until("suppressed", "account_id=opted-out")
    deployment.wait_until("suppressed", "account_id=out-of-credit", "credit")
    deployment.emit("link", "account_id=opted-out", "email=Late.Link@example.com")
    deployment.wait_until("suppressed", "email=late.link@example.com")
    deployment.wait_until("clear", "account_id=somebody")

    cases = {
        "commands of docs/gate.md": console.check,
        "Python client": client.check,
        "Python service": service.check,
        "Python batch job": batch_job.check,
        "certificates": certificate.check,
    }
    if arguments.envoy:
        cases["Envoy"] = lambda deployment: envoy.check(deployment, arguments.envoy)
    cases["records of all decisions"] = Deployment.check_records
    failed = 0
    for name, check in cases.items():
        began = time.monotonic()
        try:
            check(deployment)
            print(f"{name}: ok ({time.monotonic() - began:.1f} s)", flush=True)
        except AssertionError as failure:
            failed += 1
            print(f"{name}: FAILED: {failure}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
