//! Planted faults: sessions that report wrong values to the loop, as a fault in its bookkeeping would, and TLS
//! transports that omit a part of their work.

use std::fs::File;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mio::event::Source;
use mio::{Registry, Token};
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
use serve_forever::TlsInfo;
use serve_forever::reactor::Accept;
use serve_forever::session::{Activity, Next, Ready, Session, StepContext, TurnClock};
use serve_forever::transport::tls::{ServerSide, TlsScratch, TlsStream};
use serve_forever::transport::{Handshake, Transport};

use crate::common::network::line::{ServerEnd, SharedLine};
use crate::common::network::{Listener, unencrypted};
use crate::common::tls::server_config;
use crate::script::Fault;

/// A listener whose sessions have the planted fault.
pub struct TamperedListener<'s> {
    pub listener: Listener<'s>,
    pub fault: Option<Fault>,
}

impl<'s> Accept<'s> for TamperedListener<'s> {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.listener.register(registry, token)
    }

    fn deregister(&mut self, registry: &Registry) {
        self.listener.deregister(registry);
    }

    fn accept(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let session = self.listener.accept(now)?;
        Ok(match self.fault {
            Some(fault) => session.map(|session| Box::new(TamperedSession { session, fault }) as Box<dyn Session + 's>),
            None => session,
        })
    }

    fn has_pending(&self) -> bool {
        self.listener.has_pending()
    }
}

struct TamperedSession<'s> {
    session: Box<dyn Session + 's>,
    fault: Fault,
}

impl Session for TamperedSession<'_> {
    fn step(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        match (self.session.step(ready, cx), self.fault) {
            (Next::Wait(_), Fault::ForgetsDeadlines) | (Next::Again, Fault::ForgetsNextAgain) => Next::Wait(None),
            (Next::Wait(_), Fault::NeverWaits) => Next::Again,
            (next, _) => next,
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        self.session.source()
    }

    fn idle_since(&self) -> Option<Instant> {
        self.session.idle_since()
    }

    fn activity(&self) -> Activity {
        self.session.activity()
    }

    fn stalled_since(&self, now: Instant) -> Option<Instant> {
        self.session.stalled_since(now)
    }

    fn evict(&mut self, clock: TurnClock) {
        self.session.evict(clock);
    }
}

/// Makes the transports of connections. Those of TLS have the planted fault.
pub fn transports(fault: Option<Fault>) -> impl Fn(SharedLine) -> Box<dyn Transport> {
    // All connections of a loop share one memory for decryption.
    let scratch = Rc::<TlsScratch>::default();
    let mut config = (*server_config()).clone();
    config.session_storage = match fault {
        Some(Fault::ForgetsSessions) => Arc::new(LosingStorage),
        // Of this run alone, because another run may be in progress on another thread.
        _ => ServerSessionMemoryCache::new(256),
    };
    let config = Arc::new(config);
    move |line| {
        if !line.borrow().is_secure {
            return unencrypted(line);
        }
        let stream = TlsStream::accept(ServerEnd::accept(line), Arc::clone(&config), Rc::clone(&scratch)).unwrap();
        match fault {
            Some(fault) => Box::new(TamperedTls { stream, fault }),
            None => Box::new(stream),
        }
    }
}

/// A storage of TLS sessions that loses all of them.
#[derive(Debug)]
struct LosingStorage;

impl StoresServerSessions for LosingStorage {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        true
    }

    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// A TLS transport that omits a part of its work.
struct TamperedTls {
    stream: TlsStream<ServerEnd, ServerSide>,
    fault: Fault,
}

impl Transport for TamperedTls {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.recv(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        self.stream.send(first, second, more)
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        self.stream.send_file(file, offset, length)
    }

    fn cork(&mut self, on: bool) {
        self.stream.cork(on);
    }

    fn end(&mut self) -> io::Result<()> {
        self.stream.end()
    }

    fn short_read_is_all(&self) -> bool {
        self.fault == Fault::HidesPlaintext || self.stream.short_read_is_all()
    }

    fn source(&mut self) -> &mut dyn Source {
        self.stream.source()
    }

    fn needs_handshake(&self) -> bool {
        self.stream.needs_handshake()
    }

    fn handshake(&mut self, ready: &mut Ready, left: &mut usize) -> io::Result<Handshake> {
        match (self.stream.handshake(ready, left)?, self.fault) {
            (Handshake::NextTurn, Fault::ForgetsNextTurn) => Ok(Handshake::Waiting),
            (handshake, _) => Ok(handshake),
        }
    }

    fn is_text(&self) -> bool {
        self.stream.is_text()
    }

    fn has_pending(&self) -> bool {
        self.fault != Fault::ForgetsToFlush && self.stream.has_pending()
    }

    fn flush_pending(&mut self) -> io::Result<()> {
        self.stream.flush_pending()
    }

    fn announce_end(&mut self) -> io::Result<()> {
        if self.fault == Fault::EndsUnannounced { Ok(()) } else { self.stream.announce_end() }
    }

    fn memory(&self) -> usize {
        self.stream.memory()
    }

    fn tls(&self) -> Option<&Arc<TlsInfo>> {
        self.stream.tls()
    }
}
