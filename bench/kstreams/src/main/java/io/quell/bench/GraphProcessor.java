package io.quell.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.avro.specific.SpecificData;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import quell.v1.Identifier;
import quell.v1.RightState;
import quell.v1.Suppression;

/**
 * One identifier per key. What is new at an identifier is published for its downstreams and sent to its neighbours: to
 * those of this partition at once, in memory, to the others through the graph topic. An opt-out only ever adds, so
 * this ends, and in the same state whatever the order.
 */
final class GraphProcessor implements Processor<byte[], byte[], byte[], byte[]> {
    static final String STORE = "nodes";
    static final String GRAPH_SINK = "graph-out";

    private record Message(byte[] key, byte[] value) {}

    private final int partitions;
    private final Out out = new Out();
    private final ArrayDeque<Message> local = new ArrayDeque<>();
    private final BinaryMessageEncoder<Suppression> encoder =
            new BinaryMessageEncoder<>(SpecificData.getForClass(Suppression.class), Suppression.getClassSchema());
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> store;
    private int partition;

    GraphProcessor(int partitions) {
        this.partitions = partitions;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        store = context.getStateStore(STORE);
        partition = context.taskId().partition();
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        apply(record.key(), record.value(), record);
        for (Message m; (m = local.poll()) != null; ) {
            apply(m.key, m.value, record);
        }
    }

    private void apply(byte[] key, byte[] message, Record<byte[], byte[]> cause) {
        Node node = Node.read(store.get(key));
        In in = new In(message);
        boolean dirty = false;
        int before = node.optedOut();
        int nowOwn = 0;
        byte[] sender = null;

        switch (in.u8()) {
            case GraphMessage.EDGE -> {
                byte[] neighbour = in.bytes();
                if (node.addNeighbour(neighbour)) {
                    dirty = true;
                    if (before != 0) {
                        send(neighbour, GraphMessage.contribution(out, key, node, before), cause);
                    }
                }
            }
            case GraphMessage.CHOICE -> {
                int rights = in.u8();
                Choice c = Choice.read(in);
                for (int r = 0; r < node.own.length; r++) {
                    if ((rights >> r & 1) == 0) {
                        continue;
                    }
                    if (c.newerThan(node.own[r])) {
                        node.own[r] = c;
                        dirty = true;
                    }
                    // A choice made at two linked identifiers came by way of the other one first: it is not inherited.
                    if ((node.inherited >> r & 1) != 0 && Arrays.equals(node.effective[r].id(), c.id())) {
                        node.inherited &= ~(1 << r);
                        nowOwn |= 1 << r;
                        dirty = true;
                    }
                }
                // Whatever its age: one opt-out is as good as another, and a repeat (a GPC signal with every page view)
                // changes nothing that anybody sees.
                dirty |= optOut(node, rights, c, false);
            }
            case GraphMessage.CONTRIBUTION -> {
                sender = in.bytes();
                for (int n = in.u8(); n > 0; n--) {
                    int rights = in.u8();
                    dirty |= optOut(node, rights, Choice.read(in), true);
                }
            }
            default -> throw new IllegalStateException("unknown message on the graph topic");
        }

        int changed = node.optedOut() & ~before;
        if ((changed | nowOwn) != 0) {
            publish(key, node, changed | nowOwn, cause);
        }
        if (changed != 0 && node.neighbours.length > 0) {
            byte[] contribution = GraphMessage.contribution(out, key, node, changed);
            for (byte[] neighbour : node.neighbours) {
                if (!Arrays.equals(neighbour, sender)) {
                    send(neighbour, contribution, cause);
                }
            }
        }
        if (dirty) {
            store.put(key, node.write(out));
        }
    }

    private static boolean optOut(Node node, int rights, Choice c, boolean inherited) {
        boolean changed = false;
        for (int r = 0; r < node.effective.length; r++) {
            if ((rights >> r & 1) != 0 && node.effective[r] == null) {
                node.effective[r] = c;
                if (inherited) {
                    node.inherited |= 1 << r;
                }
                changed = true;
            }
        }
        return changed;
    }

    private void send(byte[] key, byte[] message, Record<byte[], byte[]> cause) {
        // As the producer's default partitioner does it.
        if (Utils.toPositive(Utils.murmur2(key)) % partitions == partition) {
            local.add(new Message(key, message));
        } else {
            context.forward(cause.withKey(key).withValue(message), GRAPH_SINK);
        }
    }

    private void publish(byte[] key, Node node, int changed, Record<byte[], byte[]> cause) {
        Identifier identifier = null;
        long now = System.currentTimeMillis();
        for (Policy.Downstream d : Policy.DOWNSTREAMS) {
            if ((d.rights() & changed) == 0) {
                continue;
            }
            if (identifier == null) {
                String s = new String(key, StandardCharsets.UTF_8);
                int colon = s.indexOf(':');
                identifier = new Identifier(s.substring(0, colon), s.substring(colon + 1));
                node.version++;
            }
            if (!d.types().contains(identifier.getType())) {
                continue;
            }
            Map<String, RightState> rights = new HashMap<>(8);
            for (int r = 0; r < node.effective.length; r++) {
                Choice c = node.effective[r];
                if ((d.rights() >> r & 1) != 0 && c != null) {
                    rights.put(Policy.RIGHTS.get(r), new RightState(true, c.idString(), Instant.ofEpochMilli(c.since()),
                            (node.inherited >> r & 1) != 0, Instant.ofEpochMilli(c.dueAt())));
                }
            }
            Suppression s = new Suppression(
                    identifier, d.name(), node.version, true, rights, Instant.ofEpochMilli(now));
            context.forward(cause.withKey(key).withValue(encode(s)), d.topic());
        }
    }

    private byte[] encode(Suppression s) {
        try {
            ByteBuffer b = encoder.encode(s);
            return b.hasArray() && b.arrayOffset() == 0 && b.remaining() == b.array().length
                    ? b.array() : Utils.toArray(b);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
