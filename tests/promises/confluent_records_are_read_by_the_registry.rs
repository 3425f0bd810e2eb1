//! The Confluent wire format: schemas by the registry's ids, resolved by Avro's rules. A registry that is down stalls
//! the stream and loses nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quell_domain::Action;
use quell_wire::{Encoder, Format, schemas};

use quell_testbed::deployment::{Deployment, POLICY, Produced};
use quell_testbed::events::choice;
use quell_testbed::outcome::published;
use quell_testbed::wait_for;

/// A registry with one schema, of id 7, that can be down.
fn registry(schema: String, is_up: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever hangs up early asks again.
            drop(answer(stream.unwrap(), &schema, is_up.load(Ordering::SeqCst)));
        }
    });
    url
}

fn answer(mut stream: TcpStream, schema: &str, is_up: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut asked, mut length) = (String::new(), String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if asked.is_empty() {
            asked.clone_from(&line);
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let (status, body) = if !is_up {
        ("503 Service Unavailable", "{}".to_owned())
    } else if asked.contains("/schemas/ids/7") {
        ("200 OK", serde_json::json!({ "schema": schema }).to_string())
    } else {
        ("404 Not Found", r#"{"error_code":40403,"message":"Schema not found"}"#.to_owned())
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn confluent_records_are_read_by_the_registry() {
    // The writer has a field more than we know, and none of the optional ones' defaults differ.
    let schema = schemas::CHOICE_EVENT.text.replacen(
        "\"fields\": [",
        "\"fields\": [{\"name\": \"shard_hint\", \"type\": \"long\", \"default\": 0},",
        1,
    );
    let is_up = Arc::new(AtomicBool::new(false));
    let url = registry(schema, Arc::clone(&is_up));
    let lines = format!("schema_registry_url = \"{url}\"");
    let deployment = Deployment::with(POLICY, &[("encoding", &lines)]);
    let topic = deployment.topics().choices.clone();
    let avro = Encoder::new(Format::Avro, None);
    let ours = choice("c", Action::OptOut, "sale", ("cookie_id", "c")).record(&deployment, &avro).value.unwrap();
    let record = |id: u32| {
        // The field that they have and we have not, then the rest as we write it.
        let value = [[0].as_slice(), &id.to_be_bytes(), &[2], &ours[10..]].concat();
        Produced { topic: topic.clone(), value: Some(value), partition: Some(0), ..Produced::default() }
    };
    let engine = deployment.start("one").wait_until_ready();
    deployment.produce([record(7), record(8)]);
    wait_for("the stall to be seen", || (engine.metric("quell_registry_stalled", &[]) == Some(1.0)).then_some(()));
    assert_eq!(published(&deployment).messages, 0);
    assert_eq!(deployment.read(&deployment.topics().dead_letters).len(), 0);

    is_up.store(true, Ordering::SeqCst);
    wait_for("the choice to take effect", || (published(&deployment).messages == 2).then_some(()));
    let letters = wait_for("the unknown id to be refused", || {
        let letters = deployment.read(&deployment.topics().dead_letters);
        (!letters.is_empty()).then_some(letters)
    });
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value.as_ref().unwrap()[..5], [0, 0, 0, 0, 8]);
    assert_eq!(engine.metric("quell_registry_stalled", &[]), Some(0.0));
}
