//! What is promised of the HTTP address, asked over a real socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failed test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quell_http::{
    Edge, EngineView, ExplainError, Explanation, Limits, NamedIdentifier, Options, Readiness, Server, StartError, Token,
};
use quell_telemetry::{LabelValues, Metrics};

/// Long for an answer over loopback, short for whoever waits for the tests.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct FakeEngine {
    waiting_for: Mutex<Vec<String>>,
    asked: Mutex<Vec<(String, String)>>,
}

impl EngineView for FakeEngine {
    fn readiness(&self) -> Readiness {
        Readiness { waiting_for: self.waiting_for.lock().unwrap().clone() }
    }

    fn explain(&self, identifier_type: &str, value: &str) -> Result<Option<Explanation>, ExplainError> {
        self.asked.lock().unwrap().push((identifier_type.to_owned(), value.to_owned()));
        match value {
            "unheard-of" => Ok(None),
            "blank" => Err(ExplainError::NoIdentifier("the email is empty".to_owned())),
            "elsewhere" => Err(ExplainError::NotHere { shard: 3 }),
            "later" => Err(ExplainError::Busy),
            "broken" => Err(ExplainError::Failed("cannot read from the store".to_owned())),
            "bug" => panic!("on purpose"),
            _ => Ok(Some(explanation(identifier_type, value))),
        }
    }
}

fn explanation(identifier_type: &str, value: &str) -> Explanation {
    let named = |identifier_type: &str, value: &str| NamedIdentifier {
        identifier_type: identifier_type.to_owned(),
        value: value.to_owned(),
    };
    Explanation {
        identifier: named(identifier_type, value),
        hub: false,
        edges: vec![Edge { identifier: named("account_id", "a-1"), holds: true, observed_at: 1_000 }],
        edges_left_out: 0,
        own_choices: Vec::new(),
        rights: Vec::new(),
        deliveries: Vec::new(),
        held: Vec::new(),
    }
}

struct Running {
    engine: Arc<FakeEngine>,
    server: Option<Server>,
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
}

impl Running {
    fn start(token: Option<&str>) -> Self {
        Self::within(Limits::default(), token)
    }

    fn within(limits: Limits, token: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let engine = Arc::new(FakeEngine::default());
        let token = token.map(|token| Token::new(token).unwrap());
        let options = Options { listen: "127.0.0.1:0".parse().unwrap(), token, limits };
        let started = Server::start(options, metrics(), Arc::clone(&engine) as Arc<dyn EngineView>);
        let server = runtime.block_on(started).unwrap();
        Self { engine, address: server.address(), server: Some(server), runtime }
    }

    /// Status and body.
    fn get(&self, path: &str) -> (u16, String) {
        self.get_with(path, &[])
    }

    fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_DEADLINE));
        let agent: ureq::Agent = config.build().into();
        let mut request = agent.get(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(ANSWER_DEADLINE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

fn options(listen: SocketAddr, token: Option<Token>) -> Options {
    Options { listen, token, limits: Limits::default() }
}

fn metrics() -> Metrics {
    let values = LabelValues {
        choices: "choices".to_owned(),
        links: "links".to_owned(),
        acks: "acks".to_owned(),
        downstreams: vec!["ads".to_owned()],
        identifier_types: vec!["cookie_id".to_owned()],
    };
    Metrics::new("1.2.3", &values)
}

#[test]
fn it_is_live_as_long_as_it_answers_and_ready_when_it_waits_for_nothing() {
    let running = Running::start(None);
    assert_eq!(running.get("/health/ready"), (200, "ready\n".to_owned()));
    let waiting_for = ["shard 3 to be restored", "the schema registry to answer"].map(str::to_owned);
    *running.engine.waiting_for.lock().unwrap() = waiting_for.to_vec();
    let body = "waiting for shard 3 to be restored\nwaiting for the schema registry to answer\n";
    assert_eq!(running.get("/health/ready"), (503, body.to_owned()));
    assert_eq!(running.get("/health/live"), (200, "live\n".to_owned()));
}

#[test]
fn the_metrics_are_prometheus_text() {
    let running = Running::start(Some("secret"));
    let (status, body) = running.get("/metrics");
    assert_eq!(status, 200);
    assert!(body.contains("quell_build_info{version=\"1.2.3\"} 1\n"), "{body}");
    let answer = running.send("GET /metrics HTTP/1.1\r\nHost: quell\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("content-type: text/plain; version=0.0.4\r\n"), "{answer}");
}

#[test]
fn an_identifier_is_explained_as_json() {
    let running = Running::start(None);
    let (status, body) = running.get("/v1/identifiers/cookie_id/c-1");
    assert_eq!(status, 200);
    let explained: Explanation = serde_json::from_str(&body).unwrap();
    assert_eq!(explained, explanation("cookie_id", "c-1"));
    insta::assert_snapshot!(body, @r#"{"identifier":{"type":"cookie_id","value":"c-1"},"hub":false,"edges":[{"identifier":{"type":"account_id","value":"a-1"},"holds":true,"observed_at":1000}],"edges_left_out":0,"own_choices":[],"rights":[],"deliveries":[],"held":[]}"#);
}

#[test]
fn a_value_may_hold_anything_once_percent_encoded() {
    let running = Running::start(None);
    assert_eq!(running.get("/v1/identifiers/email/Jane.D%C3%B6%2F%20%3F%23%25@example.com").0, 200);
    let asked = running.engine.asked.lock().unwrap().clone();
    assert_eq!(asked, [("email".to_owned(), "Jane.Dö/ ?#%@example.com".to_owned())]);
    let (status, body) = running.get("/v1/identifiers/email/%FF");
    assert_eq!((status, body.contains("not UTF-8")), (400, true), "{body}");
}

#[test]
fn what_cannot_be_explained_is_said_in_one_line() {
    let running = Running::start(None);
    let asked = |value: &str| running.get(&format!("/v1/identifiers/cookie_id/{value}"));
    let answers = ["unheard-of", "blank", "elsewhere", "later", "broken", "bug"].map(|value| {
        let (status, body) = asked(value);
        format!("{value}: {status} {body}")
    });
    insta::assert_snapshot!(answers.join("\n"), @r#"
    unheard-of: 404 {"error":"nothing was ever heard of this identifier"}
    blank: 400 {"error":"the email is empty"}
    elsewhere: 421 {"error":"the identifier's shard 3 is not active at this instance; ask another one, or wait until it is restored"}
    later: 503 {"error":"the engine did not answer in time; ask again"}
    broken: 500 {"error":"cannot read from the store"}
    bug: 500 {"error":"could not explain the identifier; the engine's log says more"}
    "#);
}

#[test]
fn an_identifier_is_shown_to_those_who_have_the_token() {
    let running = Running::start(Some("secret"));
    let path = "/v1/identifiers/cookie_id/c-1";
    let with = |authorization: &str| running.get_with(path, &[("authorization", authorization)]).0;
    assert_eq!(running.get(path).0, 401);
    for wrong in ["Bearer", "Bearer other", "Bearer secret2", "Basic secret", "secret", "Bearer "] {
        assert_eq!(with(wrong), 401, "{wrong}");
    }
    assert_eq!(with("Bearer secret"), 200);
    assert_eq!(with("bearer  secret"), 200);
    assert_eq!(running.engine.asked.lock().unwrap().len(), 2, "the engine is asked for nobody else");
    let answer = running.send(&format!("GET {path} HTTP/1.1\r\nHost: quell\r\nConnection: close\r\n\r\n"));
    assert!(answer.contains("www-authenticate: Bearer\r\n"), "{answer}");
    for public in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(running.get(public).0, 200, "{public}");
    }
}

#[test]
fn without_a_token_a_page_in_a_browser_reads_no_identifier() {
    let running = Running::start(None);
    let path = "/v1/identifiers/cookie_id/c-1";
    let (status, body) = running.get_with(path, &[("host", "rebound.example")]);
    assert_eq!((status, body.contains("http.token")), (403, true), "{body}");
    assert_eq!(running.get_with("/health/ready", &[("host", "quell.internal")]).0, 200);
}

#[test]
fn without_a_token_it_does_not_listen_where_others_reach_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let open = options("0.0.0.0:0".parse().unwrap(), None);
    let error = runtime.block_on(Server::start(open, metrics(), Arc::new(FakeEngine::default()))).unwrap_err();
    insta::assert_snapshot!(error, @"http.listen is 0.0.0.0:0, which other machines can reach, and identifiers can be read there: set http.token or http.token_file, or listen on 127.0.0.1");
    let allowed = ["127.0.0.1:0", "127.8.8.8:0", "[::1]:0"];
    assert!(allowed.iter().all(|listen| options(listen.parse().unwrap(), None).check().is_ok()));
    let token = Some(Token::new("secret").unwrap());
    options("0.0.0.0:0".parse().unwrap(), token).check().unwrap();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let running = Running::start(None);
    let options = options(running.address, None);
    let started = Server::start(options, metrics(), Arc::new(FakeEngine::default()));
    let error = running.runtime.block_on(started).unwrap_err();
    assert!(matches!(error, StartError::Listen { listen, .. } if listen == running.address), "{error}");
}

#[test]
fn a_body_is_not_read() {
    let running = Running::start(None);
    let post = "POST /v1/identifiers/cookie_id/c-1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n";
    let answer = running.send(post);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let chunked =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert!(running.send(chunked).starts_with("HTTP/1.1 413 "));
    let post = "POST /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(running.send(post).starts_with("HTTP/1.1 405 "));
}

#[test]
fn other_paths_are_not_found() {
    let running = Running::start(None);
    for path in ["/", "/v1/identifiers", "/v1/identifiers/cookie_id", "/v1/identifiers/cookie_id/a/b", "/health"] {
        assert_eq!(running.get(path).0, 404, "{path}");
    }
}

#[test]
fn a_stop_closes_idle_connections_and_the_address() {
    let mut running = Running::start(None);
    let mut idle = TcpStream::connect(running.address).unwrap();
    idle.set_read_timeout(Some(ANSWER_DEADLINE)).unwrap();
    idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut begun = [0; 12];
    idle.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    running.stop();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    assert!(TcpStream::connect(running.address).is_err());
}

#[test]
fn whoever_asks_too_often_is_told_so_and_guesses_keep_nobody_out() {
    // In a test that takes less than ten seconds, nothing is given back.
    let slow = Limits { requests_per_second: 1, ..Limits::default() };
    let running = Running::within(slow, Some("secret"));
    let path = "/v1/identifiers/cookie_id/c-1";
    let answers = |headers: &[(&str, &str)]| (0..20).map(|_| running.get_with(path, headers).0).collect::<Vec<_>>();
    let guesses = answers(&[("authorization", "Bearer guess")]);
    assert_eq!(guesses.first(), Some(&401));
    assert!(guesses.contains(&429), "{guesses:?}");
    let reads = answers(&[("authorization", "Bearer secret")]);
    assert_eq!(reads.first(), Some(&200), "a guess does not count against those who have the token");
    assert!(reads.contains(&429), "{reads:?}");
    assert_eq!(running.get("/metrics").0, 200);
    assert!((0..20).any(|_| running.get("/metrics").0 == 429));
    assert!((0..20).all(|_| running.get("/health/live").0 == 200), "health costs nothing");
    let answer = running.send("GET /metrics HTTP/1.1\r\nHost: quell\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
}

#[test]
fn a_long_path_and_a_long_request_are_refused() {
    let running = Running::start(None);
    assert_eq!(running.get(&format!("/v1/identifiers/cookie_id/{}", "a".repeat(8_000))).0, 200);
    assert_eq!(running.get(&format!("/v1/identifiers/cookie_id/{}", "a".repeat(9_000))).0, 414);
    assert_eq!(running.engine.asked.lock().unwrap().len(), 1);
    let mut stream = TcpStream::connect(running.address).unwrap();
    stream.set_read_timeout(Some(ANSWER_DEADLINE)).unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    let line = format!("X-Long: {}\r\n", "a".repeat(1_000));
    // It is closed before all is sent: which write fails is the system's matter.
    let sent = (0..2_000).take_while(|_| stream.write_all(line.as_bytes()).is_ok()).count();
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer));
    assert!(!answer.contains(" 200 "), "after {sent} lines: {answer}");
}

#[test]
fn a_slow_client_loses_its_place() {
    let limits = Limits { patience: Duration::from_millis(300), connections_max: 2, ..Limits::default() };
    let running = Running::within(limits, None);
    // One says nothing, and one a byte now and then: neither is a request.
    let silent = TcpStream::connect(running.address).unwrap();
    let mut dripping = TcpStream::connect(running.address).unwrap();
    let drips = std::thread::spawn(move || {
        let began = std::time::Instant::now();
        dripping.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        // The pause between two bytes is the read's time-out.
        while dripping.write_all(b"G").is_ok() && !matches!(dripping.read(&mut [0; 1]), Ok(0)) {
            assert!(began.elapsed() < ANSWER_DEADLINE, "a byte now and then holds the place");
        }
    });
    // All places are taken until those two are sent away.
    assert_eq!(running.get("/health/live").0, 200);
    drips.join().unwrap();
    silent.set_read_timeout(Some(ANSWER_DEADLINE)).unwrap();
    assert_eq!((&silent).read(&mut [0; 1]).unwrap_or(0), 0);
}
