//! Builds the services for benchmarks and tests of clients, in front of the files.

use std::fs;
use std::io;

use super::exit::Exit;
use super::options::Options;
use crate::endpoints::EndpointService;
use crate::service::Service;

/// Puts the endpoints of `--bench-endpoints` in front of a service.
pub(super) fn before(service: Box<dyn Service + Send>, options: &Options) -> Result<Box<dyn Service + Send>, Exit> {
    let Some(prefix) = &options.bench.endpoints else { return Ok(service) };
    let mut endpoints = EndpointService::new(service).prefix(prefix);
    if let Some(path) = &options.bench.dataset {
        let text = fs::read_to_string(path).map_err(|error| Exit::cannot("read", path, error))?;
        endpoints = endpoints.dataset(&text).map_err(|why| Exit::cannot("use", path, io::Error::other(why)))?;
    }
    Ok(Box::new(endpoints))
}
