package io.quell.bench;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.BiConsumer;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import quell.v1.ChoiceAction;
import quell.v1.ChoiceEvent;
import quell.v1.Identifier;
import quell.v1.LinkAction;
import quell.v1.LinkEvent;

/** Turns an event into messages to the identifiers that it names. The incoming keys and partitions mean nothing. */
final class Router<T> implements Processor<byte[], T, byte[], byte[]> {
    private final RouteFunction<T> route;
    private final Out out = new Out();
    private ProcessorContext<byte[], byte[]> context;

    interface RouteFunction<T> {
        /** An event that the policy refuses is left out. */
        void route(T event, Out out, BiConsumer<byte[], byte[]> send);
    }

    private Router(RouteFunction<T> route) {
        this.route = route;
    }

    static ProcessorSupplier<byte[], ChoiceEvent, byte[], byte[]> choices() {
        return () -> new Router<>(Router::choice);
    }

    static ProcessorSupplier<byte[], LinkEvent, byte[], byte[]> links() {
        return () -> new Router<>(Router::link);
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
    }

    @Override
    public void process(Record<byte[], T> record) {
        FirstEvent.seen();
        route.route(record.value(), out, (k, v) -> context.forward(record.withKey(k).withValue(v)));
    }

    private static void choice(ChoiceEvent e, Out out, BiConsumer<byte[], byte[]> send) {
        int rights = Policy.rights(e.getRights());
        // Opt-ins are not part of this benchmark (see Policy).
        if (rights == 0 || e.getAction() != ChoiceAction.OPT_OUT) {
            return;
        }
        Choice c = new Choice(
                e.getEventId().getBytes(StandardCharsets.UTF_8),
                e.getEffectiveAt().toEpochMilli(),
                Policy.dueAt(e.getReceivedAt().toEpochMilli()));
        byte[] message = GraphMessage.choice(out, rights, c);
        for (Identifier i : e.getIdentifiers()) {
            byte[] key = Policy.key(i.getType(), i.getValue());
            if (key != null) {
                send.accept(key, message);
            }
        }
    }

    private static void link(LinkEvent e, Out out, BiConsumer<byte[], byte[]> send) {
        byte[] a = Policy.key(e.getA().getType(), e.getA().getValue());
        byte[] b = Policy.key(e.getB().getType(), e.getB().getValue());
        // Unlinks are not part of this benchmark (see Policy).
        if (a == null || b == null || e.getAction() != LinkAction.LINK || Arrays.equals(a, b)) {
            return;
        }
        send.accept(a, GraphMessage.edge(out, b));
        send.accept(b, GraphMessage.edge(out, a));
    }
}
