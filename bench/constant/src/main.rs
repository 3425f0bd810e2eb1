//! A bare axum handler: it reads the question and answers a constant, as long as the gate's answer that nothing stands
//! against an inference. What a decision costs beyond this is what deciding and recording cost.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderName, header};
use axum::routing::post;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

const ANSWER: &str = r#"{"decision":true,"context":{"reason":"clear","as_of":1796000000000,"staleness_ms":512,"decision_id":"01a0c450-6c00-7000-8000-000000000000","policy_version":"2026-11-23"}}"#;

/// Answers a constant.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind(Arguments::parse().listen).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move { terminate.recv().await.unwrap_or_default() };
    axum::serve(listener, Router::new().route("/", post(answer))).with_graceful_shutdown(stop).await
}

async fn answer(_question: Bytes) -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/json")], ANSWER)
}
