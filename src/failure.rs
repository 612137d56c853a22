//! The texts of errors and panics, for the log. What stays out: the log, and the response to a failure.

use std::any::Any;
use std::error::Error;

/// The text of an error and of its sources, from the outermost to the innermost.
pub(crate) fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        // Many errors end with the text of their source.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

/// The text of a panic, or "no text" if its payload is not a string.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_every_source_once() {
        let disk = std::io::Error::other("disk full");
        let error = anyhow::Error::new(disk).context("cannot save 'a': disk full").context("POST failed");
        let boxed: Box<dyn Error> = error.into();
        assert_eq!(error_chain(&*boxed), "POST failed: cannot save 'a': disk full");
        assert_eq!(error_chain(&std::fmt::Error), std::fmt::Error.to_string());
    }
}
