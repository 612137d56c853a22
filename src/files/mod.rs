//! The ready-made service for files and directories.

pub mod listing;
