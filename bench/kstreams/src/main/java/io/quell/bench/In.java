package io.quell.bench;

import java.util.Arrays;

/** Reads what {@link Out} wrote. */
final class In {
    private final byte[] buf;
    private int n;

    In(byte[] buf) {
        this.buf = buf;
    }

    int u8() {
        return buf[n++];
    }

    long varint() {
        long v = 0;
        for (int shift = 0; ; shift += 7) {
            byte b = buf[n++];
            v |= (long) (b & 0x7F) << shift;
            if (b >= 0) {
                return v;
            }
        }
    }

    byte[] bytes() {
        int len = (int) varint();
        n += len;
        return Arrays.copyOfRange(buf, n - len, n);
    }
}
