//! Sessions that tell the loop something else than they mean, as a fault in the loop's bookkeeping would have it.

use std::io;
use std::time::Instant;

use mio::event::Source;
use mio::{Registry, Token};
use serve_forever::reactor::Accept;
use serve_forever::session::{Activity, Next, Ready, Session, StepContext, TurnClock};

use crate::common::network::Listener;
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
