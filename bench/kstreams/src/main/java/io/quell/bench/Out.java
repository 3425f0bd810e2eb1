package io.quell.bench;

import java.util.Arrays;

/** A growing byte buffer with unsigned varints; one per processor, used again for every record. */
final class Out {
    private byte[] buf = new byte[512];
    private int n;

    Out reset() {
        n = 0;
        return this;
    }

    void u8(int b) {
        room(1);
        buf[n++] = (byte) b;
    }

    void varint(long v) {
        room(10);
        while ((v & ~0x7FL) != 0) {
            buf[n++] = (byte) (v | 0x80);
            v >>>= 7;
        }
        buf[n++] = (byte) v;
    }

    void bytes(byte[] b) {
        varint(b.length);
        room(b.length);
        System.arraycopy(b, 0, buf, n, b.length);
        n += b.length;
    }

    byte[] toBytes() {
        return Arrays.copyOf(buf, n);
    }

    private void room(int more) {
        if (n + more > buf.length) {
            buf = Arrays.copyOf(buf, Math.max(buf.length * 2, n + more));
        }
    }
}
