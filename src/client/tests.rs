//! Tests of the client on a stream in memory, whose clock only waits advance.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{ClientSettings, ClientStream, Connector, Error, HttpConnection, Readiness, ServerAddress, WaitPhase};

/// A connector and its streams. All clones share the input.
#[derive(Clone)]
struct Memory(Rc<MemoryState>);

struct MemoryState {
    now: Cell<Instant>,
    /// The bytes that have arrived.
    input: RefCell<VecDeque<u8>>,
    /// The bytes of which each wait of a second brings one.
    later: RefCell<VecDeque<u8>>,
    /// Called by the next write.
    on_write: Cell<Option<Box<dyn FnOnce()>>>,
}

impl Memory {
    fn new() -> Memory {
        let now = Cell::new(Instant::now());
        let (input, later, on_write) = (RefCell::default(), RefCell::default(), Cell::default());
        Memory(Rc::new(MemoryState { now, input, later, on_write }))
    }

    fn arrives(&self, bytes: &str) {
        self.0.input.borrow_mut().extend(bytes.as_bytes());
    }

    fn connection(&self, set: impl FnOnce(&mut ClientSettings)) -> HttpConnection<Memory> {
        let mut settings = ClientSettings::default();
        set(&mut settings);
        HttpConnection::with_connector(self.clone(), "server.example", None).unwrap().settings(settings)
    }
}

impl Connector for Memory {
    type Stream = Memory;

    fn connect(&self, _: &ServerAddress, _: Option<Instant>) -> Result<Memory, Error> {
        Ok(self.clone())
    }

    fn now(&self) -> Instant {
        self.0.now.get()
    }
}

impl ClientStream for Memory {
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match io::Read::read(&mut *self.0.input.borrow_mut(), into)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(call) = self.0.on_write.take() {
            call();
        }
        Ok(bytes.len())
    }

    fn wait(&mut self, _: Readiness, until: Option<Instant>) -> io::Result<()> {
        let now = self.0.now.get() + Duration::from_secs(1);
        self.0.now.set(now);
        if until.is_some_and(|until| until < now) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let byte = self.0.later.borrow_mut().pop_front().ok_or(io::ErrorKind::TimedOut)?;
        self.0.input.borrow_mut().push_back(byte);
        Ok(())
    }

    fn now(&self) -> Instant {
        self.0.now.get()
    }
}

/// A connection that has sent a second request. The first write of that request dropped the unread `response` to the
/// first request while the link was in use.
fn connection_with_dropped(response: &str) -> (Memory, HttpConnection<Memory>) {
    let memory = Memory::new();
    let mut connection = memory.connection(|_| {});
    memory.arrives(response);
    connection.request("GET", "/", (), &[]).unwrap();
    let unread = connection.getresponse().unwrap();
    memory.0.on_write.set(Some(Box::new(|| drop(unread))));
    connection.request("GET", "/", (), &[]).unwrap();
    assert!(memory.0.on_write.take().is_none(), "the request was written");
    (memory, connection)
}

#[test]
fn a_response_that_is_dropped_while_the_link_is_in_use_lets_the_next_one_be_read() {
    let (memory, mut connection) = connection_with_dropped("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
    memory.arrives("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
    assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), b"two");
}

#[test]
fn a_response_with_a_missing_rest_that_is_dropped_while_the_link_is_in_use_closes_the_connection() {
    let (memory, mut connection) = connection_with_dropped("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart");
    assert!(!connection.is_open());
    assert!(matches!(connection.getresponse(), Err(Error::RemoteDisconnected)));
    memory.arrives("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
    connection.request("GET", "/", (), &[]).unwrap();
    assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), b"two");
}

#[test]
fn connect_timeout_limits_all_waits_for_a_tunnel_together() {
    let response = "HTTP/1.1 200 OK\r\n\r\n";
    let open = |set: &dyn Fn(&mut ClientSettings)| {
        let memory = Memory::new();
        memory.0.later.borrow_mut().extend(response.as_bytes());
        let mut connection = memory.connection(|settings| set(settings));
        connection.set_tunnel("far.example", None, &[]).unwrap();
        connection.connect()
    };
    let (short, long) = (Duration::from_secs(5), Duration::from_secs(response.len() as u64));
    assert!(matches!(
        open(&|settings| settings.connect_timeout = Some(short)),
        Err(Error::Timeout(WaitPhase::Connect))
    ));
    open(&|settings| settings.connect_timeout = Some(long)).unwrap();
    // As in Python, this limit applies to each wait.
    open(&|settings| settings.timeout = Some(short)).unwrap();
}
