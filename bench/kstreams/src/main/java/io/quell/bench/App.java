package io.quell.bench;

import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import quell.v1.ChoiceEvent;
import quell.v1.LinkEvent;

/**
 * What a Java team would write if Quell were not there: Kafka Streams, Processor API, RocksDB, exactly_once_v2, tuned.
 *
 * <pre>
 * optout.events, identity.links -> Router -> PREFIX.graph (by identifier) -> GraphProcessor + store -> suppression.*
 *                                            ^------ contributions to neighbours ------'
 * </pre>
 *
 * <p>A link is two graph messages, one to each end; a choice is one to each identifier that it names. Left out, since the
 * workload has none of it: opt-ins, unlinks, {@code latest_wins}, hubs, acknowledgements, dead letters, other encodings, a
 * policy from a file.
 *
 * <p>{@code App BOOTSTRAP APPLICATION_ID INPUT_PREFIX STATE_DIR}; the id stands before the names of all its own topics. Any
 * property of Kafka Streams comes by the environment, see {@link Env}.
 */
public final class App {
    private static final int PARTITIONS = 8;

    private final String bootstrap;
    private final String id;
    private final List<String> inputs;
    private final String graph;
    private final String stateDir;

    private App(String bootstrap, String id, String inputPrefix, String stateDir) {
        this.bootstrap = bootstrap;
        this.id = id;
        inputs = List.of(inputPrefix + ".optout.events", inputPrefix + ".identity.links");
        graph = id + ".graph";
        this.stateDir = stateDir;
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 4) {
            System.err.println("usage: App BOOTSTRAP APPLICATION_ID INPUT_PREFIX STATE_DIR");
            System.exit(2);
        }
        new App(args[0], args[1], args[2], args[3]).run();
    }

    private void run() throws InterruptedException, ExecutionException {
        createTopics();
        KafkaStreams streams = new KafkaStreams(topology(), config());
        CountDownLatch stopped = new CountDownLatch(1);
        boolean[] failed = new boolean[1];
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            failed[0] = true;
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.NOT_RUNNING || now == KafkaStreams.State.ERROR) {
                stopped.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            // Leaving the group spares the next start the session timeout.
            streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP)
                    .withTimeout(Duration.ofSeconds(30)));
            if (!failed[0]) {
                Runtime.getRuntime().halt(0); // the JVM would say 143
            }
        }, "shutdown"));
        endWithStandardInput();
        streams.start();
        stopped.await();
        System.exit(failed[0] ? 1 : 0);
    }

    /** So it ends with whoever started it, however that ends. */
    private static void endWithStandardInput() {
        Thread end = new Thread(() -> {
            try {
                System.in.transferTo(OutputStream.nullOutputStream());
            } catch (IOException e) {
                e.printStackTrace();
            }
            System.exit(0);
        }, "standard-input");
        end.setDaemon(true);
        end.start();
    }

    private Topology topology() {
        Topology t = new Topology();
        var bytes = new ByteArrayDeserializer();
        t.addSource("choices", bytes, new Events<>(ChoiceEvent.class, ChoiceEvent.getClassSchema()),
                inputs.get(0));
        t.addSource("links", bytes, new Events<>(LinkEvent.class, LinkEvent.getClassSchema()),
                inputs.get(1));
        t.addProcessor("route-choices", Router.choices(), "choices");
        t.addProcessor("route-links", Router.links(), "links");
        t.addSink("route-out", graph, new ByteArraySerializer(), new ByteArraySerializer(), "route-choices", "route-links");

        t.addSource("graph-in", bytes, bytes, graph);
        t.addProcessor("graph", () -> new GraphProcessor(PARTITIONS), "graph-in");
        t.addStateStore(store(), "graph");
        t.addSink(GraphProcessor.GRAPH_SINK, graph, new ByteArraySerializer(), new ByteArraySerializer(), "graph");
        for (Policy.Downstream d : Policy.DOWNSTREAMS) {
            t.addSink(d.topic(), id + "." + d.topic(), new ByteArraySerializer(), new ByteArraySerializer(), "graph");
        }
        return t;
    }

    private static StoreBuilder<?> store() {
        var b = Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(GraphProcessor.STORE), Serdes.ByteArray(), Serdes.ByteArray());
        // Streams' record cache is a sorted map per store: with hundreds of thousands of nodes in it its look-ups cost more
        // than RocksDB's, and at 100 ms between commits it saves hardly a write. Measured: a fifth more CPU with it.
        b = b.withCachingDisabled();
        return b.withLoggingEnabled(Map.of(TopicConfig.CLEANUP_POLICY_CONFIG, TopicConfig.CLEANUP_POLICY_COMPACT));
    }

    private Properties config() {
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, id);
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        p.put(StreamsConfig.STATE_DIR_CONFIG, stateDir);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksConfig.class);
        p.put(StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG, LogAndContinueExceptionHandler.class);
        // Order between choices and links means nothing here, so no task waits for the other topic.
        p.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, -1L);
        p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5000);
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        p.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 20);
        p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 * 1024);
        p.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 128L << 20);
        // After each commit the first sends may find the last transaction not quite finished (CONCURRENT_TRANSACTIONS).
        p.put(StreamsConfig.producerPrefix(ProducerConfig.RETRY_BACKOFF_MS_CONFIG), 10);
        p.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false);
        Env.override(p);
        return p;
    }

    private void createTopics() throws InterruptedException, ExecutionException {
        List<NewTopic> topics = new ArrayList<>();
        // Streams purges only the repartition topics that it makes itself, and a loop can't be one of those.
        topics.add(new NewTopic(graph, PARTITIONS, (short) -1).configs(Map.of(TopicConfig.RETENTION_MS_CONFIG, "3600000")));
        for (Policy.Downstream d : Policy.DOWNSTREAMS) {
            topics.add(new NewTopic(id + "." + d.topic(), PARTITIONS, (short) -1)
                    .configs(Map.of(TopicConfig.CLEANUP_POLICY_CONFIG, TopicConfig.CLEANUP_POLICY_COMPACT)));
        }
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) bootstrap))) {
            admin.createTopics(topics).all().get();
        }
    }
}
