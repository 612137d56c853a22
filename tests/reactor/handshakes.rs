//! The limit on handshakes in one turn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Poll, Registry, Token};
use serve_forever::Stopper;
use serve_forever::reactor::{Accept, Acceptor, Mailbox, Reactor, RunLimits, RunMode, StopFlag, TurnHooks};
use serve_forever::session::{CloseReason, Next, Ready, Session, StepContext, TurnClock};
use serve_forever::transport::NoSource;

/// The number of flights that were computed in each turn, in order.
type Turns = Rc<RefCell<Vec<usize>>>;

/// A session that needs one flight, and ends with it.
struct Costly(Turns, NoSource);

impl Session for Costly {
    fn step(&mut self, _: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        if cx.handshakes_left == 0 {
            return Next::Again;
        }
        cx.handshakes_left -= 1;
        *self.0.borrow_mut().last_mut().unwrap() += 1;
        Next::Close(CloseReason::Complete)
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        &mut self.1
    }
}

struct Pending(VecDeque<Costly>);

impl<'s> Accept<'s> for Pending {
    fn register(&mut self, _: &Registry, _: Token) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) {}

    fn accept(&mut self, _: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let session = self.0.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        Ok(Some(Box::new(session)))
    }
}

/// Stops the run once all flights are computed.
struct Counting {
    turns: Turns,
    all: usize,
    stopper: Stopper,
}

impl TurnHooks for Counting {
    fn after_turn(&mut self, _: TurnClock) -> Option<Duration> {
        let mut turns = self.turns.borrow_mut();
        if turns.iter().sum::<usize>() == self.all {
            self.stopper.stop_now();
        }
        turns.push(0);
        // In this test, the stop request does not wake the poll.
        Some(Duration::ZERO)
    }
}

#[test]
fn a_turn_computes_no_more_handshakes_than_its_limit() {
    for (limit, expected) in [(4, vec![4, 4, 2]), (1, vec![1; 10]), (0, vec![1; 10]), (100, vec![10])] {
        let turns = Turns::default();
        let mailbox = Arc::new(Mailbox::new(|| {}));
        let stop = Arc::new(StopFlag::new(mailbox));
        let sessions = (0..10).map(|_| Costly(Rc::clone(&turns), NoSource)).collect();
        let mut hooks = Counting { turns: Rc::clone(&turns), all: 10, stopper: Stopper::new(Arc::clone(&stop)) };
        let mut poll = Poll::new().unwrap();
        let limits = RunLimits { handshakes: limit, ..RunLimits::default() };
        let acceptors = vec![Acceptor::new(Pending(sessions))];
        Reactor::new(&mut poll, &stop, None, acceptors, limits)
            .unwrap()
            .run(RunMode::UntilStopped, &mut hooks)
            .unwrap();
        let computed: Vec<usize> = turns.borrow().iter().copied().filter(|flights| *flights > 0).collect();
        assert_eq!(computed, expected, "at most {limit} a turn");
    }
}
