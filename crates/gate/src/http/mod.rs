//! The gate over HTTP.
//!
//! | path | who asks | answer |
//! |---|---|---|
//! | `POST /access/v1/evaluation` | an enforcement point (AuthZEN) | one decision |
//! | `POST /access/v1/evaluations` | the same | several |
//! | `GET /.well-known/authzen-configuration`, and with the path of `http.url` | the same | where these are |
//! | any `/ext_authz/{system}/…` | Envoy | 200, 403 or 503 |
//! | `GET /v1/reviews`, `GET /v1/reviews/{id}` | `quell reviews` | what humans have to decide, or have decided |
//! | `POST /v1/reviews/{id}/resolution` | the same | that review, resolved |
//! | `GET /v1/decisions/{id}/certificate` | whoever has to show a decision | a JWS |
//! | `GET /.well-known/jwks.json` | whoever it is shown to | the keys that verify it |
//! | `GET /health/live`, `/health/ready`, `/metrics` | whoever runs it | |

mod answer;
mod authzen;
mod certificates;
mod discovery;
mod ext_authz;
mod plain_json;
mod question;
mod reviews;
mod routes;
mod server;

pub use server::{GateOptions, GateServer, GateStartError};
