//! Brokers die under load, whichever they are, one by one and all at once: nothing is lost, nothing comes twice, the
//! engines wait, say so, and go on by themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_domain::Action;
use quell_testbed::cluster::{Cluster, cluster};
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{Event, choice, world};
use quell_testbed::instance::wait_until_shared;
use quell_testbed::load::Load;
use quell_testbed::outcome::{comes_to_the_models_state, time_to_suppress};
use quell_testbed::wait_for;

/// How long an opt-out may take once everything works again. Milliseconds would do on a machine that does nothing else;
/// what must not happen is that something waits for a time-out of minutes.
const RECOVERED: Duration = Duration::from_secs(40);

/// How long all brokers stay away.
const AWAY: Duration = Duration::from_secs(20);

/// Which broker is meant.
type Victim<'a> = &'a dyn Fn(&Cluster) -> usize;

#[test]
fn brokers_fail_one_by_one() {
    let mut cluster = cluster();
    let deployment = Arc::new(Deployment::on(cluster.kafka(), POLICY, &[]));
    let load = Load::start(&deployment, 41, 300);
    let (one, two) = (deployment.start("one"), deployment.start("two"));
    wait_until_shared(&[&one, &two]);
    let mut extra = Vec::new();
    let leader = |cluster: &Cluster| cluster.leader(&deployment.topics().changelog, 0);
    let transactions = |cluster: &Cluster| cluster.transaction_coordinator(&deployment.transactional_id("one"));
    let group = |cluster: &Cluster| cluster.group_coordinator(&deployment.prefix);
    let victims: [(&str, Victim<'_>); 3] = [("changelog", &leader), ("transactions", &transactions), ("group", &group)];
    for (name, find) in victims {
        let victim = find(&cluster);
        cluster.kill(victim);
        // One of three is away: it goes on with the other two.
        extra.push(opt_out(&format!("without-{name}")));
        time_to_suppress(&deployment, extra.last().unwrap());
        cluster.restart(victim);
        cluster.wait_until_whole();
        extra.push(opt_out(&format!("with-{name}")));
        let took = time_to_suppress(&deployment, extra.last().unwrap());
        assert!(took < RECOVERED, "an opt-out took {took:?} after the broker of {name} was back");
    }
    let mut events = load.finish();
    events.extend(extra);
    comes_to_the_models_state(&deployment, &[&one, &two], &world(&deployment.policy, &events));
}

#[test]
fn all_brokers_are_away_for_a_while() {
    let mut cluster = cluster();
    let deployment = Arc::new(Deployment::on(cluster.kafka(), POLICY, &[("engine", "standby_replicas = 1")]));
    let load = Load::start(&deployment, 42, 300);
    let (one, two) = (deployment.start("one"), deployment.start("two"));
    wait_until_shared(&[&one, &two]);
    let before = opt_out("before");
    time_to_suppress(&deployment, &before);
    let began = Instant::now();
    (0..cluster.size()).for_each(|node| cluster.kill(node));
    wait_for("the engine to say that it waits", || {
        (began.elapsed() >= AWAY && one.log().contains("kafka does not answer; waiting")).then_some(())
    });
    // Whoever is asked to stop does, with nobody there to hear of it.
    assert!(two.stop().success());
    cluster.heal();
    let after = opt_out("after");
    time_to_suppress(&deployment, &after);
    let again = opt_out("again");
    let took = time_to_suppress(&deployment, &again);
    assert!(took < RECOVERED, "an opt-out took {took:?} after the brokers were back");
    wait_for("the engine to say that it goes on", || one.log().contains("kafka answers again").then_some(()));
    let mut events = load.finish();
    events.extend([before, after, again]);
    comes_to_the_models_state(&deployment, &[&one], &world(&deployment.policy, &events));
}

fn opt_out(id: &str) -> Event {
    choice(id, Action::OptOut, "sale", ("cookie_id", id))
}
