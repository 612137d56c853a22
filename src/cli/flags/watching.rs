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
        help: "answer paths for benchmarks and tests of clients, such as /bytes/1000, before the files",
        more: "The endpoints are below PREFIX, a path such as /httpbin, or at the root. They are for this machine and \
               test networks: any client may ask for a body of a gibibyte or for a second of the program's time, and \
               --auth does not apply to them. docs/harness.md lists them.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "dataset",
        letter: None,
        action: Action::One("FILE", Options::set_dataset),
        help: "JSON file with the items of the endpoint /json/N (default: 50 built-in items)",
        more: "It is an array of objects, each with the whole numbers price and quantity. It has no effect without \
               --bench-endpoints.",
    },
    Flag {
        name: "trace",
        letter: None,
        action: Action::One("FILE", Options::set_trace),
        help: "write a trace of the loop and the first connections to FILE, for https://ui.perfetto.dev",
        more: "It shows every turn of the loop, and of each connection the states, the waits, and every read and write. A \
               request line is the only text of a client in it. An existing file is emptied. A trace is for looking, not for \
               load: a request takes about 2 kB.",
    },
    Flag {
        name: "trace-connections",
        letter: None,
        action: Action::One("N", Options::set_trace_connections),
        help: "connections that the trace shows, counted from the start (default: 64)",
        more: "The loop itself is always shown.",
    },
    Flag {
        name: "trace-limit",
        letter: None,
        action: Action::One("MIB", Options::set_trace_limit),
        help: "largest size of the trace in MiB (default: 64)",
        more: "The last event of a full trace says that it is full.",
    },
    Flag {
        name: "explain",
        letter: None,
        action: Action::Maybe("N", Options::set_explain),
        help: "say in sentences on standard error what happens to the N-th connection, or to all (without N: the first)",
        more: "",
    },
    Flag {
        name: "max-read",
        letter: None,
        action: Action::One("N", Options::set_max_read),
        help: "read at most N bytes at a time from a client, once a turn of the loop (default: no limit)",
        more: "For watching and testing: requests then arrive in small parts. Timeouts stay as they are.",
    },
    Flag {
        name: "max-write",
        letter: None,
        action: Action::One("N", Options::set_max_write),
        help: "write at most N bytes at a time to a client, once a turn of the loop (default: no limit)",
        more: "For watching and testing: responses then leave in small parts.",
    },
    Flag {
        name: "slow-motion",
        letter: None,
        action: Action::One("MS", Options::set_slow_motion),
        help: "milliseconds that a connection pauses after a read of --max-read or a write of --max-write bytes \
               (default: none)",
        more: "The loop does not sleep: other connections are served meanwhile. A pause longer than --send-timeout ends \
               the connection.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "fault",
        letter: None,
        action: Action::Many("KIND:RATE[:KEY=VALUE,...]", Options::add_fault),
        help: "give this share of the responses a fault, such as close:0.1:body=100; may be repeated, the first that \
               applies counts",
        more: "RATE is a number from 0 to 1. KIND is reset, close, empty, stall, bad-chunk, garbage, drip, rate, \
               latency, status, length, duplicate-head, early-hints, late-100 or deaf; docs/harness.md has their keys. A \
               fault has a line in the log. Without --faults-anywhere, the address must be a loopback address.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "fault-seed",
        letter: None,
        action: Action::One("N", Options::set_fault_seed),
        help: "seed that decides which responses have a fault (default: 0)",
        more: "With the same seed, the same requests have a fault, counted in the order in which they arrive.",
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
