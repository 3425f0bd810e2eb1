//! TLS: whoever asks over it asks the server that has the key, and nobody between reads along.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{AlpnError, Ssl, SslAcceptor, SslMethod, select_next_proto};
use openssl::x509::X509;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// What HTTP is called in a handshake, after its length (RFC 7301).
const HTTP_1_1: &[u8] = b"\x08http/1.1";

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls(SslAcceptor);

/// They cannot be used; an operator must act.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What should be the certificate.
    #[error("{} has no certificate in PEM form", path.display())]
    NoCertificate {
        /// Where.
        path: PathBuf,
    },
    /// What should be its key.
    #[error("{} has no private key in PEM form, or one with a password", path.display())]
    NoKey {
        /// Where.
        path: PathBuf,
    },
    /// The key is that of another certificate, or one of them is too weak.
    #[error("the certificate and the key cannot be used together: {0}")]
    Unfit(#[from] ErrorStack),
}

impl Tls {
    /// Reads a certificate, those that lead from it to an authority behind it, and its key, all as PEM. TLS 1.2 and 1.3, as
    /// Mozilla's intermediate recommendation has them.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = X509::stack_from_pem(&read(certificate)?).unwrap_or_default();
        let Some((own, others)) = chain.split_first() else {
            return Err(TlsError::NoCertificate { path: certificate.to_owned() });
        };
        let key = private_key(key)?;
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_certificate(own)?;
        for other in others {
            acceptor.add_extra_chain_cert(other.clone())?;
        }
        acceptor.set_private_key(&key)?;
        acceptor.check_private_key()?;
        acceptor.set_alpn_select_callback(|_, theirs| select_next_proto(HTTP_1_1, theirs).ok_or(AlpnError::NOACK));
        Ok(Self(acceptor.build()))
    }

    /// A connection that shakes hands when it is first read from.
    pub(crate) fn on(&self, stream: TcpStream) -> io::Result<SslStream<TcpStream>> {
        let mut session = Ssl::new(self.0.context())?;
        session.set_accept_state();
        Ok(SslStream::new(session, stream)?)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn private_key(path: &Path) -> Result<PKey<Private>, TlsError> {
    // A password would be asked for on the terminal, where nobody is.
    let no_password = |_: &mut [u8]| Ok(0);
    let key = PKey::private_key_from_pem_callback(&read(path)?, no_password);
    key.map_err(|_| TlsError::NoKey { path: path.to_owned() })
}
