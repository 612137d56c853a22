//! `Decoded`: the result of one step of a decoder.

/// The next part of a body, as returned by [`Decoder::decode`](super::Decoder::decode).
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The input has been used up, but the body is not complete.
    More,
    /// The number of body bytes at the front of the input. [`Decoder::take`](super::Decoder::take) consumes some or all
    /// of them.
    Data(usize),
    /// The body has ended.
    End,
}
