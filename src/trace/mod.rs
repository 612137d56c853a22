//! Watching a server at work: a trace that a viewer such as Perfetto opens, and sentences about connections.
//!
//! A [`Recorder`] is an observer of a loop, and gives each connection an observer of its own. The events and their arguments
//! are listed in `docs/watching-the-loop.md`.
//!
//! Not here: decisions about connections. A recorder only writes down what the loop and its connections report.

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
