//! A request that a script answers.

use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mio::Interest;
use mio::unix::pipe::{Receiver, Sender};

use super::environment::environment;
use super::nursery::{About, Fate, Ticket};
use super::output::{BadOutput, Destination, ScriptHead, find_end, read_head};
use super::script::Script;
use super::service::Shared;
use super::source::{Leash, Output, ScriptBody, Unseen};
use super::spawn::{refusal, spawn};
use crate::http::{Request, Status};
use crate::service::{Body, Reply, Response, Upstream, Wires};

/// The slots of a connection's wires that the pipes are registered with.
const STDIN: u8 = 1;
const STDOUT: u8 = 2;

/// How much of a script's output is read at a time while its head is not complete, or nobody wants the rest.
const PIECE: usize = 8 * 1024;

/// How many scripts may send a request on to each other.
pub(super) const MOST_REDIRECTS: u8 = 8;

/// How many of them are thrown away in a turn of the loop.
const PIECES: u32 = 32;

/// A script that answers a request: it takes the body and makes the response.
pub(super) struct ScriptRun {
    site: Arc<Shared>,
    request: Request,
    script: Script,
    /// How many scripts sent the request here.
    redirects: u8,
    stage: Stage,
    /// Where the body goes. `None` once it is complete, or the script wants no more of it.
    stdin: Option<Sender>,
    /// Some of the body was taken since the last look at the clock.
    fed: bool,
    /// The body is complete.
    ended: bool,
    /// When the script has taken too long to answer.
    deadline: Option<Instant>,
}

/// How far a run has come.
enum Stage {
    /// The script is not started: there are too many others, or nobody has asked for it yet.
    Queued(Option<Ticket>),
    /// The head of its output is being read.
    Head { output: Output, read: Vec<u8> },
    /// The head is known. The rest is thrown away, and then it is answered.
    Rest { output: Output, then: Then },
    /// Somebody else of this server answers.
    Elsewhere(Box<dyn Upstream>),
    /// The response is handed over.
    Answered(Option<Rc<Leash>>),
}

/// What a script's output comes to if its body is of no use.
enum Then {
    Respond(Response),
    Redirect(Vec<u8>),
}

impl ScriptRun {
    pub(super) fn new(site: Arc<Shared>, request: Request, script: Script, redirects: u8) -> ScriptRun {
        ScriptRun {
            site,
            request,
            script,
            redirects,
            stage: Stage::Queued(None),
            stdin: None,
            fed: false,
            ended: false,
            deadline: None,
        }
    }
}

impl Upstream for ScriptRun {
    /// A script that has begun its response may end without reading on, which shows only later.
    fn reads_on(&self) -> bool {
        false
    }

    fn wants_body(&self) -> bool {
        self.stdin.is_some()
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while let Some(stdin) = &mut self.stdin
            && taken < body.len()
        {
            match stdin.write(&body[taken..]) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The script has closed its input: it knows enough.
                Err(_) => self.stdin = None,
            }
        }
        self.fed |= taken > 0;
        Ok(taken)
    }

    fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        self.stdin = None;
        Ok(())
    }

    fn poll(&mut self, wires: &mut dyn Wires) -> io::Result<Option<Response>> {
        if let Stage::Elsewhere(upstream) = &mut self.stage {
            return upstream.poll(wires);
        }
        if let Some(response) = self.check_time(wires) {
            return Ok(Some(response));
        }
        if let Stage::Queued(_) = self.stage
            && let Some(response) = self.start(wires)?
        {
            return Ok(Some(response));
        }
        if let Stage::Head { .. } = self.stage
            && let Some(response) = self.read_head()?
        {
            return Ok(Some(response));
        }
        self.read_rest(wires)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Elsewhere(upstream) => upstream.deadline(),
            Stage::Answered(_) => None,
            _ => self.deadline,
        }
    }
}

impl ScriptRun {
    /// Moves the deadline, and gives up when it has come.
    fn check_time(&mut self, wires: &dyn Wires) -> Option<Response> {
        let (now, limits) = (wires.now(), self.site.nursery.limits());
        if std::mem::take(&mut self.fed) || self.deadline.is_none() {
            self.deadline = now.checked_add(limits.first_byte);
        }
        let late = self.deadline.is_some_and(|deadline| deadline <= now);
        match &self.stage {
            Stage::Queued(_) if late => {
                self.note("CGI script was not started, too many others run");
                return Some(Response::error(Status::SERVICE_UNAVAILABLE));
            }
            Stage::Head { output, .. } | Stage::Rest { output, .. } => {
                if late {
                    output.leash().end("it took too long to respond");
                } else if output.leash().fate() != Fate::Overdue {
                    return None;
                }
            }
            _ => return None,
        }
        // A head that is known is as good as it gets.
        match std::mem::replace(&mut self.stage, Stage::Answered(None)) {
            Stage::Rest { then: Then::Respond(response), .. } => Some(response),
            _ => Some(Response::error(Status::GATEWAY_TIMEOUT)),
        }
    }

    /// Starts the script if that is allowed now. A response means that it could not be.
    fn start(&mut self, wires: &mut dyn Wires) -> io::Result<Option<Response>> {
        let Stage::Queued(ticket) = &mut self.stage else { return Ok(None) };
        if !self.site.nursery.may_start(ticket, wires) {
            return Ok(None);
        }
        // From now on the time counts for the script.
        self.deadline = wires.now().checked_add(self.site.nursery.limits().first_byte);
        let variables = environment(&self.site.environment(), &self.request, &self.script);
        let mut child = match spawn(&self.script, variables, self.site.user, !self.ended) {
            Ok(child) => child,
            Err(error) => {
                self.note(&format!("CGI script could not be started ({error})"));
                return Ok(Some(refusal(&error, &self.script)));
            }
        };
        let (stdin, stdout) = (child.stdin.take().map(Sender::from), child.stdout.take().map(Receiver::from));
        let about = About { client: self.request.client_address(), name: self.script.shown(), wake: wires.wake() };
        let key = self.site.nursery.adopt(child, about, wires)?;
        let leash = Leash::new(Arc::clone(&self.site.nursery), key);
        let mut stdout = stdout.ok_or(io::ErrorKind::BrokenPipe)?;
        stdout.set_nonblocking(true)?;
        wires.register(&mut stdout, STDOUT, Interest::READABLE)?;
        if let Some(mut stdin) = stdin {
            stdin.set_nonblocking(true)?;
            wires.register(&mut stdin, STDIN, Interest::WRITABLE)?;
            self.stdin = Some(stdin);
        }
        self.leave_queue(Stage::Head { output: Output::new(stdout, leash), read: Vec::new() });
        Ok(None)
    }

    fn leave_queue(&mut self, next: Stage) {
        if let Stage::Queued(Some(ticket)) = std::mem::replace(&mut self.stage, next) {
            self.site.nursery.leave(ticket);
        }
    }

    /// Reads until the head is complete, and then answers unless the rest is of no use.
    fn read_head(&mut self) -> io::Result<Option<Response>> {
        let Stage::Head { output, read } = &mut self.stage else { return Ok(None) };
        let head = loop {
            match more(output, read) {
                Ok(0) => break Err(BadOutput::Cut(read.len())),
                Ok(count) => {
                    let end = find_end(read, read.len() - count);
                    if end.unwrap_or(read.len()) > self.site.nursery.limits().head {
                        break Err(BadOutput::TooLong);
                    } else if end.is_some() {
                        break read_head(read);
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
                if !output.leash().is_complete() {
                    output.leash().end("its output is no response");
                }
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("{}: {bad}", self.script.shown())))
            }
        }
    }

    /// The head is known: hands over the response, unless its body is of no use.
    fn begin(&mut self, head: ScriptHead) -> Option<Response> {
        let Stage::Head { output, mut read } = std::mem::replace(&mut self.stage, Stage::Answered(None)) else {
            return None;
        };
        let mut response = Response::new(head.status);
        response.head = head.fields;
        let then = match head.destination {
            Some(Destination::Here(target)) if self.redirects < MOST_REDIRECTS => Then::Redirect(target),
            Some(Destination::Here(_)) => Then::Respond(self.lost()),
            _ => Then::Respond(response),
        };
        let empty = matches!(&then, Then::Respond(response) if response.head.content_length() == Some(0));
        match then {
            Then::Respond(mut response) if !self.is_bodiless(&response) && !empty => {
                let early = read.split_off(head.length);
                let (length, leash) = (response.head.content_length(), Rc::clone(output.leash()));
                response.body = Body::Stream(Box::new(ScriptBody::new(early, output, length)));
                self.stage = Stage::Answered(Some(leash));
                Some(response)
            }
            mut then => {
                if let Then::Respond(response) = &mut then
                    && response.error.is_none()
                    && response.head.content_length().is_none()
                {
                    response.body = Body::Stream(Box::new(Unseen));
                }
                self.stage = Stage::Rest { output, then };
                None
            }
        }
    }

    /// Whether nothing of a body would be sent. The script is then left to its end all the same: what it prints is not
    /// all that it does.
    fn is_bodiless(&self, response: &Response) -> bool {
        *self.request.method() == crate::http::Method::Head || response.status.is_bodiless() || response.error.is_some()
    }

    /// Scripts that send a request on to each other without end.
    fn lost(&self) -> Response {
        self.note("CGI scripts redirect too often");
        Response::error(Status::BAD_GATEWAY)
    }

    /// Throws the rest of the output away, and answers when there is no more.
    fn read_rest(&mut self, wires: &mut dyn Wires) -> io::Result<Option<Response>> {
        let Stage::Rest { output, .. } = &mut self.stage else { return Ok(None) };
        let (mut piece, mut pieces) = ([0; PIECE], 0);
        loop {
            match output.read(&mut piece) {
                Ok(0) => break,
                Ok(_) if pieces == PIECES => {
                    wires.wake().wake();
                    return Ok(None);
                }
                Ok(_) => pieces += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(_) => return Ok(Some(Response::error(Status::GATEWAY_TIMEOUT))),
            }
        }
        let Stage::Rest { then, .. } = std::mem::replace(&mut self.stage, Stage::Answered(None)) else {
            return Ok(None);
        };
        match then {
            Then::Respond(response) => Ok(Some(response)),
            Then::Redirect(target) => self.redirect(&target, wires),
        }
    }

    /// Asks whoever serves the other path. The body was the script's, so there is none for that.
    fn redirect(&mut self, target: &[u8], wires: &mut dyn Wires) -> io::Result<Option<Response>> {
        self.stdin = None;
        match Shared::call(&self.site, &self.request.redirected(target), self.redirects + 1) {
            Reply::Now(response) => Ok(Some(response)),
            Reply::Later(mut upstream) => {
                upstream.end()?;
                let response = upstream.poll(wires)?;
                self.stage = Stage::Elsewhere(upstream);
                Ok(response)
            }
        }
    }

    fn note(&self, text: &str) {
        self.site.nursery.note(self.request.client_address(), format!("{text}: {}", self.script.shown()));
    }
}

impl Drop for ScriptRun {
    /// A body that was cut must not pass for a whole one: a script that still reads it is ended.
    fn drop(&mut self) {
        if let Stage::Answered(Some(leash)) = &self.stage
            && self.stdin.is_some()
            && !leash.is_complete()
        {
            leash.end("its client is gone");
        }
        self.leave_queue(Stage::Answered(None));
    }
}

/// Reads another piece of output.
fn more(output: &mut Output, read: &mut Vec<u8>) -> io::Result<usize> {
    let before = read.len();
    read.resize(before + PIECE, 0);
    let result = output.read(&mut read[before..]);
    read.truncate(before + result.as_ref().map_or(0, |count| *count));
    result
}
