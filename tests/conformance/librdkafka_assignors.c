/* Runs librdkafka's own assignors on grids read from standard input, and prints what each member is assigned.
 *
 *     cc -I SRC -o grids librdkafka_assignors.c SRC/librdkafka.a -lm -lpthread -ldl -lz -lcrypto ...
 *
 * SRC is librdkafka's src folder, built. rdkafka_cgrp.c is included for its static function that adapts the answer of a
 * cooperative assignor. Words of a line are separated by blanks:
 *
 *     ASSIGNOR TOPICS (TOPIC COUNT)... MEMBERS (ID INSTANCE|- GENERATION TOPICS TOPIC... OWNED (TOPIC PARTITION)...)...
 *
 * In capitals and plural: how many follow. An answer is one line: for each member the number of partitions, and these.
 */
#include "rdkafka_cgrp.c"

static char *word(void) {
        static char buf[512];
        if (scanf("%511s", buf) != 1)
                exit(0);
        return buf;
}

static int number(void) {
        return atoi(word());
}

static rd_kafka_t *consumer(const char *strategy) {
        char errstr[512];
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_conf_set(conf, "group.id", "g", errstr, sizeof(errstr));
        rd_kafka_conf_set(conf, "partition.assignment.strategy", strategy, errstr, sizeof(errstr));
        rd_kafka_conf_set(conf, "log_level", "0", errstr, sizeof(errstr));
        return rd_kafka_new(RD_KAFKA_CONSUMER, conf, errstr, sizeof(errstr));
}

static void read_member(rd_kafka_group_member_t *member) {
        int i, cnt;
        char topic[512];

        memset(member, 0, sizeof(*member));
        rd_list_init(&member->rkgm_eligible, 0, NULL);
        member->rkgm_member_id = rd_kafkap_str_new(word(), -1);
        char *instance = word();
        member->rkgm_group_instance_id = rd_kafkap_str_new(strcmp(instance, "-") ? instance : NULL, -1);
        member->rkgm_generation = number();
        member->rkgm_subscription = rd_kafka_topic_partition_list_new(4);
        member->rkgm_assignment = rd_kafka_topic_partition_list_new(4);
        member->rkgm_owned = rd_kafka_topic_partition_list_new(4);
        for (i = 0, cnt = number(); i < cnt; i++)
                rd_kafka_topic_partition_list_add(member->rkgm_subscription, word(), RD_KAFKA_PARTITION_UA);
        for (i = 0, cnt = number(); i < cnt; i++) {
                strcpy(topic, word());
                rd_kafka_topic_partition_list_add(member->rkgm_owned, topic, number());
        }
}

int main(void) {
        rd_kafka_t *eager = consumer("range,roundrobin"), *cooperative = consumer("cooperative-sticky");
        for (;;) {
                char name[64], errstr[512];
                int i, j, topic_cnt, member_cnt;
                rd_kafka_metadata_topic_t topics[64];
                rd_kafka_group_member_t members[64];

                strcpy(name, word());
                rd_kafka_t *rk = strcmp(name, "cooperative-sticky") ? eager : cooperative;
                for (i = 0, topic_cnt = number(); i < topic_cnt; i++) {
                        topics[i].topic = strdup(word());
                        topics[i].partition_cnt = number();
                }
                rd_kafka_metadata_t *metadata = rd_kafka_metadata_new_topic_mock(topics, topic_cnt, -1, 0);
                for (i = 0, member_cnt = number(); i < member_cnt; i++)
                        read_member(&members[i]);

                rd_kafka_assignor_t *assignor = rd_kafka_assignor_find(rk, name);
                if (rd_kafka_assignor_run(rk->rk_cgrp, assignor, metadata, members, member_cnt, errstr, sizeof(errstr)))
                        return 1;
                if (rk == cooperative)
                        rd_kafka_cooperative_protocol_adjust_assignment(rk->rk_cgrp, members, member_cnt);
                for (i = 0; i < member_cnt; i++) {
                        const rd_kafka_topic_partition_list_t *got = members[i].rkgm_assignment;
                        printf("%.*s %d ", RD_KAFKAP_STR_PR(members[i].rkgm_member_id), got->cnt);
                        for (j = 0; j < got->cnt; j++)
                                printf("%s %d ", got->elems[j].topic, got->elems[j].partition);
                        rd_kafka_group_member_clear(&members[i]);
                }
                printf("\n");
                fflush(stdout);
        }
}
