//! `StartLine`: the one difference between the head of a request and that of a response.

use crate::http1::{MessageLimits, Violation};

/// The first line of a message: a request line or a status line (RFC 9112 section 2.1).
pub(crate) trait StartLine: Copy {
    /// The most empty lines before the start line that are ignored.
    const MOST_EMPTY_LINES: u8;

    /// Reads a complete line without its CRLF.
    fn parse(line: &[u8]) -> Result<Self, Violation>;

    /// Checks a line whose end has not arrived. The first `checked` bytes passed an earlier call.
    fn check_start(partial: &[u8], checked: usize, limits: &MessageLimits) -> Result<(), Violation>;

    /// The violation of a line that is longer than [`MessageLimits::start_line`], which is `limit`.
    fn too_long(limit: usize) -> Violation;
}

/// True if a line whose end has not arrived will be longer than `limit`. `partial` is the line without its LF.
pub(crate) fn will_exceed(partial: &[u8], limit: usize) -> bool {
    // The LF is still to come, and the CR too unless it is there: both count for the length.
    partial.len() + usize::from(!partial.ends_with(b"\r")) >= limit
}
