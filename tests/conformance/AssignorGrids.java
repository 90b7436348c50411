import java.util.*;
import java.util.stream.*;

import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.*;
import org.apache.kafka.coordinator.group.api.assignor.*;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupTargetAssignmentMemberValue;

/**
 * Prints grids of Kafka's own assignors, one JSON object a line: what they were given and what they answered.
 *
 * Client assignors are run as ConsumerCoordinator runs them: each member has its own assignor, subscriptions and
 * assignments go through ConsumerProtocol's bytes, the leader puts them in a HashMap. Server assignors are run as
 * TargetAssignmentBuilder runs them, and the new target goes through its record. Groups change from step to step.
 *
 * Arguments: seed, number of groups an assignor.
 */
public class AssignorGrids {
    static final List<String> TOPICS = List.of("t", "t1", "t10", "orders", "payments", "clicks.v2", "A", "a-b_c");
    static Random random;

    public static void main(String[] args) {
        int groups = Integer.parseInt(args[1]);
        for (String name : List.of("range", "roundrobin", "sticky", "cooperative-sticky")) {
            random = new Random(Long.parseLong(args[0]) * 31 + name.hashCode());
            for (int i = 0; i < groups; i++) new ClientGroup(name).run();
        }
        for (String name : List.of("uniform", "range")) {
            random = new Random(Long.parseLong(args[0]) * 37 + name.hashCode());
            for (int i = 0; i < groups; i++) new ServerGroup(name).run();
        }
    }

    // --- chance ------------------------------------------------------------------------------------------------------
    static boolean chance(int percent) {
        return random.nextInt(100) < percent;
    }

    static String uuid() {
        return new UUID(random.nextLong(), random.nextLong()).toString();
    }

    static String memberId(int style, int number) {
        switch (style) {
            case 0: return "C" + number;
            case 1: return (char) ('A' + number % 26) + "-" + uuid();
            case 2: return "consumer-ledger-" + number + "-" + uuid();
            default: return uuid();
        }
    }

    static int partitionCount() {
        int[] most = {3, 8, 20, 100};
        return random.nextInt(most[random.nextInt(4)] + 1);
    }

    static Map<String, Integer> someTopics() {
        List<String> names = new ArrayList<>(TOPICS);
        Collections.shuffle(names, random);
        Map<String, Integer> topics = new TreeMap<>();
        for (String name : names.subList(0, 1 + random.nextInt(random.nextInt(5) + 1))) topics.put(name, partitionCount());
        if (chance(10))
            for (int many = 12 + random.nextInt(20); many > 0; many--) topics.put("topic-" + random.nextInt(1000), 1 + random.nextInt(2));
        return topics;
    }

    static List<String> someOf(Collection<String> topics, boolean all) {
        List<String> chosen = new ArrayList<>();
        for (String topic : topics) if (all || chance(60)) chosen.add(topic);
        if (chosen.isEmpty()) chosen.add(topics.iterator().next());
        return chosen;
    }

    static <T> T pick(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    /** What both kinds of group have: members that come and go, topics that grow. */
    abstract static class Group<M> {
        final Map<String, Integer> topics = someTopics();
        final boolean equal = chance(50);
        final int style = random.nextInt(4);
        final int statics = chance(60) ? 0 : chance(50) ? 100 : 50;
        List<M> members = new ArrayList<>();
        int joined = 0;

        abstract M newMember(String id, String instance);
        abstract void subscribe(M member, List<String> topics);
        abstract void rebalance();

        void join(int count) {
            for (int i = 0; i < count && members.size() < 20; i++) {
                String id = memberId(style, ++joined);
                String instance = chance(statics) ? "i" + random.nextInt(1000) + "-" + joined : null;
                M member = newMember(instance == null || style == 0 ? id : instance + "-" + uuid(), instance);
                subscribe(member, someOf(topics.keySet(), equal));
                members.add(member);
            }
        }

        void leave(int count) {
            for (int i = 0; i < count && members.size() > 1; i++) members.remove(random.nextInt(members.size()));
        }

        void change() {
            int what = random.nextInt(10);
            if (what < 4) join(1 + random.nextInt(3));
            else if (what < 7) leave(1 + random.nextInt(3));
            else if (what < 8) topics.replaceAll((topic, count) -> chance(50) ? count : Math.min(100, count + random.nextInt(9)));
            else if (what < 9) subscribe(pick(members), someOf(topics.keySet(), equal));
            else { leave(1); join(1); }
        }

        void run() {
            join(1 + random.nextInt(1 + random.nextInt(20)));
            rebalance();
            for (int step = random.nextInt(5); step > 0; step--) {
                change();
                rebalance();
            }
        }
    }

    // --- the client's assignors --------------------------------------------------------------------------------------
    static class Client {
        String id, instance;
        List<String> topics;
        List<TopicPartition> assigned = new ArrayList<>();
        int generation = -1;   // of the user data
        int joined = -1;       // of the subscription
        ConsumerPartitionAssignor assignor;
    }

    static class ClientGroup extends Group<Client> {
        final String name;
        int generation = 0;

        ClientGroup(String name) {
            this.name = name;
        }

        ConsumerPartitionAssignor newAssignor() {
            switch (name) {
                case "range": return new RangeAssignor();
                case "roundrobin": return new RoundRobinAssignor();
                case "sticky": return new StickyAssignor();
                default: return new CooperativeStickyAssignor();
            }
        }

        @Override Client newMember(String id, String instance) {
            Client client = new Client();
            client.id = id;
            client.instance = instance;
            client.assignor = newAssignor();
            return client;
        }

        @Override void subscribe(Client client, List<String> chosen) {
            client.topics = chance(5) ? Stream.concat(chosen.stream(), Stream.of("unknown")).collect(Collectors.toList()) : chosen;
        }

        @Override void rebalance() {
            Set<Client> late = disturb();
            boolean changed = round(late);
            while (name.equals("cooperative-sticky") && changed) changed = round(Set.of());
        }

        /** Members that miss this round's answer, members that forgot their membership, double claims. */
        Set<Client> disturb() {
            Set<Client> late = new HashSet<>();
            if (!name.contains("sticky") || generation == 0) return late;
            for (Client client : members) {
                if (chance(4)) late.add(client);
                if (chance(4)) {
                    client.joined = -1;
                    if (name.equals("cooperative-sticky")) client.assigned = new ArrayList<>();
                }
                Client other = pick(members);
                if (chance(3) && !other.assigned.isEmpty()) {
                    TopicPartition claimed = pick(other.assigned);
                    if (!client.assigned.contains(claimed)) {
                        client.assigned = new ArrayList<>(client.assigned);
                        client.assigned.add(claimed);
                        remember(client, client.generation);
                    }
                }
            }
            return late;
        }

        void remember(Client client, int generation) {
            client.assignor.onAssignment(new Assignment(client.assigned),
                new ConsumerGroupMetadata("g", generation, client.id, Optional.ofNullable(client.instance)));
        }

        boolean round(Set<Client> late) {
            List<Client> order = new ArrayList<>(members);
            Collections.shuffle(order, random);
            String given = order.stream().map(this::show).collect(Collectors.joining(","));

            Map<String, Subscription> subscriptions = new HashMap<>();
            for (Client client : order) {
                List<TopicPartition> owned = name.equals("cooperative-sticky") ? client.assigned : List.of();
                Subscription sent = new Subscription(client.topics, client.assignor.subscriptionUserData(new HashSet<>(client.topics)),
                    owned, client.joined, Optional.empty());
                Subscription got = ConsumerProtocol.deserializeSubscription(ConsumerProtocol.serializeSubscription(sent));
                got.setGroupInstanceId(Optional.ofNullable(client.instance));
                subscriptions.put(client.id, got);
            }
            Map<String, Assignment> answer = answer(subscriptions);
            if (answer == null) {
                print(given, "null");
                members = members.subList(0, 1);
                return false;
            }

            generation++;
            boolean changed = false;
            Map<String, String> expected = new TreeMap<>();
            for (Client client : members) {
                Assignment got = ConsumerProtocol.deserializeAssignment(ConsumerProtocol.serializeAssignment(answer.get(client.id)));
                expected.put(client.id, partitions(got.partitions()));
                changed |= !new HashSet<>(got.partitions()).containsAll(client.assigned);
                if (late.contains(client)) continue;
                client.assigned = got.partitions();
                client.generation = client.joined = generation;
                remember(client, generation);
            }
            print(given, object(expected));
            return changed;
        }

        void print(String given, String expected) {
            System.out.println("{\"assignor\":\"" + name + "\",\"topics\":" + counts(topics) + ",\"members\":[" + given
                + "],\"assigned\":" + expected + "}");
        }

        /** The assignment, or null: the assignor came to no end within five seconds (its general algorithm may not). */
        Map<String, Assignment> answer(Map<String, Subscription> subscriptions) {
            Map<String, Assignment> answer = new HashMap<>();
            Thread thread = new Thread(() ->
                answer.putAll(newAssignor().assign(cluster(), new GroupSubscription(subscriptions)).groupAssignment()));
            thread.setDaemon(true);
            thread.start();
            try {
                thread.join(5000);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            boolean ended = !thread.isAlive();
            thread.stop();
            return ended ? answer : null;
        }

        Cluster cluster() {
            List<PartitionInfo> infos = new ArrayList<>();
            Node node = new Node(0, "localhost", 9092);
            topics.forEach((topic, count) -> {
                for (int i = 0; i < count; i++) infos.add(new PartitionInfo(topic, i, node, new Node[] {node}, new Node[] {node}));
            });
            return new Cluster("c", List.of(node), infos, Set.of(), Set.of());
        }

        String show(Client client) {
            String shown = "{\"id\":" + text(client.id);
            if (client.instance != null) shown += ",\"instance\":" + text(client.instance);
            shown += ",\"topics\":" + texts(client.topics);
            if (name.contains("sticky")) {
                if (!client.assigned.isEmpty()) shown += ",\"owned\":" + partitions(client.assigned);
                if (client.generation >= 0) shown += ",\"generation\":" + client.generation;
                if (client.joined != client.generation) shown += ",\"joined\":" + client.joined;
            }
            return shown + "}";
        }
    }

    // --- the server's assignors --------------------------------------------------------------------------------------
    static class Server implements MemberSubscription, MemberAssignment {
        String id, instance;
        List<String> topics;
        Set<Uuid> ids;
        org.apache.kafka.coordinator.group.modern.Assignment target = org.apache.kafka.coordinator.group.modern.Assignment.EMPTY;

        @Override public Optional<String> rackId() { return Optional.empty(); }
        @Override public Optional<String> instanceId() { return Optional.ofNullable(instance); }
        @Override public Set<Uuid> subscribedTopicIds() { return ids; }
        @Override public Map<Uuid, Set<Integer>> partitions() { return target.partitions(); }
    }

    static class ServerGroup extends Group<Server> implements SubscribedTopicDescriber {
        final String name;
        final Map<String, Uuid> idOf = new TreeMap<>();
        final Map<Uuid, String> nameOf = new HashMap<>();

        ServerGroup(String name) {
            this.name = name;
            for (String topic : topics.keySet()) {
                Uuid id = new Uuid(random.nextLong(), random.nextLong());
                idOf.put(topic, id);
                nameOf.put(id, topic);
            }
        }

        @Override Server newMember(String id, String instance) {
            Server server = new Server();
            server.id = id;
            server.instance = instance;
            return server;
        }

        @Override void subscribe(Server server, List<String> chosen) {
            server.topics = chosen;
            server.ids = new LinkedHashSet<>();
            for (String topic : new HashSet<>(chosen)) server.ids.add(idOf.get(topic));
        }

        @Override public int numPartitions(Uuid topic) { return topics.get(nameOf.get(topic)); }
        @Override public Set<String> racksForPartition(Uuid topic, int partition) { return Set.of(); }

        @Override void rebalance() {
            List<Server> order = new ArrayList<>(members);
            Collections.shuffle(order, random);
            String given = order.stream().map(this::show).collect(Collectors.joining(","));
            Map<String, Server> specs = new HashMap<>();
            for (Server server : order) specs.put(server.id, server);
            Spec spec = new Spec();
            spec.members = Collections.unmodifiableMap(specs);
            for (Server server : order) server.target.partitions().forEach((topic, partitions) -> partitions.forEach(
                partition -> spec.taken.computeIfAbsent(topic, __ -> new HashMap<>()).put(partition, server.id)));
            ConsumerGroupPartitionAssignor assignor = name.equals("uniform")
                ? new org.apache.kafka.coordinator.group.assignor.UniformAssignor()
                : new org.apache.kafka.coordinator.group.assignor.RangeAssignor();
            GroupAssignment answer;
            try {
                answer = assignor.assign(spec, this);
            } catch (PartitionAssignorException e) {  // 3.9.1, unequal subscriptions
                members = members.subList(0, 1);
                return;
            }

            Map<String, String> expected = new TreeMap<>();
            for (Server server : members) {
                MemberAssignment got = answer.members().get(server.id);
                var now = got == null ? org.apache.kafka.coordinator.group.modern.Assignment.EMPTY
                    : new org.apache.kafka.coordinator.group.modern.Assignment(got.partitions());
                if (!now.equals(server.target)) {
                    var record = new ConsumerGroupTargetAssignmentMemberValue();
                    now.partitions().forEach((topic, partitions) -> record.topicPartitions().add(
                        new ConsumerGroupTargetAssignmentMemberValue.TopicPartition()
                            .setTopicId(topic).setPartitions(new ArrayList<>(partitions))));
                    server.target = org.apache.kafka.coordinator.group.modern.Assignment.fromRecord(record);
                }
                expected.put(server.id, target(server));
            }
            Map<String, String> ids = new TreeMap<>();
            idOf.forEach((topic, id) -> ids.put(topic,
                String.format("\"%016x%016x\"", id.getMostSignificantBits(), id.getLeastSignificantBits())));
            System.out.println("{\"assignor\":\"server-" + name + "\",\"topics\":" + counts(topics) + ",\"topic_ids\":" + object(ids)
                + ",\"members\":[" + given + "],\"assigned\":" + object(expected) + "}");
        }

        String target(Server server) {
            List<TopicPartition> walked = new ArrayList<>();
            server.target.partitions().forEach((id, partitions) ->
                partitions.forEach(partition -> walked.add(new TopicPartition(nameOf.get(id), partition))));
            return AssignorGrids.partitions(walked);
        }

        String show(Server server) {
            String shown = "{\"id\":" + text(server.id);
            if (server.instance != null) shown += ",\"instance\":" + text(server.instance);
            shown += ",\"topics\":" + texts(server.topics);
            if (!server.target.partitions().isEmpty()) shown += ",\"owned\":" + target(server);
            return shown + "}";
        }
    }

    static class Spec implements GroupSpec {
        Map<String, Server> members;
        final Map<Uuid, Map<Integer, String>> taken = new HashMap<>();

        @Override public Collection<String> memberIds() { return members.keySet(); }
        @Override public SubscriptionType subscriptionType() {
            long kinds = members.values().stream().map(server -> new HashSet<>(server.topics)).distinct().count();
            return kinds == 1 ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS;
        }
        @Override public boolean isPartitionAssigned(Uuid topic, int partition) {
            return taken.getOrDefault(topic, Map.of()).containsKey(partition);
        }
        public boolean isPartitionAssignable(Uuid topic, int partition) { return true; }
        @Override public MemberSubscription memberSubscription(String id) { return members.get(id); }
        @Override public MemberAssignment memberAssignment(String id) { return members.get(id); }
    }

    // --- JSON --------------------------------------------------------------------------------------------------------
    static String text(String value) {
        return "\"" + value + "\"";
    }

    static String texts(Collection<String> values) {
        return values.stream().map(AssignorGrids::text).collect(Collectors.joining(",", "[", "]"));
    }

    static String object(Map<String, String> fields) {
        return fields.entrySet().stream().map(e -> text(e.getKey()) + ":" + e.getValue()).collect(Collectors.joining(",", "{", "}"));
    }

    static String counts(Map<String, Integer> topics) {
        return topics.entrySet().stream().map(e -> text(e.getKey()) + ":" + e.getValue()).collect(Collectors.joining(",", "{", "}"));
    }

    /** In order: "t:0-2,5 u:0". */
    static String partitions(List<TopicPartition> list) {
        StringBuilder out = new StringBuilder();
        for (int i = 0, run; i < list.size(); i += run) {
            TopicPartition first = list.get(i);
            for (run = 1; i + run < list.size() && list.get(i + run).topic().equals(first.topic())
                && list.get(i + run).partition() == first.partition() + run; run++) { }
            boolean same = i > 0 && list.get(i - 1).topic().equals(first.topic());
            out.append(same ? "," : (i > 0 ? " " : "") + first.topic() + ":").append(first.partition());
            if (run > 1) out.append("-").append(first.partition() + run - 1);
        }
        return text(out.toString());
    }
}
