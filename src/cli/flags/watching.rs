//! The flags for observing the loop, and for the endpoints and injected faults with which HTTP clients are benchmarked
//! and tested.

use crate::cli::flag::{Action, Flag};
use crate::cli::options::Options;

pub(super) const WATCHING: &[Flag] = &[
    #[cfg(feature = "harness")]
    Flag {
        name: "bench-endpoints",
        letter: None,
        action: Action::Maybe("PREFIX", Options::set_bench_endpoints),
        help: "add endpoints for benchmarks and tests of clients, such as /bytes/1000, in front of the files",
        more: "The endpoints are below PREFIX, a path such as /httpbin, or at the root. They are for this machine and \
               test networks: any client can request a body of a gibibyte, or keep the program busy for a second, and \
               --auth does not apply to them. docs/harness.md lists them.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "dataset",
        letter: None,
        action: Action::One("FILE", Options::set_dataset),
        help: "JSON file with the items of the endpoint /json/N (default: 50 built-in items)",
        more: "The file contains an array of objects, each with the integers price and quantity. This option has no \
               effect without --bench-endpoints.",
    },
    Flag {
        name: "trace",
        letter: None,
        action: Action::One("FILE", Options::set_trace),
        help: "write a trace of the loop and the first connections to FILE, for https://ui.perfetto.dev",
        more: "The trace shows every turn of the loop and, for each connection, the states, the waits, and every read \
               and write. Of the clients, it contains only their addresses and the beginnings of their request lines. \
               An existing file is truncated. Each request adds about 2 kB.",
    },
    Flag {
        name: "trace-connections",
        letter: None,
        action: Action::One("N", Options::set_trace_connections),
        help: "number of connections that the trace shows, beginning with the first (default: 64)",
        more: "The loop itself is always shown.",
    },
    Flag {
        name: "trace-limit",
        letter: None,
        action: Action::One("MIB", Options::set_trace_limit),
        help: "maximum size of the trace in MiB (default: 64)",
        more: "The last event of a full trace reports that it is full.",
    },
    Flag {
        name: "explain",
        letter: None,
        action: Action::Maybe("N", Options::set_explain),
        help: "describe in sentences on standard error what happens to the N-th connection; N may be all (without N: \
               the first)",
        more: "",
    },
    Flag {
        name: "max-read",
        letter: None,
        action: Action::One("N", Options::set_max_read),
        help: "read at most N bytes at a time from a client, once per turn of the loop (default: no limit)",
        more: "For watching and testing: requests then arrive in small parts. Timeouts are not affected.",
    },
    Flag {
        name: "max-write",
        letter: None,
        action: Action::One("N", Options::set_max_write),
        help: "write at most N bytes at a time to a client, once per turn of the loop (default: no limit)",
        more: "For watching and testing: responses are then sent in small parts.",
    },
    Flag {
        name: "slow-motion",
        letter: None,
        action: Action::One("MS", Options::set_slow_motion),
        help: "milliseconds that a connection pauses after a read of --max-read or a write of --max-write bytes \
               (default: none)",
        more: "During the pause, the loop serves other connections. A pause longer than --send-timeout ends the \
               connection.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "fault",
        letter: None,
        action: Action::Many("KIND:RATE[:KEY=VALUE,...]", Options::add_fault),
        help: "inject a fault into this share of the responses, such as close:0.1:body=100; may be repeated, and the \
               first that applies counts",
        more: "RATE is a number from 0 to 1. KIND is reset, close, empty, stall, bad-chunk, garbage, drip, rate, \
               latency, status, length, duplicate-head, early-hints, late-100 or deaf; docs/harness.md describes their \
               keys. Each fault is logged. Without --faults-anywhere, the address must be a loopback address.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "fault-seed",
        letter: None,
        action: Action::One("N", Options::set_fault_seed),
        help: "seed that decides which responses have a fault (default: 0)",
        more: "Requests are counted in the order in which they arrive: with the same seed, the same ones get a fault.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "faults-anywhere",
        letter: None,
        action: Action::Switch(Options::set_faults_anywhere),
        help: "allow faults on addresses that other machines can reach",
        more: "",
    },
];
