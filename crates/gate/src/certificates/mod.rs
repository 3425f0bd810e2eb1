//! Certificates of decisions: made when somebody asks, from what was recorded.
//!
//! ```text
//! asked with the question ──> the record's fields ─────────────────────────┐
//! GET …/{id}/certificate ──> spool, or else Archive: quell.decisions ──────┴─> certify ──> JWS
//! keys.path ──> KeyDirectory ──> Keys, read again whenever they change ───────────┘
//! ```

mod archive;
mod directory;
mod watch;

use std::sync::{Arc, PoisonError, RwLock};

use quell_certificate::{Certificate, KeyRing, NoKey, PublicKeys, SubjectForm, SubjectSecret, certify};
use quell_domain::{CertificateSubject, Millis, uuid_bytes};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

pub use archive::{Archive, ArchiveError};
pub use directory::{KeyDirectory, KeysError};

use crate::gate::Gate;
use crate::spool::DecisionId;

/// How many decisions are looked for at once: each look reads from disk and from Kafka.
const LOOKS_MAX: usize = 2;

/// What signs.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The keys of signatures.
    pub ring: KeyRing,
    /// What the keys of hashed subjects are derived from.
    pub subject_secret: Option<SubjectSecret>,
}

/// What a decision's certificate is made with.
pub struct Certificates {
    keys: RwLock<Arc<Keys>>,
    /// `iss`: where this gate's callers find it, if that is configured.
    issuer: Option<String>,
    archive: Archive,
    looks: Arc<Semaphore>,
}

/// There is no certificate; an operator must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncertified {
    /// Nothing can be signed.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// The policy wants subjects hashed.
    #[error("there is no subject.jwk to hash the subject with; put it back, or make one with `quell keys generate`")]
    NoSubjectSecret,
}

/// Why a certificate that was asked for by its decision's id is not given.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificate {
    /// It is the id of nothing.
    #[error("this is not the id of a decision: they are UUIDs of version 7, in lower case")]
    NotAnId,
    /// There is nothing to certify.
    #[error(
        "no decision with this id is in {topic}: it never was, has left the topic, or waits in another gate's spool"
    )]
    NoDecision {
        /// `topics.decisions`
        topic: String,
    },
    /// Ask again later.
    #[error("as many decisions as can be looked for at once are looked for; ask again later")]
    Busy,
    /// Ask again later, and see why.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Ask again later, and see why.
    #[error("cannot read the spool: {0}")]
    Spool(std::io::Error),
    /// An operator must act.
    #[error(transparent)]
    Uncertified(#[from] Uncertified),
}

impl Certificates {
    /// Certificates that are signed by these keys. The issuer is whom they say they are from.
    #[must_use]
    pub fn new(keys: Keys, issuer: Option<String>, archive: Archive) -> Self {
        Self { keys: RwLock::new(Arc::new(keys)), issuer, archive, looks: Arc::new(Semaphore::new(LOOKS_MAX)) }
    }

    /// The keys by which certificates are verified, those to come included. `/.well-known/jwks.json`
    #[must_use]
    pub fn public_keys(&self) -> PublicKeys {
        self.keys().ring.public_keys()
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn certify(
        &self,
        record: Map<String, Value>,
        subject: CertificateSubject,
        now: Millis,
    ) -> Result<Certificate, Uncertified> {
        let keys = self.keys();
        let form = match (subject, &keys.subject_secret) {
            (CertificateSubject::Plain, _) => SubjectForm::Plain,
            (CertificateSubject::KeyedHash, Some(secret)) => SubjectForm::KeyedHash(secret),
            (CertificateSubject::KeyedHash, None) => return Err(Uncertified::NoSubjectSecret),
        };
        Ok(certify(record, form, self.issuer.as_deref(), &keys.ring, now)?)
    }
}

impl Gate {
    /// The certificate of a decision's record.
    pub(crate) fn certify(
        &self,
        record: Map<String, Value>,
        subject: CertificateSubject,
    ) -> Result<Certificate, Uncertified> {
        self.certificates.certify(record, subject, self.now())
    }

    /// The certificate of a decision of this gate or another, by its id.
    pub(crate) async fn certificate_of(self: &Arc<Self>, id: &str) -> Result<Certificate, NoCertificate> {
        let id = uuid_bytes(id).filter(is_of_version_7).ok_or(NoCertificate::NotAnId)?;
        let look = Arc::clone(&self.certificates.looks).try_acquire_owned().map_err(|_| NoCertificate::Busy)?;
        let gate = Arc::clone(self);
        // It goes on when nobody waits for it any more, and counts until its end.
        let looking = tokio::task::spawn_blocking(move || {
            let found = gate.find(id);
            drop(look);
            found
        });
        let record = looking.await.unwrap_or(Err(NoCertificate::Busy))?;
        let topic = || self.certificates.archive.topic().to_owned();
        let record = record.ok_or_else(|| NoCertificate::NoDecision { topic: topic() })?;
        Ok(self.certify(record, self.rules().certificate_subject())?)
    }

    /// First where a record is until it is in Kafka, then there: so none is missed on its way.
    fn find(&self, id: DecisionId) -> Result<Option<Map<String, Value>>, NoCertificate> {
        let archive = &self.certificates.archive;
        Ok(match self.spool.find(id).map_err(NoCertificate::Spool)? {
            Some(record) => Some(archive.read(&record)?),
            None => archive.find(id)?,
        })
    }
}

fn is_of_version_7(id: &DecisionId) -> bool {
    id.get(6).is_some_and(|byte| byte >> 4 == 7)
}
