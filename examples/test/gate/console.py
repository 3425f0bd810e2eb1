"""Runs the commands that docs/gate.md shows, in one shell, and holds the page to what they print.

A block of `console` has lines that begin with `$ `, each followed by what it prints; `…` there stands for anything. The
directory `.quell` is the deployment's.
"""

import os
import re
import subprocess
import threading

from deployment import SECONDS_MAX, TREE, wait_for

PAGE = TREE / "docs/gate.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
PROMPT = re.compile(r"^\$ ", re.M)
DONE = "-- done --"


class Shell:
    def __init__(self, deployment):
        path = f"{os.path.dirname(deployment.quell)}:{os.environ['PATH']}"
        self.child = subprocess.Popen(["bash"], cwd=deployment.dir.parent, env=os.environ | {"PATH": path}, text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, command):
        limit = threading.Timer(SECONDS_MAX, self.child.kill)
        limit.start()
        try:
            self.child.stdin.write(f"{command}\necho; echo '{DONE}'\n")
            self.child.stdin.flush()
            said = []
            for line in self.child.stdout:
                if line == f"{DONE}\n":
                    return "".join(said).strip()
                said.append(line)
        finally:
            limit.cancel()
        raise AssertionError(f"the shell ended, or took {SECONDS_MAX} s: {command}{''.join(said)}")

    def end(self):
        self.child.kill()
        self.child.wait()


def commands(page):
    """What is typed, and what it prints. What is typed ends with the line that leaves nothing open for the shell."""
    for block in BLOCK.findall(page):
        for part in PROMPT.split(block)[1:]:
            lines = part.splitlines(keepends=True)
            for end in range(1, len(lines) + 1):
                typed = "".join(lines[:end])
                if subprocess.run(["bash", "-n"], input=typed, text=True, stderr=subprocess.DEVNULL).returncode == 0:
                    break
            yield typed, "".join(lines[end:])


def matches(wanted, found):
    pattern = ".*?".join(re.escape(piece) for piece in wanted.strip().split("…"))
    return re.fullmatch(pattern, found, re.S) is not None


def check(deployment):
    shown = list(commands(PAGE.read_text()))
    assert shown, f"{PAGE} shows no command"
    shell = Shell(deployment)
    try:
        for typed, wanted in shown:
            said = ""

            def is_as_shown():
                nonlocal said
                said = shell.run(typed.replace("http://127.0.0.1:9465", deployment.gate_url))
                return matches(wanted, said)

            # An opt-out takes its time to the gate.
            try:
                wait_for("it", is_as_shown)
            except AssertionError as error:
                raise AssertionError(f"{typed}printed\n{said}\nand not\n{wanted}") from error
    finally:
        shell.end()
