//! The plan of a run: its requests as bytes, their order, and the address of the server.

use std::io;

use super::target_url::{LoadAddress, TargetUrl};
use crate::http::HeaderList;
use crate::http1::{Buffer, ClientMachine, Encoder, RequestHead};

/// The requests of a run, ready to be sent.
#[derive(Debug)]
pub(super) struct Plan {
    requests: Vec<PreparedRequest>,
    /// The order in which requests are sent, as indices into `requests`. After the last index, the order starts over.
    order: Vec<u16>,
    pub(super) server: LoadAddress,
    /// The name that the server's certificate must contain; `None` for unencrypted HTTP.
    pub(super) tls_name: Option<String>,
}

/// One request as bytes. It is formatted once and sent many times.
#[derive(Debug, Clone)]
pub(super) struct PreparedRequest {
    pub(super) bytes: Vec<u8>,
    method: String,
    /// True if the request announces that it is the last one on its connection.
    pub(super) closes: bool,
}

impl PreparedRequest {
    /// Formats a request for `url`, with the header fields and the body from the command line.
    pub(super) fn new(url: &TargetUrl, method: &str, fields: &HeaderList, body: &[u8]) -> io::Result<PreparedRequest> {
        let mut all = HeaderList::new();
        let mut add = |name: &str, value: &str| all.add(name, value).map_err(io::Error::other);
        // Fields from the command line replace those that are added here.
        if fields.get("Host").is_none() {
            add("Host", &url.host_field())?;
        }
        for (name, value) in fields.iter() {
            add(name, &String::from_utf8_lossy(value))?;
        }
        if !body.is_empty() && fields.get("Content-Length").is_none() && fields.get("Transfer-Encoding").is_none() {
            add("Content-Length", &body.len().to_string())?;
        }
        let head = RequestHead { method, target: &url.target, fields: &all, encode_chunked: true };
        let (mut machine, mut out) = (ClientMachine::new(), Buffer::default());
        let encoder = machine.request(&head, &mut out).map_err(io::Error::other)?;
        if let Some(encoder) = encoder {
            append_body(encoder, body, &mut out)?;
            machine.body_sent();
        }
        Ok(PreparedRequest { bytes: out.bytes().to_vec(), method: method.to_owned(), closes: !machine.can_request() })
    }

    /// The method, which determines how the response is framed.
    pub(super) fn method(&self) -> &str {
        &self.method
    }
}

/// Appends a body to `out`, framed as the head of the request announces.
fn append_body(mut encoder: Encoder, body: &[u8], out: &mut Buffer) -> io::Result<()> {
    if let Encoder::Counted(length) = encoder
        && length != body.len() as u64
    {
        return Err(io::Error::other(format!("Content-Length is {length}, but the body has {} bytes", body.len())));
    }
    encoder.write(body, out);
    encoder.finish(out);
    Ok(())
}

impl Plan {
    /// Creates a plan in which requests alternate according to the weights of their URLs.
    ///
    /// # Errors
    /// Returns an error if the URLs name different servers, or if the host has no address.
    pub(super) fn new(
        urls: &[TargetUrl],
        requests: Vec<PreparedRequest>,
        unix: Option<LoadAddress>,
    ) -> io::Result<Plan> {
        let first = &urls[0];
        if let Some(other) = urls.iter().find(|url| (&url.host, url.port) != (&first.host, first.port)) {
            let text = format!("the URLs name two servers, {} and {}", first.host_field(), other.host_field());
            return Err(io::Error::other(text));
        }
        let server = unix.map_or_else(|| LoadAddress::of(first), Ok)?;
        let order = in_turns(urls.iter().map(|url| url.weight));
        Ok(Plan { requests, order, server, tls_name: first.is_https.then(|| first.host.clone()) })
    }

    /// The request with this 0-based index in the run.
    pub(super) fn request(&self, number: u64) -> &PreparedRequest {
        &self.requests[usize::from(self.order[(number % self.order.len() as u64) as usize])]
    }
}

/// Returns a sequence of indices. Each index occurs as often as its weight says, and its occurrences are spread evenly.
fn in_turns(weights: impl Iterator<Item = u32>) -> Vec<u16> {
    let weights: Vec<i64> = weights.map(i64::from).collect();
    let total: i64 = weights.iter().sum();
    let mut credits = vec![0; weights.len()];
    let mut order = Vec::new();
    for _ in 0..total {
        // In each round, every index receives credit equal to its weight. The index with the most credit comes next,
        // and its credit is reduced by the sum of all weights.
        credits.iter_mut().zip(&weights).for_each(|(credit, weight)| *credit += weight);
        let richest = (0..credits.len()).rev().max_by_key(|index| credits[*index]).unwrap_or(0);
        credits[richest] -= total;
        order.push(richest as u16);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_in_turns_by_their_weights() {
        assert_eq!(in_turns([5, 1, 1].into_iter()), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(in_turns([1].into_iter()), [0]);
    }

    #[test]
    fn a_request_is_written_with_its_host_and_its_body() {
        let url = TargetUrl::parse("http://h:81/a").unwrap();
        let mut fields = HeaderList::new();
        fields.add("X", "1").unwrap();
        let request = PreparedRequest::new(&url, "POST", &fields, b"hello").unwrap();
        assert_eq!(request.bytes, b"POST /a HTTP/1.1\r\nHost: h:81\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello");
        assert!(!request.closes && request.method() == "POST");
        fields.add("Transfer-Encoding", "chunked").unwrap();
        fields.add("Connection", "close").unwrap();
        fields.add("Host", "other").unwrap();
        let request = PreparedRequest::new(&url, "PUT", &fields, b"hello").unwrap();
        assert!(request.bytes.starts_with(b"PUT /a HTTP/1.1\r\nX: 1\r\n"), "{}", request.bytes.escape_ascii());
        assert!(request.bytes.ends_with(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n") && request.closes);
    }

    #[test]
    fn a_length_that_is_not_that_of_the_body_is_refused() {
        let url = TargetUrl::parse("http://h/").unwrap();
        let mut fields = HeaderList::new();
        fields.add("Content-Length", "4").unwrap();
        let error = PreparedRequest::new(&url, "POST", &fields, b"hello").unwrap_err();
        assert_eq!(error.to_string(), "Content-Length is 4, but the body has 5 bytes");
    }

    #[test]
    fn two_servers_are_refused() {
        let urls = ["http://127.0.0.1:1/", "http://127.0.0.1:2/"].map(|url| TargetUrl::parse(url).unwrap());
        let error = Plan::new(&urls, Vec::new(), None).unwrap_err();
        assert_eq!(error.to_string(), "the URLs name two servers, 127.0.0.1:1 and 127.0.0.1:2");
    }
}
