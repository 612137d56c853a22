//! The unencrypted port of `--redirect-http`: a second server, which redirects clients to the one that serves the
//! files.

use std::io;
use std::net::TcpListener;
use std::path::Path;

use super::exit::{Code, Exit};
use super::options::Options;
use super::{listen, logging, site};
use crate::log::AccessLog;
use crate::{HttpServer, HttpsRedirect, Limits};

/// The maximum total size in bytes of the buffers of all connections to the redirecting server. These buffers hold only
/// request heads and short responses.
const BUFFERS: usize = 16 * 1024 * 1024;

/// The bound port of the redirecting server, which does not accept connections yet, and the log for its requests.
pub(super) struct Redirect {
    listener: TcpListener,
    log: AccessLog,
}

impl Redirect {
    /// Binds the port of `--redirect-http` and opens its log. Returns `None` if the option is not set.
    pub(super) fn open(options: &Options) -> Result<Option<Redirect>, Exit> {
        let Some(port) = options.tls.redirect_http else { return Ok(None) };
        let listener = listen::bind(options, port).map_err(|error| Exit::of(Code::Bind, error))?;
        Ok(Some(Redirect { listener, log: logging::log(options)? }))
    }

    /// Adapts the path of the log file to a process that has changed its root directory to `root`.
    pub(super) fn below(self, root: &Path) -> Redirect {
        Redirect { log: self.log.below(root), ..self }
    }

    /// Builds the server that redirects every request to HTTPS on `port`.
    pub(super) fn server(self, options: &Options, port: u16) -> io::Result<HttpServer> {
        let limits = Limits { buffers: options.limits.buffers.min(BUFFERS), ..options.limits.clone() };
        Ok(HttpServer::from_listeners(vec![self.listener])?
            .service(HttpsRedirect::to_port(port))
            .server_name(site::server_name(options))?
            .protocol(options.protocol)
            .limits(limits)
            .release_on_drain(true)
            .log(self.log))
    }
}
