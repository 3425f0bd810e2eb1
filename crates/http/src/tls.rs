//! TLS: whoever asks over it asks the server that has the key, and nobody between reads along.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{AlpnError, Ssl, SslAcceptor, SslMethod, select_next_proto};
use openssl::x509::X509;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// What HTTP is called in a handshake, after its length (RFC 7301).
const HTTP_1_1: &[u8] = b"\x08http/1.1";

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and behind it those that lead from it to an authority, as PEM.
    pub certificate: PathBuf,
    /// Its key, as PEM, without a password.
    pub key: PathBuf,
}

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
    /// One of several.
    #[error("{} has a certificate that cannot be read", path.display())]
    DamagedCertificate {
        /// Where.
        path: PathBuf,
    },
    /// What should be its key.
    #[error("{} has no private key in PEM form, or one with a password", path.display())]
    NoKey {
        /// Where.
        path: PathBuf,
    },
    /// It belongs to another certificate.
    #[error(
        "the key in {} is not that of the first certificate in {}; the server's own stands before those that vouch for it",
        key.display(),
        certificate.display()
    )]
    NotItsKey {
        /// Of the certificate.
        certificate: PathBuf,
        /// Of the key.
        key: PathBuf,
    },
    /// One of them is too weak, say.
    #[error("the certificate and the key cannot be used: {0}")]
    Unfit(#[from] ErrorStack),
}

impl Tls {
    /// Reads them. TLS 1.2 and 1.3, as Mozilla's intermediate recommendation has them.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let path = &files.certificate;
        let chain = X509::stack_from_pem(&read(path)?);
        let chain = chain.map_err(|_| TlsError::DamagedCertificate { path: path.clone() })?;
        let Some((own, others)) = chain.split_first() else {
            return Err(TlsError::NoCertificate { path: path.clone() });
        };
        let key = private_key(&files.key)?;
        if !own.public_key()?.public_eq(&key) {
            return Err(TlsError::NotItsKey { certificate: path.clone(), key: files.key.clone() });
        }
        let now = Asn1Time::days_from_now(0)?;
        if own.not_after() < now || own.not_before() > now {
            // Clients may see another time, or not look.
            tracing::warn!(target: "quell::http", path = %path.display(), "the certificate is not valid now");
        }
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_certificate(own)?;
        for other in others {
            acceptor.add_extra_chain_cert(other.clone())?;
        }
        acceptor.set_private_key(&key)?;
        acceptor
            .set_alpn_select_callback(|_, theirs| select_next_proto(HTTP_1_1, theirs).ok_or(AlpnError::ALERT_FATAL));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use openssl::rsa::Rsa;

    use super::*;

    /// Writes a key, and a certificate of it that nobody has signed.
    fn made(dir: &Path, name: &str) -> TlsFiles {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut certificate = X509::builder().unwrap();
        certificate.set_pubkey(&key).unwrap();
        certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        certificate.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
        let files =
            TlsFiles { certificate: dir.join(name).with_extension("pem"), key: dir.join(name).with_extension("key") };
        fs::write(&files.certificate, certificate.build().to_pem().unwrap()).unwrap();
        fs::write(&files.key, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        files
    }

    #[test]
    fn what_is_wrong_with_a_certificate_or_its_key_is_said_in_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (made(dir.path(), "one"), made(dir.path(), "other"));
        assert!(Tls::read(&one).is_ok());
        let said = |certificate: &Path, key: &Path| {
            let files = TlsFiles { certificate: certificate.to_owned(), key: key.to_owned() };
            Tls::read(&files).unwrap_err().to_string().replace(&dir.path().display().to_string(), "DIR")
        };
        let (nothing, damaged) = (dir.path().join("nothing"), dir.path().join("damaged"));
        fs::write(&nothing, "").unwrap();
        let whole = fs::read_to_string(&one.certificate).unwrap();
        fs::write(&damaged, format!("{whole}{}", whole.replacen("MII", "MIO", 1))).unwrap();
        insta::assert_snapshot!(said(&one.certificate, &other.key), @"the key in DIR/other.key is not that of the first certificate in DIR/one.pem; the server's own stands before those that vouch for it");
        insta::assert_snapshot!(said(&nothing, &one.key), @"DIR/nothing has no certificate in PEM form");
        insta::assert_snapshot!(said(&damaged, &one.key), @"DIR/damaged has a certificate that cannot be read");
        insta::assert_snapshot!(said(&one.certificate, &nothing), @"DIR/nothing has no private key in PEM form, or one with a password");
        insta::assert_snapshot!(said(&dir.path().join("none"), &one.key), @"cannot read DIR/none: No such file or directory (os error 2)");
    }
}
