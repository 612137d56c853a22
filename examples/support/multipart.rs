//! A form with files (RFC 7578), read while it arrives, in constant memory.

use std::io::{self, BufRead, Write};

use memchr::memmem;
use serve_forever::handler::{Exchange, HttpError, Rfile};
use serve_forever::http::Status;

/// The parts of a form.
pub struct Multipart<R> {
    body: R,
    /// Bytes that have arrived and have not been parsed.
    buf: Vec<u8>,
    /// The delimiter between two parts.
    delimiter: Vec<u8>,
    /// True if the next bytes are the content of a part, or the preamble before the first one.
    inside: bool,
}

/// One part, whose content follows.
pub struct Part {
    /// The value of its `Content-Disposition`.
    disposition: String,
}

impl Part {
    /// The name of the file in this part, if there is one: the last component of a path of any system (RFC 7578
    /// section 4.2). A form's field for a file that was left empty has none.
    ///
    /// # Errors
    /// If that would not name a file.
    pub fn file_name(&self) -> io::Result<Option<String>> {
        let Some(path) = parameter(&self.disposition, "filename").filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
        let plain = !matches!(last, "" | "." | "..") && !last.contains(char::is_control);
        if plain { Ok(Some(last.to_owned())) } else { Err(malformed()) }
    }
}

/// The maximum size of the header fields of one part in bytes, far more than browsers send.
const HEAD: usize = 16 * 1024;

impl<'x> Multipart<Rfile<'x>> {
    /// The form that a client sends.
    pub fn of(x: &'x Exchange<'_>) -> io::Result<Self> {
        Multipart::new(&x.headers().get_str("Content-Type").unwrap_or_default(), x.rfile())
    }
}

impl<R: BufRead> Multipart<R> {
    /// Creates a form for a request with this content type.
    fn new(content_type: &str, body: R) -> io::Result<Multipart<R>> {
        let boundary = content_type.strip_prefix("multipart/form-data").and_then(|rest| parameter(rest, "boundary"));
        let boundary = boundary.filter(|boundary| (1..=70).contains(&boundary.len())).ok_or_else(malformed)?;
        // The first delimiter may stand at the very beginning, where no line has ended.
        Ok(Multipart { body, buf: b"\r\n".to_vec(), delimiter: format!("\r\n--{boundary}").into_bytes(), inside: true })
    }

    /// Moves to the next part, and skips the rest of the one before. `None` after the last part.
    pub fn next(&mut self) -> io::Result<Option<Part>> {
        if self.inside {
            self.copy(&mut io::sink())?;
        }
        let mut disposition = None;
        let mut first = true;
        loop {
            let mut line = Vec::new();
            self.copy_until(b"\r\n", &mut line, HEAD).or_else(|error| match first && line == b"--" {
                true => Ok(()),
                false => Err(error),
            })?;
            match (first, line.as_slice()) {
                (true, b"--") => return Ok(None),
                (true, padding) if padding.iter().all(|byte| matches!(byte, b' ' | b'\t')) => first = false,
                (true, _) => return Err(malformed()),
                (false, b"") => {
                    self.inside = true;
                    return Ok(Some(Part { disposition: disposition.ok_or_else(malformed)? }));
                }
                (false, field) => {
                    let field = String::from_utf8_lossy(field);
                    let (name, value) = field.split_once(':').ok_or_else(malformed)?;
                    if name.eq_ignore_ascii_case("content-disposition") {
                        disposition = Some(value.trim().to_owned());
                    }
                }
            }
        }
    }

    /// Copies the content of this part.
    pub fn copy(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.inside = false;
        self.copy_until(&self.delimiter.clone(), out, usize::MAX)
    }

    /// Copies the bytes before an end mark, and skips the mark.
    fn copy_until(&mut self, end: &[u8], out: &mut impl Write, most: usize) -> io::Result<()> {
        let mut copied = 0;
        loop {
            let found = memmem::find(&self.buf, end);
            // The last bytes may be the beginning of the end.
            let count = found.unwrap_or_else(|| self.buf.len().saturating_sub(end.len() - 1));
            out.write_all(&self.buf[..count])?;
            self.buf.drain(..count + found.map_or(0, |_| end.len()));
            copied += count;
            if copied > most {
                return Err(malformed());
            }
            if found.is_some() {
                return Ok(());
            }
            let more = self.body.fill_buf()?;
            if more.is_empty() {
                out.write_all(&self.buf)?;
                return Err(malformed());
            }
            self.buf.extend_from_slice(more);
            let count = more.len();
            self.body.consume(count);
        }
    }
}

/// The value of a parameter, such as `filename` of `form-data; name="a"; filename="b"`.
fn parameter(mut text: &str, name: &str) -> Option<String> {
    while let Some((_, rest)) = text.split_once(';') {
        let (key, rest) = rest.split_once('=')?;
        let value;
        (value, text) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(';').unwrap_or(rest.len())),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
    }
    None
}

/// The error for a body that is not a form, or for a form without an end.
fn malformed() -> io::Error {
    HttpError::new(Status::BAD_REQUEST).message("Malformed multipart form").into()
}
