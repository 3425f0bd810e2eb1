package io.quell.bench;

import java.util.Arrays;

/**
 * The values of the graph topic, whose key is the identifier addressed.
 * <ul>
 *   <li>EDGE, neighbour key: the two are linked. Sent to both ends.
 *   <li>CHOICE, rights, choice: an opt-out made at this identifier.
 *   <li>CONTRIBUTION, sender key, n, n times (rights, choice): what holds at a neighbour.
 * </ul>
 */
final class GraphMessage {
    static final int EDGE = 0;
    static final int CHOICE = 1;
    static final int CONTRIBUTION = 2;

    private GraphMessage() {}

    static byte[] edge(Out out, byte[] neighbour) {
        out.reset().u8(EDGE);
        out.bytes(neighbour);
        return out.toBytes();
    }

    static byte[] choice(Out out, int rights, Choice choice) {
        out.reset().u8(CHOICE);
        out.u8(rights);
        choice.write(out);
        return out.toBytes();
    }

    /** The part of a node's effective state that is in {@code rights}; a choice that holds for several rights once. */
    static byte[] contribution(Out out, byte[] sender, Node node, int rights) {
        out.reset().u8(CONTRIBUTION);
        out.bytes(sender);
        Choice[] part = Arrays.copyOf(node.effective, node.effective.length);
        int groups = 0;
        int left = 0;
        for (int r = 0; r < part.length; r++) {
            if ((rights >> r & 1) == 0 || part[r] == null) {
                part[r] = null;
                continue;
            }
            left |= 1 << r;
            if (Integer.numberOfTrailingZeros(Node.mask(part, part[r])) == r) {
                groups++;
            }
        }
        out.u8(groups);
        while (left != 0) {
            Choice c = part[Integer.numberOfTrailingZeros(left)];
            int mask = Node.mask(part, c) & left;
            out.u8(mask);
            c.write(out);
            left &= ~mask;
        }
        return out.toBytes();
    }
}
