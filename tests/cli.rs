//! What is promised of the command line: help, errors in one line, exit codes. Nothing here needs Kafka.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failed test may panic")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, thread};

use quell_certificate::{KeyRing, SigningKey, SubjectForm, SubjectSecret, certify};
use quell_domain::{Millis, hashed_email};
use serde_json::json;

const POLICY: &str = include_str!("../deploy/policy.toml");

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A directory in which `quell` is run.
struct Place(tempfile::TempDir);

impl Place {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with_config(config: &str) -> Self {
        let place = Self::empty();
        place.write("quell.toml", config);
        place.write("policy.toml", POLICY);
        place
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &str) -> Ended {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &str, environment: &[(&str, &str)]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quell"));
        command.current_dir(self.path()).args(arguments.split_whitespace()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QUELL_")) {
            command.env_remove(name);
        }
        let output = command.envs(environment.iter().copied()).output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one line on stderr of a command that fails, behind its exit code.
    fn fails(&self, arguments: &str) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.stdout, "", "{arguments}");
        assert_eq!(ended.stderr.lines().count(), 1, "{arguments}: {}", ended.stderr);
        format!("{} {}", ended.code.unwrap(), without_numbers_of_errors(ended.stderr.trim_end()))
    }
}

/// Takes ` (os error 2)` away: the numbers are the system's.
fn without_numbers_of_errors(line: &str) -> String {
    match line.split_once(" (os error ") {
        Some((before, after)) => format!("{before}{}", after.split_once(')').unwrap().1),
        None => line.to_owned(),
    }
}

/// The help, which goes to stdout with exit code 0.
fn help(arguments: &str) -> String {
    let ended = Place::empty().run(arguments);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments}");
    ended.stdout
}

/// Answers one request, and returns it with the address that it was sent to.
fn answer_once(status: &str, body: &str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut piece) = (Vec::new(), [0; 1024]);
        while !is_whole(&request) {
            let read = stream.read(&mut piece).unwrap();
            request.extend_from_slice(piece.get(..read).unwrap());
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, asked)
}

/// Whether a request has come to its end: that of its body, if it has one.
fn is_whole(request: &[u8]) -> bool {
    let request = String::from_utf8_lossy(request);
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

const EXPLANATION: &str = r#"{"identifier":{"type":"cookie_id","value":"7f3c"},"hub":false,"edges":[],"edges_left_out":0,"own_choices":[],"rights":[],"deliveries":[],"held":[]}"#;

#[test]
fn help_says_what_can_be_done() {
    insta::assert_snapshot!(help("--help"), @"
    Carries a consumer's opt-out to every identifier of theirs, in every downstream, exactly once

    Usage: quell [OPTIONS] <COMMAND>

    Commands:
      run          Run the engine until SIGTERM, which makes it commit what it has begun and end with 0
      gate         Run the gate until SIGTERM: it answers before an inference whether the consumer has
                   opted out
      topics       Make the topics
      emit         Publish one event by hand, for a try or a fix
      policy       Look at the policy
      explain      Show what is known of an identifier, and why it is suppressed
      reviews      Look at what the gate has left to humans, and record how they decide
      deadletters  Look at refused records, and put them back
      keys         Make and list the keys that sign decisions' certificates
      certificate  Look at the certificate of a decision
      config       Look at the configuration
      help         Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help
      -V, --version        Print version

    Every key of the configuration can be overridden by the environment: QUELL_KAFKA__BOOTSTRAP_SERVERS
    for kafka.bootstrap_servers, and of the gate's QUELL_GATE_KAFKA__BOOTSTRAP_SERVERS.

    Exit codes: 0 done, 1 failed, 2 wrong usage, configuration or policy.
    ");
}

#[test]
fn help_of_run() {
    insta::assert_snapshot!(help("run --help"), @"
    Run the engine until SIGTERM, which makes it commit what it has begun and end with 0

    It waits for brokers that are away and goes on when they are back. It ends by itself, with 1, only
    where an operator must act.

    Usage: quell run [OPTIONS]

    Options:
          --config <FILE>
              The configuration [default: quell.toml]

      -h, --help
              Print help (see a summary with '-h')
    ");
}

#[test]
fn help_of_gate() {
    insta::assert_snapshot!(help("gate --help"), @"
    Run the gate until SIGTERM: it answers before an inference whether the consumer has opted out

    Every decision is recorded before it is answered. It waits for brokers that are away; what it knows
    grows old meanwhile, and that is what it answers by. It ends by itself, with 1, only where an
    operator must act.

    Usage: quell gate [OPTIONS]

    Options:
          --config <FILE>
              The gate's configuration [default: gate.toml]

      -h, --help
              Print help (see a summary with '-h')
    ");
}

#[test]
fn help_of_topics() {
    insta::assert_snapshot!(help("topics --help"), @"
    Make the topics

    Usage: quell topics [OPTIONS] <COMMAND>

    Commands:
      create  Make every topic that is missing, and say what is wrong with the others
      help    Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help
    ");
    insta::assert_snapshot!(help("topics create --help"), @"
    Make every topic that is missing, and say what is wrong with the others

    Usage: quell topics create [OPTIONS]

    Options:
          --gate           Those of the gate, by gate.toml unless --config says otherwise
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help

    Topics that are there are left alone, so it can be repeated. It ends with 1 if anything is wrong
    with what it found.
    ");
}

#[test]
fn help_of_emit() {
    insta::assert_snapshot!(help("emit --help"), @"
    Publish one event by hand, for a try or a fix

    Usage: quell emit [OPTIONS] <COMMAND>

    Commands:
      opt-out  A consumer opts out of one or more rights
      opt-in   A consumer opts back in to one or more rights
      link     Two identifiers are seen to be the same consumer
      unlink   Two identifiers are no longer seen to be the same consumer
      ack      A downstream has applied a suppression, or could not
      help     Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help
    ");
    insta::assert_snapshot!(help("emit opt-out --help"), @"
    A consumer opts out of one or more rights

    Usage: quell emit opt-out [OPTIONS] --right <RIGHT> <TYPE=VALUE>...

    Arguments:
      <TYPE=VALUE>...  Where the consumer made the choice. Naming two does not link them

    Options:
          --right <RIGHT>           A right that the policy declares: sale, sharing, admt:hiring, …; may
                                    be repeated
          --effective-at <TIME>     When the consumer made it [default: now]
          --received-at <TIME>      When the business received it; the legal clock starts here [default:
                                    now]
          --channel <CHANNEL>       How it was made: gpc, web_form, call_center, …
          --jurisdiction <PLACE>    Under which law, as in US-CA
          --source <SOURCE>         Who reports it, as the policy names it [default: quell-emit]
          --event-id <ID>           The event's id [default: a new UUID]
          --attribute <NAME=VALUE>  Something to remember with it, for the audit; may be repeated
          --unchecked               Publish it even if the engine would refuse it
          --config <FILE>           The configuration [default: quell.toml]
      -h, --help                    Print help
    ");
    insta::assert_snapshot!(help("emit link --help"), @"
    Two identifiers are seen to be the same consumer

    Usage: quell emit link [OPTIONS] <TYPE=VALUE> <TYPE=VALUE>

    Arguments:
      <TYPE=VALUE>  One end
      <TYPE=VALUE>  The other end

    Options:
          --observed-at <TIME>      When it was seen [default: now]
          --source <SOURCE>         Who reports it, as the policy names it [default: quell-emit]
          --event-id <ID>           The event's id [default: a new UUID]
          --attribute <NAME=VALUE>  Something to remember with it, for the audit; may be repeated
          --unchecked               Publish it even if the engine would refuse it
          --config <FILE>           The configuration [default: quell.toml]
      -h, --help                    Print help
    ");
    insta::assert_snapshot!(help("emit ack --help"), @"
    A downstream has applied a suppression, or could not

    Usage: quell emit ack [OPTIONS] --version <NUMBER> <DOWNSTREAM> <TYPE=VALUE>

    Arguments:
      <DOWNSTREAM>  Who says it: a downstream of the policy
      <TYPE=VALUE>  Of whom

    Options:
          --version <NUMBER>   The highest version applied; it covers every lower one
          --outcome <OUTCOME>  What became of it [default: applied] [possible values: applied, failed]
          --applied-at <TIME>  When it was applied, or given up [default: now]
          --detail <TEXT>      What else there is to say
          --unchecked          Publish it even if the engine would refuse it
          --config <FILE>      The configuration [default: quell.toml]
      -h, --help               Print help
    ");
    let below_usage = |arguments: &str| help(arguments).lines().skip(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(below_usage("emit opt-in --help"), below_usage("emit opt-out --help"));
    assert_eq!(below_usage("emit unlink --help"), below_usage("emit link --help"));
}

#[test]
fn help_of_policy() {
    insta::assert_snapshot!(help("policy --help"), @"
    Look at the policy

    Usage: quell policy [OPTIONS] <COMMAND>

    Commands:
      check  Say whether the policy is valid
      help   Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help
    ");
    insta::assert_snapshot!(help("policy check --help"), @"
    Say whether the policy is valid

    Usage: quell policy check [OPTIONS]

    Options:
          --gate           Whether the gate can hold to it, by gate.toml unless --config says otherwise
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help
    ");
}

#[test]
fn help_of_explain() {
    insta::assert_snapshot!(help("explain --help"), @"
    Show what is known of an identifier, and why it is suppressed

    Usage: quell explain [OPTIONS] <TYPE=VALUE>

    Arguments:
      <TYPE=VALUE>  The identifier. A raw e-mail address means its hash: email=jane@example.com

    Options:
          --url <URL>      Where the engine's HTTP address is [default: http.listen of the
                           configuration]
          --json           Print what the engine answers, for a machine
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help
    ");
}

#[test]
fn help_of_deadletters() {
    insta::assert_snapshot!(help("deadletters --help"), @"
    Look at refused records, and put them back

    Usage: quell deadletters [OPTIONS] <COMMAND>

    Commands:
      list    List refused records: when, why, and where they came from
      replay  Put refused records back where they came from, as they were
      help    Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help
    ");
    insta::assert_snapshot!(help("deadletters list --help"), @"
    List refused records: when, why, and where they came from

    Usage: quell deadletters list [OPTIONS]

    Options:
          --code <CODE>       Only those refused for this reason; may be repeated [possible values:
                              malformed, invalid, unknown_type, unknown_right, unknown_source,
                              untrusted_source, blocked_value, future, unknown_downstream, internal]
          --topic <TOPIC>     Only those that came from this topic
          --since <TIME|AGE>  Only those refused at or after this time, or for no longer than this
          --until <TIME|AGE>  Only those refused before this time, or for longer than this
          --limit <NUMBER>    At most so many, the last ones [default: 100]
          --json              Print a JSON object a line, for a machine
          --config <FILE>     The configuration [default: quell.toml]
      -h, --help              Print help
    ");
    insta::assert_snapshot!(help("deadletters replay --help"), @"
    Put refused records back where they came from, as they were

    Usage: quell deadletters replay [OPTIONS]

    Options:
          --code <CODE>       Only those refused for this reason; may be repeated [possible values:
                              malformed, invalid, unknown_type, unknown_right, unknown_source,
                              untrusted_source, blocked_value, future, unknown_downstream, internal]
          --topic <TOPIC>     Only those that came from this topic
          --since <TIME|AGE>  Only those refused at or after this time, or for no longer than this
          --until <TIME|AGE>  Only those refused before this time, or for longer than this
          --limit <NUMBER>    At most so many, the first ones
          --dry-run           Only say what would be put back
          --config <FILE>     The configuration [default: quell.toml]
      -h, --help              Print help

    Key, value, headers and timestamp are those of the original record. A dead letter stays where it is:
    run again, it is put back again, which does no harm to what has taken effect, and doubles what is
    still refused. Use --since to leave out what was put back before.
    ");
}

#[test]
fn help_of_config() {
    insta::assert_snapshot!(help("config --help"), @"
    Look at the configuration

    Usage: quell config [OPTIONS] <COMMAND>

    Commands:
      show  Print the configuration that holds, without its secrets
      help  Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help
    ");
    insta::assert_snapshot!(help("config show --help"), @"
    Print the configuration that holds, without its secrets

    Usage: quell config show [OPTIONS]

    Options:
          --defaults       Print the defaults instead: a file to begin with
          --gate           That of the gate, which is gate.toml unless --config says otherwise
          --config <FILE>  The configuration [default: quell.toml]
      -h, --help           Print help
    ");
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(help("--version"), concat!("quell ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_usage_is_one_line_and_2() {
    let place = Place::empty();
    insta::assert_snapshot!(place.fails(""), @"2 quell: 'quell' requires a subcommand but one was not provided; [subcommands: run, gate, topics, emit, policy, explain, reviews, deadletters, keys, certificate, config, help]; see `quell --help`");
    insta::assert_snapshot!(place.fails("topics"), @"2 quell: 'quell topics' requires a subcommand but one was not provided; [subcommands: create, help]; see `quell topics --help`");
    insta::assert_snapshot!(place.fails("topic create"), @"2 quell: unrecognized subcommand 'topic'; some similar subcommands exist: 'policy', 'topics'; see `quell --help`");
    insta::assert_snapshot!(place.fails("policy check --confg a.toml"), @"2 quell: unexpected argument '--confg' found; a similar argument exists: '--config'; see `quell policy check --help`");
    insta::assert_snapshot!(place.fails("emit opt-out --right sale"), @"2 quell: the following required arguments were not provided: <TYPE=VALUE>...; see `quell emit opt-out --help`");
    insta::assert_snapshot!(place.fails("emit opt-out cookie_id --right sale"), @"2 quell: invalid value 'cookie_id' for '<TYPE=VALUE>...': write it as TYPE=VALUE, as in cookie_id=7f3c; see `quell emit opt-out --help`");
    insta::assert_snapshot!(place.fails("emit ack ads cookie_id=7f3c --version one"), @"2 quell: invalid value 'one' for '--version <NUMBER>': write a whole number; see `quell emit ack --help`");
    insta::assert_snapshot!(place.fails("emit link cookie_id=7f3c account_id=42 --observed-at today"), @"2 quell: invalid value 'today' for '--observed-at <TIME>': write it as in 2026-11-23T18:00:00Z, or in milliseconds since 1970; see `quell emit link --help`");
    insta::assert_snapshot!(place.fails("deadletters list --code malfromed"), @"2 quell: invalid value 'malfromed' for '--code <CODE>'; [possible values: malformed, invalid, unknown_type, unknown_right, unknown_source, untrusted_source, blocked_value, future, unknown_downstream, internal]; a similar value exists: 'malformed'; see `quell deadletters list --help`");
    insta::assert_snapshot!(place.fails("deadletters list --since yesterday"), @"2 quell: invalid value 'yesterday' for '--since <TIME|AGE>': write it as in 2026-11-23T18:00:00Z, or how long ago, as in 90s, 15m, 2h or 7d; see `quell deadletters list --help`");
    insta::assert_snapshot!(place.fails("deadletters replay --limit few"), @"2 quell: invalid value 'few' for '--limit <NUMBER>': write a whole number; see `quell deadletters replay --help`");
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let place = Place::empty();
    insta::assert_snapshot!(place.fails("policy check"), @"2 quell: there is no quell.toml here; make one by `quell config show --defaults > quell.toml`, or name yours by --config");
    insta::assert_snapshot!(place.fails("policy check --config elsewhere.toml"), @"2 quell: cannot read elsewhere.toml: No such file or directory");
    place.write("quell.toml", "[http]\ntoken_file = \"token\"");
    insta::assert_snapshot!(place.fails("policy check"), @"2 quell: cannot read token: No such file or directory");
    place.write("quell.toml", "");
    insta::assert_snapshot!(place.fails("policy check"), @"2 quell: cannot read policy.toml, which policy.path names: No such file or directory");
}

#[test]
fn a_wrong_configuration_is_one_line_and_2() {
    let place = Place::with_config("[kafka]\nbootstrap_server = \"kafka:9092\"");
    insta::assert_snapshot!(place.fails("config show"), @"2 quell: quell.toml: kafka.bootstrap_server: unknown key; did you mean kafka.bootstrap_servers?");
    let place = Place::with_config("[topics]\nshards = \"8\"");
    insta::assert_snapshot!(place.fails("topics create"), @"2 quell: quell.toml: topics.shards: must be a whole number, not a text");
    let place = Place::with_config("");
    place.write("gate.toml", "[copy]\npath = \"copy\"");
    insta::assert_snapshot!(place.fails("topics create --config gate.toml"), @"2 quell: gate.toml: copy: is a section of the gate's file, gate.toml; if that is meant, add --gate, else name the engine's file by --config");
    let place = Place::with_config("[kafka.client]\ntransactional.id = \"mine\"");
    insta::assert_snapshot!(place.fails("topics create"), @"2 quell: kafka.client: transactional.id belongs to Quell, since exactly-once rests on it; leave it out");
}

#[test]
fn what_config_show_defaults_prints_is_a_file_to_begin_with() {
    let place = Place::empty();
    let shown = place.run("config show --defaults");
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    place.write("quell.toml", &shown.stdout);
    assert_eq!(place.run("config show"), shown);
    insta::assert_snapshot!(shown.stdout, @r#"
    [kafka]
    bootstrap_servers = "127.0.0.1:9092"
    group_id = "quell"

    [kafka.client]

    [topics]
    choices = "optout.events"
    links = "identity.links"
    acks = "suppression.acks"
    dead_letters = "quell.deadletters"
    audit = "quell.audit"
    graph = "quell.graph"
    changelog = "quell.changelog"
    watermarks = "quell.watermarks"
    shards = 8
    partitions = 8
    replication_factor = 1

    [store]
    path = "data"
    memory = "512MiB"

    [engine]
    threads = 2
    relax_after = "10s"
    epoch_records_max = 40000
    epoch_bytes_max = "16MiB"
    review_rate = 10000
    standby_replicas = 0

    [encoding]
    format = "avro"
    schema_registry_url = ""

    [http]
    listen = "127.0.0.1:9464"
    token = ""
    token_file = ""

    [policy]
    path = "policy.toml"

    [log]
    format = "text"
    level = "info"
    "#);
}

#[test]
fn the_gates_configuration_is_shown_and_checked_as_the_engines() {
    let place = Place::empty();
    insta::assert_snapshot!(place.fails("gate"), @"2 quell: there is no gate.toml here; make one by `quell config show --gate --defaults > gate.toml`, or name yours by --config");
    insta::assert_snapshot!(place.fails("gate --config elsewhere.toml"), @"2 quell: cannot read elsewhere.toml: No such file or directory");
    insta::assert_snapshot!(place.fails("--config elsewhere.toml gate"), @"2 quell: cannot read elsewhere.toml: No such file or directory");
    let shown = place.run("config show --gate --defaults");
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    place.write("gate.toml", &shown.stdout);
    assert_eq!(place.run("config show --gate"), shown);
    insta::assert_snapshot!(shown.stdout, @r#"
    [kafka]
    bootstrap_servers = "127.0.0.1:9092"

    [kafka.client]

    [topics]
    watermarks = "quell.watermarks"
    decisions = "quell.decisions"
    reviews = "quell.reviews"
    partitions = 8
    replication_factor = 1

    [gate]
    downstream = "ml"
    resource_type = "admt_system"

    [copy]
    path = "gate/copy"

    [spool]
    path = "gate/spool"
    size = "1GiB"
    deadline = "1s"
    sync_within = "20ms"

    [keys]
    path = "gate/keys"

    [encoding]
    format = "avro"
    schema_registry_url = ""

    [http]
    listen = "127.0.0.1:9465"
    token = ""
    token_file = ""
    url = ""
    tls_certificate = ""
    tls_key = ""

    [reviews]
    token = ""
    token_file = ""

    [policy]
    path = "policy.toml"

    [log]
    format = "text"
    level = "info"
    "#);
    insta::assert_snapshot!(place.fails("gate"), @"2 quell: cannot read policy.toml, which policy.path names: No such file or directory");
    place.write("policy.toml", POLICY);
    insta::assert_snapshot!(place.run("policy check --gate").stdout, @"policy.toml is valid for the gate, which reads suppression.ml: version 2026-11-23, 2 systems");
    place.write("policy.toml", &POLICY.replace("suppression.ads", "quell.decisions"));
    insta::assert_snapshot!(place.fails("gate"), @r#"2 quell: policy.toml: downstreams.ads.topic is "quell.decisions", which is topics.decisions; give it a topic of its own"#);
    place.write("gate.toml", "[gate]\ndownstream = \"lm\"\n");
    insta::assert_snapshot!(place.fails("policy check --gate"), @r#"2 quell: policy.toml: downstreams.lm is not in the policy; did you mean "ml"?"#);
    place.write("gate.toml", "[http]\nlisten = \"0.0.0.0:9465\"\n");
    insta::assert_snapshot!(place.fails("gate"), @"2 quell: http.listen is 0.0.0.0:9465, which other machines can reach, and it can be asked there who has opted out: set http.token or http.token_file, or listen on 127.0.0.1");
    place.write("gate.toml", "[kafka.client]\n\"isolation.level\" = \"read_uncommitted\"\n");
    insta::assert_snapshot!(place.fails("gate"), @"2 quell: kafka.client: isolation.level belongs to Quell, since the gate's answers rest on it; leave it out");
}

#[test]
fn config_show_shows_what_holds_and_no_secret() {
    let place = Place::with_config("[http]\ntoken = \"hidden\"\n[kafka.client]\nsasl.password = \"hidden\"");
    let environment = [("QUELL_TOPICS__SHARDS", "16"), ("QUELL_KAFKA__CLIENT__SSL_KEY_PASSWORD", "hidden")];
    let shown = place.run_with("config show", &environment).stdout;
    assert!(!shown.contains("hidden") && shown.contains("shards = 16"), "{shown}");
}

#[test]
fn a_policy_is_checked() {
    let place = Place::with_config("");
    let ended = place.run("policy check");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.stdout, @"policy.toml is valid: version 2026-11-23, 3 identifier types, 6 rights, 3 downstreams");

    place.write("policy.toml", &POLICY.replace("max_neighbours", "max_neighbors"));
    insta::assert_snapshot!(place.fails("policy check"), @"2 quell: policy.toml: line 9: unknown field `max_neighbors`, expected one of `max_neighbours`, `blocked_values`, `from`; did you mean `max_neighbours`?");
    place.write("policy.toml", &POLICY.replace("\"sharing\"]", "\"sharign\"]"));
    insta::assert_snapshot!(place.fails("policy check"), @r#"2 quell: policy.toml: downstreams.ads.rights: "sharign" is not declared; did you mean "sharing"?"#);
    place.write("policy.toml", &POLICY.replace("suppression.ads", "suppression.acks"));
    insta::assert_snapshot!(place.fails("policy check"), @r#"2 quell: policy.toml: downstreams.ads.topic is "suppression.acks", which is topics.acks; give it a topic of its own"#);
}

#[test]
fn what_the_engine_would_refuse_is_not_published() {
    let place = Place::with_config("");
    insta::assert_snapshot!(place.fails("emit opt-out cookie_id=null --right sale"), @"2 quell: the engine would refuse it as blocked_value: the cookie_id is on the block list; mend it, or add --unchecked");
    insta::assert_snapshot!(place.fails("emit opt-in device=7f3c --right sale"), @"2 quell: the engine would refuse it as unknown_type: the policy does not declare the identifier type; mend it, or add --unchecked");
    insta::assert_snapshot!(place.fails("emit opt-out cookie_id=7f3c --right sales,sharing"), @"2 quell: the engine would refuse it as unknown_right: the policy does not declare the right; mend it, or add --unchecked");
    insta::assert_snapshot!(place.fails("emit link cookie_id=7f3c cookie_id=7f3c"), @"2 quell: the engine would refuse it as invalid: both ends of the link are the same identifier; mend it, or add --unchecked");
    insta::assert_snapshot!(place.fails("emit unlink cookie_id=7f3c account_id=42 --observed-at 2999-01-01T00:00:00Z"), @"2 quell: the engine would refuse it as future: observed_at is ahead of the engine's clock; mend it, or add --unchecked");
    insta::assert_snapshot!(place.fails("emit ack billing cookie_id=7f3c --version 1"), @"2 quell: the engine would refuse it as unknown_downstream: the policy does not declare the downstream; mend it, or add --unchecked");
}

#[test]
fn explain_asks_the_engine_with_the_token_and_tells_what_it_answers() {
    let place = Place::with_config("[http]\ntoken = \"secret\"");
    let (address, asked) = answer_once("200 OK", EXPLANATION);
    let ended = place.run(&format!("explain cookie_id=7f/3c --url http://{address}"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.stdout, @"
    cookie_id=7f3c

    what holds
      nobody has chosen

    chosen here
      nothing

    links
      none

    published
      nothing
    ");
    let asked = asked.join().unwrap().to_lowercase();
    assert!(asked.starts_with("get /v1/identifiers/cookie_id/7f%2f3c http/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: bearer secret\r\n"), "{asked}");

    let (address, _) = answer_once("200 OK", EXPLANATION);
    let ended = place.run(&format!("explain cookie_id=7f3c --json --url http://{address}/"));
    assert_eq!(ended.stdout.trim_end(), EXPLANATION);
}

#[test]
fn explain_says_in_one_line_why_it_cannot() {
    let place = Place::with_config("[http]\nlisten = \"127.0.0.1:1\"");
    insta::assert_snapshot!(place.fails("explain cookie_id=7f3c"), @"1 quell: no engine answers at http://127.0.0.1:1 (io: Connection refused); start one by `quell run`, or say where it is by --url");
    let (address, _) = answer_once("404 Not Found", "{\"error\":\"nothing was ever heard of this identifier\"}");
    insta::assert_snapshot!(place.fails(&format!("explain cookie_id=7f3c --url http://{address}")), @"1 quell: nothing was ever heard of this identifier");
    let (address, _) = answer_once("502 Bad Gateway", "<html>");
    let said = place.fails(&format!("explain cookie_id=7f3c --url http://{address}")).replace(&address, "127.0.0.1:2");
    insta::assert_snapshot!(said, @"1 quell: what answers at http://127.0.0.1:2 is no engine: 502 Bad Gateway");
}

#[test]
fn keys_are_made_one_after_the_other_and_listed() {
    let place = Place::empty();
    place.write("gate.toml", "");
    insta::assert_snapshot!(place.run("keys list").stdout, @"");
    insta::assert_snapshot!(place.fails("keys rotate"), @"1 quell: cannot make a key: no key is in use; make one with `quell keys generate`");
    let made = place.run("keys generate");
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    let first = made.stdout.split(' ').nth(3).unwrap().to_owned();
    assert_eq!(made.stdout, format!("made the key {first} in gate/keys: used from now on\n"));
    let again = place.fails("keys generate").replace(&first, "FIRST");
    insta::assert_snapshot!(again, @"1 quell: cannot make a key: the key FIRST is there already; `quell keys rotate` makes the next one");
    insta::assert_snapshot!(place.fails("keys rotate --after 1h"), @"2 quell: --after is too short: a key is used later than 1h after it was published: so long is the JWK set kept by those who verify");
    let made = place.run("keys rotate").stdout;
    let second = made.split(' ').nth(3).unwrap();
    assert!(made.contains(": published now, used from 20"), "{made}");
    let again = place.fails("keys rotate").replace(second, "SECOND");
    insta::assert_snapshot!(again, @"1 quell: cannot make a key: the key SECOND is published and not in use yet; wait until it is, or take its file away");
    let listed = place.run("keys list").stdout;
    let mut lines = listed.lines();
    let (used, published) = (lines.next().unwrap(), lines.next().unwrap());
    assert!(used.starts_with(&format!("{first}  in use     published 20")) && used.contains("Z until 20"), "{listed}");
    assert!(published.starts_with(&format!("{second}  published  published 20")), "{listed}");
    assert_eq!(place.run("keys list --json").stdout.lines().count(), 2);
}

#[test]
fn what_subjects_are_hashed_with_is_made_anew_when_it_is_lost() {
    let place = Place::empty();
    place.write("gate.toml", "");
    assert_eq!(place.run("keys generate").code, Some(0));
    let (lost, keys) = (place.path().join("gate/keys/subject.jwk"), place.run("keys list").stdout);
    fs::remove_file(&lost).unwrap();
    place.write("gate/keys/.subject.jwk.new", "");
    insta::assert_snapshot!(place.run("keys generate").stdout, @"made subject.jwk in gate/keys: another than before makes other subject keys");
    assert!(lost.exists());
    assert_eq!(place.run("keys list").stdout, keys);
}

#[test]
fn a_key_that_somebody_has_broken_is_named() {
    let place = Place::empty();
    place.write("gate.toml", "[keys]\npath = \"keys\"");
    fs::create_dir(place.path().join("keys")).unwrap();
    place.write("keys/mine.jwk", "{}");
    insta::assert_snapshot!(place.fails("keys list"), @"1 quell: cannot read the keys: keys/mine.jwk: it is not a key as `quell keys generate` makes them: a member is missing or wrong, near line 1; take it away, or put back what it was");
}

#[test]
fn what_is_no_certificate_or_no_key_set_is_said() {
    let place = Place::empty();
    place.write("decision.jwt", "a.b");
    insta::assert_snapshot!(place.fails("certificate verify decision.jwt --jwks jwks.json"), @"2 quell: cannot read jwks.json: No such file or directory");
    place.write("jwks.json", r#"{"keys":[]}"#);
    insta::assert_snapshot!(place.fails("certificate verify decision.jwt --jwks jwks.json"), @"2 quell: cannot verify by jwks.json: it has no Ed25519 key");
    place.write(
        "jwks.json",
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );
    insta::assert_snapshot!(place.fails("certificate verify decision.jwt --jwks jwks.json"), @"1 quell: decision.jwt proves nothing: it is not a JWS in compact form: it has not three parts with two dots between them");
    insta::assert_snapshot!(place.fails("certificate verify decision.jwt --jwks jwks.json --subject a=b --subject-key 00"), @"2 quell: invalid value '00' for '--subject-key <KEY>': it is not a subject key: write its 64 hexadecimal digits; see `quell certificate verify --help`");
    // RFC 8037, appendix A.4: a signature that holds, of something else.
    place.write("decision.jwt", "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
    insta::assert_snapshot!(place.fails("certificate verify decision.jwt --jwks jwks.json"), @"1 quell: decision.jwt proves nothing: it is not a JWS in compact form: its header has not alg, kid and typ, or has more than these");
}

#[test]
fn whom_a_certificate_is_about_is_shown_by_the_address_itself() {
    let place = Place::empty();
    let ring: KeyRing = [SigningKey::new(&[1; 32], Millis(0), Millis(0))].into_iter().collect();
    let hash = hashed_email("ada@example.com").unwrap();
    let record = json!({ "decision_id": "d-1", "subject": { "type": "email_sha256", "value": hash } });
    let secret = SubjectSecret::new([9; 32]);
    let record = record.as_object().unwrap().clone();
    let made = certify(record, SubjectForm::KeyedHash(&secret), None, &ring, Millis(1)).unwrap();
    place.write("decision.jwt", &made.jws);
    place.write("jwks.json", &ring.public_keys().to_json());
    let key = made.subject_key.unwrap().reveal();
    let of = |subject: &str| {
        format!("certificate verify decision.jwt --jwks jwks.json --subject {subject} --subject-key {key}")
    };
    for same in ["email=ada@example.com", "email=Ada@Example.COM", &format!("email_sha256={hash}")] {
        assert_eq!(place.run(&of(same)).code, Some(0), "{same}");
    }
    insta::assert_snapshot!(place.fails(&of("email=ida@example.com")), @"1 quell: the signature holds: the certificate is not about that subject, or the subject key is that of another certificate; if the policy calls hashes of addresses otherwise than email_sha256, say --subject TYPE=2183cce8ca8f05aa3322c18bd1b547d42c11757e838b84a0d4d3e4b31bf4e1e1");
    insta::assert_snapshot!(place.fails(&of("email=")), @"1 quell: the signature holds: --subject is no address: value is blank");
}

const REVIEW: &str = r#"{"review_id":"01a0c450-6c00-7000-8000-000000000001","state":"pending","created_at":1795456800000,"subject":{"type":"account_id","value":"42"},"action":"infer","system":"hiring","reason":"suppressed","policy_version":"p-1","policy_sha256":"f00d"}"#;

fn place_of_a_gate() -> Place {
    let place = Place::empty();
    place.write("gate.toml", "[http]\nlisten = \"127.0.0.1:1\"\ntoken = \"asks\"\n[reviews]\ntoken = \"reviews\"\n");
    place
}

#[test]
fn reviews_are_listed_and_shown_with_the_token_for_them() {
    let place = place_of_a_gate();
    let (address, asked) = answer_once("200 OK", &format!(r#"{{"reviews":[{REVIEW}],"more":true}}"#));
    let ended = place.run(&format!("reviews list --system hiring --limit 1 --url http://{address}"));
    assert_eq!(ended.code, Some(0));
    insta::assert_snapshot!(ended.stdout, @"01a0c450-6c00-7000-8000-000000000001  2026-11-23T18:00:00.000Z  hiring  suppressed");
    insta::assert_snapshot!(ended.stderr, @"1 pending review; there are more, --after 01a0c450-6c00-7000-8000-000000000001");
    let asked = asked.join().unwrap().to_lowercase();
    assert!(asked.starts_with("get /v1/reviews?state=pending&limit=1&system=hiring http/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: bearer reviews\r\n"), "{asked}");

    let (address, asked) = answer_once("200 OK", REVIEW);
    let ended = place.run(&format!("reviews show 01a0c450-6c00-7000-8000-000000000001 --url http://{address}"));
    insta::assert_snapshot!(ended.stdout, @"
    review 01a0c450-6c00-7000-8000-000000000001, pending

      opened    2026-11-23T18:00:00.000Z
      about     account_id=42
      system    hiring, to infer
      because   suppressed
      policy    p-1
    ");
    assert!(asked.join().unwrap().starts_with("GET /v1/reviews/01a0c450-6c00-7000-8000-000000000001 HTTP/1.1\r\n"));
    let (address, _) = answer_once("200 OK", REVIEW);
    assert_eq!(place.run(&format!("reviews show 01 --json --url http://{address}")).stdout.trim_end(), REVIEW);
}

#[test]
fn a_resolution_is_sent_as_it_was_said() {
    let place = place_of_a_gate();
    let (address, asked) = answer_once("200 OK", REVIEW);
    let said = "--outcome granted --by j.doe --proposal changed --note why";
    let ended = place.run(&format!("reviews resolve 01a0 {said} --url http://{address}"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("POST /v1/reviews/01a0/resolution HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"by":"j.doe","outcome":"granted","changed_proposal":true,"note":"why"}"#), "{asked}");
}

#[test]
fn reviews_say_in_one_line_why_they_cannot() {
    let place = place_of_a_gate();
    insta::assert_snapshot!(place.fails("reviews list"), @"1 quell: no gate answers at http://127.0.0.1:1 (io: Connection refused); start one by `quell gate`, or say where it is by --url");
    insta::assert_snapshot!(place.fails("reviews resolve 01a0 --outcome maybe --by j"), @"2 quell: invalid value 'maybe' for '--outcome <OUTCOME>'; [possible values: granted, refused, dismissed]; see `quell reviews resolve --help`");
    let (address, _) = answer_once("409 Conflict", "{\"error\":\"the review was resolved already, by j.doe\"}");
    let resolve = format!("reviews resolve 01a0 --outcome granted --by ben --url http://{address}");
    insta::assert_snapshot!(place.fails(&resolve), @"1 quell: the review was resolved already, by j.doe");
    place.write("gate.toml", "[http]\ntoken = \"one\"\n[reviews]\ntoken = \"one\"\n");
    insta::assert_snapshot!(place.fails("reviews list"), @"2 quell: gate.toml: reviews.token: is that of http as well: what asks for decisions could make those that were left to a human; make another with `openssl rand -hex 32`");
    place.write("gate.toml", "[reviews]\ntoken = \"one\"\ntoken_file = \"other\"\n");
    insta::assert_snapshot!(place.fails("reviews list"), @"2 quell: gate.toml: reviews.token: reviews.token_file is set as well; keep one of them");
}

#[test]
fn help_of_reviews() {
    insta::assert_snapshot!(help("reviews --help"), @"
    Look at what the gate has left to humans, and record how they decide

    Usage: quell reviews [OPTIONS] <COMMAND>

    Commands:
      list     List what waits for a human, the oldest first
      show     Show all of one review
      resolve  Record how a human has decided; once
      help     Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  The gate's configuration [default: gate.toml]
      -h, --help           Print help
    ");
    insta::assert_snapshot!(help("reviews list --help"), @"
    List what waits for a human, the oldest first

    Usage: quell reviews list [OPTIONS]

    Options:
          --state <STATE>   Those that wait, or those that were resolved lately [default: pending]
                            [possible values: pending, resolved]
          --system <NAME>   Those of one system
          --limit <NUMBER>  At most so many [default: 100]
          --after <ID>      Those behind this one
          --url <URL>       Where the gate's HTTP address is [default: http.listen of the configuration]
          --json            Print what the gate answers, for a machine
          --config <FILE>   The gate's configuration [default: gate.toml]
      -h, --help            Print help
    ");
    insta::assert_snapshot!(help("reviews show --help"), @"
    Show all of one review

    Usage: quell reviews show [OPTIONS] <ID>

    Arguments:
      <ID>  The review's id, which is its decision's

    Options:
          --url <URL>      Where the gate's HTTP address is [default: http.listen of the configuration]
          --json           Print what the gate answers, for a machine
          --config <FILE>  The gate's configuration [default: gate.toml]
      -h, --help           Print help
    ");
    insta::assert_snapshot!(help("reviews resolve --help"), @"
    Record how a human has decided; once

    Usage: quell reviews resolve [OPTIONS] --outcome <OUTCOME> --by <NAME> <ID>

    Arguments:
      <ID>  The review's id, which is its decision's

    Options:
          --outcome <OUTCOME>    Whether the consumer gets what they are after; dismissed if there was
                                 nothing to decide [possible values: granted, refused, dismissed]
          --by <NAME>            Who decides
          --proposal <PROPOSAL>  Whether that is what the machine had proposed; to be said where it had
                                 [possible values: kept, changed]
          --note <TEXT>          Why
          --url <URL>            Where the gate's HTTP address is [default: http.listen of the
                                 configuration]
          --json                 Print what the gate answers, for a machine
          --config <FILE>        The gate's configuration [default: gate.toml]
      -h, --help                 Print help
    ");
}
