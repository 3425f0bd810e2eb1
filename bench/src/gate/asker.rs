//! One who asks, as an enforcement point does, over a connection that stays open.

use std::time::Duration;

use serde::Deserialize;

use super::population::Asked;

const ANSWER: Duration = Duration::from_secs(10);

/// As far as it is looked at.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    pub decision: bool,
    pub context: Context,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Context {
    pub reason: String,
}

pub struct Asker {
    agent: ureq::Agent,
    base: String,
    path: &'static str,
}

impl Asker {
    /// Of a server on a port, which answers under a path.
    pub fn new(port: u16, path: &'static str) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER)).http_status_as_error(false);
        Self { agent: config.build().into(), base: format!("http://127.0.0.1:{port}"), path }
    }

    pub fn url(&self) -> String {
        format!("{}{}", self.base, self.path)
    }

    /// A page that is there, and says that all is well.
    pub fn page(&self, path: &str) -> Option<String> {
        let mut response = self.agent.get(format!("{}{path}", self.base)).call().ok()?;
        if response.status() == 200 { response.body_mut().read_to_string().ok() } else { None }
    }

    /// None while nobody listens, or nobody answers with a decision.
    pub fn ask(&self, body: &str) -> Option<Answer> {
        let request = self.agent.post(self.url()).header("content-type", "application/json");
        let mut response = request.send(body).ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        if response.status() == 200 { serde_json::from_str(&text).ok() } else { None }
    }

    /// Every answer is what the data says.
    ///
    /// # Errors
    /// With the first that is not.
    pub fn check(&self, questions: &[Asked]) -> Result<(), String> {
        for asked in questions {
            let answer = self.ask(&asked.body).ok_or_else(|| format!("no decision on {}", asked.body))?;
            let reason = if asked.is_suppressed { "suppressed" } else { "clear" };
            if answer.decision == asked.is_suppressed || answer.context.reason != reason {
                return Err(format!("{answer:?}, should be {reason}, on {}", asked.body));
            }
        }
        Ok(())
    }
}
