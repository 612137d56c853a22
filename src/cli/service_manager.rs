//! Messages to the service manager that started the program, sent through systemd's `NOTIFY_SOCKET`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;

/// The environment variable that contains the address of the manager's socket: a path, or `@` and an abstract name.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// A socket that is connected to the manager; `None` if there is no manager. It is connected early, because a chroot
/// can make the address unreachable.
#[derive(Debug)]
pub(super) struct ServiceManager(Option<UnixDatagram>);

impl ServiceManager {
    /// Connects to the manager that `NOTIFY_SOCKET` names. If the manager cannot be reached, the program runs without a
    /// manager.
    pub(super) fn from_environment() -> ServiceManager {
        ServiceManager(std::env::var_os(VARIABLE).and_then(|address| connect(&address).ok()))
    }

    /// Sends a state such as `READY=1` to the manager. Errors are ignored, because the program also works without a
    /// manager.
    pub(super) fn tell(&self, state: &str) {
        if let Some(socket) = &self.0 {
            _ = socket.send(state.as_bytes());
        }
    }
}

fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not block the program.
    socket.set_nonblocking(true)?;
    match abstract_name(address) {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)?;
        }
        _ => socket.connect(address)?,
    }
    Ok(socket)
}

/// The name in an abstract address, without the `@`. `None` if the address is a path.
fn abstract_name(address: &OsStr) -> Option<&[u8]> {
    address.as_encoded_bytes().strip_prefix(b"@")
}
