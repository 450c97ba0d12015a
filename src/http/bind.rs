//! Takes the port, or says who has it and what to do.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

/// A port that is ours; connections wait in it until somebody accepts them.
#[derive(Debug)]
pub struct Listening {
    /// Where, with the port that was found when 0 was asked for.
    pub address: SocketAddr,
    pub(super) listener: TcpListener,
}

/// Why a port is not ours.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}: {}", hint(.source, .address, .option))]
pub struct BindError {
    address: SocketAddr,
    option: &'static str,
    source: io::Error,
}

impl Listening {
    /// Takes an address; `option` says in a failure what to change.
    ///
    /// # Errors
    /// It is taken, not ours to take, or not of this machine.
    pub async fn bind(address: SocketAddr, option: &'static str) -> Result<Self, BindError> {
        let failed = |source| BindError { address, option, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { address, listener })
    }
}

fn hint(error: &io::Error, address: &SocketAddr, option: &str) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} is in use; end what listens there (`ss -ltnp 'sport = :{port}'` names it), or take another port with {option}"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("port {port} needs more rights; take one above 1023 with {option}")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "{} is no address of this machine; take 127.0.0.1, or 0.0.0.0 for all, with {option}",
                address.ip()
            )
        }
        _ => format!("take another address with {option}"),
    }
}
