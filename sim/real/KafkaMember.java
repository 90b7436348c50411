import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Properties;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A member of a group with the application that a scenario describes: one thread that polls, works on record after
 * record, commits, and tells all of it and what its callbacks were told.
 */
final class KafkaMember extends KafkaClients.Client implements ConsumerRebalanceListener {
    private static final Duration POLL = Duration.ofMillis(20);
    private static final long WARMING_NANOS = 8_000_000_000L;
    private static final Map<String, Consumer<Map<TopicPartition, OffsetAndMetadata>>> COMMITTED = new HashMap<>();

    private final JsonNode work;
    private final String commit;
    private final Set<Integer> failing = new HashSet<>();
    private final Map<TopicPartition, OffsetAndMetadata> processed = new HashMap<>();
    private KafkaConsumer<byte[], byte[]> consumer;
    private int draws;
    private int tries;
    private boolean resting;
    private boolean byApplication; // whether a commit under way is the application's

    KafkaMember(JsonNode command) {
        super(command);
        work = command.get("work");
        commit = work.get("commit").asText();
        work.get("fails").forEach(number -> failing.add(number.asInt()));
    }

    @Override
    void make() {
        warmUp();
        synchronized (COMMITTED) {
            COMMITTED.put(name, this::committed);
        }
        options.put("interceptor.classes", List.of(Interceptor.class.getName()));
        options.put("korder.member", name);
        consumer = new KafkaConsumer<>(options, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Another member of another group, so that loading classes takes no time later: here, and in the brokers. */
    private void warmUp() {
        Properties other = new Properties();
        other.put("bootstrap.servers", options.get("bootstrap.servers"));
        other.put("group.id", "korder-warm-up-" + name);
        other.put("enable.auto.commit", "false");
        long until = System.nanoTime() + WARMING_NANOS;
        try (KafkaConsumer<byte[], byte[]> warm =
                new KafkaConsumer<>(other, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            warm.subscribe(topics());
            while (warm.assignment().isEmpty() && System.nanoTime() < until) {
                warm.poll(POLL);
            }
            warm.commitSync();
        } catch (KafkaException error) {
            return; // no harm done: the member itself will be slower
        }
    }

    private Set<String> topics() {
        Set<String> topics = new HashSet<>();
        command.get("topics").forEach(topic -> topics.add(topic.asText()));
        return topics;
    }

    @Override
    void work(long startNanos) {
        KafkaClients.sleepUntil(startNanos);
        boolean failed = false;
        try {
            consumer.subscribe(topics(), this);
            while (!stopped && !failed) {
                failed = !turn(consumer.poll(POLL));
            }
        } catch (FencedInstanceIdException error) {
            KafkaClients.tell(event("fenced"));
        }
        consumer.close();
        KafkaClients.tell(event("closed").put("failed", failed));
    }

    /** What one poll returned is worked on; false if the application leaves its loop. */
    private boolean turn(ConsumerRecords<byte[], byte[]> records) {
        if (records.isEmpty()) {
            rest();
            return true;
        }
        resting = false;
        ArrayNode told = KafkaClients.JSON.createArrayNode();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            ArrayNode one = told.addArray().add(record.topic()).add(record.partition());
            one.add(record.offset()).add(KafkaClients.text(record.value()));
        }
        ObjectNode event = event("poll");
        event.set("recs", told);
        KafkaClients.tell(event);
        if (commit.equals("before")) {
            commit(positions(), true);
        }
        boolean first = true;
        for (ConsumerRecord<byte[], byte[]> record : records) {
            if (!process(record, first)) {
                return false;
            }
            first = false;
        }
        if (commit.equals("after")) {
            commit(positions(), true);
        }
        return true;
    }

    private boolean process(ConsumerRecord<byte[], byte[]> record, boolean first) {
        TopicPartition partition = new TopicPartition(record.topic(), record.partition());
        KafkaClients.tell(at("proc_start", partition, record.offset()));
        boolean fails = true;
        while (fails) {
            long micros = work.get("per_poll").asBoolean() && !first ? 0 : time();
            KafkaClients.sleepUntil(System.nanoTime() + micros * 1000);
            fails = failing.contains(++tries);
            if (fails && !work.get("on_failure").asText().equals("retry")) {
                return work.get("on_failure").asText().equals("skip");
            }
        }
        KafkaClients.tell(at("proc_end", partition, record.offset()));
        processed.put(partition, new OffsetAndMetadata(record.offset() + 1, record.leaderEpoch(), ""));
        if (commit.equals("each")) {
            commit(Map.of(partition, processed.get(partition)), false);
        }
        return true;
    }

    private long time() {
        JsonNode times = work.get("times");
        return times.get(draws++ % times.size()).asLong();
    }

    private ObjectNode at(String kind, TopicPartition partition, long offset) {
        return event(kind).put("topic", partition.topic()).put("index", partition.partition()).put("o", offset);
    }

    // --- commits ---------------------------------------------------------------------------------------------------
    private Map<TopicPartition, OffsetAndMetadata> positions() {
        Map<TopicPartition, OffsetAndMetadata> found = new HashMap<>();
        for (TopicPartition partition : consumer.assignment()) {
            try {
                found.put(partition, new OffsetAndMetadata(consumer.position(partition, Duration.ZERO)));
            } catch (TimeoutException error) {
                continue; // no position yet: nothing of it is committed either
            }
        }
        return found;
    }

    /** The offsets, or with everything all that was consumed (which they tell of). */
    private void commit(Map<TopicPartition, OffsetAndMetadata> offsets, boolean everything) {
        if (work.get("commit_async").asBoolean()) {
            byApplication = true; // no automatic commits beside those of an application, so for good
            if (everything) {
                consumer.commitAsync((told, error) -> refused(told, error));
            } else {
                consumer.commitAsync(offsets, (told, error) -> refused(told, error));
            }
            return;
        }
        byApplication = true;
        try {
            if (everything) {
                consumer.commitSync();
            } else {
                consumer.commitSync(offsets);
            }
        } catch (FencedInstanceIdException error) {
            throw error;
        } catch (KafkaException error) {
            refused(offsets, error);
        } finally {
            byApplication = false;
        }
    }

    private void refused(Map<TopicPartition, OffsetAndMetadata> offsets, Exception error) {
        if (error != null) {
            tellCommit(offsets, true, error.getClass().getSimpleName());
        }
    }

    private void committed(Map<TopicPartition, OffsetAndMetadata> offsets) {
        tellCommit(offsets, byApplication, null);
    }

    private void tellCommit(Map<TopicPartition, OffsetAndMetadata> offsets, boolean own, String error) {
        ObjectNode event = event("commit").put("auto", !own).put("error", error);
        ArrayNode told = event.putArray("offsets");
        offsets.forEach((partition, offset) ->
            told.addArray().add(partition.topic()).add(partition.partition()).add(offset.offset()));
        KafkaClients.tell(event);
    }

    /** Tells of commits that succeeded, whoever made them. */
    public static final class Interceptor implements ConsumerInterceptor<byte[], byte[]> {
        private String member;

        @Override
        public void configure(Map<String, ?> configs) {
            member = String.valueOf(configs.get("korder.member"));
        }

        @Override
        public ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> records) {
            return records;
        }

        @Override
        public void onCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
            Consumer<Map<TopicPartition, OffsetAndMetadata>> told;
            synchronized (COMMITTED) {
                told = COMMITTED.get(member);
            }
            told.accept(offsets);
        }

        @Override
        public void close() {}
    }

    // --- callbacks -------------------------------------------------------------------------------------------------
    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        changed("assigned", partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        Map<TopicPartition, OffsetAndMetadata> done = new HashMap<>(processed);
        done.keySet().retainAll(partitions);
        if (work.get("commit_in_revoke").asBoolean() && !done.isEmpty()) {
            byApplication = true;
            try {
                consumer.commitSync(done);
            } catch (KafkaException error) {
                refused(done, error);
            } finally {
                byApplication = false;
            }
        }
        processed.keySet().removeAll(partitions);
        changed("revoked", partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        processed.keySet().removeAll(partitions);
        changed("lost", partitions);
    }

    private void changed(String what, Collection<TopicPartition> partitions) {
        resting = false;
        ObjectNode event = event("callback").put("what", what);
        ArrayNode told = event.putArray("partitions");
        partitions.forEach(one -> told.addArray().add(one.topic()).add(one.partition()));
        KafkaClients.tell(event);
    }

    /** Tell once that everything assigned has been read to its end. */
    private void rest() {
        for (TopicPartition partition : consumer.assignment()) {
            OptionalLong lag = consumer.currentLag(partition);
            if (lag.isEmpty() || lag.getAsLong() > 0) {
                resting = false;
                return;
            }
        }
        if (!resting) {
            resting = true;
            KafkaClients.tell(event("rest"));
        }
    }
}
