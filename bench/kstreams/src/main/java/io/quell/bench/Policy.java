package io.quell.bench;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.DayOfWeek;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The example policy of the contract, as constants. Rights are bits of an int, so that a set of them is one int.
 *
 * <p>Left out, since the benchmark's workload has none of it: hubs ({@code max_neighbours}), opt-ins and unlinks
 * (hence {@code latest_wins}, generations and {@code relax_after}), sources, acknowledgements.
 */
final class Policy {
    static final List<String> RIGHTS = List.of("sale", "sharing", "sensitive_pi", "admt", "admt:hiring", "admt:credit");
    private static final int ADMT = mask("admt", "admt:hiring", "admt:credit");

    static final Set<String> TYPES = Set.of("cookie_id", "email_sha256", "account_id");
    private static final Set<String> BLOCKED = Set.of("", "null", "undefined", "0");

    record Downstream(String name, int rights, Set<String> types) {
        String topic() {
            return "suppression." + name;
        }
    }

    static final List<Downstream> DOWNSTREAMS = List.of(
            new Downstream("ads", mask("sale", "sharing"), Set.of("cookie_id", "email_sha256")),
            new Downstream("analytics", mask("sale", "sharing", "sensitive_pi"), Set.of("cookie_id", "account_id")),
            new Downstream("ml", mask("sensitive_pi") | ADMT, Set.of("cookie_id", "email_sha256", "account_id")));

    private static final int DEADLINE_BUSINESS_DAYS = 15;
    private static final Set<LocalDate> HOLIDAYS =
            Set.of(LocalDate.of(2026, 11, 26), LocalDate.of(2026, 12, 25), LocalDate.of(2027, 1, 1));
    private static final long DAY_MS = 86_400_000L;
    private static final Map<Long, Long> DUE_DAY = new ConcurrentHashMap<>();

    private Policy() {}

    private static int mask(String... rights) {
        int m = 0;
        for (String r : rights) {
            m |= 1 << RIGHTS.indexOf(r);
        }
        return m;
    }

    /** The rights named, {@code admt} standing for every {@code admt:<system>} too; 0 if there is none or an unknown one. */
    static int rights(Collection<String> names) {
        int m = 0;
        for (String name : names) {
            int i = RIGHTS.indexOf(name);
            if (i < 0) {
                return 0;
            }
            m |= "admt".equals(name) ? ADMT : 1 << i;
        }
        return m;
    }

    /** The identifier's key, {@code type:value}; null if the policy refuses it. A raw email is hashed here. */
    static byte[] key(String type, String value) {
        if ("email".equals(type)) {
            type = "email_sha256";
            value = sha256(value.trim().toLowerCase(Locale.ROOT));
        }
        if (!TYPES.contains(type) || BLOCKED.contains(value)) {
            return null;
        }
        return (type + ":" + value).getBytes(StandardCharsets.UTF_8);
    }

    /** Fifteen business days later, at the same time of day, UTC. */
    static long dueAt(long receivedAt) {
        long day = Math.floorDiv(receivedAt, DAY_MS);
        return DUE_DAY.computeIfAbsent(day, Policy::dueDay) * DAY_MS + Math.floorMod(receivedAt, DAY_MS);
    }

    private static long dueDay(long epochDay) {
        LocalDate d = LocalDate.ofEpochDay(epochDay);
        for (int left = DEADLINE_BUSINESS_DAYS; left > 0; ) {
            d = d.plusDays(1);
            if (d.getDayOfWeek() != DayOfWeek.SATURDAY && d.getDayOfWeek() != DayOfWeek.SUNDAY && !HOLIDAYS.contains(d)) {
                left--;
            }
        }
        return d.toEpochDay();
    }

    private static String sha256(String s) {
        try {
            return HexFormat.of().formatHex(
                    MessageDigest.getInstance("SHA-256").digest(s.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
