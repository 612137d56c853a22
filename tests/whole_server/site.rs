//! The server of a simulation: its service, the tree of its files, and its log. The loop and the clients are in
//! `world.rs`.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use serve_forever::client::{Error, RequestBody};
use serve_forever::connection::ServerState;
use serve_forever::files::FileService;
use serve_forever::handler::{Exchange, Handlers, HttpError, RequestHandler, Shared};
use serve_forever::http::Request;
use serve_forever::log::{AccessLog, LogFormat};
use serve_forever::reactor::{RunLimits, TurnHooks};
use serve_forever::service::{Reply, Response, Service};
use serve_forever::session::TurnClock;
use tempfile::TempDir;

use crate::asks::{content, parts};
use crate::common::dialogue::site;
use crate::common::network::surroundings::OtherThread;
use crate::common::service::{TestService, pattern};
use crate::fetch::Fetch;
use crate::script::{FILES, Fault};
use crate::upstream::FETCH_TIMEOUT;

/// The files of the server, on disk.
pub struct Tree {
    folder: TempDir,
    pub versions: [usize; FILES],
}

impl Tree {
    pub fn new() -> Tree {
        let tree = Tree { folder: tempfile::tempdir().unwrap(), versions: [0; FILES] };
        (0..FILES).for_each(|file| tree.write(file, &content(file, 0)));
        tree
    }

    /// Replaces a file by its next version.
    pub fn change(&mut self, file: usize, fault: Option<Fault>) {
        self.versions[file] += 1;
        let content = content(file, self.versions[file]);
        match fault {
            Some(Fault::ServesOldFile) => {}
            Some(Fault::TearsFile) => self.write(file, &content[..content.len() - 1]),
            _ => self.write(file, &content),
        }
    }

    /// Writes a file under another name and renames it, as a program must do while others read the file.
    fn write(&self, file: usize, content: &[u8]) {
        let (new, path) = (self.folder.path().join("new"), self.folder.path().join(format!("{file}.txt")));
        fs::write(&new, content).unwrap();
        // The time is the same in every run, because clients receive it.
        let time = UNIX_EPOCH + Duration::from_secs(700_000_000 + self.versions[file] as u64);
        File::options().write(true).open(&new).unwrap().set_modified(time).unwrap();
        fs::rename(new, path).unwrap();
    }
}

/// The parts of a server that a reload keeps.
#[derive(Clone)]
pub struct Parts {
    files: Arc<Mutex<FileService>>,
    thread: OtherThread,
    /// The number of times that the other thread has worked.
    work: Shared<u64>,
    /// The same number, which can be read without waking the handlers that wait for a change.
    works: Arc<AtomicU64>,
    fault: Option<Fault>,
}

impl Parts {
    pub fn new(tree: &Tree, fault: Option<Fault>) -> Parts {
        let files = FileService::builder(tree.folder.path()).base_path("/files").build().unwrap();
        let (thread, work, works) = (OtherThread::default(), Shared::new(0), Arc::default());
        Parts { files: Arc::new(Mutex::new(files)), thread, work, works, fault }
    }

    /// Another thread works, and wakes the connections that wait for it.
    pub fn work(&self) {
        self.thread.work();
        self.works.fetch_add(1, Ordering::Relaxed);
        self.work.with(|count| *count += 1);
    }

    /// The number of times that the other thread has worked.
    pub fn works(&self) -> u64 {
        self.works.load(Ordering::Relaxed)
    }

    /// The service after this number of reloads.
    pub fn service(&self, generation: usize) -> impl Service + Send + use<> {
        let (work, fault) = (self.work.clone(), self.fault);
        // There are few stacks, so that handlers wait for them.
        let handlers = Handlers::new(move || SimulatedHandler { work: work.clone(), fault }).most(2).pool(|pool| {
            let forgets = fault == Some(Fault::ForgetsFetchTimeout);
            pool.connection.total_timeout = Some(FETCH_TIMEOUT).filter(|_| !forgets);
        });
        SimulatedService { parts: self.clone(), handlers: Box::new(handlers), generation }
    }
}

struct SimulatedService {
    parts: Parts,
    handlers: Box<dyn Service + Send>,
    generation: usize,
}

impl Service for SimulatedService {
    fn call(&self, request: &Request) -> Reply {
        match request.path() {
            b"/woken" => Reply::Later(Box::new(self.parts.thread.upstream())),
            b"/generation" => Reply::Now(Response::text(format!("{}\n", self.generation))),
            path if path.starts_with(b"/handler/") => self.handlers.call(request),
            path if path.starts_with(b"/files/") => self.parts.files.lock().unwrap().call(request),
            _ => TestService.call(request),
        }
    }
}

struct SimulatedHandler {
    work: Shared<u64>,
    fault: Option<Fault>,
}

impl SimulatedHandler {
    /// Waits until another thread has worked. False after the timeout, and when the server drains.
    fn wait(&self, x: &Exchange<'_>, timeout: Option<Duration>) -> io::Result<bool> {
        let seen = self.work.with(|count| *count);
        Ok(x.wait_until(&self.work, timeout, |count| (*count != seen).then_some(()))?.is_some())
    }

    /// This number of milliseconds, or a half of it with the fault.
    fn time(&self, milliseconds: u64, fault: Fault) -> Duration {
        Duration::from_millis(milliseconds) / if self.fault == Some(fault) { 2 } else { 1 }
    }

    /// The body of a response of another server.
    fn fetch(&self, x: &Exchange<'_>, fetch: Fetch) -> Result<String, HttpError> {
        let body = fetch.body();
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.as_ref().map_or(RequestBody::Empty, |body| RequestBody::from(body.as_bytes()));
        let body = match x.fetch(method, &fetch.url(), body, &[])?.read_all() {
            Err(Error::IncompleteRead { partial, .. }) if self.fault == Some(Fault::TakesShortBody) => partial,
            body => body?,
        };
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn write_parts(&self, x: &mut Exchange<'_>, count: u64) -> io::Result<()> {
        x.send_response(200)?;
        x.end_headers()?;
        let count = if self.fault == Some(Fault::LosesPart) { count.saturating_sub(1) } else { count };
        for part in parts(count as usize).split_inclusive('\n') {
            self.wait(x, None)?;
            x.wfile().write_all(part.as_bytes())?;
        }
        Ok(())
    }
}

impl RequestHandler for SimulatedHandler {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let target = x.target().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let number = query.parse().unwrap_or(0);
        let text = match path {
            "/handler/slept" => {
                x.sleep(self.time(number, Fault::SleepsTooShort))?;
                "slept\n"
            }
            "/handler/timed" => match self.wait(x, Some(self.time(number, Fault::TimesOutEarly)))? {
                true => "worked\n",
                false => "timed out\n",
            },
            "/handler/parts" => return self.write_parts(x, number),
            "/handler/fetched" => return x.respond(Response::text(self.fetch(x, Fetch::parse(query))?)),
            _ => {
                self.wait(x, None)?;
                "waited\n"
            }
        };
        x.respond(Response::text(text))
    }

    fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let mut body = Vec::new();
        x.rfile().read_to_end(&mut body)?;
        let is_right = body == pattern(body.len()).as_bytes();
        x.respond(Response::text(if is_right { format!("{}\n", body.len()) } else { "another body\n".to_owned() }))
    }
}

/// The lines of the log.
pub type Lines = Arc<Mutex<Vec<String>>>;

/// The state of a server with this service, which writes its log to these lines.
pub fn server(service: impl Service + Send + 'static, lines: &Lines, fault: Option<Fault>) -> ServerState {
    let mut state = site(service);
    let lines = Arc::clone(lines);
    let mut count = 0;
    let log = AccessLog::to_fn(move |line| {
        count += 1;
        let copies = match fault {
            Some(Fault::LosesLogLine) if count % 8 == 0 => 0,
            Some(Fault::DoublesLogLine) if count % 8 == 0 => 2,
            _ => 1,
        };
        lines.lock().unwrap().extend((0..copies).map(|_| line.to_owned()));
    });
    state.log = log.format(LogFormat::Json).into();
    state
}

/// Does the work of a server between two turns.
pub struct Hooks<'s> {
    pub state: &'s ServerState,
    pub parts: Parts,
    pub limits: RunLimits,
    /// The number of reloads.
    pub generation: Rc<Cell<usize>>,
}

impl TurnHooks for Hooks<'_> {
    fn limits(&self) -> RunLimits {
        self.limits
    }

    fn reload(&mut self) {
        self.generation.set(self.generation.get() + 1);
        self.state.set_service(self.parts.service(self.generation.get()));
    }

    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration> {
        let files = self.parts.files.lock().unwrap().after_turn(clock.now, &mut |_, _| {});
        let log = self.state.log.borrow_mut().flush();
        files.into_iter().chain(log).min()
    }
}
