#!/usr/bin/env python3
"""Follows one of Quell's suppression topics, keeps a table of it, and acknowledges what it has applied.

    pip install -r requirements.txt
    python subscriber.py --bootstrap 127.0.0.1:9092 --downstream ads --schemas ../../schemas

Copy this file and Quell's `schemas/suppression.avsc` and `schemas/suppression_ack.avsc`, and put your own work into
`Table.apply`. `docs/subscribing.md` of Quell explains every rule that is kept here.
"""

import argparse
import io
import json
import sys
import time
from pathlib import Path

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

SINGLE_OBJECT = b"\xc3\x01"


class Schema:
    """An Avro schema and the ten bytes that begin a record of it in Avro's single-object encoding."""

    def __init__(self, path):
        raw = json.loads(Path(path).read_text())
        canonical = fastavro.schema.to_parsing_canonical_form(raw)
        self.header = SINGLE_OBJECT + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
        self.parsed = fastavro.parse_schema(raw)


class SuppressionReader:
    """Decodes suppressions, those of a newer schema too: a field that we do not know is left out."""

    def __init__(self, ours, others):
        self.ours = ours
        self.written_with = {schema.header: schema for schema in [ours, *others]}

    def decode(self, value):
        writer = self.written_with.get(value[:10])
        if writer is None:
            # Skipping it might skip an opt-out: stop, and let somebody bring the schema.
            sys.exit(f"a record begins with {value[:10].hex()}, a schema that is not here; give it with --writer-schema")
        return fastavro.schemaless_reader(io.BytesIO(value[10:]), writer.parsed, self.ours.parsed)


class Table:
    """What this system has to honour: by identifier, the suppression of the highest version."""

    def __init__(self):
        self.rows = {}

    def apply(self, key, suppression):
        """Takes a suppression unless what is here is as new. Your own work goes here; return when it is durable."""
        row = self.rows.get(key)
        if row is not None and suppression["version"] <= row["version"]:
            return False
        self.rows[key] = suppression
        return True

    def forget(self, key):
        return self.rows.pop(key, None) is not None


def acknowledgement(suppression):
    return {
        "downstream": suppression["downstream"],
        "identifier": suppression["identifier"],
        "version": suppression["version"],
        "outcome": "APPLIED",
        "applied_at": int(time.time() * 1000),
        "detail": None,
    }


def encode(schema, record):
    out = io.BytesIO()
    out.write(schema.header)
    fastavro.schemaless_writer(out, schema.parsed, record)
    return out.getvalue()


def must_arrive(error, _message):
    if error is not None:
        sys.exit(f"an acknowledgement could not be sent: {error}")


def in_words(suppression):
    rights = []
    for name, state in sorted(suppression["rights"].items()):
        if state["opted_out"]:
            how = "inherited" if state["inherited"] else "chosen here"
            rights.append(f"{name}=out ({how}, due {state['due_at']:%Y-%m-%d %H:%M} UTC)")
        else:
            rights.append(f"{name}=in")
    return ", ".join(rights) or "nothing chosen"


def every_partition(consumer, topic):
    """All of them, from the beginning: the topic is compacted, so that is the whole current state."""
    found = consumer.list_topics(topic, timeout=30).topics[topic]
    if found.error is not None:
        sys.exit(f"cannot read topic {topic}: {found.error}")
    return [TopicPartition(topic, number, OFFSET_BEGINNING) for number in found.partitions]


def follow(arguments):
    ours = Schema(arguments.schemas / "suppression.avsc")
    reader = SuppressionReader(ours, [Schema(path) for path in arguments.writer_schema])
    acknowledgements = Schema(arguments.schemas / "suppression_ack.avsc")
    table = Table()

    consumer = Consumer({
        "bootstrap.servers": arguments.bootstrap,
        # Only a name: with assign() no group is joined, and the offsets are not kept.
        "group.id": f"{arguments.downstream}-subscriber",
        "enable.auto.commit": False,
        # What Quell has not committed is not there.
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    })
    topic = arguments.topic or f"suppression.{arguments.downstream}"
    partitions = every_partition(consumer, topic)
    consumer.assign(partitions)
    producer = Producer({"bootstrap.servers": arguments.bootstrap, "enable.idempotence": True})

    # Until each partition has been read to its end once, "not in the table" means nothing.
    unread = {partition.partition for partition in partitions}
    last_heard_at = time.monotonic()
    while unread or arguments.until_idle is None or time.monotonic() - last_heard_at < arguments.until_idle:
        producer.poll(0)
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error() is not None:
            if message.error().code() != KafkaError._PARTITION_EOF:
                sys.exit(f"cannot read {topic}: {message.error()}")
            if message.partition() in unread:
                unread.remove(message.partition())
                if not unread:
                    print(f"caught up: {len(table.rows)} identifiers", flush=True)
            continue

        last_heard_at = time.monotonic()
        key = message.key().decode()
        if message.value() is None:
            # A tombstone. Quell writes none; somebody erased the identifier, and who starts later will not see it.
            print(f"forgot {key}" if table.forget(key) else f"knew nothing of {key}")
            continue
        suppression = reader.decode(message.value())
        if not table.apply(key, suppression):
            print(f"skipped {key} version {suppression['version']}: version {table.rows[key]['version']} is here")
            continue
        print(f"applied {key} version {suppression['version']}: {in_words(suppression)}", flush=True)
        # After it is applied, never before: an acknowledgement is evidence.
        value = encode(acknowledgements, acknowledgement(suppression))
        producer.produce(arguments.acks_topic, value, key, on_delivery=must_arrive)

    if producer.flush(30) > 0:
        sys.exit("some acknowledgements could not be sent within 30 s")
    consumer.close()
    print("table:")
    for key, suppression in sorted(table.rows.items()):
        print(f"  {key} version {suppression['version']}: {in_words(suppression)}")


def main():
    parser = argparse.ArgumentParser(description="Follows one of Quell's suppression topics.")
    parser.add_argument("--bootstrap", default="127.0.0.1:9092", metavar="HOST:PORT")
    parser.add_argument("--downstream", default="ads", help="as the policy names it")
    parser.add_argument("--topic", help="default: suppression.<downstream>")
    parser.add_argument("--acks-topic", default="suppression.acks")
    parser.add_argument("--schemas", type=Path, default=Path("schemas"), metavar="DIRECTORY", help="Quell's schemas")
    parser.add_argument("--writer-schema", type=Path, action="append", default=[], metavar="FILE",
                        help="another version of suppression.avsc that records may be written with")
    parser.add_argument("--until-idle", type=float, metavar="SECONDS", help="end when nothing came for so long")
    follow(parser.parse_args())


if __name__ == "__main__":
    main()
