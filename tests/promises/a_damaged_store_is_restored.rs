//! A store whose files are not what was written, or so old that the changelog may have forgotten deletions since, is
//! thrown away and restored from the changelog: never a wrong answer.

use std::path::Path;

use quell_testbed::deployment::Deployment;
use quell_testbed::events::{hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;

/// Flips a byte in every page of every file of rows.
fn damage(store: &Path) {
    let mut damaged = 0;
    for entry in std::fs::read_dir(store.join("rows")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sst") {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.iter_mut().step_by(512).for_each(|byte| *byte ^= 0x55);
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0, "there were no files to damage");
}

#[test]
fn a_damaged_store_is_restored() {
    let deployment = Deployment::new();
    let mut events = hurting(61, 150, 40);
    deployment.produce(records(&deployment, &events));
    let engine = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    assert!(engine.stop().success());

    damage(&deployment.store_of("one"));
    let more = hurting(61, 200, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    let engine = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    assert!(engine.log().contains("the store is damaged; restoring it from the changelog"), "{}", engine.log());
    assert_eq!(engine.metric("quell_store_damages_total", &[]), Some(1.0));
    assert!(engine.stop().success());
}

#[test]
fn a_store_that_is_older_than_the_changelog_keeps_deletions_is_restored() {
    let deployment = Deployment::new();
    let mut events = hurting(62, 100, 40);
    deployment.produce(records(&deployment, &events));
    let engine = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    assert!(engine.stop().success());

    let settings = [("cleanup.policy", "compact"), ("delete.retention.ms", "1")];
    deployment.alter_topic(&deployment.topics().changelog, &settings);
    let more = hurting(63, 50, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    let engine = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    let log = engine.log();
    assert!(log.contains("stored rows are older than the changelog keeps deletions; restoring anew"), "{log}");
    assert!(log.contains("keeps deletions for 0 s only"), "{log}");
    assert!(engine.stop().success());
}
