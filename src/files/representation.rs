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

/// One state of one file with everything that is said about it (RFC 9110 section 3.2): what GET transfers.
///
/// The heads of the two answers that matter, 200 and 304, are made once and shared.
#[derive(Debug)]
pub(crate) struct Representation {
    /// In bytes.
    length: u64,
    content_type: String,
    etag: String,
    modified: Option<HttpDate>,
    /// What follows type and length in every answer that transfers some of it.
    fields: FieldBlock,
    ok: FieldBlock,
    not_modified: FieldBlock,
}

/// What a representation needs to know besides its file.
#[derive(Debug)]
pub(crate) struct RepresentationMetadata {
    /// A valid field value.
    pub(crate) content_type: String,
    /// The value of `Content-Encoding`.
    pub(crate) coding: Option<&'static str>,
    /// Fields for 200, 206 and 304, such as `Vary` and `Cache-Control`.
    pub(crate) shared: FieldBlock,
    /// Fields for 200 and 206. Those of [`OF_NOT_MODIFIED`] are for 304, too.
    pub(crate) extra: FieldBlock,
    /// A file from the future counts as changed now: `Last-Modified` is never later than `Date` (RFC 9110 section
    /// 8.8.2.1).
    pub(crate) now: HttpDate,
}

impl RepresentationMetadata {
    /// What there is to say about an error page.
    pub(crate) fn of_page(content_type: String, now: HttpDate) -> RepresentationMetadata {
        RepresentationMetadata { content_type, coding: None, shared: FieldBlock::new(), extra: FieldBlock::new(), now }
    }
}

impl Representation {
    /// The representation of a file that was loaded. Where the file's identity does not describe its content, the
    /// content has no date, and its entity tag is made of its bytes.
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
        let is_kept = |name: &str| OF_NOT_MODIFIED.iter().any(|kept| kept.eq_ignore_ascii_case(name));
        copy_if(&metadata.extra, &mut not_modified, is_kept);
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

    /// Answers a GET or HEAD: preconditions first, then the range (RFC 9110 section 13.2.2). `now` is the `Date` of
    /// the response.
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
                return Ok(self.answer(Status::NOT_MODIFIED, self.not_modified.clone(), Body::Empty));
            }
            PreconditionResult::Proceed => {}
        }
        // A range has a meaning for GET only (RFC 9110 section 14.2).
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

    /// All of it with another status and its fields: an error page.
    pub(crate) fn as_page(&self, content: &Content, status: Status, mut head: FieldBlock) -> Response {
        // The type was checked when it was guessed.
        _ = head.add("Content-Type", &self.content_type);
        head.put("Content-Length", self.length);
        self.answer(status, head, content.body(0, self.length))
    }

    /// How many bytes of memory this takes, roughly.
    pub(crate) fn memory(&self) -> usize {
        let heads = self.fields.lines().len() + self.ok.lines().len() + self.not_modified.lines().len();
        size_of::<Representation>() + heads + self.content_type.len() + self.etag.len()
    }

    fn whole(&self, content: &Content) -> Response {
        self.answer(Status::OK, self.ok.clone(), content.body(0, self.length))
    }

    fn part(&self, content: &Content, range: Range<u64>) -> Response {
        let length = range.end - range.start;
        let head = self.head(&self.content_type, length, Some(&range));
        self.answer(Status::PARTIAL_CONTENT, head, content.body(range.start, length))
    }

    fn parts(&self, content: &Content, ranges: &[Range<u64>]) -> Response {
        // The standard library's hash keys are random numbers from the system.
        let secret = RandomState::new().build_hasher().finish();
        let source = Multipart::new(content.clone(), ranges, self.length, &self.content_type, secret);
        let head = self.head(&source.content_type(), source.length(), None);
        self.answer(Status::PARTIAL_CONTENT, head, Body::Stream(Box::new(source)))
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

    fn answer(&self, status: Status, head: FieldBlock, body: Body) -> Response {
        Response { head, body, ..Response::new(status) }
    }
}

/// The fields of a 200 that its 304 has as well (RFC 9110 section 15.4.5), but for `Date`, which every answer has, and
/// `ETag`.
const OF_NOT_MODIFIED: [&str; 4] = ["Cache-Control", "Content-Location", "Expires", "Vary"];

/// Adds the fields of one head whose names are wanted to another.
fn copy_if(from: &FieldBlock, to: &mut FieldBlock, is_wanted: impl Fn(&str) -> bool) {
    for (name, value) in from.iter().filter(|(name, _)| is_wanted(name)) {
        // They were valid where they come from.
        _ = to.add(name, value);
    }
}

/// A strong entity tag: another state of the file has another time stamp, size or inode (RFC 9110 section 8.8.3). Where
/// the time of modification is the same for all states, the time of the inode's last change stands for it.
fn etag(identity: &Identity) -> String {
    let stamp = identity.modification_time().unwrap_or(identity.changed);
    let nanoseconds = i128::from(stamp.seconds) * 1_000_000_000 + i128::from(stamp.nanoseconds);
    format!("\"{:x}-{:x}-{:x}\"", identity.inode, identity.size, nanoseconds)
}

/// A strong entity tag of content that no time stamp tells from another: equal tags are equal bytes.
fn etag_of_bytes(bytes: &[u8]) -> String {
    let hash = hmac_sha256::Hash::hash(bytes);
    let hex = hash[..16].iter().fold(String::with_capacity(32), |hex, byte| hex + &format!("{byte:02x}"));
    format!("\"{hex}\"")
}
