//! `StartLine`: the first line of a head, the only part for which the scan of a request differs from that of a
//! response.

use crate::http1::{MessageLimits, Violation};

/// The first line of a message: a request line or a status line (RFC 9112 section 2.1).
pub(crate) trait StartLine: Copy {
    /// The maximum number of empty lines to ignore before the start line.
    const MOST_EMPTY_LINES: u8;

    /// Parses a complete line without its CRLF.
    fn parse(line: &[u8]) -> Result<Self, Violation>;

    /// Checks a line whose end has not arrived. The first `checked` bytes were accepted by an earlier call.
    fn check_start(partial: &[u8], checked: usize, limits: &MessageLimits) -> Result<(), Violation>;

    /// The violation for a line that is longer than `limit`, which is [`MessageLimits::start_line`].
    fn too_long(limit: usize) -> Violation;
}

/// True if a line whose end has not arrived will be longer than `limit`. `partial` is the part that has arrived, which
/// does not include the LF.
pub(crate) fn will_exceed(partial: &[u8], limit: usize) -> bool {
    // The LF has not arrived yet, and perhaps not the CR either. Both count towards the length.
    partial.len() + usize::from(!partial.ends_with(b"\r")) >= limit
}
