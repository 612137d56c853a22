//! `Decoded`: the result of one step of a decoder.

/// The next part of a body, as a [`Decoder`](super::Decoder) found it at the front of its input.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The input has been used up, but the body is not complete.
    More,
    /// The number of body bytes at the front of the input. [`Decoder::take`](super::Decoder::take) consumes them, or some
    /// of them.
    Data(usize),
    /// The body has ended.
    End,
}
