//! The spool's disk is full before the spool has what it may take: nothing is answered that is not recorded, and when Kafka
//! has taken what is recorded there is room again.

use std::collections::BTreeSet;

use quell_testbed::cluster::cluster;
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::proxy::Network;
use quell_testbed::wait_for;

const SYSTEMS: &str = "[admt_systems.hiring]\nmax_staleness = \"10m\"\n";

#[test]
fn a_gate_with_a_full_disk_waits_for_room() {
    let cluster = cluster();
    // A segment of it may be larger than the disk: what fills the disk is the one that is being written.
    let extra = [("gate.toml:spool", "size = \"64MiB\"\ndeadline = \"2s\"")];
    let deployment = Deployment::on(cluster.kafka(), &format!("{POLICY}{SYSTEMS}"), &extra);
    deployment.make_gate_topics();
    let gate = deployment.start_gate_on_a_small_disk("gate", 1 << 20).wait_until_ready();
    deployment.say_all_is_known();
    gate.wait_until(("account_id", "nobody"), "hiring", true, "clear");

    cluster.network_everywhere(Network::Cut);
    let mut answered = BTreeSet::new();
    wait_for("the disk to be full", || {
        let more = gate.ask_a_thousand("hiring");
        answered.extend(more.iter().flatten().cloned());
        more.is_none().then_some(())
    });
    assert!(gate.log().contains("No space left on device"), "{}", gate.log());
    assert!(gate.count("quell_gate_refused_total", &["reason=\"not_recorded\""]) >= 1.0);
    println!("{} decisions on a disk of 1 MiB", answered.len());

    cluster.network_everywhere(Network::Good);
    wait_for("room, and every decision's record", || {
        let more = gate.ask_a_thousand("hiring");
        answered.extend(more.iter().flatten().cloned());
        (more.is_some() && answered.is_subset(&deployment.recorded_decisions())).then_some(())
    });
    assert!(gate.stop().success());
}
