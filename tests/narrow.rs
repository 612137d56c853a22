//! All of `loopback.rs` once more, with a server that reads one byte and writes one byte in a turn: the clients must receive the
//! same bytes.

#[path = "loopback.rs"]
mod loopback;
