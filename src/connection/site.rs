use std::cell::{Ref, RefCell};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::http::{ErrorPage, ErrorTemplate, Version, format_http_date};
use crate::log::AccessLog;
use crate::proto::Limits;
use crate::service::Service;

/// What all connections of a server have in common: who answers, within which limits, in which words, to which log.
pub struct Site {
    /// Who answers.
    pub service: Box<dyn Service + Send>,
    /// What bounds a client.
    pub limits: Limits,
    /// The version in status lines; 1.0 closes after each response.
    pub protocol: Version,
    /// The value of `Server`; empty for none.
    pub server: String,
    /// The bodies of error responses.
    pub error_page: Box<dyn ErrorPage>,
    /// Where requests are logged.
    pub log: RefCell<AccessLog>,
    /// The address that clients connect to.
    pub local: SocketAddr,
    date: RefCell<Date>,
}

/// The `Date` of the second it was last asked in.
#[derive(Default)]
struct Date {
    second: Option<u64>,
    text: String,
}

impl Site {
    /// A site with the default limits, words and log.
    pub fn new(service: impl Service + Send + 'static, local: SocketAddr) -> Site {
        Site {
            service: Box::new(service),
            limits: Limits::default(),
            protocol: Version::Http11,
            server: concat!("serve-forever/", env!("CARGO_PKG_VERSION")).to_owned(),
            error_page: Box::new(ErrorTemplate::default()),
            log: RefCell::new(AccessLog::stderr()),
            local,
            date: RefCell::default(),
        }
    }

    /// The value of `Date` at this time, made once a second.
    pub(super) fn date(&self, wall: SystemTime) -> Ref<'_, str> {
        let second = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.date.borrow().second != Some(second) {
            *self.date.borrow_mut() = Date { second: Some(second), text: format_http_date(wall) };
        }
        Ref::map(self.date.borrow(), |date| date.text.as_str())
    }
}
