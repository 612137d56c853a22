//! The answering half of an exchange.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::{Draft, Exchange};
use crate::handler::pipe::Answer;
use crate::http::{FieldBlock, FieldValue, Method, Status, StatusClass};
use crate::service::{Body, ErrorText, FileSlice, Reply, Response, Service};

/// A status, or the number of one.
pub trait IntoStatus {
    /// The status.
    ///
    /// # Errors
    /// If the number is not one of 100 to 999.
    fn into_status(self) -> io::Result<Status>;
}

impl IntoStatus for Status {
    fn into_status(self) -> io::Result<Status> {
        Ok(self)
    }
}

impl IntoStatus for u16 {
    fn into_status(self) -> io::Result<Status> {
        Status::try_from(self).map_err(misuse)
    }
}

impl Exchange<'_> {
    /// Begins the response. `Server` and `Date` are added by the connection, and the reason phrase is the status's own
    /// (contract row HB36). The request is logged when the response is out, with the number of bytes that were sent.
    ///
    /// # Errors
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if the status is none, or one of the interim ones (1xx),
    /// or if the response was begun before.
    pub fn send_response(&self, status: impl IntoStatus) -> io::Result<()> {
        let status = final_status(status)?;
        let mut draft = self.draft()?;
        draft.status = Some(status);
        Ok(())
    }

    /// As [`send_response`](Exchange::send_response); and for 100, which Python sends this way, has the client told to
    /// send its body now instead of when it is first read.
    ///
    /// 102 and above begin an interim response (RFC 9110 section 15.2), such as 103 with what the client may fetch
    /// meanwhile (RFC 8297). [`end_headers`](Exchange::end_headers) ends it, and another response has to follow. It
    /// leaves when the handler waits or returns. A client that speaks HTTP/1.0 or does not take it gets none.
    ///
    /// ```
    /// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
    /// use serve_forever::{service::Response, testing::answer};
    ///
    /// struct Page;
    /// impl RequestHandler for Page {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
    ///         x.send_response_only(103)?;
    ///         x.send_header("Link", "</style.css>; rel=preload; as=style")?;
    ///         x.end_headers()?;
    ///         let page = x.offload(|| "<!DOCTYPE html><title>A page that takes long</title>")?;
    ///         x.respond(Response::html(page))
    ///     }
    /// }
    /// let bytes = answer(Handlers::new(|| Page), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// let hints = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\nHTTP/1.1 200 OK\r\n";
    /// assert!(bytes.starts_with(hints.as_bytes()));
    /// ```
    ///
    /// # Errors
    /// As [`send_response`](Exchange::send_response). 101 is refused: no other protocol is spoken here.
    pub fn send_response_only(&self, status: impl IntoStatus) -> io::Result<()> {
        let status = status.into_status()?;
        match status.code() {
            100 => self.line.with(|state| state.holds_back = false),
            102..=199 => self.draft()?.status = Some(status),
            _ => return self.send_response(status),
        }
        Ok(())
    }

    /// Adds a header field. Fields that are set before [`send_response`](Exchange::send_response) or
    /// [`send_error`](Exchange::send_error) belong to that answer. A text is sent as Latin-1, bytes as they are; see
    /// [`FieldValue`].
    ///
    /// `Content-Length` and `Connection` have the effect that they announce. After `close`, the connection ends with
    /// this response. `keep-alive` is sent, and keeps open a connection of a server that
    /// [speaks HTTP/1.0](crate::HttpServer::protocol). Where the connection has to end after this response, `close` is
    /// sent instead: if the client does not allow another request (RFC 9112 section 9.3), the end of the connection is
    /// the end of the body, the client still waits to send its own, or the server stops.
    ///
    /// # Errors
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if name or value would not be one field on the wire, a
    /// text has a character above U+00FF, the framing would not fit (see [`FieldBlock::add`]), or the head has ended.
    pub fn send_header(&self, name: &str, value: impl FieldValue) -> io::Result<()> {
        let mut draft = self.answer.borrow_mut();
        if draft.ended {
            return Err(misuse("the head of the response has ended"));
        }
        Ok(draft.head.add(name, value)?)
    }

    /// Ends the head of the response. The body follows on [`wfile`](Exchange::wfile).
    ///
    /// # Errors
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if no response was begun, or the head has ended before; or
    /// if it is that of an interim response with `Content-Length` or `Connection`.
    pub fn end_headers(&self) -> io::Result<()> {
        let mut draft = self.answer.borrow_mut();
        if draft.ended {
            return Err(misuse("the head of the response has ended"));
        }
        let status = draft.status.ok_or_else(|| misuse("end_headers before send_response"))?;
        let head = std::mem::take(&mut draft.head);
        if status.class() == StatusClass::Informational {
            draft.status = None;
            return self.end_interim(status, head);
        }
        draft.ended = true;
        let mute = *self.request.method() == Method::Head || status.is_bodiless();
        self.line.with(|state| {
            state.mute = mute;
            state.declared = head.content_length().filter(|_| !mute);
            state.shut = None;
            state.answer = Answer::Head(status, head);
        });
        Ok(())
    }

    fn end_interim(&self, status: Status, head: FieldBlock) -> io::Result<()> {
        if head.content_length().is_some() || head.keep_alive().is_some() {
            return Err(misuse(format!("{status} has no body and ends no connection")));
        }
        self.line.with(|state| state.add_interim(status, head));
        Ok(())
    }

    /// Does nothing: the head leaves with the first bytes of the body, or when the handler waits or returns.
    pub fn flush_headers(&self) {}

    /// Answers with the server's error page. The texts are the status's phrase and description where they are not given.
    /// The reason phrase is the message as Latin-1; a character of it that Latin-1 does not have is `?` there, and whole on
    /// the page.
    ///
    /// The connection goes on, unless the client still sends or `Connection: close` was set.
    ///
    /// # Errors
    /// As [`send_response`](Exchange::send_response).
    pub fn send_error(&self, status: impl IntoStatus, message: Option<&str>, explain: Option<&str>) -> io::Result<()> {
        let status = final_status(status)?;
        let own = |text: Option<&str>| text.map(|text| text.to_owned().into());
        let error = Some(ErrorText { message: own(message), explain: own(explain) });
        let head = std::mem::take(&mut self.draft()?.head);
        self.finish(Reply::Now(Response { head, error, ..Response::new(status) }));
        Ok(())
    }

    /// Has the rest of the answer made by a service, such as one for files or CGI: what a Python program does by
    /// subclassing `SimpleHTTPRequestHandler`. The handler should return then. Fields that were set before are added to
    /// what the service answers at once.
    ///
    /// # Errors
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if a response was begun before, or a field that was set
    /// does not go with those of the service.
    pub fn serve(&self, service: &(impl Service + ?Sized)) -> io::Result<()> {
        let set = std::mem::take(&mut self.draft()?.head);
        self.finish_with(service.call(self.request), &set)
    }

    /// Answers with a whole response. Fields that were set before are added to it.
    ///
    /// ```
    /// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
    /// use serve_forever::{service::Response, testing::answer};
    ///
    /// struct Hello;
    /// impl RequestHandler for Hello {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
    ///         x.respond(Response::text("hello"))
    ///     }
    /// }
    /// assert!(answer(Handlers::new(|| Hello), b"GET / HTTP/1.0\r\n\r\n").ends_with(b"hello"));
    /// ```
    ///
    /// # Errors
    /// As [`serve`](Exchange::serve).
    pub fn respond(&self, response: Response) -> io::Result<()> {
        let set = std::mem::take(&mut self.draft()?.head);
        self.finish_with(Reply::Now(response), &set)
    }

    /// Sends the whole of an open file as the rest of the body, on the short way from the file to the client if nothing
    /// else was written. To be called after [`end_headers`](Exchange::end_headers).
    ///
    /// # Errors
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if it is no regular file, has another length than was
    /// announced, or the head has not ended; those of reading it; and as writing to [`wfile`](Exchange::wfile).
    pub fn send_file(&self, file: File) -> io::Result<()> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(misuse("only a regular file can be sent"));
        }
        let length = metadata.len();
        let slice = FileSlice { file: Arc::new(file), offset: 0, length };
        let left_over = self.line.with(|state| {
            if let Some(reason) = state.shut {
                return Err(misuse(reason));
            }
            if state.declared.is_some_and(|declared| declared != state.written + length) {
                return Err(misuse(format!("a file of {length} bytes does not fill the Content-Length")));
            }
            match &mut state.answer {
                Answer::Head(status, head) if state.written == 0 && !state.mute => {
                    let (body, head) = (Body::File(slice), std::mem::take(head));
                    let response = Response { head, body, ..Response::new(*status) };
                    state.answer = Answer::Whole(Box::new(response.into()));
                    state.shut = Some(COMPLETE);
                    Ok(None)
                }
                _ => Ok(Some(slice)),
            }
        })?;
        match left_over {
            Some(slice) => io::copy(&mut (&*slice.file).take(length), &mut self.wfile()).map(drop),
            None => Ok(()),
        }
    }

    /// Has the connection closed after this response: Python's `close_connection = True`.
    ///
    /// # Errors
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if the head has ended.
    pub fn close_connection(&self) -> io::Result<()> {
        self.send_header("Connection", "close")
    }

    /// The head, if no answer was begun.
    #[inline]
    fn draft(&self) -> io::Result<std::cell::RefMut<'_, Draft>> {
        let draft = self.answer.borrow_mut();
        if draft.status.is_some() || draft.ended {
            return Err(misuse("a response was begun before"));
        }
        Ok(draft)
    }

    /// Hands over an answer that somebody else has made, with fields that were set before.
    fn finish_with(&self, mut reply: Reply, set: &FieldBlock) -> io::Result<()> {
        if let Reply::Now(response) = &mut reply {
            add_fields(&mut response.head, set)?;
        }
        self.finish(reply);
        Ok(())
    }

    /// Hands over an answer to which nothing will be added.
    fn finish(&self, reply: Reply) {
        self.answer.borrow_mut().ended = true;
        self.line.with(|state| {
            state.answer = Answer::Whole(Box::new(reply));
            state.shut = Some(COMPLETE);
        });
    }
}

/// A status that can end an exchange.
fn final_status(status: impl IntoStatus) -> io::Result<Status> {
    let status = status.into_status()?;
    match status.code() {
        100..=199 => Err(misuse(format!("{status} is not the status of a final response"))),
        _ => Ok(status),
    }
}

/// Why nothing can be written behind a whole answer.
const COMPLETE: &str = "the response is complete";

/// Adds fields that the other head does not have yet; of those that it has, its own stay. `Connection: close` of either
/// of the two outweighs `keep-alive` of the other.
fn add_fields(head: &mut FieldBlock, more: &FieldBlock) -> io::Result<()> {
    if let Some(keep_alive) = more.keep_alive() {
        head.add("Connection", if keep_alive { "keep-alive" } else { "close" })?;
    }
    for (name, value) in more.iter() {
        if head.get(name).is_none() {
            head.add(name, value)?;
        }
    }
    Ok(())
}

fn misuse(text: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
