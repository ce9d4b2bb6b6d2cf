"""The hub, without sockets, loop or clock: log, groups, lanes, subscribers, pump."""
