"""An engine and a gate in a directory, as dev/configure and dev/serve leave them."""

import hashlib
import http.client
import io
import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

TREE = Path(__file__).resolve().parents[3]
INFERENCE = TREE / "examples/python-inference"

# A minute is for a machine that compiles something beside the test.
SECONDS_MAX = 60
SINGLE_OBJECT_HEADER_BYTES = 10


def wait_for(what, look):
    """Waits until `look` returns something, and returns it."""
    give_up_at = time.monotonic() + SECONDS_MAX
    while not (found := look()):
        assert time.monotonic() < give_up_at, f"waited {SECONDS_MAX} s in vain for {what}"
        time.sleep(0.05)
    return found


def send(url, body=None, headers=()):
    """One request: status, headers and body of its answer; None where nobody listens. Headers are pairs: they may repeat."""
    address, path = url.removeprefix("http://").split("/", 1)
    connection = http.client.HTTPConnection(address, timeout=SECONDS_MAX)
    data = b"" if body is None else json.dumps(body).encode()
    try:
        connection.putrequest("GET" if body is None else "POST", f"/{path}")
        for name, value in [("content-type", "application/json"), ("content-length", len(data)), *headers]:
            connection.putheader(name, value)
        connection.endheaders(data)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    except (ConnectionError, http.client.BadStatusLine):
        return None
    finally:
        connection.close()


class Process:
    """A server that a test started, and that ends with it."""

    def __init__(self, command, log, environment=None):
        self.log = Path(log)
        with open(log, "wb") as output:
            env = os.environ | (environment or {})
            self.child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env)

    def must_run(self):
        assert self.child.poll() is None, f"it ended:\n{self.log.read_text()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


class Deployment:
    def __init__(self, directory):
        self.dir = Path(directory)
        self.quell = os.environ["QUELL"]
        self.policy = self.dir / "policy.toml"
        self.gate_url = f"http://{self.setting('gate', 'listen')}"
        # Every decision that somebody was told of by the gate that is there.
        self.told = set()
        # Every model that was named with a question, and the form in which it was asked.
        self.models = set()

    def setting(self, file, key):
        return re.search(rf'^{key} = "(.*)"', (self.dir / f"{file}.toml").read_text(), re.M)[1]

    def free_port(self):
        command = ["bash", "-c", f". {TREE}/dev/environment.sh; free_port"]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def emit(self, *words):
        command = [self.quell, "emit", *words, "--config", self.dir / "quell.toml"]
        subprocess.run(command, check=True, capture_output=True)

    def reason(self, identifier, system="hiring"):
        """Why the gate itself answers what it answers; None where it does not."""
        identifier_type, value = identifier.split("=", 1)
        question = {"subject": {"type": identifier_type, "id": value}, "action": {"name": "infer"},
                    "resource": {"type": "admt_system", "id": system}}
        status, _, body = send(f"{self.gate_url}/access/v1/evaluation", question)
        return json.loads(body)["context"]["reason"] if status == 200 else None

    def wait_until(self, reason, identifier, system="hiring"):
        wait_for(f"{identifier} to be {reason}", lambda: self.reason(identifier, system) == reason)

    def send_signal(self, name, number):
        os.kill(int((self.dir / f"{name}.pid").read_text()), number)

    def freeze_engine(self):
        self.send_signal("quell", signal.SIGSTOP)

    def thaw_engine(self):
        self.send_signal("quell", signal.SIGCONT)

    def freeze_gate(self):
        self.send_signal("gate", signal.SIGSTOP)

    def thaw_gate(self):
        self.send_signal("gate", signal.SIGCONT)

    def kill_gate(self):
        self.send_signal("gate", signal.SIGKILL)
        wait_for("the gate to be gone", lambda: send(f"{self.gate_url}/health/live") is None)

    def start_gate(self):
        subprocess.run([TREE / "dev/serve", "gate", "start", self.dir], check=True)
        # It answers before it has heard how old its knowledge is: stale, until then.
        self.wait_until("clear", "account_id=somebody")

    @contextmanager
    def another_gate(self, name, policy, settings=None):
        """A second gate, which shares nothing with the first but Kafka and the keys, and holds to another policy."""
        path = self.dir / f"{name}.toml"
        path.write_text(policy)
        url = f"http://127.0.0.1:{self.free_port()}"
        environment = {
            "QUELL_GATE_POLICY__PATH": str(path),
            "QUELL_GATE_COPY__PATH": str(self.dir / name / "copy"),
            "QUELL_GATE_SPOOL__PATH": str(self.dir / name / "spool"),
            "QUELL_GATE_HTTP__LISTEN": url.removeprefix("http://"),
        }
        command = [self.quell, "gate", "--config", self.dir / "gate.toml"]
        with Process(command, self.dir / f"{name}.log", environment | (settings or {})) as process:
            is_ready = lambda: (answer := send(f"{url}/health/ready")) and answer[0] == 200
            wait_for(f"the gate {name}", lambda: process.must_run() or is_ready())
            yield url

    def check_records(self):
        """Every decision that was told has its record, with what was told of the model, and by what it was made."""
        assert self.told, "nobody was told of a decision"
        topic = self.setting("gate", "decisions")
        recorded = {}
        look = lambda: recorded.update(self.records(topic)) or self.told <= recorded.keys()
        try:
            wait_for("the records", look)
        except AssertionError as error:
            raise AssertionError(f"no record of {sorted(self.told - recorded.keys())}") from error
        models = {(record["model_name"], record["asked_by"]) for record in recorded.values()}
        assert self.models <= models, f"of {self.models}, the records name {models}"
        version = subprocess.run([self.quell, "--version"], check=True, capture_output=True, text=True).stdout
        policy = hashlib.sha256(self.policy.read_bytes()).hexdigest()
        made_by = {"policy_sha256": policy, "software_version": version.split()[-1]}
        for decision_id in self.told:
            found = {field: recorded[decision_id][field] for field in made_by}
            assert found == made_by, f"the record of {decision_id} has {found}, not {made_by}"

    def records(self, topic):
        schema = fastavro.parse_schema(json.loads((TREE / "schemas/decision.avsc").read_text()))
        consumer = Consumer({"bootstrap.servers": self.setting("gate", "bootstrap_servers"), "group.id": "check",
                             "enable.partition.eof": True})
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        unread = len(partitions)
        while unread > 0:
            message = consumer.poll(30)
            assert message is not None, "the decisions cannot be read"
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                unread -= 1
                continue
            record = fastavro.schemaless_reader(io.BytesIO(message.value()[SINGLE_OBJECT_HEADER_BYTES:]), schema)
            yield record["decision_id"], record
        consumer.close()
