//! A client on a real socket that waits for what it expects, and never for ever.
