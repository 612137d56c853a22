//! The upstream of a request that a script answers: waits in the queue, starts the script, writes the body to it and
//! reads its head.
//!
//! What stays out: the grammar of the head (`output`), the body of the response (`source`), signals and the exit status
//! (`reaper`).

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mio::Interest;
use mio::unix::pipe::{Receiver, Sender};

use super::environment::environment;
use super::input::ScriptInput;
use super::output::{BadOutput, Destination, ScriptHead, find_end, read_head};
use super::reaper::{ChildLabel, ChildState, QueueTicket};
use super::script::Script;
use super::service::ScriptContext;
use super::source::{ChildHandle, OmittedBody, ScriptBody, ScriptOutput};
use super::spawn::{refusal, spawn};
use crate::http::{Request, Status};
use crate::service::{Body, Registrar, Reply, Response, Upstream};

/// The slots of a connection's wires that the pipes are registered with.
const STDIN: u8 = 1;
const STDOUT: u8 = 2;

/// Bytes of a script's output that are read at a time, except those of a response's body.
const PIECE: usize = 8 * 1024;

/// How many pieces of unwanted output are read in a turn of the loop.
const PIECES: u32 = 32;

/// Bytes of refused output that the log shows.
const EXCERPT: usize = 200;

/// How many redirects within the server may follow one request.
pub(super) const MOST_REDIRECTS: u8 = 8;

/// The upstream of a request that a script answers.
pub(super) struct ScriptRun {
    context: Arc<ScriptContext>,
    request: Request,
    script: Script,
    /// The user whose credentials the service has verified, for the log.
    user: Option<Arc<str>>,
    /// How many redirects within the server led to this request.
    redirects: u8,
    stage: RunStage,
    /// Where the body is written. `None` once it is complete, or once the script has closed its end.
    stdin: Option<ScriptInput>,
    /// Some of the body was written since [`ScriptRun::check_time`] was last called.
    fed: bool,
    /// The body is complete.
    ended: bool,
    /// When the script has taken too long to respond.
    deadline: Option<Instant>,
}

/// The stages of a run, in their order.
enum RunStage {
    /// The script is not started: `poll` was not called yet, or too many others run.
    Queued(Option<QueueTicket>),
    /// The head of the output is being read. It ends at `end`, once that is known.
    Head { output: ScriptOutput, read: Vec<u8>, end: Option<usize> },
    /// The head is known and the rest of the output is not sent. It is read to its end before the response.
    Rest { output: ScriptOutput, outcome: ScriptOutcome },
    /// The script redirected the request to another service.
    Elsewhere(Box<dyn Upstream>),
    /// The response was returned.
    Answered(Option<Rc<ChildHandle>>),
}

/// The result of a script whose output after the head is not sent.
enum ScriptOutcome {
    Respond(Response),
    Redirect(Vec<u8>),
}

impl ScriptRun {
    pub(super) fn new(
        context: Arc<ScriptContext>,
        request: Request,
        script: Script,
        user: Option<Arc<str>>,
        redirects: u8,
    ) -> ScriptRun {
        ScriptRun {
            context,
            request,
            script,
            user,
            redirects,
            stage: RunStage::Queued(None),
            stdin: None,
            fed: false,
            ended: false,
            deadline: None,
        }
    }
}

impl Upstream for ScriptRun {
    /// A script that has read some of a long body when it responds is expected to read on.
    fn reads_on(&self) -> bool {
        let length = self.request.body_length();
        self.stdin.as_ref().is_some_and(|stdin| !stdin.may_be_ignored(length))
    }

    fn wants_body(&self) -> bool {
        self.stdin.is_some()
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        let written = self.stdin.as_mut().map_or(Ok(0), |stdin| stdin.write(body));
        // A script that has closed its input may respond all the same.
        let taken = written.unwrap_or_else(|_| {
            self.stdin = None;
            0
        });
        self.fed |= taken > 0;
        Ok(taken)
    }

    fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        self.stdin = None;
        Ok(())
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let response = self.advance(registrar)?;
        Ok(response.map(|response| Response { user: self.user.clone(), ..response }))
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            RunStage::Elsewhere(upstream) => upstream.deadline(),
            RunStage::Answered(_) => None,
            _ => self.deadline,
        }
    }
}

impl ScriptRun {
    /// Goes on from the stage that the run has come to, as far as that is possible now.
    fn advance(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        if let RunStage::Elsewhere(upstream) = &mut self.stage {
            return upstream.poll(registrar);
        }
        if let Some(response) = self.check_time(registrar) {
            return Ok(Some(response));
        }
        if let RunStage::Queued(_) = self.stage
            && let Some(response) = self.start(registrar)?
        {
            return Ok(Some(response));
        }
        if let RunStage::Head { .. } = self.stage
            && let Some(response) = self.read_head()?
        {
            return Ok(Some(response));
        }
        self.read_rest(registrar)
    }

    /// Moves the deadline if some of the body was written. Returns the response if the deadline has passed, or if the
    /// reaper has terminated the script.
    fn check_time(&mut self, registrar: &dyn Registrar) -> Option<Response> {
        let (now, limits) = (registrar.now(), self.context.reaper.limits());
        if std::mem::take(&mut self.fed) || self.deadline.is_none() {
            self.deadline = limits.first_byte_ends(now);
        }
        let late = self.deadline.is_some_and(|deadline| deadline <= now);
        match &self.stage {
            RunStage::Queued(_) if late => {
                self.note("CGI script was not started, too many others run");
                return Some(Response::error(Status::SERVICE_UNAVAILABLE));
            }
            RunStage::Head { output, .. } | RunStage::Rest { output, .. } => {
                if late {
                    output.child().terminate("it took too long to respond");
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
        // A complete head is a response: only output that is not sent was still missing.
        match std::mem::replace(&mut self.stage, RunStage::Answered(None)) {
            RunStage::Rest { outcome: ScriptOutcome::Respond(response), .. } => Some(response),
            _ => Some(Response::error(Status::GATEWAY_TIMEOUT)),
        }
    }

    /// Starts the script if another one may run. Returns a response if it cannot be started.
    fn start(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let RunStage::Queued(ticket) = &mut self.stage else { return Ok(None) };
        if !self.context.reaper.may_start(ticket, registrar) {
            return Ok(None);
        }
        // The time in the queue does not count for the script.
        self.deadline = self.context.reaper.limits().first_byte_ends(registrar.now());
        let variables = environment(&self.context.server_variables(), &self.request, &self.script);
        let mut child = match spawn(&self.script, variables, self.context.user, !self.ended) {
            Ok(child) => child,
            Err(error) => {
                self.note(&format!("CGI script could not be started ({error})"));
                return Ok(Some(refusal(&error, &self.script)));
            }
        };
        let (stdin, stdout) = (child.stdin.take().map(Sender::from), child.stdout.take().map(Receiver::from));
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

    fn leave_queue(&mut self, next: RunStage) {
        if let RunStage::Queued(Some(ticket)) = std::mem::replace(&mut self.stage, next) {
            self.context.reaper.leave_queue(ticket);
        }
    }

    /// Reads until the head is complete. Returns the response, unless the rest of the output has to be read first.
    fn read_head(&mut self) -> io::Result<Option<Response>> {
        let RunStage::Head { output, read, end } = &mut self.stage else { return Ok(None) };
        let waits = self.stdin.as_ref().is_some_and(|stdin| stdin.may_be_ignored(self.request.body_length()));
        let head = loop {
            // It is not known yet whether the connection can be promised to another request. The first byte that the script
            // reads or writes tells, or its end.
            if end.is_some_and(|end| !waits || read.len() > end) {
                break read_head(read);
            }
            match read_more(output, read) {
                Ok(0) if end.is_some() => break read_head(read),
                Ok(0) => break Err(BadOutput::Cut(read.len())),
                Ok(count) => {
                    // The head may have ended in an earlier read: the loop goes on behind it while `waits` holds.
                    *end = end.or_else(|| find_end(read, read.len() - count));
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
                if !output.child().is_complete() {
                    output.child().terminate("its output is no response");
                }
                let text = match read.as_slice() {
                    [] => format!("{}: {bad}", self.script.shown()),
                    read => format!("{}: {bad}; {}", self.script.shown(), excerpt(read)),
                };
                Err(io::Error::new(io::ErrorKind::InvalidData, text))
            }
        }
    }

    /// Returns the response of a complete head, or enters [`RunStage::Rest`] if its body is not sent.
    fn begin(&mut self, head: ScriptHead) -> Option<Response> {
        let RunStage::Head { output, mut read, .. } = std::mem::replace(&mut self.stage, RunStage::Answered(None))
        else {
            return None;
        };
        let mut response = Response::new(head.status);
        response.head = head.fields;
        response.reason = head.reason.map(String::into_boxed_str);
        let outcome = match head.destination {
            Some(Destination::Here(target)) if self.redirects < MOST_REDIRECTS => ScriptOutcome::Redirect(target),
            Some(Destination::Here(_)) => ScriptOutcome::Respond(self.too_many_redirects()),
            _ => ScriptOutcome::Respond(response),
        };
        let empty = matches!(&outcome, ScriptOutcome::Respond(response) if response.head.content_length() == Some(0));
        match outcome {
            ScriptOutcome::Respond(mut response) if !self.is_bodiless(&response) && !empty => {
                let early = read.split_off(head.length);
                let (length, child) = (response.head.content_length(), Rc::clone(output.child()));
                response.body = Body::Stream(Box::new(ScriptBody::new(early, output, length)));
                self.stage = RunStage::Answered(Some(child));
                Some(response)
            }
            mut outcome => {
                if let ScriptOutcome::Respond(response) = &mut outcome
                    && response.error.is_none()
                    && response.head.content_length().is_none()
                {
                    response.body = Body::Stream(Box::new(OmittedBody));
                }
                self.stage = RunStage::Rest { output, outcome };
                None
            }
        }
    }

    /// True if no body would be sent. The script runs to its end all the same, because it may do more than print.
    fn is_bodiless(&self, response: &Response) -> bool {
        *self.request.method() == crate::http::Method::Head || response.status.is_bodiless() || response.error.is_some()
    }

    fn too_many_redirects(&self) -> Response {
        self.note("CGI scripts redirect too often");
        Response::error(Status::BAD_GATEWAY)
    }

    /// Reads the rest of the output without keeping it, and responds at its end.
    fn read_rest(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let RunStage::Rest { output, .. } = &mut self.stage else { return Ok(None) };
        let (mut piece, mut pieces) = ([0; PIECE], 0);
        loop {
            match output.read(&mut piece) {
                Ok(0) => break,
                Ok(_) if pieces == PIECES => {
                    registrar.wake().wake();
                    return Ok(None);
                }
                Ok(_) => pieces += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(_) => return Ok(Some(Response::error(Status::GATEWAY_TIMEOUT))),
            }
        }
        let RunStage::Rest { outcome, .. } = std::mem::replace(&mut self.stage, RunStage::Answered(None)) else {
            return Ok(None);
        };
        match outcome {
            ScriptOutcome::Respond(response) => Ok(Some(response)),
            ScriptOutcome::Redirect(target) => self.redirect(&target, registrar),
        }
    }

    /// Calls the service with the path that the script redirected to. The body went to the script, so that the new
    /// request has none.
    fn redirect(&mut self, target: &[u8], registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        self.stdin = None;
        match ScriptContext::call(&self.context, &self.request.redirected(target), self.redirects + 1) {
            Reply::Now(response) => Ok(Some(response)),
            Reply::Later(mut upstream) => {
                upstream.end()?;
                let response = upstream.poll(registrar)?;
                self.stage = RunStage::Elsewhere(upstream);
                Ok(response)
            }
        }
    }

    fn note(&self, text: &str) {
        self.context.reaper.note(self.request.client_address(), format!("{text}: {}", self.script.shown()));
    }
}

impl Drop for ScriptRun {
    /// Terminates a script that is still reading the body: it must not take a body that was cut for a complete one.
    fn drop(&mut self) {
        if let RunStage::Answered(Some(child)) = &self.stage
            && self.stdin.is_some()
            && !child.is_complete()
        {
            child.terminate("its client is gone");
        }
        self.leave_queue(RunStage::Answered(None));
    }
}

/// The beginning of refused output, as a text for the log, which escapes control characters.
fn excerpt(read: &[u8]) -> String {
    format!("its output begins: {}", String::from_utf8_lossy(&read[..read.len().min(EXCERPT)]))
}

/// Appends another piece of output to `read`.
fn read_more(output: &mut ScriptOutput, read: &mut Vec<u8>) -> io::Result<usize> {
    let before = read.len();
    read.resize(before + PIECE, 0);
    let result = output.read(&mut read[before..]);
    read.truncate(before + result.as_ref().map_or(0, |count| *count));
    result
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use mio::event::Source;
    use mio::unix::pipe;
    use mio::{Poll, Token};

    use super::*;
    use crate::cgi::{CgiLimits, CgiService};
    use crate::service::Waker;

    /// Registrar with a clock of their own, and a poll for what is registered.
    struct TestWires {
        now: Instant,
        poll: Poll,
        wakes: Arc<AtomicUsize>,
    }

    impl TestWires {
        fn new() -> TestWires {
            TestWires { now: Instant::now(), poll: Poll::new().unwrap(), wakes: Arc::default() }
        }
    }

    impl Registrar for TestWires {
        fn register(&mut self, source: &mut dyn Source, slot: u8, interest: Interest) -> io::Result<()> {
            source.register(self.poll.registry(), Token(slot.into()), interest)
        }

        fn wake(&self) -> Waker {
            let wakes = Arc::clone(&self.wakes);
            Waker::new(move || _ = wakes.fetch_add(1, Ordering::Relaxed))
        }

        fn now(&self) -> Instant {
            self.now
        }
    }

    fn run(limits: CgiLimits) -> ScriptRun {
        let service = CgiService::builder("src").limits(limits).build(|_: &Request| Response::text("")).unwrap();
        let script = Script { file: "/x".into(), name: b"/cgi-bin/x".to_vec(), path_info: Vec::new() };
        ScriptRun::new(service.context(), Request::builder("POST", "/cgi-bin/x").build(), script, None, 0)
    }

    #[test]
    fn written_bytes_of_the_body_move_the_deadline() {
        let first_byte = Duration::from_secs(10);
        let mut run = run(CgiLimits { live: 0, first_byte, ..CgiLimits::default() });
        let mut registrar = TestWires::new();
        let begin = registrar.now;
        assert!(run.poll(&mut registrar).unwrap().is_none());
        assert_eq!(run.deadline(), Some(begin + first_byte));
        let (stdin, _reader) = pipe::new().unwrap();
        run.stdin = Some(ScriptInput::new(stdin));
        for second in [5, 14, 23] {
            registrar.now = begin + Duration::from_secs(second);
            assert_eq!(run.feed(b"more").unwrap(), 4);
            assert!(run.poll(&mut registrar).unwrap().is_none(), "{second}");
            assert_eq!(run.deadline(), Some(registrar.now + first_byte));
        }
        // No byte, no more time.
        registrar.now += first_byte / 2;
        assert_eq!(run.feed(b"").unwrap(), 0);
        assert!(run.poll(&mut registrar).unwrap().is_none());
        assert_eq!(run.deadline(), Some(registrar.now + first_byte / 2));
        registrar.now += first_byte / 2;
        assert_eq!(run.poll(&mut registrar).unwrap().unwrap().status, Status::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn without_a_limit_there_is_no_deadline() {
        let mut run = run(CgiLimits { live: 0, first_byte: Duration::ZERO, ..CgiLimits::default() });
        assert!(run.poll(&mut TestWires::new()).unwrap().is_none());
        assert_eq!(run.deadline(), None);
    }

    #[test]
    fn unwanted_output_is_read_a_piece_at_a_time() {
        let mut run = run(CgiLimits::default());
        let mut registrar = TestWires::new();
        let most = PIECE * (PIECES as usize + 1);
        // Bytes that the pipe holds at once, so that a turn without a limit would read all of them.
        let (reader, writer) = io::pipe().unwrap();
        let size = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20).unwrap();
        assert!(size > 2 * most);
        io::Write::write_all(&mut &writer, &vec![0; size]).unwrap();
        let child = Command::new("sleep").arg("1000").process_group(0).stderr(Stdio::piped()).spawn().unwrap();
        let label = ChildLabel { client: SocketAddr::from(([0; 4], 0)), name: String::new(), wake: registrar.wake() };
        let key = run.context.reaper.add(child, label, &mut registrar).unwrap();
        let child = ChildHandle::new(Arc::clone(&run.context.reaper), key);
        let stdout = Receiver::from(std::os::fd::OwnedFd::from(reader));
        stdout.set_nonblocking(true).unwrap();
        let outcome = ScriptOutcome::Respond(Response::new(Status::OK));
        run.stage = RunStage::Rest { output: ScriptOutput::new(stdout, child), outcome };
        assert!(run.poll(&mut registrar).unwrap().is_none());
        let left = rustix::io::ioctl_fionread(&writer).unwrap();
        assert_eq!(left, (size - most) as u64);
        assert_eq!(registrar.wakes.load(Ordering::Relaxed), 1, "the next turn goes on with it");
    }
}
