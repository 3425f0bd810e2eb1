package io.quell.example;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.avro.message.MissingSchemaException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Follows one of Quell's suppression topics, keeps a table of it, and acknowledges what it has applied.
 *
 * <p>Copy this package and Quell's {@code schemas/suppression.avsc} and {@code schemas/suppression_ack.avsc}, and put
 * your own work into {@link Table#apply}. {@code docs/subscribing.md} of Quell explains every rule that is kept here.
 */
public final class Subscriber {
    private static final DateTimeFormatter MINUTE =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm").withZone(ZoneOffset.UTC);

    private final Arguments arguments;
    private final BinaryMessageDecoder<GenericRecord> suppressions;
    private final Schema acknowledgementSchema;
    private final BinaryMessageEncoder<GenericRecord> acknowledgements;
    private final Table table = new Table();

    private Subscriber(Arguments arguments) throws IOException {
        this.arguments = arguments;
        suppressions = new BinaryMessageDecoder<>(new GenericData(), schema(arguments.schemas.resolve("suppression.avsc")));
        // What a newer schema wrote is resolved to ours: a field that we do not know is left out.
        for (Path file : arguments.writerSchemas) {
            suppressions.addSchema(schema(file));
        }
        acknowledgementSchema = schema(arguments.schemas.resolve("suppression_ack.avsc"));
        acknowledgements = new BinaryMessageEncoder<>(new GenericData(), acknowledgementSchema);
    }

    private static Schema schema(Path file) throws IOException {
        return new Schema.Parser().parse(file.toFile());
    }

    private KafkaConsumer<String, byte[]> consumer() {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", arguments.bootstrap,
                "enable.auto.commit", false,
                // What Quell has not committed is not there.
                "isolation.level", "read_committed");
        return new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
    }

    private KafkaProducer<String, byte[]> producer() {
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments.bootstrap, "enable.idempotence", true);
        return new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer());
    }

    private void follow() throws IOException {
        try (var consumer = consumer(); var producer = producer()) {
            // Every partition from the beginning: the topic is compacted, so that is the whole current state.
            var partitions = consumer.partitionsFor(arguments.topic).stream()
                    .map(found -> new TopicPartition(found.topic(), found.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);

            // Until each partition has been read to its end once, "not in the table" means nothing.
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            boolean caughtUp = false;
            Instant lastHeardAt = Instant.now();
            while (!caughtUp || !arguments.isIdleSince(lastHeardAt)) {
                for (ConsumerRecord<String, byte[]> message : consumer.poll(Duration.ofMillis(200))) {
                    lastHeardAt = Instant.now();
                    take(message, producer);
                }
                if (!caughtUp && ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue())) {
                    caughtUp = true;
                    System.out.println("caught up: " + table.rows.size() + " identifiers");
                }
            }
        }
        System.out.println("table:");
        table.rows.forEach((key, row) -> System.out.println("  " + key + " version " + row.get("version") + ": " + inWords(row)));
    }

    private void take(ConsumerRecord<String, byte[]> message, KafkaProducer<String, byte[]> producer) throws IOException {
        String key = message.key();
        if (message.value() == null) {
            // A tombstone. Quell writes none; somebody erased the identifier, and who starts later will not see it.
            System.out.println((table.forget(key) ? "forgot " : "knew nothing of ") + key);
            return;
        }
        GenericRecord suppression;
        try {
            suppression = suppressions.decode(message.value());
        } catch (MissingSchemaException missing) {
            // Skipping it might skip an opt-out: stop, and let somebody bring the schema.
            throw new IOException("a record has a schema that is not here; give it with --writer-schema", missing);
        }
        if (!table.apply(key, suppression)) {
            System.out.println("skipped " + key + " version " + suppression.get("version")
                    + ": version " + table.rows.get(key).get("version") + " is here");
            return;
        }
        System.out.println("applied " + key + " version " + suppression.get("version") + ": " + inWords(suppression));
        // After it is applied, never before: an acknowledgement is evidence.
        var acknowledgement = acknowledgements.encode(acknowledgement(suppression)).array();
        producer.send(new ProducerRecord<>(arguments.acksTopic, key, acknowledgement), (sent, failure) -> {
            if (failure != null) {
                System.err.println("an acknowledgement could not be sent: " + failure.getMessage());
                // Without the shutdown hooks, which would wait for this very thread.
                Runtime.getRuntime().halt(1);
            }
        });
    }

    private GenericRecord acknowledgement(GenericRecord suppression) {
        Schema identifierSchema = acknowledgementSchema.getField("identifier").schema();
        Schema outcomeSchema = acknowledgementSchema.getField("outcome").schema();
        GenericRecord identifier = (GenericRecord) suppression.get("identifier");
        return new GenericRecordBuilder(acknowledgementSchema)
                .set("downstream", suppression.get("downstream"))
                .set("identifier", new GenericRecordBuilder(identifierSchema)
                        .set("type", identifier.get("type"))
                        .set("value", identifier.get("value"))
                        .build())
                .set("version", suppression.get("version"))
                .set("outcome", new GenericData.EnumSymbol(outcomeSchema, "APPLIED"))
                .set("applied_at", System.currentTimeMillis())
                .build();
    }

    private static String inWords(GenericRecord suppression) {
        var rights = new TreeMap<String, GenericRecord>();
        ((Map<?, ?>) suppression.get("rights")).forEach((name, state) -> rights.put(name.toString(), (GenericRecord) state));
        if (rights.isEmpty()) {
            return "nothing chosen";
        }
        var words = new StringJoiner(", ");
        rights.forEach((name, state) -> {
            if ((boolean) state.get("opted_out")) {
                String how = (boolean) state.get("inherited") ? "inherited" : "chosen here";
                Instant dueAt = Instant.ofEpochMilli((long) state.get("due_at"));
                words.add(name + "=out (" + how + ", due " + MINUTE.format(dueAt) + " UTC)");
            } else {
                words.add(name + "=in");
            }
        });
        return words.toString();
    }

    public static void main(String[] words) {
        try {
            new Subscriber(Arguments.parse(words)).follow();
        } catch (IOException | UncheckedIOException failure) {
            System.err.println(failure.getMessage());
            System.exit(1);
        }
    }

    /** What this system has to honour: by identifier, the suppression of the highest version. */
    static final class Table {
        final TreeMap<String, GenericRecord> rows = new TreeMap<>();

        /** Takes a suppression unless what is here is as new. Your own work goes here; return when it is durable. */
        boolean apply(String key, GenericRecord suppression) {
            GenericRecord row = rows.get(key);
            if (row != null && (long) suppression.get("version") <= (long) row.get("version")) {
                return false;
            }
            rows.put(key, suppression);
            return true;
        }

        boolean forget(String key) {
            return rows.remove(key) != null;
        }
    }
}
