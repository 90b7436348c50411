"""Broken scenario files: each gives exactly one line that says file, line, key, what was found, the rule and a way out.

A case changes a good file by replacing a piece of it, so that only one thing is wrong; ``@`` marks the broken line in
the replacement and is taken out before the file is read.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.errors import InputError
from sim.scenario import from_text, load

GOOD = """\
title: A good file
kafka: "4.3"
seeds: 0..9
run: 30s
settle: 10s
brokers:
  count: 3
  config: {replica.lag.time.max.ms: 30000}
controller:
  voters: 3
topics:
  payments:
    partitions: 3
    replication.factor: 3
    config: {min.insync.replicas: 2}
  audit: {partitions: 1, replication.factor: 1}
producers:
  billing:
    client: java
    config: {acks: all, linger.ms: 0}
    workload:
      topic: payments
      rate: 500/s
      keys: {count: 100, skew: zipf}
      value.bytes: 200
  shipping:
    client: librdkafka
    config: {acks: all}
    workload:
      - topic: audit
        sends:
          - {at: 10ms, key: a, value: T1}
          - {at: 20ms, key: a, value: T2}
consumers:
  ledger:
    topics: [payments]
    config: {auto.offset.reset: earliest}
network:
  latency: {distribution: lognormal, median: 500us, p99: 5ms}
faults:
  - {at: 5s, kill: leader of payments-0, restart_after: 8s}
  - {at: 6s, cut: [billing, brokers], for: 2s}
  - {rate: 2/min, pause: broker 2, for: 300ms}
  - {do: drop_response, producer: billing, partition: payments-1, nth: 1}
expect: {append-reorder: never, lost-acked: {max: 0}}
"""

# name: (piece of the good file, its replacement, key in the place, words of the message)
CASES = {
    # The file itself.
    "repeated key": (
        "settle: 10s",
        "settle: 10s\n@run: 40s",
        "run",
        "'run' is written twice, first in line 4; keep one",
    ),
    "repeated option": ("linger.ms: 0}", "linger.ms: 0, acks: 1}", "producers.billing.config.acks", "written twice"),
    "merge key": (
        "controller:\n",
        "controller:\n@  <<: {voters: 1}\n",
        "controller",
        "merge keys (<<) are not YAML 1.2",
    ),
    "tag": ("run: 30s", "@run: !!python/name:os.system 30s", "run", "the tag"),
    "number with leading zero": ("count: 3", "@count: 03", "brokers.count", "the number 03 could be read in two ways"),
    "number with underscore": ("voters: 3", "@voters: 1_0", "controller.voters", "could be read in two ways"),
    "hexadecimal number": ("voters: 3", "@voters: 0x3", "controller.voters", "could be read in two ways"),
    "not a number": ("voters: 3", "@voters: .nan", "controller.voters", ".nan is not a plain number"),
    "infinity": ("value.bytes: 200", "@value.bytes: .inf", "workload.value.bytes", ".inf is not a plain number"),
    "number beyond all use": ("count: 3", "@count: 99999999999999999999", "brokers.count", "is too large"),
    "unfinished list": ("topics: [payments]", "topics: [payments", "", "this is not YAML"),
    "tab as indentation": ("  voters: 3", "@\tvoters: 3", "", "this is not YAML"),
    "alias without anchor": ("run: 30s", "@run: *later", "", "undefined alias"),
    "alias inside itself": ("seeds: 0..9", "@seeds: &all [*all]", "seeds[0]", "an alias contains itself"),
    "key that is a number": ("  ledger:", "@  7:", "consumers", "the key '7' is not a string; write it in quotes"),
    "key without value": ("title: A good file", "@title:", "title", "'title' has no value"),
    "several documents": ("kafka:", "---\nkafka:", "", "another document"),
    # Keys.
    "misspelt section": (
        "producers:",
        "@producer:",
        "producer",
        "'producer' is not known here; did you mean producers?",
    ),
    "misspelt key": (
        "replication.factor: 3\n",
        "@replication.facto: 3\n",
        "replication.facto",
        "did you mean replication.factor?",
    ),
    "key with the wrong separator": ("value.bytes", "@value_bytes", "value_bytes", "did you mean value.bytes?"),
    "key of another verb": ("for: 300ms}", "by: 300ms}", "faults[2].by", "'by' is not known here"),
    "missing topic in workload": (
        "      topic: payments\n",
        "",
        "producers.billing.workload",
        "topic is missing; add topic",
    ),
    "missing duration of a pause": (", for: 300ms}", "}", "faults[2]", "for is missing"),
    # Units.
    "bare run": ("run: 30s", "@run: 30", "run", "30 has no unit; write 30s"),
    "bare rate": ("rate: 500/s", "@rate: 500", "workload.rate", "500 is not a rate; write a number a time, as 500/s"),
    "unknown unit": ("settle: 10s", "@settle: 10 sec", "settle", "unknown unit sec; use us, ms, s, m, min or h"),
    "duration too fine": ("10ms, key", "0.1us, key", "sends[0].at", "not a whole number of microseconds"),
    "negative duration": ("settle: 10s", "@settle: -10s", "settle", "'-10s' is not a duration"),
    "run of a week": ("run: 30s", "@run: 168h", "run", "'168h' is not from 1us to 24h"),
    "rate beyond the limit": ("rate: 500/s", "@rate: 20000000/s", "workload.rate", "at most 10000000/s"),
    "more sends than the limit": ("rate: 500/s", "@rate: 9000000/s", "workload.rate", "above the limit of 50000000"),
    "duration as a list": ("run: 30s", "@run: [30s]", "run", "['30s'] is not a duration"),
    # Values.
    "unknown release": ('kafka: "4.3"', '@kafka: "2.8"', "kafka", "'2.8' is not a known release of Kafka"),
    "release as a number": ('kafka: "4.3"', "@kafka: 4.30", "kafka", "4.30"),
    "seeds upside down": ("seeds: 0..9", "@seeds: 9..0", "seeds", "'9..0' is not 1 to 1000000 seeds"),
    "seeds without end": ("seeds: 0..9", "@seeds: 0..99999999999999999", "seeds", "seeds"),
    "word for a count": (
        "partitions: 3",
        "@partitions: three",
        "topics.payments.partitions",
        "'three' is not a whole number",
    ),
    "no brokers": ("  count: 3", "@  count: 0", "brokers.count", "0 is below 1; use at least 1"),
    "too many brokers": ("  count: 3", "@  count: 1000", "brokers.count", "1000 is above the limit of 64"),
    "too many partitions": (
        "partitions: 3",
        "@partitions: 5000",
        "topics.payments.partitions",
        "above the limit of 1000",
    ),
    "yes for a switch": ("for: 2s}", "for: 2s, one_way: yes}", "faults[1].one_way", "'yes' is not true or false"),
    "unknown client": ("client: java", "@client: jva", "producers.billing.client", "did you mean java?"),
    "list for a mapping": (
        "brokers:\n  count: 3\n  config: {replica.lag.time.max.ms: 30000}",
        "@brokers: [3]",
        "brokers",
        "[3] is not a mapping",
    ),
    "sizes upside down": (
        "value.bytes: 200",
        "@value.bytes: [300, 100]",
        "workload.value.bytes",
        "is not a number of bytes",
    ),
    "size with a unit in bytes": (
        "value.bytes: 200",
        "@value.bytes: 200B",
        "workload.value.bytes",
        "'200B' is not a number of bytes",
    ),
    "no topics": ("topics: [payments]", "@topics: []", "consumers.ledger.topics", "fewer than 1 entries"),
    "client named like a role": ("  ledger:", "@  clients:", "consumers.clients", "'clients' names a role in faults"),
    "topic with a blank": ("  audit: {", "@  an audit: {", "topics.an audit", "is not a topic's name"),
    # What belongs together.
    "rate and sends": (
        "rate: 500/s",
        "rate: 500/s\n      sends: [{at: 1s}]",
        "producers.billing.workload",
        "either rate or sends",
    ),
    "arrivals beside sends": (
        "- topic: audit",
        "- topic: audit\n        arrivals: poisson",
        "workload[0]",
        "arrivals has no meaning beside sends",
    ),
    "burst without size": (
        "rate: 500/s",
        "rate: 500/s\n      arrivals: burst",
        "producers.billing.workload",
        "belong together",
    ),
    "keys with count and names": (
        "{count: 100, skew: zipf}",
        "{count: 2, names: [a, b]}",
        "workload.keys",
        "either count or names",
    ),
    "unknown skew": ("skew: zipf", "skew: zip", "workload.keys.skew", "did you mean zipf?"),
    "latency without parameter": (", p99: 5ms}", "}", "network.latency", "lognormal needs p99"),
    "latency upside down": ("median: 500us", "median: 500ms", "network.latency", "median is above p99"),
    "parameter of another distribution": (
        "p99: 5ms}",
        "p99: 5ms, mean: 1ms}",
        "network.latency",
        "lognormal has no mean",
    ),
    "unknown distribution": ("lognormal", "normal", "network.latency.distribution", "did you mean lognormal?"),
    "two values alike": (
        "value: T2",
        "value: T1",
        "sends[1].value",
        "'T1' is also the value of another send of shipping",
    ),
    "value that records have by default": (
        "value: T2",
        "value: billing/2",
        "sends[1].value",
        "how a record without value is called",
    ),
    "value that means every one": ("value: T2", "value: all", "sends[1].value", "in faults it means every one"),
    "value of several instances": (
        "    workload:\n      - topic: audit\n        sends:\n          - {at: 10ms",
        "    instances: 2\n    workload:\n      - topic: audit\n        sends:\n@          - {at: 10ms",
        "sends[0].value",
        "would be sent by 2 producers",
    ),
    "value that is never sent": (
        "nth: 1}",
        "value: T9}",
        "faults[3].value",
        "'T9' is no value that this producer sends",
    ),
    "send after the end": ("at: 20ms", "at: 20m", "sends[1].at", "not before the end of run"),
    "one name for two clients": (
        "  ledger:",
        "@  billing:",
        "consumers.billing",
        "'billing' is the name of two clients",
    ),
    # Names of things.
    "topic that is not there": ("topic: payments", "@topic: payment", "workload.topic", "did you mean payments?"),
    "reader's topic": (
        "topics: [payments]",
        "@topics: [paymnts]",
        "consumers.ledger.topics[0]",
        "did you mean payments?",
    ),
    "partition that is not there": (
        "leader of payments-0",
        "leader of payments-9",
        "faults[0].kill",
        "has 3 partitions, numbered from 0, and no 9",
    ),
    "broker that is not there": (
        "broker 2",
        "broker 7",
        "faults[2].pause",
        "broker 7 does not exist; brokers are numbered 1..3",
    ),
    "target in other words": ("leader of payments-0", "the leader", "faults[0].kill", "'the leader' is not a target"),
    "misspelt client as target": (
        "[billing, brokers]",
        "[biling, brokers]",
        "faults[1].cut[0]",
        "did you mean billing?",
    ),
    "fixed partition out of range": (
        "rate: 500/s",
        "rate: 500/s\n@      partition: 3",
        "workload.partition",
        "use 0 to 2",
    ),
    # Replicas.
    "more replicas than brokers": (
        "replication.factor: 3\n",
        "@replication.factor: 4\n",
        "topics.payments.replication.factor",
        "4 replicas on 3 brokers",
    ),
    "assignment too short": (
        "partitions: 3",
        "partitions: 3\n@    assignment: [[1, 2, 3]]",
        "payments.assignment",
        "it has 1 rows for 3 partitions",
    ),
    "assignment with a repeated broker": (
        "{partitions: 1, replication.factor: 1}",
        "{assignment: [[1, 1]]}",
        "audit.assignment[0]",
        "names a broker twice",
    ),
    "assignment to a missing broker": (
        "{partitions: 1, replication.factor: 1}",
        "{assignment: [[9]]}",
        "audit.assignment[0]",
        "broker 9 does not exist",
    ),
    # Options.
    "misspelt option": (
        "linger.ms",
        "liner.ms",
        "config.liner.ms",
        "not an option of a Java producer; did you mean linger.ms?",
    ),
    "option of the other flavour": (
        "linger.ms: 0",
        "queue.buffering.max.kbytes: 9",
        "max.kbytes",
        "its name here is buffer.memory",
    ),
    "option with a unit": (
        "linger.ms: 0",
        "linger.ms: 5ms",
        "config.linger.ms",
        "must be a whole number of milliseconds, not '5ms'",
    ),
    "option out of range": ("linger.ms: 0", "linger.ms: -1", "config.linger.ms", "must be at least 0"),
    "option beyond its type": ("linger.ms: 0", "retries: 3000000000", "config.retries", "must fit Kafka's type int"),
    "option that is not modelled": (
        "linger.ms: 0",
        "interceptor.classes: a.B",
        "interceptor.classes",
        "known but not modelled",
    ),
    "transactional id": (
        "linger.ms: 0",
        "transactional.id: x",
        "transactional.id",
        "transactions are not modelled yet",
    ),
    "list of mappings as option": (
        "linger.ms: 0",
        "linger.ms: [{a: 1}]",
        "config.linger.ms",
        "a list is not an option's value",
    ),
    "acks of another world": (
        "acks: all, linger",
        "acks: 2, linger",
        "config.acks",
        "acks must be all, -1, 0 or 1, not '2'",
    ),
    "contradiction": (
        "acks: all, linger.ms: 0",
        "acks: 1, enable.idempotence: true",
        "config.acks",
        "ConfigException: acks=1 with enable.idempotence=true",
    ),
    "broker option": (
        "replica.lag.time.max.ms",
        "replica.lag.max.ms",
        "brokers.config.replica.lag.max.ms",
        "did you mean replica.lag.time.max.ms?",
    ),
    "topic option": ("min.insync.replicas", "min.isr", "topics.payments.config.min.isr", "not an option of a topic"),
    "partitioner of its own": (
        "linger.ms: 0",
        "partitioner.class: com.acme.Mine",
        "billing.workload",
        "records must name their partition",
    ),
    # Groups.
    "calls of a librdkafka reader": (
        "topics: [payments]",
        "topics: [payments]\n    client: librdkafka\n    calls: [{at: 1s, pause: payments-0}]",
        "consumers.ledger",
        "calls of a librdkafka reader with assigned partitions are not modelled; name a group",
    ),
    "a librdkafka member seeks to the end": (
        "topics: [payments]",
        "topics: [payments]\n    client: librdkafka\n    group: g\n    calls: [{at: 1s, seek: payments-0, to: end}]",
        "consumers.ledger",
        "a librdkafka member seeks to an offset alone here; write to: 300, or client: java",
    ),
    "assigned partitions in a group": (
        "topics: [payments]",
        "partitions: [payments-0]\n    group: g",
        "consumers.ledger",
        "assigned partitions in a group are not modelled",
    ),
    "two names of a group": (
        "topics: [payments]\n    config: {auto.offset.reset: earliest}",
        "topics: [payments]\n    group: g\n    config: {group.id: h}",
        "consumers.ledger",
        "group and group.id are two names; keep one of the two",
    ),
    "unknown group protocol": (
        "auto.offset.reset: earliest",
        "group.id: g, group.protocol: modern",
        "config.group.protocol",
        "group.protocol must be classic or consumer, not 'modern'",
    ),
    "session timeout with the new protocol": (
        "auto.offset.reset: earliest",
        "group.id: g, group.protocol: CONSUMER, session.timeout.ms: 6000",
        "config.session.timeout.ms",
        "ConfigException: session.timeout.ms cannot be set when group.protocol=CONSUMER; set group.consumer.session",
    ),
    "heartbeats with the new protocol": (
        "auto.offset.reset: earliest",
        "group.id: g, group.protocol: consumer, heartbeat.interval.ms: 600",
        "config.heartbeat.interval.ms",
        "heartbeat.interval.ms cannot be set when group.protocol=CONSUMER; set group.consumer.heartbeat",
    ),
    "client assignor with the new protocol": (
        "auto.offset.reset: earliest",
        "group.id: g, group.protocol: consumer, partition.assignment.strategy: RangeAssignor",
        "config.partition.assignment.strategy",
        "cannot be set when group.protocol=CONSUMER; use group.remote.assignor",
    ),
    "server assignor in a classic group": (
        "auto.offset.reset: earliest",
        "group.id: g, group.remote.assignor: range",
        "config.group.remote.assignor",
        "ConfigException: group.remote.assignor cannot be set when group.protocol=CLASSIC",
    ),
    "server assignor that no broker has": (
        "auto.offset.reset: earliest",
        "group.id: g, group.protocol: consumer, group.remote.assignor: sticky",
        "consumers",
        "UnsupportedAssignorException: ledger has group.remote.assignor=sticky, no coordinator has it; use uniform",
    ),
    "two protocols in a group": (
        "config: {auto.offset.reset: earliest}",
        "group: g\n  new:\n    topics: [payments]\n    group: g\n    config: {group.protocol: consumer}",
        "consumers",
        "group g has members of both protocols (ledger and new)",
    ),
    "two protocols and two libraries in a group": (
        "config: {auto.offset.reset: earliest}",
        "group: g\n  new:\n    topics: [payments]\n    group: g\n    client: librdkafka\n"
        "    config: {group.protocol: consumer}",
        "consumers",
        "group g has members of both protocols (ledger and new)",
    ),
    "server assignor of a librdkafka member that no broker has": (
        "config: {auto.offset.reset: earliest}",
        "client: librdkafka\n    config: {group.id: g, group.protocol: consumer, group.remote.assignor: sticky}",
        "consumers",
        "ledger has group.remote.assignor=sticky, no coordinator has it; use uniform",
    ),
    "short sessions of the new protocol": (
        "replica.lag.time.max.ms: 30000",
        "group.consumer.session.timeout.ms: 10000",
        "brokers.config.group.consumer.session.timeout.ms",
        "=10000 is below group.consumer.min.session.timeout.ms=45000; set group.consumer.min.session",
    ),
    "long heartbeats of the new protocol": (
        "replica.lag.time.max.ms: 30000",
        "group.consumer.heartbeat.interval.ms: 16000",
        "brokers.config.group.consumer.heartbeat.interval.ms",
        "=16000 is above group.consumer.max.heartbeat.interval.ms=15000",
    ),
    "assignor of one's own at the brokers": (
        "replica.lag.time.max.ms: 30000",
        "group.consumer.assignors: com.example.Mine",
        "brokers.config.group.consumer.assignors",
        "com.example.Mine is none of Kafka's own",
    ),
    "slow heartbeats": (
        "auto.offset.reset: earliest",
        "group.id: g, session.timeout.ms: 6000, heartbeat.interval.ms: 6000",
        "config.heartbeat.interval.ms",
        "is not below session.timeout.ms=6000",
    ),
    "unknown assignor": (
        "auto.offset.reset: earliest",
        "group.id: g, partition.assignment.strategy: com.example.MyAssignor",
        "config.partition.assignment.strategy",
        "com.example.MyAssignor is none of Kafka's own",
    ),
    "one instance id for two": (
        "topics: [payments]\n    config: {auto.offset.reset: earliest}",
        "topics: [payments]\n    members: 2\n@    config: {group.instance.id: one}",
        "config.group.instance.id",
        "2 members share group.instance.id=one; write one consumer for each",
    ),
    "nowhere to commit": (
        "topics: [payments]",
        "topics: [payments]\n@    processing: {call: commitAsync}",
        "consumers.ledger.processing",
        "write commit: after",
    ),
    "failure of nothing": (
        "topics: [payments]",
        "topics: [payments]\n@    processing: {failure: {then: skip}}",
        "consumers.ledger.processing.failure",
        "a failure needs either nth or percent",
    ),
    "restart of nobody": (
        "topics: [payments]",
        "topics: [payments]\n@    processing: {failure: {nth: 1, then: skip, restart_after: 1s}}",
        "consumers.ledger.processing.failure",
        "restart_after has no meaning with then: skip",
    ),
    "failure of a poll": (
        "topics: [payments]",
        "topics: [payments]\n@    processing: {per: poll, failure: {nth: 1, then: skip}}",
        "consumers.ledger.processing",
        "write per: record",
    ),
    "stop before start": (
        "topics: [payments]",
        "topics: [payments]\n    start: 5s\n    stop: 4s",
        "consumers.ledger",
        "stop is not after start",
    ),
    "coordinator of nobody": ("kill: leader of payments-0", "kill: coordinator of ledgr", "kill", "is not a group"),
    "a reader is killed": ("kill: leader of payments-0", "kill: ledger", "kill", "kill is for brokers"),
    # Faults.
    "unknown verb": ("kill:", "kil:", "faults[0]", "'kil' is not a verb; did you mean kill?"),
    "no verb": ("kill: leader of payments-0, ", "", "faults[0]", "a fault needs a verb"),
    "two verbs": (
        "pause: broker 2,",
        "pause: broker 2, kill: broker 1,",
        "faults[2]",
        "a fault has one verb, not pause and kill",
    ),
    "no time": ("at: 5s, kill", "kill", "faults[0].kill", "kill needs either at or rate"),
    "time and rate": ("at: 5s, kill", "at: 5s, rate: 1/s, kill", "faults[0].kill", "kill needs either at or rate"),
    "time after the end": ("at: 5s, kill", "at: 31s, kill", "faults[0].at", "31s is after the end of run"),
    "window beside a time": (
        "at: 5s, kill",
        "at: 5s, until: 6s, kill",
        "faults[0].until",
        "until has no meaning beside at",
    ),
    "window upside down": (
        "rate: 2/min,",
        "rate: 2/min, from: 9s, until: 3s,",
        "faults[2].from",
        "9s is not before 3s",
    ),
    "storm of faults": ("rate: 2/min,", "rate: 9000/s,", "faults[2].rate", "makes more than 100000 faults"),
    "one side of a cut": ("[billing, brokers]", "[billing]", "faults[1].cut", "is not a pair of targets"),
    "cut from itself": ("[billing, brokers]", "[billing, billing]", "faults[1].cut", "both sides are 'billing'"),
    "killed client": (
        "kill: leader of payments-0",
        "kill: billing",
        "faults[0].kill",
        "kill is for brokers, not for 'billing'",
    ),
    "killed controller": (
        "kill: leader of payments-0",
        "kill: controller",
        "faults[0].kill",
        "write move_controller: controller",
    ),
    "unknown message fault": ("drop_response", "drop_answer", "faults[3].do", "'drop_answer' is not a message fault"),
    "unknown error": (
        "do: drop_response,",
        "do: answer_error, error: NOT_ENOUGH_REPLICA,",
        "faults[3].error",
        "'NOT_ENOUGH_REPLICA' is not a produce error; did you mean NOT_ENOUGH_REPLICAS?",
    ),
    "error where none is answered": (
        "nth: 1}",
        "nth: 1, error: INVALID_RECORD}",
        "faults[3].error",
        "error has no meaning for drop_response",
    ),
    "delay without length": ("do: drop_response", "do: delay_response", "faults[3].do", "delay_response needs delay"),
    "neither nth nor value": (", nth: 1}", "}", "faults[3].do", "needs either nth or value"),
    "nth from zero": ("nth: 1}", "nth: 0}", "faults[3].nth", "0 is not a whole number from 1"),
    "attempt beside nth": ("nth: 1}", "nth: 1, attempt: 2}", "faults[3].attempt", "attempt has no meaning beside nth"),
    "whose requests": ("producer: billing, ", "", "faults[3].do", "drop_response needs producer, as there are 2"),
    "fewer partitions than before": (
        "at: 6s, cut: [billing, brokers], for: 2s",
        "at: 6s, add_partitions: payments, to: 3",
        "faults[1].to",
        "the topic has 3 partitions",
    ),
    "partitions at random": (
        "at: 6s, cut: [billing, brokers], for: 2s",
        "rate: 1/min, add_partitions: payments, to: 4",
        "faults[1].rate",
        "cannot happen at random",
    ),
    "certain loss of nothing": (
        "cut: [billing, brokers], for: 2s",
        "lossy: [billing, brokers], for: 2s, percent: 0%",
        "faults[1].percent",
        "the share is 0%",
    ),
    "percent without a sign": (
        "cut: [billing, brokers], for: 2s",
        "lossy: [billing, brokers], for: 2s, percent: 5",
        "faults[1].percent",
        "5 is not a percentage; write 5%",
    ),
    # Expectations.
    "unknown finding": ("lost-acked", "lost-ackd", "expect.lost-ackd", "did you mean lost-acked?"),
    "unknown expectation": (
        "append-reorder: never",
        "append-reorder: nevr",
        "expect.append-reorder",
        "did you mean never?",
    ),
    "bound without a limit": ("{max: 0}", "{}", "expect.lost-acked", "a bound is either max or rate"),
    "rate without a sign": ("{max: 0}", '{rate: "1 %"}', "expect.lost-acked.rate", "is not a bound on a rate"),
}


def broken(old: str, new: str) -> tuple[str, int]:
    """The good file with one piece replaced, and the line that ``@`` marks (or where the piece begins)."""
    assert GOOD.count(old) >= 1, old
    before, after = GOOD.split(old, 1)
    line = before.count("\n") + new.partition("@")[0].count("\n") * ("@" in new) + 1
    return before + new.replace("@", "") + after, line


@pytest.mark.parametrize("name", CASES)
def test_a_broken_file_gives_one_line_with_place_rule_and_way_out(name: str) -> None:
    old, new, key, words = CASES[name]
    text, line = broken(old, new)

    with pytest.raises(InputError) as caught:
        from_text(text, "folder/broken.yaml")

    message = str(caught.value)
    assert "\n" not in message and message.isprintable()
    assert words in message
    file, found_line, *_ = caught.value.place.split(":")
    assert file == "folder/broken.yaml"
    assert abs(int(found_line) - line) <= (0 if "@" in new else 4), f"expected line {line}: {message}"
    assert key in caught.value.place
    assert caught.value.rule and caught.value.way_out


def test_the_good_file_is_good() -> None:
    assert from_text(GOOD).title == "A good file"


def refusal(path: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert caught.value.way_out
    return str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert "there is no such file, nor a bundled scenario" in refusal(tmp_path / "none.yaml")
    assert "did you mean payments_failover?" in refusal("payment_failover")


def test_a_folder_is_not_a_scenario(tmp_path: Path) -> None:
    assert "this is a folder" in refusal(tmp_path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert "the file is empty" in refusal(path)


def test_a_file_that_is_not_utf_8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"title: plain\nquestion: caf\xe9\n")
    assert f"{path}:2: byte 0xe9 is not UTF-8" in refusal(path)


def test_a_file_with_control_characters_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"title: x\nquestion: \0\n")
    assert f"{path}:2: the file has a NUL character" in refusal(path)


def test_a_file_above_one_mebibyte_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (2 << 20))
    assert "at most 1048576 are read" in refusal(path)


@pytest.mark.parametrize("text", ["[" * 5000, "- " * 5000, "a: " + "{b: " * 40 + "1" + "}" * 40])
def test_deep_nesting_is_refused_before_it_hurts(text: str) -> None:
    with pytest.raises(InputError, match="nested deeper than 24 levels"):
        from_text(text)


def test_aliases_that_multiply_are_refused_before_they_hurt() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InputError, match="expands to more than 400000 values"):
        from_text("\n".join(lines))


def test_anchors_within_the_limits_are_fine() -> None:
    text = GOOD.replace("config: {acks: all, linger.ms: 0}", "config: &c {acks: all, linger.ms: 0}")
    assert from_text(text.replace("    config: {acks: all}\n", "    config: *c\n")).producers["shipping"].config == {
        "acks": "all", "linger.ms": "0",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["7", "plain words", "[a, b]", "- a", "true", '"quoted"'])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a mapping"):
        from_text(text)


def test_words_that_other_readers_take_for_switches_are_text() -> None:
    """YAML 1.2: ``on``, ``no`` and ``1:30`` are strings; a title may be any of them."""
    for word in ("on", "no", "yes", "1:30", "2024-01-01"):
        assert from_text(GOOD.replace("A good file", word)).title == word


def test_a_yaml_1_1_directive_does_not_change_what_words_mean() -> None:
    with pytest.raises(InputError):
        from_text("%YAML 1.1\n---\n" + GOOD.replace("for: 2s}", "for: 2s, one_way: on}"))


def test_odd_characters_in_keys_do_not_break_the_line() -> None:
    with pytest.raises(InputError) as caught:
        from_text(GOOD + '"two\\nlines\\u202e": 1\n')
    assert str(caught.value).isprintable()
