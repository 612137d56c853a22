//! The program's counters and health: the services that report them, the exit after a given number of responses, and
//! the final report. `no_statistics.rs` replaces this file in a program that was built without counters and health
//! reports.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::announcer::Announcer;
use super::exit::Exit;
use super::options::{Options, StatisticsOptions};
use super::output_file::OutputFile;
use super::ready::say;
use crate::HttpServer;
use crate::service::Service;
use crate::statistics::{Health, HealthService, Statistics, StatisticsService};

/// The counters and the health of one run of the program. Clones share both.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    /// `None` if no option needs counters.
    statistics: Option<Arc<Statistics>>,
    health: Health,
    /// The file that `--stats-on-exit` names. `None` if the report is not written to a file.
    file: Option<Arc<OutputFile>>,
}

impl Reports {
    /// Creates the counters that the options need. Must be called before the program drops privileges.
    pub(super) fn new(options: &Options, announcer: &Announcer) -> Result<Reports, Exit> {
        let StatisticsOptions { path, on_exit, exit_after, .. } = &options.statistics;
        let is_counted = path.is_some() || on_exit.is_some() || exit_after.is_some();
        let statistics = is_counted.then(|| Arc::new(Statistics::new(announcer.nonce())));
        let file = on_exit.iter().flatten().next().map(|path| {
            let cannot = |error| Exit::cannot("write", path, error);
            let file = OutputFile::at(path).map_err(cannot)?;
            file.try_out().map_err(cannot)?;
            Ok(Arc::new(file))
        });
        Ok(Reports { statistics, health: Health::new(), file: file.transpose()? })
    }

    /// The directory that contains the file for the final report. `None` if the report is not written to a file.
    pub(super) fn folder(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(|file| file.directory())
    }

    /// Configures the server to update the counters, and to stop after the number of responses that `--exit-after`
    /// sets.
    pub(super) fn observe(&self, server: HttpServer, options: &Options) -> HttpServer {
        let Some(statistics) = &self.statistics else { return server };
        let server = server.statistics(Arc::clone(statistics));
        let Some(last) = options.statistics.exit_after else { return server };
        let (stopper, statistics) = (server.stopper(), Arc::clone(statistics));
        server.service_actions(move || {
            if statistics.responses_sent() >= last as u64 {
                stopper.stop();
            }
        })
    }

    /// Wraps `service` in the services that report the counters and the health, if the options enable them.
    pub(super) fn before(&self, service: Box<dyn Service + Send>, options: &Options) -> Box<dyn Service + Send> {
        let StatisticsOptions { path, from, health, .. } = &options.statistics;
        let mut service = service;
        if let (Some(statistics), Some(path)) = (&self.statistics, path) {
            let mut reporting = StatisticsService::new(Arc::clone(statistics), service).path(path);
            if !from.is_empty() {
                let from = from.clone();
                reporting = reporting.admit(move |address| from.iter().any(|network| network.contains(address)));
            }
            service = Box::new(reporting);
        }
        match health {
            Some(path) => Box::new(HealthService::new(self.health.clone(), service).path(path)),
            None => service,
        }
    }

    /// Records that the shutdown has begun.
    pub(super) fn set_draining(&self) {
        self.health.set_draining();
    }

    /// Writes the counters to the file that `--stats-on-exit` names, or to standard output. Called after the last
    /// connection has closed.
    pub(super) fn finish(&self, options: &Options) -> Result<(), Exit> {
        let (Some(statistics), Some(path)) = (&self.statistics, &options.statistics.on_exit) else { return Ok(()) };
        match (&self.file, path) {
            (Some(file), Some(path)) => {
                file.replace(statistics.to_json().as_bytes()).map_err(|error| Exit::cannot("write", path, error))
            }
            // Errors are ignored, because a report that cannot be printed must not change the exit status.
            _ => {
                _ = say(&statistics.to_json());
                Ok(())
            }
        }
    }
}
