import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import kafka.tools.StorageTool;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java clients and an operator, driven by lines of JSON: a command a line on stdin, an event a line on stdout.
 *
 * <p>Commands with an "id" are answered by {"id", "ok"} or {"id", "error"}. Times are nanoseconds of the machine's
 * monotonic clock, which System.nanoTime() reads here. The end of stdin ends the process.
 */
public final class KafkaClients {
    static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = System.out;
    private static final Map<String, Client> CLIENTS = new HashMap<>();
    private static Admin admin;

    private KafkaClients() {}

    public static void main(String[] arguments) throws Exception {
        System.setOut(System.err); // whatever a library prints must not stand between the events
        ExecutorService operator = Executors.newSingleThreadExecutor();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode command = JSON.readTree(line);
            String name = command.get("do").asText();
            if (name.equals("open")) {
                open(command);
            } else if (name.equals("go")) {
                CLIENTS.get(command.get("name").asText()).go(command.get("at").asLong());
            } else if (name.equals("close")) {
                CLIENTS.remove(command.get("name").asText()).stop();
            } else {
                operator.submit(() -> answer(command, name));
            }
        }
        Runtime.getRuntime().halt(0);
    }

    static synchronized void tell(ObjectNode event) {
        OUT.println(event);
        OUT.flush();
    }

    private static void answer(JsonNode command, String name) {
        ObjectNode event = JSON.createObjectNode().put("id", command.get("id").asLong());
        try {
            event.set("ok", operate(command, name));
        } catch (Throwable error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            event.put("error", cause.getClass().getSimpleName() + ": " + cause.getMessage());
        }
        tell(event);
    }

    private static JsonNode operate(JsonNode command, String name) throws Exception {
        switch (name) {
            case "format": return format(command);
            case "connect": return connect(command);
            case "nodes": return nodes();
            case "create": return create(command);
            case "delete": return delete(command);
            case "describe": return describe(command);
            case "elect": return elect(command);
            case "increase": return increase(command);
            case "controller": return controller();
            case "offsets": return offsets(command);
            case "forget": return forget(command);
            default: throw new IllegalArgumentException(name);
        }
    }

    private static JsonNode format(JsonNode command) {
        for (JsonNode file : command.get("files")) {
            ByteArrayOutputStream said = new ByteArrayOutputStream();
            String[] arguments = {"format", "-t", command.get("cluster").asText(), "-c", file.asText()};
            int status = StorageTool.execute(arguments, new PrintStream(said, true));
            if (status != 0) {
                throw new IllegalStateException(said.toString(StandardCharsets.UTF_8));
            }
        }
        return JSON.createObjectNode();
    }

    private static JsonNode connect(JsonNode command) {
        if (admin != null) {
            admin.close(Duration.ZERO);
        }
        Properties options = new Properties();
        options.put("bootstrap.servers", command.get("bootstrap").asText());
        options.put("default.api.timeout.ms", "20000");
        options.put("request.timeout.ms", "3000");
        options.put("reconnect.backoff.max.ms", "200");
        admin = Admin.create(options);
        return JSON.createObjectNode();
    }

    private static JsonNode nodes() throws Exception {
        ArrayNode found = JSON.createArrayNode();
        for (Node node : admin.describeCluster().nodes().get(5, TimeUnit.SECONDS)) {
            found.add(node.id());
        }
        return found;
    }

    private static JsonNode controller() throws Exception {
        return JSON.getNodeFactory().numberNode(admin.describeMetadataQuorum().quorumInfo().get().leaderId());
    }

    private static JsonNode offsets(JsonNode command) throws Exception {
        ArrayNode found = JSON.createArrayNode();
        String group = command.get("group").asText();
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().forEach((partition, offset) -> {
            if (offset != null) {
                found.addArray().add(partition.topic()).add(partition.partition()).add(offset.offset());
            }
        });
        return found;
    }

    private static JsonNode forget(JsonNode command) throws Exception {
        List<String> names = new ArrayList<>();
        command.get("groups").forEach(name -> names.add(name.asText()));
        admin.deleteConsumerGroups(names).all().get();
        return JSON.createObjectNode();
    }

    private static JsonNode create(JsonNode command) throws Exception {
        List<NewTopic> wanted = new ArrayList<>();
        for (JsonNode topic : command.get("topics")) {
            Map<Integer, List<Integer>> assignment = new HashMap<>();
            for (JsonNode row : topic.get("assignment")) {
                assignment.put(assignment.size(), integers(row));
            }
            wanted.add(new NewTopic(topic.get("name").asText(), assignment).configs(strings(topic.get("config"))));
        }
        admin.createTopics(wanted).all().get();
        return JSON.createObjectNode();
    }

    private static JsonNode delete(JsonNode command) throws Exception {
        List<String> names = new ArrayList<>();
        command.get("topics").forEach(name -> names.add(name.asText()));
        admin.deleteTopics(names).all().get();
        return JSON.createObjectNode();
    }

    private static JsonNode describe(JsonNode command) throws Exception {
        List<String> names = new ArrayList<>();
        command.get("topics").forEach(name -> names.add(name.asText()));
        ObjectNode found = JSON.createObjectNode();
        for (TopicDescription topic : admin.describeTopics(names).allTopicNames().get().values()) {
            ObjectNode told = found.putObject(topic.name());
            Uuid id = topic.topicId();
            told.put("id", String.format("%016x%016x", id.getMostSignificantBits(), id.getLeastSignificantBits()));
            ArrayNode partitions = told.putArray("partitions");
            for (TopicPartitionInfo partition : topic.partitions()) {
                ObjectNode one = partitions.addObject();
                Node leader = partition.leader();
                one.put("leader", leader == null || leader.isEmpty() ? -1 : leader.id());
                ArrayNode replicas = one.putArray("replicas");
                partition.replicas().forEach(node -> replicas.add(node.id()));
                ArrayNode insync = one.putArray("isr");
                partition.isr().forEach(node -> insync.add(node.id()));
            }
        }
        return found;
    }

    private static JsonNode elect(JsonNode command) throws Exception {
        ElectionType type = ElectionType.valueOf(command.get("type").asText());
        Set<TopicPartition> partitions = new java.util.HashSet<>(partitions(command.get("partitions")));
        Map<TopicPartition, Optional<Throwable>> told = admin.electLeaders(type, partitions).partitions().get();
        ObjectNode found = JSON.createObjectNode();
        told.forEach((partition, error) -> found.put(partition.toString(), error.map(Object::toString).orElse("")));
        return found;
    }

    private static JsonNode increase(JsonNode command) throws Exception {
        List<List<Integer>> rows = new ArrayList<>();
        command.get("assignment").forEach(row -> rows.add(integers(row)));
        NewPartitions more = NewPartitions.increaseTo(command.get("count").asInt(), rows);
        admin.createPartitions(Map.of(command.get("topic").asText(), more)).all().get();
        return JSON.createObjectNode();
    }

    private static List<Integer> integers(JsonNode row) {
        List<Integer> found = new ArrayList<>();
        row.forEach(number -> found.add(number.asInt()));
        return found;
    }

    private static Map<String, String> strings(JsonNode object) {
        Map<String, String> found = new HashMap<>();
        object.fields().forEachRemaining(entry -> found.put(entry.getKey(), entry.getValue().asText()));
        return found;
    }

    private static List<TopicPartition> partitions(JsonNode rows) {
        List<TopicPartition> found = new ArrayList<>();
        rows.forEach(row -> found.add(new TopicPartition(row.get(0).asText(), row.get(1).asInt())));
        return found;
    }

    static String text(byte[] value) {
        int end = 0;
        while (end < value.length && value[end] != 0) {
            end++;
        }
        return new String(value, 0, end, StandardCharsets.UTF_8);
    }

    private static void open(JsonNode command) {
        Client client = clientOf(command);
        CLIENTS.put(client.name, client);
        Thread thread = new Thread(client::run, client.name);
        thread.setDaemon(true);
        thread.start();
    }

    private static Client clientOf(JsonNode command) {
        switch (command.get("kind").asText()) {
            case "producer": return new Sender(command);
            case "member": return new KafkaMember(command);
            default: return new Reader(command);
        }
    }

    /** A producer or a consumer with a thread of its own: made, told to go at a time, stopped. */
    abstract static class Client {
        final String name;
        final JsonNode command;
        final Properties options = new Properties();
        private final CountDownLatch started = new CountDownLatch(1);
        private long startNanos;
        volatile boolean stopped;

        Client(JsonNode command) {
            this.command = command;
            name = command.get("name").asText();
            strings(command.get("config")).forEach(options::put);
        }

        void go(long atNanos) {
            startNanos = atNanos;
            started.countDown();
        }

        void stop() {
            stopped = true;
            started.countDown();
        }

        final void run() {
            try {
                make();
                tell(event("ready"));
                started.await();
                work(startNanos);
            } catch (Throwable error) {
                tell(event("broken").put("error", error.toString()));
            }
            tell(event("ended"));
        }

        final ObjectNode event(String kind) {
            return JSON.createObjectNode().put("e", kind).put("name", name).put("t", System.nanoTime());
        }

        abstract void make();

        abstract void work(long startNanos) throws Exception;
    }

    static void sleepUntil(long nanos) {
        for (long left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    /** One call of send() a row of "sends": [microseconds, topic, partition or null, key or null, value, bytes]. */
    private static final class Sender extends Client {
        private static final long SETTLING_NANOS = 300_000_000L; // others learn of the warm-up meanwhile
        private final CountDownLatch warmed = new CountDownLatch(1); // by the report of the first call
        private KafkaProducer<byte[], byte[]> producer;

        Sender(JsonNode command) {
            super(command);
        }

        @Override
        void make() {
            producer = new KafkaProducer<>(options, new ByteArraySerializer(), new ByteArraySerializer());
        }

        @Override
        void work(long startNanos) throws Exception {
            int index = 0;
            long start = startNanos;
            for (JsonNode row : command.get("sends")) {
                if (index == 1 && command.get("warm").asBoolean()) {
                    warmed.await();
                    start = Math.max(start, System.nanoTime() + SETTLING_NANOS - row.get(0).asLong() * 1000);
                }
                sleepUntil(start + row.get(0).asLong() * 1000);
                if (stopped) {
                    break;
                }
                call(index++, row);
            }
            tell(event("sent").put("count", index));
            while (!stopped) {
                Thread.sleep(20);
            }
            producer.close(Duration.ZERO);
        }

        private void call(int index, JsonNode row) {
            byte[] key = row.get(3).isNull() ? null : row.get(3).asText().getBytes(StandardCharsets.UTF_8);
            byte[] text = row.get(4).asText().getBytes(StandardCharsets.UTF_8);
            byte[] value = Arrays.copyOf(text, Math.max(text.length, row.get(5).asInt()));
            Integer partition = row.get(2).isNull() ? null : row.get(2).asInt();
            tell(event("send").put("i", index));
            try {
                producer.send(new ProducerRecord<>(row.get(1).asText(), partition, key, value), (metadata, error) -> {
                    ObjectNode told = event("told").put("i", index);
                    told.put("p", metadata == null ? -1 : metadata.partition());
                    told.put("o", error == null && metadata.hasOffset() ? metadata.offset() : -1);
                    tell(told.put("error", error == null ? null : error.getClass().getSimpleName()));
                    warmed.countDown();
                });
            } catch (RuntimeException error) {
                tell(event("refused").put("i", index).put("error", error.getClass().getSimpleName()));
                warmed.countDown();
            }
        }
    }

    /** Polls assigned partitions and tells every record that poll() returned. */
    private static final class Reader extends Client {
        private KafkaConsumer<byte[], byte[]> consumer;

        Reader(JsonNode command) {
            super(command);
        }

        @Override
        void make() {
            consumer = new KafkaConsumer<>(options, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }

        @Override
        void work(long startNanos) {
            sleepUntil(startNanos);
            consumer.assign(partitions(command.get("partitions")));
            while (!stopped) {
                ArrayNode records = JSON.createArrayNode();
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(50))) {
                    ArrayNode told = records.addArray().add(record.topic()).add(record.partition());
                    told.add(record.offset()).add(text(record.value()));
                }
                if (!records.isEmpty()) {
                    ObjectNode event = event("poll");
                    event.set("recs", records);
                    tell(event);
                }
            }
            consumer.close();
        }
    }
}
