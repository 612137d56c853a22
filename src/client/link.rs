//! `Link`: one open connection. It moves bytes between the stream and the protocol state machine, and waits until the
//! stream is ready.

use std::io;

use super::settings::WaitLimits;
use super::{ClientChannel, ClientLimits, ClientStream, Error, Readiness, WaitPhase, spare};
use crate::http::Status;
use crate::http1::{
    Buffer, ClientMachine, Encoder, MessageLimits, ReceivedHead, RequestHead, ResponseEvent, SentFraming,
};

/// An open connection: the stream, the protocol state machine, and the bytes that have been read but not parsed yet.
#[derive(Debug)]
pub(super) struct Link<S: ClientStream> {
    stream: ClientChannel<S>,
    pub(super) machine: ClientMachine,
    pub(super) input: Buffer,
    limits: MessageLimits,
    /// The encoder that frames the rest of the request body; `None` if no body is being sent.
    pub(super) encoder: Option<Encoder>,
    /// The head of the response read last, whether interim or final.
    head: ReceivedHead,
    /// True if a final response arrived while its request was still being sent. `head` then contains the head of that
    /// response.
    has_early_head: bool,
    /// The statuses of the interim responses that preceded the response in `head`.
    interim: Vec<Status>,
}

/// The result of a send that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum SendResult {
    /// All bytes were accepted.
    Complete,
    /// The server responded or closed the connection before all bytes had been sent.
    Stopped,
}

/// The maximum number of bytes per read.
const READ: usize = 16 * 1024;

/// The maximum number of unread body bytes that are discarded so that a connection can be reused. If there are more,
/// the connection is closed.
const MOST_DRAINED: usize = 64 * 1024;

impl<S: ClientStream> Link<S> {
    pub(super) fn new(stream: ClientChannel<S>, limits: ClientLimits) -> Link<S> {
        Link {
            stream,
            machine: ClientMachine::new(),
            input: Buffer::default(),
            limits: limits.message(),
            encoder: None,
            head: ReceivedHead::default(),
            has_early_head: false,
            interim: Vec::new(),
        }
    }

    /// Sets the limits for later responses.
    pub(super) fn set_limits(&mut self, limits: ClientLimits) {
        self.limits = limits.message();
    }

    /// Returns the stream, and the bytes that were read from it after the last response.
    pub(super) fn into_parts(self) -> (ClientChannel<S>, Buffer) {
        (self.stream, self.input)
    }

    /// Replaces the stream of an idle link with the one that `change` creates from it.
    pub(super) fn over<T: ClientStream>(self, change: impl FnOnce(S) -> io::Result<T>) -> io::Result<Link<T>> {
        let Link { stream, machine, mut input, limits, encoder, head, has_early_head, interim } = self;
        // The input of an idle link is empty, and its memory can serve other links.
        spare::give_back(&mut input);
        let stream = stream.over(change)?;
        Ok(Link { stream, machine, input, limits, encoder, head, has_early_head, interim })
    }

    /// True if the link is idle and open, and no unexpected bytes have arrived.
    pub(super) fn is_usable(&mut self) -> bool {
        let would_block =
            |result: io::Result<usize>| result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if !self.machine.is_reusable(&self.input) {
            return false;
        }
        // The next read must make a system call, because the server may have closed the connection since the last
        // event.
        self.stream.expect_input();
        would_block(self.stream.try_read(&mut [0]))
    }

    /// Enables or disables the interruption of reads from the body of the handler's own request; see
    /// [`ClientStream::interrupt_reads`].
    pub(super) fn interrupt_reads(&mut self, on: bool) {
        self.stream.interrupt_reads(on);
    }

    /// Appends the head of a request to `out`, and stores the encoder for its body. `framing` is the framing of `head`.
    pub(super) fn begin_request(&mut self, head: &RequestHead<'_>, framing: SentFraming, out: &mut Buffer) {
        self.encoder = self.machine.request_checked(head, framing, out);
        (self.has_early_head, self.interim) = (false, Vec::new());
    }

    /// Sends bytes. If `listens` is true, stops when the final response to the current request arrives.
    pub(super) fn send(&mut self, mut bytes: &[u8], waits: WaitLimits, listens: bool) -> Result<SendResult, Error> {
        let what = if listens { Readiness::Either } else { Readiness::Output };
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if listens && self.has_stopped()? {
                        return Ok(SendResult::Stopped);
                    }
                    self.wait(what, waits, WaitPhase::Send)?;
                }
                // Before a server stopped reading, it may have sent a response that explains why (RFC 9112 section
                // 9.6).
                Err(error) => {
                    return if listens && self.has_stopped()? {
                        Ok(SendResult::Stopped)
                    } else {
                        Err(Error::Io(error))
                    };
                }
            }
        }
        Ok(SendResult::Complete)
    }

    /// Reads the bytes that have already arrived, without waiting. Returns true if a final response has arrived or the
    /// connection has ended.
    pub(super) fn has_stopped(&mut self) -> Result<bool, Error> {
        loop {
            match self.machine.receive(&mut self.input, &self.limits, &mut self.head)? {
                ResponseEvent::Interim => self.interim.push(self.head.status()),
                ResponseEvent::Head => {
                    self.has_early_head = true;
                    return Ok(true);
                }
                ResponseEvent::More => match self.read() {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    // Reading the response will report the error again. Sending stops only if part of the response has
                    // arrived.
                    Err(_) => return Ok(!self.input.is_empty()),
                },
                // The final head was read by an earlier call, or the connection has ended without one. In both cases,
                // sending more is useless.
                _ => return Ok(true),
            }
        }
    }

    /// Waits for the 100 response to a request with `Expect: 100-continue`. Also returns [`SendResult::Complete`] when
    /// a time limit in `waits` has expired, usually `ClientSettings::continue_timeout`, because some servers never send
    /// a 100 response (RFC 9110 section 10.1.1).
    pub(super) fn await_continue(&mut self, waits: WaitLimits) -> Result<SendResult, Error> {
        // The deadline is computed once, so that other interim responses do not extend it.
        let until = waits.until(self.stream.now());
        loop {
            let known = self.interim.len();
            if self.has_stopped()? {
                return Ok(SendResult::Stopped);
            }
            if self.interim[known..].contains(&Status::CONTINUE) {
                return Ok(SendResult::Complete);
            }
            match self.stream.wait(Readiness::Input, until) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(SendResult::Complete),
                result => result?,
            }
        }
    }

    /// Reads the head of the final response. Returns the head and the statuses of the preceding interim responses.
    pub(super) fn read_head(&mut self, waits: WaitLimits) -> Result<(ReceivedHead, Vec<Status>), Error> {
        while !std::mem::take(&mut self.has_early_head) {
            match self.event(waits, WaitPhase::Head)? {
                ResponseEvent::Interim => self.interim.push(self.head.status()),
                ResponseEvent::Head => break,
                ResponseEvent::Cut if self.machine.in_head() => {
                    return Err(Error::IncompleteRead { partial: self.input.bytes().to_vec(), expected: None });
                }
                _ => return Err(Error::RemoteDisconnected),
            }
        }
        Ok((std::mem::take(&mut self.head), std::mem::take(&mut self.interim)))
    }

    /// Returns the next event of the response. Waits for input if the state machine needs more.
    pub(super) fn event(&mut self, waits: WaitLimits, phase: WaitPhase) -> Result<ResponseEvent, Error> {
        loop {
            let event = self.machine.receive(&mut self.input, &self.limits, &mut self.head)?;
            if event != ResponseEvent::More {
                return Ok(event);
            }
            match self.read() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(Readiness::Input, waits, phase)?,
                Err(error) => return Err(Error::from(error)),
            }
        }
    }

    /// True if the bytes that have already arrived complete the response. Does not wait and does not consume bytes of
    /// the body.
    pub(super) fn ends_here(&mut self) -> bool {
        // A violation is ignored here, because the state machine reports it again at the next read.
        let event = self.machine.receive(&mut self.input, &self.limits, &mut self.head);
        event == Ok(ResponseEvent::End)
    }

    /// Reads and discards the part of the response that has already arrived. Returns true if the end of the response
    /// has been reached.
    pub(super) fn drain(&mut self) -> bool {
        let mut drained = 0;
        while drained < MOST_DRAINED {
            match self.machine.receive(&mut self.input, &self.limits, &mut self.head) {
                Ok(ResponseEvent::End) => return true,
                Ok(ResponseEvent::Data(length)) => {
                    self.machine.take(&mut self.input, length);
                    drained += length;
                }
                Ok(ResponseEvent::More) if self.read().is_ok() => {}
                _ => return false,
            }
        }
        false
    }

    /// Reads once from the stream into `input`, without waiting, and returns the number of bytes. At EOF, informs the
    /// state machine and returns 0. An interrupted read is repeated.
    fn read(&mut self) -> io::Result<usize> {
        let stream = &mut self.stream;
        spare::lend(&mut self.input);
        loop {
            match self.input.fill(READ, |free| stream.try_read(free)) {
                Ok(0) => self.machine.end_of_input(),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A TLS stream returns `UnexpectedEof` at EOF without `close_notify`.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.machine.cut_input(),
                Err(error) => {
                    // The next read may follow a long wait.
                    spare::give_back(&mut self.input);
                    return Err(error);
                }
            }
            return Ok(0);
        }
    }

    fn wait(&mut self, what: Readiness, waits: WaitLimits, phase: WaitPhase) -> Result<(), Error> {
        let until = waits.until(self.stream.now());
        self.stream.wait(what, until).map_err(|error| Error::in_phase(error, phase))
    }
}
