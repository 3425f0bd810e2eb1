//! The gate over HTTP.
//!
//! | path | who asks | answer |
//! |---|---|---|
//! | `POST /access/v1/evaluation` | an enforcement point (AuthZEN) | one decision |
//! | `POST /access/v1/evaluations` | the same | several |
//! | `GET /.well-known/authzen-configuration` | the same | where these are |
//! | any `/ext_authz/{system}/…` | Envoy | 200, 403 or 503 |
//! | `GET /health/live`, `/health/ready`, `/metrics` | whoever runs it | |

mod answer;
mod authzen;
mod discovery;
mod ext_authz;
mod question;
mod routes;
mod server;

pub use server::{GateOptions, GateServer, GateStartError};
