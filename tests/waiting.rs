//! Handlers that wait for other handlers and for threads, over real sockets. Handlers that wait for their clients are
//! tested in `src/handler/tests.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

mod waiting {
    mod outgoing;
    #[cfg(feature = "client")]
    mod relay;
    mod server;
    mod shared;
    mod stop;
    #[cfg(target_os = "linux")]
    mod watchdog;
}
