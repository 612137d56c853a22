//! Replaces `statistics.rs` in a program that was built without counters and health reports. Such a program has no
//! options for them.

use std::os::fd::BorrowedFd;

use super::announcer::Announcer;
use super::exit::Exit;
use super::options::Options;
use crate::HttpServer;
use crate::service::Service;

/// Replaces the `Reports` of `statistics.rs`. Its methods do nothing.
#[derive(Debug, Clone)]
pub(super) struct Reports;

impl Reports {
    pub(super) fn new(_: &Options, _: &Announcer) -> Result<Reports, Exit> {
        Ok(Reports)
    }

    pub(super) fn folder(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    pub(super) fn observe(&self, server: HttpServer, _: &Options) -> HttpServer {
        server
    }

    pub(super) fn before(&self, service: Box<dyn Service + Send>, _: &Options) -> Box<dyn Service + Send> {
        service
    }

    pub(super) fn set_draining(&self) {}

    pub(super) fn finish(&self, _: &Options) -> Result<(), Exit> {
        Ok(())
    }
}
