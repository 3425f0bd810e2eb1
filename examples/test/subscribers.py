#!/usr/bin/env python3
"""Runs each subscriber of examples/ on a real broker, on a topic with everything that it has to cope with.

    subscribers.py BOOTSTRAP NAME=COMMAND...

What is published, is published as Quell does it: keyed by identifier, in transactions. There are a late and a repeated
version, an aborted transaction, a record of a newer schema, a message without rights, and a tombstone. A subscriber
must end with the expected table, have acknowledged each version that it applied and no other, and refuse to go on
without a schema that it needs.
"""

import copy
import io
import json
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schemas"
PARTITIONS = 3
# A minute is for a machine that compiles something beside the test.
SUBSCRIBER_SECONDS_MAX = 60

# As Java's Avro computes them. Not by the library that the Python example uses, so that it is checked as well.
SUPPRESSION_HEADER = bytes.fromhex("c301335d9f2be1e18753")
ACK_HEADER = bytes.fromhex("c30155c5433bfa9e9d6c")

PUBLISHED_AT = 1_795_000_000_000
DUE_AT = 1_797_407_999_999  # the end of 2026-12-15 in Los Angeles


def right(opted_out, inherited):
    return {"opted_out": opted_out, "choice_id": "choice-1", "since": PUBLISHED_AT, "inherited": inherited, "due_at": DUE_AT}


def suppression(value, version, **rights):
    return {
        "identifier": {"type": "cookie_id", "value": value},
        "downstream": "ads",
        "version": version,
        "suppressed": any(state["opted_out"] for state in rights.values()),
        "rights": rights,
        "published_at": PUBLISHED_AT,
    }


OUT, OUT_INHERITED, BACK_IN = right(True, False), right(True, True), right(False, False)

# In Quell's transactions, one after the other.
COMMITTED_FIRST = [
    suppression("laptop", 1, sale=OUT),
    suppression("phone", 1, sale=OUT_INHERITED, sharing=OUT_INHERITED),
    suppression("erased", 1, sale=OUT),
]
ABORTED = [suppression("never-committed", 1, sale=OUT), suppression("laptop", 9, sale=BACK_IN)]
COMMITTED_THEN = [
    suppression("laptop", 3, sale=BACK_IN, sharing=OUT),
    suppression("laptop", 2, sale=OUT, sharing=OUT),
    suppression("laptop", 3, sale=BACK_IN, sharing=OUT),
    suppression("phone", 2),
    suppression("zürich:tram", 1, sale=OUT_INHERITED),
]
TOMBSTONES = ["erased"]
FROM_THE_FUTURE = suppression("tablet", 1, sale=OUT) | {"region": "eu-1"}

TABLE = [
    "cookie_id:laptop version 3: sale=in, sharing=out (chosen here, due 2026-12-16 07:59 UTC)",
    "cookie_id:phone version 2: nothing chosen",
    "cookie_id:tablet version 1: sale=out (chosen here, due 2026-12-16 07:59 UTC)",
    "cookie_id:zürich:tram version 1: sale=out (inherited, due 2026-12-16 07:59 UTC)",
]
ACKNOWLEDGED = {
    ("laptop", 1), ("laptop", 3), ("phone", 1), ("phone", 2), ("erased", 1), ("zürich:tram", 1), ("tablet", 1),
}


def load(name):
    return json.loads((SCHEMAS / f"{name}.avsc").read_text())


def newer_schema():
    """What the next version of Quell might write: one field more, with a default."""
    newer = copy.deepcopy(load("suppression"))
    newer["fields"].insert(3, {"name": "region", "type": "string", "default": ""})
    return newer


def encode(header, schema, record):
    out = io.BytesIO()
    out.write(header)
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def publish(bootstrap, topic):
    ours, newer = fastavro.parse_schema(load("suppression")), fastavro.parse_schema(newer_schema())
    canonical = fastavro.schema.to_parsing_canonical_form(newer_schema())
    newer_header = b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))

    # A broker that has just started makes a transactional producer wait, which librdkafka would tell as a warning.
    settings = {"bootstrap.servers": bootstrap, "transactional.id": f"examples-{uuid.uuid4()}", "log_level": 3}
    producer = Producer(settings)
    producer.init_transactions(30)

    def key(record):
        return f"{record['identifier']['type']}:{record['identifier']['value']}"

    def transaction(records, end):
        producer.begin_transaction()
        for name, value in records:
            producer.produce(topic, value, name)
        producer.flush(30)
        end(30)

    def written(records):
        return [(key(record), encode(SUPPRESSION_HEADER, ours, record)) for record in records]

    transaction(written(COMMITTED_FIRST), producer.commit_transaction)
    transaction(written(ABORTED), producer.abort_transaction)
    transaction(written(COMMITTED_THEN), producer.commit_transaction)
    transaction([(f"cookie_id:{value}", None) for value in TOMBSTONES], producer.commit_transaction)
    transaction([(key(FROM_THE_FUTURE), encode(newer_header, newer, FROM_THE_FUTURE))], producer.commit_transaction)


def acknowledgements(bootstrap, topic):
    """What was acknowledged, as (value, version) pairs."""
    schema = fastavro.parse_schema(load("suppression_ack"))
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "check", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    found, unread = [], PARTITIONS
    while unread > 0:
        message = consumer.poll(30)
        assert message is not None, "the acknowledgements cannot be read"
        if message.error() is not None:
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            unread -= 1
            continue
        header, body = message.value()[:10], io.BytesIO(message.value()[10:])
        assert header == ACK_HEADER, f"an acknowledgement begins with {header.hex()}"
        record = fastavro.schemaless_reader(body, schema)
        assert record["downstream"] == "ads" and record["outcome"] == "APPLIED", record
        assert record["identifier"]["type"] == "cookie_id", record
        found.append((record["identifier"]["value"], record["version"]))
    consumer.close()
    return found


def run(command, bootstrap, topic, acks_topic, *more):
    arguments = ["--bootstrap", bootstrap, "--topic", topic, "--acks-topic", acks_topic, "--schemas", str(SCHEMAS),
                 "--until-idle", "1", *more]
    return subprocess.run(command.split() + arguments, capture_output=True, text=True, encoding="utf-8",
                          timeout=SUBSCRIBER_SECONDS_MAX)


def check(name, command, bootstrap, newer):
    topic, acks_topic = f"{name}.suppression.ads", f"{name}.suppression.acks"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics = [NewTopic(topic, PARTITIONS, 1, config={"cleanup.policy": "compact"}), NewTopic(acks_topic, PARTITIONS, 1)]
    for created in admin.create_topics(topics).values():
        created.result(30)
    publish(bootstrap, topic)

    refused = run(command, bootstrap, topic, acks_topic)
    assert refused.returncode != 0, "went on without the schema of a record"
    assert "--writer-schema" in refused.stderr, f"does not say what to do: {refused.stderr}"
    before = acknowledgements(bootstrap, acks_topic)
    assert set(before) <= ACKNOWLEDGED, f"acknowledged {set(before) - ACKNOWLEDGED}"

    done = run(command, bootstrap, topic, acks_topic, "--writer-schema", newer)
    assert done.returncode == 0, f"failed: {done.stdout}{done.stderr}"
    lines = done.stdout.splitlines()
    assert "caught up: 4 identifiers" in lines, done.stdout
    table = [line.strip() for line in lines[lines.index("table:") + 1:]]
    assert table == TABLE, f"the table is {table}"
    assert "forgot cookie_id:erased" in lines, done.stdout
    assert lines.count("skipped cookie_id:laptop version 2: version 3 is here") == 1, done.stdout
    after = acknowledgements(bootstrap, acks_topic)
    for pair in before:
        after.remove(pair)
    assert sorted(after) == sorted(ACKNOWLEDGED), f"acknowledged {sorted(after)}"


def main():
    bootstrap, subscribers = sys.argv[1], [word.split("=", 1) for word in sys.argv[2:]]
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        newer = Path(directory) / "suppression.avsc"
        newer.write_text(json.dumps(newer_schema()))
        for name, command in subscribers:
            try:
                check(name, command, bootstrap, str(newer))
                print(f"{name} subscriber: ok", flush=True)
            except (AssertionError, subprocess.TimeoutExpired) as failure:
                failed += 1
                print(f"{name} subscriber: FAILED: {failure}", flush=True)
    print(f"{len(subscribers) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
