//! Builds the services for benchmarking and testing HTTP clients: endpoints and injected faults. These services are
//! placed in front of the file service.

use std::fs;
use std::io;
use std::net::TcpListener;

use super::exit::Exit;
use super::options::Options;
use crate::endpoints::EndpointService;
use crate::faults::FaultService;
use crate::service::Service;

/// Returns an error if faults would be injected on an address that other machines can reach and `--faults-anywhere` is
/// not set.
pub(super) fn check_addresses(listeners: &[TcpListener], options: &Options) -> Result<(), Exit> {
    let is_loopback = |listener: &TcpListener| listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let are_allowed = options.bench.faults.is_empty() || options.bench.faults_anywhere;
    match are_allowed || listeners.iter().all(is_loopback) {
        true => Ok(()),
        false => Err(Exit::usage("argument --fault: other machines can reach the address; use --bind 127.0.0.1")),
    }
}

/// Wraps `service` in the endpoints that `--bench-endpoints` enables and the faults that `--fault` describes. The
/// endpoints include the paths at which a client can request a fault.
pub(super) fn before(service: Box<dyn Service + Send>, options: &Options) -> Result<Box<dyn Service + Send>, Exit> {
    let bench = &options.bench;
    let mut faults = match &bench.endpoints {
        None if bench.faults.is_empty() => return Ok(service),
        None => FaultService::new(service),
        Some(prefix) => FaultService::new(endpoints(service, prefix, options)?).paths(prefix),
    };
    faults = faults.seed(bench.fault_seed).anywhere(bench.faults_anywhere);
    for rule in &bench.faults {
        faults = faults.fault(rule).map_err(Exit::failure)?;
    }
    Ok(Box::new(faults))
}

fn endpoints(
    service: Box<dyn Service + Send>,
    prefix: &str,
    options: &Options,
) -> Result<Box<dyn Service + Send>, Exit> {
    let mut endpoints = EndpointService::new(service).prefix(prefix);
    if let Some(path) = &options.bench.dataset {
        let text = fs::read_to_string(path).map_err(|error| Exit::cannot("read", path, error))?;
        endpoints = endpoints.dataset(&text).map_err(|why| Exit::cannot("use", path, io::Error::other(why)))?;
    }
    Ok(Box::new(endpoints))
}
