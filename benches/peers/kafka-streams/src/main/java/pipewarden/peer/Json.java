package pipewarden.peer;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** Values as JSON. */
final class Json {
    private Json() {}

    static <T> Serde<T> of(Class<T> type) {
        return Serdes.serdeFrom(
            (topic, value) -> {
                try {
                    return value == null ? null : Observation.JSON.writeValueAsBytes(value);
                } catch (IOException problem) {
                    throw new UncheckedIOException(problem);
                }
            },
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : Observation.JSON.readValue(bytes, type);
                } catch (IOException problem) {
                    throw new UncheckedIOException(problem);
                }
            });
    }
}
