//! Python's `http.client`: a client with blocking calls, for threads and for handlers on the event loop. In a handler,
//! a call suspends only that handler.
//!
//! [`HttpConnection`] sends requests and returns [`HttpResponse`]s, with the methods and states of Python's class. It
//! waits through a [`ClientStream`], which a [`Connector`] opens: [`ThreadConnector`] blocks its thread. The protocol
//! is implemented by the client side of `http1`. Errors are named after Python's exceptions.
//!
//! | module | content |
//! |---|---|
//! | `stream`, `thread` | the trait for streams that can wait; its implementation for threads |
//! | `authority`, `tunnel` | hosts and ports; `CONNECT` to a proxy |
//! | `channel`, `tls` | the stream with or without TLS (feature `client-tls`) |
//! | `link` | one open connection, which moves bytes between the stream and the protocol state machine |
//! | `connection`, `configure`, `exchange`, `body` | requests |
//! | `response` | responses |
//! | `pool`, `places`, `pooled` | connections that are kept between requests |
//! | `settings` | times and limits |
//! | `error` | errors |
//!
//! As in Python, this module does not handle cookies (`cookiejar` does) or redirects, and does not take proxies from
//! the environment. It uses neither the event loop nor the server.

mod authority;
mod body;
mod channel;
mod configure;
mod connection;
mod error;
mod exchange;
mod link;
mod places;
mod pool;
mod pooled;
mod response;
mod settings;
mod stream;
mod thread;
#[cfg(feature = "client-tls")]
mod tls;
mod tunnel;

pub use body::RequestBody;
pub use channel::ClientChannel;
pub use connection::{HttpConnection, SkipFields};
pub use error::{Error, WaitPhase};
pub(crate) use places::Places;
pub use pool::{Pool, PoolConnector, PoolQueue, PoolSettings};
pub use pooled::{PooledConnection, PooledResponse};
pub use response::HttpResponse;
pub use settings::{ClientLimits, ClientSettings};
pub use stream::{ClientStream, Connector, Readiness, ServerAddress};
pub use thread::{ThreadConnector, ThreadQueue, ThreadStream};
#[cfg(feature = "client-tls")]
pub use tls::{ClientTls, ClientTlsStream};
