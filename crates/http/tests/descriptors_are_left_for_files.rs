//! Connections, however many and idle, leave descriptors for files. A binary of its own: the limit is a process'.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failed test may panic")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use quell_http::{Limits, Serving, raise_descriptor_limit};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn idle_connections_leave_descriptors_for_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).unwrap();
    raise_descriptor_limit();
    assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);

    // The clients are of this process as well: 100 of them, and 50 of the server's; the rest is for files.
    setrlimit(Resource::Nofile, Rlimit { current: Some(200), ..limit }).unwrap();
    let limits = Limits { descriptors_kept: 150, patience: Duration::from_millis(500), ..Limits::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let router = |_| Router::new().route("/", get(async || "here"));
    let serving = runtime.block_on(Serving::start(listen, limits, None, router)).unwrap();
    let idle: Vec<_> = (0..100).map(|_| TcpStream::connect(serving.address()).unwrap()).collect();

    // It is answered once those before it have lost their places: by then as many were accepted as ever are.
    let mut last = idle.last().unwrap();
    last.set_read_timeout(Some(ANSWER_DEADLINE)).unwrap();
    last.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let files: Vec<_> = (0..20).map(|_| File::open("/dev/null").unwrap()).collect();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    drop(files);
    runtime.block_on(serving.stop());
}
