//! Between engines and brokers the network is slow, is cut, or is silent with connections left half open; for one broker
//! or for all. Nothing is lost, nothing comes twice; what was on its way for too long changes nothing when it arrives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_domain::Action;
use quell_testbed::cluster::cluster;
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{choice, world};
use quell_testbed::instance::wait_until_shared;
use quell_testbed::load::Load;
use quell_testbed::outcome::{comes_to_the_models_state, time_to_suppress};
use quell_testbed::proxy::Network;
use quell_testbed::wait_for;

/// Beyond the session's time-out and the transaction's.
const LASTS: Duration = Duration::from_secs(5);

#[test]
fn the_network_misbehaves() {
    let client = "\"session.timeout.ms\" = \"3000\"\n\"heartbeat.interval.ms\" = \"700\"\n\
                  \"transaction.timeout.ms\" = \"3000\"";
    let cluster = cluster();
    let deployment = Arc::new(Deployment::on(cluster.kafka(), POLICY, &[("kafka.client", client)]));
    let load = Load::start(&deployment, 51, 300);
    let (one, two) = (deployment.start("one"), deployment.start("two"));
    wait_until_shared(&[&one, &two]);
    let all: Vec<usize> = (0..cluster.size()).collect();
    let coordinator = [cluster.group_coordinator(&deployment.prefix)];
    let leader = [cluster.leader(&deployment.topics().changelog, 1)];
    let mut extra = Vec::new();
    for (name, network, nodes) in [
        ("slow", Network::Slow(Duration::from_millis(50)), all.as_slice()),
        ("cut-all", Network::Cut, &all),
        ("cut-leader", Network::Cut, &leader),
        ("silent-all", Network::Silent, &all),
        ("silent-coordinator", Network::Silent, &coordinator),
    ] {
        nodes.iter().for_each(|node| cluster.network(*node, network));
        let began = Instant::now();
        wait_for("the fault to have lasted", || (began.elapsed() >= LASTS).then_some(()));
        cluster.network_everywhere(Network::Good);
        let event = choice(name, Action::OptOut, "sale", ("cookie_id", name));
        time_to_suppress(&deployment, &event);
        extra.push(event);
    }
    wait_until_shared(&[&one, &two]);
    let mut events = load.finish();
    events.extend(extra);
    comes_to_the_models_state(&deployment, &[&one, &two], &world(&deployment.policy, &events));
}
