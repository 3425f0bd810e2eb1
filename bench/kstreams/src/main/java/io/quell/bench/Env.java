package io.quell.bench;

import java.util.Locale;
import java.util.Properties;

/** Settings by environment. */
final class Env {
    private Env() {}

    /** {@code KS_COMMIT_INTERVAL_MS=20} sets {@code commit.interval.ms}, {@code KS_PRODUCER_LINGER_MS} {@code producer.linger.ms}. */
    static void override(Properties p) {
        System.getenv().forEach((k, v) -> {
            if (k.startsWith("KS_")) {
                p.put(k.substring(3).toLowerCase(Locale.ROOT).replace('_', '.'), v);
            }
        });
    }
}
