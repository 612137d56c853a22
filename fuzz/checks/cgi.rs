//! Checks the head of a script's output: no output of a script can split a response. The data is the output.

use serve_forever::cgi::{Destination, read_head};

pub fn check(output: &[u8]) {
    let more = [output, b"\n\nmore\n\n"].concat();
    match read_head(output) {
        Ok(Some(head)) => {
            assert!((200..=599).contains(&head.status.code()), "{head:?}");
            for (name, value) in head.fields.iter() {
                assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "{head:?}");
                assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{head:?}");
                assert!(!name.eq_ignore_ascii_case("Transfer-Encoding"), "{head:?}");
            }
            assert_eq!(head.fields.keep_alive(), None, "the connection is not the script's");
            if let Some(Destination::Here(target)) = &head.destination {
                assert!(target.starts_with(b"/") && !target.starts_with(b"//"), "{head:?}");
                assert!(target.iter().all(u8::is_ascii_graphic), "{head:?}");
            }
            // The head does not depend on the split of the input, nor on the bytes after it.
            assert!(output[..head.length].ends_with(b"\n"));
            assert!(read_head(&output[..head.length - 1]).is_ok_and(|head| head.is_none()));
            let again = read_head(&more).expect("the same").expect("the same");
            assert_eq!((again.length, again.fields.lines()), (head.length, head.fields.lines()));
        }
        Ok(None) => assert!(!matches!(read_head(&more), Ok(None)), "an empty line ends every head"),
        Err(bad) => assert_eq!(read_head(&more).unwrap_err(), bad),
    }
}
