//! The reasons for not sending a file, and the error response for each. The checks that lead to a refusal are in other
//! modules.

use std::io;

use crate::http::{BadPath, Method, Status};
use crate::service::Response;

/// The value of the `Allow` field, which lists the methods that a file service supports.
pub(crate) const ALLOW: &str = "GET, HEAD, OPTIONS";

/// The maximum number of characters of an unknown method that appear in the response and the log.
const SHOWN_METHOD: usize = 64;

/// The reason for responding to a request with an error instead of a file.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The path is malformed (400).
    BadPath(BadPath),
    /// The path does not name a resource that is served (404).
    NotFound,
    /// The path is outside the base path (404).
    OutsideBase,
    /// The system returned an error when the file was looked up or opened (403, 404, 500 or 503).
    System(io::Error),
    /// An open file cannot be read (403 or 500).
    Unreadable(io::Error),
    /// The file service does not support the method (405), or the method is unknown (501).
    Method(Method),
    /// The credentials are missing or wrong (401). The text is the value of the `WWW-Authenticate` field.
    Unauthorized(String),
    /// The directory must not be listed (403).
    NoListing,
    /// A precondition of the request is false (412).
    PreconditionFailed,
    /// No requested range is within the representation (416).
    RangeNotSatisfiable {
        /// The length of the representation in bytes.
        length: u64,
    },
}

impl Refusal {
    /// True if a path below the base path was not found. A path outside the base path is excluded, because the page of
    /// a single-page application is not served there.
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            Refusal::NotFound => true,
            Refusal::System(error) => {
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
            _ => false,
        }
    }

    /// Returns the error response for this refusal.
    pub(crate) fn response(self) -> Response {
        match self {
            Refusal::BadPath(bad) => Response::error(Status::BAD_REQUEST).message(bad.to_string()),
            Refusal::NotFound | Refusal::OutsideBase => not_found(),
            Refusal::System(error) => system(&error),
            // Reading may be forbidden even if opening the file was allowed, as in procfs.
            Refusal::Unreadable(error) if error.kind() == io::ErrorKind::PermissionDenied => forbidden(),
            Refusal::Unreadable(_) => Response::error(Status::INTERNAL_SERVER_ERROR),
            Refusal::Method(Method::Other(name)) => {
                Response::error(Status::NOT_IMPLEMENTED).message(unsupported(&name))
            }
            Refusal::Method(_) => {
                let mut response = Response::error(Status::METHOD_NOT_ALLOWED);
                response.head.put("Allow", ALLOW);
                response
            }
            Refusal::Unauthorized(challenge) => {
                let mut response = Response::error(Status::UNAUTHORIZED);
                response.head.put("WWW-Authenticate", challenge);
                response
            }
            Refusal::NoListing => forbidden().message("No permission to list directory"),
            Refusal::PreconditionFailed => Response::error(Status::PRECONDITION_FAILED),
            Refusal::RangeNotSatisfiable { length } => {
                let mut response = Response::error(Status::RANGE_NOT_SATISFIABLE);
                response.head.put("Content-Range", format_args!("bytes */{length}"));
                response
            }
        }
    }
}

/// Returns Python's message for an unsupported method. The name is quoted in the same way as by Python's `repr`, which
/// uses double quotes if the name contains a single quote. A method is a token, so it cannot contain other characters
/// that `repr` would escape.
fn unsupported(name: &str) -> String {
    let shown = &name[..name.len().min(SHOWN_METHOD)];
    let quote = if shown.contains('\'') { '"' } else { '\'' };
    format!("Unsupported method ({quote}{shown}{quote})")
}

/// Converts a system error to a response. The status is 403 for missing permissions, 503 for exhausted resources, 500
/// for disk errors and, as in Python, 404 for every error that concerns the path.
fn system(error: &io::Error) -> Response {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => forbidden(),
        // The request may succeed when descriptors or memory are available again.
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Response::error(Status::SERVICE_UNAVAILABLE),
        Some(Errno::IO) => Response::error(Status::INTERNAL_SERVER_ERROR),
        Some(_) => not_found(),
        None if error.kind() == io::ErrorKind::PermissionDenied => forbidden(),
        None => not_found(),
    }
}

fn not_found() -> Response {
    Response::error(Status::NOT_FOUND).message("File not found")
}

fn forbidden() -> Response {
    Response::error(Status::FORBIDDEN)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn system_errors_become_403_404_500_or_503() {
        for (errno, code) in [
            (Errno::NOENT, 404),
            (Errno::NOTDIR, 404),
            (Errno::LOOP, 404),
            (Errno::NAMETOOLONG, 404),
            (Errno::ISDIR, 404),
            (Errno::XDEV, 404),
            (Errno::ACCESS, 403),
            (Errno::PERM, 403),
            (Errno::MFILE, 503),
            (Errno::NFILE, 503),
            (Errno::NOMEM, 503),
            (Errno::IO, 500),
        ] {
            let response = Refusal::System(errno.into()).response();
            assert_eq!(response.status.code(), code, "{errno}");
            assert!(response.error.is_some());
        }
        for (errno, code) in [(Errno::IO, 500), (Errno::INVAL, 500), (Errno::AGAIN, 500), (Errno::PERM, 403)] {
            assert_eq!(Refusal::Unreadable(errno.into()).response().status.code(), code, "{errno}");
        }
    }

    #[test]
    fn an_unknown_method_is_quoted_as_python_does() {
        let message = |name: &str| {
            let response = Refusal::Method(Method::from_token(name)).response();
            (response.status.code(), response.error.and_then(|error| error.message))
        };
        assert_eq!(message("FOO"), (501, Some("Unsupported method ('FOO')".into())));
        assert_eq!(message("F'O"), (501, Some("Unsupported method (\"F'O\")".into())));
        assert_eq!(message(&"X".repeat(999)), (501, Some(format!("Unsupported method ('{}')", "X".repeat(64)).into())));
        assert_eq!(message("POST"), (405, None));
    }
}
