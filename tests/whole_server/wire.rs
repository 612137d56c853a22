//! The bytes that a client and the server exchange: requests and responses in plain text or in TLS records. The script
//! decides which bytes are sent when.

use std::sync::Arc;

use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection};

use crate::common::seeds::Random;
use crate::common::tls::{TlsEnd, client_builder_of, client_connection, client_connection_with};

/// A fault of a TLS client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    None,
    /// The first byte is not that of a TLS record.
    Opening,
    /// A record with a part of the requests is changed.
    Record,
}

pub struct Wire {
    tls: Option<TlsEnd>,
    damage: Damage,
    random: Random,
    /// The bytes for the server, as far as they are known: the requests in records follow the handshake.
    bytes: Vec<u8>,
    pub sent: usize,
    /// No more than this number of bytes is sent.
    most: usize,
    /// After the requests, TLS announces the end of the client's output.
    announces_end: bool,
    /// TLS asks the server to resume the session of an earlier connection.
    resumes: bool,
}

impl Wire {
    /// Sends the requests without TLS.
    pub fn unencrypted(requests: &[u8]) -> Wire {
        let (damage, random, most) = (Damage::None, Random::new(0), usize::MAX);
        Wire {
            tls: None,
            damage,
            random,
            bytes: requests.to_vec(),
            sent: 0,
            most,
            announces_end: false,
            resumes: false,
        }
    }

    /// Sends the requests in records, and no more than `most` bytes of them and of the handshake.
    pub fn secure(
        requests: &[u8],
        announces_end: bool,
        (damage, most): (Damage, usize),
        sessions: &Sessions,
        mut random: Random,
    ) -> Wire {
        let (connection, resumes) = sessions.connect(&mut random);
        let mut tls = TlsEnd::on(connection, requests.to_vec(), announces_end).with_records(random.clone());
        let mut bytes = tls.exchange(&[]).unwrap();
        // Neither a record of TLS nor a letter, with which HTTP begins.
        bytes[0] ^= if damage == Damage::Opening { 0x80 } else { 0 };
        Wire { tls: Some(tls), damage, random, bytes, sent: 0, most, announces_end, resumes }
    }

    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    pub fn is_damaged(&self) -> bool {
        self.damage != Damage::None
    }

    /// Sends at most this number of bytes, and returns them.
    pub fn send(&mut self, most: usize) -> &[u8] {
        let end = self.sent.saturating_add(most).min(self.most).min(self.bytes.len());
        let start = std::mem::replace(&mut self.sent, end);
        &self.bytes[start..end]
    }

    /// True if the client sends nothing more, regardless of the bytes that it receives.
    pub fn is_all_sent(&self) -> bool {
        let is_whole = self.tls.as_ref().is_none_or(|tls| tls.asks.is_none());
        self.sent == self.most || (is_whole && self.sent == self.bytes.len())
    }

    /// True if the client has announced the end of its output in TLS.
    pub fn has_announced_end(&self) -> bool {
        self.announces_end && self.is_all_sent()
    }

    /// The number of bytes of requests that the server can read in the first `count` bytes.
    pub fn requests_in(&self, count: usize) -> usize {
        let Some(tls) = &self.tls else { return count };
        tls.ends.iter().take_while(|(end, _)| *end <= count).last().map_or(0, |(_, requests)| *requests)
    }

    /// Processes bytes from the server, and returns those of responses.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let Some(tls) = &mut self.tls else { return Ok(bytes.to_vec()) };
        let was_shaking_hands = tls.asks.is_some();
        match tls.exchange(bytes) {
            Ok(records) => self.bytes.extend(records),
            // An alert.
            Err(_) if self.damage != Damage::None => {}
            Err(error) => return Err(format!("TLS fails: {error}")),
        }
        if self.resumes && tls.is_resumed() == Some(false) {
            return Err("the session is not resumed".to_owned());
        }
        if self.damage == Damage::Record && was_shaking_hands && tls.asks.is_none() {
            let record = self.random.below(tls.ends.len());
            // A part of the code that authenticates the record. The server reads no request from there on.
            self.bytes[tls.ends[record].0 - 1] ^= 1;
            tls.ends.truncate(record);
        }
        Ok(std::mem::take(&mut tls.heard))
    }

    /// True if the server has announced its end.
    pub fn is_told_the_end(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_told_the_end)
    }
}

/// The sessions that the clients of a run can resume.
pub struct Sessions {
    tls12: (Arc<ClientConfig>, Arc<ClientSessionMemoryCache>),
    tls13: (Arc<ClientConfig>, Arc<ClientSessionMemoryCache>),
}

impl Sessions {
    pub fn new() -> Sessions {
        let [tls12, tls13] = [&TLS12, &TLS13].map(|version| {
            let cache = Arc::new(ClientSessionMemoryCache::new(32));
            let mut config = client_builder_of(&[version]).with_no_client_auth();
            config.resumption = Resumption::store(Arc::clone(&cache) as Arc<dyn ClientSessionStore>);
            (Arc::new(config), cache)
        });
        Sessions { tls12, tls13 }
    }

    /// A connection, and true if it asks the server to resume a session. All lengths of its handshake are the same in every run,
    /// because they do not depend on the random numbers of rustls.
    fn connect(&self, random: &mut Random) -> (ClientConnection, bool) {
        let server = ServerName::try_from("localhost").unwrap();
        let (config, resumes) = match random.below(4) {
            0 => (&self.tls12.0, self.tls12.1.tls12_session(&server).is_some()),
            1 | 2 => {
                let ticket = self.tls13.1.take_tls13_ticket(&server);
                let has_ticket = ticket.is_some();
                ticket.into_iter().for_each(|ticket| self.tls13.1.insert_tls13_ticket(server.clone(), ticket));
                (&self.tls13.0, has_ticket)
            }
            _ => return (client_connection(), false),
        };
        (client_connection_with(Arc::clone(config)), resumes)
    }
}
