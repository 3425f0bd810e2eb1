package io.quell.bench;

import java.util.concurrent.atomic.AtomicBoolean;

/** Tells the benchmark when the first event was processed: its clock starts then. */
final class FirstEvent {
    private static final AtomicBoolean SEEN = new AtomicBoolean();

    private FirstEvent() {}

    static void seen() {
        if (!SEEN.getPlain() && SEEN.compareAndSet(false, true)) {
            System.out.println("FIRST_EVENT_MS " + System.currentTimeMillis());
        }
    }
}
