//! Records the work of an event loop: as a trace that a viewer such as Perfetto can open, and as sentences about
//! connections.
//!
//! A [`Recorder`] observes a loop, and each connection gets its own observer. `docs/watching-the-loop.md` lists the
//! events and their arguments.
//!
//! A recorder only writes down the reports of the loop and its connections; it makes no decisions.

mod check;
mod connections;
mod explain;
mod file;
mod json;
mod recorder;
mod sentences;
mod turns;

pub use check::faults;
pub use connections::ConnectionRecorder;
pub use explain::Explain;
pub use recorder::Recorder;
