//! Python's `http.client`: a client with blocking calls, for threads and for handlers on the event loop. A call in a
//! handler suspends only that handler.
//!
//! [`HttpConnection`] sends requests and returns [`HttpResponse`]s, with the methods and states of Python's class. A
//! [`Connector`] opens the [`ClientStream`] of a connection and determines how its calls wait; with
//! [`ThreadConnector`], they block the calling thread. The client side of `http1` implements the protocol. Errors are
//! named after Python's exceptions.
//!
//! | module | content |
//! |---|---|
//! | `stream`, `thread` | the trait for streams that can wait; its implementation for threads |
//! | `authority`, `tunnel` | hosts and ports; `CONNECT` requests to a proxy |
//! | `channel`, `tls` | the stream with or without TLS (feature `client-tls`) |
//! | `link`, `spare` | one open connection, which moves bytes between the stream and the protocol state machine; its buffer |
//! | `shared` | the link that a connection shares with its current response |
//! | `connection`, `configure`, `exchange`, `body` | requests |
//! | `response` | responses |
//! | `pool`, `places`, `pooled` | connections that are kept between requests |
//! | `settings` | time limits, size limits and other settings |
//! | `error` | errors |
//!
//! As in Python, this module does not follow redirects, does not read proxy settings from the environment, and does not
//! handle cookies, for which there is `cookiejar`. It depends on neither the event loop nor the server.

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
mod shared;
mod spare;
mod stream;
#[cfg(test)]
mod tests;
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
