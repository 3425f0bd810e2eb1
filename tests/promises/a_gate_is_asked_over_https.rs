//! AuthZEN's binding is HTTPS: questions, discovery and `quell reviews` over it, with a certificate of the operator's.
//! Whoever does not trust it, or speaks plain HTTP, gets no answer. Not tested here: that a decision is right.

use std::path::{Path, PathBuf};
use std::process::Command;

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::{binary, wait_for};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

const TOKEN: &str = "token = \"0123456789abcdef0123456789abcdef\"";

const QUESTION: &str = r#"{"subject":{"type":"account_id","id":"a-1"},"action":{"name":"infer"},
    "resource":{"type":"admt_system","id":"hiring"}}"#;

/// A certificate for this machine that nobody has signed, and its key.
fn certificate(dir: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (dir.join("gate.pem"), dir.join("gate.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

/// A client that trusts these.
fn agent(roots: RootCerts) -> Agent {
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).build();
    Agent::new_with_config(Agent::config_builder().tls_config(tls).http_status_as_error(false).build())
}

fn get(agent: &Agent, url: &str) -> Option<String> {
    let mut response = agent.get(url).call().ok()?;
    (response.status() == 200).then(|| response.body_mut().read_to_string().unwrap())
}

#[test]
fn a_gate_is_asked_over_https() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(dir.path());
    let tls = format!("tls_certificate = {certificate:?}\ntls_key = {key:?}");
    let extra =
        [("gate.toml:http", tls.as_str()), ("gate.toml:reviews", TOKEN), ("gate.toml:spool", "deadline = \"20s\"")];
    let deployment = Deployment::with(POLICY, &extra);
    deployment.make_gate_topics();
    let gate = deployment.start_gate("gate");
    let (plain, url) = (gate.url(), gate.url().replace("http://", "https://"));
    let pem = std::fs::read(&certificate).unwrap();
    let trusting = agent(RootCerts::new_with_certs(&[Certificate::from_pem(&pem).unwrap()]));
    wait_for("the gate to be ready", || get(&trusting, &format!("{url}/health/ready")));

    let configuration = get(&trusting, &format!("{url}/.well-known/authzen-configuration")).unwrap();
    let configuration: serde_json::Value = serde_json::from_str(&configuration).unwrap();
    assert_eq!(configuration["policy_decision_point"], url.as_str());
    let asked = trusting.post(format!("{url}/access/v1/evaluation")).content_type("application/json").send(QUESTION);
    let answer = asked.unwrap().body_mut().read_to_string().unwrap();
    assert!(answer.contains("\"decision\":"), "{answer}");

    let strange = agent(RootCerts::new_with_certs(&[]));
    assert!(strange.get(format!("{url}/health/ready")).call().is_err(), "nobody vouches for it");
    assert_eq!(get(&trusting, &format!("{plain}/health/ready")), None, "nothing is said in the clear");

    let config = deployment.configure_gate("command", 1);
    let reviews = |trusted: &Path| {
        let mut command = Command::new(binary());
        command.arg("--config").arg(&config).args(["reviews", "list", "--url", &url]);
        command.env("SSL_CERT_FILE", trusted).env("SSL_CERT_DIR", dir.path()).output().unwrap()
    };
    let listed = reviews(&certificate);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert!(!reviews(Path::new("/dev/null")).status.success(), "nobody vouches for it");
    assert!(gate.stop().success());
}
