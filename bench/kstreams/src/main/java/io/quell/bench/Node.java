package io.quell.bench;

import java.util.Arrays;

/**
 * What the store holds for one identifier: its neighbours, its own choices (last writer wins, per right), its
 * effective state (per right: the choice that brought it about, and whether that was made elsewhere), and the version
 * of its last suppression.
 */
final class Node {
    private static final int RIGHTS = Policy.RIGHTS.size();
    private static final byte[][] NONE = {};

    long version;
    byte[][] neighbours = NONE;
    final Choice[] own = new Choice[RIGHTS];
    final Choice[] effective = new Choice[RIGHTS];
    int inherited;

    static Node read(byte[] value) {
        Node node = new Node();
        if (value == null) {
            return node;
        }
        In in = new In(value);
        node.version = in.varint();
        int n = (int) in.varint();
        if (n > 0) {
            node.neighbours = new byte[n][];
            for (int i = 0; i < n; i++) {
                node.neighbours[i] = in.bytes();
            }
        }
        node.inherited = in.u8();
        for (int choices = in.u8(); choices > 0; choices--) {
            int ownMask = in.u8();
            int effMask = in.u8();
            Choice c = Choice.read(in);
            for (int r = 0; r < RIGHTS; r++) {
                if ((ownMask >> r & 1) != 0) {
                    node.own[r] = c;
                }
                if ((effMask >> r & 1) != 0) {
                    node.effective[r] = c;
                }
            }
        }
        return node;
    }

    byte[] write(Out out) {
        out.reset();
        out.varint(version);
        out.varint(neighbours.length);
        for (byte[] k : neighbours) {
            out.bytes(k);
        }
        out.u8(inherited);
        // Each choice once, with the rights for which it is the own and the effective one: sale and sharing, and own
        // and effective, usually share theirs.
        Choice[] distinct = new Choice[2 * RIGHTS];
        int n = 0;
        for (int r = 0; r < RIGHTS; r++) {
            n = add(distinct, n, own[r]);
            n = add(distinct, n, effective[r]);
        }
        out.u8(n);
        for (int i = 0; i < n; i++) {
            out.u8(mask(own, distinct[i]));
            out.u8(mask(effective, distinct[i]));
            distinct[i].write(out);
        }
        return out.toBytes();
    }

    boolean addNeighbour(byte[] key) {
        for (byte[] k : neighbours) {
            if (Arrays.equals(k, key)) {
                return false;
            }
        }
        neighbours = Arrays.copyOf(neighbours, neighbours.length + 1);
        neighbours[neighbours.length - 1] = key;
        return true;
    }

    /** The rights on which this node is opted out. */
    int optedOut() {
        int m = 0;
        for (int r = 0; r < RIGHTS; r++) {
            if (effective[r] != null) {
                m |= 1 << r;
            }
        }
        return m;
    }

    /** The rights for which {@code c} is the one in {@code choices}. */
    static int mask(Choice[] choices, Choice c) {
        int m = 0;
        for (int r = 0; r < RIGHTS; r++) {
            if (choices[r] == c) {
                m |= 1 << r;
            }
        }
        return m;
    }

    private static int add(Choice[] distinct, int n, Choice c) {
        if (c == null) {
            return n;
        }
        for (int i = 0; i < n; i++) {
            if (distinct[i] == c) {
                return n;
            }
        }
        distinct[n] = c;
        return n + 1;
    }
}
