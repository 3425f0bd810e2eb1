package io.quell.bench;

import java.io.IOException;
import org.apache.avro.Schema;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;

/** Avro single-object encoding. What can't be decoded goes the way of the deserialization exception handler. */
final class Events<T extends SpecificRecordBase> implements Deserializer<T> {
    private final BinaryMessageDecoder<T> decoder;

    Events(Class<T> type, Schema schema) {
        decoder = new BinaryMessageDecoder<>(SpecificData.getForClass(type), schema);
    }

    @Override
    public T deserialize(String topic, byte[] data) {
        try {
            return decoder.decode(data);
        } catch (IOException | RuntimeException e) {
            throw new SerializationException("not a record of " + topic + ": " + e.getMessage(), e);
        }
    }
}
