//! What HTTP asks of the engine.

use crate::explanation::Explanation;

/// The engine, as HTTP sees it.
pub trait EngineView: Send + Sync + 'static {
    /// Whether it does its work. Asked often, so it must answer at once.
    fn readiness(&self) -> Readiness;

    /// What is known of an identifier as an event would name it: a raw e-mail address means its hash. None if nothing
    /// was ever heard of it. May block; it is called on a thread that has nothing else to do.
    ///
    /// # Errors
    /// When it cannot be told here and now.
    fn explain(&self, identifier_type: &str, value: &str) -> Result<Option<Explanation>, ExplainError>;
}

/// Whether the engine does its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What it waits for, a sentence's end each: "shard 3 to be restored". Nothing: it is ready.
    pub waiting_for: Vec<String>,
}

impl Readiness {
    /// Whether it waits for nothing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.waiting_for.is_empty()
    }
}

/// Why an identifier cannot be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// It is none: the policy does not declare its type, or its value breaks a rule. Ask for another.
    #[error("{0}")]
    NoIdentifier(String),
    /// Its shard is another instance's, or not restored yet. Ask there, or later.
    #[error(
        "the identifier's shard {shard} is not active at this instance; ask another one, or wait until it is restored"
    )]
    NotHere {
        /// The shard.
        shard: u32,
    },
    /// The engine has too much to do, or is stopping. Ask again.
    #[error("the engine did not answer in time; ask again")]
    Busy,
    /// The store cannot be read. Its log says more.
    #[error("{0}")]
    Failed(String),
}
