package io.quell.bench;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** An opt-out as a node keeps it and passes it on: who chose, since when, and by when it must be honoured. */
record Choice(byte[] id, long since, long dueAt) {
    /** Last writer wins, by (effective_at, event_id); every choice here is an OPT_OUT. */
    boolean newerThan(Choice other) {
        return other == null
                || since > other.since
                || (since == other.since && Arrays.compareUnsigned(id, other.id) > 0);
    }

    String idString() {
        return new String(id, StandardCharsets.UTF_8);
    }

    void write(Out out) {
        out.bytes(id);
        out.varint(since);
        out.varint(dueAt);
    }

    static Choice read(In in) {
        return new Choice(in.bytes(), in.varint(), in.varint());
    }
}
