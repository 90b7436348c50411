"""The scenarios here are loads to be measured, not tests."""

collect_ignore_glob = ["*.yaml"]
