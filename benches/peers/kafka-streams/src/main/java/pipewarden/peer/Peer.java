package pipewarden.peer;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/**
 * DETECT-8 as Kafka Streams has it: filter, parse, key by host and by tuple, windowed joins, exactly once.
 *
 * <p>Arguments: servers, application id, input topic, alerts topic, inventory, state folder.
 */
public final class Peer {
    private static final Duration GRACE = Duration.ofSeconds(30);

    public static void main(String[] arguments) throws Exception {
        Inventory inventory = new Inventory(Path.of(arguments[4]));
        AtomicLong read = new AtomicLong();
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[5]);
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        settings.put(StreamsConfig.producerPrefix("compression.type"), "lz4");
        KafkaStreams streams = new KafkaStreams(topology(arguments[2], arguments[3], inventory, read).build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        // How far it has come, for whoever measures.
        while (true) {
            System.out.println(read.get());
            System.out.flush();
            Thread.sleep(50);
        }
    }

    private static StreamsBuilder topology(String input, String alerts, Inventory inventory, AtomicLong read) {
        Serde<String> text = Serdes.String();
        Serde<Observation> observation = Json.of(Observation.class);
        Serde<Alert> alert = Json.of(Alert.class);
        Repartitioned<String, Observation> keyed = Repartitioned.with(text, observation);
        StreamJoined<String, Observation, Observation> joined = StreamJoined.with(text, observation, observation);

        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, Observation> all = builder
            .stream(input, Consumed.with(text, text))
            .process(() -> new ContextualProcessor<String, String, String, Observation>() {
                @Override
                public void process(Record<String, String> record) {
                    read.incrementAndGet();
                    Observation found = Observation.of(record.value(), inventory);
                    if (found != null) {
                        context().forward(new Record<>(found.asset(), found, found.time()));
                    }
                }
            });
        KStream<String, Observation> connections = all.filter((key, value) -> value.kind().equals("connection"));
        KStream<String, Observation> shares = all.filter((key, value) -> value.kind().equals("share"));
        KStream<String, Observation> pipes = all
            .filter((key, value) -> value.kind().equals("pipe"))
            .repartition(keyed.withName("pipes"));
        KStream<String, Observation> sharesByAsset = shares.repartition(keyed.withName("shares"));

        // 5145 with 3: the same address and port.
        KStream<String, Alert> byTuple = shares
            .selectKey((key, value) -> value.tuple())
            .repartition(keyed.withName("shares-by-tuple"))
            .leftJoin(
                connections.selectKey((key, value) -> value.tuple()).repartition(keyed.withName("connections-by-tuple")),
                (share, connection) -> KeyValue.pair(share, audited(share, false, connection != null)),
                JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMinutes(15), GRACE),
                joined)
            .map((key, pair) -> KeyValue.pair(keyOf(pair.key), pair.value));
        // An audited access is told at once, whatever comes of the join.
        KStream<String, Alert> atOnce = shares.map((key, share) -> KeyValue.pair(keyOf(share), audited(share, false, false)));

        // 18 with 5145: the same host, the same moment.
        KStream<String, KeyValue<Observation, Observation>> explained = pipes.leftJoin(
            sharesByAsset,
            KeyValue::pair,
            JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(2), GRACE),
            joined);
        KStream<String, Alert> byPipe = explained
            .filter((key, pair) -> pair.value != null)
            .map((key, pair) -> KeyValue.pair(keyOf(pair.value), audited(pair.value, true, false)));

        // 18 without 5145: whoever connected.
        KStream<String, Alert> unresolved = explained
            .filter((key, pair) -> pair.value == null)
            .mapValues(pair -> pair.key)
            .leftJoin(
                connections.repartition(keyed.withName("connections")),
                Peer::inferred,
                JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(10), GRACE),
                joined)
            .map((key, found) -> KeyValue.pair(found.source(), found));

        atOnce
            .merge(byTuple)
            .merge(byPipe)
            .merge(unresolved)
            .groupByKey(Grouped.with("alerts-by-group", text, alert))
            .aggregate(Alert::none, (key, next, sum) -> sum.and(next), Materialized.with(text, alert))
            .toStream()
            .to(alerts, Produced.with(text, alert));
        return builder;
    }

    private static String keyOf(Observation share) {
        return Alert.key(share.asset(), share.source(), share.time());
    }

    private static Alert audited(Observation share, boolean hasPipe, boolean hasConnection) {
        TreeSet<String> sources = new TreeSet<>();
        sources.add(share.source());
        return new Alert(share.asset(), share.source(), sources, hasPipe, hasConnection, true);
    }

    private static Alert inferred(Observation pipe, Observation connection) {
        TreeSet<String> sources = new TreeSet<>();
        if (connection != null) {
            sources.add(connection.source());
        }
        String key = Alert.key(pipe.asset(), null, pipe.time());
        return new Alert(pipe.asset(), key, sources, true, connection != null, false);
    }
}
