//! A schema registry, as far as Quell asks one: it gives ids to schemas, and schemas by their ids. It can be down.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What it knows.
#[derive(Default)]
struct Known {
    is_up: bool,
    /// Of ids from 1 on.
    schemas: Vec<String>,
}

/// A registry, which lives as long as the process.
pub struct Registry {
    url: String,
    known: Arc<Mutex<Known>>,
}

impl Registry {
    /// One that is down, and knows no schema.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let known = Arc::<Mutex<Known>>::default();
        let shared = Arc::clone(&known);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever hangs up early asks again.
                drop(answer(stream.unwrap(), &mut shared.lock().unwrap()));
            }
        });
        Self { url, known }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it answers.
    pub fn come_up(&self) {
        self.known.lock().unwrap().is_up = true;
    }

    /// The id of a schema.
    pub fn register(&self, schema: &str) -> u32 {
        self.known.lock().unwrap().id_of(schema)
    }

    /// The schema of an id.
    pub fn schema(&self, id: u32) -> Option<String> {
        self.known.lock().unwrap().schema(id).cloned()
    }
}

impl Known {
    fn id_of(&mut self, schema: &str) -> u32 {
        let at = self.schemas.iter().position(|known| known == schema).unwrap_or_else(|| {
            self.schemas.push(schema.to_owned());
            self.schemas.len() - 1
        });
        u32::try_from(at).unwrap() + 1
    }

    fn schema(&self, id: u32) -> Option<&String> {
        self.schemas.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }
}

fn answer(mut stream: TcpStream, known: &mut Known) -> std::io::Result<()> {
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
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let (status, said) =
        if known.is_up { answered(known, &asked, &body) } else { ("503 Service Unavailable", json!({})) };
    let said = said.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
        said.len()
    )
}

fn answered(known: &mut Known, asked: &str, body: &str) -> (&'static str, Value) {
    if asked.starts_with("POST /subjects/") {
        let body: Value = serde_json::from_str(body).unwrap();
        return ("200 OK", json!({ "id": known.id_of(body["schema"].as_str().unwrap()) }));
    }
    let id = asked.split("/schemas/ids/").nth(1).and_then(|rest| rest.split([' ', '?']).next()?.parse().ok());
    match id.and_then(|id| known.schema(id)) {
        Some(schema) => ("200 OK", json!({ "schema": schema })),
        None => ("404 Not Found", json!({ "error_code": 40403, "message": "Schema not found" })),
    }
}
