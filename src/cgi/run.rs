//! One run of a script: its time in the queue, its start, the request body that is written to it, and the head of its
//! output.
//!
//! The grammar of the head is in `output`, and the body of the response in `source`. Local redirects are handled in
//! `redirect`. Signals and the exit status are handled in `child` and `reaper`.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mio::Interest;
use mio::unix::pipe::{Receiver, Sender};

use super::child::{ChildLabel, ChildState};
use super::context::ScriptContext;
use super::environment::environment;
use super::input::ScriptInput;
use super::output::{BadOutput, Destination, ScriptHead, find_end, read_head};
use super::queue::QueueTicket;
use super::script::Script;
use super::source::{ChildHandle, OmittedBody, ScriptBody, ScriptOutput};
use super::spawn::{refusal, spawn};
use crate::http::{Method, Request, Status};
use crate::service::{Body, Registrar, Response};

/// The slots in which a connection registers the two pipes of its script.
const STDIN: u8 = 1;
const STDOUT: u8 = 2;

/// The maximum number of bytes per read of the head or of discarded output. `source` reads the body.
const PIECE: usize = 8 * 1024;

/// The maximum number of reads of discarded output in one turn of the loop, not counting the last one.
const PIECES: u32 = 32;

/// The maximum number of bytes of rejected output that are logged.
const EXCERPT: usize = 200;

/// One run of a script for one request.
pub(super) struct ScriptRun {
    context: Arc<ScriptContext>,
    request: Request,
    script: Script,
    /// False if the limit on local redirects has been reached.
    may_redirect: bool,
    stage: RunStage,
    /// The pipe for the request body. `None` once the body is complete or the script has closed its end of the pipe.
    stdin: Option<ScriptInput>,
    /// True if some of the request body has been written since the last call to [`ScriptRun::check_time`].
    fed: bool,
    /// True once the request body is complete.
    body_ended: bool,
    /// The [`CgiLimits::first_byte`](super::CgiLimits::first_byte) deadline, either for the time in the queue or for
    /// the running script.
    deadline: Option<Instant>,
}

/// The stages of a run, in order. Each stage owns its data.
enum RunStage {
    /// The script has not been started, because `poll` has not been called yet or too many other scripts are running.
    Queued(Option<QueueTicket>),
    /// The head of the output is being read. `read` contains all output so far. `end` is the length of the head; `None`
    /// until the head is complete.
    Head { output: ScriptOutput, read: Vec<u8>, end: Option<usize> },
    /// The head is complete. The rest of the output is not sent, but must be read until EOF before the response is
    /// returned.
    Rest { output: ScriptOutput, outcome: ScriptOutcome },
    /// The response or the target of a redirect has been returned. Contains the child if its output is the body of the
    /// response.
    Finished(Option<Rc<ChildHandle>>),
}

/// The result of one call to [`ScriptRun::poll`].
pub(super) enum RunProgress {
    /// There is no result yet, so the run must be polled again.
    NotYet,
    Response(Response),
    /// The script requests a local redirect to this path and query (RFC 3875 section 6.2.2).
    Redirect(Vec<u8>),
}

/// The result of a run, as determined by the complete head: a response, or the target of a local redirect.
enum ScriptOutcome {
    Respond(Response),
    Redirect(Vec<u8>),
}

impl ScriptRun {
    pub(super) fn new(context: Arc<ScriptContext>, request: Request, script: Script, may_redirect: bool) -> ScriptRun {
        ScriptRun {
            context,
            request,
            script,
            may_redirect,
            stage: RunStage::Queued(None),
            stdin: None,
            fed: false,
            body_ended: false,
            deadline: None,
        }
    }

    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    /// True if the script will probably consume the rest of the request body after its response has begun. This is
    /// assumed if the script has already read some of the body or if the rest fits into the pipe.
    pub(super) fn reads_on(&self) -> bool {
        let length = self.request.body_length();
        self.stdin.as_ref().is_some_and(|stdin| !stdin.may_be_ignored(length))
    }

    pub(super) fn wants_body(&self) -> bool {
        self.stdin.is_some()
    }

    /// Writes bytes of the request body to the script, and returns the number of bytes accepted.
    pub(super) fn feed(&mut self, body: &[u8]) -> usize {
        let written = self.stdin.as_mut().map_or(Ok(0), |stdin| stdin.write(body));
        // A script that has closed its input can still respond, so a failed write does not end the run.
        let taken = written.unwrap_or_else(|_| {
            self.stdin = None;
            0
        });
        self.fed |= taken > 0;
        taken
    }

    /// Closes the script's input, because the request body is complete.
    pub(super) fn end_body(&mut self) {
        self.body_ended = true;
        self.stdin = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            RunStage::Finished(_) => None,
            _ => self.deadline,
        }
    }

    /// Advances through the stages as far as possible.
    ///
    /// # Errors
    /// Returns an error if the output is not a CGI response, or the script cannot be watched.
    pub(super) fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<RunProgress> {
        if let Some(response) = self.check_time(registrar) {
            return Ok(RunProgress::Response(response));
        }
        if let RunStage::Queued(_) = self.stage
            && let Some(response) = self.start(registrar)?
        {
            return Ok(RunProgress::Response(response));
        }
        if let RunStage::Head { .. } = self.stage
            && let Some(response) = self.read_head()?
        {
            return Ok(RunProgress::Response(response));
        }
        Ok(self.read_rest(registrar))
    }

    /// Extends the deadline if some of the body has been written. Returns the response if the deadline has passed, or
    /// if the reaper has terminated the script.
    fn check_time(&mut self, registrar: &dyn Registrar) -> Option<Response> {
        let (now, limits) = (registrar.now(), self.context.reaper.limits());
        // A script that is still reading its body has not timed out, even if the client sends the body slowly.
        if std::mem::take(&mut self.fed) || self.deadline.is_none() {
            self.deadline = limits.first_byte_ends(now);
        }
        let late = self.deadline.is_some_and(|deadline| deadline <= now);
        match &self.stage {
            RunStage::Queued(_) if late => {
                self.note("CGI script not started (too many scripts are running)");
                return Some(Response::error(Status::SERVICE_UNAVAILABLE));
            }
            RunStage::Head { output, .. } | RunStage::Rest { output, .. } => {
                if late {
                    output.child().terminate("no response in time");
                    // An incomplete head often shows what is wrong, such as a missing empty line.
                    if let RunStage::Head { read, .. } = &self.stage
                        && !read.is_empty()
                    {
                        let text = format!("{}: {}", self.script.shown(), excerpt(read));
                        self.context.reaper.note(self.request.client_address(), text);
                    }
                } else if output.child().state() != ChildState::TimedOut {
                    return None;
                }
            }
            _ => return None,
        }
        // In the `Rest` stage, the head is complete and the rest of the output would not be sent anyway, so the client
        // still gets the response.
        match std::mem::replace(&mut self.stage, RunStage::Finished(None)) {
            RunStage::Rest { outcome: ScriptOutcome::Respond(response), .. } => Some(response),
            _ => Some(Response::error(Status::GATEWAY_TIMEOUT)),
        }
    }

    /// Starts the script if the limit on running scripts allows it. Returns an error response if the system cannot
    /// start it.
    fn start(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let RunStage::Queued(ticket) = &mut self.stage else { return Ok(None) };
        if !self.context.reaper.may_start(ticket, registrar) {
            return Ok(None);
        }
        // The deadline is reset, because the time spent in the queue does not count against the script.
        self.deadline = self.context.reaper.limits().first_byte_ends(registrar.now());
        let variables = environment(&self.context.server_variables(), &self.request, &self.script);
        // Without a body the script gets /dev/null, which saves a pipe.
        let mut child = match spawn(&self.script, variables, self.context.user, !self.body_ended) {
            Ok(child) => child,
            Err(error) => {
                self.note(&format!("CGI script not started ({error})"));
                return Ok(Some(refusal(&error, &self.script)));
            }
        };
        let (stdin, stdout) = (child.stdin.take().map(Sender::from), child.stdout.take().map(Receiver::from));
        // From here on the reaper owns the child. If a later step fails, dropping the handle terminates the child.
        let label =
            ChildLabel { client: self.request.client_address(), name: self.script.shown(), wake: registrar.wake() };
        let key = self.context.reaper.add(child, label, registrar)?;
        let child = ChildHandle::new(Arc::clone(&self.context.reaper), key);
        let mut stdout = stdout.ok_or(io::ErrorKind::BrokenPipe)?;
        stdout.set_nonblocking(true)?;
        registrar.register(&mut stdout, STDOUT, Interest::READABLE)?;
        if let Some(mut stdin) = stdin {
            stdin.set_nonblocking(true)?;
            registrar.register(&mut stdin, STDIN, Interest::WRITABLE)?;
            self.stdin = Some(ScriptInput::new(stdin));
        }
        self.leave_queue(RunStage::Head { output: ScriptOutput::new(stdout, child), read: Vec::new(), end: None });
        Ok(None)
    }

    /// Enters the next stage. Leaves the queue if the run was in it.
    fn leave_queue(&mut self, next: RunStage) {
        if let RunStage::Queued(Some(ticket)) = std::mem::replace(&mut self.stage, next) {
            self.context.reaper.leave_queue(ticket);
        }
    }

    /// Reads until the head is complete. Returns the response, unless the rest of the output must be read first.
    fn read_head(&mut self) -> io::Result<Option<Response>> {
        let RunStage::Head { output, read, end } = &mut self.stage else { return Ok(None) };
        let waits = self.stdin.as_ref().is_some_and(|stdin| stdin.may_be_ignored(self.request.body_length()));
        let head = loop {
            // The response must say whether the connection persists, which depends on whether the script reads the
            // body. This is known once the script has read a byte of the body or has written a byte after the head.
            if end.is_some_and(|end| !waits || read.len() > end) {
                break read_head(read);
            }
            match read_more(output, read) {
                // The response has no body, so there is no first body byte to wait for.
                Ok(0) if end.is_some() => break read_head(read),
                Ok(0) => break Err(BadOutput::Cut(read.len())),
                Ok(count) => {
                    // `end` may already be set, because this loop reads beyond the end of the head while `waits` is
                    // true.
                    *end = end.or_else(|| find_end(read, read.len() - count));
                    // Bytes after the head do not count towards the limit.
                    if end.unwrap_or(read.len()) > self.context.reaper.limits().head {
                        break Err(BadOutput::TooLong);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(_) => return Ok(Some(Response::error(Status::GATEWAY_TIMEOUT))),
            }
        };
        match head {
            Ok(Some(head)) => Ok(self.begin(head)),
            Ok(None) => Ok(None),
            Err(bad) => {
                // A script whose output has ended may keep running. Only a script that could still write output is
                // terminated.
                if !output.child().is_complete() {
                    output.child().terminate("output is not a CGI response");
                }
                let text = match read.as_slice() {
                    [] => format!("{}: {bad}", self.script.shown()),
                    read => format!("{}: {bad}; {}", self.script.shown(), excerpt(read)),
                };
                Err(io::Error::new(io::ErrorKind::InvalidData, text))
            }
        }
    }

    /// Processes a complete head. Returns the response if the output after the head is its body. For a redirect, or a
    /// response without a body, enters [`RunStage::Rest`], which holds the outcome until the script has ended.
    fn begin(&mut self, head: ScriptHead) -> Option<Response> {
        let RunStage::Head { output, mut read, .. } = std::mem::replace(&mut self.stage, RunStage::Finished(None))
        else {
            return None;
        };
        let early = read.split_off(head.length);
        let mut response = match self.outcome(head) {
            ScriptOutcome::Respond(response) => response,
            redirect @ ScriptOutcome::Redirect(_) => {
                self.stage = RunStage::Rest { output, outcome: redirect };
                return None;
            }
        };
        let length = response.head.content_length();
        if self.is_bodiless(&response) || length == Some(0) {
            // A response to HEAD without a length must not get `Content-Length: 0`. An error response keeps the length
            // of its error page.
            if response.error.is_none() && length.is_none() {
                response.body = Body::Stream(Box::new(OmittedBody));
            }
            self.stage = RunStage::Rest { output, outcome: ScriptOutcome::Respond(response) };
            return None;
        }
        self.stage = RunStage::Finished(Some(Rc::clone(output.child())));
        response.body = Body::Stream(Box::new(ScriptBody::new(early, output, length)));
        Some(response)
    }

    /// Converts a head to a response that has no body yet, or to the local redirect that the head requests.
    fn outcome(&self, head: ScriptHead) -> ScriptOutcome {
        match head.destination {
            Some(Destination::Here(target)) if self.may_redirect => ScriptOutcome::Redirect(target),
            Some(Destination::Here(_)) => {
                self.note("too many redirects by CGI scripts");
                ScriptOutcome::Respond(Response::error(Status::BAD_GATEWAY))
            }
            Some(Destination::Elsewhere) | None => {
                let mut response = Response::new(head.status);
                response.head = head.fields;
                response.reason = head.reason.map(String::into_boxed_str);
                ScriptOutcome::Respond(response)
            }
        }
    }

    /// True if the response does not get its body from the script. The script still runs to completion, because it may
    /// have side effects.
    fn is_bodiless(&self, response: &Response) -> bool {
        *self.request.method() == Method::Head || response.status.is_bodiless() || response.error.is_some()
    }

    /// Reads and drops the rest of the output. Returns the outcome once the output has ended.
    fn read_rest(&mut self, registrar: &mut dyn Registrar) -> RunProgress {
        let RunStage::Rest { output, .. } = &mut self.stage else { return RunProgress::NotYet };
        let (mut piece, mut pieces) = ([0; PIECE], 0);
        loop {
            match output.read(&mut piece) {
                Ok(0) => break,
                // The reads are limited, so that a script that writes endlessly does not block the loop.
                Ok(_) if pieces == PIECES => {
                    registrar.wake().wake();
                    return RunProgress::NotYet;
                }
                Ok(_) => pieces += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return RunProgress::NotYet,
                Err(_) => return RunProgress::Response(Response::error(Status::GATEWAY_TIMEOUT)),
            }
        }
        match std::mem::replace(&mut self.stage, RunStage::Finished(None)) {
            RunStage::Rest { outcome: ScriptOutcome::Respond(response), .. } => RunProgress::Response(response),
            RunStage::Rest { outcome: ScriptOutcome::Redirect(target), .. } => RunProgress::Redirect(target),
            _ => RunProgress::NotYet,
        }
    }

    fn note(&self, text: &str) {
        self.context.reaper.note(self.request.client_address(), format!("{text}: {}", self.script.shown()));
    }
}

impl Drop for ScriptRun {
    /// Terminates a script that is still reading the body. Otherwise the script would take the closed pipe for the end
    /// of the body, and would process an incomplete body.
    fn drop(&mut self) {
        if let RunStage::Finished(Some(child)) = &self.stage
            && self.stdin.is_some()
            && !child.is_complete()
        {
            child.terminate("connection closed");
        }
        // If the run stayed in the queue, no request after it could start, because only the first one is woken.
        self.leave_queue(RunStage::Finished(None));
    }
}

/// The beginning of rejected output, for the log. The log escapes control characters.
fn excerpt(read: &[u8]) -> String {
    format!("output begins with: {}", String::from_utf8_lossy(&read[..read.len().min(EXCERPT)]))
}

/// Reads once from the output and appends the bytes to `read`. Returns the number of bytes read, which is 0 at EOF.
fn read_more(output: &mut ScriptOutput, read: &mut Vec<u8>) -> io::Result<usize> {
    let before = read.len();
    read.resize(before + PIECE, 0);
    let result = output.read(&mut read[before..]);
    read.truncate(before + result.as_ref().map_or(0, |count| *count));
    result
}

#[cfg(test)]
mod tests;
