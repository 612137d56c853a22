//! Unit tests of `awakening` and `woken_by`, which describe the end of a sleep to an observer.

use super::selector::awakening;
use super::*;
use crate::session::Ready;

const READY: Ready = Ready::FRESH;

/// A selector whose set of events is a `Vec` that the test fills. The tests call only `happened`.
struct Listed;

impl Selector for Listed {
    type Events = Vec<(Token, Ready)>;

    fn events(&self) -> Self::Events {
        Vec::new()
    }

    fn registry(&self) -> &mio::Registry {
        unreachable!("nothing is registered")
    }

    fn select(&mut self, _: &mut Self::Events, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn happened(events: &Self::Events) -> impl Iterator<Item = (Token, Ready)> {
        events.iter().copied()
    }

    fn clock(&self) -> (std::time::Instant, std::time::SystemTime) {
        (std::time::Instant::now(), std::time::SystemTime::now())
    }
}

#[test]
fn a_token_tells_the_kind_of_its_source() {
    for (token, kind) in [
        (Signals::TOKEN, WokenBy::Signal),
        #[cfg(unix)]
        (INPUT_END, WokenBy::Signal),
        (Mailbox::TOKEN, WokenBy::Wake),
        (Token(FIRST_ACCEPTOR), WokenBy::Acceptor),
        (Token(FIRST_ACCEPTOR - 1), WokenBy::Acceptor),
        (Token(FIRST_ACCEPTOR - 2), WokenBy::Event),
        (Token(0), WokenBy::Event),
    ] {
        assert_eq!(woken_by(token, 2), kind, "{token:?}");
    }
}

#[test]
fn a_sleep_without_events_ends_by_its_timeout_unless_that_is_zero() {
    let end = |events: &[usize], timeout, slept: io::Result<()>| {
        let events = events.iter().map(|number| (Token(*number), READY)).collect();
        let awakening = awakening::<Listed>(&events, timeout, &slept, |token| woken_by(token, 1));
        (awakening.events, awakening.by)
    };
    let second = Some(Duration::from_secs(1));
    assert_eq!(end(&[], second, Ok(())), (0, WokenBy::Deadline));
    assert_eq!(end(&[], Some(Duration::ZERO), Ok(())), (0, WokenBy::Nothing));
    assert_eq!(end(&[], None, Ok(())), (0, WokenBy::Nothing));
    let interrupted = Err(io::ErrorKind::Interrupted.into());
    assert_eq!(end(&[], second, interrupted), (0, WokenBy::Nothing));
    assert_eq!(end(&[0, FIRST_ACCEPTOR], second, Ok(())), (2, WokenBy::Acceptor));
}
