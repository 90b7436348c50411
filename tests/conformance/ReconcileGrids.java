import java.lang.reflect.Proxy;
import java.util.*;
import java.util.stream.*;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ConsumerGroupHeartbeatRequestData.TopicPartitions;
import org.apache.kafka.coordinator.common.runtime.CoordinatorMetadataImage;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.MemberState;
import org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroupMember;
import org.apache.kafka.coordinator.group.modern.consumer.CurrentAssignmentBuilder;

/**
 * Prints what Kafka's CurrentAssignmentBuilder makes of random members, targets, owners and heartbeats, one JSON object
 * a line. As GroupMetadataManager.maybeReconcile, it leaves a reconciled member alone.
 *
 * Arguments: seed, how many.
 */
public class ReconcileGrids {
    static final Map<String, Uuid> IDS = new TreeMap<>(Map.of("t", new Uuid(1, 2), "u", new Uuid(3, 4)));
    static Random random;

    public static void main(String[] args) {
        random = new Random(Long.parseLong(args[0]));
        for (int i = 0; i < Integer.parseInt(args[1]); i++) print();
    }

    static void print() {
        int epoch = 1 + random.nextInt(3), targetEpoch = epoch + random.nextInt(3);
        MemberState state = List.of(MemberState.STABLE, MemberState.UNREVOKED_PARTITIONS, MemberState.UNRELEASED_PARTITIONS)
            .get(random.nextInt(3));
        Map<Uuid, Map<Integer, Integer>> assigned = new HashMap<>(), revoking = new HashMap<>(), others = new HashMap<>();
        Map<Uuid, Set<Integer>> target = new HashMap<>();
        List<TopicPartitions> owned = random.nextInt(3) == 0 ? null : new ArrayList<>();
        for (Uuid id : IDS.values()) for (int partition = 0; partition < 3; partition++) {
            int what = random.nextInt(4), since = 1 + random.nextInt(epoch);
            if (what == 0) assigned.computeIfAbsent(id, __ -> new HashMap<>()).put(partition, since);
            else if (what == 1 && state == MemberState.UNREVOKED_PARTITIONS) revoking.computeIfAbsent(id, __ -> new HashMap<>()).put(partition, since);
            else if (what == 2) others.computeIfAbsent(id, __ -> new HashMap<>()).put(partition, 1 + random.nextInt(4));
            if (random.nextInt(2) == 0) target.computeIfAbsent(id, __ -> new HashSet<>()).add(partition);
            if (what < 2 && owned != null && random.nextInt(3) > 0)
                owned.add(new TopicPartitions().setTopicId(id).setPartitions(List.of(partition)));
        }
        List<String> topics = random.nextInt(4) > 0 ? List.of("t", "u") : List.of(random.nextInt(2) == 0 ? "t" : "u");
        boolean changed = random.nextInt(4) == 0;
        ConsumerGroupMember member = new ConsumerGroupMember.Builder("m").setState(state).setMemberEpoch(epoch)
            .setPreviousMemberEpoch(epoch - 1).setSubscribedTopicNames(topics).setAssignedPartitions(assigned)
            .setPartitionsPendingRevocation(revoking).build();
        ConsumerGroupMember after = !changed && member.isReconciledTo(targetEpoch) ? member
            : new CurrentAssignmentBuilder(member).withMetadataImage(image())
                .withTargetAssignment(targetEpoch, new Assignment(target)).withHasSubscriptionChanged(changed)
                .withCurrentPartitionEpoch((id, partition) -> {
                    int mine = revoking.getOrDefault(id, Map.of()).containsKey(partition) ? epoch : -1;
                    return others.getOrDefault(id, Map.of()).getOrDefault(partition, mine);
                }).withOwnedTopicPartitions(owned).build();
        String given = "\"topics\":" + topics.stream().map(t -> "\"" + t + "\"").collect(Collectors.joining(",", "[", "]"))
            + ",\"changed\":" + changed + ",\"target_epoch\":" + targetEpoch
            + ",\"target\":" + list(target.entrySet().stream().flatMap(e -> e.getValue().stream().map(p -> pair(e.getKey(), p))))
            + ",\"others\":" + epochs(others) + ",\"owned\":" + (owned == null ? "null"
                : list(owned.stream().map(o -> pair(o.topicId(), o.partitions().get(0)))));
        System.out.println("{\"before\":" + show(member) + "," + given + ",\"after\":" + show(after) + "}");
    }

    static CoordinatorMetadataImage image() {
        return (CoordinatorMetadataImage) Proxy.newProxyInstance(ReconcileGrids.class.getClassLoader(),
            new Class<?>[] {CoordinatorMetadataImage.class}, (proxy, method, arguments) -> {
                if (!method.getName().equals("topicMetadata")) throw new IllegalStateException(method.getName());
                return IDS.entrySet().stream().filter(e -> e.getKey().equals(arguments[0]) || e.getValue().equals(arguments[0]))
                    .map(e -> Proxy.newProxyInstance(ReconcileGrids.class.getClassLoader(),
                        new Class<?>[] {CoordinatorMetadataImage.TopicMetadata.class},
                        (topic, asked, none) -> asked.getName().equals("id") ? e.getValue() : e.getKey())).findFirst();
            });
    }

    static String show(ConsumerGroupMember member) {
        return "{\"state\":\"" + member.state().name() + "\",\"epoch\":" + member.memberEpoch() + ",\"previous\":"
            + member.previousMemberEpoch() + ",\"assigned\":" + epochs(member.assignedPartitions()) + ",\"revoking\":"
            + epochs(member.partitionsPendingRevocation()) + "}";
    }

    static String name(Uuid id) {
        return IDS.entrySet().stream().filter(e -> e.getValue().equals(id)).findFirst().get().getKey();
    }

    static String pair(Uuid id, int partition) {
        return "[\"" + name(id) + "\"," + partition + "]";
    }

    static String epochs(Map<Uuid, Map<Integer, Integer>> partitions) {
        return list(partitions.entrySet().stream().flatMap(e -> e.getValue().entrySet().stream()
            .map(p -> "[\"" + name(e.getKey()) + "\"," + p.getKey() + "," + p.getValue() + "]")));
    }

    static String list(Stream<String> items) {
        return items.sorted().collect(Collectors.joining(",", "[", "]"));
    }
}
