//! The response to a GET or HEAD for a file: its header fields, and the choice among 200, 206, 304, 412 and 416. The
//! file itself is read by `content`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use super::content::{Content, LoadedFile};
use super::multipart::Multipart;
use super::preconditions::{PreconditionResult, Validators, evaluate, if_range};
use super::range::{Selection, select};
use super::refusal::Refusal;
use super::stat::Identity;
use crate::http::{FieldBlock, HttpDate, Method, Request, Status};
use crate::service::{Body, Response};

/// The metadata of a representation (RFC 9110 section 3.2), which describes one state of a file. The content is not
/// included, and is passed to each method that needs it.
///
/// The heads of the most frequent responses, 200 and 304, are built once and shared.
#[derive(Debug)]
pub(crate) struct Representation {
    /// The length of the content in bytes.
    length: u64,
    content_type: String,
    etag: String,
    modified: Option<HttpDate>,
    /// The header fields after `Content-Type` and `Content-Length` in every response that contains all or part of the
    /// content.
    fields: FieldBlock,
    /// The head of a 200 response.
    ok: FieldBlock,
    /// The head of a 304 response.
    not_modified: FieldBlock,
}

/// The part of a representation's metadata that does not depend on the state of the file.
#[derive(Debug)]
pub(crate) struct RepresentationMetadata {
    /// The value of the `Content-Type` field. It must be a valid field value.
    pub(crate) content_type: String,
    /// The value of the `Content-Encoding` field; `None` if the content is not encoded.
    pub(crate) coding: Option<&'static str>,
    /// Fields for responses with status 200, 206 or 304, such as `Vary` and `Cache-Control`.
    pub(crate) shared: FieldBlock,
    /// Fields for responses with status 200 or 206. The fields named in [`FIELDS_OF_304`] are also part of a 304
    /// response.
    pub(crate) extra: FieldBlock,
    /// The time of the response. `Last-Modified` must not be later than `Date` (RFC 9110 section 8.8.2.1), so a file
    /// whose time is in the future counts as modified now.
    pub(crate) now: HttpDate,
}

impl RepresentationMetadata {
    /// Creates the metadata for an error page.
    pub(crate) fn of_page(content_type: String, now: HttpDate) -> RepresentationMetadata {
        RepresentationMetadata { content_type, coding: None, shared: FieldBlock::new(), extra: FieldBlock::new(), now }
    }
}

impl Representation {
    /// Creates the representation of a loaded file. If the file's identity does not describe the content, there is no
    /// `Last-Modified`, and the entity tag is made from the bytes.
    pub(crate) fn new(loaded: &LoadedFile, metadata: RepresentationMetadata) -> Representation {
        let identity = &loaded.identity;
        let etag = match &loaded.content {
            Content::Memory(bytes) if !loaded.consistent => etag_of_bytes(bytes),
            _ => etag(identity),
        };
        let dated = identity.modification_time().filter(|_| loaded.consistent);
        let modified = dated.map(|modified| HttpDate::from_unix(modified.seconds).min(metadata.now));
        let mut fields = FieldBlock::new();
        if let Some(modified) = modified {
            fields.put("Last-Modified", modified);
        }
        fields.put("ETag", &etag);
        fields.put("Accept-Ranges", "bytes");
        if let Some(coding) = metadata.coding {
            fields.put("Content-Encoding", coding);
        }
        fields.append(&metadata.shared);
        fields.append(&metadata.extra);
        let mut not_modified = FieldBlock::new();
        not_modified.put("ETag", &etag);
        not_modified.append(&metadata.shared);
        let is_of_304 = |name: &str| FIELDS_OF_304.iter().any(|other| other.eq_ignore_ascii_case(name));
        copy_if(&metadata.extra, &mut not_modified, is_of_304);
        let mut representation = Representation {
            length: loaded.length(),
            content_type: metadata.content_type,
            etag,
            modified,
            fields,
            ok: FieldBlock::new(),
            not_modified: not_modified.share(),
        };
        representation.ok = representation.head(&representation.content_type, representation.length, None).share();
        representation
    }

    /// Returns the response to a GET or HEAD. Preconditions are evaluated first, then the range (RFC 9110 section
    /// 13.2.2). `now` returns the `Date` of the response.
    pub(crate) fn respond(
        &self,
        content: &Content,
        request: &Request,
        now: impl FnOnce() -> HttpDate,
    ) -> Result<Response, Refusal> {
        let validators = Validators { etag: &self.etag, modified: self.modified };
        match evaluate(request.headers(), validators) {
            PreconditionResult::Failed => return Err(Refusal::PreconditionFailed),
            PreconditionResult::NotModified => {
                return Ok(self.response(Status::NOT_MODIFIED, self.not_modified.clone(), Body::Empty));
            }
            PreconditionResult::Proceed => {}
        }
        // `Range` applies only to GET (RFC 9110 section 14.2).
        if *request.method() != Method::Get || !if_range(request.headers(), validators, now) {
            return Ok(self.whole(content));
        }
        match select(request.headers(), self.length) {
            Selection::Whole => Ok(self.whole(content)),
            Selection::Part(range) => Ok(self.part(content, range)),
            Selection::Parts(ranges) => Ok(self.parts(content, &ranges)),
            Selection::Unsatisfiable => Err(Refusal::RangeNotSatisfiable { length: self.length }),
        }
    }

    /// Creates an error response whose body is the content of an error page. `head` contains the other header fields of
    /// the response.
    pub(crate) fn as_page(&self, content: &Content, status: Status, mut head: FieldBlock) -> Response {
        // This cannot fail, because `FilePolicy::content_type` and `build` have checked the value.
        _ = head.add("Content-Type", &self.content_type);
        head.put("Content-Length", self.length);
        self.response(status, head, content.body(0, self.length))
    }

    /// Returns the approximate memory use of the heads and the metadata in bytes.
    pub(crate) fn memory(&self) -> usize {
        let heads = self.fields.lines().len() + self.ok.lines().len() + self.not_modified.lines().len();
        size_of::<Representation>() + heads + self.content_type.len() + self.etag.len()
    }

    fn whole(&self, content: &Content) -> Response {
        self.response(Status::OK, self.ok.clone(), content.body(0, self.length))
    }

    fn part(&self, content: &Content, range: Range<u64>) -> Response {
        let length = range.end - range.start;
        let head = self.head(&self.content_type, length, Some(&range));
        self.response(Status::PARTIAL_CONTENT, head, content.body(range.start, length))
    }

    fn parts(&self, content: &Content, ranges: &[Range<u64>]) -> Response {
        // The boundary must be unpredictable. The standard library seeds `RandomState` with random numbers from the
        // system.
        let secret = RandomState::new().build_hasher().finish();
        let source = Multipart::new(content.clone(), ranges, self.length, &self.content_type, secret);
        let head = self.head(&source.content_type(), source.length(), None);
        self.response(Status::PARTIAL_CONTENT, head, Body::Stream(Box::new(source)))
    }

    fn head(&self, content_type: &str, length: u64, range: Option<&Range<u64>>) -> FieldBlock {
        let mut head = FieldBlock::new();
        head.put("Content-type", content_type);
        head.put("Content-Length", length);
        if let Some(range) = range {
            head.put("Content-Range", format_args!("bytes {}-{}/{}", range.start, range.end - 1, self.length));
        }
        head.append(&self.fields);
        head
    }

    fn response(&self, status: Status, head: FieldBlock, body: Body) -> Response {
        Response { head, body, ..Response::new(status) }
    }
}

/// The fields of a 200 response that the corresponding 304 also has (RFC 9110 section 15.4.5). `ETag` is added
/// separately, and `Date` by the connection.
const FIELDS_OF_304: [&str; 4] = ["Cache-Control", "Content-Location", "Expires", "Vary"];

/// Copies the fields whose names satisfy `is_included` from one head to another.
fn copy_if(from: &FieldBlock, to: &mut FieldBlock, is_included: impl Fn(&str) -> bool) {
    for (name, value) in from.iter().filter(|(name, _)| is_included(name)) {
        // This cannot fail, because `from` contains only valid fields.
        _ = to.add(name, value);
    }
}

/// Returns the entity tag for a file (RFC 9110 section 8.8.3). The tag is sent as strong: two states of a file differ
/// in timestamp, size or inode, unless the file is changed twice within one tick of its timestamps and keeps its size.
/// A tag made from the bytes would differ in that case too, but it would need the bytes of large files, or would change
/// as soon as the tick is over. If the modification time is meaningless, the time of the inode's last change is used.
fn etag(identity: &Identity) -> String {
    let stamp = identity.modification_time().unwrap_or(identity.changed);
    let nanoseconds = i128::from(stamp.seconds) * 1_000_000_000 + i128::from(stamp.nanoseconds);
    format!("\"{:x}-{:x}-{:x}\"", identity.inode, identity.size, nanoseconds)
}

/// Returns a strong entity tag, computed from the bytes. It is used for content whose timestamp and size can stay the
/// same when the content changes.
fn etag_of_bytes(bytes: &[u8]) -> String {
    let hash = hmac_sha256::Hash::hash(bytes);
    let hex = hash[..16].iter().fold(String::with_capacity(32), |hex, byte| hex + &format!("{byte:02x}"));
    format!("\"{hex}\"")
}
