//! Kafka is out of reach: decisions are recorded on disk, grow stale, and are delivered when it is back. When the disk's
//! share is used up nothing is answered, and nothing that was answered is lost.

use std::collections::BTreeSet;

use quell_testbed::cluster::cluster;
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::proxy::Network;
use quell_testbed::wait_for;

const SYSTEMS: &str = "[admt_systems.hiring]\nmax_staleness = \"5s\"\n";

#[test]
fn a_gate_without_kafka_records_until_it_cannot() {
    let cluster = cluster();
    let extra = [("gate.toml:spool", "size = \"4MiB\"\ndeadline = \"2s\"")];
    let deployment = Deployment::on(cluster.kafka(), &format!("{POLICY}{SYSTEMS}"), &extra);
    deployment.make_gate_topics();
    let gate = deployment.start_gate("gate").wait_until_ready();
    let nobody = ("account_id", "nobody");
    deployment.say_all_is_known();
    gate.wait_until(nobody, "hiring", true, "clear");

    cluster.network_everywhere(Network::Cut);
    gate.wait_until(nobody, "hiring", false, "stale");
    let mut answered = BTreeSet::new();
    wait_for("the spool to be full", || {
        let more = gate.ask_a_thousand("hiring");
        answered.extend(more.iter().flatten().cloned());
        more.is_none().then_some(())
    });
    assert!(gate.count("quell_gate_spool_bytes", &[]) <= 4.0 * 1024.0 * 1024.0);
    assert!(gate.count("quell_gate_spool_stalls_total", &[]) >= 1.0);
    assert!(gate.count("quell_gate_refused_total", &["reason=\"not_recorded\""]) >= 1.0);
    println!("{} decisions in a spool of 4 MiB", answered.len());

    // It ends in order without Kafka, too, and who comes next delivers.
    assert!(gate.stop().success());
    let gate = deployment.start_gate("gate");
    wait_for("the gate to say that it waits", || gate.log().contains("no broker answers; waiting").then_some(()));
    assert_eq!(gate.get("/health/ready").unwrap().0, 503);
    cluster.network_everywhere(Network::Good);
    let gate = gate.wait_until_ready();
    deployment.say_all_is_known();
    gate.wait_until(nobody, "hiring", true, "clear");
    wait_for("every decision's record", || {
        answered.extend(gate.ask_a_thousand("hiring").into_iter().flatten());
        answered.is_subset(&deployment.recorded_decisions()).then_some(())
    });
    assert!(gate.stop().success());
}
