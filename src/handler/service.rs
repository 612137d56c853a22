//! `Handlers`: the public service that creates a handler for each connection, and its settings.

#[cfg(feature = "client")]
use std::cell::Cell;
use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;
#[cfg(feature = "client")]
use std::time::Instant;

use super::connection_handler::ConnectionHandler;
use super::context::HandlerContext;
use super::exchange::Exchange;
#[cfg(feature = "client")]
use super::outbound::HandlerPool;
use super::request_handler::{HandlerError, RequestHandler};
#[cfg(feature = "client")]
use crate::client::PoolSettings;
use crate::coroutine::{CoroutineSettings, HandlerResources};
use crate::http::Request;
#[cfg(feature = "client")]
use crate::service::LogCallback;
use crate::service::{ByInto, IntoError, Reply, Service};

/// A service whose requests are handled by [`RequestHandler`]s. A factory creates one handler for each connection.
///
/// [`HttpServer::handler`](crate::HttpServer::handler) creates a `Handlers` with the default settings.
///
/// ```
/// use serve_forever::{HttpServer, handler::{Handlers, RequestHandler}};
///
/// struct Nothing;
/// impl RequestHandler for Nothing {}
///
/// # fn main() -> std::io::Result<()> {
/// let handlers = Handlers::new(|| Nothing).most(100).stack_size(256 * 1024);
/// let server = HttpServer::bind("127.0.0.1:0")?.service(handlers);
/// # Ok(()) }
/// ```
#[must_use = "a service responds only as the service of a server"]
pub struct Handlers<F, E = io::Error, M = ByInto> {
    factory: F,
    /// Marks the type parameters as used: `E` is the handlers' error type, and `M` selects its implementation of
    /// [`HandlerError`].
    error: PhantomData<fn() -> (E, M)>,
    settings: CoroutineSettings,
    #[cfg(feature = "client")]
    pool: PoolSettings,
    /// The earliest time at which an idle connection of the pool can reach the idle timeout; `None` if no connection
    /// was idle at the last check.
    #[cfg(feature = "client")]
    next_look: Cell<Option<Instant>>,
    /// The resources that the handlers share. They are created with the first connection, when the settings are final.
    context: OnceCell<HandlerContext>,
}

impl<F, H, E, M> Handlers<F, E, M>
where
    F: Fn() -> H,
    H: RequestHandler<E> + 'static,
    E: HandlerError<M>,
    M: 'static,
{
    /// Creates a service in which each connection has its own handler. `factory` creates the handler before the first
    /// request.
    pub fn new(factory: F) -> Handlers<F, E, M> {
        Handlers {
            factory,
            error: PhantomData,
            settings: CoroutineSettings::default(),
            #[cfg(feature = "client")]
            pool: HandlerPool::default_settings(),
            #[cfg(feature = "client")]
            next_look: Cell::new(None),
            context: OnceCell::new(),
        }
    }

    /// Sets the maximum number of handlers that are running or suspended at the same time. Default: 1024. Further
    /// requests wait until a handler ends.
    pub fn most(mut self, most: usize) -> Handlers<F, E, M> {
        self.settings.max_handlers = most;
        self
    }

    /// Sets the size of a handler's stack in bytes. Default: 1 MiB, with a guard page below the stack. Only pages that
    /// a handler has touched use memory.
    ///
    /// A handler that overflows its stack ends the process with SIGSEGV. `std` prints a message only for a thread's
    /// guard page, and this crate would need unsafe code to handle the signal, so there is no message. As on a thread,
    /// recursion over a client's data, such as nested JSON, must be limited.
    pub fn stack_size(mut self, bytes: usize) -> Handlers<F, E, M> {
        self.settings.stack_size = bytes;
        self
    }

    /// Sets the maximum number of worker threads for [`Exchange::offload`](super::Exchange::offload). Default: 8.
    /// Threads are started on demand, and end when they have been idle for a while.
    pub fn workers(mut self, workers: usize) -> Handlers<F, E, M> {
        self.settings.max_workers = workers;
        self
    }

    /// Sets the maximum number of connections that all handlers together may have open through
    /// [`Exchange::connect_tcp`](super::Exchange::connect_tcp). Default: 1024. Each connection needs a descriptor. An
    /// attempt to open more fails.
    pub fn outgoing(mut self, most: usize) -> Handlers<F, E, M> {
        self.settings.max_outgoing = most;
        self
    }

    /// Changes the settings of [`Exchange::pool`](super::Exchange::pool). The defaults are those of [`PoolSettings`],
    /// except that `max_per_host` is unlimited, because [`outgoing`](Handlers::outgoing) limits the connections to all
    /// servers together.
    ///
    /// ```
    /// use std::time::Duration;
    /// use serve_forever::handler::{Handlers, RequestHandler};
    ///
    /// struct Proxy;
    /// impl RequestHandler for Proxy {}
    /// let handlers = Handlers::new(|| Proxy).pool(|pool| pool.connection.timeout = Some(Duration::from_secs(30)));
    /// ```
    #[cfg(feature = "client")]
    pub fn pool(mut self, set: impl FnOnce(&mut PoolSettings)) -> Handlers<F, E, M> {
        set(&mut self.pool);
        self
    }

    /// Sets how long a handler may run without suspending before its method and path are logged. Default: 100 ms. While
    /// a handler runs, no other client is served, and the handler cannot be interrupted.
    pub fn slow_after(mut self, time: Duration) -> Handlers<F, E, M> {
        self.settings.slow_after = time;
        self
    }

    /// Sets how long a handler may run without suspending before its request line is written to standard error, while
    /// the handler is still running. Default: 5 seconds. Such a handler may be waiting for a lock that only a suspended
    /// handler could release; see [*Shared state*](super#shared-state). A separate thread makes this check. It exists
    /// only while handlers run.
    pub fn stuck_after(mut self, time: Duration) -> Handlers<F, E, M> {
        self.settings.stuck_after = time;
        self
    }

    fn connection_handler(&self, server_name: &str) -> ConnectionHandler<AnyError<H, E, M>> {
        ConnectionHandler::new(AnyError((self.factory)(), PhantomData), server_name, self.context().clone())
    }

    pub(super) fn context(&self) -> &HandlerContext {
        self.context.get_or_init(|| HandlerContext {
            resources: HandlerResources::new(&self.settings),
            #[cfg(feature = "client")]
            pool: HandlerPool::new(self.pool.clone()),
        })
    }
}

impl<F, H, E, M> Service for Handlers<F, E, M>
where
    F: Fn() -> H,
    H: RequestHandler<E> + 'static,
    E: HandlerError<M>,
    M: 'static,
{
    /// Creates a new handler, which handles only this request.
    fn call(&self, request: &Request) -> Reply {
        self.connection_handler(concat!("serve-forever/", env!("CARGO_PKG_VERSION"))).call(request)
    }

    fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
        Some(Box::new(self.connection_handler(server_name)))
    }

    /// Closes connections to other servers that have been idle for too long.
    #[cfg(feature = "client")]
    fn after_turn(&self, now: Instant, _: &mut LogCallback<'_>) -> Option<Duration> {
        // No connection can expire before the oldest idle one, so the pool is not searched until then.
        if self.next_look.get().is_none_or(|next| next <= now) {
            let left = self.context.get()?.pool.close_idle(now);
            self.next_look.set(left.and_then(|left| now.checked_add(left)));
        }
        self.next_look.get().map(|next| next.saturating_duration_since(now))
    }

    #[cfg(feature = "client")]
    fn after_run(&self, _: &mut LogCallback<'_>) {
        if let Some(context) = self.context.get() {
            context.pool.close_all();
        }
    }
}

/// Boxes the errors of a handler, so that a connection does not depend on their type.
struct AnyError<H, E, M>(H, PhantomData<fn() -> (E, M)>);

impl<H: RequestHandler<E>, E: HandlerError<M>, M> RequestHandler<Box<dyn Error>> for AnyError<H, E, M> {
    fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> Result<(), Box<dyn Error>> {
        self.0.handle_one_request(x).map_err(IntoError::into_error)
    }
}

impl<F, E, M> fmt::Debug for Handlers<F, E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").field("settings", &self.settings).finish_non_exhaustive()
    }
}
