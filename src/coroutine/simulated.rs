//! The interface through which a simulation replaces the connections that handlers open. The simulated network is in
//! the tests that use it.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;

use mio::event::Source;

/// A handler's end of a simulated connection to another server. Its methods never wait.
///
/// After a read or a write that returns `WouldBlock`, and after a read that does not fill its buffer, an event must
/// report when more is possible, as edge-triggered epoll does. The connection is closed when the value is dropped.
pub trait SimulatedSocket: Read + Write + Send + fmt::Debug {
    /// True once the connection is established.
    ///
    /// # Errors
    /// Returns the error of a failed attempt to connect.
    fn is_connected(&self) -> io::Result<bool>;

    /// Closes one direction of the connection, or both.
    ///
    /// # Errors
    /// Returns any error from the simulated connection.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// The event source to register with the poll.
    fn source(&mut self) -> &mut dyn Source;
}

type OpenSimulated = dyn Fn(SocketAddr) -> io::Result<Box<dyn SimulatedSocket>>;

thread_local! {
    static OPEN: RefCell<Option<Rc<OpenSimulated>>> = const { RefCell::new(None) };
}

/// Begins to connect to this address. `None` if no simulation replaces the connections of this thread's handlers.
pub(super) fn connect_simulated(address: SocketAddr) -> Option<io::Result<Box<dyn SimulatedSocket>>> {
    // The borrow ends before `open` is called, because `open` may itself use `OPEN`.
    let open = OPEN.with_borrow(Option::clone)?;
    Some(open(address))
}

/// Replaces the connections that the handlers of this thread open, until this value is dropped.
#[must_use]
pub struct SimulatedConnections(());

impl SimulatedConnections {
    /// Replaces the connections. A handler that connects to an address then gets the socket that `open` returns.
    pub fn set(open: impl Fn(SocketAddr) -> io::Result<Box<dyn SimulatedSocket>> + 'static) -> SimulatedConnections {
        OPEN.set(Some(Rc::new(open)));
        SimulatedConnections(())
    }
}

impl Drop for SimulatedConnections {
    fn drop(&mut self) {
        OPEN.set(None);
    }
}
