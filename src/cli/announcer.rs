//! Announces to other programs that this program is ready or is shutting down, through the port file, the line on
//! standard output, the ready descriptor and the service manager.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::exit::{Code, Exit};
use super::options::{LifeOptions, ReadyForm};
use super::output_file::OutputFile;
use super::ready::{Bound, Scheme, announce, json_line, say};
use super::ready_fd;
use super::service_manager::ServiceManager;

/// Announces that this program is ready, and later that it is shutting down. The options select the channels: standard
/// output, a descriptor, a port file.
#[derive(Debug)]
pub(super) struct Announcer {
    /// 16 hexadecimal digits that differ for each run of the program. They let a client distinguish this run from an
    /// earlier one on the same port.
    nonce: String,
    ready: ReadyForm,
    ready_fd: Option<File>,
    manager: Arc<ServiceManager>,
    port_file: Option<PortFile>,
}

impl Announcer {
    /// Creates an announcer, and takes ownership of the `--ready-fd` descriptor that the parent process has opened.
    /// Must be called before the program opens any file or socket of its own.
    pub(super) fn new(life: &LifeOptions) -> Result<Announcer, Exit> {
        Ok(Announcer {
            ready_fd: life.ready_fd.map(ready_fd::take_over).transpose()?,
            // The keys of the hasher are random, and the hash of empty input depends only on the keys. The hash is
            // therefore a random number.
            nonce: format!("{:016x}", RandomState::new().build_hasher().finish()),
            ready: life.ready,
            manager: Arc::new(ServiceManager::from_environment()),
            port_file: None,
        })
    }

    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Writes the port file, if one is configured. Must be called before the program drops privileges.
    pub(super) fn write_port_file(&mut self, life: &LifeOptions, bound: &[Bound]) -> Result<(), Exit> {
        let (Some(path), Some(first)) = (&life.port_file, bound.first()) else { return Ok(()) };
        let port = format!("{}\n", first.address().port());
        let cannot = |error| Exit::cannot("write", path, error);
        let file = OutputFile::at(path).map_err(cannot)?;
        file.replace(port.as_bytes()).map_err(cannot)?;
        self.port_file = Some(PortFile { file, port });
        Ok(())
    }

    /// The directory that contains the port file. The program must keep access to this directory, because it removes
    /// the port file when it ends.
    pub(super) fn folder(&self) -> Option<BorrowedFd<'_>> {
        self.port_file.as_ref().map(|port_file| port_file.file.directory())
    }

    /// Announces that the program is ready: on standard output, then on the `--ready-fd` descriptor, then to the
    /// service manager.
    pub(super) fn ready(&mut self, scheme: Scheme, address: SocketAddr, bound: &[Bound], base_path: &str) {
        let line = json_line(address, bound, &self.nonce);
        match self.ready {
            ReadyForm::Python => announce(scheme, address, bound, base_path),
            // Errors are ignored, because the program keeps serving even if standard output is closed.
            ReadyForm::Json => _ = say(&line),
        }
        if let Some(file) = self.ready_fd.take() {
            ready_fd::tell(file, &line);
        }
        self.manager.tell("READY=1");
    }

    /// Returns a callback that tells the service manager that the program is shutting down.
    pub(super) fn stopping(&self) -> impl FnMut() + Send + use<> {
        let manager = Arc::clone(&self.manager);
        move || manager.tell("STOPPING=1")
    }
}

/// A port file. Dropping this value removes the file, unless another program has written its own port to it.
#[derive(Debug)]
struct PortFile {
    file: OutputFile,
    port: String,
}

impl Drop for PortFile {
    fn drop(&mut self) {
        self.file.remove_if(self.port.as_bytes());
    }
}

/// Pins this thread, and all threads that it starts later, to the CPU core with the number `core`.
#[cfg(target_os = "linux")]
pub(super) fn pin(core: usize) -> Result<(), Exit> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut cores = CpuSet::new();
    let is_known = core < CpuSet::MAX_CPU;
    if is_known {
        cores.set(core);
    }
    let refused = |why: &dyn std::fmt::Display| {
        Exit::of(Code::Usage, format_args!("argument --cpu: invalid number: '{core}' (must be a core: {why})"))
    };
    if !is_known {
        return Err(refused(&"it does not exist"));
    }
    sched_setaffinity(None, &cores).map_err(|error| refused(&std::io::Error::from(error)))
}

/// Always returns an error, because threads cannot be pinned on this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn pin(core: usize) -> Result<(), Exit> {
    Err(Exit::of(Code::Usage, format_args!("argument --cpu: '{core}' is only allowed on Linux")))
}
